//! An init that runs, with `jail-probe` under it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpgid, mkfifo, tcgetpgrp};
use tempfile::TempDir;

use crate::common::processes::{Process, children, first_process_below, status};
use crate::common::wire::{BACKGROUND, End, Event, FOREGROUND, Received, Report, State};
use crate::lines::{Lines, NoLine};
use crate::setup::{Input, Setup, Spawned, launch, launcher, spawn};
use crate::subject::Subject;
use crate::sys::{PidFd, With};
use crate::verdict::Why;

/// How much of an init's own words is kept, in characters.
const SAID_MAX: usize = 200;

/// The launcher may take so long for its end.
const END_MAX: Duration = Duration::from_secs(3);

/// How often a state that tells nobody of its change is looked at.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) struct Running<'a> {
    subject: &'a Subject,
    launcher: Child,
    launcher_fd: PidFd,
    reports: Lines,
    events: Lines,
    input: Input,
    folder: TempDir,
    /// The number here of what was started: the init, or what makes a jail for it.
    pub(crate) program_pid: i32,
    /// The init's.
    pub(crate) init_pid: i32,
    /// Where signals are sent to.
    target: PidFd,
    /// What came on standard output and is no event.
    noise: String,
    ended: Option<Ended>,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) end: End,
    pub(crate) foreground: Option<i32>,
    pub(crate) own_group: i32,
}

