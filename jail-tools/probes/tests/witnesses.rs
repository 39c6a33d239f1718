//! The ledger page against another witness of the same thread: getrusage(2).
//!
//! Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF, and an object in `JAIL_TOOLS_BPF_OBJECT`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Data, PAGE, beside_burners, cpus, load, my_turn, on_cpu};
use nix::sys::resource::{UsageWho, getrusage};
use probes::{Diff, Options, Page, Probes, SlotReader, counter};
use testkit::Test;

/// What the kernel counts of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    voluntary: i64,
    involuntary: i64,
    faults: i64,
}

impl Usage {
    fn of_this_thread() -> Self {
        let u = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        Self {
            voluntary: u.voluntary_context_switches(),
            involuntary: u.involuntary_context_switches(),
            faults: u.minor_page_faults() + u.major_page_faults(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            voluntary: self.voluntary - before.voluntary,
            involuntary: self.involuntary - before.involuntary,
            faults: self.faults - before.faults,
        }
    }

    fn of_ledger(diff: &Diff) -> Self {
        let get = |i| diff.get(i).cast_signed();
        Self {
            voluntary: get(counter::SWITCHES_VOLUNTARY),
            involuntary: get(counter::SWITCHES_INVOLUNTARY),
            faults: get(counter::FAULTS_USER) + get(counter::FAULTS_KERNEL),
        }
    }

    /// Switches that the two do not agree on.
    fn switches_apart(self, other: Self) -> u64 {
        self.voluntary.abs_diff(other.voluntary) + self.involuntary.abs_diff(other.involuntary)
    }
}

/// Looks at both witnesses with nothing in between: usage, slot, usage again until both usages
/// are the same.
fn together<T>(mut look: impl FnMut() -> T) -> (Usage, T) {
    loop {
        let before = Usage::of_this_thread();
        let seen = look();
        if Usage::of_this_thread() == before {
            return (before, seen);
        }
    }
}

/// Reads warm and cold, yields, sleeps, and touches new memory.
fn mixed(data: &Data, buffer: &mut [u8], round: u64) {
    /// Above malloc's largest threshold (32 MiB), so that it is always mapped afresh.
    const FRESH: usize = 64 << 20;
    /// Apart by more than a huge page: each touch is a fault, whatever the policy.
    const STRIDE: usize = 4 << 20;
    for i in 0..40 {
        data.read(buffer, data.scattered(round * 40 + i, PAGE));
        std::thread::yield_now();
        if i % 8 == 0 {
            std::thread::sleep(Duration::from_micros(50));
            let mut fresh = vec![0u8; FRESH];
            fresh.iter_mut().step_by(STRIDE).for_each(|byte| *byte = 1);
            std::hint::black_box(&fresh);
        }
    }
}

fn block(slot: &mut SlotReader, work: impl FnOnce()) -> (Usage, Diff) {
    let (before, ()) = together(|| slot.begin());
    work();
    // A failed try keeps what it took out of the slot.
    let mut sum = Diff::default();
    let (after, ()) = together(|| {
        let diff = slot.diff();
        sum.counters
            .iter_mut()
            .zip(diff.counters)
            .for_each(|(s, d)| *s += d);
    });
    (after.since(before), sum)
}

/// Rounds of mixed work on the calling thread, each with its books compared.
fn books_agree(name: &str, page: &Arc<Page>, data: &Data) {
    const ROUNDS: u64 = 25;
    let mut slot = page.take(0).unwrap();
    let mut buffer = vec![1u8; PAGE as usize];
    let (mut switches, mut faults, mut missed) = (0, 0, 0);
    for round in 0..ROUNDS {
        let (usage, diff) = block(&mut slot, || mixed(data, &mut buffer, round));
        let ledger = Usage::of_ledger(&diff);
        assert_eq!(usage.faults, ledger.faults, "{name}, round {round}");
        // A switch that no probe saw has to show as a gap, or as one that goes on.
        let gaps = diff.get(counter::GAPS);
        let apart = usage.switches_apart(ledger);
        assert!(
            apart <= gaps,
            "{name}, round {round}: getrusage {usage:?}, ledger {ledger:?}, gaps {gaps}"
        );
        missed += apart;
        faults += usage.faults;
        switches += usage.voluntary + usage.involuntary;
    }
    println!("{name}: {switches} switches ({missed} missed by the probes), {faults} faults");
    assert!(switches >= 100 && faults >= 100);
}

fn armed(test: &Test) -> Option<(Probes, Arc<Page>, Data)> {
    let probes = load(test, Options::default())?;
    let page = Page::map(probes.handles()).unwrap();
    Some((probes, page, Data::make(test, 16 << 20)?))
}

#[test]
fn needs_root_needs_bpf_switches_and_faults_are_what_getrusage_counts() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((_probes, page, data)) = armed(&test) else {
        return;
    };
    for cpu in cpus() {
        on_cpu(cpu, || {
            books_agree(&format!("idle CPU {cpu}"), &page, &data);
        });
    }
    test.verified(
        "switches and faults against getrusage",
        "agree, a switch that was not seen counted as a gap",
    );
}

#[test]
fn needs_root_needs_bpf_needs_time_they_are_so_beside_a_burner_too() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((_probes, page, data)) = armed(&test) else {
        return;
    };
    let first = cpus()[0];
    let measured = || on_cpu(first, || books_agree("beside a burner", &page, &data));
    beside_burners(first, 1, measured);
}
