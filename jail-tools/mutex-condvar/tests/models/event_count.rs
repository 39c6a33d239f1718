//! Models of the event count.

use std::sync::Arc;

use crate::checker::spawn;
use crate::clock;
use crate::event_count::EventCount;
use crate::futex;
use crate::sync::Instant;

/// As many notifications as there are waiters: all come home, and nobody is counted any more.
pub(crate) fn one_by_one(waiters: u32, disturbed: bool) {
    let events = Arc::new(EventCount::new());
    let threads: Vec<_> = (0..waiters).map(|_| waiter(&events, None)).collect();
    if disturbed {
        futex::disturb();
    }
    (0..waiters).for_each(|_| events.notify(1));
    for thread in threads {
        assert!(thread.join().expect("a thread of the model"));
    }
    assert!(!events.has_waiters(), "somebody who left is counted");
}

/// One notification for all.
pub(crate) fn all_at_once(waiters: u32) {
    let events = Arc::new(EventCount::new());
    let threads: Vec<_> = (0..waiters).map(|_| waiter(&events, None)).collect();
    events.notify_all();
    for thread in threads {
        assert!(thread.join().expect("a thread of the model"));
    }
    assert!(!events.has_waiters(), "somebody who left is counted");
}

/// One of two gives up while one notification comes: if it says that there was none, then the
/// other has it.
pub(crate) fn giving_up() {
    let events = Arc::new(EventCount::new());
    let hurried = waiter(&events, Some(Instant::Soon));
    let patient = waiter(&events, None);
    let notifier = Arc::clone(&events);
    let notify = spawn(move || notifier.notify(1));
    clock::expire();
    let had_one = hurried.join().expect("a thread of the model");
    notify.join().expect("a thread of the model");
    if had_one {
        events.notify_all();
    }
    assert!(patient.join().expect("a thread of the model"));
    if events.has_waiters() {
        // One who left on a notification meant for another: the next one corrects it.
        events.notify(1);
    }
    assert!(!events.has_waiters(), "somebody who left is counted");
}

/// A thread that registered before this returned.
fn waiter(events: &Arc<EventCount>, deadline: Option<Instant>) -> crate::checker::JoinHandle<bool> {
    let ticket = events.register();
    let events = Arc::clone(events);
    spawn(move || events.wait(ticket, deadline))
}
