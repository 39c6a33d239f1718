//! The checker on histories of which one knows.

use crate::checker::is_linearizable;
use crate::history::{Answered, Asked, Call};
use crate::spec::Spec;

use Answered::{Blocked, Closed, Count, Done, First, Items};
use Asked::{Close, CloseNow, Len, Pop, PopMany, Push};

fn holds(capacity: usize, calls: &[(u64, u64, Asked, Answered)]) -> bool {
    let calls: Vec<Call> = calls
        .iter()
        .enumerate()
        .map(|(thread, (begun, ended, asked, answered))| Call {
            thread,
            begun: *begun,
            ended: *ended,
            asked: *asked,
            answered: answered.clone(),
        })
        .collect();
    is_linearizable(&calls, &Spec::new(capacity))
}

fn one(item: u8) -> Answered {
    Items(vec![item])
}

#[test]
fn calls_one_after_another_have_one_order() {
    assert!(holds(2, &[]));
    assert!(holds(
        2,
        &[
            (1, 2, Push(1), Done),
            (3, 4, Push(2), Done),
            (5, 6, Push(3), Blocked),
            (7, 8, Len, Count(2)),
            (9, 10, PopMany(5), Items(vec![1, 2])),
            (11, 12, Pop, Blocked),
            (13, 14, Close, First(true)),
            (15, 16, CloseNow, Items(vec![])),
            (17, 18, Pop, Closed),
            (19, 20, Push(4), Closed),
        ]
    ));
}

#[test]
fn calls_that_overlap_have_any_order() {
    // The second push waits for the pop; the pop may be of either.
    let both = |popped| {
        let calls = [
            (1, 9, Push(1), Done),
            (2, 8, Push(2), Done),
            (3, 7, Pop, one(popped)),
        ];
        holds(1, &calls)
    };
    assert!(both(1) && both(2));
    assert!(!both(3), "an item that nobody pushed");
}

#[test]
fn items_that_overtake_are_seen() {
    let pops = |first, second| {
        let calls = [
            (1, 2, Push(1), Done),
            (3, 4, Push(2), Done),
            (5, 6, Pop, one(first)),
            (7, 8, Pop, one(second)),
        ];
        holds(2, &calls)
    };
    assert!(pops(1, 2));
    assert!(!pops(2, 1));
}

#[test]
fn an_item_twice_is_seen() {
    let calls = [
        (1, 2, Push(1), Done),
        (3, 6, Pop, one(1)),
        (4, 5, Pop, one(1)),
    ];
    assert!(!holds(2, &calls));
}

#[test]
fn a_lost_item_is_seen() {
    let calls = [
        (1, 2, Push(1), Done),
        (3, 4, Pop, Blocked),
        (5, 6, Len, Count(0)),
    ];
    assert!(!holds(2, &calls));
    let drained = [
        (1, 2, Push(1), Done),
        (3, 4, Close, First(true)),
        (5, 6, Pop, Closed),
    ];
    assert!(!holds(2, &drained));
}

#[test]
fn an_item_after_the_end_is_seen() {
    let calls = [
        (1, 10, Push(1), Done),
        (2, 3, Close, First(true)),
        (4, 5, Pop, Closed),
        (6, 7, Pop, one(1)),
    ];
    assert!(!holds(2, &calls));
}

#[test]
fn more_than_the_capacity_is_seen() {
    let calls = [(1, 2, Push(1), Done), (3, 4, Push(2), Done)];
    assert!(holds(2, &calls));
    assert!(!holds(1, &calls));
}

#[test]
fn a_timeout_needs_a_moment_at_which_there_was_nothing() {
    // The push ends before the pop begins, and nobody else takes anything.
    let missed = [(1, 2, Push(1), Done), (3, 9, Pop, Blocked)];
    assert!(!holds(1, &missed));
    let before = [(1, 4, Push(1), Done), (2, 9, Pop, Blocked)];
    assert!(holds(1, &before));
    let full = [(1, 2, Push(1), Done), (3, 4, Push(2), Blocked)];
    assert!(holds(1, &full) && !holds(2, &full));
}

#[test]
fn of_two_closes_one_is_first() {
    let both = |a, b| {
        let calls = [(1, 4, Close, First(a)), (2, 3, Close, First(b))];
        holds(1, &calls)
    };
    assert!(both(true, false) && both(false, true));
    assert!(!both(true, true) && !both(false, false));
}
