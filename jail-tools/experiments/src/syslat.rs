//! What does a `pread()` cost, page-cache hit against miss, and which part of it is whose?
//!
//! Factors: size × state × access. *Every* operation of a cold random cell is cold: it reads a
//! range of its own that was evicted and that the oracle confirmed absent just before. `direct`
//! is the control that bypasses the page cache.

mod definition;
mod oracle;
mod ranges;
mod worker;

pub use oracle::{Oracle, OracleKind};
pub use worker::Syslat;
