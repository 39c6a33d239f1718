//! The keeper: a process that outlives a killed supervisor, and ends what it has left.
//!
//! It is there when there is something that nobody else would end: a cgroup's directories, or a
//! command that is PID 1 itself and may make the kernel forget whose death it wanted to share (any
//! change of credentials does, prctl(2)). It is cloned from the supervisor before either exists,
//! sleeps in a `read`, and makes raw calls only.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;

use crate::cgroup::{Leftover, remove};
use crate::error::{Error, errno_of};
use crate::sys::{self, Call, CloneArgs, Side};

/// A keeper, as its supervisor has it. Dropping it lets it end what is left, and waits for that.
#[derive(Debug)]
pub(crate) struct Keeper {
    pid: i32,
    line: Option<UnixStream>,
}

impl Keeper {
    /// Starts one for what is about to be made. `supervisor` is readable when we are dead.
    ///
    /// # Errors
    /// No process or no socket can be had.
    pub(crate) fn start(leftover: &Leftover, supervisor: &OwnedFd) -> Result<Self, Error> {
        let (line, theirs) = UnixStream::pair()
            .map_err(|e| Error::call("socketpair", "for the keeper", errno_of(&e)))?;
        let args = CloneArgs {
            flags: 0,
            cgroup: None,
        };
        match sys::clone3(&args).map_err(|errno| Error::call("clone3", "the keeper", errno))? {
            Side::Child => keep(leftover, theirs.as_raw_fd(), supervisor.as_raw_fd()),
            Side::Parent { pid, .. } => Ok(Self {
                pid,
                line: Some(line),
            }),
        }
    }

    /// Has process `pid`, a child that nobody has waited for, killed if we are. Returns when the
    /// keeper holds it.
    ///
    /// # Errors
    /// The keeper is gone.
    pub(crate) fn watch(&self, pid: i32) -> Result<(), Error> {
        let line = self.line.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let told = || -> Call<bool> {
            sys::write_once(line, &pid.to_ne_bytes())?;
            Ok(sys::read_once(line, &mut [0])? == 1)
        };
        match told() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::call("pidfd_open", "in the keeper", Errno::EPIPE)),
            Err(errno) => Err(Error::call("write", "to the keeper", errno)),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of the line is its signal.
        self.line = None;
        let _ = sys::wait_pid(self.pid, 0);
    }
}

/// The keeper's own life.
fn keep(leftover: &Leftover, line: RawFd, supervisor: RawFd) -> ! {
    // Whatever ends the supervisor's group or terminal must not end us.
    let _ = nix::unistd::setsid();
    if sys::close_all_but(0, line, supervisor).is_err() {
        // With a copy of the supervisor's end of the line open here it would never end.
        sys::exit_now(crate::command::FAILED);
    }
    let mut watched: Option<OwnedFd> = None;
    let mut message = [0; 4];
    while let Ok(4) = sys::read_once(line, &mut message) {
        watched = hold(i32::from_ne_bytes(message), supervisor);
        if watched.is_none() {
            break;
        }
        sys::write_all(line, b"k");
    }
    if let Some(process) = &watched {
        // By now its supervisor has waited for it, or is dead.
        let _ = sys::pidfd_send(process.as_raw_fd(), libc::SIGKILL, None);
    }
    let _ = remove(leftover);
    sys::exit_now(0)
}

/// Holds a process by descriptor. While its parent lives and waits for our answer the number is its
/// own; if the parent is dead by now it may be another's.
fn hold(pid: i32, supervisor: RawFd) -> Option<OwnedFd> {
    let process = sys::pidfd_open(pid).ok()?;
    matches!(sys::is_readable(supervisor), Ok(false)).then_some(process)
}
