//! Two witnesses of the same operations: the ledger page, which counts, and the kernel's account
//! of the thread, from which causes are inferred where there is no page.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::Duration;

use probes::{Diff, Page, counter};
use record::ledger::{BLOCKED, DEVICE, RUNQUEUE};
use runner::infer::infer;
use runner::usage::{UsageDiff, UsageReader, UsageSight};

const OPS: u64 = 200;
const READ_BYTES: usize = 4096;

/// What both saw of one operation.
struct Both {
    page: Diff,
    account: UsageDiff,
}

fn watch(mut operate: impl FnMut(u64), probes: &probes::Probes) -> Vec<Both> {
    let page = Page::map(probes.handles()).unwrap();
    let mut slot = page.take(0).unwrap();
    let mut reader = UsageReader::open(&UsageSight::of_this_kernel());
    (0..OPS)
        .map(|op| {
            slot.announce(op, 0, u64::MAX);
            reader.begin();
            slot.begin();
            operate(op);
            let page = slot.diff();
            let account = reader.end();
            Both { page, account }
        })
        .collect()
}

fn sum(both: &[Both], of: impl Fn(&Both) -> u64) -> u64 {
    both.iter().map(of).sum()
}

/// By the page: device, blocked, wake-up and run queue, ns.
fn away_by_page(b: &Both) -> u64 {
    [
        counter::DEVICE_NS,
        counter::BLOCKED_NS,
        counter::WAKEUP_NS,
        counter::RUNQUEUE_NS,
    ]
    .iter()
    .map(|c| b.page.get(*c))
    .sum()
}

fn inferred(b: &Both, parts: &[usize]) -> u64 {
    let causes = infer(&b.account, 0, b.account.wall_ns.cast_signed());
    let sum: i64 = parts.iter().filter_map(|p| causes.0[*p]).sum();
    sum.cast_unsigned()
}

/// Both count the same switches, and put about the same time off the CPU.
fn agree(both: &[Both]) {
    let slept = sum(both, |b| b.page.get(counter::SWITCHES_VOLUNTARY));
    assert_eq!(slept, sum(both, |b| b.account.switches_voluntary));
    assert!(slept > 0);
    let page = sum(both, away_by_page) as f64;
    let account = sum(both, |b| inferred(b, &[DEVICE, BLOCKED, RUNQUEUE])) as f64;
    let ratio = account / page;
    println!("off the CPU: {page} ns by page, {account} ns inferred, {ratio:.3}");
    // On a quiet machine 0.96: of a wake-up that preempts at once the account has no wait to run
    // (see `runner::infer`). Stolen time, in which its clock stands still, pulls the other way.
    assert!((0.6..1.5).contains(&ratio), "{ratio}");
    let queued = sum(both, |b| b.page.get(counter::RUNQUEUE_NS)) as f64;
    let delay = sum(both, |b| inferred(b, &[RUNQUEUE])) as f64;
    println!("run queue: {queued} ns by page, {delay} ns inferred");
    assert!(delay <= page, "the least that it can have been");
}

#[test]
fn needs_bpf_sleep_is_blocked_by_both() {
    let test = testkit::begin!();
    let _turn = support::my_turn();
    let Some(probes) = support::load(&test) else {
        return;
    };
    let both = watch(|_| std::thread::sleep(Duration::from_micros(200)), &probes);
    agree(&both);
    assert_eq!(sum(&both, |b| inferred(b, &[DEVICE])), 0);
}

#[test]
fn needs_bpf_direct_reads_wait_for_the_device_by_both() {
    let test = testkit::begin!();
    let _turn = support::my_turn();
    let Some(probes) = support::load(&test) else {
        return;
    };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("data");
    let mut file = File::create(&path).unwrap();
    file.write_all(&vec![7; READ_BYTES * OPS as usize]).unwrap();
    file.sync_all().unwrap();
    let direct = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path);
    let Ok(direct) = direct else {
        return test.skip("no O_DIRECT here");
    };
    let mut room = vec![0u8; READ_BYTES * 2];
    let aligned = room.as_ptr().align_offset(READ_BYTES);
    let buffer = &mut room[aligned..aligned + READ_BYTES];
    let both = watch(
        |op| {
            direct
                .read_exact_at(buffer, op * READ_BYTES as u64)
                .unwrap();
        },
        &probes,
    );
    agree(&both);
    let device = sum(&both, |b| inferred(b, &[DEVICE])) as f64;
    let page = sum(&both, |b| {
        b.page.get(counter::DEVICE_NS) + b.page.get(counter::WAKEUP_NS)
    }) as f64;
    println!("device: {page} ns by page with its wake-up, {device} ns inferred");
    assert!(
        (0.6..1.5).contains(&(device / page)),
        "{device} against {page}"
    );
    for b in &both {
        assert_eq!(b.account.input_blocks, Some(READ_BYTES as u64 / 512));
    }
}
