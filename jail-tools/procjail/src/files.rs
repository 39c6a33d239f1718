//! What a jail sees of files, as a list of mounts. Pure.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;
use crate::kernel_mounts::{self, Guards, PROC_MASKED_DIRS, PROC_MASKED_FILES, SYS_MASKED};
use crate::mountinfo::Mounted;
use crate::prepared::{Mounts, Op, SOURCES_MAX, Source};
use crate::program::c_string;
use crate::spec::{Bind, Files, Hardening, Protection, Tmpfs};
use crate::sys::MountAttr;

mod asked;

use asked::Asked;

/// Devices of a jail: those that give nothing away and keep nothing.
const DEVICES: [(&str, u32, u32); 6] = [
    // Documentation/admin-guide/devices.txt
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// `(link, where it leads)` in `/dev`.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// What of `/proc` is a switch of the whole machine (runtimes' read-only paths).
const PROC_READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// An empty directory that covers others, and is then removed: nothing can be made in it any more.
const EMPTY: &str = "/dev/.empty";

const HIDDEN: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// Where a path of the host leads.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    /// Without symbolic links.
    pub(crate) path: PathBuf,
    pub(crate) is_dir: bool,
}

/// What a plan needs to know of the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host<'a> {
    pub(crate) mounted: &'a [Mounted],
    /// The caller's directory.
    pub(crate) current: &'a Path,
    /// The caller may make device nodes, which costs a third of binding those of the host.
    pub(crate) nodes: bool,
    /// Asked for a rootfs and for what is bound.
    pub(crate) look: fn(&Path) -> Looked,
}

/// The mounts of a jail.
///
/// # Errors
/// A path that is not absolute or has `..` in it, too many binds, or a bind of what is masked.
pub(crate) fn plan(files: &Files, hardening: &Hardening, host: &Host<'_>) -> Result<Mounts, Error> {
    // A link is followed once: what is guarded is what is taken.
    let rootfs = files.rootfs.as_deref().map(host.look);
    let rootfs = rootfs.as_ref().map(|looked| looked.path.as_path());
    let of_host = rootfs.is_none();
    let mut plan = Plan {
        sources: Vec::new(),
        ops: Vec::new(),
        own_dev: hardening.has(Protection::Devices) || !of_host,
        hardening,
        host,
    };
    let asked = Asked::sorted(files, plan.own_dev);
    for path in &files.read_only {
        if !plan.is_later(&asked, path) {
            plan.read_only(path)?;
        }
    }
    if plan.own_dev {
        plan.devices()?;
        plan.ops.push(Op::Directory {
            path: text(EMPTY)?,
            mode: 0o555,
        });
    }
    plan.new_fs("proc", "/proc", HIDDEN, "", false)?;
    if hardening.has(Protection::Proc) {
        plan.mask_proc()?;
    }
    plan.guard_root(rootfs)?;
    if plan.own_dev {
        plan.ops.push(Op::Remove { path: text(EMPTY)? });
    }
    plan.asked_for(&asked)?;
    if plan.sources.len() > SOURCES_MAX {
        return Err(Error::TooManyBinds { most: SOURCES_MAX });
    }
    let inherited = if hardening.has(Protection::Devices) {
        MountAttr::NODEV
    } else {
        0
    };
    let workdir = match (&files.workdir, of_host) {
        (Some(workdir), _) => inside(workdir)?,
        (None, true) => c_path(host.current)?,
        (None, false) => c"/".to_owned(),
    };
    Ok(Mounts {
        sources: plan.sources,
        inherited,
        root: rootfs.map(c_path).transpose()?,
        ops: plan.ops,
        workdir,
    })
}

struct Plan<'a> {
    sources: Vec<Source>,
    ops: Vec<Op>,
    /// `/dev` is the jail's own.
    own_dev: bool,
    hardening: &'a Hardening,
    host: &'a Host<'a>,
}

