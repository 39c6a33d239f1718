//! From facts and wishes to a decision. Pure: no I/O, so it cannot fail for the machine's sake.

use std::collections::BTreeSet;

use record::HostFacts;
use record::host_facts::{Cpu, CpusetVersion};

use crate::cpu_list;

/// What the user and the plan want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Measured threads of one trial.
    pub threads: u32,
    /// CPUs to measure on (`--cpus`), in the order of the threads; `None`: choose.
    pub cpus: Option<Vec<u32>>,
    /// Shield the measured CPUs (`--isolate`).
    pub isolate: bool,
    /// cpuset directory, relative to the mount, whose tasks are moved away and within which the
    /// shielded set is made. `None`: the root, that is, the whole machine.
    pub isolate_within: Option<String>,
    /// Idle policy (`--idle`).
    pub idle: IdlePolicy,
}

/// What idle CPUs do while measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdlePolicy {
    /// As the host has it.
    AsIs,
    /// Poll: /dev/cpu_dma_latency held at 0, so that no CPU enters an idle state.
    Poll,
}

/// How the measured CPUs are shielded from the rest of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsolationPlan {
    /// Not at all.
    None {
        /// Why not.
        why: String,
    },
    /// An exclusive cpuset for the measured CPUs, and one beside it for everything else.
    CpusetV1 {
        /// Directory in which both are made.
        base: String,
        /// CPUs to shield.
        measured: Vec<u32>,
        /// CPUs for all the rest.
        housekeeping: Vec<u32>,
    },
    /// An isolated partition of the unified hierarchy.
    PartitionV2 {
        /// Directory in which it is made.
        base: String,
        /// CPUs to shield.
        measured: Vec<u32>,
        /// CPUs for all the rest.
        housekeeping: Vec<u32>,
    },
}

/// What is to be done with the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// CPU of each measured thread, in the order of the threads. Repeats CPUs if there are more
    /// threads than CPUs.
    pub measured_cpus: Vec<u32>,
    /// CPUs for everything else. The measured ones, if no other is left.
    pub housekeeping_cpus: Vec<u32>,
    /// How to shield the measured CPUs.
    pub isolate: IsolationPlan,
    /// What to do about idle states.
    pub idle: IdlePolicy,
    /// Why these CPUs, in sentences.
    pub reasons: Vec<String>,
    /// What could not be had, and what that means.
    pub degraded: Vec<String>,
}

/// A wish that this machine cannot fulfil, and that must not be replaced by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `--cpus` names a CPU that is not on line.
    #[error("--cpus: CPU {cpu} is not on line (on line: {online})")]
    Offline {
        /// The CPU.
        cpu: u32,
        /// Those on line, as a list.
        online: String,
    },
    /// `--cpus` names a CPU that this process may not use.
    #[error(
        "--cpus: CPU {cpu} is outside this process's affinity (allowed: {allowed}); start it without taskset, or in another cpuset"
    )]
    NotAllowed {
        /// The CPU.
        cpu: u32,
        /// Those allowed, as a list.
        allowed: String,
    },
    /// `--cpus` names a CPU twice.
    #[error("--cpus: CPU {cpu} is named twice")]
    Twice {
        /// The CPU.
        cpu: u32,
    },
    /// `--cpus` names no CPU.
    #[error("--cpus: the list is empty")]
    Empty,
    /// Nothing is known of any CPU.
    #[error(
        "no CPU is known to be on line and allowed: neither /sys/devices/system/cpu nor /proc/stat could be read"
    )]
    NoCpu,
}

