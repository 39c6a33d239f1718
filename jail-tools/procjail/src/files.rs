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
        let source = self.source(c_path(&bind.source)?, true);
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

/// One thing that was asked for.
enum Asked<'a> {
    Tmpfs(&'a Tmpfs),
    Bind(&'a Bind),
    Device(&'a Path),
    ReadOnly(&'a Path),
}

impl<'a> Asked<'a> {
    /// All of it, parents first; and of one place first what is mounted, then that it is read-only.
    fn sorted(files: &'a Files, own_dev: bool) -> Vec<Self> {
        let binds = files.binds.iter().map(Self::Bind);
        // The host's `/dev` has it anyway.
        let devices = files.devices.iter().filter(|_| own_dev);
        let mut asked: Vec<Self> = files.tmpfs.iter().map(Self::Tmpfs).collect();
        asked.extend(binds);
        asked.extend(devices.map(|d| Self::Device(d)));
        asked.extend(files.read_only.iter().map(|p| Self::ReadOnly(p)));
        asked.sort_by_key(|one| one.target().components().count());
        asked
    }

    fn target(&self) -> &'a Path {
        match self {
            Self::Tmpfs(tmpfs) => &tmpfs.target,
            Self::Bind(bind) => &bind.target,
            Self::Device(path) | Self::ReadOnly(path) => path,
        }
    }

    fn is_mount(&self) -> bool {
        !matches!(self, Self::ReadOnly(_))
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
mod tests {
    use super::*;

    fn paths(mounts: &Mounts) -> Vec<String> {
        let show = |op: &Op| op.path().to_string_lossy().into_owned();
        mounts.ops.iter().map(show).collect()
    }

    /// Where nothing is a symbolic link, and what has an extension is a file.
    fn host(mounted: &[Mounted]) -> Host<'_> {
        Host {
            mounted,
            current: Path::new("/home"),
            nodes: true,
            look: |path| Looked {
                path: path.to_owned(),
                is_dir: path.extension().is_none(),
            },
        }
    }

    fn plan_of(files: &Files) -> Result<Mounts, Error> {
        plan(files, &Hardening::default(), &host(&[]))
    }

    fn bind(source: &str, target: &str) -> Bind {
        Bind {
            source: source.into(),
            target: target.into(),
            read_only: false,
        }
    }

    fn tmpfs(target: &str) -> Tmpfs {
        Tmpfs {
            target: target.into(),
            bytes: None,
        }
    }

    fn at(target: &str, fstype: &str) -> Mounted {
        Mounted {
            target: target.into(),
            fstype: fstype.into(),
            root: "/".into(),
            ..Mounted::default()
        }
    }

    fn without(protection: Protection) -> Hardening {
        Hardening {
            without: vec![protection],
            ..Hardening::default()
        }
    }

    /// What is done after the jail's own `/dev` and `/proc`.
    fn asked_for(mounts: &Mounts) -> Vec<&Op> {
        let own = |op: &Op| matches!(op, Op::Remove { .. });
        let first = mounts.ops.iter().position(own).map_or(0, |n| n + 1);
        mounts.ops[first..].iter().collect()
    }

    #[test]
    fn what_is_read_only_is_so_before_anything_is_mounted_on_it() {
        let files = Files {
            read_only: vec!["/".into()],
            ..Files::default()
        };
        let plan = plan_of(&files).expect("a plan");
        assert_eq!(paths(&plan)[..2], ["/", "/dev"]);
        assert_eq!(plan.workdir, c"/home".to_owned());
    }

    #[test]
    fn what_is_bound_is_read_only_if_its_place_is_to_be_and_what_is_below_is_as_asked() {
        let files = Files {
            read_only: vec!["/mnt".into(), "/".into(), "/a/b".into()],
            binds: vec![bind("/a", "/mnt"), bind("/b", "/a"), bind("/c", "/mnt/c")],
            ..Files::default()
        };
        let plan = plan_of(&files).expect("a plan");
        assert_eq!(paths(&plan)[..2], ["/", "/dev"]);
        let done: Vec<(bool, String)> = asked_for(&plan)
            .iter()
            .map(|op| {
                let path = op.path().to_string_lossy().into_owned();
                (matches!(op, Op::ReadOnly { .. }), path)
            })
            .collect();
        let expected = [
            (false, "/mnt"),
            (false, "/a"),
            (true, "/mnt"),
            (false, "/mnt/c"),
            (true, "/a/b"),
        ];
        assert_eq!(done, expected.map(|(ro, path)| (ro, path.to_owned())));
    }

    #[test]
    fn parents_are_mounted_first_and_made_where_they_are_the_jails_own() {
        let files = Files {
            rootfs: Some("/srv/root".into()),
            binds: vec![bind("/usr", "/tmp/a/b")],
            tmpfs: vec![tmpfs("/tmp")],
            ..Files::default()
        };
        let plan = plan_of(&files).expect("a plan");
        let all = paths(&plan);
        assert_eq!(
            all[all.len() - 4..],
            ["/tmp", "/tmp/a", "/tmp/a/b", "/tmp/a/b"]
        );
        assert!(
            !all.contains(&"/sys".to_owned()),
            "a rootfs has no host's /sys"
        );
    }

    #[test]
    fn nothing_is_made_in_what_is_bound() {
        let files = Files {
            binds: vec![bind("/a", "/mnt/b"), bind("/c", "/mnt/b/d")],
            tmpfs: vec![tmpfs("/mnt")],
            ..Files::default()
        };
        let plan = plan_of(&files).expect("a plan");
        let all = paths(&plan);
        assert_eq!(
            all[all.len() - 4..],
            ["/mnt", "/mnt/b", "/mnt/b", "/mnt/b/d"]
        );
    }

    #[test]
    fn what_is_no_directory_is_bound_on_a_file() {
        let files = Files {
            binds: vec![bind("/run/x.sock", "/mnt/s")],
            devices: vec!["/dev/dri/card0".into()],
            tmpfs: vec![tmpfs("/mnt")],
            ..Files::default()
        };
        let plan = plan_of(&files).expect("a plan");
        let file = |path: &str| {
            let path = text(path).expect("a path");
            asked_for(&plan).contains(&&Op::File { path })
        };
        assert!(file("/mnt/s") && file("/dev/dri/card0"));
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for path in ["relative", "/a/../b", ""] {
            let files = Files {
                tmpfs: vec![tmpfs(path)],
                ..Files::default()
            };
            assert!(
                matches!(plan_of(&files), Err(Error::NotAbsolute { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn kernel_file_systems_at_odd_places_are_masked() {
        let mounted = [
            at("/proc", "proc"),
            at("/mnt/proc", "proc"),
            at("/data", "ext4"),
            at("/sys/kernel/debug", "debugfs"),
            at("/sys/fs/cgroup", "cgroup2"),
        ];
        let plan = plan(&Files::default(), &Hardening::default(), &host(&mounted));
        let all = paths(&plan.expect("a plan"));
        let has = |path: &str| all.contains(&path.to_owned());
        assert!(has("/mnt/proc") && has("/sys/kernel/debug"));
        assert!(!has("/data") && !has("/sys/fs/cgroup"));
    }

    #[test]
    fn a_sys_in_a_rootfs_is_read_only() {
        let mounted = [at("/srv/root/sys", "sysfs")];
        let files = Files {
            rootfs: Some("/srv/root".into()),
            ..Files::default()
        };
        let read_only = |hardening: &Hardening| {
            let plan = plan(&files, hardening, &host(&mounted)).expect("a plan");
            let sys =
                |op: &Op| matches!(op, Op::ReadOnly { path, .. } if path.as_c_str() == c"/sys");
            plan.ops.iter().any(sys)
        };
        assert!(read_only(&Hardening::default()));
        assert!(!read_only(&without(Protection::Sys)));
    }

    #[test]
    fn devices_can_be_left_as_the_host_has_them() {
        let mounted = [
            at("/dev", "devtmpfs"),
            at("/dev/pts", "devpts"),
            at("/dev/cg", "cgroup2"),
        ];
        let files = Files {
            binds: vec![bind("/data", "/mnt")],
            devices: vec!["/dev/kvm".into()],
            ..Files::default()
        };
        let planned = |protection| plan(&files, &without(protection), &host(&mounted));
        let plan = planned(Protection::Devices).expect("a plan");
        assert_eq!((plan.sources.len(), plan.inherited), (1, 0));
        let all = paths(&plan);
        let has = |path: &str| all.contains(&path.to_owned());
        assert!(has("/dev/cg") && !has("/dev") && !has("/dev/pts") && !has("/dev/kvm"));
        let no_dev = |plan: &Mounts| {
            let bound = |op: &Op| match op {
                Op::Attach { path, attr, .. } if path.as_c_str() == c"/mnt" => Some(*attr),
                _ => None,
            };
            plan.ops
                .iter()
                .find_map(bound)
                .map(|a| a & MountAttr::NODEV)
        };
        assert_eq!(no_dev(&plan), Some(0));
        let kept = planned(Protection::Sys).expect("a plan");
        assert_eq!(no_dev(&kept), Some(MountAttr::NODEV));
    }
}
