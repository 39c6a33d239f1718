//! Processes: made, awaited, replaced, ended.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{Call, answer, done};
use crate::stack::Stack;

/// What `clone3` is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloneArgs {
    /// `CLONE_…`, without `CLONE_VM`.
    pub(crate) flags: u64,
    /// Directory of a v2 cgroup that the child is born in.
    pub(crate) cgroup: Option<RawFd>,
}

/// Which side of a clone runs.
#[derive(Debug)]
pub(crate) enum Side {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// Clones the calling thread into a process with a copy of the memory, and a descriptor for it.
///
/// The child may only make calls of this module and touch memory that was there before.
pub(crate) fn clone3(args: &CloneArgs) -> Call<Side> {
    /// include/uapi/linux/sched.h; libc has it as a c_int, which it does not fit.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: RawFd = -1;
    // SAFETY: `clone_args` is plain integers, for which zero is "not asked".
    let mut raw: libc::clone_args = unsafe { std::mem::zeroed() };
    raw.flags = args.flags | libc::CLONE_PIDFD as u64;
    raw.pidfd = (&raw mut pidfd) as u64;
    raw.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = args.cgroup {
        raw.flags |= CLONE_INTO_CGROUP;
        raw.cgroup = cgroup as u64;
    }
    // SAFETY: no stack and no CLONE_VM: the child goes on here with a copy of everything, like after
    // fork. Callers (`spawn`, `keeper`) keep what this function's comment asks of the child.
    let pid = answer(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut raw,
            size_of::<libc::clone_args>(),
        )
    })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent {
        pid: pid as i32,
        pidfd,
    })
}

/// Runs `child` in a process that shares this one's memory, on a stack of its own, and sleeps
/// until it executes a program or ends. Returns its pid and a descriptor for it.
///
/// No page table is copied: a third of the time of a fork of a small process.
pub(crate) fn clone_vm<T>(
    stack: &Stack,
    child: extern "C" fn(&T) -> i32,
    argument: &T,
) -> Call<(i32, OwnedFd)> {
    extern "C" fn enter<T>(call: *mut libc::c_void) -> i32 {
        // SAFETY: `call` is the pair below, alive while the parent sleeps in `clone`.
        let (child, argument) = unsafe { &*call.cast::<(extern "C" fn(&T) -> i32, &T)>() };
        child(argument)
    }
    let call = (child, argument);
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack is ours and nobody else's while the child runs, since CLONE_VFORK keeps us
    // in the call until the child has left our memory; `call` and `pidfd` outlive that too. The C
    // library aligns the stack's top.
    let pid = unsafe {
        libc::clone(
            enter::<T>,
            stack.top(),
            flags,
            (&raw const call).cast_mut().cast(),
            &raw mut pidfd,
        )
    };
    answer(pid.into())?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Replaces the program. Returns only if that fails.
///
/// `argv` and `envp` must end with a null pointer.
pub(crate) fn exec(
    path: &CStr,
    argv: &[*const libc::c_char],
    envp: &[*const libc::c_char],
) -> Errno {
    debug_assert!(
        argv.last().is_some_and(|p| p.is_null()) && envp.last().is_some_and(|p| p.is_null())
    );
    // SAFETY: the arrays end with null, and the strings that they point to are owned by
    // `prepare::Program`, which made both and is not dropped before.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Errno::last()
}

/// The same with arguments one of which was filled in last.
pub(crate) fn exec_cells(
    path: &CStr,
    argv: &[std::cell::Cell<*const libc::c_char>],
    envp: &[*const libc::c_char],
) -> Errno {
    // SAFETY: a Cell has the layout of what is in it, and nobody writes to it until `exec` returns.
    let argv = unsafe { std::slice::from_raw_parts(argv.as_ptr().cast(), argv.len()) };
    exec(path, argv, envp)
}

/// How and with what use of resources a process changed its state.
#[derive(Clone, Copy)]
pub(crate) struct Exit {
    pub(crate) pid: i32,
    /// As `wait4` gives it.
    pub(crate) raw_status: i32,
    pub(crate) usage: libc::rusage,
}

/// Takes one change of state of any child, without waiting. `None`: there is none.
pub(crate) fn wait_any() -> Call<Option<Exit>> {
    wait(
        -1,
        libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED | libc::__WALL,
    )
}

/// Takes the change of state of one child; with `options` 0 it waits for its end.
pub(crate) fn wait_pid(pid: i32, options: i32) -> Call<Option<Exit>> {
    loop {
        match wait(pid, options | libc::__WALL) {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}

fn wait(pid: i32, options: i32) -> Call<Option<Exit>> {
    let mut raw_status = 0;
    // SAFETY: `rusage` is plain integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values of the kernel's types on this stack.
    let pid = answer(unsafe {
        libc::syscall(
            libc::SYS_wait4,
            pid,
            &raw mut raw_status,
            options,
            &raw mut usage,
        )
    })? as i32;
    Ok((pid != 0).then_some(Exit {
        pid,
        raw_status,
        usage,
    }))
}

/// Ends the process, without handlers or destructors.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// A descriptor that becomes readable when process `pid` dies (Linux 5.3).
pub(crate) fn pidfd_open(pid: i32) -> Call<OwnedFd> {
    // SAFETY: takes two integers.
    let fd = answer(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// The signal that the calling process gets when the thread that made it ends; 0 for none.
pub(crate) fn parent_death_signal(signo: i32) -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, signo, 0, 0, 0) })
}

/// Makes the calling process the parent of its descendants' orphans.
pub(crate) fn set_subreaper() -> Call<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// Opens what is closed of 0, 1 and 2, so that no descriptor of ours gets such a number; closed
/// again by the next exec: the command has them as our caller left them.
pub(crate) fn occupy_standard() -> Call<()> {
    for fd in 0..3 {
        // SAFETY: only asks for flags of a descriptor.
        let flags = answer(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFD) });
        if flags == Err(Errno::EBADF) {
            // The lowest free number, which is this one.
            std::mem::forget(open_file(c"/dev/null", libc::O_RDWR)?);
        }
    }
    Ok(())
}

