//! Guards that change the host and put it back.
//!
//! A setting that the kernel itself restores when this process dies (affinity of our own threads,
//! a held file descriptor) is a plain guard. Everything else goes through the
//! [keeper](crate::keeper): promised first, changed afterwards.

pub mod idle;
mod irq;
pub mod isolate;
pub mod pin;
pub(crate) mod tasks;
pub(crate) mod write;