/// Decides where to measure and what to change on the host for it.
///
/// # Errors
/// A CPU that the user asked for and that cannot be used is refused, not replaced.
pub fn decide(facts: &HostFacts, wishes: &Wishes) -> Result<Decision, Refusal> {
    let online: Vec<u32> = facts.cpus.iter().map(|c| c.cpu).collect();
    let usable = usable(facts, &online);
    if usable.is_empty() {
        return Err(Refusal::NoCpu);
    }
    let mut reasons = Vec::new();
    let mut degraded = Vec::new();
    let chosen = match &wishes.cpus {
        Some(asked) => {
            check_asked(asked, &online, &usable)?;
            reasons.push(format!(
                "CPU {} as asked for with --cpus",
                cpu_list::format(asked)
            ));
            asked.clone()
        }
        None => choose(facts, &usable, wishes.threads, &mut reasons),
    };
    let measured_cpus = spread(&chosen, wishes.threads, &mut degraded);
    let housekeeping_cpus = housekeeping(&usable, &measured_cpus, &mut degraded);
    note_interrupts(facts, &measured_cpus, &mut reasons);
    note_siblings(facts, &measured_cpus, &mut degraded);
    let isolate = isolation(facts, wishes, &measured_cpus, &housekeeping_cpus);
    if let (true, IsolationPlan::None { why }) = (wishes.isolate, &isolate) {
        degraded.push(format!(
            "--isolate: {why}; other tasks and interrupts can disturb the measured CPUs"
        ));
    }
    Ok(Decision {
        measured_cpus,
        housekeeping_cpus,
        isolate,
        idle: wishes.idle,
        reasons,
        degraded,
    })
}

/// CPUs that a thread of ours can be pinned to: those in our affinity, and those of `isolcpus=`,
/// which are on line but in nobody's affinity unless asked for.
fn usable(facts: &HostFacts, online: &[u32]) -> Vec<u32> {
    let Some(allowed) = facts.allowed_cpus.value() else {
        return online.to_vec();
    };
    let isolated = facts.isolated_cpus.value().map_or(&[][..], Vec::as_slice);
    online
        .iter()
        .copied()
        .filter(|c| allowed.contains(c) || isolated.contains(c))
        .collect()
}

fn check_asked(asked: &[u32], online: &[u32], usable: &[u32]) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for &cpu in asked {
        if !online.contains(&cpu) {
            return Err(Refusal::Offline {
                cpu,
                online: cpu_list::format(online),
            });
        }
        if !usable.contains(&cpu) {
            return Err(Refusal::NotAllowed {
                cpu,
                allowed: cpu_list::format(usable),
            });
        }
        if !seen.insert(cpu) {
            return Err(Refusal::Twice { cpu });
        }
    }
    if asked.is_empty() {
        Err(Refusal::Empty)
    } else {
        Ok(())
    }
}

/// The last CPUs first: CPU 0 runs more of the kernel's own work (boot-time timers, RCU, default
/// interrupt target), so it is the one to keep for housekeeping. One per core before any SMT
/// sibling, and CPUs of `isolcpus=` before all others.
fn choose(facts: &HostFacts, usable: &[u32], threads: u32, reasons: &mut Vec<String>) -> Vec<u32> {
    let isolated = facts.isolated_cpus.value().map_or(&[][..], Vec::as_slice);
    let mut order: Vec<u32> = usable.to_vec();
    order.sort_by_key(|c| (!isolated.contains(c), std::cmp::Reverse(*c)));
    let (first_of_core, siblings) = split_by_core(facts, &order);
    let chosen: Vec<u32> = first_of_core
        .into_iter()
        .chain(siblings)
        .take(threads.max(1) as usize)
        .collect();
    let list = cpu_list::format(&chosen);
    reasons.push(if chosen.iter().all(|c| isolated.contains(c)) {
        format!(
            "CPU {list}: the kernel was booted with isolcpus={}",
            cpu_list::format(isolated)
        )
    } else {
        format!(
            "CPU {list}: the last that this process may use; lower ones keep the kernel's own work"
        )
    });
    chosen
}

fn split_by_core(facts: &HostFacts, order: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut taken: Vec<u32> = Vec::new();
    order.iter().copied().partition(|&cpu| {
        let siblings = find(facts, cpu).and_then(|c| c.siblings.value());
        let fresh =
            siblings.is_none_or(|s| !s.iter().any(|other| *other != cpu && taken.contains(other)));
        if fresh {
            taken.push(cpu);
        }
        fresh
    })
}

fn find(facts: &HostFacts, cpu: u32) -> Option<&Cpu> {
    facts.cpus.iter().find(|c| c.cpu == cpu)
}

