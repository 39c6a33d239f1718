//! A file per verb.

pub(crate) mod bench;
pub(crate) mod build_ebpf;
pub(crate) mod ci;
pub(crate) mod jail;
pub(crate) mod kernels;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod test;
pub(crate) mod vm;
pub(crate) mod vm_self_check;
