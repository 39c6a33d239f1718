//! The rooms of `cargo xtask vm`: which kernels, which tests, the disk and the initramfs, the
//! guest's run, and what came of it.

pub(crate) mod deb;
pub(crate) mod disk;
pub(crate) mod emulator;
pub(crate) mod guest_run;
pub(crate) mod initramfs;
pub(crate) mod kernels;
pub(crate) mod machine;
pub(crate) mod modules;
pub(crate) mod needed;
pub(crate) mod outcome;
pub(crate) mod prepared;
pub(crate) mod programs;
pub(crate) mod results;
pub(crate) mod selection;
