//! `jail-escapee`: tries to get out of a jail, one attempt per word, and prints how each ended:
//! `WORD ok`, `WORD <number>`, or `WORD EPERM`.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;

/// What an attempt gave: a number that is no error, or why not.
type Outcome = Result<i64, Errno>;

fn main() {
    let mut out = std::io::stdout();
    for word in std::env::args().skip(1) {
        let (name, argument) = word.split_once('=').unwrap_or((&word, ""));
        let text = match attempt(name, argument) {
            Some(Ok(0)) => "ok".to_owned(),
            Some(Ok(number)) => number.to_string(),
            Some(Err(errno)) => format!("{errno:?}"),
            None => "unknown attempt".to_owned(),
        };
        let _ = writeln!(out, "{name} {text}");
    }
}

/// One system call with integers or pointers to what outlives it; descriptors are not kept.
macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        // SAFETY: the arguments are integers, null, or pointers to buffers of this function that are
        // as large as the call may read or write.
        let returned = unsafe { libc::syscall($number $(, $argument)*) };
        if returned == -1 { Err(Errno::last()) } else { Ok(0) }
    }};
}

fn attempt(name: &str, argument: &str) -> Option<Outcome> {
    mounts(name)
        .or_else(|| kernel(name))
        .or_else(|| processes(name, argument))
        .or_else(|| files(name, argument))
        .or_else(|| namespaces(name))
        .or_else(|| devices(name, argument))
}

fn mounts(name: &str) -> Option<Outcome> {
    let null = std::ptr::null::<libc::c_char>();
    Some(match name {
        "mount_tmpfs" => call!(
            libc::SYS_mount,
            c"t".as_ptr(),
            c"/tmp".as_ptr(),
            c"tmpfs".as_ptr(),
            0,
            null
        ),
        "remount_proc_sys" => call!(
            libc::SYS_mount,
            null,
            c"/proc/sys".as_ptr(),
            null,
            libc::MS_REMOUNT | libc::MS_BIND,
            null
        ),
        "remount_sys" => call!(
            libc::SYS_mount,
            null,
            c"/sys".as_ptr(),
            null,
            libc::MS_REMOUNT | libc::MS_BIND,
            null
        ),
        "umount_mask" => call!(libc::SYS_umount2, c"/proc/sys".as_ptr(), 0),
        "fsopen" => call!(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0),
        "open_tree" => call!(libc::SYS_open_tree, libc::AT_FDCWD, c"/".as_ptr(), 1),
        "open_tree_attr" => {
            /// Not in the libc crate. scripts/syscall.tbl
            const OPEN_TREE_ATTR: libc::c_long = 467;
            let clear_read_only = [0u64, 1, 0, 0];
            call!(
                OPEN_TREE_ATTR,
                libc::AT_FDCWD,
                c"/proc/sys".as_ptr(),
                1,
                clear_read_only.as_ptr(),
                32
            )
        }
        "move_mount" => call!(
            libc::SYS_move_mount,
            libc::AT_FDCWD,
            c"/proc/sys".as_ptr(),
            libc::AT_FDCWD,
            c"/tmp".as_ptr(),
            0
        ),
        "mount_setattr" => {
            let clear_read_only = [0u64, 1, 0, 0];
            call!(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                c"/proc/sys".as_ptr(),
                0,
                clear_read_only.as_ptr(),
                32
            )
        }
        "pivot_root" => call!(libc::SYS_pivot_root, c"/".as_ptr(), c"/".as_ptr()),
        "chroot" => call!(libc::SYS_chroot, c"/".as_ptr()),
        "swapon" => call!(libc::SYS_swapon, c"/none".as_ptr(), 0),
        _ => return None,
    })
}

/// A time that is none.
const NO_TIME: [i64; 2] = [-1, -1];

