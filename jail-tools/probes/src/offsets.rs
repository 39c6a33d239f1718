//! Which constants the programs need from the running kernel, and which programs need which.

use crate::kernel_btf::KernelBtf;

/// Constants for the programs, by the name of their global. `None`: this kernel does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// `folio.index`.
    pub folio_index: Option<u32>,
    /// `folio.flags`.
    pub folio_flags: Option<u32>,
    /// Number of pages of a large folio.
    pub folio_nr_pages: Option<u32>,
    /// Bit `PG_head`.
    pub pg_head: Option<u32>,
    /// `request.__data_len`.
    pub request_data_len: Option<u32>,
    /// Arguments of `sched_switch`.
    pub switch_args: Option<u32>,
    /// `task_struct.__state` (5.14) or `state`.
    pub task_state: Option<u32>,
    /// `task_struct.pid`, `.tgid` and `.comm`: no program needs them, but what stands there is
    /// known otherwise too, so that a wrong layout shows before anything is armed.
    pub task_pid: Option<u32>,
    /// See there.
    pub task_tgid: Option<u32>,
    /// See there.
    pub task_comm: Option<u32>,
    /// `task_struct.se.cfs_rq` (with `CONFIG_FAIR_GROUP_SCHED`).
    pub task_cfs_rq: Option<u32>,
    /// `cfs_rq.rq`.
    pub cfs_rq_rq: Option<u32>,
    /// From `runqueues` to `steal_time` in the per-CPU section, wrapping.
    pub steal_delta: Option<u64>,
    /// `kvm_steal_time.steal`.
    pub steal_field: Option<u32>,
    /// `block_io_start` exists.
    pub have_io_start: bool,
    /// Registers of the first four system-call arguments in `pt_regs`.
    pub regs: Option<[u32; 4]>,
}

/// Argument registers of a system call on this architecture (x86-64: System V, with r10 for rcx;
/// arm64: x0 to x3), as members of `struct pt_regs`.
#[cfg(target_arch = "x86_64")]
const ARGUMENTS: [&str; 4] = ["di", "si", "dx", "r10"];
#[cfg(not(target_arch = "x86_64"))]
const ARGUMENTS: [&str; 0] = [];

impl Offsets {
    /// Looks everything up.
    #[must_use]
    pub fn resolve(btf: &KernelBtf) -> Self {
        let regs: Vec<u32> = ARGUMENTS
            .iter()
            .filter_map(|r| btf.offset("pt_regs", r))
            .collect();
        let steal = btf
            .percpu_offset("steal_time")
            .zip(btf.percpu_offset("runqueues"));
        Self {
            folio_index: btf.offset("folio", "index"),
            folio_flags: btf.offset("folio", "flags"),
            folio_nr_pages: btf
                .offset("folio", "_nr_pages")
                .or_else(|| btf.offset("folio", "_folio_nr_pages")),
            pg_head: btf
                .enumerator("pageflags", "PG_head")
                .and_then(|v| u32::try_from(v).ok()),
            request_data_len: btf.offset("request", "__data_len"),
            switch_args: btf.tracepoint_args("sched_switch"),
            task_state: btf
                .offset("task_struct", "__state")
                .or_else(|| btf.offset("task_struct", "state")),
            task_pid: btf.offset("task_struct", "pid"),
            task_tgid: btf.offset("task_struct", "tgid"),
            task_comm: btf.offset("task_struct", "comm"),
            task_cfs_rq: btf.offset("task_struct", "se.cfs_rq"),
            cfs_rq_rq: btf.offset("cfs_rq", "rq"),
            steal_delta: steal.map(|(steal, rq)| u64::from(steal).wrapping_sub(u64::from(rq))),
            steal_field: btf.offset("kvm_steal_time", "steal"),
            have_io_start: btf.tracepoint_args("block_io_start").is_some(),
            regs: <[u32; 4]>::try_from(regs).ok(),
        }
    }

    /// What the page-cache program cannot do without.
    #[must_use]
    pub fn missing_for_page_cache(&self) -> Option<&'static str> {
        [
            (self.folio_index, "folio.index"),
            (self.folio_flags, "folio.flags"),
            (self.folio_nr_pages, "folio._nr_pages"),
            (self.pg_head, "PG_head"),
        ]
        .into_iter()
        .find_map(|(offset, name)| offset.is_none().then_some(name))
    }
}
