//! What a software counter shows without the kernel, against getrusage and the thread's own
//! clock: the experiment behind `WithoutKernel`. It needs no privilege.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use perf_event::events::Software;
use perf_event::{Builder, Counter};

/// A counter of the calling thread that leaves the kernel out, as anybody may have it at
/// `kernel.perf_event_paranoid` 2; `None` where even that is refused.
fn counter(event: Software) -> Option<Counter> {
    let mut counter = Builder::new(event).observe_self().build().ok()?;
    counter.enable().unwrap();
    Some(counter)
}

const REFUSED: &str = "perf_event_open is refused here";

fn cpu_ns() -> u64 {
    let t = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned()
}

fn usage() -> Usage {
    getrusage(UsageWho::RUSAGE_THREAD).unwrap()
}

const SLEEPS: u64 = 20;
const PAGE: usize = 4096;

#[test]
fn switches_read_0_without_the_kernel_however_many_there_were() {
    let test = testkit::begin!();
    let Some(mut switches) = counter(Software::CONTEXT_SWITCHES) else {
        return test.skip(REFUSED);
    };
    let before = usage();
    for _ in 0..SLEEPS {
        std::thread::sleep(Duration::from_millis(1));
    }
    let slept = usage().voluntary_context_switches() - before.voluntary_context_switches();
    assert!(slept >= SLEEPS as i64);
    assert_eq!(switches.read().unwrap(), 0, "so it must never be shown");
}

#[test]
fn the_task_clock_is_whole_without_the_kernel() {
    let test = testkit::begin!();
    let Some(mut clock) = counter(Software::TASK_CLOCK) else {
        return test.skip(REFUSED);
    };
    let (from_ns, cpu_from_ns) = (clock.read().unwrap(), cpu_ns());
    // Nearly all of it in the kernel.
    let mut zeroes = File::open("/dev/zero").unwrap();
    let mut buffer = vec![1u8; 1 << 16];
    while cpu_ns() - cpu_from_ns < 20_000_000 {
        zeroes.read_exact(&mut buffer).unwrap();
    }
    let cpu = (cpu_ns() - cpu_from_ns) as f64;
    let counted = (clock.read().unwrap() - from_ns) as f64;
    assert!((0.9..2.0).contains(&(counted / cpu)), "{counted} of {cpu}");
}

#[test]
fn faults_without_the_kernel_are_those_of_user_mode() {
    let test = testkit::begin!();
    let Some(mut faults) = counter(Software::PAGE_FAULTS) else {
        return test.skip(REFUSED);
    };
    // Fresh from the kernel: allocated large and zeroed, so that no page of it is there yet.
    let mut touched = vec![0u8; 1024 * PAGE];
    let mut filled = vec![0u8; 1024 * PAGE];
    let mut zeroes = File::open("/dev/zero").unwrap();
    let before = (faults.read().unwrap(), usage().minor_page_faults());
    for page in filled.chunks_mut(PAGE) {
        zeroes.read_exact(&mut page[..16]).unwrap();
    }
    let in_kernel = (
        faults.read().unwrap() - before.0,
        usage().minor_page_faults() - before.1,
    );
    for page in touched.chunks_mut(PAGE) {
        page[0] = 1;
    }
    let in_user = faults.read().unwrap() - before.0 - in_kernel.0;
    std::hint::black_box((&touched, &filled));
    // Huge pages make it few, but not none.
    assert!(in_kernel.1 > in_kernel.0.cast_signed(), "{in_kernel:?}");
    assert!(in_user > 0);
}