/// With arguments that the kernel would refuse in another way if it looked at them.
fn kernel(name: &str) -> Option<Outcome> {
    let null = std::ptr::null::<libc::c_char>();
    Some(match name {
        "bpf" => call!(libc::SYS_bpf, 9999, null, 0),
        "perf_event_open" => call!(libc::SYS_perf_event_open, null, 0, -1, -1, 0),
        "init_module" => call!(libc::SYS_init_module, null, 0, null),
        "finit_module" => call!(libc::SYS_finit_module, -1, null, 0),
        "delete_module" => call!(libc::SYS_delete_module, c"no_such_module".as_ptr(), 0),
        "kexec_load" => call!(libc::SYS_kexec_load, 0, 0, null, 0),
        "kexec_file_load" => call!(libc::SYS_kexec_file_load, -1, -1, 0, null, 0),
        // Not the magic numbers that make it one.
        "reboot" => call!(libc::SYS_reboot, 1, 2, 3, null),
        "syslog" => call!(libc::SYS_syslog, 10, null, 0),
        "acct" => call!(libc::SYS_acct, c"/none/none".as_ptr()),
        "userfaultfd" => call!(libc::SYS_userfaultfd, 0),
        "io_uring_setup" => call!(libc::SYS_io_uring_setup, 0, null),
        "clock_settime" => call!(libc::SYS_clock_settime, 0, NO_TIME.as_ptr()),
        "settimeofday" => call!(libc::SYS_settimeofday, NO_TIME.as_ptr(), null),
        "adjtimex" => call!(libc::SYS_adjtimex, null),
        "keyctl" => call!(libc::SYS_keyctl, 0, -3, 0),
        "add_key" => call!(
            libc::SYS_add_key,
            c"user".as_ptr(),
            c"jail-escapee".as_ptr(),
            c"x".as_ptr(),
            1,
            -2
        ),
        "request_key" => call!(
            libc::SYS_request_key,
            c"user".as_ptr(),
            c"none".as_ptr(),
            null,
            0
        ),
        #[cfg(target_arch = "x86_64")]
        "iopl" => call!(libc::SYS_iopl, 3),
        #[cfg(target_arch = "x86_64")]
        "ioperm" => call!(libc::SYS_ioperm, 0x80, 1, 1),
        "x32" => call!(0x4000_0000 | libc::SYS_getpid),
        #[cfg(target_arch = "x86_64")]
        "i386" => Ok(i386_getpid()),
        _ => return None,
    })
}

/// `getpid` by the 32-bit entry, whose numbers are others.
#[cfg(target_arch = "x86_64")]
fn i386_getpid() -> i64 {
    const GETPID: u64 = 20;
    let answer: u64;
    // SAFETY: the call takes nothing and changes rax alone (and r8 to r11, as the entry may).
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") GETPID => answer,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    answer as i64
}

fn processes(name: &str, argument: &str) -> Option<Outcome> {
    let pid: i32 = argument.parse().unwrap_or(1);
    Some(match name {
        "seize" => call!(libc::SYS_ptrace, libc::PTRACE_SEIZE, pid, 0, 0),
        "kill" => call!(libc::SYS_kill, pid, 0),
        "pidfd_open" => call!(libc::SYS_pidfd_open, pid, 0),
        "kill_pid1" => call!(libc::SYS_kill, 1, 0),
        "capset" => {
            let header = [0x2008_0522u32, 0];
            let all = [u32::MAX; 6];
            call!(libc::SYS_capset, header.as_ptr(), all.as_ptr())
        }
        "fd" => call!(libc::SYS_fcntl, pid, libc::F_GETFD),
        "abstract" => connect(argument),
        _ => return None,
    })
}

fn connect(name: &str) -> Outcome {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let address = SocketAddr::from_abstract_name(name).map_err(|_| Errno::EINVAL)?;
    let connected = UnixStream::connect_addr(&address);
    connected
        .map(|_| 0)
        .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)))
}