/// Closes every descriptor from `first` on but two, which are not below it.
pub(crate) fn close_all_but(first: u32, a: RawFd, b: RawFd) -> Call<()> {
    let (low, high) = (a.min(b) as u32, a.max(b) as u32);
    for (from, end) in [(first, low), (low + 1, high), (high + 1, u32::MAX)] {
        if from < end {
            close_range(from, end - 1)?;
        }
    }
    Ok(())
}

/// Closes the descriptors from `first` to `last`.
pub(crate) fn close_range(first: u32, last: u32) -> Call<()> {
    // SAFETY: the callers are processes that have just been cloned and run raw calls alone: no Rust
    // object of theirs closes a descriptor again.
    done(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) })
}

/// Has the descriptors from `first` to `last` closed by the next exec (Linux 5.11).
pub(crate) fn mark_cloexec_from(first: u32, last: u32) -> Call<()> {
    // SAFETY: only changes flags of descriptors.
    done(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            last,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })
}

/// Has a descriptor stay open over an exec.
pub(crate) fn keep_over_exec(fd: u32) -> Call<()> {
    // SAFETY: only changes a flag of a descriptor.
    done(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_SETFD, 0) })
}

/// Sets a limit of the calling process.
pub(crate) fn set_rlimit(resource: u32, limit: &libc::rlimit64) -> Call<()> {
    // SAFETY: the kernel reads one `rlimit64`; the old one is not asked for.
    done(unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource,
            std::ptr::from_ref(limit),
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    })
}

/// Makes the calling process's group the foreground of the terminal.
pub(crate) fn set_foreground(terminal: RawFd) -> Call<()> {
    // SAFETY: takes no pointer.
    let group = unsafe { libc::getpgrp() };
    give_foreground(terminal, group)
}

/// Makes a process group the foreground of the terminal.
pub(crate) fn give_foreground(terminal: RawFd, group: i32) -> Call<()> {
    // SAFETY: takes integers; the library passes the address of its own copy.
    done(unsafe { libc::tcsetpgrp(terminal, group) }.into())
}

/// Takes the terminal away from the session that the calling process leads. Its foreground group gets
/// SIGHUP and SIGCONT, from us (drivers/tty/tty_jobctrl.c, `disassociate_ctty`).
pub(crate) fn give_up_terminal(terminal: RawFd) -> Call<()> {
    // SAFETY: TIOCNOTTY takes nothing.
    done(unsafe { libc::syscall(libc::SYS_ioctl, terminal, libc::TIOCNOTTY) })
}

/// Makes the terminal the controlling one of the calling session leader.
pub(crate) fn take_terminal(terminal: RawFd) -> Call<()> {
    // SAFETY: TIOCSCTTY takes an integer.
    done(unsafe { libc::syscall(libc::SYS_ioctl, terminal, libc::TIOCSCTTY, 0) })
}

/// Writes to a descriptor; nobody is there to hear of a failure.
pub(crate) fn write_all(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the kernel reads the slice.
    let _ = answer(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) });
}

