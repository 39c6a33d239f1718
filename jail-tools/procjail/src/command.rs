//! The command's process, from its clone to its exec. Raw calls only: it may share PID 1's memory.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::capabilities::{self, Capabilities};
use crate::landlock;
use crate::page::Page;
use crate::prepared::{Command, Harden, Program, Session, ShellArgv};
use crate::step::Step;
use crate::sys::{self, Call};

/// Our own errors (as of `env`, `timeout` and others of coreutils).
pub(crate) const FAILED: i32 = 125;
/// Found, but cannot be executed.
const CANNOT_EXECUTE: i32 = 126;
/// Not found.
const NOT_FOUND: i32 = 127;

/// A protection that this kernel may not have; where it stands among the missed.
pub(crate) const MISSED_KEYRING: usize = 0;

/// Becomes the command. Returns an exit code if it cannot, with the reason in the page.
pub(crate) fn become_command(command: &Command, page: &Page) -> i32 {
    match steps(command, page) {
        Err(errno) => {
            page.fail(errno);
            page.failure()
                .map_or(FAILED, |f| exit_code_of(f.step, f.errno))
        }
        Ok(never) => match never {},
    }
}

/// 125, but for a failed exec: there 127 is "not found" and 126 the rest (POSIX.1-2024, 2.8.2).
pub(crate) fn exit_code_of(step: Step, errno: Errno) -> i32 {
    match (step, errno) {
        (Step::Exec, Errno::ENOENT | Errno::ENOTDIR) => NOT_FOUND,
        (Step::Exec, _) => CANNOT_EXECUTE,
        _ => FAILED,
    }
}

fn steps(command: &Command, page: &Page) -> Call<std::convert::Infallible> {
    page.at(Step::Session, 0);
    match command.session {
        Session::Group => {
            let this = nix::unistd::Pid::from_raw(0);
            nix::unistd::setpgid(this, this)?;
        }
        Session::Own => drop(nix::unistd::setsid()?),
    }
    if let Some(fd) = command.terminal {
        page.at(Step::Terminal, 0);
        match command.session {
            Session::Group => sys::set_foreground(fd)?,
            Session::Own => sys::take_terminal(fd)?,
        }
    }
    if let Some(harden) = &command.harden {
        restrict(harden, page)?;
    }
    if let Some(signo) = command.death_signal {
        // Last: it is cleared when credentials change (prctl(2)).
        page.at(Step::Watch, 0);
        sys::parent_death_signal(signo)?;
    }
    page.at(Step::Mask, 0);
    if command.ignore_child {
        sys::set_ignored(libc::SIGCHLD, true)?;
    }
    sys::set_mask(command.mask)?;
    page.at(Step::Exec, 0);
    Err(execute(&command.program))
}

fn restrict(harden: &Harden, page: &Page) -> Call<()> {
    if harden.keyring {
        page.at(Step::Keyring, 0);
        match sys::join_new_session_keyring() {
            Err(Errno::ENOSYS) => page.miss(MISSED_KEYRING, Errno::ENOSYS),
            other => other?,
        }
    }
    // Under no_new_privs no exec gives a capability that one has not, root's included
    // (security/commoncap.c, `cap_bprm_creds_from_file`): the bounding set, 33 calls, would bound
    // nothing.
    if let (Some(kept), false) = (harden.capabilities, harden.no_new_privs) {
        page.at(Step::Bounding, 0);
        drop_from_bounding_set(kept)?;
    }
    if harden.groups {
        page.at(Step::Groups, 0);
        sys::set_groups(&[])?;
    }
    if let Some((uid, gid)) = harden.user {
        page.at(Step::User, 0);
        // The filter and Landlock may need what root has; `drop_capabilities` ends it.
        sys::set_keep_caps()?;
        sys::set_gids(gid)?;
        sys::set_uids(uid)?;
        // What is kept is permitted alone (capabilities(7)): a filter without no_new_privs takes it
        // in effect.
        let held = sys::permitted()?;
        sys::capset(held, held, 0)?;
    }
    if harden.no_new_privs {
        page.at(Step::NoNewPrivs, 0);
        sys::no_new_privs()?;
    }
    if let Some(abi) = harden.landlock {
        page.at(Step::Landlock, 0);
        landlock::restrict(abi, harden.devices_anywhere)?;
    }
    // After Landlock, which opens descriptors, and before the capability that a higher limit takes
    // is gone.
    for (number, (resource, limit)) in harden.rlimits.iter().enumerate() {
        page.at(Step::Rlimit, number);
        sys::set_rlimit(*resource, limit)?;
    }
    if let Some(keep) = &harden.keep_fds {
        page.at(Step::Fds, 0);
        close_all_but(keep)?;
    }
    drop_capabilities(harden, page)?;
    if let Some(program) = &harden.seccomp {
        page.at(Step::Seccomp, 0);
        sys::load_seccomp(program)?;
    }
    Ok(())
}

