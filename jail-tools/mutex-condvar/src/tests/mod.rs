//! Unit tests, apart from the files that the models compile too.
mod cpus;
mod event_count;
