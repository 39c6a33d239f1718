//! The models themselves, for either checker.

pub(crate) mod condvar;
pub(crate) mod ends;
pub(crate) mod event_count;
pub(crate) mod futex;
pub(crate) mod mutex;
pub(crate) mod queue;
pub(crate) mod script;
