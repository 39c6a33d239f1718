//! What every part of the benchmark needs: the tools, the plan, and streams for its children.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::interrupt::Interrupt;
use crate::schedule::Plan;
use crate::spawn::Streams;
use crate::tools::Toolbox;

/// A command that only ends takes milliseconds. One that takes so long hangs.
pub(crate) const HANG: Duration = Duration::from_secs(10);

/// Between two children, so that what the kernel puts off (tearing down namespaces above all) is
/// done at nobody's expense.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);

/// The command whose start is measured.
pub(crate) const TRUE: &str = "/bin/true";

/// One whose exit code only comes about if it is run, and only arrives if it is passed on: what
/// does nothing at all would start /bin/true in no time.
pub(crate) const PROOF: [&str; 3] = ["/bin/sh", "-c", "exit 42"];
pub(crate) const PROOF_CODE: i32 = 42;

pub(crate) struct Session<'a> {
    pub(crate) tools: &'a Toolbox,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) plan: Plan,
    null: OwnedFd,
}

impl<'a> Session<'a> {
    pub(crate) fn new(tools: &'a Toolbox, interrupt: &'a Interrupt, plan: Plan) -> Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null");
        Ok(Self {
            tools,
            interrupt,
            plan,
            null: null.context("open /dev/null")?.into(),
        })
    }

    /// Nothing comes in, nothing is kept.
    pub(crate) fn silent(&self) -> Streams<'_> {
        let null = self.null.as_fd();
        Streams {
            stdin: null,
            stdout: null,
            stderr: null,
        }
    }
}

/// A pipe whose reading end is never waited for.
pub(crate) struct Pipe {
    read: File,
    write: OwnedFd,
}

impl Pipe {
    pub(crate) fn new() -> Result<Self> {
        // The writer blocks, should it ever write more than fits; the reader polls.
        let (read, write) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
        let flags = nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&read, flags).context("F_SETFL of a pipe")?;
        Ok(Self {
            read: read.into(),
            write,
        })
    }

    /// For the child.
    pub(crate) fn write_end(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }

    /// Only children write from here on.
    pub(crate) fn into_reader(self) -> File {
        self.read
    }
}

/// A reason, and the last line that the program itself had to say.
pub(crate) fn with_last_line(why: String, pipe: File) -> String {
    match last_line(pipe) {
        Some(line) => format!("{why}: {line}"),
        None => why,
    }
}

/// Of what is in a pipe now: somebody may have it open still.
fn last_line(mut pipe: File) -> Option<String> {
    let mut bytes = Vec::new();
    // What was read before "would block" is kept.
    let _ = pipe.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(str::to_owned)
}

/// A status of wait(2) in words, unless it is an exit with this code.
pub(crate) fn other_than(status: i32, code: i32) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    let status = std::process::ExitStatus::from_raw(status);
    let expected = status.code() == Some(code);
    (!expected).then(|| format!("{status} instead of {code}"))
}

/// Words of a command.
pub(crate) fn words<'w>(words: &[&'w str]) -> Vec<&'w OsStr> {
    words.iter().copied().map(OsStr::new).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_last_line_is_there_though_the_pipe_is_still_open() {
        let pipe = Pipe::new().expect("a pipe");
        let mut writer = File::from(pipe.write_end().try_clone_to_owned().expect("a copy"));
        writer.write_all(b"first\n  last \n\n").expect("room");
        assert_eq!(last_line(pipe.into_reader()).as_deref(), Some("last"));
        drop(writer);
    }

    #[test]
    fn an_unexpected_status_is_said_in_words() {
        assert_eq!(other_than(0, 0), None);
        assert_eq!(other_than(42 << 8, 42), None);
        let zero = other_than(0, 42);
        assert_eq!(zero.as_deref(), Some("exit status: 0 instead of 42"));
        assert!(other_than(9, 0).is_some_and(|f| f.contains("SIGKILL")));
    }
}
