//! The atomics.

pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
