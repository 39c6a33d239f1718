//! Which model catches which mistake.

use crate::bounded::queue;
use crate::caught::catches;
use crate::checker::explore;
use crate::condvar_queue::Discipline;
use crate::faults::{Fault, Faults};
use crate::models::condvar::{self, Moment};
use crate::models::mutex::{Aside, Protocol, exclusion};
use crate::models::script::Step::{Close, Drain, Expire, Pop, PopSoon, Push};
use crate::models::script::{Step, play};
use crate::textbook::one_place;

/// Preemptions that find them all.
const ENOUGH: usize = 3;

fn mutex(protocol: Protocol, threads: u32) -> impl Fn(Faults) {
    move |faults| {
        explore("mutex", ENOUGH, move || {
            exclusion(protocol, threads, 1, Aside::Nothing, faults);
        });
    }
}

fn textbook(discipline: Discipline, scripts: &'static [&'static [Step]]) -> impl Fn(Faults) {
    move |faults| {
        explore("condvar_queue", ENOUGH, move || {
            play(one_place(discipline, faults), scripts);
        });
    }
}

fn bounded(capacity: usize, scripts: &'static [&'static [Step]]) -> impl Fn(Faults) {
    move |faults| {
        explore("bounded_queue", ENOUGH, move || {
            play(queue(capacity, faults), scripts);
        });
    }
}

fn waiter_and_notifier(faults: Faults) {
    explore("condvar", ENOUGH, move || {
        condvar::notify_one(1, Moment::AfterUnlock, faults);
    });
}

const ONE_TO_ONE: &[&[Step]] = &[&[Push, Push], &[Pop, Pop]];
const ONE_TO_TWO: &[&[Step]] = &[&[Push, Push], &[Pop], &[Pop]];
const CLOSE_UNDER_TWO: &[&[Step]] = &[&[Close], &[Drain], &[Drain]];
const TWO_PUSHERS_CLOSED: &[&[Step]] = &[&[Close], &[Push], &[Push]];
const POP_AND_DEADLINE: &[&[Step]] = &[&[Push, Expire], &[PopSoon]];

catches! {
    loom_catches_if_for_while: IfForWhile by "loom::condvar_queue::1x2" as "invariant broken"
        => textbook(Discipline::AfterUnlock, ONE_TO_TWO);
    loom_catches_notify_one_on_close: NotifyOneOnClose
        by "loom::condvar_queue::close_under_consumers" as "deadlock"
        => textbook(Discipline::AfterUnlock, CLOSE_UNDER_TWO);
    loom_catches_notify_one_on_close_in_the_bounded_queue: NotifyOneOnClose
        by "loom::bounded_queue::close_under_two" as "deadlock"
        => bounded(0, TWO_PUSHERS_CLOSED);
    loom_catches_sequence_read_after_unlock: SequenceReadAfterUnlock
        by "loom::condvar::notify_one" as "deadlock"
        => waiter_and_notifier;
    loom_catches_sequence_read_after_unlock_in_the_condvar_queue: SequenceReadAfterUnlock
        by "loom::condvar_queue::1x1" as "deadlock"
        => textbook(Discipline::AfterUnlock, ONE_TO_ONE);
    loom_catches_relock_uncontended: RelockUncontended by "loom::mutex::three_state_3x1"
        as "deadlock"
        => mutex(Protocol::ThreeState, 3);
    loom_catches_relaxed_unlock_three_state: RelaxedUnlock by "loom::mutex::three_state_2x1"
        as "Causality violation"
        => mutex(Protocol::ThreeState, 2);
    loom_catches_relaxed_unlock_asymmetric: RelaxedUnlock by "loom::mutex::asymmetric_2x1"
        as "Causality violation"
        => mutex(Protocol::Asymmetric, 2);
    loom_catches_no_heavy_fence: NoHeavyFence by "loom::mutex::asymmetric_2x1" as "deadlock"
        => mutex(Protocol::Asymmetric, 2);
    loom_catches_no_heavy_fence_in_the_bounded_queue: NoHeavyFence
        by "loom::bounded_queue::1x1" as "deadlock"
        => bounded(1, ONE_TO_ONE);
    loom_catches_timeout_without_look: TimeoutWithoutLook by "loom::bounded_queue::pop_deadline"
        as "lost item"
        => bounded(1, POP_AND_DEADLINE);
    loom_catches_sleep_unannounced: SleepUnannounced by "loom::bounded_queue::1x1" as "deadlock"
        => bounded(1, ONE_TO_ONE);
    loom_catches_notify_one_of_both: NotifyOneOfBoth by "loom::condvar_queue::1x2_one_condvar"
        as "deadlock"
        => textbook(Discipline::OneCondvar, ONE_TO_TWO);
}

#[test]
fn every_mistake_is_caught_by_a_model() {
    let missing: Vec<_> = Fault::ALL
        .iter()
        .filter(|fault| !CAUGHT.iter().any(|(caught, _)| caught == *fault))
        .collect();
    assert!(missing.is_empty(), "no model catches {missing:?}");
}
