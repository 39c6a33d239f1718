//! Unit tests, apart from the files that the models compile too.

mod auto_traits;
mod cpus;
mod event_count;
mod mutex;
mod node;
mod patience;
