//! The bounded queue.

use crate::checker::{THREE_THREADS, TWO_THREADS, explore};
use crate::faults::Faults;
use crate::models::ends;
use crate::models::queue::Item;
use crate::models::script::Step::{
    Close, CloseNow, Disturb, Drain, DrainMany, Expire, Pop, PopSoon, Push, PushMany, PushSoon,
    TryPop, TryPush,
};
use crate::models::script::{Step, play};
use crate::queue::BoundedQueue;
use crate::sync::without_membarrier;

/// Two threads that do more than in the other models.
const LONG_WAY: usize = TWO_THREADS - 1;

pub(crate) fn queue(capacity: usize, faults: Faults) -> BoundedQueue<Item> {
    BoundedQueue::with_faults(capacity, faults).expect("memory for some items")
}

fn check(name: &str, preemptions: usize, capacity: usize, scripts: &'static [&'static [Step]]) {
    explore(
        &format!("bounded_queue::{name}_cap_{capacity}"),
        preemptions,
        move || play(queue(capacity, Faults::NONE), scripts),
    );
}

#[test]
fn bounded_queue_one_to_one() {
    check("1x1", TWO_THREADS, 0, &[&[Push, Push], &[Pop, Pop]]);
    check("1x1", TWO_THREADS, 1, &[&[Push, Push], &[Pop, Pop]]);
}

#[test]
fn bounded_queue_two_to_one() {
    check("2x1", THREE_THREADS, 0, &[&[Pop, Pop], &[Push], &[Push]]);
    check("2x1", THREE_THREADS, 1, &[&[Pop, Pop], &[Push], &[Push]]);
}

#[test]
fn bounded_queue_one_to_two() {
    check("1x2", THREE_THREADS, 0, &[&[Push, Push], &[Pop], &[Pop]]);
    check("1x2", THREE_THREADS, 1, &[&[Push, Push], &[Pop], &[Pop]]);
}

#[test]
fn bounded_queue_closes_under_producers() {
    check("close", TWO_THREADS, 0, &[&[Close], &[Push]]);
    check("close", TWO_THREADS, 1, &[&[Close], &[Push, Push]]);
    check(
        "close_under_two",
        THREE_THREADS,
        0,
        &[&[Close], &[Push], &[Push]],
    );
}

#[test]
fn bounded_queue_closes_under_consumers() {
    check(
        "close_under_two_consumers",
        THREE_THREADS,
        1,
        &[&[Close], &[Drain], &[Drain]],
    );
    check(
        "close_after_push",
        TWO_THREADS,
        1,
        &[&[Push, Close], &[Drain]],
    );
}

#[test]
fn bounded_queue_close_now_gives_back() {
    check("close_now", TWO_THREADS, 1, &[&[CloseNow], &[Push, Push]]);
    check(
        "close_now_against_pop",
        THREE_THREADS,
        1,
        &[&[CloseNow], &[Push], &[Drain]],
    );
}

#[test]
fn bounded_queue_deadline_of_a_pop() {
    check(
        "pop_deadline",
        TWO_THREADS,
        0,
        &[&[TryPush, Expire], &[PopSoon]],
    );
    check(
        "pop_deadline",
        TWO_THREADS,
        1,
        &[&[Push, Expire], &[PopSoon]],
    );
    check(
        "pop_deadline_apart",
        THREE_THREADS,
        1,
        &[&[Expire], &[Push], &[PopSoon]],
    );
}

#[test]
fn bounded_queue_deadline_of_one_of_two_pops() {
    check(
        "pop_deadline_of_two",
        THREE_THREADS,
        1,
        &[&[Push, Expire], &[PopSoon], &[PopSoon]],
    );
}

#[test]
fn bounded_queue_deadline_against_close() {
    check(
        "pop_deadline_or_close",
        TWO_THREADS,
        1,
        &[&[Close, Expire], &[PopSoon]],
    );
    check(
        "push_deadline_or_close",
        TWO_THREADS,
        0,
        &[&[CloseNow, Expire], &[PushSoon]],
    );
}

#[test]
fn bounded_queue_deadline_of_a_push() {
    check(
        "push_deadline",
        TWO_THREADS,
        0,
        &[&[TryPop, Expire], &[PushSoon]],
    );
    check(
        "push_deadline",
        THREE_THREADS,
        1,
        &[&[Expire], &[Push, PushSoon], &[Pop]],
    );
}

#[test]
fn bounded_queue_moves_many() {
    check("push_many", LONG_WAY, 1, &[&[PushMany(3), Close], &[Drain]]);
    check(
        "pop_many",
        LONG_WAY,
        2,
        &[&[PushMany(3), Close], &[DrainMany(2)]],
    );
    check(
        "pop_many",
        LONG_WAY,
        0,
        &[&[PushMany(2), Close], &[DrainMany(2)]],
    );
}

#[test]
fn bounded_queue_disturbed() {
    check(
        "disturbed",
        THREE_THREADS,
        1,
        &[&[Disturb], &[Push, Push], &[Pop, Pop]],
    );
}

#[test]
fn bounded_queue_last_end_goes() {
    explore("ends::last_producer_1x1", TWO_THREADS, || {
        ends::last_producer_goes(1, 1, 1);
    });
    explore("ends::last_producer_1x2", THREE_THREADS, || {
        ends::last_producer_goes(1, 1, 2);
    });
    explore("ends::last_consumer_cap_0", TWO_THREADS, || {
        ends::last_consumer_goes(0);
    });
    explore("ends::last_consumer_cap_1", TWO_THREADS, || {
        ends::last_consumer_goes(1);
    });
}

#[test]
fn bounded_queue_without_membarrier() {
    explore("bounded_queue::1x1_without_membarrier", TWO_THREADS, || {
        let queue = without_membarrier(|| queue(1, Faults::NONE));
        play(queue, &[&[Push, Push, Close], &[Drain]]);
    });
}
