//! What this machine has. Asked of the kernel, never of the tool under test, which would hide its
//! own failure. Each says why not, or nothing.

use std::fs;
use std::path::Path;

use aya::programs::ProgramType;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::unistd::Pid;

/// OVERLAYFS_SUPER_MAGIC of linux/magic.h: its files are another filesystem's.
const OVERLAYFS_MAGIC: FsType = FsType(0x794c_7630);

/// Why a test that needs root cannot run here.
#[must_use]
pub fn no_root() -> Option<String> {
    (!nix::unistd::geteuid().is_root()).then(|| "needs root".into())
}

/// Why a test that needs BPF programs cannot run here.
#[must_use]
pub fn no_bpf() -> Option<String> {
    if let Some(why) = no_root() {
        return Some(why);
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Some("this kernel has no BTF in /sys/kernel/btf/vmlinux".into());
    }
    match aya::sys::is_program_supported(ProgramType::RawTracePoint) {
        Ok(true) => None,
        Ok(false) => Some("this kernel takes no BPF program".into()),
        Err(e) => Some(format!("this kernel takes no BPF program: {e}")),
    }
}

/// Why a test that needs these programs cannot run here.
#[must_use]
pub fn no_program(names: &[&str]) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|d| d.join(name).is_file());
    let missing = names.iter().find(|n| !is_there(n))?;
    Some(format!("needs {missing}, which is not installed"))
}

pub(crate) fn no_cgroup_v2() -> Option<String> {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    match controllers {
        Ok(list) => ["cpuset", "memory"]
            .iter()
            .find(|wanted| !list.split_whitespace().any(|c| c == **wanted))
            .map(|missing| format!("the unified hierarchy has no {missing} controller here")),
        Err(_) => Some("/sys/fs/cgroup is not the unified hierarchy (v1 or hybrid cgroups)".into()),
    }
}

pub(crate) fn no_cpuset_v1() -> Option<String> {
    (!Path::new("/sys/fs/cgroup/cpuset/cpuset.cpus").exists())
        .then(|| "no v1 cpuset hierarchy in /sys/fs/cgroup/cpuset".into())
}

/// Tests make their files in `CARGO_TARGET_TMPDIR`, which is below the folder of their program.
pub(crate) fn no_block_device() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let kind = match statfs(folder) {
        Ok(found) => found.filesystem_type(),
        Err(e) => return Some(format!("statfs of {}: {e}", folder.display())),
    };
    let named = [(TMPFS_MAGIC, "tmpfs"), (OVERLAYFS_MAGIC, "overlayfs")];
    let name = named.iter().find(|(magic, _)| *magic == kind)?.1;
    Some(format!(
        "the build folder is on {name}: nothing there can be cold"
    ))
}

pub(crate) fn no_two_cpus() -> Option<String> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let count = (0..CpuSet::count())
        .filter(|c| allowed.is_set(*c) == Ok(true))
        .count();
    (count < 2).then(|| "needs two CPUs".into())
}

pub(crate) fn no_cpu_dma_latency() -> Option<String> {
    let path = "/dev/cpu_dma_latency";
    fs::File::open(path)
        .err()
        .map(|e| format!("needs {path}: {e}"))
}

/// A PMU registers itself as a device of this name (or, on hybrid processors, two).
pub(crate) fn no_pmu() -> Option<String> {
    let names = ["cpu", "cpu_core", "cpu_atom", "armv8_pmuv3_0"];
    let dir = Path::new("/sys/bus/event_source/devices");
    (!names.iter().any(|n| dir.join(n).exists())).then(|| "this machine shows no PMU".into())
}

/// `cargo xtask vm` says so to its tests.
pub(crate) fn is_guest() -> bool {
    std::env::var_os("JAIL_TOOLS_GUEST").is_some()
}

pub(crate) fn no_guest() -> Option<String> {
    (!is_guest()).then(|| "changes the whole machine: only in a guest of `cargo xtask vm`".into())
}

/// `--long` sets the variable.
pub(crate) fn no_time() -> Option<String> {
    let hurried = is_guest() && std::env::var_os("JAIL_TOOLS_LONG_TESTS").is_none();
    hurried.then(|| "takes minutes on an emulated machine: `--long` runs it".into())
}
