//! The investigations: each a question, its factors and expectations as data, and the measured
//! code.
//!
//! Knows `record` only: an experiment does not know how it is timed, pinned, counted or probed.
//! The runner drives every experiment through [`Experiment`] and [`Worker`], with one trial loop
//! for all. One door to the kernel: `syslat::oracle` (cachestat(2), mincore(2)).

pub mod error;
pub mod interface;
pub mod subject;
pub mod syslat;

pub use error::ExperimentError;
pub use interface::{Announce, Experiment, Found, Outcome, Pace, Report, Seen, Setup, Worker};
pub use subject::Subject;
