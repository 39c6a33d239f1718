//! What the tests on a real kernel share: the probes, a file to read, CPUs to stand on.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use probes::object_file::ObjectFile;
use probes::{Options, Probes};
use testkit::Test;

/// Bytes of a page-cache page on the machines that the tests know.
pub(crate) const PAGE: u64 = 4096;

/// The object under test, or why there is none.
pub(crate) fn object() -> Result<ObjectFile, &'static str> {
    let path = std::env::var_os("JAIL_TOOLS_BPF_OBJECT")
        .ok_or("JAIL_TOOLS_BPF_OBJECT is not set (cargo xtask test sets it)")?;
    Ok(ObjectFile {
        bytes: std::fs::read(&path).unwrap(),
        origin: path.to_string_lossy().into_owned(),
    })
}

/// The probes, loaded and attached, for a test whose name says that it needs BPF; `None` after a
/// note where there is no object to load.
pub(crate) fn load(test: &Test, options: Options) -> Option<Probes> {
    let object = match object() {
        Ok(object) => object,
        Err(why) => {
            test.skip(why);
            return None;
        }
    };
    Some(Probes::load(&object, options).unwrap())
}

/// Tests of one binary that measure take turns: none is another one's noise.
pub(crate) fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CLOCK_MONOTONIC, ns: the clock of the programs too.
pub(crate) fn now_ns() -> u64 {
    let t = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned()
}

/// CPUs that this process may use.
pub(crate) fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count())
        .filter(|c| allowed.is_set(*c) == Ok(true))
        .collect()
}

/// Pins the calling thread.
pub(crate) fn stand_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// Does it on a thread of its own, pinned, so that the affinity ends with it.
pub(crate) fn on_cpu<T: Send>(cpu: usize, work: impl FnOnce() -> T + Send) -> T {
    let pinned = || {
        stand_on(cpu);
        work()
    };
    std::thread::scope(|s| s.spawn(pinned).join().unwrap())
}

/// Stops a burner, also when the work panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Does it while other threads of this process burn this CPU.
pub(crate) fn beside_burners<T>(cpu: usize, burners: usize, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        for _ in 0..burners {
            s.spawn(|| {
                stand_on(cpu);
                while !stop.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
            });
        }
        let _stop = Stop(&stop);
        work()
    })
}

/// A file on a disk, without a name, read under FADV_RANDOM: each read brings in what it asks
/// for and no more, in small folios that can be evicted again.
#[derive(Debug)]
pub(crate) struct Data {
    /// The file.
    pub(crate) file: File,
    /// Its length.
    pub(crate) bytes: u64,
}

impl Data {
    /// Makes one, evicted; `None` after a note where the build folder's files can't be cold.
    pub(crate) fn make(test: &Test, bytes: u64) -> Option<Self> {
        let dir = env!("CARGO_TARGET_TMPDIR");
        if statfs(dir).unwrap().filesystem_type() == TMPFS_MAGIC {
            test.skip("the build folder is on tmpfs: nothing there can be cold");
            return None;
        }
        let mut file = tempfile::tempfile_in(dir).unwrap();
        let mut word = 1u64;
        let chunk: Vec<u8> = std::iter::repeat_with(|| {
            // Knuth's MMIX generator: neither the filesystem nor the host can compress it.
            word = word
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (word >> 56) as u8
        })
        .take(1 << 20)
        .collect();
        for _ in 0..bytes.div_ceil(chunk.len() as u64) {
            file.write_all(&chunk).unwrap();
        }
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).unwrap();
        let data = Self { file, bytes };
        data.evict(0, 0);
        Some(data)
    }

    /// Evicts a range; length 0 goes to the end.
    pub(crate) fn evict(&self, start: u64, bytes: u64) {
        let [start, bytes] = [start, bytes].map(|v| i64::try_from(v).unwrap());
        let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        posix_fadvise(&self.file, start, bytes, advice).unwrap();
    }

    /// Reads exactly this.
    pub(crate) fn read(&self, buffer: &mut [u8], start: u64) {
        self.file.read_exact_at(buffer, start).unwrap();
    }

    /// Start of the `i`th block of this size in a scattered order that meets each one once:
    /// the number of blocks is a power of two, the factor a prime.
    pub(crate) fn scattered(&self, i: u64, block: u64) -> u64 {
        const PRIME: u64 = 7919;
        let blocks = self.bytes / block;
        assert!(blocks.is_power_of_two());
        i.wrapping_mul(PRIME) % blocks * block
    }
}
