//! Control groups, whichever versions are there: where (pure), which limits (pure), made, accounted
//! for, and removed.

mod account;
mod gc;
mod layout;
mod limits;
mod made;
mod oom;
mod remove;

pub use account::{Account, Throttled};
pub use gc::{Found, collect};
pub use limits::{IoLimit, Limits};
pub use oom::Oom;

pub(crate) use layout::{Layout, Version};
pub(crate) use made::{Cgroup, Member, Plan, V2Facts, asked_parent, name, plan};
pub(crate) use oom::{KernelLog, OomWatch};
pub(crate) use remove::{Leftover, remove};

use std::path::PathBuf;

/// Why there is no cgroup, or not the limits that were asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No hierarchy has the controller.
    #[error(
        "limit {limit}: no cgroup hierarchy here has the controller `{controller}` (mounted: {mounted})"
    )]
    NoController {
        /// The option.
        limit: &'static str,
        /// The controller.
        controller: &'static str,
        /// What there is.
        mounted: String,
    },
    /// v1 limits memory and swap together, and cannot limit swap alone.
    #[error("limit --swap: cgroup v1 limits memory plus swap: give --memory too")]
    SwapAlone,
    /// A parent outside the hierarchy.
    #[error("--cgroup-parent {}: `..` may lead out of the hierarchy: give the path without it", path.display())]
    BadParent {
        /// What was asked for.
        path: PathBuf,
    },
    /// The kernel does not have this file.
    #[error("limit {limit}: {} is not there: this kernel or boot does not offer it{}", file.display(), note)]
    NoFile {
        /// The option.
        limit: &'static str,
        /// The file.
        file: PathBuf,
        /// More about it.
        note: &'static str,
    },
    /// A file or directory could not be made or written.
    #[error("{what} {}: {source}{}", path.display(), hint)]
    Io {
        /// What was tried.
        what: String,
        /// On what.
        path: PathBuf,
        /// How it failed.
        source: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The kernel took another value.
    #[error("limit {limit}: wrote {wanted} to {}, and it says {got}", file.display())]
    Changed {
        /// The option.
        limit: &'static str,
        /// The file.
        file: PathBuf,
        /// What was written.
        wanted: String,
        /// What stands there.
        got: String,
    },
}

/// Name of the extended attribute that marks what is ours.
pub(crate) const MARK: &std::ffi::CStr = c"user.procjail";
