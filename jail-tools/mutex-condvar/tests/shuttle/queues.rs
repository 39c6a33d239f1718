//! Both queues, with more threads than loom has time for.

use std::num::NonZeroUsize;

use crate::checker::explore;
use crate::condvar_queue::{CondvarQueue, Discipline};
use crate::faults::Faults;
use crate::models::ends;
use crate::models::queue::Item;
use crate::models::script::Step::{
    Close, CloseNow, Disturb, Drain, DrainMany, Expire, Pop, PopSoon, Push, PushMany, PushSoon,
    TryPop, TryPush,
};
use crate::models::script::{Step, play};
use crate::queue::BoundedQueue;

pub(crate) type Scripts = &'static [&'static [Step]];

const SCHEDULES: usize = 8000;

/// Three producers and three consumers, of whom each gets what it waits for.
pub(crate) const THREE_TO_THREE: Scripts = &[
    &[Push, Push],
    &[Push, Push],
    &[Push, Push],
    &[Pop, Pop],
    &[Pop, Pop],
    &[Pop, Pop],
];

/// It is closed at any time, and everybody comes home.
pub(crate) const CLOSED: Scripts = &[
    &[Close],
    &[Push, Push, Push],
    &[Push, Push, Push],
    &[Push, TryPush, Push],
    &[Drain],
    &[Drain],
    &[Drain],
];

const CLOSED_AND_EMPTIED: Scripts = &[
    &[Disturb, CloseNow],
    &[Push, Push, Push],
    &[Push, Push, Push],
    &[Push, Push, Push],
    &[Drain],
    &[Drain],
    &[TryPop, Drain],
];

/// Some on either side give up while items go from hand to hand.
pub(crate) const DEADLINES: Scripts = &[
    &[Expire, Close],
    &[PushSoon, PushSoon, Push],
    &[PushSoon, Push, PushSoon],
    &[Push, PushSoon],
    &[PopSoon, PopSoon, PopSoon],
    &[PopSoon, Drain],
    &[PopSoon, PopSoon],
];

const MANY: Scripts = &[
    &[Disturb, Close],
    &[PushMany(4), Push],
    &[PushMany(3), PushMany(2)],
    &[Push, PushMany(3)],
    &[DrainMany(2)],
    &[DrainMany(4)],
    &[TryPop, Drain],
];

const EVERYTHING: [(&str, Scripts); 5] = [
    ("3x3", THREE_TO_THREE),
    ("closed", CLOSED),
    ("closed_and_emptied", CLOSED_AND_EMPTIED),
    ("deadlines", DEADLINES),
    ("many", MANY),
];

pub(crate) fn bounded(capacity: usize, faults: Faults) -> BoundedQueue<Item> {
    BoundedQueue::with_faults(capacity, faults).expect("memory for some items")
}

pub(crate) fn textbook(
    capacity: NonZeroUsize,
    discipline: Discipline,
    faults: Faults,
) -> CondvarQueue<Item> {
    CondvarQueue::build(capacity, discipline, faults).expect("memory for some items")
}

fn bounded_queue_does_everything(capacity: usize) {
    for (name, scripts) in EVERYTHING {
        explore(
            &format!("bounded_queue::{name}_cap_{capacity}"),
            SCHEDULES,
            move || play(bounded(capacity, Faults::NONE), scripts),
        );
    }
}

#[test]
fn bounded_queue_of_no_places() {
    bounded_queue_does_everything(0);
}

#[test]
fn bounded_queue_of_one_place() {
    bounded_queue_does_everything(1);
}

#[test]
fn bounded_queue_of_two_places() {
    bounded_queue_does_everything(2);
}

fn condvar_queue_does_everything(discipline: Discipline) {
    for (name, scripts) in EVERYTHING {
        for capacity in [NonZeroUsize::MIN, NonZeroUsize::MIN.saturating_add(1)] {
            explore(
                &format!("condvar_queue::{name}_cap_{capacity}_{discipline:?}"),
                SCHEDULES / 4,
                move || play(textbook(capacity, discipline, Faults::NONE), scripts),
            );
        }
    }
}

#[test]
fn condvar_queue_notifying_under_the_lock() {
    condvar_queue_does_everything(Discipline::UnderLock);
}

#[test]
fn condvar_queue_notifying_after_the_unlock() {
    condvar_queue_does_everything(Discipline::AfterUnlock);
}

#[test]
fn condvar_queue_notifying_all() {
    condvar_queue_does_everything(Discipline::NotifyAll);
}

#[test]
fn condvar_queue_of_one_condvar() {
    condvar_queue_does_everything(Discipline::OneCondvar);
}

#[test]
fn the_last_end_goes() {
    for capacity in 0..3 {
        explore(
            &format!("ends::last_producer_cap_{capacity}"),
            SCHEDULES,
            move || {
                ends::last_producer_goes(capacity, 3, 3);
            },
        );
        explore(
            &format!("ends::last_consumer_cap_{capacity}"),
            SCHEDULES,
            move || {
                ends::last_consumer_goes(capacity);
            },
        );
    }
}
