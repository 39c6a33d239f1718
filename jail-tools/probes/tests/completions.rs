//! Block requests from start to completion, on the CPU that takes the device's interrupt and on
//! the others: cold reads, one by one.
//!
//! Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF, and an object in `JAIL_TOOLS_BPF_OBJECT`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::{Data, PAGE, beside_burners, cpus, load, my_turn, now_ns, on_cpu};
use probes::{Diff, Options, Page, counter};

/// One cold read.
#[derive(Debug)]
struct Cold {
    pages: u64,
    latency_ns: u64,
    diff: Diff,
}

impl Cold {
    fn waited_ns(&self) -> u64 {
        self.diff.get(counter::DEVICE_NS) + self.diff.get(counter::INFLIGHT_NS)
    }

    /// Every net time but the two that may belong to an earlier operation: the hypervisor's
    /// account is brought up to date up to a tick late, and a gap is an upper bound.
    fn booked_ns(&self) -> u64 {
        let booked = (counter::DEVICE_NS..counter::STEAL_NS).map(|i| self.diff.get(i));
        booked.sum::<u64>() + self.diff.get(counter::INFLIGHT_NS)
    }
}

/// Reads that were done, and those whose books are whole.
struct Reads {
    done: usize,
    lost: usize,
    whole: Vec<Cold>,
}

/// Reads of one taking of the slot. A completion that reaches no probe (on some guests a CPU's
/// tracepoints are silent for milliseconds, as with `sched_switch`) leaves the slot with a
/// request in flight until it is taken anew: what follows in the same batch has no whole books.
const BATCH: u64 = 50;

fn cold_reads(page: &Arc<Page>, data: &Data, count: u64) -> Reads {
    let mut reads = Reads {
        done: 0,
        lost: 0,
        whole: Vec::new(),
    };
    for first in (0..count).step_by(BATCH as usize) {
        let batch = batch(page, data, first);
        let complete = |r: &Cold| r.diff.completed == r.diff.get(counter::REQUESTS);
        reads.done += batch.len();
        reads.lost += batch.iter().filter(|r| !complete(r)).count();
        reads.whole.extend(batch.into_iter().take_while(complete));
    }
    reads
}

fn batch(page: &Arc<Page>, data: &Data, first: u64) -> Vec<Cold> {
    let mut slot = page.take(0).unwrap();
    let mut buffer = vec![1u8; 16 * PAGE as usize];
    let mut reads = Vec::new();
    for op in first..first + BATCH {
        let pages = if op % 2 == 0 { 1 } else { 16 };
        let bytes = pages * PAGE;
        let start = data.scattered(op, 16 * PAGE);
        data.evict(start, bytes);
        slot.announce(op, start, start + bytes);
        let from_ns = now_ns();
        slot.begin();
        data.read(&mut buffer[..bytes as usize], start);
        let diff = slot.diff();
        let latency_ns = now_ns() - from_ns;
        // Nobody's operation: a completion that comes now is late.
        slot.announce(u64::MAX, 0, 0);
        reads.push(Cold {
            pages,
            latency_ns,
            diff,
        });
    }
    assert_eq!(slot.torn(), 0);
    reads
}

/// At least `per_mille` of them do it; the others are printed.
fn nearly_all(name: &str, what: &str, reads: &[Cold], per_mille: usize, does: fn(&Cold) -> bool) {
    let others: Vec<&Cold> = reads.iter().filter(|r| !does(r)).collect();
    println!(
        "{name}: {} of {} cold reads: {what}",
        reads.len() - others.len(),
        reads.len()
    );
    for other in &others {
        println!("  not so: {other:?}");
    }
    assert!(
        others.len() * 1000 <= reads.len() * (1000 - per_mille),
        "{name}: {} of {} cold reads don't: {what}",
        others.len(),
        reads.len()
    );
}

fn check(name: &str, reads: &Reads) {
    println!(
        "{name}: {} of {} cold reads lost a completion, {} have whole books",
        reads.lost,
        reads.done,
        reads.whole.len()
    );
    assert!(reads.whole.len() * 2 >= reads.done);
    let reads = &reads.whole;
    let grown = |r: &Cold| r.diff.counters.iter().all(|c| *c < 1 << 62);
    nearly_all(name, "no counter went back", reads, 1000, grown);
    nearly_all(name, "all pages were added", reads, 999, |r| {
        r.diff.get(counter::PAGES_DEMANDED) == r.pages
    });
    nearly_all(name, "a request was started", reads, 999, |r| {
        r.diff.get(counter::REQUESTS) >= 1 && r.diff.get(counter::REQUEST_BYTES) >= r.pages * PAGE
    });
    // Time in flight is net of the hypervisor's account, which may swallow all of it.
    nearly_all(name, "it waited for the device", reads, 990, |r| {
        r.waited_ns() + r.diff.get(counter::STEAL_NS) > 0
    });
    nearly_all(name, "what is booked fits into it", reads, 990, |r| {
        r.booked_ns() <= r.latency_ns
    });
    nearly_all(name, "the device's time fits into it", reads, 990, |r| {
        r.diff.get(counter::REQUESTS) != 1 || r.diff.completed_ns <= r.latency_ns
    });
    let mut shares: Vec<u64> = reads
        .iter()
        .map(|r| r.waited_ns() * 100 / r.latency_ns)
        .collect();
    shares.sort_unstable();
    println!(
        "{name}: median share of the wait for the device {} %",
        shares[shares.len() / 2]
    );
}

#[test]
fn needs_root_needs_bpf_cold_reads_wait_for_their_own_requests_on_every_cpu() {
    const READS: u64 = 1000;
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((probes, data)) = load(&test, Options::default()).zip(Data::make(&test, 64 << 20))
    else {
        return;
    };
    let page = Page::map(probes.handles()).unwrap();
    for cpu in cpus() {
        let reads = on_cpu(cpu, || cold_reads(&page, &data, READS));
        check(&format!("CPU {cpu}"), &reads);
        let reads = beside_burners(cpu, 1, || on_cpu(cpu, || cold_reads(&page, &data, READS)));
        check(&format!("CPU {cpu} beside a burner"), &reads);
    }
    assert_eq!(probes.losses().unwrap().request_drops, 0);
}
