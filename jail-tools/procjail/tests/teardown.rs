//! SIGKILL at random instants, of whichever process: nothing of a jail is left on the host.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

#[path = "teardown/census.rs"]
mod census;
#[path = "teardown/kills.rs"]
mod kills;
#[path = "teardown/kinds.rs"]
mod kinds;
#[path = "teardown/planted.rs"]
mod planted;

use std::sync::{Mutex, PoisonError};

use story::how_many;

/// A census counts everything of this process: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn needs_root_the_census_notices_a_leftover_of_each_kind() {
    let _test = testkit::begin!();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    planted::each_kind_is_noticed();
}

#[test]
fn needs_root_sigkill_at_any_instant_leaves_nothing_of_a_jail() {
    let test = testkit::begin!();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let count = how_many(1_000, 120, 60);
    kills::at_random(count);
    test.verified("jail teardown", &format!("{count} kills, census clean"));
}
