//! Items that say who made them, and where they went if nobody took them.

use std::sync::Mutex;

/// Generation, producer and number, in one word.
///
/// Whoever takes one [`open`](Item::open)s it. One that is dropped instead is written down in
/// [`LOST`]: only a queue may do that.
#[derive(Debug)]
pub(crate) struct Item(u64);

/// What was dropped, by all generations of the process.
static LOST: Mutex<Vec<u64>> = Mutex::new(Vec::new());

const PRODUCER_BITS: u32 = 8;
const NUMBER_BITS: u32 = 32;

impl Item {
    pub(crate) fn new(generation: u32, producer: u32, number: u32) -> Self {
        let high = u64::from(generation) << PRODUCER_BITS | u64::from(producer);
        Self(high << NUMBER_BITS | u64::from(number))
    }

    /// Its producer and its number.
    pub(crate) fn open(self) -> (u32, u32) {
        let word = self.0;
        std::mem::forget(self);
        parts(word)
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        lost().push(self.0);
    }
}

fn parts(word: u64) -> (u32, u32) {
    let producer = (word >> NUMBER_BITS) as u32 & ((1 << PRODUCER_BITS) - 1);
    (producer, word as u32)
}

fn lost() -> std::sync::MutexGuard<'static, Vec<u64>> {
    LOST.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Takes what a generation has lost, in the order in which it was dropped.
pub(crate) fn lost_of(generation: u32) -> Vec<(u32, u32)> {
    let (its, others) = std::mem::take(&mut *lost())
        .into_iter()
        .partition::<Vec<u64>, _>(|word| {
            word >> (PRODUCER_BITS + NUMBER_BITS) == u64::from(generation)
        });
    *lost() = others;
    its.into_iter().map(parts).collect()
}
