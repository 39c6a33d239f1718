//! Histories of real threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::history::{Answered, Asked, Call};
use crate::queue::{Patience, Queue};
use crate::refusal::Refusal;
use crate::rng::Rng;

/// What a history is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    /// Of each thread.
    pub(crate) calls: usize,
    /// Pushes and pops with deadlines alone.
    pub(crate) hurried: bool,
}

/// What the threads share.
struct Stage<'a, Q: ?Sized> {
    queue: &'a Q,
    clock: AtomicU64,
    ready: AtomicUsize,
    done: AtomicUsize,
}

/// Some queues have more than the others.
pub(crate) type PopMany<Q> = fn(&Q, usize) -> Option<Vec<u8>>;

/// Runs the plan. When nobody comes any further the queue is closed, which is part of the
/// history, so that all calls come back.
pub(crate) fn record<Q: Queue<u8> + ?Sized>(
    queue: &Q,
    plan: Plan,
    pop_many: Option<PopMany<Q>>,
) -> Vec<Call> {
    let stage = Stage {
        queue,
        clock: AtomicU64::new(0),
        ready: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    };
    let mut seeds = Rng::new(plan.seed);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|me| {
                let mut rng = Rng::new(seeds.next());
                let stage = &stage;
                scope.spawn(move || stage.play(me, plan, &mut rng, pop_many))
            })
            .collect();
        let mut calls = stage.close_when_stuck(plan);
        for thread in threads {
            calls.extend(thread.join().expect("a thread that calls"));
        }
        calls
    })
}

impl<Q: Queue<u8> + ?Sized> Stage<'_, Q> {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn play(
        &self,
        me: usize,
        plan: Plan,
        rng: &mut Rng,
        pop_many: Option<PopMany<Q>>,
    ) -> Vec<Call> {
        self.ready.fetch_add(1, Ordering::SeqCst);
        // Together, as far as there are CPUs.
        while self.ready.load(Ordering::SeqCst) < plan.threads {
            thread::yield_now();
        }
        let calls = (0..plan.calls).map(|n| {
            let item = (me * plan.calls + n) as u8;
            if rng.below(8) == 0 {
                thread::yield_now();
            }
            if plan.hurried {
                let until = Instant::now() + Duration::from_micros(rng.below(12));
                let patience = Patience::Until(until);
                let asked = push_or_pop(rng.below(2), item);
                return self.call(me, asked, patience, None);
            }
            let patience = match rng.below(3) {
                0 => Patience::Now,
                1 => Patience::Until(Instant::now() + Duration::from_micros(rng.below(40))),
                _ => Patience::Forever,
            };
            let asked = pick(rng, item, pop_many.is_some());
            self.call(me, asked, patience, pop_many)
        });
        let calls = calls.collect();
        self.done.fetch_add(1, Ordering::SeqCst);
        calls
    }

    fn call(
        &self,
        thread: usize,
        asked: Asked,
        patience: Patience,
        pop_many: Option<PopMany<Q>>,
    ) -> Call {
        let begun = self.tick();
        let answered = match asked {
            Asked::Push(item) => pushed(self.queue.put(item, patience)),
            Asked::Pop => popped(self.queue.get(patience)),
            Asked::PopMany(max) => {
                let items = pop_many.and_then(|pop_many| pop_many(self.queue, max));
                items.map_or(Answered::Closed, Answered::Items)
            }
            Asked::Close => Answered::First(self.queue.shut()),
            Asked::CloseNow => Answered::Items(self.queue.shut_now().into()),
            Asked::Len => Answered::Count(self.queue.count()),
        };
        Call {
            thread,
            begun,
            ended: self.tick(),
            asked,
            answered,
        }
    }

    fn close_when_stuck(&self, plan: Plan) -> Vec<Call> {
        let all = || self.done.load(Ordering::SeqCst) == plan.threads;
        let (mut seen, mut since) = (self.clock.load(Ordering::SeqCst), Instant::now());
        while !all() {
            thread::sleep(Duration::from_micros(20));
            let now = self.clock.load(Ordering::SeqCst);
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > Duration::from_micros(300) {
                let begun = self.tick();
                let answered = Answered::First(self.queue.shut());
                return vec![Call {
                    thread: plan.threads,
                    begun,
                    ended: self.tick(),
                    asked: Asked::Close,
                    answered,
                }];
            }
        }
        Vec::new()
    }
}

fn pushed(put: Result<(), (u8, Refusal)>) -> Answered {
    put.map_or_else(|(_, refusal)| refusal.into(), |()| Answered::Done)
}

fn popped(got: Result<u8, Refusal>) -> Answered {
    got.map_or_else(Answered::from, |item| Answered::Items(vec![item]))
}

impl From<Refusal> for Answered {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Blocked => Self::Blocked,
            Refusal::Closed => Self::Closed,
        }
    }
}

fn pick(rng: &mut Rng, item: u8, has_pop_many: bool) -> Asked {
    match rng.below(32) {
        0 => Asked::Close,
        1 => Asked::CloseNow,
        2 => Asked::Len,
        3..=5 if has_pop_many => Asked::PopMany(1 + rng.below(3) as usize),
        n => push_or_pop(n, item),
    }
}

fn push_or_pop(choice: u64, item: u8) -> Asked {
    if choice.is_multiple_of(2) {
        Asked::Push(item)
    } else {
        Asked::Pop
    }
}