fn drop_capabilities(harden: &Harden, page: &Page) -> Call<()> {
    page.at(Step::Caps, 0);
    let Some(Capabilities(mut kept)) = harden.capabilities else {
        return Ok(());
    };
    if harden.user.is_some_and(|(uid, _)| uid != 0) {
        // Only what was asked for by name: that is why one gives a command another user.
        kept &= harden.ambient.0;
    }
    // Without CAP_SETPCAP a set cannot be had that is not permitted: what one has not is no error.
    let held = sys::permitted()?;
    let kept = kept & held;
    // A filter without no_new_privs is loaded by CAP_SYS_ADMIN alone: it goes with the next exec.
    let until_exec = if harden.no_new_privs {
        0
    } else {
        held & 1 << capabilities::SYS_ADMIN
    };
    sys::ambient_clear()?;
    sys::capset(
        kept | until_exec,
        kept | until_exec,
        kept & harden.ambient.0,
    )?;
    let ambient = Capabilities(kept).and(harden.ambient);
    for capability in (0..u64::BITS).filter(|c| ambient.has(*c)) {
        sys::ambient_raise(capability)?;
    }
    Ok(())
}

fn drop_from_bounding_set(kept: Capabilities) -> Call<()> {
    for capability in (0..u64::BITS).filter(|c| !kept.has(*c)) {
        match sys::bounding_drop(capability) {
            // The kernel has no more.
            Err(Errno::EINVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

/// Closes every descriptor from 3 on that is not in `keep`, which is ascending, when the command
/// is executed.
fn close_all_but(keep: &[u32]) -> Call<()> {
    let mut first = 3;
    for fd in keep.iter().copied().filter(|fd| *fd >= 3) {
        if fd > first {
            sys::mark_cloexec_from(first, fd - 1)?;
        }
        sys::keep_over_exec(fd)?;
        first = fd + 1;
    }
    sys::mark_cloexec_from(first, u32::MAX)
}

/// Tries each place, as execvp(3) does: one that must not be looked at or executed does not hide
/// a later one, but is the reason if there is none.
fn execute(program: &Program) -> Errno {
    let mut reason = Errno::ENOENT;
    for candidate in &program.candidates {
        match sys::exec(candidate, program.argv.pointers(), program.envp.pointers()) {
            Errno::EACCES => reason = Errno::EACCES,
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::ENOEXEC => {
                // What a shell says if it is none is no reason: that was given.
                by_shell(program, candidate);
                return Errno::ENOEXEC;
            }
            other => return other,
        }
    }
    reason
}

/// Has a shell run what the kernel takes for no program, as execvp(3) does, unless it is a program of
/// some other machine. Returns if that fails.
fn by_shell(program: &Program, script: &CStr) {
    /// include/uapi/linux/elf.h: `ELFMAG`.
    const ELF: [u8; 4] = *b"\x7fELF";
    let mut begin = [0; 4];
    if let Ok(file) = sys::open_read(script)
        && sys::read_once(file.as_raw_fd(), &mut begin).is_ok()
        && begin != ELF
    {
        let argv = program.shell_argv.with_script(script);
        sys::exec_cells(ShellArgv::SHELL, argv, program.envp.pointers());
    }
}

/// Opens a directory only to name it.
pub(crate) fn open_path(path: &CStr) -> Call<OwnedFd> {
    open(
        path,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}
