//! The machine that a run was made on, as observed.

use serde::{Deserialize, Serialize};

use crate::fact::Fact;

/// One logical CPU and its neighbours, by sysfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Number.
    pub cpu: u32,
    /// Physical core.
    pub core: Fact<u32>,
    /// Package (socket).
    pub package: Fact<u32>,
    /// NUMA node.
    pub node: Fact<u32>,
    /// SMT siblings, itself included.
    pub siblings: Fact<Vec<u32>>,
    /// Frequency governor.
    pub governor: Fact<String>,
}

/// One cache, by sysfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Level (1 to 4).
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Line size, bytes.
    pub line_bytes: u32,
    /// CPUs that share it.
    pub shared_by: Vec<u32>,
}

/// How control groups are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupFlavour {
    /// Only v1 hierarchies.
    V1,
    /// v1 hierarchies hold controllers, and a v2 hierarchy is mounted beside them.
    Hybrid,
    /// Only the unified hierarchy.
    V2,
}

/// Where the cpuset controller is, and with which interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpusetMount {
    /// Interface of the hierarchy that holds the controller.
    pub version: CpusetVersion,
    /// Mount point of that hierarchy.
    pub mount_point: String,
}

/// Interface of the cpuset controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpusetVersion {
    /// `cpuset.cpu_exclusive` in a v1 hierarchy.
    V1,
    /// `cpuset.cpus.partition` in the unified hierarchy.
    V2,
}

/// The file under test and what is below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The directory or file that was asked for.
    pub path: String,
    /// Filesystem type (`ext4`, `tmpfs`).
    pub filesystem: Fact<String>,
    /// Mount point.
    pub mount_point: Fact<String>,
    /// Block device (`vda`).
    pub device: Fact<String>,
    /// I/O scheduler in force.
    pub scheduler: Fact<String>,
    /// Does the device say that it rotates?
    pub rotational: Fact<bool>,
    /// Readahead window, KiB.
    pub read_ahead_kib: Fact<u64>,
    /// Logical block size, bytes: the alignment of `O_DIRECT`.
    pub logical_block_bytes: Fact<u64>,
    /// Interrupts of the device and the CPUs that they are delivered to.
    pub interrupts: Fact<Vec<DeviceInterrupt>>,
}

/// One interrupt of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInterrupt {
    /// Number.
    pub irq: u32,
    /// Name in /proc/interrupts.
    pub name: String,
    /// CPUs that it is delivered to (effective affinity).
    pub cpus: Vec<u32>,
}

/// What decides whether the process can come to more privilege, and how far what it has reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privilege {
    /// Capabilities that it may come to, as the hexadecimal mask of /proc/self/status.
    pub bounding: Fact<String>,
    /// Do set-user-ID and file capabilities have no effect (prctl `PR_SET_NO_NEW_PRIVS`)?
    pub no_new_privs: Fact<bool>,
    /// Is it in the initial user namespace, where capabilities reach BPF and perf events?
    pub initial_user_namespace: Fact<bool>,
    /// The program that runs.
    pub executable: Fact<String>,
    /// Is the program on a mount that ignores file capabilities?
    pub executable_nosuid: Fact<bool>,
    /// Mount of tracefs in which it can read the number of a tracepoint.
    pub tracepoint_numbers: Fact<String>,
}

impl Privilege {
    /// All missing for this reason.
    #[must_use]
    pub fn unknown(why: &str) -> Self {
        Self {
            bounding: Fact::unavailable(why),
            no_new_privs: Fact::unavailable(why),
            initial_user_namespace: Fact::unavailable(why),
            executable: Fact::unavailable(why),
            executable_nosuid: Fact::unavailable(why),
            tracepoint_numbers: Fact::unavailable(why),
        }
    }
}

impl Default for Privilege {
    /// Runs of before these facts were recorded.
    fn default() -> Self {
        Self::unknown("could not tell: not recorded by the version that made this run")
    }
}