impl Plan<'_> {
    fn new_fs(
        &mut self,
        fstype: &str,
        path: &str,
        flags: u64,
        data: &str,
        optional: bool,
    ) -> Result<(), Error> {
        self.ops.push(Op::New {
            fstype: text(fstype)?,
            path: text(path)?,
            flags,
            data: text(data)?,
            optional,
        });
        Ok(())
    }

    /// A mount of the host, by its number among the sources.
    fn source(&mut self, path: CString, recursive: bool) -> usize {
        self.sources.push(Source { path, recursive });
        self.sources.len() - 1
    }

    fn attach(&mut self, source: usize, path: CString, attr: u64) {
        self.ops.push(Op::Attach {
            source,
            path,
            attr,
            optional: false,
        });
    }

    fn devices(&mut self) -> Result<(), Error> {
        let hidden = libc::MS_NOSUID | libc::MS_NOEXEC;
        self.new_fs("tmpfs", "/dev", hidden, "mode=755", false)?;
        for (name, major, minor) in DEVICES {
            let path = text(&format!("/dev/{name}"))?;
            if self.host.nodes {
                self.ops.push(Op::Node { path, major, minor });
            } else {
                self.ops.push(Op::File { path: path.clone() });
                let source = self.source(path.clone(), false);
                self.attach(source, path, 0);
            }
        }
        for (name, to) in DEVICE_LINKS {
            self.ops.push(Op::Symlink {
                to: text(to)?,
                path: text(&format!("/dev/{name}"))?,
            });
        }
        for (name, mode) in [("pts", 0o755), ("shm", 0o1777)] {
            self.ops.push(Op::Directory {
                path: text(&format!("/dev/{name}"))?,
                mode,
            });
        }
        self.new_fs(
            "devpts",
            "/dev/pts",
            hidden,
            "newinstance,ptmxmode=0666,mode=620",
            false,
        )
    }

    fn mask_proc(&mut self) -> Result<(), Error> {
        // A copy of a read-only mount is read-only: what stays so is copied onto itself first.
        self.ops.push(Op::ReadOnly {
            path: text("/proc")?,
            optional: false,
        });
        for path in PROC_READ_ONLY {
            self.ops.push(Op::Cover {
                with: text(path)?,
                path: text(path)?,
            });
        }
        self.ops.push(Op::Writable {
            path: text("/proc")?,
        });
        for path in PROC_MASKED_FILES {
            self.ops.push(Op::Cover {
                with: text("/dev/null")?,
                path: text(&format!("/proc{path}"))?,
            });
        }
        for path in PROC_MASKED_DIRS {
            self.mask_directory(Path::new(&format!("/proc{path}")))?;
        }
        Ok(())
    }

    /// Kernel file systems in the tree that becomes the jail's, the host's or a rootfs: those in
    /// `/sys` are read-only or hidden, and those elsewhere hidden.
    fn guard_root(&mut self, rootfs: Option<&Path>) -> Result<(), Error> {
        let root = rootfs.unwrap_or(Path::new("/"));
        // What is below these is covered by the jail's own.
        let covered = if self.own_dev {
            &["/proc", "/dev"][..]
        } else {
            &["/proc"]
        };
        let guards = kernel_mounts::of_root(self.host.mounted, root, covered, self.hardening);
        // A directory of a rootfs that only has that name is nothing to be kept from.
        let has_sys = rootfs.is_none() || guards.any_below(Path::new("/sys"));
        if self.hardening.has(Protection::Sys) && has_sys {
            self.ops.push(Op::ReadOnly {
                path: text("/sys")?,
                optional: true,
            });
            for path in SYS_MASKED {
                self.mask_directory(Path::new(&format!("/sys{path}")))?;
            }
        }
        for path in &guards.hidden {
            if !path.starts_with("/sys") {
                self.read_only_at_least(path)?;
            }
            self.mask_directory(path)?;
        }
        Ok(())
    }

    /// A mount of a single file is not covered by a directory.
    fn read_only_at_least(&mut self, path: &Path) -> Result<(), Error> {
        self.ops.push(Op::ReadOnly {
            path: c_path(path)?,
            optional: true,
        });
        Ok(())
    }

    fn mask_directory(&mut self, path: &Path) -> Result<(), Error> {
        if self.own_dev {
            self.ops.push(Op::Cover {
                with: text(EMPTY)?,
                path: c_path(path)?,
            });
            return Ok(());
        }
        self.mask_by_tmpfs(path)
    }

    fn mask_by_tmpfs(&mut self, path: &Path) -> Result<(), Error> {
        self.ops.push(Op::New {
            fstype: text("tmpfs")?,
            path: c_path(path)?,
            flags: HIDDEN | libc::MS_RDONLY,
            data: text("mode=555,size=0")?,
            optional: true,
        });
        Ok(())
    }

    /// Is this to be read-only once what was asked for is there? So it is where that is what it is
    /// about. What is asked for below it is as that says: `--ro / --tmpfs /tmp`.
    fn is_later(&self, asked: &[Asked<'_>], path: &Path) -> bool {
        let own = |dir: &&str| path.starts_with(dir) && (*dir != "/dev" || self.own_dev);
        ["/proc", "/dev"].iter().any(own)
            || asked
                .iter()
                .any(|a| a.is_mount() && path.starts_with(a.target()))
    }

    /// What was asked for, parents first.
    fn asked_for(&mut self, asked: &[Asked<'_>]) -> Result<(), Error> {
        for (number, one) in asked.iter().enumerate() {
            if let Asked::ReadOnly(path) = one {
                if self.is_later(asked, path) {
                    self.read_only(path)?;
                }
                continue;
            }
            let is_file = match one {
                Asked::Bind(bind) => !(self.host.look)(&bind.source).is_dir,
                Asked::Device(_) => true,
                Asked::Tmpfs(_) | Asked::ReadOnly(_) => false,
            };
            let target = one.target();
            if let Some(outer) = self.memory_around(&asked[..number], target) {
                let below = target.strip_prefix(outer).unwrap_or(target);
                self.directories(outer, below, is_file)?;
            }
            match one {
                Asked::Tmpfs(tmpfs) => self.tmpfs(tmpfs)?,
                Asked::Bind(bind) => self.bind(bind)?,
                Asked::Device(path) => self.device(path)?,
                Asked::ReadOnly(_) => {}
            }
        }
        Ok(())
    }

    /// The file system in memory that a target is in: nothing is made in one of the host.
    fn memory_around<'b>(&self, mounted: &[Asked<'b>], target: &Path) -> Option<&'b Path> {
        let around = mounted
            .iter()
            .filter(|a| a.is_mount() && target.starts_with(a.target()));
        match around.max_by_key(|a| a.target().components().count()) {
            Some(Asked::Tmpfs(tmpfs)) => Some(&tmpfs.target),
            Some(_) => None,
            None => {
                let in_dev = target.starts_with("/dev") && !target.starts_with("/dev/pts");
                (self.own_dev && in_dev).then_some(Path::new("/dev"))
            }
        }
    }

    /// Makes what is missing in a file system of the jail's own.
    fn directories(&mut self, outer: &Path, below: &Path, is_file: bool) -> Result<(), Error> {
        let mut path = outer.to_owned();
        let parts: Vec<_> = below.components().collect();
        for (number, part) in parts.iter().enumerate() {
            path.push(part);
            let op = if is_file && number + 1 == parts.len() {
                Op::File {
                    path: inside(&path)?,
                }
            } else {
                Op::Directory {
                    path: inside(&path)?,
                    mode: 0o755,
                }
            };
            self.ops.push(op);
        }
        Ok(())
    }

    fn tmpfs(&mut self, tmpfs: &Tmpfs) -> Result<(), Error> {
        let size = tmpfs.bytes.map_or(String::new(), |b| format!(",size={b}"));
        self.ops.push(Op::New {
            fstype: text("tmpfs")?,
            path: inside(&tmpfs.target)?,
            flags: libc::MS_NOSUID | libc::MS_NODEV,
            data: text(&format!("mode=1777{size}"))?,
            optional: false,
        });
        Ok(())
    }

    fn bind(&mut self, bind: &Bind) -> Result<(), Error> {
        let from = (self.host.look)(&bind.source).path;
        let guards =
            kernel_mounts::of_bind(self.host.mounted, &from, &bind.target, self.hardening)?;
        let read_only = bind.read_only || guards.read_only;
        let mut attr = MountAttr::NOSUID;
        if read_only {
            attr |= MountAttr::RDONLY;
        }
        if self.hardening.has(Protection::Devices) {
            attr |= MountAttr::NODEV;
        }
        // By the path that was looked at: what is guarded is what is taken.
        let source = self.source(c_path(&from)?, true);
        self.attach(source, inside(&bind.target)?, attr);
        self.guard_bind(&guards.below, read_only)?;
        for path in &guards.masked_files {
            // Not that of the jail's `/dev`, which may be covered by what is asked for.
            let null = self.source(text("/dev/null")?, false);
            self.ops.push(Op::Attach {
                source: null,
                path: c_path(path)?,
                attr: MountAttr::NOSUID | MountAttr::RDONLY,
                optional: true,
            });
        }
        Ok(())
    }

    /// By file systems of its own: the empty directory is gone, or covered.
    fn guard_bind(&mut self, guards: &Guards, read_only: bool) -> Result<(), Error> {
        for path in guards.read_only.iter().filter(|_| !read_only) {
            self.read_only_at_least(path)?;
        }
        for path in &guards.hidden {
            if !read_only {
                self.read_only_at_least(path)?;
            }
            self.mask_by_tmpfs(path)?;
        }
        Ok(())
    }

    /// A device works here only: what is bound is NODEV. Its ioctls are Landlock's rule for `/dev`.
    fn device(&mut self, path: &Path) -> Result<(), Error> {
        let source = self.source(c_path(path)?, false);
        self.attach(source, inside(path)?, MountAttr::NOSUID);
        Ok(())
    }

    fn read_only(&mut self, path: &Path) -> Result<(), Error> {
        self.ops.push(Op::ReadOnly {
            path: inside(path)?,
            optional: false,
        });
        Ok(())
    }
}

/// A path in the jail: absolute, and without `..`.
fn inside(path: &Path) -> Result<CString, Error> {
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if path.is_absolute() && path.components().all(plain) {
        c_path(path)
    } else {
        Err(Error::NotAbsolute {
            path: path.to_owned(),
        })
    }
}

fn c_path(path: &Path) -> Result<CString, Error> {
    c_string(path.as_os_str().as_bytes().to_vec())
}

fn text(text: &str) -> Result<CString, Error> {
    c_string(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
