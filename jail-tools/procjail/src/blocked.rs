//! The signals of the caller's thread while it has a jail.

use crate::error::Error;
use crate::sys::{self, SigSet};

/// The calling thread's signals, all of them blocked: what is sent from now on waits, and goes to
/// the command. Dropping it restores the mask.
#[derive(Debug)]
pub struct Blocked {
    pub(crate) before: SigSet,
    /// Under an ignored SIGCHLD the kernel reaps by itself, and nobody learns how a child ended: it
    /// is not ignored while this lives.
    pub(crate) child_was_ignored: bool,
}

impl Blocked {
    /// Blocks every signal. To be called before a jail is made, and first of all in `main` if no
    /// signal is to be lost: the mask that there was is the command's.
    ///
    /// # Errors
    /// None that a kernel was seen to give.
    pub fn now() -> Result<Self, Error> {
        let before = sys::set_mask(SigSet::ALL)
            .map_err(|errno| Error::call("rt_sigprocmask", "of the calling thread", errno))?;
        let child_was_ignored = sys::set_ignored(libc::SIGCHLD, false)
            .map_err(|errno| Error::call("rt_sigaction", "of SIGCHLD", errno))?;
        Ok(Self {
            before,
            child_was_ignored,
        })
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if self.child_was_ignored {
            let _ = sys::set_ignored(libc::SIGCHLD, true);
        }
        let _ = sys::set_mask(self.before);
    }
}
