//! The census: what there is on the host before and after, so that nothing of a jail can stay
//! without being counted.
//!
//! A guest is ours alone: there, whatever is new counts. On a host others work too, so that what is
//! new counts if it can be told to be ours: a descendant (this process is a subreaper: whatever is
//! orphaned below it stays below it), a bearer of the marker, a cgroup with the number of one of our
//! supervisors, a file whose name has that number and the word jail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::story::processes::{all, descendants};
use crate::story::{is_guest, processes::Process};

/// How long ends that nobody waits for may take: the keeper's, for one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Folders in which a program might leave a file.
const FOLDERS: [&str; 4] = ["/tmp", "/run", "/dev/shm", "/var/tmp"];

/// Kinds of namespaces, as `/proc/PID/ns` names them.
const NAMESPACES: [&str; 8] = ["pid", "mnt", "uts", "ipc", "net", "user", "cgroup", "time"];

/// The variable that everything of ours bears.
pub(crate) const MARKER: &str = "PROCJAIL_CENSUS";

/// What is counted, each kind a set of descriptions.
type Counted = BTreeMap<&'static str, BTreeSet<String>>;

/// A count, and how to tell what is ours.
#[derive(Debug)]
pub(crate) struct Census {
    pub(crate) marker: String,
    supervisors: BTreeSet<u32>,
    before: Counted,
}

impl Census {
    /// Counts what there is before anything is started.
    pub(crate) fn take() -> Self {
        set_child_subreaper(true).expect("to be a subreaper");
        let mut census = Self {
            marker: format!("{MARKER}={}", std::process::id()),
            supervisors: BTreeSet::new(),
            before: Counted::new(),
        };
        census.before = census.count();
        census
    }

    /// What has this process for its supervisor is ours.
    pub(crate) fn started(&mut self, supervisor: u32) {
        self.supervisors.insert(supervisor);
    }

    /// What is new, as `kind: what`.
    pub(crate) fn news(&self) -> Vec<String> {
        let mut new = Vec::new();
        for (kind, now) in self.count() {
            let before = self.before.get(kind).cloned().unwrap_or_default();
            new.extend(now.difference(&before).map(|one| format!("{kind}: {one}")));
            // What only settings have: one that is gone was changed.
            if kind == "controllers" {
                let gone = before.difference(&now);
                new.extend(gone.map(|one| format!("{kind}: no more {one}")));
            }
        }
        new
    }

    /// Reaps what has been orphaned to us, until there is nothing new any more.
    #[track_caller]
    pub(crate) fn must_be_clean(&self, when: &str) {
        let since = Instant::now();
        loop {
            reap();
            let new = self.news();
            if new.is_empty() {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "left {when}: {new:#?}");
            sleep(Duration::from_millis(5));
        }
    }

    fn count(&self) -> Counted {
        let ours = self.our_processes();
        Counted::from([
            ("process", ours.iter().map(|p| format!("{p:?}")).collect()),
            ("mount", mounts()),
            ("cgroup", self.cgroups()),
            ("controllers", controllers()),
            ("descriptor", descriptors()),
            ("namespace", namespaces(&ours)),
            ("file", self.files()),
        ])
    }

    fn our_processes(&self) -> Vec<Process> {
        let mut ours = descendants(std::process::id().cast_signed());
        let marked = all().into_iter().filter(|p| self.bears_marker(p.pid));
        ours.extend(marked);
        ours.sort_by_key(|p| p.pid);
        ours.dedup_by_key(|p| p.pid);
        ours
    }

    fn bears_marker(&self, pid: i32) -> bool {
        let marker = self.marker.as_bytes();
        ["environ", "cmdline"].iter().any(|file| {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.split(|b| *b == 0).any(|word| word == marker)
        })
    }

    /// Cgroups of jails, in every hierarchy.
    fn cgroups(&self) -> BTreeSet<String> {
        let dirs = cgroup_dirs().into_iter();
        dirs.filter(|dir| self.is_jails(dir)).map(shown).collect()
    }

    fn is_jails(&self, dir: &Path) -> bool {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix("procjail-").is_some_and(|rest| {
            let owner = rest.split('-').next().and_then(|n| n.parse().ok());
            is_guest() || owner.is_some_and(|pid| self.supervisors.contains(&pid))
        })
    }

    fn files(&self) -> BTreeSet<String> {
        let entries = FOLDERS.iter().filter_map(|f| fs::read_dir(f).ok());
        let paths = entries.flatten().flatten().map(|e| e.path());
        paths
            .filter(|p| is_guest() || self.is_named_after_us(p))
            .map(shown)
            .collect()
    }

    /// Numbers alone stand in the random names of others' files too.
    fn is_named_after_us(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
        let is_ours = |word: &str| word.parse().is_ok_and(|n| self.supervisors.contains(&n));
        name.contains("jail") && words.any(is_ours)
    }
}

/// Takes the ends of all children that have ended, adopted ones too.
pub(crate) fn reap() {
    while matches!(
        waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)),
        Ok(status) if status != WaitStatus::StillAlive
    ) {}
}

#[allow(clippy::needless_pass_by_value)] // for map
fn shown(path: PathBuf) -> String {
    path.display().to_string()
}

/// A line each, without the number that only counts. Bind mounts of namespaces are among them.
fn mounts() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    text.lines().map(str::to_owned).collect()
}

/// Every directory of every hierarchy.
fn cgroup_dirs() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let is_cgroup = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    let roots = text.lines().filter(is_cgroup);
    let mut dirs: Vec<PathBuf> = roots
        .filter_map(|l| l.split(' ').nth(4))
        .map(PathBuf::from)
        .collect();
    let mut at = 0;
    while let Some(dir) = dirs.get(at) {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        let below: Vec<PathBuf> = folders.map(|e| e.path()).collect();
        dirs.extend(below);
        at += 1;
    }
    dirs
}

/// What is switched on for the cgroups below each of v2.
fn controllers() -> BTreeSet<String> {
    let dirs = cgroup_dirs().into_iter();
    dirs.filter_map(|dir| {
        let on = fs::read_to_string(dir.join("cgroup.subtree_control")).ok()?;
        (!on.trim().is_empty()).then(|| format!("{}: {}", dir.display(), on.trim()))
    })
    .collect()
}

/// Our own descriptors. The one of the listing itself comes and goes.
fn descriptors() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc/self/fd").expect("descriptors");
    let with_target = entries.flatten().filter_map(|e| {
        let target = fs::read_link(e.path()).ok()?;
        Some((e.file_name(), target))
    });
    with_target
        .filter(|(_, target)| !target.ends_with(format!("{}/fd", std::process::id())))
        .map(|(number, target)| format!("{} {}", number.display(), target.display()))
        .collect()
}

/// Those that a process is in.
fn namespaces(ours: &[Process]) -> BTreeSet<String> {
    let everybody = all();
    let members = if is_guest() { &everybody } else { ours };
    let of = |p: &Process| {
        let pid = p.pid;
        NAMESPACES
            .iter()
            .flat_map(move |kind| [kind.to_string(), format!("{kind}_for_children")])
            .filter_map(move |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok())
            .map(shown)
    };
    members.iter().flat_map(of).collect()
}
