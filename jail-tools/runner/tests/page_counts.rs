//! Pages that the ledger page counts as demanded against cachestat(2) (before Linux 6.5: mincore(2)),
//! read by read.
//!
//! Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF, and an object in `JAIL_TOOLS_BPF_OBJECT`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use experiments::subject::Provision;
use experiments::syslat::{Oracle, OracleKind};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use probes::{Page, counter};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use support::{load, my_turn};

const PAGE: u64 = 4096;
const FILE_PAGES: u64 = 8192;
const READS: u64 = 4000;

/// A read whose two counts differ.
#[derive(Debug)]
#[allow(dead_code, reason = "printed when the test fails")]
struct Mismatch {
    op: u64,
    first_page: u64,
    pages: u64,
    resident_before: u64,
    demanded: u64,
    added: u64,
    requests: u64,
}

struct Subject {
    file: File,
    oracle: Oracle,
}

impl Subject {
    fn open(provision: &Provision) -> Self {
        let file = provision.subject().reopen(0).unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).unwrap();
        let bytes = FILE_PAGES * PAGE;
        let oracle = Oracle::new(OracleKind::of_this_kernel(), &file, bytes, PAGE).unwrap();
        let subject = Self { file, oracle };
        subject.evict(0, FILE_PAGES);
        subject
    }

    fn evict(&self, first: u64, pages: u64) {
        let [start, bytes] = [first, pages].map(|v| (v * PAGE).cast_signed());
        let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        posix_fadvise(&self.file, start, bytes, advice).unwrap();
    }
}

/// Random reads of 1 and 16 pages at any page, and an eviction of some pages between them: hits,
/// misses and every mixture. Returns the mismatches, and how many pages missed in all.
fn compare(page: &Arc<Page>, provision: &Provision, seed: u64) -> (Vec<Mismatch>, u64) {
    let subject = Subject::open(provision);
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut slot = page.take(0).unwrap();
    let mut buffer = vec![1u8; (16 * PAGE) as usize];
    let (mut mismatches, mut missed) = (Vec::new(), 0);
    for op in 0..READS {
        let pages = if rng.next_u64() % 2 == 0 { 1 } else { 16 };
        let first = rng.random_range(0..FILE_PAGES - 64);
        subject.evict(rng.random_range(0..FILE_PAGES - 64), 32);
        let (start, bytes) = (first * PAGE, pages * PAGE);
        let resident_before = subject.oracle.resident_pages(start, bytes).unwrap();
        slot.announce(op, start, start + bytes);
        slot.begin();
        let read = &mut buffer[..bytes as usize];
        subject.file.read_exact_at(read, start).unwrap();
        let diff = slot.diff();
        let demanded = diff.get(counter::PAGES_DEMANDED);
        missed += demanded;
        if demanded != pages - resident_before {
            mismatches.push(Mismatch {
                op,
                first_page: first,
                pages,
                resident_before,
                demanded,
                added: diff.get(counter::PAGES_ADDED),
                requests: diff.get(counter::REQUESTS),
            });
        }
    }
    assert_eq!(slot.torn(), 0);
    (mismatches, missed)
}

/// Does it on a thread pinned to this CPU, beside so many threads that burn it.
fn beside<T: Send>(cpu: u32, burners: usize, work: impl FnOnce() -> T + Send) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        for _ in 0..burners {
            s.spawn(|| {
                host::pin(cpu).unwrap();
                while !stop.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
            });
        }
        let measured = s.spawn(|| {
            host::pin(cpu).unwrap();
            work()
        });
        let result = measured.join();
        stop.store(true, Ordering::Release);
        result.unwrap()
    })
}

#[test]
fn needs_root_needs_bpf_needs_block_device_page_counts_are_what_the_oracle_says() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let Some(probes) = load(&test) else { return };
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let oracle = OracleKind::of_this_kernel();
    let provision = Provision::make(dir, FILE_PAGES * PAGE, 1).unwrap();
    let page = Page::map(probes.handles()).unwrap();
    let cpus = support::cpus();
    let (mut reads, mut differing) = (0, 0);
    for burners in [0, 1, 2] {
        let cpu = cpus[burners % cpus.len()];
        let (mismatches, missed) = beside(cpu, burners, || {
            compare(&page, &provision, 1 + burners as u64)
        });
        println!(
            "CPU {cpu}, {burners} burners: {} of {READS} reads differ, {missed} pages missed",
            mismatches.len()
        );
        for mismatch in &mismatches {
            println!("  {mismatch:?}");
        }
        assert!(missed > READS, "the reads were not cold");
        assert!(mismatches.len() as u64 * 1000 <= READS);
        differing += mismatches.len() as u64;
        reads += READS;
    }
    let what = format!(
        "{} of {reads} reads agree with {}",
        reads - differing,
        oracle.name()
    );
    test.verified("ledger page against the page cache", &what);
}
