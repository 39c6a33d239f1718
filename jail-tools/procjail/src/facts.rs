//! What the caller is and has: observed before anything is decided.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::cgroup::Layout;
use crate::error::{Error, errno_of};
use crate::files::Looked;
use crate::ids::{Caller, subordinate};
use crate::job::{Line, Terminal};
use crate::mountinfo::{self, Mounted};
use crate::sys;

fn io(path: &str) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |error| Error::call("read", path, errno_of(&error))
}

/// Types, roots and places of the mounts of the caller's namespace.
pub(crate) fn mount_points() -> Result<Vec<Mounted>, Error> {
    let mut points = Vec::with_capacity(64);
    let listed = sys::each_mount(|mount| {
        points.push(Mounted {
            fstype: mount.fstype.to_string_lossy().into_owned(),
            root: OsStr::from_bytes(mount.root.to_bytes()).into(),
            target: OsStr::from_bytes(mount.point.to_bytes()).into(),
            ..Mounted::default()
        });
    });
    match listed {
        Ok(()) => Ok(points),
        // Before Linux 6.8, or refused by a filter around us.
        Err(_) => mounted(),
    }
}

/// Where a path leads. What is not there is said by whoever opens it.
pub(crate) fn look(path: &Path) -> Looked {
    Looked {
        path: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        is_dir: path.is_dir(),
    }
}

/// The mounts of the caller's namespace.
pub(crate) fn mounted() -> Result<Vec<Mounted>, Error> {
    const PATH: &str = "/proc/self/mountinfo";
    // One read for most hosts: the kernel makes the text anew for each.
    let mut text = Vec::with_capacity(1 << 16);
    let mut file = fs::File::open(PATH).map_err(io(PATH))?;
    file.read_to_end(&mut text).map_err(io(PATH))?;
    Ok(mountinfo::parse(&text))
}

/// The cgroup hierarchies, and where the caller is in them.
pub(crate) fn layout() -> Result<Layout, Error> {
    const PATH: &str = "/proc/self/cgroup";
    let own = fs::read_to_string(PATH).map_err(io(PATH))?;
    Ok(Layout::of(&mounted()?, &own))
}

/// The caller, as far as user and group maps go.
pub(crate) fn caller(privileged: bool) -> Caller {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // No entry and no file are the same: no subordinate ids.
    let name = nix::unistd::User::from_uid(uid)
        .ok()
        .flatten()
        .map(|u| u.name);
    let range = |file: &str| {
        let text = fs::read_to_string(file).ok()?;
        subordinate(&text, name.as_deref(), uid.as_raw())
    };
    Caller {
        uid: uid.as_raw(),
        gid: gid.as_raw(),
        privileged,
        subuids: range("/etc/subuid"),
        subgids: range("/etc/subgid"),
        helpers: ["newuidmap", "newgidmap"].iter().all(|name| on_path(name)),
    }
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// The current directory.
pub(crate) fn current_directory() -> Result<PathBuf, Error> {
    std::env::current_dir().map_err(|e| Error::Call {
        call: "getcwd",
        object: "the current directory".into(),
        errno: errno_of(&e),
        hint: "it may have been removed: --chdir DIR names another",
    })
}

/// The terminal that controls us, if there is one.
pub(crate) fn terminal() -> Option<Terminal> {
    let ours = [0, 1, 2].map(sys::controls_us);
    let line = match (0..3).find(|fd| ours[*fd]) {
        Some(fd) => Line::Standard(fd as i32),
        None => Line::Opened(sys::open_terminal().ok()?),
    };
    let own = sys::own_group();
    Some(Terminal {
        // 0 is any group outside of our pid namespace.
        foreground: own > 0 && sys::foreground(line.fd()) == Ok(own),
        whole: ours == [true; 3],
        shell: has_shell(),
        line,
    })
}

/// Has our process group a parent that is of our session and not of the group? It is orphaned
/// otherwise, in POSIX's words, and nobody does job control for it.
fn has_shell() -> bool {
    let (group, session) = (nix::unistd::getpgrp(), nix::unistd::getsid(None));
    let mut parent = nix::unistd::getppid();
    loop {
        // PID 1 has no parent, or none that is seen from here: 0.
        if parent.as_raw() <= 0 || nix::unistd::getsid(Some(parent)) != session {
            return false;
        }
        match nix::unistd::getpgid(Some(parent)) {
            Ok(of_parent) if of_parent == group => {}
            other => return other.is_ok(),
        }
        match parent_of(parent.as_raw()) {
            Some(above) => parent = nix::unistd::Pid::from_raw(above),
            None => return false,
        }
    }
}

/// From `/proc/PID/stat`: `PID (NAME) STATE PARENT …`, where a name may have parentheses itself.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(1)?.parse().ok()
}

/// A process of PID 1's namespace, by its number there, in our numbers. `pid1` is PID 1 in ours, and
/// its parent.
pub(crate) fn child_of_pid1(pid1: i32, inner: i32) -> Option<i32> {
    let is_it = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut lines = status.lines();
        let numbers = lines.find_map(|l| l.strip_prefix("NSpid:"));
        let innermost = numbers.and_then(|n| n.split_whitespace().last());
        innermost.is_some_and(|n| n.parse() == Ok(inner))
    };
    fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .find(|pid| parent_of(*pid) == Some(pid1) && is_it(pid))
}

/// May we do in the user namespace that the kernel began with what a device node takes? Only there it
/// works, whatever the capabilities here (fs/namei.c, `vfs_mknod`; fs/super.c, `SB_I_NODEV`).
///
/// CAP_SYSLOG stands for it: there is a call that asks the first namespace for it, and then does
/// nothing. A "no" that is wrong costs time alone; to read what `/proc/self/ns/user` is costs more.
pub(crate) fn is_root_of_the_host() -> bool {
    sys::open_kernel_log().is_ok()
}

/// Was setgroups(2) given up in our user namespace, and so in all below it (user_namespaces(7))?
pub(crate) fn setgroups_denied() -> bool {
    fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim_end() == "deny")
}

/// Are our numbers those of the kernel's log?
pub(crate) fn in_first_pid_namespace() -> bool {
    /// `PROC_PID_INIT_INO` (include/linux/proc_ns.h).
    const FIRST: &str = "pid:[4026531836]";
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == FIRST)
}

/// The version of Landlock, if the kernel has it and it is on.
pub(crate) fn landlock_abi() -> Option<i32> {
    sys::landlock_abi().ok()
}

/// What the calling thread may do.
pub(crate) fn permitted() -> Result<crate::capabilities::Capabilities, Error> {
    sys::permitted()
        .map(crate::capabilities::Capabilities)
        .map_err(|errno| Error::call("capget", "the calling thread", errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_ask_see_the_same_mounts() {
        let known = |m: Mounted| (m.target, m.root, m.fstype);
        let by_file = mounted().expect("mountinfo");
        let mut by_file: Vec<_> = by_file.into_iter().map(known).collect();
        let by_call = mount_points().expect("mounts");
        let mut by_call: Vec<_> = by_call.into_iter().map(known).collect();
        by_file.sort();
        by_call.sort();
        assert_eq!(by_call, by_file);
    }
}
