//! Constants that the loader sets before the programs are verified.
//!
//! aya-ebpf emits no CO-RE relocations: offsets of kernel structures are resolved from the
//! running kernel's BTF in user space and arrive here. The map they live in is frozen, so the
//! verifier sees them as constants and drops the branches that they rule out.

use aya_ebpf::Global;

/// Wire format of this object: [`probes_ebpf::ABI`].
#[unsafe(no_mangle)]
pub(crate) static ABI: Global<u32> = Global::new(probes_ebpf::ABI);
/// Offset of `index` in `struct folio`.
#[unsafe(no_mangle)]
pub(crate) static FOLIO_INDEX: Global<u32> = Global::new(0);
/// Offset of `flags` in `struct folio`.
#[unsafe(no_mangle)]
pub(crate) static FOLIO_FLAGS: Global<u32> = Global::new(0);
/// Offset of the number of pages in a large folio (`_nr_pages`, `_folio_nr_pages` before 6.14).
#[unsafe(no_mangle)]
pub(crate) static FOLIO_NR_PAGES: Global<u32> = Global::new(0);
/// Bit of `flags` that says that the folio is large (`PG_head`).
#[unsafe(no_mangle)]
pub(crate) static PG_HEAD: Global<u32> = Global::new(0);
/// Log2 of the page size.
#[unsafe(no_mangle)]
pub(crate) static PAGE_SHIFT: Global<u32> = Global::new(12);
/// Offset of `__data_len` in `struct request`.
#[unsafe(no_mangle)]
pub(crate) static REQUEST_DATA_LEN: Global<u32> = Global::new(0);
/// 1 where `block_io_start` exists (6.5): it fires in the submitting thread. Otherwise
/// `block_rq_issue` has to stand in, which may fire in a kworker.
#[unsafe(no_mangle)]
pub(crate) static HAVE_IO_START: Global<u32> = Global::new(0);
/// Arguments of `sched_switch`: 3 before 5.18, then 4 with the previous task's state.
#[unsafe(no_mangle)]
pub(crate) static SWITCH_ARGS: Global<u32> = Global::new(4);
/// Offset of the state in `struct task_struct`, for the kernels whose `sched_switch` has no
/// fourth argument.
#[unsafe(no_mangle)]
pub(crate) static TASK_STATE: Global<u32> = Global::new(0);
/// Offset of `se.cfs_rq` in `struct task_struct`.
#[unsafe(no_mangle)]
pub(crate) static TASK_CFS_RQ: Global<u32> = Global::new(0);
/// Offset of `rq` in `struct cfs_rq`.
#[unsafe(no_mangle)]
pub(crate) static CFS_RQ_RQ: Global<u32> = Global::new(0);
/// From a CPU's `runqueues` to its `steal_time` in the per-CPU section; 0 if steal is not read.
#[unsafe(no_mangle)]
pub(crate) static STEAL_DELTA: Global<u64> = Global::new(0);
/// Offset of `steal` in `struct kvm_steal_time`.
#[unsafe(no_mangle)]
pub(crate) static STEAL_FIELD: Global<u32> = Global::new(0);
/// System call that the bracketing mode records.
#[unsafe(no_mangle)]
pub(crate) static BRACKET_SYSCALL: Global<u32> = Global::new(u32::MAX);
/// Offsets of the first four arguments' registers in `struct pt_regs`.
#[unsafe(no_mangle)]
pub(crate) static REGS_ARG0: Global<u32> = Global::new(0);
/// Second argument.
#[unsafe(no_mangle)]
pub(crate) static REGS_ARG1: Global<u32> = Global::new(0);
/// Third argument.
#[unsafe(no_mangle)]
pub(crate) static REGS_ARG2: Global<u32> = Global::new(0);
/// Fourth argument.
#[unsafe(no_mangle)]
pub(crate) static REGS_ARG3: Global<u32> = Global::new(0);
