//! The terminal that controls us.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::descriptor::open_file;
use super::{Call, answer, done};

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

/// Is `fd` the terminal that controls us?
pub(crate) fn controls_us(fd: RawFd) -> bool {
    // SAFETY: these calls take integers, and the library passes addresses of its own.
    unsafe {
        let session = libc::tcgetsid(fd);
        session != -1 && session == libc::getsid(0)
    }
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

/// Is it a terminal?
pub(crate) fn is_terminal(fd: RawFd) -> bool {
    // SAFETY: takes an integer; the library passes the address of its own.
    unsafe { libc::isatty(fd) == 1 }
}
