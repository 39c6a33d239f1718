//! The textbook's queue, by each of its disciplines.

use std::num::NonZeroUsize;

use crate::checker::{THREE_THREADS, TWO_THREADS, explore};
use crate::condvar_queue::{CondvarQueue, Discipline};
use crate::faults::Faults;
use crate::models::queue::Item;
use crate::models::script::Step::{Close, Disturb, Drain, Expire, Pop, PopSoon, Push};
use crate::models::script::{Step, play};

pub(crate) fn one_place(discipline: Discipline, faults: Faults) -> CondvarQueue<Item> {
    CondvarQueue::build(NonZeroUsize::MIN, discipline, faults).expect("memory for an item")
}

/// By each discipline.
fn each(name: &str, preemptions: usize, scripts: &'static [&'static [Step]]) {
    for discipline in Discipline::ALL {
        explore(
            &format!("condvar_queue::{name}_{discipline:?}"),
            preemptions,
            move || play(one_place(discipline, Faults::NONE), scripts),
        );
    }
}

#[test]
fn condvar_queue_one_to_one() {
    each("1x1", TWO_THREADS, &[&[Push, Push], &[Pop, Pop]]);
}

#[test]
fn condvar_queue_two_to_one() {
    each("2x1", THREE_THREADS, &[&[Pop, Pop], &[Push], &[Push]]);
}

#[test]
fn condvar_queue_one_to_two() {
    each("1x2", THREE_THREADS, &[&[Push, Push], &[Pop], &[Pop]]);
}

#[test]
fn condvar_queue_closes_under_waiters() {
    each(
        "close_under_consumers",
        THREE_THREADS,
        &[&[Close], &[Drain], &[Drain]],
    );
    each(
        "close_under_producer",
        TWO_THREADS,
        &[&[Close], &[Push, Push]],
    );
}

#[test]
fn condvar_queue_deadlines() {
    each("deadline", TWO_THREADS, &[&[Push, Expire], &[PopSoon]]);
}

#[test]
fn condvar_queue_disturbed() {
    each(
        "disturbed",
        THREE_THREADS,
        &[&[Disturb], &[Push, Push], &[Pop, Pop]],
    );
}
