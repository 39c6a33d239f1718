//! The black-box suite for an init: the same stories under procjail and under its peers.
//!
//! procjail has to pass them all. What tini, dumb-init and catatonit do, where they are installed,
//! is printed and kept (`init-suite/…/table.txt` in `CARGO_TARGET_TMPDIR`); what is asserted of them
//! is that the story is one that an init can pass, or one that tells a good init from another.
//!
//! Each story is told twice: of an init that is PID 1 of a PID namespace, which needs root, and of
//! one that is a process like any other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod first_process;
mod lines;
mod ordinary;
mod running;
mod scenarios;
mod setup;
mod subject;
mod sys;
mod table;
mod terminal;
mod verdict;
