//! The bounded queue.

use crate::checker::explore;
use crate::faults::Faults;
use crate::models::ends;
use crate::models::queue::Item;
use crate::models::script::Step::{
    Close, CloseNow, Disturb, Drain, DrainMany, Expire, Pop, PopSoon, Push, PushMany, PushSoon,
    TryPop, TryPush,
};
use crate::models::script::{Step, play};
use crate::queue::BoundedQueue;

pub(crate) fn queue(capacity: usize, faults: Faults) -> BoundedQueue<Item> {
    BoundedQueue::with_faults(capacity, faults).expect("memory for some items")
}

fn check(
    name: &str,
    preemptions: usize,
    capacity: usize,
    scripts: &'static [&'static [Step]],
) {
    explore(
        &format!("bounded_queue::{name}_cap_{capacity}"),
        preemptions,
        move || play(queue(capacity, Faults::NONE), scripts),
    );
}

#[test]
fn bounded_queue_one_to_one() {
    check("1x1", 2, 0, &[&[Push, Push], &[Pop, Pop]]);
    check("1x1", 2, 1, &[&[Push, Push], &[Pop, Pop]]);
}

#[test]
fn bounded_queue_two_to_one() {
    check("2x1", 1, 0, &[&[Pop, Pop], &[Push], &[Push]]);
    check("2x1", 1, 1, &[&[Pop, Pop], &[Push], &[Push]]);
}

#[test]
fn bounded_queue_one_to_two() {
    check("1x2", 1, 0, &[&[Push, Push], &[Pop], &[Pop]]);
    check("1x2", 1, 1, &[&[Push, Push], &[Pop], &[Pop]]);
}

#[test]
fn bounded_queue_closes_under_producers() {
    check("close", 2, 0, &[&[Close], &[Push]]);
    check("close", 2, 1, &[&[Close], &[Push, Push]]);
    check("close_under_two", 1, 0, &[&[Close], &[Push], &[Push]]);
}

#[test]
fn bounded_queue_closes_under_consumers() {
    check("close_under_two_consumers", 1, 1, &[&[Close], &[Drain], &[Drain]]);
    check("close_after_push", 2, 1, &[&[Push, Close], &[Drain]]);
}

#[test]
fn bounded_queue_close_now_gives_back() {
    check("close_now", 2, 1, &[&[CloseNow], &[Push, Push]]);
    check("close_now_against_pop", 1, 1, &[&[CloseNow], &[Push], &[Drain]]);
}

#[test]
fn bounded_queue_deadline_of_a_pop() {
    check("pop_deadline", 2, 0, &[&[TryPush, Expire], &[PopSoon]]);
    check("pop_deadline", 2, 1, &[&[Push, Expire], &[PopSoon]]);
    check("pop_deadline_apart", 1, 1, &[&[Expire], &[Push], &[PopSoon]]);
}

#[test]
fn bounded_queue_deadline_of_a_push() {
    check("push_deadline", 2, 0, &[&[TryPop, Expire], &[PushSoon]]);
    check("push_deadline", 1, 1, &[&[Expire], &[Push, PushSoon], &[Pop]]);
}

#[test]
fn bounded_queue_moves_many() {
    check("push_many", 1, 1, &[&[PushMany(3), Close], &[Drain]]);
    check("pop_many", 1, 2, &[&[PushMany(3), Close], &[DrainMany(2)]]);
    check("pop_many", 1, 0, &[&[PushMany(2), Close], &[DrainMany(2)]]);
}

#[test]
fn bounded_queue_disturbed() {
    check("disturbed", 1, 1, &[&[Disturb], &[Push, Push], &[Pop, Pop]]);
}

#[test]
fn bounded_queue_last_end_goes() {
    explore("ends::last_producer_1x1", 2, || ends::last_producer_goes(1, 1, 1));
    explore("ends::last_producer_1x2", 1, || ends::last_producer_goes(1, 1, 2));
    explore("ends::last_consumer_cap_0", 2, || ends::last_consumer_goes(0));
    explore("ends::last_consumer_cap_1", 2, || ends::last_consumer_goes(1));
}
