//! Which model catches which mistake. Those of memory order are loom's alone: shuttle's memory
//! is sequentially consistent.

use std::num::NonZeroUsize;

use crate::caught::catches;
use crate::checker::explore;
use crate::condvar_queue::Discipline;
use crate::faults::Faults;
use crate::models::condvar::{self, Moment};
use crate::models::mutex::{Aside, Protocol, exclusion};
use crate::models::script::play;
use crate::queues::{self, CLOSED, DEADLINES, Scripts, THREE_TO_THREE};

const SCHEDULES: usize = 2000;

fn bounded(scripts: Scripts) -> impl Fn(Faults) {
    move |faults| {
        explore("bounded_queue", SCHEDULES, move || {
            play(queues::bounded(1, faults), scripts);
        });
    }
}

fn textbook(discipline: Discipline, scripts: Scripts) -> impl Fn(Faults) {
    move |faults| {
        explore("condvar_queue", SCHEDULES, move || {
            let queue = queues::textbook(NonZeroUsize::MIN, discipline, faults);
            play(queue, scripts);
        });
    }
}

fn four_threads(faults: Faults) {
    explore("mutex", SCHEDULES, move || {
        exclusion(Protocol::ThreeState, 4, 3, Aside::Nothing, faults);
    });
}

fn waiters_and_notifier(faults: Faults) {
    explore("condvar", SCHEDULES, move || {
        condvar::notify_one(3, Moment::AfterUnlock, faults);
    });
}

catches! {
    shuttle_catches_if_for_while: IfForWhile by "shuttle::condvar_queue::3x3"
        as "invariant broken"
        => textbook(Discipline::AfterUnlock, THREE_TO_THREE);
    shuttle_catches_notify_one_on_close: NotifyOneOnClose by "shuttle::condvar_queue::closed"
        as "deadlock"
        => textbook(Discipline::AfterUnlock, CLOSED);
    shuttle_catches_notify_one_on_close_in_the_bounded_queue: NotifyOneOnClose
        by "shuttle::bounded_queue::closed" as "deadlock"
        => bounded(CLOSED);
    shuttle_catches_sequence_read_after_unlock: SequenceReadAfterUnlock
        by "shuttle::condvar::notify_one" as "deadlock"
        => waiters_and_notifier;
    shuttle_catches_relock_uncontended: RelockUncontended by "shuttle::mutex::4x3" as "deadlock"
        => four_threads;
    shuttle_catches_timeout_without_look: TimeoutWithoutLook
        by "shuttle::bounded_queue::deadlines" as "lost item"
        => bounded(DEADLINES);
    shuttle_catches_sleep_unannounced: SleepUnannounced by "shuttle::bounded_queue::3x3"
        as "deadlock"
        => bounded(THREE_TO_THREE);
    shuttle_catches_notify_one_of_both: NotifyOneOfBoth by "shuttle::condvar_queue::3x3"
        as "deadlock"
        => textbook(Discipline::OneCondvar, THREE_TO_THREE);
}
