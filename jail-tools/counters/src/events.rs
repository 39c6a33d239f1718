//! The table of events. A counter is one row.

use perf_event::Builder;
use perf_event::events::x86::{Msr, MsrId};
use perf_event::events::{
    Cache, CacheId, CacheOp, CacheResult, Hardware, Raw, Software, Tracepoint,
};

use crate::coherence;
use crate::cpu_id::CpuId;
use crate::tracefs::Tracefs;

/// What kind of event a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A generic hardware event.
    Hardware(Hardware),
    /// A generic cache event: which, reads, result.
    Cache(CacheId, CacheResult),
    /// A raw event of this processor.
    Raw(u64, u64),
    /// Counted by the kernel in software.
    Software(Software),
    /// Passes of a tracepoint, `group/name`.
    Tracepoint(&'static str, &'static str),
    /// The time-stamp counter, by the msr PMU.
    Tsc,
}

/// Rows that are scheduled onto the hardware together, and read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Cycles, instructions and last-level cache.
    Core,
    /// Branches.
    Branch,
    /// First-level data cache and data TLB.
    Cache,
    /// Cache-line transfers (HITM or the nearest to it).
    Coherence,
    /// Software events.
    Software,
    /// Tracepoints.
    Tracepoint,
    /// Time-stamp counter.
    Clock,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Name in the record.
    pub name: &'static str,
    /// Group.
    pub group: Group,
    /// Kind.
    pub kind: Kind,
    /// What can't be seen without it.
    pub about: &'static str,
}

const fn row(name: &'static str, group: Group, kind: Kind, about: &'static str) -> Event {
    Event {
        name,
        group,
        kind,
        about,
    }
}

/// All events that this tool knows for this processor.
#[must_use]
pub fn table(cpu: Option<&CpuId>) -> Vec<Event> {
    let mut rows = generic_hardware();
    for raw in cpu.map(coherence::events).unwrap_or_default() {
        rows.push(row(
            raw.name,
            Group::Coherence,
            Kind::Raw(raw.config, raw.config1),
            raw.about,
        ));
    }
    rows.extend(by_kernel());
    rows
}

/// Events that the kernel maps to whatever the processor has.
fn generic_hardware() -> Vec<Event> {
    vec![
        row(
            "cycles",
            Group::Core,
            Kind::Hardware(Hardware::CPU_CYCLES),
            "core cycles",
        ),
        row(
            "instructions",
            Group::Core,
            Kind::Hardware(Hardware::INSTRUCTIONS),
            "retired instructions",
        ),
        row(
            "cache-references",
            Group::Core,
            Kind::Hardware(Hardware::CACHE_REFERENCES),
            "last-level cache accesses",
        ),
        row(
            "cache-misses",
            Group::Core,
            Kind::Hardware(Hardware::CACHE_MISSES),
            "last-level cache misses",
        ),
        row(
            "branches",
            Group::Branch,
            Kind::Hardware(Hardware::BRANCH_INSTRUCTIONS),
            "retired branches",
        ),
        row(
            "branch-misses",
            Group::Branch,
            Kind::Hardware(Hardware::BRANCH_MISSES),
            "mispredicted branches",
        ),
        row(
            "l1d-loads",
            Group::Cache,
            Kind::Cache(CacheId::L1D, CacheResult::ACCESS),
            "first-level data loads",
        ),
        row(
            "l1d-load-misses",
            Group::Cache,
            Kind::Cache(CacheId::L1D, CacheResult::MISS),
            "first-level data load misses",
        ),
        row(
            "dtlb-load-misses",
            Group::Cache,
            Kind::Cache(CacheId::DTLB, CacheResult::MISS),
            "data TLB load misses",
        ),
    ]
}

/// Events that the kernel counts itself, and the clock.
fn by_kernel() -> Vec<Event> {
    vec![
        row(
            "task-clock",
            Group::Software,
            Kind::Software(Software::TASK_CLOCK),
            "time on the CPU, ns",
        ),
        row(
            "context-switches",
            Group::Software,
            Kind::Software(Software::CONTEXT_SWITCHES),
            "switches away",
        ),
        row(
            "cpu-migrations",
            Group::Software,
            Kind::Software(Software::CPU_MIGRATIONS),
            "changes of CPU",
        ),
        row(
            "page-faults",
            Group::Software,
            Kind::Software(Software::PAGE_FAULTS),
            "page faults",
        ),
        row(
            "major-faults",
            Group::Software,
            Kind::Software(Software::PAGE_FAULTS_MAJ),
            "page faults that read a device",
        ),
        row(
            "sched:sched_switch",
            Group::Tracepoint,
            Kind::Tracepoint("sched", "sched_switch"),
            "switches away, by tracepoint",
        ),
        row(
            "filemap:mm_filemap_add_to_page_cache",
            Group::Tracepoint,
            Kind::Tracepoint("filemap", "mm_filemap_add_to_page_cache"),
            "folios added to the page cache",
        ),
        row(
            "tsc",
            Group::Clock,
            Kind::Tsc,
            "time-stamp counter ticks while on the CPU",
        ),
    ]
}

