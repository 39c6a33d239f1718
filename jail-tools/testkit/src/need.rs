//! What a test's name says that it needs.

use crate::machine;

/// One thing that a test needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// User id 0.
    Root,
    /// The kernel takes BPF programs from us, and has BTF.
    Bpf,
    /// The unified hierarchy alone, with controllers of its own.
    CgroupV2,
    /// A v1 hierarchy with the cpuset controller.
    CpusetV1,
    /// The build folder is on a filesystem of a block device: what is there can be cold.
    BlockDevice,
    /// Two CPUs that we may use.
    TwoCpus,
    /// /dev/cpu_dma_latency.
    CpuDmaLatency,
    /// Hardware counters.
    Pmu,
    /// A machine of its own: it changes settings of the whole machine.
    Guest,
    /// Minutes on an emulated machine: there it runs only when long tests are asked for.
    Time,
}

/// Every mark as it stands in a name.
const MARKS: [(&str, Need); 10] = [
    ("needs_root", Need::Root),
    ("needs_bpf", Need::Bpf),
    ("needs_cgroup_v2", Need::CgroupV2),
    ("needs_cpuset_v1", Need::CpusetV1),
    ("needs_block_device", Need::BlockDevice),
    ("needs_two_cpus", Need::TwoCpus),
    ("needs_cpu_dma_latency", Need::CpuDmaLatency),
    ("needs_pmu", Need::Pmu),
    ("needs_guest", Need::Guest),
    ("needs_time", Need::Time),
];

/// The marks at the beginning of a test's name, its modules left out.
///
/// # Errors
/// What follows `needs_` and is no mark.
pub fn needs_of(test: &str) -> Result<Vec<Need>, String> {
    let mut rest = test.rsplit("::").next().unwrap_or(test);
    let mut needs = Vec::new();
    while rest.starts_with("needs_") {
        let mark = MARKS.iter().find(|(mark, _)| {
            rest.strip_prefix(mark)
                .is_some_and(|after| after.is_empty() || after.starts_with('_'))
        });
        let Some((mark, need)) = mark else {
            return Err(rest.to_owned());
        };
        needs.push(*need);
        rest = rest[mark.len()..].trim_start_matches('_');
    }
    Ok(needs)
}

impl Need {
    /// Is this a guest that was made to have it?
    pub(crate) fn must_be_met_here(self) -> bool {
        let promised = matches!(
            self,
            Self::Root | Self::Bpf | Self::CgroupV2 | Self::BlockDevice | Self::TwoCpus
        );
        promised && machine::is_guest()
    }

    /// Why this machine does not have it, if it doesn't.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Root => machine::no_root(),
            Self::Bpf => machine::no_bpf(),
            Self::CgroupV2 => machine::no_cgroup_v2(),
            Self::CpusetV1 => machine::no_cpuset_v1(),
            Self::BlockDevice => machine::no_block_device(),
            Self::TwoCpus => machine::no_two_cpus(),
            Self::CpuDmaLatency => machine::no_cpu_dma_latency(),
            Self::Pmu => machine::no_pmu(),
            Self::Guest => machine::no_guest(),
            Self::Time => machine::no_time(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_in_their_order_and_modules_are_none() {
        let cases: [(&str, Result<Vec<Need>, &str>); 6] = [
            ("it_adds_up", Ok(vec![])),
            ("needs::it_adds_up", Ok(vec![])),
            (
                "m::needs_root_needs_bpf_it_fires",
                Ok(vec![Need::Root, Need::Bpf]),
            ),
            ("needs_cgroup_v2", Ok(vec![Need::CgroupV2])),
            ("needs_rootless_mode", Err("needs_rootless_mode")),
            ("needs_root_needs_luck_x", Err("needs_luck_x")),
        ];
        for (name, expected) in cases {
            assert_eq!(needs_of(name), expected.map_err(str::to_owned), "{name}");
        }
    }
}
