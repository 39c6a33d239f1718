//! File systems that the kernel talks through, wherever they are in a jail's tree: which must not be
//! seen there, and which only read. Pure.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::mountinfo::Mounted;
use crate::spec::{Hardening, Protection};

/// A kind of file system, and the protection that keeps it from a jail.
struct Kind {
    fstype: &'static str,
    protection: Protection,
    /// It may be read in `/sys`.
    of_sys: bool,
}

const fn kind(fstype: &'static str, protection: Protection, of_sys: bool) -> Kind {
    Kind {
        fstype,
        protection,
        of_sys,
    }
}

use Protection::{Devices, Proc, Sys};

/// What is switched off with a protection is not masked. A jail's own `/proc` and `/dev` are mounted
/// over the host's, and so are not meant.
const KINDS: [Kind; 21] = [
    kind("proc", Proc, false),
    // Whose programs are run for whoever executes a file.
    kind("binfmt_misc", Proc, false),
    kind("nfsd", Proc, false),
    kind("xenfs", Proc, false),
    kind("devtmpfs", Devices, false),
    kind("devpts", Devices, false),
    kind("sysfs", Sys, true),
    kind("cgroup", Sys, true),
    kind("cgroup2", Sys, true),
    kind("cpuset", Sys, true),
    kind("resctrl", Sys, true),
    kind("fusectl", Sys, true),
    kind("selinuxfs", Sys, true),
    kind("smackfs", Sys, true),
    // Not even to be read.
    kind("securityfs", Sys, false),
    kind("debugfs", Sys, false),
    kind("tracefs", Sys, false),
    kind("bpf", Sys, false),
    kind("configfs", Sys, false),
    kind("efivarfs", Sys, false),
    kind("pstore", Sys, false),
];

/// Files of proc that tell of the host or its memory: those that container runtimes mask, but for
/// two that no kernel of today has (timer_stats, and sched_debug since Linux 5.13).
pub(crate) const PROC_MASKED_FILES: [&str; 5] = [
    "/kcore",
    "/keys",
    "/latency_stats",
    "/timer_list",
    "/interrupts",
];
/// Directories likewise.
pub(crate) const PROC_MASKED_DIRS: [&str; 3] = ["/acpi", "/asound", "/scsi"];
/// What of sysfs tells of the hardware (likewise).
pub(crate) const SYS_MASKED: [&str; 2] = ["/firmware", "/devices/virtual/powercap"];

/// What has to be done about the mounts below a directory, as paths in the jail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Guards {
    /// Not to be seen. What is below one of these is not named again.
    pub(crate) hidden: Vec<PathBuf>,
    /// Only to be read.
    pub(crate) read_only: Vec<PathBuf>,
}

/// What has to be done about a bind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BindGuards {
    /// All of it is only to be read.
    pub(crate) read_only: bool,
    pub(crate) below: Guards,
    /// Files that are not to be read.
    pub(crate) masked_files: Vec<PathBuf>,
}

fn guarded(mounted: &Mounted, hardening: &Hardening) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|k| k.fstype == mounted.fstype)
        .filter(|k| hardening.has(k.protection))
}

/// The mounts below the directory that becomes the jail's root, but for those that the jail covers
/// with its own.
pub(crate) fn of_root(
    mounted: &[Mounted],
    root: &Path,
    covered: &[&str],
    hardening: &Hardening,
) -> Guards {
    let mut guards = Guards::default();
    for (kind, path) in below(mounted, root, Path::new("/"), hardening) {
        if !covered.iter().any(|c| path.starts_with(c)) {
            guards.add(kind, path);
        }
    }
    guards
}

/// A bind of `source`, which has no symbolic link in it.
///
/// # Errors
/// The source itself is what a jail is not to see.
pub(crate) fn of_bind(
    mounted: &[Mounted],
    source: &Path,
    target: &Path,
    hardening: &Hardening,
) -> Result<BindGuards, Error> {
    let mut guards = BindGuards::default();
    let on = mount_of(mounted, source);
    let own = on.and_then(|m| Some((m, guarded(m, hardening)?)));
    // Devices are worth nothing without NODEV, and to have them by name is not to have all.
    let own = own.filter(|(_, kind)| kind.protection != Devices);
    if let Some((mount, kind)) = own {
        guards.read_only = true;
        guards.mask_parts(mount, kind, source, target)?;
    }
    let of_sys = own.is_some_and(|(_, kind)| kind.of_sys);
    for (kind, path) in below(mounted, source, target, hardening) {
        // It was asked for by name, and is as read-only as the mount that it is on.
        let same = own.is_some_and(|(_, own)| own.fstype == kind.fstype || (of_sys && kind.of_sys));
        if !same {
            guards.below.add(kind, path);
        }
    }
    Ok(guards)
}

