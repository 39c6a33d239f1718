//! What a process may do, taken away.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::{Call, answer, done};

fn prctl(option: i32, second: u64, third: u64) -> Call<()> {
    // SAFETY: every option used in this file takes integers.
    done(unsafe { libc::syscall(libc::SYS_prctl, option, second, third, 0, 0) })
}

pub(crate) fn no_new_privs() -> Call<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// A process that is not dumpable shows nobody without CAP_SYS_PTRACE what its `/proc` links say.
pub(crate) fn set_dumpable(yes: bool) -> Call<()> {
    prctl(libc::PR_SET_DUMPABLE, yes.into(), 0)
}

/// Keeps the permitted capabilities over a change from user 0 to another.
pub(crate) fn set_keep_caps() -> Call<()> {
    prctl(libc::PR_SET_KEEPCAPS, 1, 0)
}

/// Takes a capability out of the bounding set. EINVAL: the kernel has no such capability.
pub(crate) fn bounding_drop(capability: u32) -> Call<()> {
    prctl(libc::PR_CAPBSET_DROP, capability.into(), 0)
}

pub(crate) fn ambient_clear() -> Call<()> {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL as u64,
        0,
    )
}

pub(crate) fn ambient_raise(capability: u32) -> Call<()> {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_RAISE as u64,
        capability.into(),
    )
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

impl CapHeader {
    /// The calling thread, in `_LINUX_CAPABILITY_VERSION_3`: two words a set
    /// (include/uapi/linux/capability.h).
    const SELF: Self = Self {
        version: 0x2008_0522,
        pid: 0,
    };
}

/// Sets the thread's effective, permitted and inheritable capabilities, bit `n` for capability `n`.
pub(crate) fn capset(effective: u64, permitted: u64, inheritable: u64) -> Call<()> {
    let header = CapHeader::SELF;
    let data = [
        [effective as u32, permitted as u32, inheritable as u32],
        [
            (effective >> 32) as u32,
            (permitted >> 32) as u32,
            (inheritable >> 32) as u32,
        ],
    ];
    // SAFETY: version 3 reads the header and two data structures of three words.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })
}

pub(crate) fn set_groups(groups: &[u32]) -> Call<()> {
    // SAFETY: the kernel reads `len` group numbers. Raw: the C library would tell its threads.
    done(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
}

pub(crate) fn set_gids(gid: u32) -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })
}

pub(crate) fn set_uids(uid: u32) -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// A session keyring of one's own, without a name: the parent's keys are out of reach.
pub(crate) fn join_new_session_keyring() -> Call<()> {
    /// include/uapi/linux/keyctl.h
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: no name is a null pointer.
    done(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    })
}

/// Loads a seccomp filter for the calling thread.
pub(crate) fn load_seccomp(program: &[libc::sock_filter]) -> Call<()> {
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel only reads `len` instructions; `seccomp::program` keeps them under 4096.
    done(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    })
}

/// The version of Landlock that the kernel has.
pub(crate) fn landlock_abi() -> Call<i32> {
    /// include/uapi/linux/landlock.h
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the pointer must be null and the size 0.
    let abi = answer(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u64>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    })?;
    Ok(abi as i32)
}

/// A ruleset that handles these rights: `[files, network, scopes]`, as many of them as `words`.
pub(crate) fn landlock_create(handled: [u64; 3], words: usize) -> Call<OwnedFd> {
    // SAFETY: the kernel reads `words` of the three words (`struct landlock_ruleset_attr`).
    let fd = answer(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            handled.as_ptr(),
            words.min(3) * size_of::<u64>(),
            0u32,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Allows `rights` beneath a directory.
pub(crate) fn landlock_allow_beneath(ruleset: &OwnedFd, dir: &OwnedFd, rights: u64) -> Call<()> {
    /// include/uapi/linux/landlock.h
    const LANDLOCK_RULE_PATH_BENEATH: u32 = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        allowed: u64,
        parent_fd: i32,
    }
    let rule = PathBeneath {
        allowed: rights,
        parent_fd: dir.as_raw_fd(),
    };
    // SAFETY: the rule has the layout of `struct landlock_path_beneath_attr`, which is packed.
    done(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            LANDLOCK_RULE_PATH_BENEATH,
            &raw const rule,
            0u32,
        )
    })
}

pub(crate) fn landlock_restrict_self(ruleset: &OwnedFd) -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0u32) })
}

/// The capabilities that the calling thread may make effective.
pub(crate) fn permitted() -> Call<u64> {
    let (header, mut data) = (CapHeader::SELF, [[0u32; 3]; 2]);
    // SAFETY: version 3 reads the header and writes two data structures of three words.
    done(unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) })?;
    Ok(u64::from(data[0][1]) | u64::from(data[1][1]) << 32)
}
