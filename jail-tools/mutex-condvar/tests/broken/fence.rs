//! Makes an owner's unlock and a sleeper's registration meet within the processor's store
//! buffer, which is the only place where the missing barrier shows.
//!
//! Three things widen the gap, which is tens of nanoseconds otherwise:
//!
//! - The owner writes a large item under the lock, to lines that the other CPU has: its stores
//!   leave the buffer in their order (x86), so that the one that unlocks waits behind them,
//!   while the look for sleepers, a load, has been done already.
//! - Only one thread ever waits, so that the lock does not spin (all waiters were seen on one
//!   CPU) and the sleeper is at its registration while the item is still being written.
//! - Who was missed is helped by the next unlock. So each takes its lock once and then waits
//!   for the other outside the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutex_condvar::{BoundedQueue, Faults};

use crate::child::LIMIT;
use crate::crew::{Crew, Doing, Seat, Trouble};
use crate::place;
use crate::rng::Rng;

/// Some lines: enough stores to fill the buffer, few enough not to wait for it.
type Large = [u64; 256];

/// Places: by the time that one is written again, its lines were read by the other CPU.
const CAPACITY: usize = 4;

struct Shared {
    queue: BoundedQueue<Large>,
    /// Rounds begun by the owner, and ended by the sleeper.
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Both on CPUs of their own.
pub(crate) fn rounds(faults: Faults, time: Duration) -> Result<(), Trouble> {
    let cpus = place::cpus();
    let shared = Arc::new(Shared {
        queue: BoundedQueue::with_faults(CAPACITY, faults).expect("memory for a few items"),
        begun: AtomicU64::new(0),
        ended: AtomicU64::new(0),
    });
    let until = Instant::now() + time;
    let mut crew = Crew::new();
    let own = Arc::clone(&shared);
    crew.spawn("owner".into(), Some(cpus[0]), move |seat: &Seat| {
        own.own(seat, until);
    });
    let sleep = Arc::clone(&shared);
    crew.spawn("sleeper".into(), Some(cpus[1]), move |seat: &Seat| {
        sleep.sleep(seat);
    });
    let rounds = Arc::clone(&shared);
    // Nothing of the queue: a look into it would take its lock, and help.
    let state = move || format!("round {}", rounds.begun.load(Ordering::Relaxed));
    crew.come_home(LIMIT, state).map(|_| ())
}

/// Spins until the word is there; every thread has a CPU.
fn await_word(word: &AtomicU64, value: u64) {
    while word.load(Ordering::Acquire) < value {
        std::hint::spin_loop();
    }
}

impl Shared {
    fn own(&self, seat: &Seat, until: Instant) {
        let mut item: Large = [0; 256];
        let mut round = 0;
        while Instant::now() < until {
            round += 1;
            item[0] = round;
            self.begun.store(round, Ordering::Release);
            seat.doing(Doing::Push);
            _ = self.queue.try_push(item);
            seat.doing(Doing::Other);
            await_word(&self.ended, round);
            seat.moved(1);
        }
        self.begun.store(u64::MAX, Ordering::Release);
    }

    fn sleep(&self, seat: &Seat) {
        let mut rng = Rng::new(1);
        for round in 1.. {
            await_word(&self.begun, round);
            if self.begun.load(Ordering::Acquire) == u64::MAX {
                return;
            }
            for _ in 0..rng.below(40) {
                std::hint::spin_loop();
            }
            seat.doing(Doing::Lock);
            std::hint::black_box(self.queue.len());
            seat.doing(Doing::Pop);
            // The other is outside the queue, or will be: nobody waits here.
            std::hint::black_box(self.queue.try_pop().ok());
            seat.doing(Doing::Other);
            self.ended.store(round, Ordering::Release);
        }
    }
}
