//! A reader of --status-fd that is gone, slow, or never reads: nobody but itself waits for it.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::process::{Child, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use serde_json::Value;

use crate::story::processes::{Held, children, descendants};
use crate::story::{procjail, wait_for, wait_until};

/// The tool; killed if it still runs when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A jail whose events go to a pipe, and what it prints on standard error to nowhere.
fn start(options: &[&str], command: &[&str], events: PipeWriter) -> (Running, Held) {
    let mut tool = procjail();
    tool.args(["run", "--status-fd", "1"]).args(options);
    tool.arg("--").args(command);
    tool.stdin(Stdio::null()).stdout(events);
    tool.stderr(Stdio::null());
    let child = tool.spawn().expect("the tool starts");
    let supervisor = Held::child(child.id().cast_signed());
    (Running(child), supervisor)
}

/// A pipe with no room left, and how much is in it.
fn full() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = pipe().unwrap();
    let size = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let size = usize::try_from(size).unwrap();
    writer.write_all(&vec![b'.'; size]).unwrap();
    (reader, writer, size)
}

/// The command runs, whatever is said of it.
fn until_it_runs(supervisor: &Held, name: &str) {
    wait_until("the command", || {
        let below = descendants(supervisor.pid);
        below.iter().any(|p| p.name == name && p.is_jailed())
    });
}

fn code(running: &mut Running) -> Option<i32> {
    let status = wait_for("its end", || running.0.try_wait().unwrap());
    status.code()
}

/// Lines as far as they are there: a read that finds something.
fn events(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(|l| serde_json::from_slice(l).unwrap()).collect()
}

#[test]
fn needs_root_a_reader_that_is_gone_does_not_end_the_command() {
    let _test = testkit::begin!();
    for mode in ["--init", "--as-pid1"] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let command = ["sh", "-c", "sleep 0.3; exit 4"];
        let (mut child, _) = start(&[mode], &command, writer);
        assert_eq!(code(&mut child), Some(4), "{mode}");
    }
}

#[test]
fn needs_root_a_pipe_signal_from_outside_is_the_commands_all_the_same() {
    let _test = testkit::begin!();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let command = [
        "sh",
        "-c",
        "trap 'exit 9' PIPE; while :; do sleep 0.01; done",
    ];
    let (mut child, supervisor) = start(&[], &command, writer);
    // By then the trap is set.
    until_it_runs(&supervisor, "sleep");
    assert!(supervisor.signal(libc::SIGPIPE));
    assert_eq!(code(&mut child), Some(9));
}

#[test]
fn needs_root_a_full_pipe_keeps_no_signal_from_the_command() {
    let _test = testkit::begin!();
    for mode in ["--init", "--as-pid1"] {
        let (_reader, writer, _) = full();
        // The kernel lets nobody but a handler end a PID 1.
        let command = [
            "sh",
            "-c",
            "trap 'exit 7' TERM; while :; do sleep 0.01; done",
        ];
        let (mut child, supervisor) = start(&[mode], &command, writer);
        until_it_runs(&supervisor, "sleep");
        assert!(supervisor.signal(libc::SIGTERM));
        assert_eq!(code(&mut child), Some(7), "{mode}");
    }
}

#[test]
fn needs_root_a_full_pipe_does_not_lengthen_the_grace() {
    let _test = testkit::begin!();
    let (_reader, writer, _) = full();
    let deaf = ["sh", "-c", "trap '' TERM; sleep 1000"];
    let (mut child, supervisor) = start(&["--grace", "0.1"], &deaf, writer);
    until_it_runs(&supervisor, "sleep");
    assert!(supervisor.signal(libc::SIGTERM));
    assert_eq!(code(&mut child), Some(137));
}

#[test]
fn needs_root_what_found_no_room_is_written_when_there_is_some() {
    let _test = testkit::begin!();
    let (mut reader, writer, size) = full();
    let (mut child, supervisor) = start(&[], &["sleep", "1000"], writer);
    until_it_runs(&supervisor, "sleep");
    reader.read_exact(&mut vec![0; size]).unwrap();
    // While the command runs.
    let mut text = vec![0; 4096];
    let filled = reader.read(&mut text).unwrap();
    assert_eq!(events(&text[..filled])[0]["event"], "started");
    assert!(supervisor.signal(libc::SIGTERM));
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(code(&mut child), Some(143));
    let last = events(&rest).pop().unwrap();
    assert_eq!(last["event"], "exited");
    assert_eq!(last["events_lost"], 0);
}

#[test]
fn needs_root_a_slow_reader_is_waited_for_at_the_end_until_somebody_wants_it_to_end() {
    let _test = testkit::begin!();
    let waits = |supervisor: &Held| {
        until_it_runs(supervisor, "sleep");
        wait_until("only the supervisor is left, asleep", || {
            children(supervisor.pid).is_empty() && supervisor.state() == Some('S')
        });
    };
    let (mut reader, writer, size) = full();
    let (mut child, supervisor) = start(&[], &["sleep", "0.2"], writer);
    waits(&supervisor);
    let mut text = Vec::new();
    reader.read_to_end(&mut text).unwrap();
    assert_eq!(code(&mut child), Some(0));
    let names = events(&text[size..]);
    let names: Vec<_> = names.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["started", "exited"]);

    let (_reader, writer, _) = full();
    let (mut child, supervisor) = start(&[], &["sleep", "0.2"], writer);
    waits(&supervisor);
    assert!(supervisor.signal(libc::SIGTERM));
    assert_eq!(code(&mut child), Some(0));
}
