//! The mutex, the event count and the condition variable.

use crate::checker::explore;
use crate::faults::Faults;
use crate::models::condvar::{self, Moment};
use crate::models::event_count;
use crate::models::mutex::{Aside, Protocol, exclusion, giving_up};

const PROTOCOLS: [Protocol; 2] = [Protocol::ThreeState, Protocol::Asymmetric];

#[test]
fn four_threads_exclude_each_other() {
    for protocol in PROTOCOLS {
        explore(&format!("mutex::4x3_{protocol:?}"), 3000, move || {
            exclusion(protocol, 4, 3, Aside::Nothing, Faults::NONE);
        });
        explore(&format!("mutex::disturbed_{protocol:?}"), 2000, move || {
            exclusion(protocol, 5, 2, Aside::Disturbed, Faults::NONE);
        });
    }
}

#[test]
fn who_gives_up_a_lock_strands_nobody() {
    for protocol in PROTOCOLS {
        explore(&format!("mutex::giving_up_{protocol:?}"), 3000, move || {
            giving_up(protocol, 2, 2, Faults::NONE);
        });
    }
}

#[test]
fn an_event_count_loses_no_notification() {
    explore("event_count::one_by_one", 2000, || {
        event_count::one_by_one(4, true);
    });
    explore("event_count::all_at_once", 2000, || {
        event_count::all_at_once(4);
    });
    explore("event_count::giving_up", 2000, event_count::giving_up);
}

#[test]
fn a_condvar_loses_no_notification() {
    for moment in [Moment::UnderLock, Moment::AfterUnlock] {
        explore(
            &format!("condvar::notify_one_{moment:?}"),
            2000,
            move || {
                condvar::notify_one(3, moment, Faults::NONE);
            },
        );
    }
    explore("condvar::notify_all", 2000, || {
        condvar::notify_all(3, true, Faults::NONE);
    });
    explore("condvar::wait_until", 2000, || condvar::wait_until(true));
}