impl<'a> Running<'a> {
    /// Starts it, and does not wait for its command.
    pub(crate) fn start(subject: &'a Subject, setup: &Setup) -> Result<Self, Why> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let fifo = folder.path().join("report");
        mkfifo(&fifo, Mode::S_IRWXU).map_err(std::io::Error::from)?;
        let opened = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&fifo)?;
        let mut reports = Lines::new(opened.into())?;
        let launch = launch(subject, setup, fifo.display().to_string());
        let mut command = launcher(subject, setup, &launch)?;
        command.current_dir(folder.path());
        let Spawned {
            mut launcher,
            events,
            input,
        } = spawn(&mut command, setup.on_terminal, &folder)?;
        let program_pid = match started(&mut reports, subject.patience()) {
            Ok(pid) => pid,
            Err(why) => {
                let _ = launcher.kill();
                let _ = launcher.wait();
                return Err(why);
            }
        };
        Ok(Self {
            subject,
            launcher_fd: PidFd::open(launcher.id().cast_signed())?,
            launcher,
            reports,
            events,
            input,
            folder,
            program_pid,
            init_pid: program_pid,
            // The launcher does not reap it while we live, so that the number is its own.
            target: PidFd::open(program_pid)?,
            noise: String::new(),
            ended: None,
        })
    }

    /// Starts `jail-probe`, and waits until it says what it found.
    pub(crate) fn ready(subject: &'a Subject, setup: &Setup) -> Result<(Self, State), Why> {
        let mut running = Self::start(subject, setup)?;
        let state = running.state()?;
        running.aim()?;
        Ok((running, state))
    }

    /// From now on the PID 1 of the jail that the command makes is the init.
    pub(crate) fn aim(&mut self) -> Result<(), Why> {
        if !self.subject.makes_its_jail() {
            return Ok(());
        }
        let first = first_process_below(self.program_pid)
            .ok_or_else(|| self.seen("a command runs, and there is no PID 1 of a jail"))?;
        self.init_pid = first;
        if self.subject.sends_to_first_process() {
            self.target = PidFd::open(first)?;
        }
        Ok(())
    }

    pub(crate) fn state(&mut self) -> Result<State, Why> {
        match self.event()? {
            Event::Ready(state) => Ok(*state),
            other => Err(self.seen(&format!("{other:?} before it was ready"))),
        }
    }

    pub(crate) fn send(&self, signal: i32) -> Result<(), Why> {
        self.target
            .send(signal)
            .map_err(|e| self.seen(&format!("sending signal {signal}: {e}")))
    }

    pub(crate) fn queue(&self, signal: i32, with: With) -> Result<(), Why> {
        self.target
            .queue(signal, with)
            .map_err(|e| self.seen(&format!("queueing signal {signal}: {e}")))
    }

    /// The next thing that the command tells.
    pub(crate) fn event(&mut self) -> Result<Event, Why> {
        match self.event_or_silence() {
            Ok(event) => Ok(event),
            Err(NoLine::Closed) => Err(self.seen("nothing more is told")),
            Err(NoLine::Silent) => Err(self.seen("silence")),
        }
    }

    pub(crate) fn event_or_silence(&mut self) -> Result<Event, NoLine> {
        loop {
            let line = self.events.next(self.subject.patience())?;
            match serde_json::from_str(&line) {
                Ok(event) => return Ok(event),
                // An init's own words.
                Err(_) => self.noise.extend([line.as_str(), "\n"]),
            }
        }
    }

    /// The next event should be a signal.
    pub(crate) fn signal(&mut self) -> Result<Received, Why> {
        match self.event()? {
            Event::Signal(received) => Ok(received),
            other => Err(self.seen(&format!("{other:?}, and no signal"))),
        }
    }

    /// Says something to the command, and waits until it has heard it.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), Why> {
        self.write(format!("{line}\n").as_bytes())?;
        match self.event()? {
            Event::Line(heard) if heard == line => Ok(()),
            other => Err(self.seen(&format!("{other:?} where {line:?} was said"))),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Why> {
        let written = match &mut self.input {
            Input::Pipe(pipe) => pipe.write_all(bytes),
            Input::Terminal(file) => file.write_all(bytes),
        };
        written.map_err(|e| self.seen(&format!("writing to it: {e}")))
    }

    /// The group that has the terminal's foreground, and the launcher's.
    pub(crate) fn foreground(&self) -> (Option<i32>, Option<i32>) {
        let Input::Terminal(terminal) = &self.input else {
            return (None, None);
        };
        let launcher = Pid::from_raw(self.launcher.id().cast_signed());
        let found = (tcgetpgrp(terminal).ok(), getpgid(Some(launcher)).ok());
        (found.0.map(Pid::as_raw), found.1.map(Pid::as_raw))
    }

    /// What the shell does before it continues a job.
    pub(crate) fn shell_gives_terminal(&self) -> Result<(), Why> {
        let is_so = || self.foreground().0 == Some(self.program_pid);
        self.shell_does(FOREGROUND, "the job has the terminal", is_so)
    }

    /// What the shell does when its job has stopped.
    pub(crate) fn shell_takes_terminal(&self) -> Result<(), Why> {
        let is_so = || {
            let (foreground, of_shell) = self.foreground();
            foreground == of_shell
        };
        self.shell_does(BACKGROUND, "the shell has the terminal", is_so)
    }

    /// Not, if it is so already: nothing would tell when it is done, and of two signals that wait the
    /// lower one is taken first.
    fn shell_does(&self, told: i32, what: &str, is_so: impl Fn() -> bool) -> Result<(), Why> {
        if is_so() {
            return Ok(());
        }
        self.launcher_fd.send(told)?;
        self.wait_until(what, is_so)
    }

    /// What a shell sends to a job.
    pub(crate) fn continue_job(&self) -> Result<(), Why> {
        // The group's number is its leader's, which the launcher does not reap while we live.
        let group = Pid::from_raw(self.program_pid);
        killpg(group, Signal::SIGCONT).map_err(|e| self.seen(&format!("CONT to the job: {e}")))
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> Result<Ended, Why> {
        loop {
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
            self.report()?;
        }
    }

    /// Waits until the launcher has sent its early TERM, or has found nobody to send it to.
    pub(crate) fn early_term(&mut self) -> Result<(), Why> {
        self.report().map(drop)
    }

    fn report(&mut self) -> Result<Report, Why> {
        let report = next_report(&mut self.reports, self.subject.patience())
            .map_err(|why| self.seen(&format!("it does not end: {why}")))?;
        match &report {
            Report::Ended {
                end,
                foreground,
                own_group,
            } => {
                self.ended = Some(Ended {
                    end: *end,
                    foreground: *foreground,
                    own_group: *own_group,
                });
            }
            Report::Failed { why } => return Err(self.seen(&format!("not started: {why}"))),
            Report::Started { .. } | Report::Term { .. } => {}
        }
        Ok(report)
    }

    /// Nobody is left who could tell anything.
    pub(crate) fn is_silent_for_good(&mut self) -> bool {
        loop {
            match self.event_or_silence() {
                Err(NoLine::Closed) => return true,
                Err(NoLine::Silent) => return false,
                Ok(_) => {}
            }
        }
    }

    /// The init's parent dies.
    pub(crate) fn kill_launcher(&mut self) -> Result<(), Why> {
        self.launcher.kill()?;
        self.launcher.wait()?;
        Ok(())
    }

    /// A child of the init's, by its number in its own namespace.
    pub(crate) fn child(&self, pid: i32) -> Result<i32, Why> {
        children(self.init_pid)
            .iter()
            .find(|p| innermost(p.pid) == Some(pid))
            .map(|p| p.pid)
            .ok_or_else(|| self.seen(&format!("the init has no child {pid}")))
    }

    pub(crate) fn zombies(&self) -> usize {
        let of_init = children(self.init_pid);
        of_init.iter().filter(|p| p.state == 'Z').count()
    }

    pub(crate) fn wait_until(
        &self,
        what: &str,
        mut is_so: impl FnMut() -> bool,
    ) -> Result<(), Why> {
        let deadline = Instant::now() + self.subject.patience();
        while !is_so() {
            if Instant::now() > deadline {
                return Err(self.seen(&format!("never so: {what}")));
            }
            sleep(LOOK);
        }
        Ok(())
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What was seen, with what the init said.
    pub(crate) fn seen(&self, what: &str) -> Why {
        let mut said = fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
        said += &self.noise;
        let said: String = said.trim().chars().take(SAID_MAX).collect();
        if said.is_empty() {
            return Why::Failed(what.to_owned());
        }
        Why::Failed(format!("{what} (it said: {said})"))
    }
}

impl Drop for Running<'_> {
    /// Nothing of it is left behind: what is under the init gets SIGKILL when that dies, and the
    /// launcher waits for all.
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.target.send(libc::SIGKILL);
        }
        let _ = self.launcher_fd.send(libc::SIGTERM);
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline && matches!(self.launcher.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(1));
        }
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

fn started(reports: &mut Lines, patience: Duration) -> Result<i32, Why> {
    match next_report(reports, patience)? {
        Report::Started { pid } => Ok(pid),
        other => Err(Why::Failed(format!("not started: {other:?}"))),
    }
}

fn next_report(reports: &mut Lines, patience: Duration) -> Result<Report, String> {
    let line = reports
        .next(patience)
        .map_err(|e| format!("no report: {e:?}"))?;
    serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))
}

/// Its number in its own PID namespace.
fn innermost(pid: i32) -> Option<i32> {
    let pids = status(pid, "NSpid")?;
    pids.split_whitespace().last()?.parse().ok()
}

/// Is it stopped, or whatever this letter says?
pub(crate) fn is_in_state(pid: i32, state: char) -> bool {
    Process::of(pid).is_some_and(|p| p.state == state)
}
