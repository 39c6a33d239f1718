//! The ledger page on real reads: what a miss, a hit, another thread and nobody leave in it.
//!
//! Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF, and an object in `JAIL_TOOLS_BPF_OBJECT`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Barrier;

use common::{Data, PAGE, cpus, load, my_turn, on_cpu, stand_on};
use probes::ledger::LedgerError;
use probes::{Diff, Options, Page, Probes, counter};

#[test]
fn needs_root_needs_bpf_every_program_is_armed_or_its_absence_is_named() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let options = Options {
        bracket: Some(17),
        log: false,
    };
    let Some(probes) = load(&test, options) else {
        return;
    };
    for a in probes.armed() {
        println!("{} {:?}", a.name, a.missing);
        // A tracepoint may be absent from this kernel; a program that exists must load.
        assert!(
            a.missing
                .as_ref()
                .is_none_or(|w| w.contains("no such tracepoint")),
            "{}: {:?}",
            a.name,
            a.missing
        );
        assert_eq!(a.missing.is_some(), a.blind.is_some());
    }
    println!("{:?}", probes.blind());
}

#[test]
fn needs_root_needs_bpf_dropped_probes_leave_no_descriptor_behind() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let of_bpf = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        links
            .filter_map(|l| std::fs::read_link(l.unwrap().path()).ok())
            .filter(|target| target.to_string_lossy().contains("bpf"))
            .count()
    };
    let before = of_bpf();
    let Some(probes) = load(&test, Options::default()) else {
        return;
    };
    let page = Page::map(probes.handles()).unwrap();
    let slot = page.take(0).unwrap();
    assert!(of_bpf() > before);
    drop((slot, page, probes));
    assert_eq!(of_bpf(), before);
}

#[test]
fn needs_root_needs_bpf_an_evicted_range_is_a_miss_and_then_a_hit() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((probes, data)) = load(&test, Options::default()).zip(Data::make(&test, 1 << 20))
    else {
        return;
    };
    let page = Page::map(probes.handles()).unwrap();
    let mut slot = page.take(3).unwrap();
    let mut buffer = vec![0u8; 16384];

    slot.announce(1, 65536, 65536 + 16384);
    slot.begin();
    data.read(&mut buffer, 65536);
    assert!(slot.changed());
    let miss = slot.diff();
    println!("miss {miss:?}");
    assert_eq!(miss.get(counter::PAGES_DEMANDED), 4);
    assert!(miss.get(counter::REQUESTS) >= 1);
    assert!(miss.get(counter::REQUEST_BYTES) >= 16384);
    assert!(miss.completed >= 1);

    // Hits leave no trace but for what interrupts do: no page, no request.
    for op in 2..1000 {
        slot.announce(op, 65536, 65536 + 16384);
        slot.begin();
        data.read(&mut buffer, 65536);
        if slot.changed() {
            let hit = slot.diff();
            assert_eq!(hit.get(counter::PAGES_ADDED), 0, "{hit:?}");
            assert_eq!(hit.get(counter::REQUESTS), 0, "{hit:?}");
        }
    }
    assert_eq!(slot.torn(), 0);
}

/// What a change may come from besides pages and requests: interrupts, softirqs, switches,
/// faults.
fn has_another_cause(diff: &Diff) -> bool {
    [
        counter::INTERRUPTS,
        counter::SOFTIRQ_NS,
        counter::SWITCHES_VOLUNTARY,
        counter::SWITCHES_INVOLUNTARY,
        counter::GAPS,
        counter::FAULTS_USER,
        counter::FAULTS_KERNEL,
    ]
    .iter()
    .any(|i| diff.get(*i) > 0)
}

#[test]
fn needs_root_needs_bpf_a_warm_hit_fires_no_probe() {
    const READS: u64 = 100_000;
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((probes, data)) = load(&test, Options::default()).zip(Data::make(&test, 1 << 20))
    else {
        return;
    };
    let page = Page::map(probes.handles()).unwrap();
    on_cpu(cpus()[0], || {
        let mut slot = page.take(0).unwrap();
        let mut buffer = vec![1u8; PAGE as usize];
        let blocks = data.bytes / PAGE;
        (0..blocks).for_each(|i| data.read(&mut buffer, i * PAGE));
        let (mut changed, mut misses, mut unexplained) = (0, 0, Vec::new());
        for op in 0..READS {
            let start = data.scattered(op, PAGE);
            slot.announce(op, start, start + PAGE);
            slot.begin();
            data.read(&mut buffer, start);
            if !slot.changed() {
                continue;
            }
            let diff = slot.diff();
            changed += 1;
            if diff.get(counter::PAGES_ADDED) > 0 {
                misses += 1;
            } else if !has_another_cause(&diff) || diff.get(counter::REQUESTS) > 0 {
                unexplained.push((op, diff));
            }
        }
        println!("{changed} of {READS} warm reads saw a change, {misses} were misses");
        assert!(unexplained.is_empty(), "{unexplained:#?}");
        // Memory pressure may evict a page now and then; the rest is what interrupts do.
        assert!(misses * 1000 <= READS && changed * 20 <= READS);
    });
}

