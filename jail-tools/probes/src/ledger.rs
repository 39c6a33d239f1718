//! A door to the kernel: the mapped ledger pages, and their reader in the measured thread.
//!
//! The reader does plain loads, inside the timed window. An update made in the thread's own
//! context is visible at its next load; what other CPUs write stands in words of its own.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};

use probes_ebpf::{Intent, SLOTS, Slot, counter};
use serde::{Deserialize, Serialize};

use crate::books::{Books, Diff, Snapshot};
use crate::register::register;

/// Descriptors that a trial's child process inherits. Valid in it under the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handles {
    /// The map `LEDGER`.
    pub ledger: RawFd,
    /// The map `INTENT`.
    pub intent: RawFd,
    /// The program `register`.
    pub register: RawFd,
}

/// The descriptors behind [`Handles`]: open as long as whoever loaded the probes keeps them.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) ledger: OwnedFd,
    pub(crate) intent: OwnedFd,
    pub(crate) register: OwnedFd,
}

impl Kept {
    pub(crate) fn handles(&self) -> Handles {
        Handles {
            ledger: self.ledger.as_raw_fd(),
            intent: self.intent.as_raw_fd(),
            register: self.register.as_raw_fd(),
        }
    }
}

/// What the ledger page could not be used for.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The descriptor of the program cannot be kept.
    #[error("fcntl(F_DUPFD) of the BPF program register: {0}")]
    Keep(#[source] io::Error),
    /// mmap of a map failed.
    #[error("mmap of the BPF map {map}: {source}")]
    Map {
        /// Which map.
        map: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The thread could not take its slot.
    #[error("bpf(PROG_TEST_RUN) of the program register, slot {slot}: {source}")]
    Register {
        /// The slot.
        slot: u32,
        /// Why.
        source: io::Error,
    },
    /// There are only [`SLOTS`].
    #[error("slot {slot} does not exist: at most {SLOTS} threads can be measured at once")]
    NoSlot {
        /// The slot.
        slot: u32,
    },
}

/// A mapping of one map's values.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping is shared memory without thread affinity; who may write which word is the
// wire format's business, and every access is a volatile load or store of an aligned u64.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: RawFd, value_bytes: usize, writable: bool) -> io::Result<Self> {
        // bpf(2) maps whole pages; the kernel rounds the array up to them.
        let page = 4096;
        let bytes = (value_bytes * SLOTS as usize).div_ceil(page) * page;
        let protection = if writable {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_READ
        };
        // SAFETY: a fresh mapping at an address of the kernel's choice; nothing else is touched.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                fd,
                0,
            )
        };
        match NonNull::new(base.cast::<u8>()) {
            Some(base) if base.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { base, bytes }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this length, and unmapped once. Readers hold an `Arc` of the
        // page, so none outlives it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// The ledger as mapped into a measuring process: counters read-only, intents writable.
#[derive(Debug)]
pub struct Page {
    ledger: Mapping,
    intent: Mapping,
    /// The page's own, so that a thread can leave its slot whatever became of the loader.
    register: OwnedFd,
}

impl Page {
    /// Maps the ledger in this process.
    ///
    /// # Errors
    /// mmap fails, or no descriptors are left.
    pub fn map(handles: Handles) -> Result<Arc<Self>, LedgerError> {
        let map = |map, fd, bytes, writable| {
            Mapping::new(fd, bytes, writable).map_err(|source| LedgerError::Map { map, source })
        };
        // SAFETY: borrowed only while it is copied. Whoever hands out `Handles` keeps what they
        // name open meanwhile: the loader, or the process that inherited them.
        let register = unsafe { BorrowedFd::borrow_raw(handles.register) };
        Ok(Arc::new(Self {
            ledger: map("LEDGER", handles.ledger, size_of::<Slot>(), false)?,
            intent: map("INTENT", handles.intent, size_of::<Intent>(), true)?,
            register: register.try_clone_to_owned().map_err(LedgerError::Keep)?,
        }))
    }

    /// The calling thread takes a slot, until the reader is dropped.
    ///
    /// # Errors
    /// There is no such slot, or the kernel refuses.
    pub fn take(self: &Arc<Self>, slot: u32) -> Result<SlotReader, LedgerError> {
        if slot >= SLOTS {
            return Err(LedgerError::NoSlot { slot });
        }
        register(self.register.as_fd(), u64::from(slot) + 1)
            .map_err(|source| LedgerError::Register { slot, source })?;
        let index = slot as usize;
        // SAFETY: `index` is below SLOTS, so both stay within their mappings.
        let (words, intent) = unsafe {
            (
                self.ledger.base.cast::<Slot>().add(index),
                self.intent.base.cast::<Intent>().add(index),
            )
        };
        let mut reader = SlotReader {
            page: Arc::clone(self),
            words,
            intent,
            books: Books::default(),
            torn: 0,
        };
        let now = reader.load();
        reader.books.rebase(&now);
        Ok(reader)
    }
}

/// A measured thread's view of its own slot. Not `Send`: it belongs to the thread that took it.
#[derive(Debug)]
pub struct SlotReader {
    page: Arc<Page>,
    words: NonNull<Slot>,
    intent: NonNull<Intent>,
    books: Books,
    torn: u64,
}

/// A slot that keeps changing under the reader is given up after this many tries. One interrupt
/// per try would need a million interrupts a second.
const TRIES: u32 = 8;

impl SlotReader {
    /// Announces the next operation: its number, and the bytes `[start, end)` that it asks for.
    /// Outside the timed window.
    #[inline]
    pub fn announce(&mut self, op: u64, start: u64, end: u64) {
        let intent = self.intent.as_ptr();
        // SAFETY: within the writable mapping that `page` keeps alive; only this thread writes
        // the intent of its slot, and the programs read whole aligned words.
        unsafe {
            ptr::write_volatile(&raw mut (*intent).op, op);
            ptr::write_volatile(&raw mut (*intent).start, start);
            ptr::write_volatile(&raw mut (*intent).end, end);
        }
    }

    /// First read of an operation, inside the timed window.
    #[inline]
    pub fn begin(&mut self) {
        if self.changed() {
            let now = self.load();
            self.books.rebase(&now);
        }
    }

    /// Second read, inside the timed window. True if anything happened in between.
    #[inline]
    #[must_use]
    pub fn changed(&self) -> bool {
        self.sequence() != self.books.sequence()
    }

    /// What happened since [`SlotReader::begin`]; the words become the next operation's start.
    #[inline]
    pub fn diff(&mut self) -> Diff {
        let now = self.load();
        let at_ns = if now.off_since_ns == 0 {
            0
        } else {
            monotonic_ns()
        };
        self.books.close(&now, at_ns)
    }

    /// Reads that were given up because the words kept changing.
    #[must_use]
    pub fn torn(&self) -> u64 {
        self.torn
    }

    #[inline]
    fn sequence(&self) -> u64 {
        // SAFETY: within the mapping that `page` keeps alive; an aligned word.
        unsafe { ptr::read_volatile(&raw const (*self.words.as_ptr()).counters[counter::SEQUENCE]) }
    }

    /// Loads all words; again if an interrupt changed them meanwhile.
    fn load(&mut self) -> Snapshot {
        let mut s = Snapshot::default();
        for _ in 0..TRIES {
            let sequence = self.sequence();
            compiler_fence(Ordering::SeqCst);
            let slot = self.words.as_ptr();
            // SAFETY: within the mapping that `page` keeps alive; every word is aligned, and the
            // programs write whole words.
            unsafe {
                for (i, c) in s.counters.iter_mut().enumerate() {
                    *c = ptr::read_volatile(&raw const (*slot).counters[i]);
                }
                s.completed = ptr::read_volatile(&raw const (*slot).remote.completed);
                s.completed_ns = ptr::read_volatile(&raw const (*slot).remote.completed_ns);
                s.completed_late = ptr::read_volatile(&raw const (*slot).remote.completed_late);
                s.lost = ptr::read_volatile(&raw const (*slot).remote.lost);
                s.completed_at_ns = ptr::read_volatile(&raw const (*slot).remote.completed_at_ns);
                s.off_since_ns = ptr::read_volatile(&raw const (*slot).state.off_since_ns);
                s.flight_since_ns = ptr::read_volatile(&raw const (*slot).state.flight_since_ns);
                s.flight_times_ns = ptr::read_volatile(&raw const (*slot).state.flight_times_ns);
            }
            compiler_fence(Ordering::SeqCst);
            if self.sequence() == sequence {
                return s;
            }
        }
        self.torn += 1;
        s
    }
}

fn monotonic_ns() -> u64 {
    // clock_gettime(2) fails only for a clock that does not exist.
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(0, |t| {
        t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned()
    })
}

impl Drop for SlotReader {
    fn drop(&mut self) {
        // The thread leaves its slot. If it can't, the kernel frees the entry with the thread.
        let _ = register(self.page.register.as_fd(), 0);
    }
}

/// A copy of a descriptor as it must be for a child to inherit it: without close-on-exec.
///
/// # Errors
/// fcntl fails (no descriptors left).
pub(crate) fn inheritable(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD makes a new descriptor of a live one and touches no memory.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
