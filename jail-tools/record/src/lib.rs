//! What a run is, and its form on disk.
//!
//! Every other crate meets its neighbours through the types of this one: the plan that is
//! carried out, the facts of the host, one trial with its samples and counter readings, the
//! ledger that cuts an operation's latency into causes, the verdict, and the run directory
//! that holds them all. It measures nothing, judges nothing and knows none of our crates.

pub mod fact;
pub mod grade;
pub mod host_facts;
pub mod ledger;
pub mod manifest;
pub mod overhead;
pub mod plan;
pub mod reading;
pub mod run_dir;
pub mod sample;
pub mod table;
pub mod trial;
pub mod verdict;

pub use fact::Fact;
pub use grade::{Grade, Graded};
pub use host_facts::HostFacts;
pub use ledger::{CAUSES, Cause, Causes};
pub use manifest::Manifest;
pub use plan::{Cell, Definition, Expectation, Factor, Plan, Selector, TrialSpec};
pub use reading::Reading;
pub use run_dir::RunDir;
pub use sample::{Class, Sample};
pub use table::{Column, Table};
pub use trial::{TrialRecord, TrialStatus};
pub use verdict::Verdict;
