//! Proof that the census notices: one leftover of each kind, planted by the test itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::census::{Census, MARKER};
use crate::story::processes::Process;
use crate::story::wait_until;

/// Ended when dropped, also by a test that fails.
enum Planted {
    Child(Child),
    Dir(PathBuf),
    Mount(PathBuf),
}

impl Planted {
    fn dir(path: PathBuf) -> Self {
        fs::create_dir(&path).expect("a directory");
        Self::Dir(path)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        match self {
            Self::Child(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Mount(target) => {
                let _ = umount2(target, MntFlags::MNT_DETACH);
            }
            Self::Dir(dir) => {
                let _ = fs::remove_dir(dir);
            }
        }
    }
}

/// Plants each kind in turn, and sees it reported, by its kind and its name.
pub(crate) fn each_kind_is_noticed() {
    let mut census = Census::take();
    // Whoever is our child may be taken for a supervisor of ours.
    census.started(std::process::id());
    census.must_be_clean("before anything was planted");
    a_process(&census);
    a_zombie(&census);
    a_mount(&census);
    a_cgroup(&census);
    a_descriptor(&census);
    a_namespace(&census);
    a_file(&census);
    controllers(&census);
}

#[track_caller]
fn notices(census: &Census, kind: &str, what: &str) {
    let new = census.news();
    let noticed = |one: &String| one.starts_with(&format!("{kind}: ")) && one.contains(what);
    assert!(new.iter().any(noticed), "no {kind} with {what} in {new:#?}");
}

fn sleeper(census: &Census) -> Child {
    let (name, value) = census.marker.split_once('=').expect("a variable");
    assert_eq!(name, MARKER);
    let mut sleep = Command::new("sleep");
    sleep.arg("1000").env(name, value).spawn().expect("sleep")
}

fn a_process(census: &Census) {
    let child = sleeper(census);
    let pid = child.id();
    let planted = Planted::Child(child);
    notices(census, "process", &format!("pid: {pid},"));
    drop(planted);
    census.must_be_clean("after a process");
}

fn a_zombie(census: &Census) {
    let child = Command::new("true").spawn().expect("true");
    let pid = child.id().cast_signed();
    let planted = Planted::Child(child);
    wait_until("it is a zombie", || {
        Process::of(pid).is_some_and(|p| p.state == 'Z')
    });
    notices(census, "process", "state: 'Z'");
    drop(planted);
    census.must_be_clean("after a zombie");
}

fn a_mount(census: &Census) {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().to_owned();
    let none = None::<&str>;
    mount(none, &target, Some("tmpfs"), MsFlags::empty(), none).expect("a mount");
    let planted = Planted::Mount(target.clone());
    notices(census, "mount", &target.display().to_string());
    drop(planted);
    drop(folder);
    census.must_be_clean("after a mount");
}

/// In each hierarchy that takes a directory.
fn a_cgroup(census: &Census) {
    let name = format!("procjail-{}-0", std::process::id());
    let places = ["", "unified", "memory", "pids"].map(|h| Path::new("/sys/fs/cgroup").join(h));
    let places = places.iter().filter(|p| p.join("cgroup.procs").exists());
    let dirs: Vec<PathBuf> = places.map(|p| p.join(&name)).collect();
    assert!(!dirs.is_empty(), "no hierarchy here");
    for dir in dirs {
        let planted = Planted::dir(dir.clone());
        notices(census, "cgroup", &dir.display().to_string());
        drop(planted);
    }
    census.must_be_clean("after a cgroup");
}

fn a_descriptor(census: &Census) {
    let file = File::open("/proc/version").expect("a file");
    notices(census, "descriptor", "/proc/version");
    drop(file);
    census.must_be_clean("after a descriptor");
}

fn a_namespace(census: &Census) {
    let mut unshare = Command::new("unshare");
    unshare.args(["--uts", "sleep", "1000"]);
    let planted = Planted::Child(unshare.stdin(Stdio::null()).spawn().expect("unshare"));
    wait_until("there is a namespace", || {
        census
            .news()
            .iter()
            .any(|n| n.starts_with("namespace: uts"))
    });
    drop(planted);
    census.must_be_clean("after a namespace");
}

fn a_file(census: &Census) {
    let path = PathBuf::from(format!("/tmp/jail-left-by-{}", std::process::id()));
    let planted = Planted::dir(path.clone());
    notices(census, "file", &path.display().to_string());
    drop(planted);
    census.must_be_clean("after a file");
}

/// Where v2 has any to switch on.
fn controllers(census: &Census) {
    let control = Path::new("/sys/fs/cgroup/cgroup.subtree_control");
    let on = fs::read_to_string(control).unwrap_or_default();
    let there = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let Some(off) = there.split_whitespace().find(|c| !on.contains(c)) else {
        println!("no controller to switch on here: that kind was not planted");
        return;
    };
    fs::write(control, format!("+{off}")).expect("switched on");
    let new = census.news();
    fs::write(control, format!("-{off}")).expect("switched off");
    assert!(
        new.iter().any(|n| n.starts_with("controllers: ")),
        "{new:?}"
    );
    census.must_be_clean("after a controller");
}
