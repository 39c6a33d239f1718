//! Every interleaving of small programs, checked by loom, weak memory included.
//!
//! The library's own source files are compiled here once more, against a `sync` made of what
//! loom sees. Not compiled: `sys.rs`, whose place the model of the futex takes.

// What only some of the models use; and modules of a test program that look like a library's.
#![allow(dead_code, private_interfaces, unreachable_pub, unused_imports)]

#[path = "../../src/condvar.rs"]
mod condvar;
#[path = "../../src/condvar_queue.rs"]
mod condvar_queue;
#[path = "../../src/cpus.rs"]
mod cpus;
#[path = "../../src/event_count.rs"]
mod event_count;
#[path = "../../src/faults.rs"]
mod faults;
#[path = "../../src/mutex.rs"]
mod mutex;
#[path = "../../src/queue/mod.rs"]
mod queue;
#[path = "../../src/raw/mod.rs"]
mod raw;

#[path = "../checking/caught.rs"]
mod caught;
#[path = "../checking/child.rs"]
mod child;
#[path = "../checking/clock.rs"]
mod clock;
#[path = "../checking/effort.rs"]
mod effort;
#[path = "../checking/futex.rs"]
mod futex;
#[path = "../models/mod.rs"]
mod models;
#[path = "../checking/sync.rs"]
mod sync;

mod cell;
mod checker;
mod scheduling;
mod words;

mod bounded;
mod catches;
mod locks;
mod textbook;
mod the_futex;