/// Everything that is known of the host before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// uname release.
    pub kernel_release: Fact<String>,
    /// uname version.
    pub kernel_version: Fact<String>,
    /// uname machine.
    pub architecture: Fact<String>,
    /// /proc/cmdline.
    pub kernel_command_line: Fact<String>,
    /// Model name.
    pub cpu_model: Fact<String>,
    /// Vendor, family, model, stepping, as one line.
    pub cpu_signature: Fact<String>,
    /// Hypervisor's name, or `none`.
    pub hypervisor: Fact<String>,
    /// CPUs on line.
    pub cpus: Vec<Cpu>,
    /// CPUs that this process may use (sched_getaffinity).
    pub allowed_cpus: Fact<Vec<u32>>,
    /// Is SMT active?
    pub smt_active: Fact<bool>,
    /// Caches of CPU 0 and those it doesn't share.
    pub caches: Fact<Vec<Cache>>,
    /// Is boost/turbo on?
    pub turbo: Fact<bool>,
    /// `isolcpus=`.
    pub isolated_cpus: Fact<Vec<u32>>,
    /// `nohz_full=`.
    pub nohz_full_cpus: Fact<Vec<u32>>,
    /// kernel.randomize_va_space.
    pub aslr: Fact<u32>,
    /// Transparent huge pages (`always`, `madvise`, `never`).
    pub thp: Fact<String>,
    /// Clock source in use.
    pub clocksource: Fact<String>,
    /// Steal since boot, all CPUs, clock ticks of /proc/stat.
    pub steal_ticks: Fact<u64>,
    /// cpuidle driver and governor.
    pub idle: Fact<String>,
    /// Value that /dev/cpu_dma_latency is held at, µs.
    pub cpu_dma_latency_us: Fact<i64>,
    /// Flavour of control groups.
    pub cgroups: Fact<CgroupFlavour>,
    /// The cpuset controller, which `--isolate` needs.
    pub cpuset: Fact<CpusetMount>,
    /// Kernel lockdown (`none`, `integrity`, `confidentiality`).
    pub lockdown: Fact<String>,
    /// kernel.perf_event_paranoid.
    pub perf_event_paranoid: Fact<i32>,
    /// kernel.unprivileged_bpf_disabled.
    pub unprivileged_bpf_disabled: Fact<u32>,
    /// PMU devices in /sys/bus/event_source/devices.
    pub pmus: Fact<Vec<String>>,
    /// Kernel BTF in bytes.
    pub btf_bytes: Fact<u64>,
    /// Where tracefs is mounted.
    pub tracefs: Fact<String>,
    /// Effective capabilities, as the hexadecimal mask of /proc/self/status.
    pub capabilities: Fact<String>,
    /// Effective user id.
    pub euid: Fact<u32>,
    /// What more it can come to.
    #[serde(default)]
    pub privilege: Privilege,
    /// RLIMIT_MEMLOCK, bytes (`None`: unlimited).
    pub memlock_bytes: Fact<Option<u64>>,
    /// Scheduler real-time throttling, µs per second that real-time tasks may run (-1: no limit).
    pub rt_runtime_us: Fact<i64>,
    /// Memory, bytes.
    pub memory_bytes: Fact<u64>,
    /// The file under test, if the plan has one.
    pub storage: Option<Storage>,
}

impl HostFacts {
    /// Facts of a host that was not observed: all are missing for this reason, and no CPU is
    /// listed. For runs made elsewhere, and as a base to build on.
    #[must_use]
    pub fn unknown(why: &str) -> Self {
        Self {
            kernel_release: Fact::unavailable(why),
            kernel_version: Fact::unavailable(why),
            architecture: Fact::unavailable(why),
            kernel_command_line: Fact::unavailable(why),
            cpu_model: Fact::unavailable(why),
            cpu_signature: Fact::unavailable(why),
            hypervisor: Fact::unavailable(why),
            cpus: Vec::new(),
            allowed_cpus: Fact::unavailable(why),
            smt_active: Fact::unavailable(why),
            caches: Fact::unavailable(why),
            turbo: Fact::unavailable(why),
            isolated_cpus: Fact::unavailable(why),
            nohz_full_cpus: Fact::unavailable(why),
            aslr: Fact::unavailable(why),
            thp: Fact::unavailable(why),
            clocksource: Fact::unavailable(why),
            steal_ticks: Fact::unavailable(why),
            idle: Fact::unavailable(why),
            cpu_dma_latency_us: Fact::unavailable(why),
            cgroups: Fact::unavailable(why),
            cpuset: Fact::unavailable(why),
            lockdown: Fact::unavailable(why),
            perf_event_paranoid: Fact::unavailable(why),
            unprivileged_bpf_disabled: Fact::unavailable(why),
            pmus: Fact::unavailable(why),
            btf_bytes: Fact::unavailable(why),
            tracefs: Fact::unavailable(why),
            capabilities: Fact::unavailable(why),
            euid: Fact::unavailable(why),
            privilege: Privilege::unknown(why),
            memlock_bytes: Fact::unavailable(why),
            rt_runtime_us: Fact::unavailable(why),
            memory_bytes: Fact::unavailable(why),
            storage: None,
        }
    }
}
