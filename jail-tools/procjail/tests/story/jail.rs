//! A jail that runs, with its events on our end of a pipe.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::Value;

use super::processes::{Held, Process, children};
use super::{procjail, wait_for};

/// `procjail run --status-fd 1`: what the command prints and the events come on the same pipe, in
/// their order.
#[derive(Debug)]
pub(crate) struct Jail {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) supervisor: Held,
    /// The events so far, by name.
    pub(crate) events: Vec<Value>,
}

impl Jail {
    pub(crate) fn start(options: &[&str], command: &[&str]) -> Self {
        let mut tool = procjail();
        tool.args(["run", "--status-fd", "1"]);
        tool.args(options).arg("--").args(command);
        tool.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = tool.spawn().expect("the tool starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let supervisor = Held::child(child.id().cast_signed());
        Self {
            child,
            lines,
            supervisor,
            events: Vec::new(),
        }
    }

    /// The next line, an event kept; `None` at the end.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("a line");
        if let Ok(event) = serde_json::from_str::<Value>(&line) {
            self.events.push(event);
        }
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Reads until the command has printed a line that begins so.
    #[track_caller]
    pub(crate) fn until_it_says(&mut self, word: &str) -> String {
        loop {
            let line = self.line();
            let line = line.unwrap_or_else(|| panic!("it never said `{word}`: {:?}", self.events));
            if line.starts_with(word) {
                return line;
            }
        }
    }

    /// Reads until an event.
    #[track_caller]
    pub(crate) fn until(&mut self, event: &str) -> Value {
        loop {
            if let Some(found) = self.events.iter().find(|e| e["event"] == event) {
                return found.clone();
            }
            assert!(self.line().is_some(), "no {event}: {:?}", self.events);
        }
    }

    /// What the command reads.
    pub(crate) fn input(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().expect("a pipe")
    }

    /// PID 1, once it is there.
    #[track_caller]
    pub(crate) fn pid_1(&self) -> Held {
        let of = self.supervisor.pid;
        wait_for("a PID 1", || {
            let first = children(of).into_iter().find(Process::is_pid_1)?;
            Held::below(of, first.pid)
        })
    }

    /// The command that is PID 1's child, once it is one and not procjail any more.
    #[track_caller]
    pub(crate) fn command(&self) -> Held {
        let first = self.pid_1().pid;
        wait_for("a command", || {
            let mut found = children(first).into_iter();
            let command = found.find(|p| p.name != "procjail")?;
            Held::below(first, command.pid)
        })
    }

    /// The keeper: the child that is not in the jail.
    #[track_caller]
    pub(crate) fn keeper(&self) -> Held {
        let of = self.supervisor.pid;
        wait_for("a keeper", || {
            let keeper = children(of).into_iter().find(|p| !p.is_jailed())?;
            Held::below(of, keeper.pid)
        })
    }

    /// Closes the command's input and reads to the end: the last event, and the exit code.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        while self.line().is_some() {}
        let status = self.child.wait().expect("the tool's end");
        Ended {
            code: status.code(),
            signal: status.signal(),
            report: self.events.last().cloned().unwrap_or_default(),
            events: self.events,
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// The last event, with the report.
    pub(crate) report: Value,
    pub(crate) events: Vec<Value>,
}

impl Ended {
    /// Names of the events, in their order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|e| e["event"].as_str())
            .collect()
    }

    pub(crate) fn who(&self) -> &str {
        self.report["killed_by"]["who"].as_str().unwrap_or("nobody")
    }
}
