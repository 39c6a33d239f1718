//! The timed window: the clock outside, the looks at the ledger just inside, the operation in the
//! middle. Where there is no ledger, looks at the thread's account before and after the window.

use experiments::{Announce, Outcome, Worker};
use probes::{Diff, SlotReader};

use crate::clock::now_ns;
use crate::usage::{UsageDiff, UsageReader};

/// What one operation looked like through the lens.
#[derive(Debug, Clone)]
pub struct Look {
    /// Start of the window, ns.
    pub start_ns: u64,
    /// End of the window, ns.
    pub end_ns: u64,
    /// What the operation says of itself.
    pub outcome: Outcome,
    /// What the ledger grew by; `None` if it did not, or if there is none.
    pub diff: Option<Diff>,
    /// What the thread's account grew by around it, where that was looked at instead; `None` too
    /// if a look failed.
    pub usage: Option<UsageDiff>,
}

/// The view of one thread: through its slot of the ledger, through its account, or not at all.
#[derive(Debug)]
pub struct Lens {
    slot: Option<SlotReader>,
    usage: Option<UsageReader>,
}

/// The number of an operation that is none: between operations, completions are late.
const NO_OPERATION: u64 = u64::MAX;

impl Lens {
    /// A lens that sees nothing but the clock.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            slot: None,
            usage: None,
        }
    }

    /// A lens on the calling thread's slot.
    #[must_use]
    pub fn ledger(slot: SlotReader) -> Self {
        Self {
            slot: Some(slot),
            usage: None,
        }
    }

    /// A lens on the calling thread's account.
    #[must_use]
    pub fn usage(usage: UsageReader) -> Self {
        Self {
            slot: None,
            usage: Some(usage),
        }
    }

    /// Tells the probes what comes. Untimed.
    #[inline]
    pub fn announce(&mut self, op: u64, announce: Announce) {
        if let Some(slot) = &mut self.slot {
            slot.announce(op, announce.start, announce.end);
        }
    }

    /// Tells the probes that the operation is over. Untimed.
    #[inline]
    pub fn retire(&mut self) {
        self.announce(NO_OPERATION, Announce::default());
    }

    /// One timed operation. The looks at the ledger are inside the window: an interrupt that one of
    /// them counts has also taken time from it. The second reads all words only if something
    /// happened. Looks at the account are system calls, and stay outside.
    #[inline]
    pub fn look<W: Worker>(&mut self, worker: &mut W) -> Look {
        if let Some(usage) = &mut self.usage {
            usage.begin();
        }
        let start_ns = now_ns();
        if let Some(slot) = &mut self.slot {
            slot.begin();
        }
        let outcome = worker.operate();
        let diff = self.diff_if_changed();
        let end_ns = now_ns();
        let usage = self.usage.as_ref().and_then(UsageReader::end);
        Look {
            start_ns,
            end_ns,
            outcome,
            diff,
            usage,
        }
    }

    /// Forgets what happened so far.
    pub fn rebase(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.begin();
        }
    }

    /// What happened since the last look, if anything did.
    #[inline]
    #[must_use]
    pub fn diff_if_changed(&mut self) -> Option<Diff> {
        self.slot
            .as_mut()
            .filter(|slot| slot.changed())
            .map(SlotReader::diff)
    }

    /// Is there a ledger behind it?
    #[must_use]
    pub fn sees(&self) -> bool {
        self.slot.is_some()
    }

    /// Reads that were given up.
    #[must_use]
    pub fn torn(&self) -> u64 {
        self.slot.as_ref().map_or(0, SlotReader::torn)
    }
}
