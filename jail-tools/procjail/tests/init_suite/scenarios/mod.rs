//! What an init has to do, each a story that any of them can be put through.

pub(crate) mod early;
pub(crate) mod exit;
pub(crate) mod job_control;
pub(crate) mod processes;
pub(crate) mod signals;
pub(crate) mod start;
