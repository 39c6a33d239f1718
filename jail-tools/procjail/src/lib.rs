//! A jail without container magic: namespaces made by name, limits written to the kernel's own
//! files, a PID 1 that passes on every signal and reaps every orphan, and an end that leaves
//! nothing.
//!
//! It does nothing behind one's back: no network, no images, no overlays, no login, no daemon.
//!
//! ```no_run
//! let blocked = procjail::Blocked::now()?;
//! let mut spec = procjail::Spec::new(vec!["make".into(), "test".into()]);
//! spec.limits.memory_bytes = Some(1 << 30);
//! let report = procjail::run(&spec, &blocked, false, &mut |_event| {})?;
//! assert_eq!(report.exit_code, 0);
//! # Ok::<(), procjail::Error>(())
//! ```

mod blocked;
mod capabilities;
mod cgroup;
mod command;
mod error;
mod facts;
mod files;
mod ids;
mod init;
mod jail;
mod job;
mod keeper;
mod kernel_mounts;
mod landlock;
mod listener;
mod lone_init;
mod mountinfo;
mod owner;
mod page;
mod pid1;
mod prepare;
mod prepared;
mod program;
mod report;
mod rlimits;
mod seccomp;
mod signals;
mod spec;
mod stack;
mod status;
mod step;
mod supervise;
mod sys;

pub use blocked::Blocked;
pub use capabilities::Capabilities;
pub use cgroup::{Account, Error as CgroupError, Found, IoLimit, Limits, Oom, Throttled, collect};
pub use error::Error;
pub use ids::Error as IdsError;
pub use lone_init::{InitOptions, init};
pub use report::{KilledBy, Missing, Report, Sender, StepTime, Times};
pub use rlimits::parse as parse_rlimit;
pub use seccomp::Error as SeccompError;
pub use signals::{NoSignal, Rewrite, Signal, parse_rewrite};
pub use spec::{
    Bind, Environment, Files, Hardening, IdMap, IdMaps, Mode, Protection, Rlimit, Signals, Spec,
    TimeOffsets, Tmpfs, Unshare, User,
};
pub use status::Status;
pub use supervise::{Event, run, run_with_status};
