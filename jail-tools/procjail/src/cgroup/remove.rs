//! The end of a cgroup: everything in it killed, its directories removed, its parent as it was.
//! Without the heap, since the keeper does it too, in a process that was cloned.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::{MARK, Version};
use crate::sys::{self, Call};

/// What is to be removed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leftover {
    members: Vec<Member>,
    parent: Option<Parent>,
}

#[derive(Debug, Clone)]
struct Member {
    dir: CString,
    /// `cgroup.kill`, which v2 has since Linux 5.14.
    kill: Option<CString>,
    procs: CString,
}

#[derive(Debug, Clone)]
struct Parent {
    dir: CString,
    control: CString,
}

impl Leftover {
    /// Adds a directory.
    pub(crate) fn add(&mut self, version: Version, dir: &Path) {
        let v2 = version == Version::V2;
        if let (Some(path), Some(procs)) = (c_path(dir), c_path(&dir.join("cgroup.procs"))) {
            self.members.push(Member {
                dir: path,
                kill: v2.then(|| c_path(&dir.join("cgroup.kill"))).flatten(),
                procs,
            });
        }
    }

    /// Names the v2 directory whose controllers may have to be switched off again.
    pub(crate) fn below(&mut self, parent: &Path) {
        let control = c_path(&parent.join("cgroup.subtree_control"));
        self.parent = c_path(parent)
            .zip(control)
            .map(|(dir, control)| Parent { dir, control });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Kills everything in it.
    ///
    /// # Errors
    /// No v2 cgroup, or a kernel before 5.14.
    pub(crate) fn kill(&self) -> Call<()> {
        let kill = self.members.iter().find_map(|m| m.kill.as_ref());
        let file = sys::open_write(kill.ok_or(Errno::EOPNOTSUPP)?)?;
        sys::write_once(file.as_raw_fd(), b"1")
    }
}

/// A path without a null byte; every path here comes from the kernel or was checked.
fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// How long processes that were killed may take to be gone.
const PATIENCE_MS: u32 = 5_000;
/// After this long what is in a v1 cgroup is killed one by one.
const KILL_ONE_BY_ONE_MS: u32 = 100;

/// Removes all of it.
///
/// # Errors
/// What could not be removed after five seconds, and why.
pub(crate) fn remove(leftover: &Leftover) -> Result<(), (&CStr, Errno)> {
    let mut failed = Ok(());
    for member in &leftover.members {
        if let Err(errno) = remove_member(member) {
            failed = Err((member.dir.as_c_str(), errno));
        }
    }
    if let Some(parent) = &leftover.parent
        && let Err(errno) = restore(parent)
    {
        failed = failed.and(Err((parent.control.as_c_str(), errno)));
    }
    failed
}

fn remove_member(member: &Member) -> Call<()> {
    for waited_ms in 0..PATIENCE_MS {
        match remove_tree(&member.dir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EBUSY) => {}
            Err(other) => return Err(other),
        }
        match &member.kill {
            Some(kill) => {
                if let Ok(file) = sys::open_write(kill) {
                    let _ = sys::write_once(file.as_raw_fd(), b"1");
                }
            }
            None if waited_ms >= KILL_ONE_BY_ONE_MS => kill_listed(&member.procs),
            None => {}
        }
        sys::sleep_ms(1);
    }
    Err(Errno::EBUSY)
}

fn remove_tree(dir: &CStr) -> Call<()> {
    match sys::remove_dir_at(libc::AT_FDCWD, dir) {
        Err(Errno::EBUSY) => {}
        other => return other,
    }
    // Processes, or cgroups below it.
    match remove_below(open_dir(None, dir)?) {
        // Somebody else removes it too; that all of it is gone is not said by this.
        Err(Errno::ENOENT) => return Err(Errno::EBUSY),
        other => other?,
    }
    sys::remove_dir_at(libc::AT_FDCWD, dir)
}

/// How long one walk may take while something inside makes new cgroups as fast as they are removed.
const WALK_NS: u64 = 60_000_000_000;

