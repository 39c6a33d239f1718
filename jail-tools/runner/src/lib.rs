//! Schedule, gate, trial: how a plan is carried out, the same way for every experiment.
//!
//! Each trial runs in a fresh child process of the same binary. The parent loads the probes once
//! and the child inherits their descriptors; conditions are set on the child alone; a crash costs
//! one trial. Knows all that a trial needs (`record`, `host`, `counters`, `probes`,
//! `experiments`) and nothing of the analysis: they meet in the run directory.

pub mod child;
pub mod clock;
pub mod close;
pub mod floor;
pub mod gate;
pub mod infer;
pub mod lens;
pub mod overhead;
pub mod registry;
pub mod run;
pub mod sampler;
pub mod sched_class;
pub mod schedule;
pub mod self_model;
pub mod spawn;
pub mod trial;
pub mod usage;
pub mod wire;

pub use run::{Finished, Rig, run_plan};
pub use schedule::{PlanError, Request, plan};
