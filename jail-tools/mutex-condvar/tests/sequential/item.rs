//! Items that count how often they were dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Has a number; its drops are counted.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) number: u32,
    drops: Arc<AtomicU32>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes items, and knows what became of each.
#[derive(Debug, Default)]
pub(crate) struct Maker {
    drops: Vec<Arc<AtomicU32>>,
}

impl Maker {
    pub(crate) fn make(&mut self) -> Item {
        let number = u32::try_from(self.drops.len()).expect("few items");
        let drops = Arc::new(AtomicU32::new(0));
        self.drops.push(Arc::clone(&drops));
        Item { number, drops }
    }

    /// How often each item was dropped, by its number.
    pub(crate) fn drops(&self) -> Vec<u32> {
        let drops = self.drops.iter();
        drops.map(|d| d.load(Ordering::Relaxed)).collect()
    }

    /// So many drops for each item.
    pub(crate) fn each(&self, drops: u32) -> Vec<u32> {
        vec![drops; self.drops.len()]
    }
}
