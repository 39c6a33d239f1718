//! The kernel's file systems, brought into a jail by a rootfs or a bind: no way out either.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::jail::{Tools, outcomes};

/// A cgroup file system below `/sys` that can be written.
fn cgroup_mount() -> PathBuf {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let mounts = text.lines().filter(|l| l.contains(" - cgroup"));
    let mut places = mounts.filter_map(|l| l.split(' ').nth(4)).map(Path::new);
    let place = places.find(|p| p.starts_with("/sys") && p.join("cgroup.procs").exists());
    place.expect("no cgroup file system").to_owned()
}

/// Removes a cgroup that an attempt has made, and says whether there was one.
struct Made(PathBuf);

impl Made {
    fn gone(&self) -> bool {
        std::fs::remove_dir(&self.0).is_ok()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.gone();
    }
}

/// How the tree of the host gets into the jail, and where it is then.
struct Way {
    options: Vec<String>,
    /// What a path of the host's begins with in the jail, and what goes there instead.
    prefix: (&'static str, PathBuf),
    /// What is not seen at all.
    hidden: bool,
}

impl Way {
    fn new(options: &[&str], prefix: &'static str, becomes: &Path, hidden: bool) -> Self {
        Self {
            options: options.iter().map(|o| (*o).to_owned()).collect(),
            prefix: (prefix, becomes.to_owned()),
            hidden,
        }
    }

    fn path(&self, host: &Path) -> PathBuf {
        let rest = host.strip_prefix(self.prefix.0).expect("a path below it");
        self.prefix.1.join(rest)
    }

    fn attempt(&self, tools: &Tools, rootless: bool, without: &str, word: String) -> String {
        let mut options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        if !without.is_empty() {
            options.extend(["--without", without]);
        }
        let found = tools.attempts(rootless, &options, &[word]);
        found.into_values().next().unwrap_or_default()
    }
}

/// The ways in for `/sys` or `/proc`.
fn ways(tools: &Tools, tree: &'static str) -> Vec<Way> {
    let at = tools.path("at");
    let link = tools.path("link");
    if !at.exists() {
        std::fs::create_dir(&at).expect("a directory");
        std::os::unix::fs::symlink("/", &link).expect("a link");
    }
    let to = |source: &str| format!("{source}:{}", at.display());
    let mut ways = vec![
        Way::new(&["--bind", &to(tree)], tree, &at, false),
        Way::new(&["--bind", &to("/")], "/", &at, true),
        Way::new(&["--rootfs", "/", "--bind", &to("/")], "/", &at, true),
    ];
    if tree == "/sys" {
        let link = format!("{}/.", link.display());
        ways.push(Way::new(&["--rootfs", "/"], "/", Path::new("/"), false));
        ways.push(Way::new(&["--rootfs", &link], "/", Path::new("/"), false));
    }
    ways
}

#[test]
fn needs_root_cgroups_brought_in_by_a_rootfs_or_a_bind_cannot_be_changed() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let cgroups = cgroup_mount();
    let made = Made(cgroups.join(format!("escape-{}", std::process::id())));
    for way in ways(&tools, "/sys") {
        let attempt = || format!("mkdir={}", way.path(&made.0).display());
        let refused = if way.hidden { "ENOENT" } else { "EROFS" };
        for rootless in [false, true] {
            let outcome = way.attempt(&tools, rootless, "", attempt());
            assert_eq!(outcome, refused, "{:?}, rootless: {rootless}", way.options);
        }
        let procs = way.path(&cgroups.join("cgroup.procs"));
        let join = format!("write={}", procs.display());
        assert_eq!(way.attempt(&tools, false, "", join), refused, "{procs:?}");
        assert!(!made.gone(), "{:?}", way.options);
        let open = way.attempt(&tools, false, "sys", attempt());
        assert_eq!(open, "ok", "{:?} without the protection", way.options);
        assert!(made.gone(), "{:?} without the protection", way.options);
        let nobody = way.attempt(&tools, true, "sys", attempt());
        assert_eq!(nobody, "EACCES", "{:?}, by the cgroup's mode", way.options);
    }
}

#[test]
fn needs_root_switches_of_the_machine_brought_in_by_a_bind_cannot_be_set() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    for way in ways(&tools, "/proc") {
        // A program of the caller's choice, run as root outside, for whoever dumps core.
        let pattern = way.path(Path::new("/proc/sys/kernel/core_pattern"));
        let write = || format!("write={}", pattern.display());
        let refused = if way.hidden { "ENOENT" } else { "EROFS" };
        assert_eq!(way.attempt(&tools, false, "", write()), refused);
        let rootless = way.attempt(&tools, true, "", write());
        assert!([refused, "EACCES"].contains(&&*rootless), "{rootless}");
        let open = way.attempt(&tools, false, "proc", write());
        assert_eq!(open, "ok", "{:?} without the protection", way.options);
    }
}

#[test]
fn needs_root_what_is_masked_is_so_in_a_bind_too() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let at = tools.path("at");
    std::fs::create_dir(&at).expect("a directory");
    // `/dev/null` of the jail is not there to mask with.
    let script = "for f in keys timer_list interrupts; do [ -e /proc/$f ] || continue; \
        [ -z \"$(cat $1/$f)\" ] || exit 1; done; \
        for f in acpi scsi asound; do [ -z \"$(ls $1/$f 2>&1 | grep -v such)\" ] || exit 2; done";
    for (options, code) in [
        (&["--tmpfs", "/dev"][..], 0),
        (&["--tmpfs", "/dev", "--without", "proc"], 1),
    ] {
        let mut command = tools.jail(false);
        command.args(options).arg("--bind");
        command.arg(format!("/proc:{}", at.display()));
        command.args(["--", "sh", "-c", script, "sh"]).arg(&at);
        let output = command.output().expect("procjail");
        assert_eq!(output.status.code(), Some(code), "{options:?}: {output:?}");
    }
}

#[test]
fn needs_root_a_proc_at_an_odd_place_is_hidden_also_below_the_hosts_dev() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let script = "mount -t proc none /dev/shm && exec \"$@\"";
    for (without, expected) in [("devices", "ENOENT"), ("devices,proc", "ok")] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.arg(tools.path("procjail"));
        command.args(["run", "--without", without, "--"]);
        command.arg(tools.path("jail-escapee"));
        let attempt = "write=/dev/shm/sys/kernel/core_pattern";
        let output = command.arg(attempt).current_dir("/").output();
        let found = outcomes(&output.expect("unshare"));
        assert_eq!(found["write"], expected, "without {without}");
    }
}