impl Guards {
    /// Is any of it in this directory?
    pub(crate) fn any_below(&self, dir: &Path) -> bool {
        let mut all = self.hidden.iter().chain(&self.read_only);
        all.any(|path| path.starts_with(dir))
    }

    fn add(&mut self, kind: &Kind, path: PathBuf) {
        if kind.of_sys && path.starts_with("/sys") {
            self.read_only.push(path);
        } else if !self.hidden.iter().any(|above| path.starts_with(above)) {
            self.hidden.push(path);
        }
    }
}

impl BindGuards {
    fn mask_parts(
        &mut self,
        mount: &Mounted,
        kind: &Kind,
        source: &Path,
        target: &Path,
    ) -> Result<(), Error> {
        let (dirs, files) = match kind.fstype {
            "proc" => (&PROC_MASKED_DIRS[..], &PROC_MASKED_FILES[..]),
            _ if kind.of_sys => (&SYS_MASKED[..], &[][..]),
            _ => return Err(masked(kind, source)),
        };
        // A mount may be of a part of its file system.
        let below = source.strip_prefix(&mount.target).unwrap_or(Path::new(""));
        let bound = mount.root.join(below);
        for (parts, into) in [
            (dirs, &mut self.below.hidden),
            (files, &mut self.masked_files),
        ] {
            for part in parts.iter().map(Path::new) {
                if bound.starts_with(part) {
                    return Err(masked(kind, source));
                }
                into.extend(part.strip_prefix(&bound).ok().map(|p| target.join(p)));
            }
        }
        Ok(())
    }
}

fn masked(kind: &Kind, path: &Path) -> Error {
    Error::Masked {
        path: path.to_owned(),
        fstype: kind.fstype,
        without: kind.protection.name(),
    }
}

