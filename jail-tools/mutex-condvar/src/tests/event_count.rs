use crate::event_count::EventCount;
use crate::sync::Instant;

#[test]
fn a_notification_is_for_those_who_registered_before_it() {
    let events = EventCount::new();
    assert!(!events.has_waiters());
    let early = events.register();
    events.notify(1);
    assert!(events.wait(early, None), "it does not sleep");
    assert!(!events.has_waiters(), "it was taken off the count");
    let late = events.register();
    assert_ne!(early, late);
    assert!(!events.wait(late, Some(Instant::now())), "nothing came");
    assert!(!events.has_waiters(), "who gives up is not counted");
}

#[test]
fn who_gives_up_after_a_notification_has_been_notified() {
    let events = EventCount::new();
    let ticket = events.register();
    events.notify_all();
    assert!(!events.cancel(ticket));
    let ticket = events.register();
    assert!(events.cancel(ticket));
}

#[test]
fn the_number_of_notifications_wraps_and_leaves_the_waiters_alone() {
    let events = EventCount::with_state(u32::MAX, 2);
    events.notify(1);
    assert!(events.has_waiters());
    let ticket = events.register();
    events.notify(2);
    assert!(!events.has_waiters());
    assert!(events.wait(ticket, None));
}
