//! What the runner's tests share: the probes, CPUs, turns.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use probes::object_file::ObjectFile;
use probes::{Handles, Options, Probes};
use runner::wire::Sight;
use testkit::Test;

/// The ledger's probes, for a test whose name says that it needs BPF; `None` after a note where
/// there is no object to load.
pub(crate) fn load(test: &Test) -> Option<Probes> {
    let Some(path) = std::env::var_os("JAIL_TOOLS_BPF_OBJECT") else {
        test.skip("JAIL_TOOLS_BPF_OBJECT is not set (cargo xtask test sets it)");
        return None;
    };
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
