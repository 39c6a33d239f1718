#![allow(unsafe_code)]

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::faults::Faults;
use crate::queue::node::{End, Node, WaitList};

#[test]
fn who_takes_an_item_leaves_none_and_ends_the_wait() {
    let mut list = WaitList::new();
    let node = Node::new(Some("item"));
    // SAFETY: the node outlives its place in the list, which it leaves below.
    unsafe { list.push_back(&node) };
    assert_eq!(node.end(), None);
    let taken = list.pop_front().expect("it waits");
    let (item, sleeper) = taken.take();
    assert_eq!(item, Some("item"));
    assert!(sleeper.is_none(), "it was awake");
    assert_eq!(node.end(), Some(End::Served));
    assert_eq!(node.sleep(None), Some(End::Served), "no sleep any more");
    assert_eq!(node.into_item(), None);
}

#[test]
fn who_said_that_it_sleeps_is_to_be_woken() {
    let mut list = WaitList::new();
    let node = Node::new(None);
    // SAFETY: as above.
    unsafe { list.push_back(&node) };
    node.announce_sleep(Faults::NONE);
    let sleeper = list.pop_front().and_then(|taken| taken.give(7));
    sleeper.expect("it sleeps").wake();
    assert_eq!(node.end(), Some(End::Served));
    node.announce_sleep(Faults::NONE);
    assert_eq!(node.end(), Some(End::Served), "an end is final");
    assert_eq!(node.into_item(), Some(7));
}

#[test]
fn a_closed_producer_keeps_its_item() {
    let mut list = WaitList::new();
    let node = Node::new(Some(1));
    // SAFETY: as above.
    unsafe { list.push_back(&node) };
    assert!(list.pop_front().expect("it waits").close().is_none());
    assert_eq!(node.end(), Some(End::Closed));
    assert_eq!(node.into_item(), Some(1));
}

proptest! {
    /// Appending, taking the first and taking out from anywhere, against a VecDeque.
    #[test]
    fn the_list_keeps_the_order(steps in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 0..60)) {
        let nodes: Vec<Box<Node<usize>>> = (0..steps.len()).map(|n| Box::new(Node::new(Some(n)))).collect();
        let mut list = WaitList::new();
        let mut model = VecDeque::new();
        let mut next = nodes.iter().enumerate();
        for (step, index) in steps {
            match step {
                0 | 1 => {
                    if let Some((n, node)) = next.next() {
                        // SAFETY: boxed, and dropped after the list is done with.
                        unsafe { list.push_back(node) };
                        model.push_back(n);
                    }
                }
                2 => {
                    let taken = list.pop_front().map(|taken| taken.take().0);
                    prop_assert_eq!(taken, model.pop_front().map(Some));
                }
                _ if !model.is_empty() => {
                    let n = model.remove(index.index(model.len())).expect("in range");
                    prop_assert!(list.remove(&nodes[n]));
                }
                _ => {}
            }
            prop_assert_eq!(list.is_empty(), model.is_empty());
        }
        while let Some(taken) = list.pop_front() {
            prop_assert_eq!(taken.take().0, model.pop_front());
        }
        prop_assert!(model.is_empty());
    }
}

#[test]
fn who_has_been_served_cannot_be_taken_out() {
    let mut list = WaitList::new();
    let node = Node::new(Some(1));
    // SAFETY: as above.
    unsafe { list.push_back(&node) };
    let (item, _) = list.pop_front().expect("it waits").take();
    assert_eq!(item, Some(1));
    assert!(!list.remove(&node));
}