/// What is mounted below `source`, as seen from the jail where it is `target`.
fn below<'a>(
    mounted: &'a [Mounted],
    source: &'a Path,
    target: &'a Path,
    hardening: &'a Hardening,
) -> impl Iterator<Item = (&'static Kind, PathBuf)> + 'a {
    mounted.iter().filter_map(move |m| {
        let kind = guarded(m, hardening)?;
        let rest = m.target.strip_prefix(source).ok()?;
        (!rest.as_os_str().is_empty()).then(|| (kind, target.join(rest)))
    })
}

/// The mount that a path is on: the deepest above it, and the last of several at one place.
fn mount_of<'a>(mounted: &'a [Mounted], path: &Path) -> Option<&'a Mounted> {
    let above = mounted.iter().filter(|m| path.starts_with(&m.target));
    above.max_by_key(|m| m.target.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(target: &str, fstype: &str) -> Mounted {
        Mounted {
            root: "/".into(),
            target: target.into(),
            fstype: fstype.into(),
            ..Mounted::default()
        }
    }

    fn host() -> Vec<Mounted> {
        vec![
            at("/", "ext4"),
            at("/proc", "proc"),
            at("/proc/sys/fs/binfmt_misc", "binfmt_misc"),
            at("/sys", "sysfs"),
            at("/sys/fs/cgroup", "tmpfs"),
            at("/sys/fs/cgroup/memory", "cgroup"),
            at("/sys/kernel/debug", "debugfs"),
            at("/sys/kernel/debug/tracing", "tracefs"),
            at("/dev", "devtmpfs"),
            at("/dev/pts", "devpts"),
            at("/data", "xfs"),
        ]
    }

    fn without(protections: &[Protection]) -> Hardening {
        Hardening {
            without: protections.to_vec(),
            ..Hardening::default()
        }
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    fn bound(source: &str, target: &str, hardening: &Hardening) -> BindGuards {
        of_bind(&host(), Path::new(source), Path::new(target), hardening).expect("a bind")
    }

    #[test]
    fn what_is_mounted_below_a_rootfs_is_guarded_where_it_is_in_the_jail() {
        let mounted = [
            at("/srv/proc", "proc"),
            at("/srv/root/proc", "proc"),
            at("/srv/root/sys", "sysfs"),
            at("/srv/root/sys/kernel/debug", "debugfs"),
            at("/srv/root/mnt/cg", "cgroup2"),
            at("/srv/rootless/proc", "proc"),
        ];
        let covered = ["/proc", "/dev"];
        let root = Path::new("/srv/root");
        let guards = of_root(&mounted, root, &covered, &Hardening::default());
        assert_eq!(guards.read_only, paths(&["/sys"]));
        assert_eq!(guards.hidden, paths(&["/sys/kernel/debug", "/mnt/cg"]));
        let off = of_root(&mounted, root, &covered, &without(&[Sys]));
        assert_eq!(off, Guards::default());
    }

    #[test]
    fn what_a_bind_brings_along_is_hidden_once() {
        let guards = bound("/", "/mnt", &Hardening::default());
        assert!(!guards.read_only && guards.masked_files.is_empty());
        assert_eq!(
            guards.below.hidden,
            paths(&["/mnt/proc", "/mnt/sys", "/mnt/dev"])
        );
        let guards = bound("/", "/mnt", &without(&[Proc, Devices]));
        assert_eq!(guards.below.hidden, paths(&["/mnt/sys"]));
        assert_eq!(
            bound("/data", "/mnt", &Hardening::default()),
            BindGuards::default()
        );
    }

    #[test]
    fn a_kernel_file_system_that_is_bound_by_name_is_read_only_and_parts_are_masked() {
        let sys = bound("/sys", "/mnt", &Hardening::default());
        assert!(sys.read_only);
        assert_eq!(
            sys.below.hidden,
            paths(&[
                "/mnt/firmware",
                "/mnt/devices/virtual/powercap",
                "/mnt/kernel/debug"
            ])
        );
        let proc = bound("/proc", "/mnt", &Hardening::default());
        assert!(proc.read_only);
        assert!(proc.masked_files.contains(&"/mnt/kcore".into()));
        assert!(
            proc.below
                .hidden
                .contains(&"/mnt/sys/fs/binfmt_misc".into())
        );
        let part = bound("/proc/sys", "/mnt", &Hardening::default());
        assert!(part.read_only && part.masked_files.is_empty());
        assert_eq!(
            bound("/proc", "/mnt", &without(&[Proc])),
            BindGuards::default()
        );
    }

    #[test]
    fn cgroups_below_a_file_system_that_is_none_of_the_kernels_are_read_only_in_sys() {
        let guards = bound("/sys/fs/cgroup", "/sys/fs/cgroup", &Hardening::default());
        assert!(!guards.read_only);
        assert_eq!(guards.below.read_only, paths(&["/sys/fs/cgroup/memory"]));
        let guards = bound("/sys/fs/cgroup", "/mnt", &Hardening::default());
        assert_eq!(guards.below.hidden, paths(&["/mnt/memory"]));
    }

    #[test]
    fn what_is_masked_is_not_bound_by_name_either() {
        let mut mounted = host();
        mounted.push(Mounted {
            root: "/acpi".into(),
            ..at("/part", "proc")
        });
        for source in [
            "/proc/kcore",
            "/sys/firmware/acpi",
            "/sys/kernel/debug/x",
            "/part",
        ] {
            let bind = |hardening| {
                let (source, target) = (Path::new(source), Path::new("/mnt"));
                of_bind(&mounted, source, target, &hardening)
            };
            let error = bind(Hardening::default()).expect_err("refused").to_string();
            assert!(
                error.contains(source) && error.contains("--without"),
                "{error}"
            );
            assert!(bind(without(&[Sys, Proc])).is_ok(), "{source}");
        }
    }

    #[test]
    fn devices_by_name_are_the_callers_choice() {
        let guards = bound("/dev", "/mnt", &Hardening::default());
        assert!(!guards.read_only);
        assert_eq!(guards.below.hidden, paths(&["/mnt/pts"]));
    }
}
