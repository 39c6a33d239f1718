//! The bracketing mode against the ledger page and the caller's own clock, call by call.
//!
//! Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF, and an object in `JAIL_TOOLS_BPF_OBJECT`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::{Data, PAGE, cpus, load, my_turn, now_ns, on_cpu};
use probes::{Options, Page, counter};
use probes_ebpf::Record;

/// One pread64 as its caller saw it.
struct Call {
    from_ns: u64,
    to_ns: u64,
    start: u64,
    bytes: u64,
    demanded: u64,
}

fn options() -> Options {
    Options {
        bracket: Some(libc::SYS_pread64 as u32),
        log: false,
    }
}

const SLOT: u32 = 9;

/// Reads blocks of 4 and 64 KiB, cold and warm, through a slot.
fn reads(page: &Arc<Page>, data: &Data, count: u64) -> Vec<Call> {
    let mut slot = page.take(SLOT).unwrap();
    let mut buffer = vec![1u8; 16 * PAGE as usize];
    let mut calls = Vec::new();
    for op in 0..count {
        let bytes = if op % 3 == 0 { 16 * PAGE } else { PAGE };
        let start = data.scattered(op, 16 * PAGE);
        slot.announce(op, start, start + bytes);
        let from_ns = now_ns();
        slot.begin();
        data.read(&mut buffer[..bytes as usize], start);
        let demanded = slot.diff().get(counter::PAGES_DEMANDED);
        calls.push(Call {
            from_ns,
            to_ns: now_ns(),
            start,
            bytes,
            demanded,
        });
    }
    calls
}

fn agree(op: usize, record: &Record, call: &Call) {
    assert_eq!(
        (record.slot, record.syscall),
        (SLOT, libc::SYS_pread64 as u32)
    );
    assert_eq!(record.result, call.bytes.cast_signed(), "result of {op}");
    assert_eq!(record.args[2], call.bytes, "length of {op}");
    assert_eq!(record.offset, call.start, "offset of {op}");
    let demanded = record.counters[counter::PAGES_DEMANDED];
    assert_eq!(demanded, call.demanded, "pages of {op}");
    assert!(
        record.start_ns >= call.from_ns && record.start_ns + record.latency_ns <= call.to_ns,
        "{op}: [{}, +{}] is not within [{}, {}]",
        record.start_ns,
        record.latency_ns,
        call.from_ns,
        call.to_ns
    );
}

#[test]
fn needs_root_needs_bpf_each_record_agrees_with_its_call_and_with_the_ledger() {
    const READS: u64 = 3000;
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((mut probes, data)) = load(&test, options()).zip(Data::make(&test, 64 << 20)) else {
        return;
    };
    let page = Page::map(probes.handles()).unwrap();
    let before = probes.losses().unwrap();
    let drain = probes.drain().unwrap();
    let tid = std::sync::atomic::AtomicI32::new(0);
    let calls = on_cpu(cpus()[0], || {
        tid.store(
            nix::unistd::gettid().as_raw(),
            std::sync::atomic::Ordering::Relaxed,
        );
        // 64 MiB hold 1024 blocks: each is met about three times, in both sizes.
        reads(&page, &data, READS)
    });
    // A thread without a slot leaves no record.
    data.read(&mut [0; 512], 0);
    let (records, malformed) = drain.finish();
    let after = probes.losses().unwrap();
    assert_eq!(malformed, 0);
    assert_eq!(after.ring_drops - before.ring_drops, 0);
    assert_eq!(after.orphans - before.orphans, 0);
    assert_eq!(after.recorded - before.recorded, READS);
    assert_eq!(records.len() as u64, READS);
    let tid = tid.into_inner().cast_unsigned();
    for (op, (record, call)) in records.iter().zip(&calls).enumerate() {
        assert_eq!(record.tid, tid);
        agree(op, record, call);
    }
    let cold = calls.iter().filter(|c| c.demanded > 0).count();
    println!("{READS} records agree, {cold} of them cold");
    assert!(cold > 900);
}

#[test]
fn needs_root_needs_bpf_the_books_balance_when_the_ring_overflows() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some((mut probes, data)) = load(&test, options()).zip(Data::make(&test, 1 << 20)) else {
        return;
    };
    let page = Page::map(probes.handles()).unwrap();
    // More than fit, each with a header of 8 bytes (BPF_RINGBUF_HDR_SZ of linux/bpf.h).
    let calls = u64::from(probes_ebpf::RING_BYTES) / (size_of::<Record>() as u64 + 8) + 5_000;
    on_cpu(cpus()[0], || {
        let _slot = page.take(0).unwrap();
        let mut buffer = [0; 64];
        (0..calls).for_each(|_| data.read(&mut buffer, 0));
    });
    let totals = probes.losses().unwrap();
    println!("{calls} calls: {totals:?}");
    assert!(totals.ring_drops > 0);
    assert_eq!(totals.recorded + totals.ring_drops, calls);
    assert_eq!(totals.orphans, 0);
    let (records, malformed) = probes.drain().unwrap().finish();
    assert_eq!((records.len() as u64, malformed), (totals.recorded, 0));
}
