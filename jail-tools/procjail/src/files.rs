//! What a jail sees of files, as a list of mounts. Pure.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;
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

/// Files of `/proc` that tell of the host or its memory: those that container runtimes mask, but for
/// two that no kernel of today has (timer_stats, and sched_debug since Linux 5.13).
const PROC_MASKED_FILES: [&str; 5] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/interrupts",
];
/// Directories likewise.
const PROC_MASKED_DIRS: [&str; 3] = ["/proc/acpi", "/proc/asound", "/proc/scsi"];
/// What of `/proc` is a switch of the whole machine (runtimes' read-only paths).
const PROC_READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// What of `/sys` tells of the hardware (likewise).
const SYS_MASKED: [&str; 2] = ["/sys/firmware", "/sys/devices/virtual/powercap"];

/// Kernel file systems that are masked wherever they are mounted.
const MASKED_ANYWHERE: [&str; 8] = [
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
    "configfs",
    "efivarfs",
    "pstore",
    "binfmt_misc",
];
/// Those that have a place where they are masked or read-only, and must not be at another.
const MASKED_ASTRAY: [&str; 6] = ["proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "devpts"];

/// An empty directory that covers others, and is then removed: nothing can be made in it any more.
const EMPTY: &str = "/dev/.empty";

const HIDDEN: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// The mounts of a jail. `mounted` is what the host has, `current` the caller's directory; `nodes`:
/// the caller may make device nodes, which costs a third of binding those of the host.
///
/// # Errors
/// A path that is not absolute or has `..` in it, or too many binds.
pub(crate) fn plan(
    files: &Files,
    hardening: &Hardening,
    mounted: &[Mounted],
    current: &Path,
    nodes: bool,
) -> Result<Mounts, Error> {
    let of_host = files.rootfs.is_none();
    let mut plan = Plan {
        nodes,
        own_dev: hardening.has(Protection::Devices) || !of_host,
        ..Plan::default()
    };
    for path in &files.read_only {
        plan.ops.push(Op::ReadOnly {
            path: inside(path)?,
            optional: false,
        });
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
    if hardening.has(Protection::Sys) && of_host {
        plan.mask_sys(mounted)?;
    }
    if plan.own_dev {
        plan.ops.push(Op::Remove { path: text(EMPTY)? });
    }
    plan.asked_for(files)?;
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
        (None, true) => c_path(current)?,
        (None, false) => c"/".to_owned(),
    };
    Ok(Mounts {
        sources: plan.sources,
        inherited,
        root: files.rootfs.as_deref().map(c_path).transpose()?,
        ops: plan.ops,
        workdir,
    })
}

#[derive(Default)]
struct Plan {
    sources: Vec<Source>,
    ops: Vec<Op>,
    /// Device nodes can be made: else the host's are bound.
    nodes: bool,
    /// `/dev` is the jail's own.
    own_dev: bool,
}

impl Plan {
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

    fn attach(&mut self, source: CString, path: CString, recursive: bool, attr: u64) {
        self.ops.push(Op::Attach {
            source: self.sources.len(),
            path,
            attr,
        });
        self.sources.push(Source {
            path: source,
            recursive,
        });
    }

    fn devices(&mut self) -> Result<(), Error> {
        let hidden = libc::MS_NOSUID | libc::MS_NOEXEC;
        self.new_fs("tmpfs", "/dev", hidden, "mode=755", false)?;
        for (name, major, minor) in DEVICES {
            let path = text(&format!("/dev/{name}"))?;
            if self.nodes {
                self.ops.push(Op::Node { path, major, minor });
            } else {
                self.ops.push(Op::File { path: path.clone() });
                self.attach(path.clone(), path, false, 0);
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
                path: text(path)?,
            });
        }
        for path in PROC_MASKED_DIRS {
            self.mask_directory(Path::new(path))?;
        }
        Ok(())
    }

    fn mask_sys(&mut self, mounted: &[Mounted]) -> Result<(), Error> {
        self.ops.push(Op::ReadOnly {
            path: text("/sys")?,
            optional: true,
        });
        for path in SYS_MASKED {
            self.mask_directory(Path::new(path))?;
        }
        for path in to_mask(mounted) {
            self.mask_directory(path)?;
        }
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
        self.ops.push(Op::New {
            fstype: text("tmpfs")?,
            path: c_path(path)?,
            flags: HIDDEN | libc::MS_RDONLY,
            data: text("mode=555,size=0")?,
            optional: true,
        });
        Ok(())
    }

    /// Binds and file systems in memory, parents first.
    fn asked_for(&mut self, files: &Files) -> Result<(), Error> {
        let tmpfs = files.tmpfs.iter().map(|t| (&t.target, Asked::Tmpfs(t)));
        let binds = files.binds.iter().map(|b| (&b.target, Asked::Bind(b)));
        let mut asked: Vec<(&PathBuf, Asked<'_>)> = tmpfs.chain(binds).collect();
        asked.sort_by_key(|(target, _)| target.components().count());
        for (number, (target, one)) in asked.iter().enumerate() {
            let mut in_memory = asked[..number].iter().filter_map(|(outer, one)| {
                let below = target.strip_prefix(outer).ok()?;
                matches!(one, Asked::Tmpfs(_)).then_some((outer.as_path(), below))
            });
            if let Some((outer, below)) = in_memory.next_back() {
                self.directories(
                    outer,
                    below,
                    matches!(one, Asked::Bind(b) if b.source.is_file()),
                )?;
            }
            match one {
                Asked::Tmpfs(tmpfs) => self.tmpfs(tmpfs)?,
                Asked::Bind(bind) => self.bind(bind)?,
            }
        }
        Ok(())
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
        let read_only = if bind.read_only { MountAttr::RDONLY } else { 0 };
        let attr = MountAttr::NOSUID | MountAttr::NODEV | read_only;
        self.attach(c_path(&bind.source)?, inside(&bind.target)?, true, attr);
        Ok(())
    }
}

enum Asked<'a> {
    Tmpfs(&'a Tmpfs),
    Bind(&'a Bind),
}

/// Kernel file systems that a fresh `/sys` would not have, or at places that nothing else covers.
fn to_mask(mounted: &[Mounted]) -> impl Iterator<Item = &Path> {
    // What is below these is covered by the jail's own.
    let covered = |path: &Path| ["/proc", "/dev"].iter().any(|c| path.starts_with(c));
    let must = move |m: &&Mounted| {
        let kind = m.fstype.as_str();
        MASKED_ANYWHERE.contains(&kind)
            || (MASKED_ASTRAY.contains(&kind) && !m.target.starts_with("/sys"))
    };
    mounted
        .iter()
        .filter(must)
        .map(|m| m.target.as_path())
        .filter(move |path| !covered(path))
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

    fn plan_of(files: &Files) -> Result<Mounts, Error> {
        plan(files, &Hardening::default(), &[], Path::new("/home"), true)
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
    fn parents_are_mounted_first_and_made_where_they_are_the_jails_own() {
        let files = Files {
            rootfs: Some("/srv/root".into()),
            binds: vec![Bind {
                source: "/usr".into(),
                target: "/tmp/a/b".into(),
                read_only: true,
            }],
            tmpfs: vec![Tmpfs {
                target: "/tmp".into(),
                bytes: None,
            }],
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
    fn paths_that_could_lead_elsewhere_are_refused() {
        for path in ["relative", "/a/../b", ""] {
            let files = Files {
                tmpfs: vec![Tmpfs {
                    target: path.into(),
                    bytes: None,
                }],
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
        let at = |target: &str, fstype: &str| Mounted {
            target: target.into(),
            fstype: fstype.into(),
            ..Mounted::default()
        };
        let mounted = [
            at("/proc", "proc"),
            at("/mnt/proc", "proc"),
            at("/data", "ext4"),
            at("/sys/kernel/debug", "debugfs"),
            at("/sys/fs/cgroup", "cgroup2"),
        ];
        let plan = plan(
            &Files::default(),
            &Hardening::default(),
            &mounted,
            Path::new("/"),
            true,
        );
        let all = paths(&plan.expect("a plan"));
        let has = |path: &str| all.contains(&path.to_owned());
        assert!(has("/mnt/proc") && has("/sys/kernel/debug"));
        assert!(!has("/data") && !has("/sys/fs/cgroup"));
    }

    #[test]
    fn devices_can_be_left_as_the_host_has_them() {
        let hardening = Hardening {
            without: vec![Protection::Devices],
            ..Hardening::default()
        };
        let plan = plan(&Files::default(), &hardening, &[], Path::new("/"), false).expect("a plan");
        assert!(plan.sources.is_empty() && plan.inherited == 0);
    }
}
