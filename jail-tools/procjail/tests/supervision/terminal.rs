//! A jail under a shell with job control, at a terminal.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};

use nix::pty::openpty;
use tempfile::TempDir;

use crate::story::processes::{Held, Process, descendants};
use crate::story::{wait_for, wait_until};

/// An interactive shell's session: `sh -m` at a terminal of its own, which runs one line.
struct Session {
    shell: Child,
    terminal: File,
    folder: TempDir,
}

impl Session {
    /// `$0` is the tool, and `$1` a folder.
    fn runs(line: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let terminal = openpty(None, None).unwrap();
        let slave = || terminal.slave.try_clone().unwrap();
        let shell = Command::new("setsid")
            .args(["--ctty", "--wait", "sh", "-mc", line])
            .arg(env!("CARGO_BIN_EXE_procjail"))
            .arg(folder.path())
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        let master: OwnedFd = terminal.master;
        Self {
            shell,
            terminal: File::from(master),
            folder,
        }
    }

    fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn below(&self, is_it: impl Fn(&Process) -> bool) -> Process {
        let shell = self.shell.id().cast_signed();
        wait_for("a process", || descendants(shell).into_iter().find(&is_it))
    }

    fn ends(mut self) {
        wait_until("the shell ends", || {
            self.shell.try_wait().unwrap().is_some()
        });
    }
}

impl Drop for Session {
    /// What is left of the session ends with its leader, or with its terminal.
    fn drop(&mut self) {
        let shell = self.shell.id().cast_signed();
        let left: Vec<Held> = descendants(shell)
            .iter()
            .filter_map(|p| Held::below(shell, p.pid))
            .collect();
        for process in &left {
            process.signal(libc::SIGKILL);
        }
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn needs_root_a_command_that_asks_the_terminal_itself_gets_it() {
    let _test = testkit::begin!();
    let line = "\"$0\" run -- sh -c 'read x < /dev/tty; echo \"got $x\" > '$1/out < /dev/null > $1/said 2>&1; \
                echo over > $1/over";
    let mut session = Session::runs(line);
    session.types("a word\n");
    let (out, over) = (session.path("out"), session.path("over"));
    wait_until("it is over", || over.exists());
    assert_eq!(
        read(&out),
        "got a word\n",
        "{}",
        read(&session.path("said"))
    );
    session.ends();
}

#[test]
fn needs_root_a_pager_beside_a_jail_keeps_the_terminal() {
    let _test = testkit::begin!();
    // What reads the terminal is in the jail's group: in the foreground, or stopped.
    let line = "\"$0\" run -- sleep 1000 | { read x < /dev/tty; echo \"$x\" > $1/out; }";
    let mut session = Session::runs(line);
    let command = session.below(|p| p.name == "sleep");
    session.types("a key\n");
    let out = session.path("out");
    wait_until("the pager has read", || read(&out) == "a key\n");
    let command = Held::below(session.shell.id().cast_signed(), command.pid).unwrap();
    command.signal(libc::SIGTERM);
    session.ends();
}

#[test]
fn needs_root_what_died_while_it_was_stopped_stops_nobody() {
    let _test = testkit::begin!();
    let line = "\"$0\" run -- sleep 1000 & sleep 1000";
    let session = Session::runs(line);
    let shell = session.shell.id().cast_signed();
    let hold = |pid| Held::below(shell, pid).unwrap();
    let command = hold(session.below(|p| p.name == "sleep" && p.is_jailed()).pid);
    let supervisor = hold(
        session
            .below(|p| p.name == "procjail" && !p.is_jailed())
            .pid,
    );
    // All of this is one look for the supervisor.
    supervisor.signal(libc::SIGSTOP);
    wait_until("it is stopped", || supervisor.state() == Some('T'));
    command.signal(libc::SIGSTOP);
    wait_until("it is stopped", || command.state() == Some('T'));
    command.signal(libc::SIGKILL);
    wait_until("it is dead", || command.state().is_none_or(|s| s == 'Z'));
    supervisor.signal(libc::SIGCONT);
    wait_until("the supervisor has ended", || {
        supervisor.state().is_none_or(|s| s == 'Z')
    });
}
