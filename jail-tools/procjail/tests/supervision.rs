//! What the supervisor does with signals, and what it says of the end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

#[path = "supervision/events.rs"]
mod events;
#[path = "supervision/grace.rs"]
mod grace;
#[path = "supervision/idle.rs"]
mod idle;
#[path = "supervision/status.rs"]
mod status;
#[path = "supervision/terminal.rs"]
mod terminal;
#[path = "supervision/who.rs"]
mod who;

/// A command that ends only by KILL.
const DEAF: [&str; 3] = [
    "sh",
    "-c",
    "trap '' TERM INT HUP; echo ready; while :; do sleep 1000; done",
];
