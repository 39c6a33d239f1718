//! The BPF side as user space sees it: kernel BTF, loading and attaching, the ledger pages, and
//! the bracketing mode's ring.
//!
//! Knows `record` and the wire format (`probes-ebpf`). Knows nothing of experiments or trials.
//! Two doors to the kernel: [`ledger`] (the mapped pages) and [`register`] (one bpf(2) command).

mod books;
pub mod bracket;
pub mod catalogue;
mod constants;
pub mod kernel_btf;
pub mod kinds;
pub mod layout;
pub mod ledger;
pub mod load;
pub mod object_file;
pub mod offsets;
pub mod register;
pub mod steal;

pub use books::Diff;
pub use ledger::{Handles, Page, SlotReader};
pub use load::{LoadError, Options, Probes};
pub use probes_ebpf::counter;
