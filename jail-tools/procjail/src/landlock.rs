//! Landlock: what a jail gives up for itself, whatever its capabilities.
//!
//! No device nodes, no ioctl on devices outside `/dev` (where devices are kept out), no abstract sockets of processes outside;
//! and, as every process under Landlock, no change of mounts, and no ptrace of what is outside.
//! Signals are not scoped: they cannot leave a pid namespace, and must reach its PID 1.

use std::ffi::CStr;

use nix::errno::Errno;

use crate::command::open_path;
use crate::sys::{self, Call};

/// include/uapi/linux/landlock.h
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const REFER: u64 = 1 << 13;
const IOCTL_DEV: u64 = 1 << 15;
const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;

/// The first version under which a file can be moved from one directory to another
/// (landlock(7): before it `LANDLOCK_ACCESS_FS_REFER` is always denied).
pub(crate) const ABI_MIN: i32 = 2;
const ABI_IOCTL_DEV: i32 = 5;
const ABI_SCOPED: i32 = 6;

/// A ruleset of one kernel: `[files, network, scopes]`, and how many of these words it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ruleset {
    handled: [u64; 3],
    words: usize,
}

fn ruleset(abi: i32, devices_anywhere: bool) -> Ruleset {
    let ioctl = if abi >= ABI_IOCTL_DEV && !devices_anywhere {
        IOCTL_DEV
    } else {
        0
    };
    let scoped = if abi >= ABI_SCOPED {
        SCOPE_ABSTRACT_UNIX_SOCKET
    } else {
        0
    };
    Ruleset {
        handled: [MAKE_CHAR | MAKE_BLOCK | REFER | ioctl, 0, scoped],
        words: if abi >= ABI_SCOPED { 3 } else { 1 },
    }
}

/// Restricts the calling thread. Needs no_new_privs or CAP_SYS_ADMIN.
pub(crate) fn restrict(abi: i32, devices_anywhere: bool) -> Call<()> {
    let Ruleset { handled, words } = ruleset(abi, devices_anywhere);
    let rules = sys::landlock_create(handled, words)?;
    let allow = |path: &CStr, rights: u64| match open_path(path) {
        Ok(dir) => sys::landlock_allow_beneath(&rules, &dir, rights),
        Err(Errno::ENOENT) => Ok(()),
        Err(other) => Err(other),
    };
    allow(c"/", REFER)?;
    if handled[0] & IOCTL_DEV != 0 {
        allow(c"/dev", IOCTL_DEV)?;
    }
    sys::landlock_restrict_self(&rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_asked_for_what_it_knows() {
        let ruleset = |abi| ruleset(abi, false);
        assert_eq!(ruleset(2).words, 1);
        assert_eq!(ruleset(4).handled, [MAKE_CHAR | MAKE_BLOCK | REFER, 0, 0]);
        assert_eq!(ruleset(5).handled[0] & IOCTL_DEV, IOCTL_DEV);
        assert_eq!((ruleset(7).handled[2], ruleset(7).words), (1, 3));
    }

    #[test]
    fn devices_that_work_anywhere_take_their_ioctls_anywhere() {
        assert_eq!(ruleset(7, true).handled[0], MAKE_CHAR | MAKE_BLOCK | REFER);
    }
}
