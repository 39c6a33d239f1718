//! What `jail-probe` and the tests that start it share.

pub(crate) mod processes;
pub(crate) mod wire;