/// Writes bytes in one call.
pub(crate) fn write_once(fd: RawFd, bytes: &[u8]) -> Call<()> {
    // SAFETY: the kernel reads the slice.
    done(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) })
}

/// Writes what there is room for, and returns how much that was.
pub(crate) fn write_some(fd: RawFd, bytes: &[u8]) -> Call<usize> {
    // SAFETY: the kernel reads the slice.
    let wrote = answer(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) })?;
    Ok(wrote as usize)
}

/// The same to a socket: without waiting, and without SIGPIPE.
pub(crate) fn send_now(socket: RawFd, bytes: &[u8]) -> Call<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads the slice; there is no address.
    let sent = answer(unsafe {
        libc::syscall(
            libc::SYS_sendto,
            socket,
            bytes.as_ptr(),
            bytes.len(),
            flags,
            std::ptr::null::<libc::sockaddr>(),
            0,
        )
    })?;
    Ok(sent as usize)
}

/// Reads into a buffer; 0 is the end.
pub(crate) fn read_once(fd: RawFd, buffer: &mut [u8]) -> Call<usize> {
    // SAFETY: the kernel writes at most the slice's length.
    let got =
        answer(unsafe { libc::syscall(libc::SYS_read, fd, buffer.as_mut_ptr(), buffer.len()) })?;
    Ok(got as usize)
}

/// Moves the calling thread into new namespaces.
pub(crate) fn unshare(flags: i32) -> Call<()> {
    // SAFETY: takes an integer.
    done(unsafe { libc::syscall(libc::SYS_unshare, flags) })
}

/// Names the host of the calling process's uts namespace.
pub(crate) fn set_hostname(name: &CStr) -> Call<()> {
    // SAFETY: the kernel reads `len` bytes of the string.
    done(unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.count_bytes()) })
}

/// Opens a file to write. Close-on-exec.
pub(crate) fn open_write(path: &CStr) -> Call<OwnedFd> {
    open_file(path, libc::O_WRONLY)
}

/// Opens a file to read. Close-on-exec.
pub(crate) fn open_read(path: &CStr) -> Call<OwnedFd> {
    open_file(path, libc::O_RDONLY)
}

/// Makes an empty file if there is nothing: what is there is not opened, for it may be a device.
pub(crate) fn create_file(path: &CStr) -> Call<()> {
    match open_file(path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(other) => Err(other),
    }
}

