//! What is left when the keeper is killed too: `procjail gc` finds it by its mark, and touches
//! nothing else.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use story::door::set_mark;
use story::jail::Jail;
use story::{procjail, refused, wait_until};

/// Both tests look at what is switched on for everybody.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn needs_root_gc_removes_what_is_ours_and_dead_and_nothing_else() {
    let test = testkit::begin!();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(limits) = limits(&test) else { return };
    let controllers_before = controllers();
    let left = abandon(&limits);
    let alike = LookAlikes::make(&left);
    let mut living = Jail::start(&limits, &["sh", "-c", "read line"]);
    let of_alive = cgroups(&mut living);

    let foreseen = gc(&["--dry-run"]);
    for dir in &left {
        foreseen.says("would be removed", dir, "is dead");
        assert!(dir.is_dir(), "a dry run removes nothing");
    }
    let done = gc(&[]);
    for dir in &left {
        done.says("removed", dir, "is dead");
        assert!(!dir.exists(), "{}", dir.display());
    }
    for said in [&foreseen, &done] {
        said.says("left", &alike.unmarked, "it has no mark of ours");
        said.says(
            "left",
            &alike.foreign,
            "its mark `memory pids` is none of ours",
        );
        for dir in &of_alive {
            let owner = format!("its owner, process {}, lives", living.supervisor.pid);
            said.says("left", dir, &owner);
        }
        said.does_not_mention(&alike.unrelated);
    }
    assert!(alike.are_there() && of_alive.iter().all(|d| d.is_dir()));

    // It is asked for its end only now, so that it ran through all of this.
    drop(alike);
    assert_eq!(living.end().code, Some(1), "`read` at the end of its input");
    gc(&[]);
    assert_eq!(controllers(), controllers_before, "as before");
    test.verified("jail gc", "what is ours and dead, and nothing else");
}

#[test]
fn needs_root_needs_cgroup_v2_gc_switches_controllers_off_again() {
    let test = testkit::begin!();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let limits = ["--memory", "64M", "--pids", "50"];
    if let Some(why) = refused(&limits) {
        return test.skip(&why);
    }
    let before = controllers();
    if ["memory", "pids"].iter().all(|c| before.contains(c)) {
        return test.skip("the controllers are switched on already, by somebody else");
    }
    let left = abandon(&limits);
    assert_ne!(controllers(), before, "the jail has switched them on");
    gc(&["--dry-run"]);
    assert_ne!(controllers(), before, "a dry run changes nothing");
    let done = gc(&[]);
    for dir in &left {
        done.says("removed", dir, "is dead");
    }
    assert_eq!(controllers(), before, "off again");
    test.verified("jail gc", "v2 controllers off again");
}

/// The limits that can be had here, or a cgroup alone.
fn limits(test: &testkit::Test) -> Option<Vec<&'static str>> {
    let offers = [vec!["--memory", "64M", "--pids", "50"], vec!["--cgroup"]];
    let mut whys = offers.iter().filter_map(|o| refused(o));
    match (whys.next(), whys.next()) {
        (None, _) => Some(offers[0].clone()),
        (Some(why), None) if refused(&offers[1]).is_none() => {
            println!("without limits: {why}");
            Some(offers[1].clone())
        }
        (Some(why), _) => {
            test.skip(&why);
            None
        }
    }
}

/// Kills a jail's supervisor and its keeper as if at once: both stand still first, so that neither
/// sees the other's end. PID 1 dies with its supervisor, and only directories are left.
fn abandon(limits: &[&str]) -> Vec<PathBuf> {
    // PID 1 becomes our child, so that its end can be waited for.
    set_child_subreaper(true).unwrap();
    let mut jail = Jail::start(limits, &["sleep", "1000"]);
    let left = cgroups(&mut jail);
    let (keeper, pid_1) = (jail.keeper(), jail.pid_1());
    for one in [&jail.supervisor, &keeper] {
        assert!(one.signal(libc::SIGSTOP));
        wait_until("it stands still", || one.state() == Some('T'));
    }
    assert!(keeper.signal(libc::SIGKILL));
    wait_until("the keeper is dead", || keeper.state() == Some('Z'));
    assert!(jail.supervisor.signal(libc::SIGKILL));
    assert_eq!(jail.end().signal, Some(libc::SIGKILL));
    for orphan in [keeper.pid, pid_1.pid] {
        waitpid(Pid::from_raw(orphan), None).unwrap();
    }
    assert!(left.iter().all(|dir| dir.is_dir()), "nobody has removed it");
    left
}

/// The directories of a jail that has started.
fn cgroups(jail: &mut Jail) -> Vec<PathBuf> {
    let started = jail.until("started");
    let dirs = started["cgroup"].as_array().unwrap();
    assert!(!dirs.is_empty());
    dirs.iter().map(|d| d.as_str().unwrap().into()).collect()
}

/// Switched on at the root of v2, if it is mounted by itself.
fn controllers() -> String {
    fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control").unwrap_or_default()
}

/// Cgroups that are not ours, beside one that is.
struct LookAlikes {
    unmarked: PathBuf,
    foreign: PathBuf,
    unrelated: PathBuf,
}

impl LookAlikes {
    fn make(left: &[PathBuf]) -> Self {
        let beside = left[0].parent().unwrap();
        let this = std::process::id();
        let alike = Self {
            unmarked: beside.join(format!("procjail-foo-{this}")),
            foreign: beside.join(format!("procjail-bar-{this}")),
            unrelated: beside.join(format!("unrelated-{this}")),
        };
        for dir in alike.all() {
            fs::create_dir(dir).unwrap();
        }
        set_mark(&alike.foreign, "memory pids").unwrap();
        alike
    }

    fn all(&self) -> [&Path; 3] {
        [&self.unmarked, &self.foreign, &self.unrelated]
    }

    fn are_there(&self) -> bool {
        self.all().iter().all(|d| d.is_dir())
    }
}

impl Drop for LookAlikes {
    fn drop(&mut self) {
        for dir in self.all() {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// What `procjail gc` said.
struct Said(String);

fn gc(options: &[&str]) -> Said {
    let said = procjail().arg("gc").args(options).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    let text = String::from_utf8(said.stdout).unwrap();
    println!("{text}");
    Said(text)
}

impl Said {
    #[track_caller]
    fn says(&self, fate: &str, dir: &Path, why: &str) {
        let begins = format!("{fate}: {} (", dir.display());
        let said = |l: &str| l.starts_with(&begins) && l.contains(why);
        assert!(self.0.lines().any(said), "{begins}…{why}… in {}", self.0);
    }

    #[track_caller]
    fn does_not_mention(&self, dir: &Path) {
        assert!(!self.0.contains(&dir.display().to_string()), "{}", self.0);
    }
}
