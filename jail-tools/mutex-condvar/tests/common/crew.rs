//! Threads under a watchdog: they come home, or there is evidence of who does not and why.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::place;
use crate::proc;

/// What a thread is at: for the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Doing {
    Begins,
    Push,
    Pop,
    Lock,
    Wait,
    Close,
    Other,
    Ended,
}

impl Doing {
    const ALL: [Self; 8] = [
        Self::Begins,
        Self::Push,
        Self::Pop,
        Self::Lock,
        Self::Wait,
        Self::Close,
        Self::Other,
        Self::Ended,
    ];
}

/// A thread's line on the watchdog's board. Relaxed: the watchdog must not order what it
/// watches.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Seat {
    name: String,
    tid: AtomicU64,
    doing: AtomicU8,
    moved: AtomicU64,
}

impl Seat {
    pub(crate) fn doing(&self, what: Doing) {
        self.doing.store(what as u8, Ordering::Relaxed);
    }

    /// The thread got something done: whoever waits and gives up has not.
    pub(crate) fn moved(&self, count: u64) {
        let before = self.moved.load(Ordering::Relaxed);
        self.moved.store(before + count, Ordering::Relaxed);
    }

    fn evidence(&self) -> String {
        let moved = self.moved.load(Ordering::Relaxed);
        let kernel = proc::thread(self.tid.load(Ordering::Relaxed));
        let (name, at) = (&self.name, self.is_at());
        format!("\n  {name} in {at:?} after {moved} moves: {kernel}")
    }

    fn is_at(&self) -> Doing {
        Doing::ALL[usize::from(self.doing.load(Ordering::Relaxed))]
    }
}

/// Why a crew did not come home well.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody moved for too long.
    Stalled(String),
    /// A promise was not kept; a panic is one too.
    Broken(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled(evidence) => write!(f, "stalled: {evidence}"),
            Self::Broken(evidence) => write!(f, "broken: {evidence}"),
        }
    }
}

/// Shared with the threads.
struct Home {
    left: AtomicUsize,
    panicked: AtomicBool,
    waiting: Thread,
}

/// Tells the watchdog that its thread has ended, also by a panic.
struct Leaving {
    home: Arc<Home>,
    seat: Arc<Seat>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.seat.doing(Doing::Ended);
        if thread::panicking() {
            self.home.panicked.store(true, Ordering::Relaxed);
        }
        self.home.left.fetch_sub(1, Ordering::Release);
        self.home.waiting.unpark();
    }
}

/// Some threads, each of which returns an `R`.
pub(crate) struct Crew<R> {
    home: Arc<Home>,
    seats: Vec<Arc<Seat>>,
    threads: Vec<JoinHandle<R>>,
}

impl<R: Send + 'static> Crew<R> {
    /// Of the calling thread, which is the watchdog.
    pub(crate) fn new() -> Self {
        let home = Home {
            left: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            waiting: thread::current(),
        };
        Self {
            home: Arc::new(home),
            seats: Vec::new(),
            threads: Vec::new(),
        }
    }

    /// Starts a thread, on this CPU if one is given. It cannot be scoped: one that stalls is
    /// left behind.
    pub(crate) fn spawn(
        &mut self,
        name: String,
        cpu: Option<usize>,
        work: impl FnOnce(&Seat) -> R + Send + 'static,
    ) -> Thread {
        let seat = Arc::new(Seat {
            name,
            ..Seat::default()
        });
        self.seats.push(Arc::clone(&seat));
        self.home.left.fetch_add(1, Ordering::Relaxed);
        let home = Arc::clone(&self.home);
        let thread = thread::spawn(move || {
            let leaving = Leaving { home, seat };
            let seat = &leaving.seat;
            seat.tid.store(proc::tid(), Ordering::Relaxed);
            if let Some(cpu) = cpu {
                place::pin(cpu);
            }
            work(seat)
        });
        let handle = thread.thread().clone();
        self.threads.push(thread);
        handle
    }

    /// Waits for all. If none moves for `limit`, or one panics, the others are left behind and
    /// `state` is part of the evidence.
    pub(crate) fn come_home(
        self,
        limit: Duration,
        state: impl FnOnce() -> String + Send + 'static,
    ) -> Result<Vec<R>, Trouble> {
        let mut seen = (u64::MAX, usize::MAX);
        let mut since = Instant::now();
        loop {
            let left = self.home.left.load(Ordering::Acquire);
            if left == 0 {
                return self.join();
            }
            if self.home.panicked.load(Ordering::Relaxed) {
                return Err(self.first_panic());
            }
            let moved = self.seats.iter().map(|s| s.moved.load(Ordering::Relaxed));
            let now = (moved.sum(), left);
            if now != seen {
                seen = now;
                since = Instant::now();
            } else if since.elapsed() >= limit {
                return Err(Trouble::Stalled(self.evidence(limit, state)));
            }
            thread::park_timeout(limit / 20);
        }
    }

    fn join(self) -> Result<Vec<R>, Trouble> {
        let joined = self.threads.into_iter().map(JoinHandle::join);
        joined
            .collect::<Result<_, _>>()
            .map_err(|panic| Trouble::Broken(message(panic.as_ref())))
    }

    fn first_panic(self) -> Trouble {
        // Its guard was dropped before the thread's result was there.
        for _ in 0..1000 {
            if self.threads.iter().any(JoinHandle::is_finished) {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let finished = self.threads.into_iter().filter(JoinHandle::is_finished);
        let panics = finished.filter_map(|thread| thread.join().err());
        let said: Vec<String> = panics.map(|panic| message(panic.as_ref())).collect();
        Trouble::Broken(said.join("; "))
    }

    fn evidence(&self, limit: Duration, state: impl FnOnce() -> String + Send + 'static) -> String {
        let state = bounded(state);
        let there = self.seats.iter().filter(|s| s.is_at() != Doing::Ended);
        let threads: Vec<String> = there.map(|seat| seat.evidence()).collect();
        format!("nobody moved for {limit:?}; {state}{}", threads.concat())
    }
}

/// What it says, if it says it soon: it may need a lock that nobody gives back.
fn bounded(state: impl FnOnce() -> String + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(state()));
    let said = receiver.recv_timeout(Duration::from_secs(1));
    said.unwrap_or_else(|_| "its state cannot be read: the lock is taken".into())
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".into())
}
