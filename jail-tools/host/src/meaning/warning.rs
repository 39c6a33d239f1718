//! What harms a measurement on this host. Each warning says what, why, and what to do next.

use record::HostFacts;
use serde::Serialize;

/// A condition of this host that bends what is measured on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Only one CPU can be used.
    OneCpu,
    /// A guest: the host takes time and moves virtual CPUs.
    Guest {
        /// Hypervisor.
        name: String,
    },
    /// No performance-monitoring unit.
    NoPmu,
    /// Boost is on.
    TurboOn,
    /// The governor changes the clock.
    Governor {
        /// Its name.
        name: String,
    },
    /// Huge pages everywhere.
    ThpAlways,
    /// Reading the clock is slow.
    SlowClock {
        /// The clock source.
        name: String,
    },
    /// SMT siblings share cores.
    SmtOn,
    /// The file under test is in memory.
    MemoryFilesystem {
        /// Its type.
        name: String,
    },
    /// Not root, so the host cannot be changed for the run.
    NotRoot,
    /// No BTF: no BTF tracepoints.
    NoBtf,
    /// Tracepoint ids and formats cannot be read.
    NoTracefs,
    /// Addresses are not randomised, so every trial has the same layout.
    AslrOff,
}

/// A warning in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What is the case.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do next.
    pub next: &'static str,
}

/// All warnings for this host. A fact that is missing raises none, except where the absence
/// itself is the harm.
#[must_use]
pub fn warnings(facts: &HostFacts) -> Vec<Warning> {
    let mut found = cpu_warnings(facts);
    found.extend(eye_warnings(facts));
    if facts.thp.value().is_some_and(|t| t == "always") {
        found.push(Warning::ThpAlways);
    }
    if facts.aslr.value() == Some(&0) {
        found.push(Warning::AslrOff);
    }
    let filesystem = facts.storage.as_ref().and_then(|s| s.filesystem.value());
    if let Some(name) = filesystem.filter(|f| matches!(f.as_str(), "tmpfs" | "ramfs" | "rootfs")) {
        found.push(Warning::MemoryFilesystem { name: name.clone() });
    }
    found
}

fn cpu_warnings(facts: &HostFacts) -> Vec<Warning> {
    let mut found = Vec::new();
    if facts.cpus.len() == 1 || facts.allowed_cpus.value().is_some_and(|a| a.len() == 1) {
        found.push(Warning::OneCpu);
    }
    if let Some(name) = facts.hypervisor.value().filter(|h| *h != "none") {
        found.push(Warning::Guest { name: name.clone() });
    }
    if facts.turbo.value() == Some(&true) {
        found.push(Warning::TurboOn);
    }
    let governors = facts.cpus.iter().filter_map(|c| c.governor.value());
    if let Some(name) = governors.into_iter().find(|g| *g != "performance") {
        found.push(Warning::Governor { name: name.clone() });
    }
    if facts.smt_active.value() == Some(&true) {
        found.push(Warning::SmtOn);
    }
    // Arm's counter is as cheap as the TSC.
    let fast = ["tsc", "arch_sys_counter"];
    if let Some(name) = facts
        .clocksource
        .value()
        .filter(|c| !fast.contains(&c.as_str()))
    {
        found.push(Warning::SlowClock { name: name.clone() });
    }
    found
}

fn eye_warnings(facts: &HostFacts) -> Vec<Warning> {
    let mut found = Vec::new();
    if facts
        .pmus
        .value()
        .is_some_and(|names| !names.iter().any(|n| is_core_pmu(n)))
    {
        found.push(Warning::NoPmu);
    }
    if facts.euid.value().is_some_and(|id| *id != 0) {
        found.push(Warning::NotRoot);
    }
    if facts.btf_bytes.why().is_some_and(is_absence) {
        found.push(Warning::NoBtf);
    }
    if facts.tracefs.why().is_some_and(is_absence) {
        found.push(Warning::NoTracefs);
    }
    found
}

fn is_absence(why: &str) -> bool {
    why.starts_with("absent")
}

/// Names of core PMUs in /sys/bus/event_source/devices: `cpu` (x86), `cpu_core` and `cpu_atom`
/// (hybrid Intel), `armv8_pmuv3_0` and its like, `cpum_cf` (s390).
pub(crate) fn is_core_pmu(name: &str) -> bool {
    name == "cpu"
        || ["cpu_", "cpum_cf", "armv7", "armv8", "armv9"]
            .iter()
            .any(|p| name.starts_with(p))
}

