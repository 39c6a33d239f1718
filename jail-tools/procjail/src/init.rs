//! The first process of a jail, from its clone until it is PID 1 or the command. Raw calls only.

use std::cell::Cell;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sys::stat::Mode;

use crate::capabilities::Capabilities;
use crate::command::{FAILED, become_command};
use crate::page::Page;
use crate::pid1::{Outer, Pid1, ring};
use crate::prepared::{Command, Mounts, Op, Pid1Plan, Prepared, SOURCES_MAX};
use crate::step::Step;
use crate::sys::{self, Call, MountAttr};

/// What the supervisor shares with the jail beside the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    /// Readable once the supervisor is dead.
    pub(crate) supervisor: RawFd,
    /// A byte says "go", and the end of file that nobody will. With the supervisor's end, of which
    /// this process has a copy.
    pub(crate) go: Option<(RawFd, RawFd)>,
    /// Rung when the page has news.
    pub(crate) bell: RawFd,
}

/// Is the first process of the jail, and ends with it.
pub(crate) fn first_process(prepared: &Prepared, lines: Lines) -> ! {
    let page = prepared.page.page();
    let code = match set_up(prepared, lines, page) {
        Ok(()) => match &prepared.pid1 {
            Some(plan) => serve(plan, &prepared.command, lines, page),
            None => become_command(&prepared.command, page),
        },
        Err(errno) => {
            page.fail(errno);
            FAILED
        }
    };
    sys::exit_now(code)
}

fn set_up(prepared: &Prepared, lines: Lines, page: &Page) -> Call<()> {
    page.at(Step::Watch, 0);
    watch(lines.supervisor)?;
    // A signal to the supervisor's group must not get here a second time by itself.
    page.at(Step::Session, 0);
    let this = nix::unistd::Pid::from_raw(0);
    nix::unistd::setpgid(this, this)?;
    for (number, procs) in prepared.join.iter().enumerate() {
        page.at(Step::JoinCgroup, number);
        sys::write_once(procs.as_raw_fd(), b"0")?;
    }
    if let Some((go, supervisors)) = lines.go {
        page.at(Step::AwaitGo, 0);
        // Else there would be no end of file when the supervisor is gone.
        sys::close_range(supervisors as u32, supervisors as u32)?;
        if sys::read_once(go, &mut [0])? == 0 {
            // The supervisor gave up, and says why itself.
            sys::exit_now(FAILED);
        }
    }
    if prepared.become_root {
        page.at(Step::BecomeRoot, 0);
        sys::set_gids(0)?;
        sys::set_uids(0)?;
        // A change of credentials forgets it.
        watch(lines.supervisor)?;
    }
    if prepared.cgroup_namespace {
        page.at(Step::CgroupNamespace, 0);
        sys::unshare(libc::CLONE_NEWCGROUP)?;
    }
    if let Some(offsets) = &prepared.time_offsets {
        page.at(Step::TimeNamespace, 0);
        sys::unshare(libc::CLONE_NEWTIME)?;
        let file = sys::open_write(c"/proc/self/timens_offsets")?;
        sys::write_once(file.as_raw_fd(), offsets.to_bytes())?;
    }
    if let Some(name) = &prepared.hostname {
        page.at(Step::Hostname, 0);
        sys::set_hostname(name)?;
    }
    make_mounts(&prepared.mounts, page)
}

/// Asks to be killed when the supervisor dies, and looks whether it has already: in a new pid
/// namespace the parent's number is 0, dead or alive.
fn watch(supervisor: RawFd) -> Call<()> {
    sys::parent_death_signal(libc::SIGKILL)?;
    if sys::is_readable(supervisor)? {
        sys::exit_now(FAILED);
    }
    Ok(())
}

fn make_mounts(mounts: &Mounts, page: &Page) -> Call<()> {
    page.at(Step::Private, 0);
    let all = |attr: &MountAttr| sys::mount_setattr(libc::AT_FDCWD, c"/", true, attr);
    let attributes = MountAttr::setting(mounts.inherited);
    let mut sources: [Option<OwnedFd>; SOURCES_MAX] = [const { None }; SOURCES_MAX];
    if mounts.sources.is_empty() {
        all(&attributes.private())?;
    } else {
        // First: a copy of a mount is a peer of its peers. The attributes are not for the copies.
        all(&MountAttr::setting(0).private())?;
        for (number, (source, held)) in mounts.sources.iter().zip(&mut sources).enumerate() {
            page.at(Step::Source, number);
            *held = Some(sys::open_tree(&source.path, source.recursive)?);
        }
        if mounts.inherited != 0 {
            page.at(Step::Private, 0);
            all(&attributes)?;
        }
    }
    if let Some(root) = &mounts.root {
        page.at(Step::Root, 0);
        make_root(root)?;
    }
    let umask = sys::umask(0);
    for (number, op) in mounts.ops.iter().enumerate() {
        page.at(Step::Mount, number);
        apply(op, &sources)?;
    }
    sys::umask(umask);
    page.at(Step::Workdir, 0);
    nix::unistd::chdir(mounts.workdir.as_c_str())
}

/// Makes a directory the root, and lets go of the old one: no folder for it is needed when both
/// are the same place (pivot_root(2)).
fn make_root(root: &CStr) -> Call<()> {
    let tree = sys::open_tree(root, true)?;
    sys::mount_setattr(
        tree.as_raw_fd(),
        c"",
        true,
        &MountAttr::setting(0).private(),
    )?;
    sys::move_mount(tree.as_raw_fd(), root)?;
    nix::unistd::fchdir(&tree)?;
    nix::unistd::pivot_root(c".", c".")?;
    nix::mount::umount2(c".", nix::mount::MntFlags::MNT_DETACH)?;
    nix::unistd::chdir(c"/")
}

