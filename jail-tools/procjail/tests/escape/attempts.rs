//! Every way out that is tried, how it must end in a default jail, and how it ends where the
//! protection that stands in its way is off: a refusal that nothing but chance makes is none.

/// One attempt.
pub(crate) struct Attempt {
    /// The escapee's word for it.
    pub(crate) name: &'static str,
    /// How it ends in a default jail, as root and rootless.
    pub(crate) refused: &'static str,
    /// Without the protections: how it ends then, if it is another end and does no harm.
    pub(crate) open: Open,
}

/// How an attempt ends in a jail without protections, as root.
pub(crate) enum Open {
    /// It succeeds.
    Succeeds,
    /// The kernel gets as far as its arguments.
    Reaches(&'static [&'static str]),
    /// Not tried: it would do harm, or something else refuses it too.
    NotTried,
}

use Open::{NotTried, Reaches, Succeeds};

const fn attempt(name: &'static str, refused: &'static str, open: Open) -> Attempt {
    Attempt {
        name,
        refused,
        open,
    }
}

/// By system call alone. ENOSYS where a kernel does not have the call at all.
pub(crate) const CALLS: &[Attempt] = &[
    attempt("mount_tmpfs", "EPERM", Succeeds),
    attempt("remount_proc_sys", "EPERM", Succeeds),
    attempt("remount_sys", "EPERM", Succeeds),
    attempt("umount_mask", "EPERM", Succeeds),
    attempt("fsopen", "EPERM", Succeeds),
    attempt("open_tree", "EPERM", Succeeds),
    attempt("open_tree_attr", "EPERM", Reaches(&["ok", "ENOSYS"])),
    attempt("move_mount", "EPERM", Reaches(&["ok", "EINVAL"])),
    attempt("mount_setattr", "EPERM", Reaches(&["ok", "EINVAL"])),
    attempt("pivot_root", "EPERM", Reaches(&["EBUSY", "EINVAL"])),
    attempt("chroot", "EPERM", Succeeds),
    attempt("swapon", "EPERM", Reaches(&["ENOENT", "ENOSYS"])),
    attempt("bpf", "EPERM", Reaches(&["EINVAL"])),
    attempt("perf_event_open", "EPERM", Reaches(&["EFAULT"])),
    // Debian's kernels know modules; with lockdown the answer is EPERM anyway.
    attempt(
        "init_module",
        "EPERM",
        Reaches(&["EFAULT", "ENOEXEC", "ENOSYS"]),
    ),
    attempt("finit_module", "EPERM", Reaches(&["EBADF", "ENOSYS"])),
    attempt("delete_module", "EPERM", Reaches(&["ENOENT", "ENOSYS"])),
    attempt("kexec_load", "EPERM", NotTried),
    attempt("kexec_file_load", "EPERM", Reaches(&["EBADF", "ENOSYS"])),
    attempt("reboot", "EPERM", Reaches(&["EINVAL"])),
    attempt("syslog", "EPERM", NotTried),
    attempt("acct", "EPERM", Reaches(&["ENOENT", "ENOSYS"])),
    attempt("userfaultfd", "EPERM", Succeeds),
    attempt(
        "io_uring_setup",
        "EPERM",
        Reaches(&["EFAULT", "EINVAL", "ENOSYS"]),
    ),
    attempt("clock_settime", "EPERM", Reaches(&["EINVAL"])),
    attempt("settimeofday", "EPERM", Reaches(&["EINVAL"])),
    attempt("adjtimex", "EPERM", Reaches(&["EFAULT"])),
    attempt("keyctl", "EPERM", Succeeds),
    attempt("add_key", "EPERM", Succeeds),
    attempt("request_key", "EPERM", Reaches(&["ENOKEY"])),
    attempt("iopl", "EPERM", NotTried),
    attempt("ioperm", "EPERM", NotTried),
    attempt("x32", "ENOSYS", NotTried),
    attempt("open_by_handle_at", "EPERM", Reaches(&["EFAULT"])),
    attempt("unshare_net", "EPERM", Succeeds),
    attempt("unshare_time", "EPERM", Succeeds),
    attempt("setns", "EPERM", Reaches(&["EBADF"])),
    attempt("clone3", "ENOSYS", Reaches(&["EINVAL", "EFAULT"])),
    attempt("clone_user", "EPERM", Succeeds),
    attempt("unshare_user", "EPERM", Succeeds),
    attempt("mknod_char", "EPERM", Succeeds),
    attempt("mknod_block", "EPERM", Succeeds),
    attempt("capset", "EPERM", NotTried),
    attempt("seize", "EPERM", Succeeds),
    // With the old call switched off, or without a controlling terminal, it is EIO or EPERM.
    attempt("tiocsti", "EPERM", NotTried),
    attempt("tioclinux", "EPERM", Reaches(&["ENOTTY"])),
];

/// What must go on working.
pub(crate) const WORKING: &[&str] = &["mkfifo", "kill_pid1", "dotdot"];
