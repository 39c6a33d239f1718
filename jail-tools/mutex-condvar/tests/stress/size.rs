//! How much is done.

use std::time::{SystemTime, UNIX_EPOCH};

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// An emulated machine is ten to thirty times slower.
fn is_guest() -> bool {
    std::env::var_os("JAIL_TOOLS_GUEST").is_some()
}

/// Items in and out, of each stress. `JAIL_TOOLS_STRESS_MOVES` is for slow instrumentation.
pub(crate) fn moves() -> u64 {
    let whole = if is_guest() { 50_000 } else { 1_000_000 };
    variable("JAIL_TOOLS_STRESS_MOVES").unwrap_or(whole)
}

/// Another each time; `JAIL_TOOLS_STRESS_SEED` repeats one (its choices, not the schedule).
pub(crate) fn seed() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = time.map_or(0, |t| t.as_nanos() as u64);
    variable("JAIL_TOOLS_STRESS_SEED").unwrap_or(now)
}

/// Why tests of minutes do not run, if they don't.
pub(crate) fn too_short_for_long_tests() -> Option<&'static str> {
    if std::env::var_os("JAIL_TOOLS_LONG_TESTS").is_none() {
        return Some("takes minutes: `--long` runs it");
    }
    is_guest().then_some("takes hours on an emulated machine")
}
