//! `--isolate` where cgroups are unified: the measured CPU becomes a partition of its own, holds
//! while the run goes on, and is given back, also after SIGKILL.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use common::host_state::HostState;
use common::processes::wait_until;
use common::{Said, Story};
use record::manifest::RunEnd;

const ROOT: &str = "/sys/fs/cgroup";

/// Everything that isolating changes there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cgroups {
    directories: Vec<String>,
    controllers_handed_out: String,
}

impl Cgroups {
    fn now() -> Self {
        let all = common::names(Path::new(ROOT));
        Self {
            directories: all
                .into_iter()
                .filter(|n| Path::new(ROOT).join(n).is_dir())
                .collect(),
            controllers_handed_out: read(&Path::new(ROOT).join("cgroup.subtree_control")),
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The partition that is there now and that the kernel calls valid.
fn partition() -> Option<PathBuf> {
    let names = Cgroups::now().directories;
    let mut dirs = names.iter().map(|n| Path::new(ROOT).join(n));
    dirs.find(|d| read(&d.join("cpuset.cpus.partition")) == "isolated")
}

fn start(story: &Story) -> Child {
    let mut tool = story.tool();
    tool.args([
        "run",
        "syslat",
        "--quick",
        "--isolate",
        "--no-overhead",
        "--out",
        "out",
        "--dir",
        ".",
    ])
    .args([
        "--only",
        "size=4k",
        "--only",
        "access=random",
        "--only",
        "state=warm,cold",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped());
    tool.spawn().unwrap()
}

/// The partition of a run that goes on, with the measured CPU in it and a task of ours.
fn holds() -> PathBuf {
    let inhabited = || partition().is_some_and(|dir| !read(&dir.join("cgroup.procs")).is_empty());
    wait_until("a trial is in an isolated partition", inhabited);
    let dir = partition().unwrap();
    let cpus = read(&dir.join("cpuset.cpus.effective"));
    assert!(cpus.parse::<u32>().is_ok(), "one CPU: {cpus}");
    dir
}

#[test]
fn needs_root_needs_cgroup_v2_needs_two_cpus_needs_guest_a_partition_holds_and_is_given_back() {
    let test = testkit::begin!();
    let story = Story::begin();
    let (before, host_before) = (Cgroups::now(), HostState::now());
    let tool = start(&story);
    let dir = holds();
    println!(
        "{} holds CPU {}",
        dir.display(),
        read(&dir.join("cpuset.cpus"))
    );
    let said = Said::from(tool);
    said.ended(0, &[]);
    // An orderly end has put everything back when it has ended.
    assert_eq!(Cgroups::now(), before);
    host_before.wait_for_return();
    story.wait_for_silence();
    let manifest = story.recorded("out").manifest().unwrap();
    assert_eq!(manifest.end, Some(RunEnd::Complete));
    let refused = manifest.host_changes.iter().filter(|c| c.refused.is_some());
    let of_cgroups: Vec<_> = refused.filter(|c| c.asked.contains(ROOT)).collect();
    assert!(of_cgroups.is_empty(), "{of_cgroups:?}");
    test.verified("isolated partition (cgroup v2)", "holds, and is given back");
}

#[test]
fn needs_root_needs_cgroup_v2_needs_two_cpus_needs_guest_sigkill_takes_the_partition_down() {
    let test = testkit::begin!();
    for number in 0..3 {
        let story = Story::begin();
        let (before, host_before) = (Cgroups::now(), HostState::now());
        let mut tool = start(&story);
        let dir = holds();
        println!("{number}: killed while {} holds", dir.display());
        tool.kill().unwrap();
        tool.wait().unwrap();
        story.wait_for_silence();
        wait_until("cgroups are as before", || Cgroups::now() == before);
        host_before.wait_for_return();
    }
    test.verified("isolated partition after SIGKILL", "is given back");
}