fn apply(op: &Op, sources: &[Option<OwnedFd>]) -> Call<()> {
    match op {
        Op::Directory { path, mode } => {
            match nix::unistd::mkdir(path.as_c_str(), Mode::from_bits_truncate(*mode)) {
                Err(Errno::EEXIST) => Ok(()),
                other => other,
            }
        }
        Op::Remove { path } => sys::remove_dir_at(libc::AT_FDCWD, path),
        Op::Node { path, major, minor } => sys::make_device(path, *major, *minor),
        Op::File { path } => sys::create_file(path),
        Op::Symlink { to, path } => {
            nix::unistd::symlinkat(to.as_c_str(), nix::fcntl::AT_FDCWD, path.as_c_str())
        }
        Op::New {
            fstype,
            path,
            flags,
            data,
            optional,
        } => absent_is_fine(
            *optional,
            mount(Some(fstype), path, Some(fstype), *flags, Some(data)),
        ),
        Op::Attach {
            source,
            path,
            attr,
            optional,
        } => {
            let tree = sources.get(*source).and_then(Option::as_ref);
            let tree = tree.ok_or(Errno::EBADF)?.as_raw_fd();
            if *attr != 0 {
                sys::mount_setattr(tree, c"", true, &MountAttr::setting(*attr))?;
            }
            absent_is_fine(*optional, sys::move_mount(tree, path))
        }
        Op::Cover { with, path } => {
            absent_is_fine(true, mount(Some(with), path, None, libc::MS_BIND, None))
        }
        Op::Writable { path } => {
            let attr = MountAttr::clearing(MountAttr::RDONLY);
            sys::mount_setattr(libc::AT_FDCWD, path, false, &attr)
        }
        Op::ReadOnly { path, optional } => absent_is_fine(*optional, make_read_only(path)),
    }
}

fn make_read_only(path: &CStr) -> Call<()> {
    let attr = MountAttr::setting(MountAttr::RDONLY);
    match sys::mount_setattr(libc::AT_FDCWD, path, true, &attr) {
        // Not the root of a mount.
        Err(Errno::EINVAL) => {
            mount(Some(path), path, None, libc::MS_BIND | libc::MS_REC, None)?;
            sys::mount_setattr(libc::AT_FDCWD, path, true, &attr)
        }
        other => other,
    }
}

fn mount(
    source: Option<&CStr>,
    target: &CStr,
    fstype: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> Call<()> {
    nix::mount::mount(
        source,
        target,
        fstype,
        MsFlags::from_bits_retain(flags),
        data,
    )
}

/// What this kernel does not have need not be hidden.
fn absent_is_fine(optional: bool, done: Call<()>) -> Call<()> {
    match done {
        Err(Errno::ENOENT | Errno::ENOTDIR) if optional => Ok(()),
        other => other,
    }
}

fn serve(plan: &Pid1Plan, command: &Command, lines: Lines, page: &Page) -> i32 {
    match start(plan, command, lines, page) {
        Ok(pid1) => {
            let code = pid1.serve();
            if code == 128 + libc::SIGKILL {
                // Whose doing that was may depend on who else was here.
                page.set_last_made(last_made().unwrap_or(0));
            }
            code
        }
        Err(errno) => {
            page.fail(errno);
            FAILED
        }
    }
}

fn start<'a>(
    plan: &'a Pid1Plan,
    command: &'a Command,
    lines: Lines,
    page: &'a Page,
) -> Call<Pid1<'a>> {
    page.at(Step::Pid1, 0);
    // Its links in /proc lead out of the jail.
    sys::set_dumpable(false)?;
    page.at(Step::Spawn, 0);
    let (pid, pidfd) = spawn_command(command, page)?;
    page.at(Step::Executed, 0);
    keep_only(plan.capabilities)?;
    // What is open here and not needed could only keep something outside alive.
    sys::close_all_but(3, lines.bell, pidfd.as_raw_fd())?;
    page.set_command(pid);
    if plan.announce {
        ring(lines.bell);
    }
    Ok(Pid1 {
        page,
        command: pid,
        command_fd: std::os::fd::IntoRawFd::into_raw_fd(pidfd),
        group: plan.group,
        continues_group: plan.continues_group,
        rewrite: &plan.rewrite,
        outer: Outer::Bell(lines.bell),
        asked: Cell::new(0),
    })
}

/// Starts the command's process on a stack of its own, in our memory, and returns when it has
/// executed or failed.
pub(crate) fn spawn_command(command: &Command, page: &Page) -> Call<(i32, OwnedFd)> {
    extern "C" fn enter(call: &(&Command, &Page)) -> i32 {
        become_command(call.0, call.1)
    }
    sys::clone_vm(&command.stack, enter, &(command, page))
}

/// The number of the process, or thread, that was made last in our pid namespace: the last word of
/// `/proc/loadavg` (fs/proc/loadavg.c).
fn last_made() -> Option<i32> {
    let file = sys::open_read(c"/proc/loadavg").ok()?;
    let mut text = [0; 128];
    let filled = sys::read_once(file.as_raw_fd(), &mut text).ok()?;
    let text = std::str::from_utf8(text.get(..filled)?).ok()?;
    text.split_ascii_whitespace().last()?.parse().ok()
}

fn keep_only(capabilities: Option<Capabilities>) -> Call<()> {
    let Some(Capabilities(kept)) = capabilities else {
        return Ok(());
    };
    let kept = kept & sys::permitted()?;
    sys::capset(kept, kept, 0)
}
