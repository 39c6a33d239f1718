//! The model of the futex is right.

use crate::checker::{THREE_THREADS, TWO_THREADS, explore};
use crate::child::must_fail;
use crate::models::futex::{
    a_change_is_not_missed, a_spurious_wake_up, a_wake_up_is_not_kept, a_word_that_is_gone,
    deadlines, first_come_first_served, one_wake_up_is_for_one,
};

#[test]
fn a_futex_is_what_it_should_be() {
    explore(
        "futex::a_change_is_not_missed",
        TWO_THREADS,
        a_change_is_not_missed,
    );
    explore(
        "futex::first_come_first_served",
        THREE_THREADS,
        first_come_first_served,
    );
    explore("futex::a_spurious_wake_up", TWO_THREADS, a_spurious_wake_up);
    explore("futex::deadlines", THREE_THREADS, deadlines);
    explore(
        "futex::a_word_that_is_gone",
        TWO_THREADS,
        a_word_that_is_gone,
    );
}

#[test]
fn a_futex_does_not_keep_a_wake_up() {
    let test = testkit::begin!();
    must_fail(test.name(), "deadlock", || {
        explore(
            "futex::a_wake_up_is_not_kept",
            TWO_THREADS,
            a_wake_up_is_not_kept,
        );
    });
}

#[test]
fn a_futex_wakes_no_more_than_it_was_told() {
    let test = testkit::begin!();
    must_fail(test.name(), "deadlock", || {
        explore(
            "futex::one_wake_up_is_for_one",
            TWO_THREADS,
            one_wake_up_is_for_one,
        );
    });
}