/// One CPU for each thread; threads share CPUs in turn if there are too few.
fn spread(chosen: &[u32], threads: u32, degraded: &mut Vec<String>) -> Vec<u32> {
    let threads = threads.max(1) as usize;
    if chosen.len() < threads {
        degraded.push(format!(
            "{threads} measured threads share {} CPU(s): they cannot all run at once, so contention is understated",
            chosen.len()
        ));
    }
    chosen.iter().copied().cycle().take(threads).collect()
}

fn housekeeping(usable: &[u32], measured: &[u32], degraded: &mut Vec<String>) -> Vec<u32> {
    let rest: Vec<u32> = usable
        .iter()
        .copied()
        .filter(|c| !measured.contains(c))
        .collect();
    if !rest.is_empty() {
        return rest;
    }
    degraded.push(format!(
        "no CPU is left for housekeeping: the tool's own threads run on the measured CPU {} too, and preempt what they measure",
        cpu_list::format(measured)
    ));
    let mut all = measured.to_vec();
    all.sort_unstable();
    all.dedup();
    all
}

/// Where the device's interrupt lands changes a cold read by half, so it is always said.
fn note_interrupts(facts: &HostFacts, measured: &[u32], reasons: &mut Vec<String>) {
    let Some(interrupts) = facts.storage.as_ref().and_then(|s| s.interrupts.value()) else {
        return;
    };
    for interrupt in interrupts.iter().filter(|i| !i.name.ends_with("-config")) {
        let here = interrupt.cpus.iter().any(|c| measured.contains(c));
        let meaning = if here {
            "a measured CPU: completions cost it time, but need no wake-up of another CPU"
        } else {
            "not a measured CPU: completions reach the sleeper through another CPU's wake-up"
        };
        let (name, irq) = (&interrupt.name, interrupt.irq);
        reasons.push(format!(
            "interrupt {irq} ({name}) goes to CPU {}, {meaning}",
            cpu_list::format(&interrupt.cpus)
        ));
    }
}

fn note_siblings(facts: &HostFacts, measured: &[u32], degraded: &mut Vec<String>) {
    for &cpu in measured.iter().collect::<BTreeSet<_>>() {
        let Some(siblings) = find(facts, cpu).and_then(|c| c.siblings.value()) else {
            continue;
        };
        let others: Vec<u32> = siblings
            .iter()
            .copied()
            .filter(|s| *s != cpu && !measured.contains(s))
            .collect();
        if !others.is_empty() {
            degraded.push(format!(
                "CPU {cpu} shares its core with CPU {}, which is not measured: work there slows it down",
                cpu_list::format(&others)
            ));
        }
    }
}

fn isolation(
    facts: &HostFacts,
    wishes: &Wishes,
    measured: &[u32],
    housekeeping: &[u32],
) -> IsolationPlan {
    let none = |why: &str| IsolationPlan::None { why: why.into() };
    if !wishes.isolate {
        return none("not asked for");
    }
    if housekeeping.iter().any(|c| measured.contains(c)) {
        return none("no CPU is left to move the rest of the machine to");
    }
    if facts.euid.value() != Some(&0) {
        return none("needs root, to make a cpuset and to move tasks and interrupts");
    }
    let mount = match &facts.cpuset {
        record::Fact::Known { value, .. } => value,
        record::Fact::Unavailable { why } => return none(&format!("no cpuset controller ({why})")),
    };
    let within = wishes
        .isolate_within
        .as_deref()
        .unwrap_or("")
        .trim_matches('/');
    let base = if within.is_empty() {
        mount.mount_point.clone()
    } else {
        format!("{}/{within}", mount.mount_point)
    };
    let mut measured = measured.to_vec();
    measured.sort_unstable();
    measured.dedup();
    let housekeeping = housekeeping.to_vec();
    match mount.version {
        CpusetVersion::V1 => IsolationPlan::CpusetV1 {
            base,
            measured,
            housekeeping,
        },
        CpusetVersion::V2 => IsolationPlan::PartitionV2 {
            base,
            measured,
            housekeeping,
        },
    }
}

#[cfg(test)]
mod tests;
