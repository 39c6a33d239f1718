//! The rows: each fact with its value in words. What it means stands in [`super::texts`].

use record::host_facts::{Cache, CgroupFlavour, CpusetVersion, Storage};
use record::{Fact, HostFacts};

use super::{Meaning, row};
use crate::cpu_list;

const WHY_NO_CPUS: &str =
    "could not tell: neither /sys/devices/system/cpu nor /proc/stat lists a CPU";

fn text(s: &str) -> String {
    s.to_owned()
}

fn list(cpus: &[u32]) -> String {
    if cpus.is_empty() {
        "none".into()
    } else {
        cpu_list::format(cpus)
    }
}

fn yes_no(on: bool) -> String {
    if on { "yes".into() } else { "no".into() }
}

/// Kernel, CPUs, caches.
pub(super) fn machine(f: &HostFacts) -> Vec<Meaning> {
    let online: Vec<u32> = f.cpus.iter().map(|c| c.cpu).collect();
    let online = if online.is_empty() {
        Fact::unavailable(WHY_NO_CPUS)
    } else {
        Fact::known(online, "/sys/devices/system/cpu")
    };
    vec![
        row("kernel", &f.kernel_release, |v| text(v)),
        row("CPU model", &f.cpu_model, |v| text(v)),
        row("CPU signature", &f.cpu_signature, |v| text(v)),
        row("hypervisor", &f.hypervisor, |v| text(v)),
        row("CPUs on line", &online, |v| list(v)),
        row("CPUs allowed", &f.allowed_cpus, |v| list(v)),
        row("SMT active", &f.smt_active, |v| yes_no(*v)),
        row("caches", &f.caches, |v| caches(v)),
        row("isolcpus", &f.isolated_cpus, |v| list(v)),
        row("nohz_full", &f.nohz_full_cpus, |v| list(v)),
        row("memory", &f.memory_bytes, |b| format!("{} MiB", b >> 20)),
    ]
}

/// Frequency, idle, clock, steal, scheduling.
pub(super) fn time(f: &HostFacts) -> Vec<Meaning> {
    let governor = f
        .cpus
        .first()
        .map_or(Fact::unavailable(WHY_NO_CPUS), |c| c.governor.clone());
    vec![
        row("frequency governor", &governor, |v| text(v)),
        row("turbo", &f.turbo, |v| yes_no(*v)),
        row("idle driver and governor", &f.idle, |v| text(v)),
        row("cpu_dma_latency", &f.cpu_dma_latency_us, |v| latency(*v)),
        row("clock source", &f.clocksource, |v| text(v)),
        row("steal since boot", &f.steal_ticks, |t| format!("{t} ticks")),
        row("real-time runtime", &f.rt_runtime_us, |us| {
            format!("{us} µs of each period")
        }),
        row("ASLR", &f.aslr, u32::to_string),
        row("transparent huge pages", &f.thp, |v| text(v)),
    ]
}

/// The file under test.
pub(super) fn storage(f: &HostFacts) -> Vec<Meaning> {
    let Some(s) = &f.storage else {
        return Vec::new();
    };
    vec![
        row("filesystem", &s.filesystem, |v| text(v)),
        row("block device", &s.device, |v| text(v)),
        row("I/O scheduler", &s.scheduler, |v| text(v)),
        row("rotational", &s.rotational, |v| yes_no(*v)),
        row("readahead", &s.read_ahead_kib, |k| format!("{k} KiB")),
        row("logical block", &s.logical_block_bytes, |b| {
            format!("{b} bytes")
        }),
        row("device interrupts", &s.interrupts, |_| interrupts(s)),
    ]
}

/// What an observer can see.
pub(super) fn eyes(f: &HostFacts) -> Vec<Meaning> {
    vec![
        row("PMUs", &f.pmus, |names| names.join(", ")),
        row(
            "perf_event_paranoid",
            &f.perf_event_paranoid,
            i32::to_string,
        ),
        row(
            "unprivileged BPF disabled",
            &f.unprivileged_bpf_disabled,
            u32::to_string,
        ),
        row("kernel BTF", &f.btf_bytes, |b| format!("{b} bytes")),
        row("tracefs", &f.tracefs, |v| text(v)),
        row("kernel lockdown", &f.lockdown, |v| text(v)),
    ]
}

/// What this process may do.
pub(super) fn powers(f: &HostFacts) -> Vec<Meaning> {
    vec![
        row("effective user", &f.euid, u32::to_string),
        row("capabilities", &f.capabilities, |v| text(v)),
        row("cgroups", &f.cgroups, |c| flavour(*c).into()),
        row("cpuset controller", &f.cpuset, |c| {
            format!("{} at {}", cpuset(c.version), c.mount_point)
        }),
        row("locked memory", &f.memlock_bytes, |b| {
            b.map_or("unlimited".into(), |b| format!("{b} bytes"))
        }),
    ]
}

fn flavour(flavour: CgroupFlavour) -> &'static str {
    match flavour {
        CgroupFlavour::V1 => "v1",
        CgroupFlavour::Hybrid => "hybrid (v1 controllers beside a v2 tree)",
        CgroupFlavour::V2 => "v2",
    }
}

fn cpuset(version: CpusetVersion) -> &'static str {
    match version {
        CpusetVersion::V1 => "v1",
        CpusetVersion::V2 => "v2",
    }
}

fn latency(us: i64) -> String {
    // PM_QOS_CPU_LATENCY_DEFAULT_VALUE, include/linux/pm_qos.h: 2000 s.
    if us == 2_000_000_000 {
        "no request".into()
    } else {
        format!("{us} µs")
    }
}

fn caches(caches: &[Cache]) -> String {
    let one = |c: &Cache| {
        let kind = c
            .kind
            .chars()
            .next()
            .map_or(String::new(), |k| k.to_ascii_lowercase().to_string());
        let kind = if kind == "u" { String::new() } else { kind };
        format!(
            "L{}{kind} {} KiB on CPU {}",
            c.level,
            c.size_bytes >> 10,
            cpu_list::format(&c.shared_by)
        )
    };
    let line = caches
        .first()
        .map_or(String::new(), |c| format!("; {}-byte lines", c.line_bytes));
    caches.iter().map(one).collect::<Vec<_>>().join(", ") + &line
}

fn interrupts(storage: &Storage) -> String {
    let all = storage.interrupts.value().map_or(&[][..], Vec::as_slice);
    let one = |i: &record::host_facts::DeviceInterrupt| {
        format!(
            "{} ({}) on CPU {}",
            i.irq,
            i.name,
            cpu_list::format(&i.cpus)
        )
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}
