//! What a run without probes may say: what the kernel's accounting of a thread tells, and nothing
//! that only probes can see.

use record::ledger::{
    BLOCKED, DEVICE, GAP, HARDIRQ, INFLIGHT, IPI, IRQ_EXIT, PREEMPTED, RUNQUEUE, SOFTIRQ, STEAL,
    TIMER, WAKEUP,
};
use record::manifest::Manifest;
use record::{CAUSES, Class, Grade, Sample};

/// Parts of the ledger that only probes can see.
pub(crate) const OF_PROBES: [usize; 9] = [
    WAKEUP, HARDIRQ, TIMER, IPI, SOFTIRQ, STEAL, GAP, IRQ_EXIT, INFLIGHT,
];

/// Parts that are inferred where there is no probe.
pub(crate) const OF_THE_ACCOUNT: [usize; 4] = [DEVICE, BLOCKED, RUNQUEUE, PREEMPTED];

/// Columns of `samples`, besides parts of the ledger, that only probes can fill.
pub(crate) const COLUMNS_OF_PROBES: [&str; 8] = [
    "pages_missed",
    "pages_readahead",
    "requests",
    "request_ns",
    "interrupts",
    "migrations",
    "gaps",
    "steal_late_ns",
];

/// Columns that the account fills too.
pub(crate) const COLUMNS_OF_THE_ACCOUNT: [&str; 4] = [
    "request_bytes",
    "switches_voluntary",
    "switches_involuntary",
    "faults",
];

/// Nothing that only probes can see has a figure, and what has one says that it was inferred.
pub(crate) fn is_blind(manifest: &Manifest, samples: &[Sample]) {
    assert!(manifest.bpf_object.is_none() && manifest.probes.is_empty());
    for s in samples {
        assert_eq!(s.class, Class::Unknown);
        assert!(s.pages_missed.is_none() && s.pages_readahead.is_none());
        assert!(s.requests.is_none() && s.request_ns.is_none() && s.interrupts.is_none());
        assert!(s.migrations.is_none() && s.gaps.is_none() && s.steal_late_ns.is_none());
        for part in OF_PROBES {
            assert_eq!(s.causes.0[part], None, "{}: {s:?}", CAUSES[part].label);
        }
    }
    the_account_is_named(manifest, samples);
}

/// Each part that any operation has is one that the manifest says how it was inferred.
fn the_account_is_named(manifest: &Manifest, samples: &[Sample]) {
    let usage = manifest.usage.as_ref().unwrap();
    assert!(usage.read[0].contains("getrusage"), "{usage:?}");
    for part in OF_THE_ACCOUNT {
        let grade = usage.of(CAUSES[part].column).unwrap();
        let figures = samples.iter().any(|s| s.causes.0[part].is_some());
        match grade {
            Grade::Inferred { how } => assert!(how.starts_with("getrusage"), "{how}"),
            grade => assert!(!figures, "{}: {grade}", CAUSES[part].label),
        }
    }
    // Of a thread the kernel counts these for everybody.
    assert!(samples.iter().all(|s| s.switches_voluntary.is_some()));
    let still = |s: &&Sample| s.switches_voluntary == Some(0) && s.switches_involuntary == Some(0);
    for s in samples.iter().filter(still) {
        for part in OF_THE_ACCOUNT {
            assert_eq!(s.causes.0[part], Some(0), "it never left the CPU: {s:?}");
        }
    }
}
