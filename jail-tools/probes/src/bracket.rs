//! The bracketing mode's consumer: drains the ring every few milliseconds, without wake-ups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use probes_ebpf::{COUNTERS, Record};

/// Between two drains. At 1.7 M records/s of 264 bytes the ring of 32 MiB holds 70 ms.
const PERIOD: Duration = Duration::from_millis(4);

/// A thread that drains the ring.
#[derive(Debug)]
pub struct Drain {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Record>, u64)>,
}

impl Drain {
    pub(crate) fn start(ring: RingBuf<MapData>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || run(ring, &seen));
        Self { stop, thread }
    }

    /// Stops after a last drain. Returns the records, and how many had another length than the
    /// wire format says (none, unless the object is not ours).
    #[must_use]
    pub fn finish(self) -> (Vec<Record>, u64) {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or_default()
    }
}

fn run(mut ring: RingBuf<MapData>, stop: &AtomicBool) -> (Vec<Record>, u64) {
    let (mut records, mut malformed) = (Vec::new(), 0);
    loop {
        // Read before the drain: what was submitted before the stop is drained after it.
        let last = stop.load(Ordering::Acquire);
        while let Some(item) = ring.next() {
            match decode(&item) {
                Some(record) => records.push(record),
                None => malformed += 1,
            }
        }
        if last {
            return (records, malformed);
        }
        std::thread::sleep(PERIOD);
    }
}

/// A record from the ring's bytes; `None` if they are not as long as one.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Record> {
    if bytes.len() != size_of::<Record>() {
        return None;
    }
    let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let mut counters = [0; COUNTERS];
    for (i, c) in counters.iter_mut().enumerate() {
        *c = u64_at(std::mem::offset_of!(Record, counters) + 8 * i)?;
    }
    let args = std::mem::offset_of!(Record, args);
    Some(Record {
        start_ns: u64_at(std::mem::offset_of!(Record, start_ns))?,
        latency_ns: u64_at(std::mem::offset_of!(Record, latency_ns))?,
        result: u64_at(std::mem::offset_of!(Record, result))?.cast_signed(),
        args: [u64_at(args)?, u64_at(args + 8)?, u64_at(args + 16)?],
        offset: u64_at(std::mem::offset_of!(Record, offset))?,
        slot: u32_at(std::mem::offset_of!(Record, slot))?,
        tid: u32_at(std::mem::offset_of!(Record, tid))?,
        syscall: u32_at(std::mem::offset_of!(Record, syscall))?,
        reserved: 0,
        counters,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_whole_records_decode(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(decode(&bytes).is_some(), bytes.len() == size_of::<Record>());
        }
    }

    #[test]
    fn every_field_comes_from_its_own_place() {
        let words: Vec<u8> = (0..size_of::<Record>() as u64 / 8)
            .flat_map(u64::to_ne_bytes)
            .collect();
        let r = decode(&words).unwrap();
        assert_eq!((r.start_ns, r.latency_ns, r.result), (0, 1, 2));
        assert_eq!((r.args, r.offset), ([3, 4, 5], 6));
        assert_eq!(r.counters[0], 9);
        assert_eq!(r.counters[COUNTERS - 1], 9 + COUNTERS as u64 - 1);
    }
}