/// Removes every directory below a folder, the deepest first. However deep they are, one descriptor
/// and no stack: it goes down to where nothing is below, and back up by `..`, which leads out of a
/// cgroup to the one that it was made in (kernel/cgroup/cgroup-v1.c, `cgroup1_rename`: none is ever
/// moved to another).
///
/// # Errors
/// EBUSY: there are processes in one of them.
fn remove_below(folder: OwnedFd) -> Call<()> {
    let since = sys::monotonic_ns();
    let (mut here, mut depth) = (folder, 0u64);
    let mut entered = false;
    while sys::monotonic_ns().saturating_sub(since) < WALK_NS {
        match remove_in(&here)? {
            Inside::Refused(below) => {
                here = below;
                depth += 1;
                entered = true;
            }
            // It could not be removed, and there is nothing in it.
            Inside::Nothing if entered => return Err(Errno::EBUSY),
            Inside::Nothing | Inside::Removed if depth == 0 => return Ok(()),
            Inside::Nothing | Inside::Removed => {
                here = open_dir(Some(&here), c"..")?;
                depth -= 1;
                entered = false;
            }
        }
    }
    Err(Errno::EBUSY)
}

/// What was in a folder.
enum Inside {
    Nothing,
    /// Directories, all of which are gone.
    Removed,
    /// A directory that could not be removed as it was, open.
    Refused(OwnedFd),
}

/// Removes directories in a folder, as far as the first that refuses.
fn remove_in(folder: &OwnedFd) -> Call<Inside> {
    let mut inside = Ok(Inside::Nothing);
    each_directory(folder, |name| {
        inside = match sys::remove_dir_at(folder.as_raw_fd(), name) {
            Ok(()) | Err(Errno::ENOENT) => Ok(Inside::Removed),
            // Of a cgroup that has others in it (of other file systems ENOTEMPTY).
            Err(Errno::EBUSY | Errno::ENOTEMPTY) => {
                open_dir(Some(folder), name).map(Inside::Refused)
            }
            Err(other) => Err(other),
        };
        !matches!(inside, Ok(Inside::Removed))
    })?;
    inside
}

fn open_dir(at: Option<&OwnedFd>, path: &CStr) -> Call<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    match at {
        Some(folder) => openat(folder, path, flags, Mode::empty()),
        None => open(path, flags, Mode::empty()),
    }
}

/// Calls `found` with the name of each directory in a folder, until it says `true`.
fn each_directory(folder: &OwnedFd, mut found: impl FnMut(&CStr) -> bool) -> Call<()> {
    /// `struct linux_dirent64`: inode and offset of 8 bytes, length of 2, type of 1, name.
    const NAME_AT: usize = 19;
    let mut buffer = [0u8; 2048];
    loop {
        let filled = sys::read_dir_raw(folder, &mut buffer)?;
        if filled == 0 {
            return Ok(());
        }
        let mut rest = buffer.get(..filled).unwrap_or_default();
        while let Some(length) = rest.get(16..18) {
            let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
            let (Some(entry), true) = (rest.get(..length), length > NAME_AT) else {
                break;
            };
            let name = CStr::from_bytes_until_nul(&entry[NAME_AT..]);
            if let (libc::DT_DIR, Ok(name)) = (entry[18], name)
                && name != c"."
                && name != c".."
                && found(name)
            {
                return Ok(());
            }
            rest = &rest[length..];
        }
    }
}

/// Kills what is listed in a `cgroup.procs`. A number may be somebody else's by the time it is used:
/// the process is held by a descriptor first, and looked for in the list again.
fn kill_listed(procs: &CStr) {
    let mut list = [0u8; 4096];
    let Some(first) = read_file(procs, &mut list).and_then(|text| numbers(text).next()) else {
        return;
    };
    let Ok(process) = sys::pidfd_open(first) else {
        return;
    };
    let mut again = [0u8; 4096];
    let still = read_file(procs, &mut again).is_some_and(|text| numbers(text).any(|n| n == first));
    if still {
        let _ = sys::pidfd_send(process.as_raw_fd(), libc::SIGKILL, None);
    }
}

fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let filled = sys::read_once(file.as_raw_fd(), buffer).ok()?;
    buffer.get(..filled)
}

fn numbers(text: &[u8]) -> impl Iterator<Item = i32> + '_ {
    text.split(|b| *b == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok())
        .filter(|n| *n > 0)
}

/// Switches off in the parent what was switched on for jails, when the last of them is gone.
fn restore(parent: &Parent) -> Call<()> {
    let mut enabled = [0u8; 256];
    let folder = open_dir(None, &parent.dir)?;
    sys::lock_dir(&folder)?;
    let length = match sys::marked(&parent.dir, MARK, &mut enabled) {
        Ok(length) => length,
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Ok(()),
        Err(other) => return Err(other),
    };
    let mut another = false;
    each_directory(&folder, |name| {
        another = name.to_bytes().starts_with(super::made::PREFIX.as_bytes());
        another
    })?;
    if another {
        return Ok(());
    }
    let control = sys::open_write(&parent.control)?;
    let controllers = enabled.get(..length).unwrap_or_default();
    for controller in controllers.split(|b| *b == b' ').filter(|c| !c.is_empty()) {
        let mut word = [0u8; 64];
        word[0] = b'-';
        let end = controller.len() + 1;
        if let Some(place) = word.get_mut(1..end) {
            place.copy_from_slice(controller);
            sys::write_once(control.as_raw_fd(), &word[..end])?;
        }
    }
    sys::unmark(&parent.dir, MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_list_are_read_and_nothing_else() {
        let found: Vec<i32> = numbers(b"12\n0\nx\n-4\n7\n").collect();
        assert_eq!(found, [12, 7]);
    }

    /// Opens a folder that the test made.
    fn opened(path: &Path) -> OwnedFd {
        open_dir(None, &c_path(path).expect("a path")).expect("open")
    }

    /// What is left in a folder.
    fn left(path: &Path) -> usize {
        std::fs::read_dir(path).expect("a folder").count()
    }

    #[test]
    fn a_tree_is_removed_however_deep_and_wide_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut deep = folder.path().to_owned();
        for level in 0..300 {
            deep.push("d");
            let beside = deep.with_file_name(format!("e{level}"));
            std::fs::create_dir_all(beside.join("f/g")).expect("a directory");
            std::fs::create_dir(&deep).expect("a directory");
        }
        for number in 0..300 {
            std::fs::create_dir(deep.join(format!("w{number}"))).expect("a directory");
        }
        remove_below(opened(folder.path())).expect("removed");
        assert_eq!(left(folder.path()), 0);
        remove_below(opened(folder.path())).expect("nothing to remove");
    }

    #[test]
    fn what_cannot_be_removed_ends_the_walk() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("directories");
        // As a process in a cgroup would.
        std::fs::write(inner.join("file"), "").expect("a file");
        assert_eq!(remove_below(opened(folder.path())), Err(Errno::EBUSY));
        std::fs::remove_file(inner.join("file")).expect("a file");
        assert_eq!(remove_below(opened(folder.path())), Ok(()));
        assert_eq!(left(folder.path()), 0);
    }

    #[test]
    fn a_tree_of_directories_is_walked_without_files() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b", "c"] {
            std::fs::create_dir(folder.path().join(name)).expect("a directory");
        }
        std::fs::write(folder.path().join("file"), "").expect("a file");
        let opened = open_dir(None, &c_path(folder.path()).expect("a path")).expect("open");
        let mut names = Vec::new();
        each_directory(&opened, |name| {
            names.push(name.to_owned());
            false
        })
        .expect("walked");
        names.sort();
        assert_eq!(names, [c"a".to_owned(), c"b".to_owned(), c"c".to_owned()]);
    }
}
