//! Events as lines of JSON on a descriptor of the caller's. Whoever reads them may be slow, or gone:
//! neither may keep a signal from the command.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde::Serialize;

use crate::error::Error;
use crate::supervise::Event;
use crate::sys::{self, Call, FileKind, SigSet};

/// Most lines that wait for room.
const WAITING_MAX: usize = 64;

/// How long after TERM, INT or HUP a reader is waited for, once the command has ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// A descriptor that events go to.
#[derive(Debug)]
pub struct Status {
    to: OwnedFd,
    way: Way,
    lines: Lines,
    /// The reader is gone.
    gone: bool,
    /// Somebody wants us to end.
    hurried: bool,
}

/// How a write is kept from waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The description is ours alone, and does not wait.
    Own,
    /// The flags are given with each call.
    Socket,
    /// Only by asking first, and by writing little: a pipe that says that there is room takes so much
    /// (fs/pipe.c, `pipe_poll`: a free slot, which is a page). A file always does.
    Asked,
}

/// What a pipe takes at once or not at all (`PIPE_BUF`, include/uapi/linux/limits.h).
const AT_ONCE: usize = 4096;

impl Status {
    /// Takes a copy of the caller's descriptor.
    ///
    /// # Errors
    /// It is not open.
    pub fn open(fd: RawFd) -> Result<Self, Error> {
        let kind = sys::file_kind(fd).map_err(|errno| unusable(fd, errno))?;
        let may_wait =
            kind == FileKind::Pipe || (kind == FileKind::CharDevice && sys::is_terminal(fd));
        // What others have of the description must go on waiting: a new one of the same pipe.
        let own = may_wait.then(|| sys::open_anew_to_write(fd));
        let (to, way) = match own {
            Some(Ok(own)) => (Ok(own), Way::Own),
            _ if kind == FileKind::Socket => (sys::duplicate(fd), Way::Socket),
            _ => (sys::duplicate(fd), Way::Asked),
        };
        Ok(Self {
            to: to.map_err(|errno| unusable(fd, errno))?,
            way,
            lines: Lines::default(),
            gone: false,
            hurried: false,
        })
    }

    /// Events that found no room, and will not be read by anybody.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lines.lost
    }

    /// Writes the last line, and waits for a slow reader: for as long as it takes, but after TERM, INT
    /// or HUP no longer than a second.
    pub fn last(mut self, line: &impl Serialize) {
        if let Some(line) = line_of(line) {
            self.lines.waiting.push_back(line);
        }
        self.write();
        let asked_to_end = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];
        let set = SigSet(asked_to_end.iter().fold(0, |s, n| s | SigSet::of(*n).0));
        let Ok(signals) = sys::signal_fd(set) else {
            return;
        };
        let mut until = self.hurried.then(|| Instant::now() + PATIENCE);
        while let Some(fd) = self.waits_for() {
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return;
            }
            let mut fds = [writable(Some(fd)), readable(&signals)];
            let ms = left.map_or(-1, |left| left.as_millis() as i32 + 1);
            if sys::poll(&mut fds, ms).is_err() {
                return;
            }
            if fds[1].revents != 0 {
                while let Ok(Some(_)) = sys::take_info(set) {}
                until.get_or_insert_with(|| Instant::now() + PATIENCE);
            }
            self.write();
        }
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        if let Some(line) = line_of(event) {
            self.lines.add(line);
        }
        self.write();
    }

    /// A signal was passed on.
    pub(crate) fn signalled(&mut self, signo: i32) {
        self.hurried |= matches!(signo, libc::SIGTERM | libc::SIGINT | libc::SIGHUP);
    }

    /// What [`Status::write`] is to be called for when there is room.
    pub(crate) fn waits_for(&self) -> Option<RawFd> {
        (!self.gone && !self.lines.waiting.is_empty()).then(|| self.to.as_raw_fd())
    }

    /// Writes what there is room for.
    pub(crate) fn write(&mut self) {
        while !self.gone
            && let Some(bytes) = self.lines.next()
        {
            match write_some(self.way, self.to.as_raw_fd(), bytes) {
                Ok(count) => self.lines.wrote(count),
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                Err(errno) => {
                    // A reader that is gone does not end the command.
                    self.gone = true;
                    if errno == Errno::EPIPE {
                        take_our_own_sigpipe();
                    }
                }
            }
        }
    }
}

