//! After the clone nothing is allocated: in the jail's processes and in the keeper the allocator
//! may have been copied with its locks taken.
//!
//! The allocator of this whole program ends every process that is not the one which armed it.
#![allow(unsafe_code, reason = "an allocator is unsafe to be one")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use procjail::{Blocked, Mode, Spec};

/// The process that may allocate; 0: any.
static ARMED_BY: AtomicI32 = AtomicI32::new(0);

/// Exit code of a process that allocated.
const CAUGHT: i32 = 99;

struct Watched;

fn look() {
    let armed_by = ARMED_BY.load(Relaxed);
    // The C library keeps no copy: each call asks the kernel, in a clone too.
    if armed_by != 0 && nix::unistd::getpid().as_raw() != armed_by {
        // SAFETY: takes a number and does not return.
        unsafe { libc::_exit(CAUGHT) }
    }
}

#[global_allocator]
static WATCHED: Watched = Watched;

// SAFETY: everything is passed on to the system's allocator, whose promises these are.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        look();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        look();
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Restores "any" when dropped.
struct Armed;

impl Armed {
    fn now() -> Self {
        ARMED_BY.store(std::process::id().cast_signed(), Relaxed);
        Self
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        ARMED_BY.store(0, Relaxed);
    }
}

#[test]
fn the_watched_allocator_notices_in_a_clone() {
    let _armed = Armed::now();
    let quiet = story::door::in_a_fork(|| 7).unwrap();
    let loud = story::door::in_a_fork(|| {
        drop(std::hint::black_box(Box::new(7)));
        7
    });
    assert_eq!((quiet, loud.unwrap()), (7, CAUGHT));
}

#[test]
fn needs_root_nothing_is_allocated_after_the_clone() {
    let _test = testkit::begin!();
    let cgroup = story::refused(&["--cgroup"]).is_none();
    let blocked = Blocked::now().unwrap();
    for mode in [Mode::Init { group: false }, Mode::AsPid1] {
        // Orphans and a signal, so that PID 1 has done all that it does.
        let words = "(sleep 0.01 &); (true &); trap : USR1; kill -USR1 1; sleep 0.05; exit 7";
        let mut spec = Spec::new(["sh", "-c", words].map(Into::into).to_vec());
        spec.mode = mode;
        spec.limits.cgroup = cgroup;
        spec.files.hostname = Some("quiet".into());
        let report = {
            let _armed = Armed::now();
            procjail::run(&spec, &blocked, true, &mut |_event| {})
        };
        // A process that allocated would have ended with another code.
        assert_eq!(report.unwrap().exit_code, 7, "{mode:?}");
    }
}
