//! The timed window: the clock outside, the looks at the ledger just inside, the operation in the
//! middle.

use experiments::{Announce, Outcome, Worker};
use probes::{Diff, SlotReader};

use crate::clock::now_ns;

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
}

/// The ledger's view of one thread, if the probes are armed.
#[derive(Debug)]
pub struct Lens {
    slot: Option<SlotReader>,
}

/// The number of an operation that is none: between operations, completions are late.
const NO_OPERATION: u64 = u64::MAX;

impl Lens {
    /// A lens for the calling thread.
    #[must_use]
    pub fn new(slot: Option<SlotReader>) -> Self {
        Self { slot }
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

    /// One timed operation. The looks are inside the window: an interrupt that one of them counts
    /// has also taken time from it. The second reads all words only if something happened.
    #[inline]
    pub fn look<W: Worker>(&mut self, worker: &mut W) -> Look {
        let start_ns = now_ns();
        if let Some(slot) = &mut self.slot {
            slot.begin();
        }
        let outcome = worker.operate();
        let diff = self.diff_if_changed();
        let end_ns = now_ns();
        Look {
            start_ns,
            end_ns,
            outcome,
            diff,
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
