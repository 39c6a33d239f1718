//! What the observer costs, measured on this machine: the same warm read and the same other
//! system call, bare and under each kind of observation, interleaved in one run.

pub mod peers;
mod target;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use counters::{CpuId, ThreadCounters, tracefs::Tracefs};
use experiments::ExperimentError;
use probes::object_file::ObjectFile;
use probes::{Options, Page, Probes};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use record::overhead::{BARE, Measurement, Medians, Shot, Unavailable};
use serde::Serialize;

use crate::lens::Lens;
use crate::usage::{UsageReader, UsageSight};
use target::Target;

/// What observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Nothing.
    Bare,
    /// The perf counters of the measured thread, as in a trial.
    Counters,
    /// The thread's account, read before and after each operation, as in a trial without a ledger.
    UsageRead,
    /// The ledger's programs attached and a slot taken, but never read.
    LedgerArmed,
    /// The ledger as in a trial: read before and after each operation.
    LedgerRead,
    /// The bracketing mode: a record for each call.
    Bracket,
}

impl Arm {
    /// All of them, the bare one first.
    pub const ALL: [Self; 6] = [
        Self::Bare,
        Self::Counters,
        Self::UsageRead,
        Self::LedgerArmed,
        Self::LedgerRead,
        Self::Bracket,
    ];

    /// Name for a person.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => BARE,
            Self::Counters => "counters armed",
            Self::UsageRead => "getrusage around each read",
            Self::LedgerArmed => "ledger page armed",
            Self::LedgerRead => "ledger page armed and read",
            Self::Bracket => "bracketing armed",
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum OverheadError {
    /// The file.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// Pinning.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The measuring thread panicked.
    #[error("the measuring thread panicked")]
    Panic,
}

/// Measures all arms in each round, in seeded random order, on a thread pinned to `cpu`.
///
/// Ends early, with what it has, once `stop` is set.
///
/// # Errors
/// No file can be made in `dir`, or the CPU cannot be had. An arm that cannot be had is listed.
pub fn measure(
    object: Option<&ObjectFile>,
    dir: &Path,
    cpu: u32,
    rounds: u32,
    seed: u64,
    stop: &AtomicBool,
    progress: &(dyn Fn(u32) + Sync),
) -> Result<Measurement, OverheadError> {
    // A thread of its own, so that the affinity ends with it.
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                host::pin(cpu)?;
                let mut target = Target::new(dir, seed)?;
                let mut rng = Pcg64Mcg::seed_from_u64(seed);
                let mut m = Measurement::default();
                for round in 0..rounds {
                    let mut arms = Arm::ALL;
                    arms.shuffle(&mut rng);
                    for arm in arms {
                        if stop.load(Ordering::Acquire) {
                            return Ok(m);
                        }
                        if m.unavailable.iter().any(|u| u.arm == arm.name()) {
                            continue;
                        }
                        let before = target.bare();
                        let observed = shot(arm, object, &mut target);
                        let after = target.bare();
                        match (before, observed, after) {
                            (Ok(before), Ok(observed), Ok(after)) => m.shots.push(Shot {
                                round,
                                arm: arm.name().into(),
                                against: BARE.into(),
                                observed,
                                base: before.midway(after),
                            }),
                            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => {
                                m.unavailable.push(Unavailable {
                                    arm: arm.name().into(),
                                    why,
                                });
                            }
                        }
                    }
                    progress(round + 1);
                }
                Ok(m)
            })
            .join()
            .unwrap_or(Err(OverheadError::Panic))
    })
}

/// Arms, measures, disarms.
fn shot(arm: Arm, object: Option<&ObjectFile>, target: &mut Target) -> Result<Medians, String> {
    let load = |bracket| {
        let object = object.ok_or("no BPF object")?;
        Probes::load(
            object,
            Options {
                bracket,
                log: false,
            },
        )
        .map_err(|e| e.to_string())
    };
    match arm {
        Arm::Bare => target.bare(),
        Arm::Counters => {
            let tracefs = Tracefs::open();
            let table = counters::table(CpuId::of_this_machine().as_ref());
            let _counters = ThreadCounters::open(&table, tracefs.as_ref().map_err(String::as_str));
            target.bare()
        }
        Arm::UsageRead => {
            let reader = UsageReader::open(&UsageSight::of_this_kernel()?);
            target.measure(&mut Lens::usage(reader))
        }
        Arm::LedgerArmed | Arm::LedgerRead => {
            let probes = load(None)?;
            let page = Page::map(probes.handles()).map_err(|e| e.to_string())?;
            let slot = page.take(0).map_err(|e| e.to_string())?;
            if arm == Arm::LedgerRead {
                target.measure(&mut Lens::ledger(slot))
            } else {
                target.bare()
            }
        }
        Arm::Bracket => {
            let mut probes = load(Some(libc::SYS_pread64 as u32))?;
            let page = Page::map(probes.handles()).map_err(|e| e.to_string())?;
            let _slot = page.take(0).map_err(|e| e.to_string())?;
            let drain = probes.drain()?;
            let result = target.bare();
            let (records, _) = drain.finish();
            if records.is_empty() {
                Err("the bracket recorded nothing".into())
            } else {
                result
            }
        }
    }
}

/// The measured process of the peers' comparison: the same target, by itself.
///
/// # Errors
/// As [`measure`].
pub fn victim(dir: &Path, cpu: u32, seed: u64) -> Result<Medians, String> {
    host::pin(cpu).map_err(|e| e.to_string())?;
    let mut target = Target::new(dir, seed).map_err(|e| e.to_string())?;
    target.bare()
}