/// What is left of an event where the kernel must not be counted: `exclude_kernel`, which is all
/// that `kernel.perf_event_paranoid` at 2 leaves to a user without CAP_PERFMON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithoutKernel {
    /// All of it: the kernel does not look at the exclusion.
    Whole,
    /// What happens in user mode.
    UserPart,
    /// Nothing. The counter opens and reads 0, or does not open; either way there is no figure.
    Nothing(&'static str),
}

impl Event {
    /// What is left of this row without the kernel. By kernel/events/core.c, and as measured in
    /// `tests/without_kernel.rs`: `perf_exclude_event` drops a software event whose registers are
    /// the kernel's, which those of a switch or a migration always are; the task clock is a PMU
    /// of its own (`task_clock_event_update`), which reads the context's time whatever is excluded.
    pub(crate) fn without_kernel(&self) -> WithoutKernel {
        const IN_KERNEL: &str = "happens in the kernel only, which kernel.perf_event_paranoid forbids to count: it \
            would read 0";
        match self.kind {
            Kind::Hardware(_) | Kind::Cache(..) | Kind::Raw(..) => WithoutKernel::UserPart,
            Kind::Software(e) if e == Software::TASK_CLOCK => WithoutKernel::Whole,
            Kind::Software(e) if e == Software::PAGE_FAULTS || e == Software::PAGE_FAULTS_MAJ => {
                WithoutKernel::UserPart
            }
            Kind::Software(_) | Kind::Tracepoint(..) => WithoutKernel::Nothing(IN_KERNEL),
            // `PERF_PMU_CAP_NO_EXCLUDE` in arch/x86/events/msr.c.
            Kind::Tsc => WithoutKernel::Nothing(
                "the msr PMU cannot leave the kernel out, which kernel.perf_event_paranoid forbids to count",
            ),
        }
    }

    /// A builder for this row on the calling thread, kernel included unless `user_only`.
    ///
    /// # Errors
    /// In words: the event does not exist here (a tracepoint without tracefs, no msr PMU), or
    /// nothing is left of it without the kernel.
    pub(crate) fn builder(
        &self,
        tracefs: Result<&Tracefs, &str>,
        user_only: bool,
    ) -> Result<Builder<'static>, String> {
        let mut builder = match self.kind {
            Kind::Hardware(event) => Builder::new(event),
            Kind::Cache(which, result) => Builder::new(Cache {
                which,
                operation: CacheOp::READ,
                result,
            }),
            Kind::Raw(config, config1) => Builder::new(Raw::new(config).config1(config1)),
            Kind::Software(event) => Builder::new(event),
            Kind::Tracepoint(group, name) => {
                let tracefs =
                    tracefs.map_err(|why| format!("tracepoint numbers can't be read: {why}"))?;
                Builder::new(Tracepoint::with_id(tracefs.id(group, name)?))
            }
            Kind::Tsc => {
                let msr = Msr::new(MsrId::TSC)
                    .map_err(|e| format!("/sys/bus/event_source/devices/msr: {e}"))?;
                Builder::new(msr)
            }
        };
        if user_only {
            if let WithoutKernel::Nothing(why) = self.without_kernel() {
                return Err(why.into());
            }
        } else {
            // perf-event2 excludes the kernel by default; a switch or a pread then counts nothing.
            builder.include_kernel().include_hv();
        }
        builder.observe_self();
        Ok(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_groups_stand_together() {
        let rows = table(Some(&CpuId {
            vendor: "GenuineIntel".into(),
            family: 6,
            model: 0x55,
        }));
        for (i, a) in rows.iter().enumerate() {
            assert!(rows[i + 1..].iter().all(|b| b.name != a.name), "{}", a.name);
        }
        assert!(rows.is_sorted_by_key(|r| r.group));
        assert!(rows.iter().any(|r| r.name == "hitm-local-loads"));
    }

    #[test]
    fn what_only_the_kernel_does_is_not_opened_without_it() {
        let left: Vec<_> = by_kernel()
            .iter()
            .map(|r| (r.name, r.without_kernel()))
            .collect();
        let of = |name| left.iter().find(|(n, _)| *n == name).map(|(_, l)| *l);
        assert_eq!(of("task-clock"), Some(WithoutKernel::Whole));
        assert_eq!(of("page-faults"), Some(WithoutKernel::UserPart));
        for name in [
            "context-switches",
            "cpu-migrations",
            "sched:sched_switch",
            "tsc",
        ] {
            assert!(
                matches!(of(name), Some(WithoutKernel::Nothing(_))),
                "{name}"
            );
        }
        for row in by_kernel() {
            let nothing = matches!(row.without_kernel(), WithoutKernel::Nothing(_));
            // Rows that need tracefs or a device fail for that reason, which is as good.
            assert!(
                !nothing || row.builder(Err("a test"), true).is_err(),
                "{}",
                row.name
            );
        }
    }
}
