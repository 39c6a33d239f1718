//! The mutex, the event count and the condition variable.

use crate::checker::{THREE_THREADS, TWO_THREADS, explore};
use crate::faults::Faults;
use crate::models::condvar::{self, Moment};
use crate::models::event_count;
use crate::models::mutex::{Aside, Protocol, exclusion, giving_up, no_time};

#[test]
fn two_threads_exclude_each_other_three_state() {
    explore("mutex::three_state_2x2", TWO_THREADS, || {
        exclusion(Protocol::ThreeState, 2, 2, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn two_threads_exclude_each_other_asymmetric() {
    explore("mutex::asymmetric_2x2", TWO_THREADS, || {
        exclusion(Protocol::Asymmetric, 2, 2, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn three_threads_exclude_each_other_three_state() {
    explore("mutex::three_state_3x1", THREE_THREADS, || {
        exclusion(Protocol::ThreeState, 3, 1, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn three_threads_exclude_each_other_asymmetric() {
    explore("mutex::asymmetric_3x1", THREE_THREADS, || {
        exclusion(Protocol::Asymmetric, 3, 1, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn a_mutex_bears_wake_ups_for_nothing() {
    for protocol in [Protocol::ThreeState, Protocol::Asymmetric] {
        explore(
            &format!("mutex::disturbed_{protocol:?}"),
            THREE_THREADS,
            move || {
                exclusion(protocol, 3, 1, Aside::Disturbed, Faults::NONE);
            },
        );
    }
}

#[test]
fn who_gives_up_a_lock_strands_nobody_three_state() {
    explore("mutex::giving_up_three_state", THREE_THREADS, || {
        giving_up(Protocol::ThreeState, 1, 1, Faults::NONE);
    });
}

#[test]
fn who_gives_up_a_lock_strands_nobody_asymmetric() {
    explore("mutex::giving_up_asymmetric", THREE_THREADS, || {
        giving_up(Protocol::Asymmetric, 1, 1, Faults::NONE);
    });
}

#[test]
fn a_passed_deadline_takes_what_is_free() {
    for protocol in [Protocol::ThreeState, Protocol::Asymmetric] {
        explore(
            &format!("mutex::no_time_{protocol:?}"),
            TWO_THREADS,
            move || {
                no_time(protocol);
            },
        );
    }
}

#[test]
fn an_event_count_loses_no_notification() {
    explore("event_count::one_by_one", THREE_THREADS, || {
        event_count::one_by_one(2, false);
    });
    explore("event_count::disturbed", THREE_THREADS, || {
        event_count::one_by_one(2, true);
    });
    explore("event_count::all_at_once", THREE_THREADS, || {
        event_count::all_at_once(2);
    });
    explore(
        "event_count::giving_up",
        THREE_THREADS,
        event_count::giving_up,
    );
}

#[test]
fn a_condvar_loses_no_notification() {
    for moment in [Moment::UnderLock, Moment::AfterUnlock] {
        explore(
            &format!("condvar::notify_one_{moment:?}"),
            TWO_THREADS,
            move || {
                condvar::notify_one(1, moment, Faults::NONE);
            },
        );
    }
}

#[test]
fn two_waiters_get_a_notification_each() {
    explore("condvar::notify_one_2", THREE_THREADS, || {
        condvar::notify_one(2, Moment::AfterUnlock, Faults::NONE);
    });
}

#[test]
fn all_waiters_get_one_notification() {
    explore("condvar::notify_all", THREE_THREADS, || {
        condvar::notify_all(2, false, Faults::NONE);
    });
    explore("condvar::notify_all_disturbed", TWO_THREADS, || {
        condvar::notify_all(1, true, Faults::NONE);
    });
}

#[test]
fn a_condvar_waiter_that_gives_up_swallows_nothing() {
    explore("condvar::wait_until", TWO_THREADS, || {
        condvar::wait_until(false);
    });
    explore("condvar::wait_until_beside_another", THREE_THREADS, || {
        condvar::wait_until(true);
    });
}
