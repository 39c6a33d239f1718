//! The model of the futex is right under this checker too.

use crate::checker::explore;
use crate::child::must_fail;
use crate::models::futex::{
    a_change_is_not_missed, a_spurious_wake_up, a_wake_up_is_not_kept, a_word_that_is_gone,
    deadlines, first_come_first_served, one_wake_up_is_for_one,
};

const SCHEDULES: usize = 500;

#[test]
fn a_futex_is_what_it_should_be() {
    explore(
        "futex::a_change_is_not_missed",
        SCHEDULES,
        a_change_is_not_missed,
    );
    explore(
        "futex::first_come_first_served",
        SCHEDULES,
        first_come_first_served,
    );
    explore("futex::a_spurious_wake_up", SCHEDULES, a_spurious_wake_up);
    explore("futex::deadlines", SCHEDULES, deadlines);
    explore("futex::a_word_that_is_gone", SCHEDULES, a_word_that_is_gone);
}

#[test]
fn a_futex_does_not_keep_a_wake_up() {
    let test = testkit::begin!();
    must_fail(test.name(), "deadlock", || {
        explore("futex", SCHEDULES, a_wake_up_is_not_kept);
    });
}

#[test]
fn a_futex_wakes_no_more_than_it_was_told() {
    let test = testkit::begin!();
    must_fail(test.name(), "deadlock", || {
        explore("futex", SCHEDULES, one_wake_up_is_for_one);
    });
}
