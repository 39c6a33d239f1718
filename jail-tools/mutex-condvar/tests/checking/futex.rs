//! futex(2) as the models have it: a table of who sleeps where, under one lock.
//!
//! Comparing the word and queueing up is one step, a wake-up takes the oldest first, and one
//! that finds nobody is lost. Each sleeper waits on a channel of its own: neither checker wakes
//! a receiver for no reason or keeps a token from an earlier wait, so that a thread that nobody
//! wakes is a deadlock that is reported. (loom's own condition variable keeps one: its issue
//! 422.) What really happens without a notification is made to happen by [`disturb`] and, for
//! deadlines, by [`crate::clock::expire`], each at any time the checker likes.

use crate::checker::{AtomicBool, Mutex, MutexGuard, Ordering, lazy_static, mpsc};
use crate::clock::Instant;
use crate::sync::{AtomicU32, AtomicU64, Hint32};

struct Futex {
    sleepers: Mutex<Vec<Sleeper>>,
    expired: AtomicBool,
    /// How many waits found another value than they expected.
    refused: Hint32,
}

/// After so many refused waits they let others run. Only a mistake comes there that makes a
/// thread try again and again: by itself loom runs nobody else for that.
const REFUSED_MAX: u32 = 32;

struct Sleeper {
    address: usize,
    /// Will the deadline wake it?
    timed: bool,
    awake: mpsc::Sender<()>,
}

lazy_static! {
    static ref FUTEX: Futex = Futex {
        sleepers: Mutex::new(Vec::new()),
        expired: AtomicBool::new(false),
        refused: Hint32::new(0),
    };
}

fn sleepers() -> MutexGuard<'static, Vec<Sleeper>> {
    let futex: &'static Futex = &FUTEX;
    futex.sleepers.lock().expect("nobody panics with the table")
}

/// Makes the table before there are threads that could both be the first to use it.
pub(crate) fn prepare() {
    drop(sleepers());
}

/// A word that threads sleep on.
pub(crate) trait Word {
    /// The half of it that is compared, as it is seen now. By the weakest order: what the
    /// kernel's lock adds to that, the table's lock does too.
    fn seen(&self) -> u32;

    fn address(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>().addr()
    }
}

impl Word for AtomicU32 {
    fn seen(&self) -> u32 {
        self.load(Ordering::Relaxed)
    }
}

/// The low half.
impl Word for AtomicU64 {
    fn seen(&self) -> u32 {
        self.load(Ordering::Relaxed) as u32
    }
}

/// Sleeps until a wake-up, unless the word is no longer `expected`; at most until `deadline`.
pub(crate) fn wait(word: &impl Word, expected: u32, deadline: Option<Instant>) {
    let mut table = sleepers();
    let timed = match deadline {
        None | Some(Instant::Never) => false,
        Some(Instant::Past) => return,
        Some(Instant::Soon) if has_expired() => return,
        Some(Instant::Soon) => true,
    };
    if word.seen() != expected {
        drop(table);
        refuse();
        return;
    }
    let (awake, sleep) = mpsc::channel();
    table.push(Sleeper {
        address: word.address(),
        timed,
        awake,
    });
    drop(table);
    sleep.recv().expect("who is taken off the table is woken");
}

fn refuse() {
    if FUTEX.refused.fetch_add(1, Ordering::Relaxed) >= REFUSED_MAX {
        crate::checker::yield_now();
    }
}

/// Wakes up to `count` of those who sleep on the word, the oldest first.
pub(crate) fn wake(word: &impl Word, count: u32) {
    wake_address(word.address(), count);
}

/// The same for a word that may be gone.
pub(crate) fn wake_at(word: *const AtomicU32, count: u32) {
    wake_address(word.cast::<()>().addr(), count);
}

fn wake_address(address: usize, count: u32) {
    let mut left = count;
    rouse(sleepers(), |sleeper| {
        let chosen = sleeper.address == address && left > 0;
        left -= u32::from(chosen);
        chosen
    });
}

/// Everybody who sleeps now wakes up for nothing, as by a signal.
pub(crate) fn disturb() {
    rouse(sleepers(), |_| true);
}

/// How many sleep.
pub(crate) fn sleeping() -> usize {
    sleepers().len()
}

/// Lets others run until so many sleep.
pub(crate) fn until_sleeping(count: usize) {
    while sleeping() < count {
        crate::checker::yield_now();
    }
}

/// The deadlines that are soon come.
pub(crate) fn expire() {
    let table = sleepers();
    FUTEX.expired.store(true, Ordering::Relaxed);
    rouse(table, |sleeper| sleeper.timed);
}

pub(crate) fn has_expired() -> bool {
    FUTEX.expired.load(Ordering::Relaxed)
}

fn rouse(mut table: MutexGuard<'_, Vec<Sleeper>>, chosen: impl FnMut(&mut Sleeper) -> bool) {
    let woken: Vec<Sleeper> = table.extract_if(.., chosen).collect();
    drop(table);
    for sleeper in woken {
        sleeper.awake.send(()).expect("it waits for this");
    }
}
