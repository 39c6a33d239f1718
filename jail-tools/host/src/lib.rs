//! The machine: observe facts → decide → apply guards that restore.
//!
//! Three things in three places. [`observe`] reads and changes nothing. [`decide`] is pure: it
//! turns facts and wishes into a [`Decision`] and is tested without a kernel. What lies under
//! [`apply`] and [`keeper`] is the only code that changes the host, and every change is promised
//! to a *keeper* process before it is made, so that it is undone even if this process is killed.
//!
//! [`distance`] takes the one fact that changes while a run goes on: how far apart two CPUs are.
//! [`remedy`] says which command would show what a run could not see. [`meaning`] says what each fact means for the four investigations, as data.
//!
//! This crate knows `record` and nothing else of ours: not what is measured, nor how.

pub mod apply;
pub mod cpu_list;
pub mod decide;
pub mod distance;
pub mod error;
pub mod keeper;
pub mod meaning;
mod mountinfo;
mod observe;
pub mod remedy;
mod steal;
mod sys;
mod tree;

pub use apply::idle::IdleGuard;
pub use apply::isolate::{Isolation, Unmoved};
pub use apply::pin::{PinReadBack, confine, pin};
pub use decide::{Decision, IdlePolicy, IsolationPlan, Refusal, Wishes, decide};
pub use error::{Error, Result};
pub use keeper::{Keeper, Undo};
pub use meaning::{Doctor, Meaning, Warning, doctor, meaning, warnings};
pub use observe::observe;
pub use steal::steal_ms;