fn files(name: &str, argument: &str) -> Option<Outcome> {
    let path = CString::new(argument).unwrap_or_default();
    Some(match name {
        "write" => call!(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::O_WRONLY | libc::O_CLOEXEC
        ),
        "read" => call!(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC
        ),
        "mkdir" => call!(libc::SYS_mkdirat, libc::AT_FDCWD, path.as_ptr(), 0o755),
        "follow" => {
            let mut target = [0u8; 256];
            call!(
                libc::SYS_readlinkat,
                libc::AT_FDCWD,
                path.as_ptr(),
                target.as_mut_ptr(),
                target.len()
            )
        }
        "open_by_handle_at" => call!(
            libc::SYS_open_by_handle_at,
            libc::AT_FDCWD,
            std::ptr::null::<u8>(),
            0
        ),
        "dotdot" => dotdot(),
        _ => return None,
    })
}

/// Is what a hundred `..` lead to the root that one sees?
fn dotdot() -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let failed = |e: std::io::Error| Errno::from_raw(e.raw_os_error().unwrap_or(0));
    let (root, above) = (
        std::fs::metadata("/").map_err(failed)?,
        std::fs::metadata("../".repeat(100)).map_err(failed)?,
    );
    Ok(i64::from(
        (root.dev(), root.ino()) != (above.dev(), above.ino()),
    ))
}

fn namespaces(name: &str) -> Option<Outcome> {
    Some(match name {
        "unshare_user" => call!(libc::SYS_unshare, libc::CLONE_NEWUSER),
        "unshare_net" => call!(libc::SYS_unshare, libc::CLONE_NEWNET),
        "unshare_time" => call!(libc::SYS_unshare, libc::CLONE_NEWTIME),
        "setns" => call!(libc::SYS_setns, -1, 0),
        "clone3" => call!(libc::SYS_clone3, std::ptr::null::<u8>(), 0),
        "clone_user" => clone_user(),
        _ => return None,
    })
}

fn clone_user() -> Outcome {
    let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
    // SAFETY: like fork: no stack, no shared memory; the child ends at once.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match pid {
        -1 => Err(Errno::last()),
        // SAFETY: takes an integer and does not return.
        0 => unsafe { libc::_exit(0) },
        _ => {
            let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid as i32), None);
            Ok(0)
        }
    }
}

fn devices(name: &str, argument: &str) -> Option<Outcome> {
    Some(match name {
        "mknod_char" => call!(
            libc::SYS_mknodat,
            libc::AT_FDCWD,
            c"/tmp/c".as_ptr(),
            libc::S_IFCHR | 0o600,
            libc::makedev(1, 3)
        ),
        "mknod_block" => call!(
            libc::SYS_mknodat,
            libc::AT_FDCWD,
            c"/tmp/b".as_ptr(),
            libc::S_IFBLK | 0o600,
            libc::makedev(7, 0)
        ),
        "mkfifo" => call!(
            libc::SYS_mknodat,
            libc::AT_FDCWD,
            c"/tmp/f".as_ptr(),
            libc::S_IFIFO | 0o600,
            0
        ),
        "entropy" => entropy(argument),
        "tiocsti" => on_a_terminal(libc::TIOCSTI),
        "tioclinux" => on_a_terminal(libc::TIOCLINUX),
        _ => return None,
    })
}

/// An ioctl that only a driver knows: how much entropy a device of random numbers has.
fn entropy(path: &str) -> Outcome {
    /// `RNDGETENTCNT` (include/uapi/linux/random.h).
    const GET_COUNT: u64 = 0x8004_5200;
    let failed = |e: std::io::Error| Errno::from_raw(e.raw_os_error().unwrap_or(0));
    let device = std::fs::File::open(path).map_err(failed)?;
    let mut count = 0i32;
    call!(
        libc::SYS_ioctl,
        device.as_raw_fd(),
        GET_COUNT,
        &raw mut count
    )
}

/// An ioctl that puts a character into a terminal, on a new one.
fn on_a_terminal(request: u64) -> Outcome {
    let pty = nix::pty::openpty(None, None)?;
    let character = [b'x', 0];
    call!(
        libc::SYS_ioctl,
        pty.slave.as_raw_fd(),
        request,
        character.as_ptr()
    )
}