#[test]
fn needs_root_needs_bpf_each_thread_sees_its_own_pages_only() {
    const THREADS: u64 = 4;
    const READS: u64 = 200;
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((probes, data)) = load(&test, Options::default()).zip(Data::make(&test, 32 << 20))
    else {
        return;
    };
    let page = Page::map(probes.handles()).unwrap();
    let cpus = cpus();
    let gate = Barrier::new(THREADS as usize + 1);
    // Each thread reads blocks of its own size in its own part of the file.
    let part = data.bytes / (THREADS + 1);
    let reader = |i: u64, look: &mut dyn FnMut(u64, u64, &mut [u8])| {
        stand_on(cpus[i as usize % cpus.len()]);
        let mut buffer = vec![1u8; (PAGE * (i + 1)) as usize];
        gate.wait();
        for op in 0..READS {
            let start = (i * part).next_multiple_of(PAGE) + op * PAGE * (i + 1);
            look(op, start, &mut buffer);
        }
    };
    let added: Vec<u64> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..THREADS)
            .map(|i| {
                let (page, data, reader) = (&page, &data, &reader);
                s.spawn(move || {
                    let mut slot = page.take(i as u32).unwrap();
                    let mut sum = 0;
                    let mut look = |op, start, buffer: &mut [u8]| {
                        slot.announce(op, start, start + buffer.len() as u64);
                        slot.begin();
                        data.read(buffer, start);
                        let diff = slot.diff();
                        let demanded = diff.get(counter::PAGES_DEMANDED);
                        assert_eq!(demanded, i + 1, "thread {i}, operation {op}: {diff:?}");
                        sum += diff.get(counter::PAGES_ADDED);
                    };
                    reader(i, &mut look);
                    sum
                })
            })
            .collect();
        // One that has no slot reads just as much, and stands in nobody's.
        s.spawn(|| reader(THREADS, &mut |_, start, buffer| data.read(buffer, start)));
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let expected: Vec<u64> = (1..=THREADS).map(|pages| pages * READS).collect();
    assert_eq!(added, expected);
}

fn cold_read(data: &Data) {
    data.evict(0, 0);
    data.read(&mut [0; PAGE as usize], 0);
}

fn armed_page(test: &testkit::Test) -> Option<(Probes, std::sync::Arc<Page>, Data)> {
    let probes = load(test, Options::default())?;
    let page = Page::map(probes.handles()).unwrap();
    Some((probes, page, Data::make(test, 1 << 20)?))
}

#[test]
fn needs_root_needs_bpf_a_slot_is_cleared_when_it_is_taken_again() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((_probes, page, data)) = armed_page(&test) else {
        return;
    };
    let mut first = page.take(5).unwrap();
    first.begin();
    cold_read(&data);
    let added = first.diff().get(counter::PAGES_ADDED);
    assert!(added >= 1);
    // The first reader still shows the slot: its words have gone back to where they began.
    let _second = page.take(5).unwrap();
    assert_eq!(
        first.diff().get(counter::PAGES_ADDED),
        0u64.wrapping_sub(added)
    );
}

#[test]
fn needs_root_needs_bpf_a_thread_that_left_its_slot_is_counted_no_more() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((_probes, page, data)) = armed_page(&test) else {
        return;
    };
    let mut stays = page.take(6).unwrap();
    let leaves = page.take(6).unwrap();
    stays.begin();
    cold_read(&data);
    assert!(stays.diff().get(counter::PAGES_ADDED) >= 1);
    drop(leaves);
    stays.begin();
    cold_read(&data);
    assert!(!stays.changed());
}

#[test]
fn needs_root_needs_bpf_there_are_64_slots_and_a_65th_is_an_error() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((_probes, page, _)) = armed_page(&test) else {
        return;
    };
    assert!(page.take(63).is_ok());
    for slot in [64, u32::MAX] {
        let error = page.take(slot).unwrap_err();
        assert!(matches!(error, LedgerError::NoSlot { slot: s } if s == slot));
        assert!(error.to_string().contains("at most 64"), "{error}");
    }
}