impl Warning {
    /// The warning in words.
    #[must_use]
    pub fn advice(&self) -> Advice {
        let (what, why, next) = match self {
            Self::OneCpu => (
                "only one CPU can be used".into(),
                "threads never run at once, and the tool preempts what it measures",
                "use a machine with two CPUs, or widen the affinity (taskset -p)",
            ),
            Self::Guest { name } => (
                format!("a guest of {name}"),
                "the host takes time without saying so and moves virtual CPUs between cores",
                "compare rates with the TSC-spin floor of the report; repeat on bare metal before claiming a tail",
            ),
            Self::NoPmu => (
                "no hardware performance counters".into(),
                "cycles, cache misses and HITM cannot be counted: only time and kernel events are seen",
                "in a VM, ask for a virtual PMU (QEMU: -cpu host,pmu=on); else rely on the ledger",
            ),
            Self::TurboOn => (
                "turbo is on".into(),
                "the clock depends on temperature and on how many cores are busy",
                "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > /sys/devices/system/cpu/cpufreq/boost",
            ),
            Self::Governor { name } => (
                format!("frequency governor {name}"),
                "the clock follows the load, so short sleeps make the next operation slower",
                "cpupower frequency-set -g performance",
            ),
            Self::ThpAlways => (
                "transparent huge pages: always".into(),
                "allocations move and page faults become rare and long",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
            ),
            Self::SlowClock { name } => (
                format!("clock source {name}"),
                "a time stamp may cost a system call, hundreds of nanoseconds, as much as a warm read",
                "see dmesg for why tsc was rejected; boot with tsc=reliable only if you know that it is",
            ),
            Self::SmtOn => (
                "SMT is on".into(),
                "a busy sibling takes half of a core's resources",
                "echo off > /sys/devices/system/cpu/smt/control, or choose CPUs whose siblings are idle",
            ),
            Self::MemoryFilesystem { name } => (
                format!("the file under test is on {name}"),
                "its pages are the file: it cannot be evicted, so there is no cold read",
                "give --dir on a filesystem with a block device",
            ),
            Self::NotRoot => (
                "not root".into(),
                "CPUs cannot be shielded, nor idle states held off; what probes and counters don't see is listed apart",
                "run as root for --isolate and --idle poll",
            ),
            Self::NoBtf => (
                "the kernel has no BTF".into(),
                "BTF tracepoints cannot be loaded: no ledger",
                "use a kernel built with CONFIG_DEBUG_INFO_BTF",
            ),
            Self::NoTracefs => (
                "tracefs is not mounted".into(),
                "tracepoint counters need their ids from it",
                "mount -t tracefs tracefs /sys/kernel/tracing",
            ),
            Self::AslrOff => (
                "address-space randomisation is off".into(),
                "all trials have one layout, so an accident of alignment looks like a property",
                "sysctl kernel.randomize_va_space=2",
            ),
        };
        Advice { what, why, next }
    }
}

#[cfg(test)]
mod tests {
    use record::Fact;

    use super::*;

    #[test]
    fn what_is_not_known_raises_no_warning() {
        assert_eq!(
            warnings(&HostFacts::unknown("could not tell: a test")),
            Vec::new()
        );
    }

    #[test]
    fn an_absence_that_harms_does() {
        let facts = HostFacts::unknown("absent on this machine: a test");
        assert_eq!(warnings(&facts), [Warning::NoBtf, Warning::NoTracefs]);
    }

    #[test]
    fn each_condition_has_its_warning() {
        let mut facts = HostFacts::unknown("could not tell: a test");
        facts.allowed_cpus = Fact::known(vec![3], "test");
        facts.hypervisor = Fact::known("KVM".into(), "test");
        facts.turbo = Fact::known(true, "test");
        facts.smt_active = Fact::known(true, "test");
        facts.clocksource = Fact::known("hpet".into(), "test");
        facts.pmus = Fact::known(vec!["software".into(), "msr".into()], "test");
        facts.euid = Fact::known(1000, "test");
        facts.thp = Fact::known("always".into(), "test");
        facts.aslr = Fact::known(0, "test");
        assert_eq!(
            warnings(&facts),
            [
                Warning::OneCpu,
                Warning::Guest { name: "KVM".into() },
                Warning::TurboOn,
                Warning::SmtOn,
                Warning::SlowClock {
                    name: "hpet".into()
                },
                Warning::NoPmu,
                Warning::NotRoot,
                Warning::ThpAlways,
                Warning::AslrOff,
            ]
        );
    }

    #[test]
    fn a_quiet_bare_machine_has_none() {
        let mut facts = HostFacts::unknown("could not tell: a test");
        facts.hypervisor = Fact::known("none".into(), "test");
        facts.pmus = Fact::known(vec!["cpu".into(), "software".into()], "test");
        facts.clocksource = Fact::known("tsc".into(), "test");
        facts.euid = Fact::known(0, "test");
        assert_eq!(warnings(&facts), Vec::new());
    }

    #[test]
    fn core_pmus_of_other_machines() {
        for name in ["cpu", "cpu_atom", "armv8_pmuv3_0", "cpum_cf"] {
            assert!(is_core_pmu(name), "{name}");
        }
        for name in ["software", "msr", "uncore_imc_0", "cpuset"] {
            assert!(!is_core_pmu(name), "{name}");
        }
    }
}
