//! The mutex, the event count and the condition variable.

use crate::checker::explore;
use crate::faults::Faults;
use crate::models::condvar::{self, Moment};
use crate::models::event_count;
use crate::models::mutex::{Aside, Protocol, exclusion, giving_up, no_time};

#[test]
fn two_threads_exclude_each_other_three_state() {
    explore("mutex::three_state_2x2", 4, || {
        exclusion(Protocol::ThreeState, 2, 2, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn two_threads_exclude_each_other_asymmetric() {
    explore("mutex::asymmetric_2x2", 3, || {
        exclusion(Protocol::Asymmetric, 2, 2, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn three_threads_exclude_each_other_three_state() {
    explore("mutex::three_state_3x1", 3, || {
        exclusion(Protocol::ThreeState, 3, 1, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn three_threads_exclude_each_other_asymmetric() {
    explore("mutex::asymmetric_3x1", 2, || {
        exclusion(Protocol::Asymmetric, 3, 1, Aside::Nothing, Faults::NONE);
    });
}

#[test]
fn a_mutex_bears_wake_ups_for_nothing() {
    for protocol in [Protocol::ThreeState, Protocol::Asymmetric] {
        explore(&format!("mutex::disturbed_{protocol:?}"), 2, move || {
            exclusion(protocol, 3, 1, Aside::Disturbed, Faults::NONE);
        });
    }
}

#[test]
fn who_gives_up_a_lock_strands_nobody_three_state() {
    explore("mutex::giving_up_three_state", 2, || {
        giving_up(Protocol::ThreeState, 1, 1, Faults::NONE);
    });
}

#[test]
fn who_gives_up_a_lock_strands_nobody_asymmetric() {
    explore("mutex::giving_up_asymmetric", 2, || {
        giving_up(Protocol::Asymmetric, 1, 1, Faults::NONE);
    });
}

#[test]
fn a_passed_deadline_takes_what_is_free() {
    for protocol in [Protocol::ThreeState, Protocol::Asymmetric] {
        explore(&format!("mutex::no_time_{protocol:?}"), 2, move || {
            no_time(protocol);
        });
    }
}

#[test]
fn an_event_count_loses_no_notification() {
    explore("event_count::one_by_one", 3, || {
        event_count::one_by_one(2, false);
    });
    explore("event_count::disturbed", 2, || {
        event_count::one_by_one(2, true);
    });
    explore("event_count::all_at_once", 3, || {
        event_count::all_at_once(2);
    });
    explore("event_count::giving_up", 2, event_count::giving_up);
}

#[test]
fn a_condvar_loses_no_notification() {
    for moment in [Moment::UnderLock, Moment::AfterUnlock] {
        explore(&format!("condvar::notify_one_{moment:?}"), 3, move || {
            condvar::notify_one(1, moment, Faults::NONE);
        });
    }
}

#[test]
fn two_waiters_get_a_notification_each() {
    explore("condvar::notify_one_2", 2, || {
        condvar::notify_one(2, Moment::AfterUnlock, Faults::NONE);
    });
}

#[test]
fn all_waiters_get_one_notification() {
    explore("condvar::notify_all", 2, || {
        condvar::notify_all(2, false, Faults::NONE);
    });
    explore("condvar::notify_all_disturbed", 2, || {
        condvar::notify_all(1, true, Faults::NONE);
    });
}

#[test]
fn a_condvar_waiter_that_gives_up_swallows_nothing() {
    explore("condvar::wait_until", 3, || condvar::wait_until(false));
    explore("condvar::wait_until_beside_another", 1, || {
        condvar::wait_until(true);
    });
}
