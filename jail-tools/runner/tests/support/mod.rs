//! What the runner's tests share: the probes, CPUs, turns.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use probes::object_file::ObjectFile;
use probes::{Handles, Options, Probes};
use runner::wire::Sight;

/// Notes for `cargo xtask test` that a test could not run: one `test: reason` a line.
pub(crate) fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    if let Some(path) = std::env::var_os("JAIL_TOOLS_SKIP_LOG") {
        let mut log = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(log, "{test}: {why}").unwrap();
    }
}

/// The ledger's probes; `None` after a note where this machine can't have them.
pub(crate) fn load(test: &str) -> Option<Probes> {
    let Some(path) = std::env::var_os("JAIL_TOOLS_BPF_OBJECT") else {
        skip(
            test,
            "JAIL_TOOLS_BPF_OBJECT is not set (cargo xtask test sets it)",
        );
        return None;
    };
    if !nix::unistd::geteuid().is_root() {
        skip(test, "needs root");
        return None;
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        skip(test, "this kernel has no BTF in /sys/kernel/btf/vmlinux");
        return None;
    }
    let object = ObjectFile {
        bytes: std::fs::read(&path).unwrap(),
        origin: path.to_string_lossy().into_owned(),
    };
    Some(Probes::load(&object, Options::default()).unwrap())
}

/// What a trial needs to know of the probes.
pub(crate) fn ledger(probes: &Probes) -> (Handles, Sight) {
    (probes.handles(), Sight::of(probes))
}

/// Tests of one binary that measure take turns: none is another one's noise.
pub(crate) fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPUs that this process may use.
pub(crate) fn cpus() -> Vec<u32> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count())
        .filter(|c| allowed.is_set(*c) == Ok(true))
        .map(|c| c as u32)
        .collect()
}
