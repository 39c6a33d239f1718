//! The mutex and the condition variable alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mutex_condvar::{Condvar, Mutex};

use crate::crew::{Crew, Doing, Seat};
use crate::generation::QUIESCE;
use crate::rng::Rng;
use crate::{alone, place, size};

const THREADS: u64 = 4;

/// Two numbers that the lock keeps together: a thread in between would see or make them
/// differ.
type Pair = (u64, u64);

fn add(mutex: &Mutex<Pair>, rng: &mut Rng) -> u64 {
    let deadline = Instant::now() + Duration::from_micros(rng.below(30));
    let guard = match rng.below(4) {
        0 => mutex.try_lock(),
        1 => mutex.lock_until(deadline),
        _ => Some(mutex.lock()),
    };
    let Some(mut pair) = guard else {
        return 0;
    };
    assert_eq!(pair.0, pair.1, "somebody was in the lock");
    pair.0 += 1;
    std::hint::black_box(&mut *pair);
    pair.1 += 1;
    1
}

fn nothing_is_added_in_vain(mutex: Mutex<Pair>, cpu: Option<usize>) {
    let _alone = alone();
    let mutex = Arc::new(mutex);
    let each = size::moves() / 4 / THREADS;
    let mut crew = Crew::new();
    for thread in 0..THREADS {
        let mutex = Arc::clone(&mutex);
        crew.spawn(format!("adder {thread}"), cpu, move |seat: &Seat| {
            let mut rng = Rng::new(thread);
            seat.doing(Doing::Lock);
            let added = (0..each).map(|_| {
                let added = add(&mutex, &mut rng);
                seat.moved(added);
                added
            });
            added.sum::<u64>()
        });
    }
    let shown = Arc::clone(&mutex);
    let home = crew.come_home(QUIESCE, move || format!("{shown:?}"));
    let added: u64 = home
        .unwrap_or_else(|trouble| panic!("{trouble}"))
        .iter()
        .sum();
    assert_eq!(*mutex.lock(), (added, added));
}

#[test]
fn nothing_is_added_in_vain_under_the_mutex() {
    nothing_is_added_in_vain(Mutex::new((0, 0)), None);
    nothing_is_added_in_vain(Mutex::new((0, 0)), Some(place::cpus()[0]));
}

#[test]
fn nothing_is_added_in_vain_under_the_asymmetric_mutex() {
    nothing_is_added_in_vain(Mutex::asymmetric((0, 0)), None);
    nothing_is_added_in_vain(Mutex::asymmetric((0, 0)), Some(place::cpus()[0]));
}

/// Whose turn it is, and a place for each to wait for its own.
struct Ring {
    turn: Mutex<usize>,
    mine: Vec<Condvar>,
}

impl Ring {
    /// Waits for the turn and passes it on: some waits have deadlines and begin again.
    fn pass(&self, me: usize, rng: &mut Rng) {
        let mut turn = self.turn.lock();
        while *turn != me {
            if rng.below(2) == 0 {
                turn = self.mine[me].wait_while(turn, |turn| *turn != me);
            } else {
                let deadline = Instant::now() + Duration::from_micros(rng.below(30));
                turn = self.mine[me].wait_until(turn, deadline).0;
            }
        }
        let next = (me + 1) % self.mine.len();
        *turn = next;
        if rng.below(2) == 0 {
            drop(turn);
            self.mine[next].notify_one();
        } else {
            self.mine[next].notify_all();
        }
    }
}

fn the_turn_goes_round(turn: Mutex<usize>, cpu: Option<usize>) {
    let _alone = alone();
    let ring = Arc::new(Ring {
        turn,
        mine: (0..THREADS).map(|_| Condvar::new()).collect(),
    });
    let turns = size::moves() / 80 / THREADS;
    let mut crew = Crew::new();
    for me in 0..THREADS as usize {
        let ring = Arc::clone(&ring);
        crew.spawn(format!("ring {me}"), cpu, move |seat: &Seat| {
            let mut choices = Rng::new(me as u64);
            seat.doing(Doing::Wait);
            for _ in 0..turns {
                ring.pass(me, &mut choices);
                seat.moved(1);
            }
        });
    }
    let shown = Arc::clone(&ring);
    let home = crew.come_home(QUIESCE, move || {
        format!("{:?} {:?}", shown.turn, shown.mine)
    });
    home.unwrap_or_else(|trouble| panic!("{trouble}"));
    assert_eq!(*ring.turn.lock(), 0);
}

#[test]
fn the_turn_goes_round_a_ring_of_condition_variables() {
    for cpu in [None, Some(place::cpus()[0])] {
        the_turn_goes_round(Mutex::new(0), cpu);
        the_turn_goes_round(Mutex::asymmetric(0), cpu);
    }
}