fn unusable(fd: RawFd, errno: Errno) -> Error {
    Error::Call {
        call: "fstat",
        object: format!("the descriptor of --status-fd {fd}"),
        errno,
        hint: "open it, as in `3>status.json`",
    }
}

fn line_of(event: &impl Serialize) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(event).ok()?;
    line.push(b'\n');
    Some(line)
}

fn write_some(way: Way, fd: RawFd, bytes: &[u8]) -> Call<usize> {
    match way {
        Way::Own => sys::write_some(fd, bytes),
        Way::Socket => sys::send_now(fd, bytes),
        Way::Asked => {
            let mut fds = [writable(Some(fd))];
            sys::poll(&mut fds, 0)?;
            if fds[0].revents == 0 {
                return Err(Errno::EAGAIN);
            }
            sys::write_some(fd, bytes.get(..AT_ONCE).unwrap_or(bytes))
        }
    }
}

/// For poll(2), which leaves out a negative number.
pub(crate) fn writable(fd: Option<RawFd>) -> libc::pollfd {
    libc::pollfd {
        fd: fd.unwrap_or(-1),
        events: libc::POLLOUT,
        revents: 0,
    }
}

fn readable(fd: &OwnedFd) -> libc::pollfd {
    libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    }
}

/// A write to a pipe that nobody reads has the kernel signal the writing thread, in its own name
/// (fs/pipe.c, `pipe_write`: `send_sig`, which is SI_USER): that is no signal for the command. Where
/// one of somebody else's is taken instead, it is put back.
fn take_our_own_sigpipe() {
    let this = std::process::id().cast_signed();
    if let Ok(Some(info)) = sys::take_info(SigSet::of(libc::SIGPIPE))
        && !(info.code == libc::SI_USER && info.pid == this)
    {
        let _ = sys::queue_info(this, &info);
    }
}

/// Lines that wait for room.
#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    /// How much of the first is written.
    begun: usize,
    lost: u64,
}

impl Lines {
    /// Adds a line, or counts it as lost.
    fn add(&mut self, line: Vec<u8>) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(line);
        } else {
            self.lost += 1;
        }
    }

    /// What is to be written next.
    fn next(&self) -> Option<&[u8]> {
        self.waiting.front()?.get(self.begun..)
    }

    fn wrote(&mut self, count: usize) {
        self.begun += count;
        if self
            .waiting
            .front()
            .is_some_and(|line| self.begun >= line.len())
        {
            self.waiting.pop_front();
            self.begun = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_in_their_order_and_in_pieces() {
        let mut lines = Lines::default();
        lines.add(b"abc\n".to_vec());
        lines.add(b"d\n".to_vec());
        assert_eq!(lines.next(), Some(&b"abc\n"[..]));
        lines.wrote(3);
        assert_eq!(lines.next(), Some(&b"\n"[..]));
        lines.wrote(1);
        assert_eq!(lines.next(), Some(&b"d\n"[..]));
        lines.wrote(2);
        assert_eq!((lines.next(), lines.lost), (None, 0));
    }

    #[test]
    fn only_so_many_lines_wait_and_the_rest_is_counted() {
        let mut lines = Lines::default();
        for number in 0..WAITING_MAX + 3 {
            lines.add(vec![number as u8]);
        }
        assert_eq!((lines.waiting.len(), lines.lost), (WAITING_MAX, 3));
        assert_eq!(lines.next(), Some(&[0][..]), "the oldest stay");
    }
}