fn open_file(path: &CStr, flags: i32) -> Call<OwnedFd> {
    // SAFETY: `path` is a C string.
    let fd = answer(unsafe {
        libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags | libc::O_CLOEXEC,
            0o644,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Is there something to read, without waiting?
pub(crate) fn is_readable(fd: RawFd) -> Call<bool> {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: one pollfd, one time, no mask.
    let ready = answer(unsafe {
        libc::syscall(
            libc::SYS_ppoll,
            &raw mut poll,
            1,
            &raw const now,
            std::ptr::null::<u64>(),
            0,
        )
    })?;
    Ok(ready > 0)
}

/// Sleeps.
pub(crate) fn sleep_ms(ms: u32) {
    let time = libc::timespec {
        tv_sec: (ms / 1000).into(),
        tv_nsec: i64::from(ms % 1000) * 1_000_000,
    };
    // SAFETY: one time; what is left of it is not asked for.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// Is `fd` the terminal that controls us?
pub(crate) fn controls_us(fd: RawFd) -> bool {
    // SAFETY: these calls take integers, and the library passes addresses of its own.
    unsafe {
        let session = libc::tcgetsid(fd);
        session != -1 && session == libc::getsid(0)
    }
}

/// Does nothing (kernel/printk/printk.c, `do_syslog`). EPERM: no CAP_SYSLOG in the user namespace that
/// the kernel began with (`check_syslog_permissions`).
pub(crate) fn open_kernel_log() -> Call<()> {
    /// include/linux/syslog.h
    const SYSLOG_ACTION_OPEN: i32 = 1;
    let nothing = std::ptr::null_mut::<u8>();
    // SAFETY: this action takes no memory.
    done(unsafe { libc::syscall(libc::SYS_syslog, SYSLOG_ACTION_OPEN, nothing, 0) })
}

/// The terminal that controls us, wherever 0, 1 and 2 lead to. ENXIO: there is none.
pub(crate) fn open_terminal() -> Call<OwnedFd> {
    open_file(c"/dev/tty", libc::O_RDWR | libc::O_NOCTTY)
}

/// Are we in the foreground of the terminal that controls us? For where groups have no numbers that
/// could be compared. A read of nothing tells: SIGTTIN, which is blocked, would be for one in the
/// background, which gets EIO then (drivers/tty/tty_jobctrl.c, `__tty_check_change`).
pub(crate) fn terminal_lets_us_read() -> bool {
    let flags = libc::O_RDONLY | libc::O_NOCTTY | libc::O_NONBLOCK;
    open_file(c"/dev/tty", flags).is_ok_and(|terminal| {
        let mut nothing = [0; 1];
        // SAFETY: the kernel writes nothing: it is told that there is no room.
        let read = unsafe { libc::read(terminal.as_raw_fd(), nothing.as_mut_ptr().cast(), 0) };
        answer(read as i64) != Err(Errno::EIO)
    })
}

/// The process group in a terminal's foreground, in our numbers; 0 if it has none there.
pub(crate) fn foreground(terminal: RawFd) -> Call<i32> {
    // SAFETY: takes an integer.
    Ok(answer(unsafe { libc::tcgetpgrp(terminal) }.into())? as i32)
}

/// Takes the terminal's foreground back from a command that has ended. If a group with processes in
/// it has the foreground, a shell has given it on meanwhile.
pub(crate) fn take_back(terminal: RawFd, command: Option<i32>) {
    let theirs = match foreground(terminal) {
        Ok(group) if group > 0 && Some(group) != command => {
            super::kill(-group, 0) != Err(Errno::ESRCH)
        }
        _ => false,
    };
    if !theirs {
        let _ = give_foreground(terminal, own_group());
    }
}

/// Our process group.
pub(crate) fn own_group() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::getpgrp() }
}

/// What a descriptor is open on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Directory,
    Pipe,
    Socket,
    CharDevice,
    Other,
}

/// What the descriptor is open on. EBADF: it is not open.
pub(crate) fn file_kind(fd: RawFd) -> Call<FileKind> {
    // SAFETY: `stat` is plain integers; the kernel fills it.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    done(unsafe { libc::fstat(fd, &raw mut stat) }.into())?;
    Ok(match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFIFO => FileKind::Pipe,
        libc::S_IFSOCK => FileKind::Socket,
        libc::S_IFCHR => FileKind::CharDevice,
        _ => FileKind::Other,
    })
}

/// Is it a terminal?
pub(crate) fn is_terminal(fd: RawFd) -> bool {
    // SAFETY: takes an integer; the library passes the address of its own.
    unsafe { libc::isatty(fd) == 1 }
}

/// A copy of a descriptor, with a number above the standard ones. Close-on-exec.
pub(crate) fn duplicate(fd: RawFd) -> Call<OwnedFd> {
    // SAFETY: takes integers.
    let copy = answer(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as RawFd) })
}

/// Opens what a descriptor is open on once more, to write without waiting: the flags of the first
/// one, which others have too, stay as they are.
pub(crate) fn open_anew_to_write(fd: RawFd) -> Call<OwnedFd> {
    let path = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).map_err(|_| Errno::EINVAL)?;
    let own = open_file(&path, libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY)?;
    // Of the standard ones none must be ours, where one is closed.
    if own.as_raw_fd() < 3 {
        return duplicate(own.as_raw_fd());
    }
    Ok(own)
}

/// Waits until one of the descriptors has something to read, or the time is over, or a signal
/// that is not blocked arrives. Sets `revents`.
pub(crate) fn poll(fds: &mut [libc::pollfd], timeout_ms: i32) -> Call<()> {
    // SAFETY: the slice and its length.
    match answer(unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as u64, timeout_ms) }.into()) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(other) => Err(other),
    }
}

/// A counter to wake somebody with. Close-on-exec.
pub(crate) fn event_fd() -> Call<OwnedFd> {
    // SAFETY: takes integers.
    let fd = answer(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sets the mode bits that new files do not get, and returns the ones before.
pub(crate) fn umask(mask: u32) -> u32 {
    // SAFETY: takes and returns an integer.
    unsafe { libc::umask(mask) }
}

/// Makes a character device that everybody may use.
pub(crate) fn make_device(path: &CStr, major: u32, minor: u32) -> Call<()> {
    // SAFETY: `path` is a C string.
    done(unsafe {
        libc::syscall(
            libc::SYS_mknodat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::S_IFCHR | 0o666,
            libc::makedev(major, minor),
        )
    })
}

/// CLOCK_MONOTONIC; 0 if the kernel refuses it, which means "not noted" where it is used.
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: one timespec to be filled.
    match unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) } {
        0 => time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64,
        _ => 0,
    }
}
