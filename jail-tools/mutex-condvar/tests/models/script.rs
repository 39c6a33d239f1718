//! What each thread of a queue's model does, as data, and the account of what became of items.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::checker::spawn;
use crate::models::queue::{Item, Nothing, Queue};
use crate::sync::Instant;
use crate::{clock, futex};

/// One thing that a thread does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Push,
    /// Until a deadline that comes sometime.
    PushSoon,
    /// So many at once.
    PushMany(u32),
    TryPush,
    /// There must be one.
    Pop,
    /// Until a deadline that comes sometime.
    PopSoon,
    TryPop,
    /// All until it is closed and empty.
    Drain,
    /// The same, so many at a time.
    DrainMany(usize),
    Close,
    CloseNow,
    /// The deadlines come.
    Expire,
    /// Whoever sleeps wakes up for nothing.
    Disturb,
}

/// What a thread did with items, in its order.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pushed: Vec<Item>,
    refused: Vec<Item>,
    popped: Vec<Item>,
    /// What nobody will get, from `close_now`.
    left: Vec<Item>,
    /// How many it has made so far.
    made: u32,
}

impl Account {
    fn make(&mut self, thread: usize) -> Item {
        self.made += 1;
        (thread, self.made)
    }

    fn offered(&mut self, item: Item, pushed: Result<(), Item>) {
        match pushed {
            Ok(()) => self.pushed.push(item),
            Err(back) => {
                assert_eq!(item, back, "another item came back");
                self.refused.push(back);
            }
        }
    }

    fn offered_many(&mut self, queue: &impl Queue, thread: usize, count: u32) {
        let all: VecDeque<Item> = (0..count).map(|_| self.make(thread)).collect();
        let mut left = all.clone();
        queue.push_many(&mut left);
        let pushed = all.len() - left.len();
        assert!(all.iter().skip(pushed).eq(&left), "other items came back");
        self.pushed.extend(all.iter().take(pushed));
        self.refused.extend(left);
    }

    fn step(&mut self, queue: &impl Queue, thread: usize, step: Step) {
        match step {
            Step::Push => {
                let item = self.make(thread);
                self.offered(item, queue.push(item));
            }
            Step::PushSoon => {
                let item = self.make(thread);
                self.offered(item, queue.push_deadline(item, Instant::Soon));
            }
            Step::TryPush => {
                let item = self.make(thread);
                self.offered(item, queue.try_push(item));
            }
            Step::PushMany(count) => self.offered_many(queue, thread, count),
            Step::Pop => self
                .popped
                .push(queue.pop().expect("lost item: it was promised to a pop")),
            Step::PopSoon => match queue.pop_deadline(Instant::Soon) {
                Ok(item) => self.popped.push(item),
                Err(Nothing::TimedOut | Nothing::Closed) => {}
            },
            Step::TryPop => self.popped.extend(queue.try_pop()),
            Step::Drain => {
                while let Ok(item) = queue.pop() {
                    self.popped.push(item);
                }
            }
            Step::DrainMany(max) => while queue.pop_many(&mut self.popped, max) {},
            Step::Close => _ = queue.close(),
            Step::CloseNow => self.left.extend(queue.close_now()),
            Step::Expire => clock::expire(),
            Step::Disturb => futex::disturb(),
        }
    }
}

/// One thread per script, the first one in this thread; then what is still in the queue is
/// taken out, and the account must balance.
pub(crate) fn play(queue: impl Queue, scripts: &'static [&'static [Step]]) {
    let queue = Arc::new(queue);
    let run = |queue: &_, thread: usize| {
        let mut account = Account::default();
        for step in scripts[thread] {
            account.step(queue, thread, *step);
        }
        account
    };
    let others: Vec<_> = (1..scripts.len())
        .map(|thread| {
            let queue = Arc::clone(&queue);
            spawn(move || run(&*queue, thread))
        })
        .collect();
    let mut accounts = vec![run(&*queue, 0)];
    for other in others {
        accounts.push(other.join().expect("a thread of the model"));
    }
    let mut rest = Account::default();
    rest.left.extend(queue.close_now());
    accounts.push(rest);
    balance(&accounts);
}

/// Nothing lost, nothing twice, and of one producer's items the earlier one first.
pub(crate) fn balance(accounts: &[Account]) {
    let all = |of: fn(&Account) -> &Vec<Item>| {
        let mut items: Vec<Item> = accounts.iter().flat_map(of).copied().collect();
        items.sort_unstable();
        items
    };
    let mut arrived = all(|account| &account.popped);
    arrived.extend(all(|account| &account.left));
    arrived.sort_unstable();
    let pushed = all(|account| &account.pushed);
    let lost: Vec<_> = pushed.iter().filter(|i| !arrived.contains(i)).collect();
    assert!(lost.is_empty(), "lost item: {lost:?} of {pushed:?}");
    assert_eq!(pushed, arrived, "an item came twice or from nowhere");
    let made: u32 = accounts.iter().map(|account| account.made).sum();
    let known = pushed.len() + all(|account| &account.refused).len();
    assert_eq!(
        known, made as usize,
        "an item was neither taken nor refused"
    );
    for account in accounts {
        in_order(&account.popped);
        in_order(&account.left);
    }
}

fn in_order(items: &[Item]) {
    for (at, (producer, number)) in items.iter().enumerate() {
        let later = &items[at + 1..];
        assert!(
            later.iter().all(|(p, n)| p != producer || n > number),
            "order broken: {items:?}"
        );
    }
}
