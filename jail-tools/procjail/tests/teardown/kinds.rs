//! Kinds of jails and what runs in them: what has to be ended differs with each.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::story::{procjail, refused};

/// How a jail is made.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Not root: the tool is started by another user.
    rootless: bool,
    options: Vec<String>,
    /// What stands before the payload: it changes credentials, and the kernel forgets PDEATHSIG.
    before: &'static [&'static str],
}

/// What a jail runs, the shell's words.
pub(crate) const PAYLOADS: [&str; 4] = [
    "exec sleep 1000",
    // Orphans, of the jail's PID 1.
    "for i in 1 2 3 4; do (sleep 1000 & sleep 1000 &); done; exec sleep 1000",
    "trap '' TERM INT HUP; while :; do sleep 1000; done",
    // Ends by itself, with others still there.
    "(sleep 1000 &); (sleep 1000 &); sleep 0.005",
];

const OTHER_USER: [&str; 6] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
];

impl Kind {
    fn new(name: &'static str, options: &[&str]) -> Self {
        Self {
            name,
            rootless: false,
            options: options.iter().map(|o| (*o).to_owned()).collect(),
            before: &[],
        }
    }

    fn before(self, before: &'static [&'static str]) -> Self {
        Self { before, ..self }
    }

    fn rootless(self) -> Self {
        Self {
            rootless: true,
            ..self
        }
    }

    /// PID 1 is the payload itself.
    pub(crate) fn is_as_pid1(&self) -> bool {
        self.options.iter().any(|o| o == "--as-pid1")
    }

    /// The tool with this jail, about to run shell words.
    pub(crate) fn tool(&self, words: &str) -> Command {
        let mut tool = if self.rootless {
            let mut other = Command::new(OTHER_USER[0]);
            other.args(&OTHER_USER[1..]).arg(procjail().get_program());
            other
        } else {
            procjail()
        };
        tool.arg("run").args(&self.options).arg("--");
        tool.args(self.before).args(["sh", "-c", words]);
        tool
    }

    /// Why there is none here.
    fn missing(&self) -> Option<String> {
        let said = self.tool("exit 0").output().expect("it starts");
        (!said.status.success()).then(|| String::from_utf8_lossy(&said.stderr).trim().to_owned())
    }
}

/// All kinds that this machine has. Those that it has not are named.
pub(crate) fn all(rootfs: &TempDir) -> Vec<Kind> {
    let limits = ["--memory", "64M", "--pids", "50"];
    let cgroup: &[&str] = match refused(&limits) {
        None => &limits,
        Some(why) => {
            println!("a cgroup without limits, since: {why}");
            &["--cgroup"]
        }
    };
    let all = vec![
        Kind::new("plain", &[]),
        Kind::new("cgroup", cgroup),
        Kind::new("as PID 1", &["--as-pid1"]),
        Kind::new("as PID 1, another user", &["--as-pid1"]).before(&OTHER_USER[..4]),
        Kind {
            options: rootfs_options(rootfs.path()),
            ..Kind::new("rootfs", &[])
        },
        Kind::new("rootless", &[]).rootless(),
        Kind::new("rootless, as PID 1", &["--as-pid1"]).rootless(),
        Kind::new("cgroup, as PID 1", &[cgroup, &["--as-pid1"]].concat()),
    ];
    let (there, missing): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|k| (k.missing(), k))
        .partition(|(why, _)| why.is_none());
    for (why, kind) in missing {
        println!("not here: {}: {}", kind.name, why.unwrap_or_default());
        // The first user of a machine has all but user namespaces and limits.
        assert!(kind.rootless || kind.name.starts_with("cgroup"));
    }
    there.into_iter().map(|(_, kind)| kind).collect()
}

/// A root directory of the host's programs and libraries, bound.
fn rootfs_options(root: &Path) -> Vec<String> {
    let mut options = vec![format!("--rootfs={}", root.display())];
    for name in ["bin", "sbin", "lib", "lib64", "usr"] {
        let (of_host, here) = (Path::new("/").join(name), root.join(name));
        if let Ok(target) = fs::read_link(&of_host) {
            symlink(target, here).expect("a link");
        } else if of_host.is_dir() {
            fs::create_dir(here).expect("a directory");
            options.push(format!("--ro-bind={}", of_host.display()));
        }
    }
    for name in ["tmp", "data", "dev", "proc", "sys"] {
        fs::create_dir(root.join(name)).expect("a directory");
    }
    let more = ["--tmpfs=/tmp", "--bind=/var:/data"];
    options.extend(more.map(str::to_owned));
    options
}
