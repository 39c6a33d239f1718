//! Limits, and what to write into which file for them. Pure.

use super::Version;

/// What a jail may use; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Memory in bytes, page cache included.
    pub memory_bytes: Option<u64>,
    /// Swap in bytes.
    pub swap_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processor time per time, 1.0 for one processor.
    pub cpus: Option<f64>,
    /// Share of processor time under contention, 1 to 10000; 100 is what everybody has.
    pub cpu_weight: Option<u64>,
    /// Processors it may run on, as in `0-2,4`.
    pub cpuset: Option<String>,
    /// Limits of devices.
    pub io: Vec<IoLimit>,
    /// A cgroup, also without a limit.
    pub cgroup: bool,
    /// The cgroup below which it is made, counted from each hierarchy's root, or a path of the host
    /// that begins where a hierarchy is mounted; `None`: the caller's own, or beside it.
    pub parent: Option<std::path::PathBuf>,
}

/// A limit of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoLimit {
    /// `MAJOR:MINOR`.
    pub device: String,
    /// Bytes read per second.
    pub read_bps: Option<u64>,
    /// Bytes written per second.
    pub write_bps: Option<u64>,
    /// Reads per second.
    pub read_iops: Option<u64>,
    /// Writes per second.
    pub write_iops: Option<u64>,
}

/// One file of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The option that asked for it.
    pub(crate) limit: &'static str,
    pub(crate) file: &'static str,
    pub(crate) value: String,
    /// The kernel rounds, or shows it in another form: what it says is reported, not compared.
    pub(crate) rounded: bool,
}

/// A controller that is needed, and by which option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) controller: &'static str,
    pub(crate) limit: &'static str,
}

/// Period of the cpu quota: the kernel's default (Documentation/admin-guide/cgroup-v2.rst).
const PERIOD_US: u64 = 100_000;

impl Limits {
    /// Is there anything for a cgroup to do?
    #[must_use]
    pub fn wants_cgroup(&self) -> bool {
        self.cgroup || self.parent.is_some() || !self.needs().is_empty()
    }

    /// Controllers that the limits need, by their v2 names.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let need = |controller, limit, wanted: bool| wanted.then_some(Need { controller, limit });
        [
            need("memory", "--memory", self.memory_bytes.is_some()),
            need("memory", "--swap", self.swap_bytes.is_some()),
            need("pids", "--pids", self.pids.is_some()),
            need("cpu", "--cpus", self.cpus.is_some()),
            need("cpu", "--cpu-weight", self.cpu_weight.is_some()),
            need("cpuset", "--cpuset", self.cpuset.is_some()),
            need("io", "--io", !self.io.is_empty()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What to write for a controller, in order.
    pub(crate) fn settings(&self, controller: &str, version: Version) -> Vec<Setting> {
        match (controller, version) {
            ("memory", Version::V2) => self.memory_v2(),
            ("memory", Version::V1) => self.memory_v1(),
            ("pids", _) => one(self.pids, "--pids", "pids.max", |n| n.to_string(), false),
            ("cpu", version) => self.cpu(version),
            ("cpuset", _) => self
                .cpuset
                .iter()
                .map(|list| setting("--cpuset", "cpuset.cpus", list.clone(), true))
                .collect(),
            ("io", Version::V2) => self.io.iter().map(io_v2).collect(),
            ("io", Version::V1) => self.io.iter().flat_map(io_v1).collect(),
            _ => Vec::new(),
        }
    }

    fn memory_v2(&self) -> Vec<Setting> {
        let text = |n: u64| n.to_string();
        let mut all = one(self.memory_bytes, "--memory", "memory.max", text, true);
        all.extend(one(
            self.swap_bytes,
            "--swap",
            "memory.swap.max",
            text,
            true,
        ));
        all
    }

    /// v1 limits memory and memory plus swap; the latter must not be under the former at any time.
    fn memory_v1(&self) -> Vec<Setting> {
        let text = |n: u64| n.to_string();
        let both = self
            .swap_bytes
            .zip(self.memory_bytes)
            .map(|(swap, memory)| swap.saturating_add(memory));
        let mut all = one(
            self.memory_bytes,
            "--memory",
            "memory.limit_in_bytes",
            text,
            true,
        );
        all.extend(one(
            both,
            "--swap",
            "memory.memsw.limit_in_bytes",
            text,
            true,
        ));
        all
    }

    fn cpu(&self, version: Version) -> Vec<Setting> {
        let quota_us = |cpus: f64| (cpus * PERIOD_US as f64).round() as u64;
        match version {
            Version::V2 => {
                let quota = |cpus| format!("{} {PERIOD_US}", quota_us(cpus));
                let mut all = one(self.cpus, "--cpus", "cpu.max", quota, false);
                all.extend(one(
                    self.cpu_weight,
                    "--cpu-weight",
                    "cpu.weight",
                    |w| w.to_string(),
                    true,
                ));
                all
            }
            Version::V1 => {
                // 100 there is 1024 here.
                let shares = |weight: u64| (weight * 1024 / 100).max(2).to_string();
                let period = |_| PERIOD_US.to_string();
                let mut all = one(self.cpus, "--cpus", "cpu.cfs_period_us", period, false);
                all.extend(one(
                    self.cpus,
                    "--cpus",
                    "cpu.cfs_quota_us",
                    |c| quota_us(c).to_string(),
                    false,
                ));
                all.extend(one(
                    self.cpu_weight,
                    "--cpu-weight",
                    "cpu.shares",
                    shares,
                    true,
                ));
                all
            }
        }
    }
}

fn setting(limit: &'static str, file: &'static str, value: String, rounded: bool) -> Setting {
    Setting {
        limit,
        file,
        value,
        rounded,
    }
}

fn one<T>(
    wanted: Option<T>,
    limit: &'static str,
    file: &'static str,
    value: impl Fn(T) -> String,
    rounded: bool,
) -> Vec<Setting> {
    wanted
        .map(|wanted| setting(limit, file, value(wanted), rounded))
        .into_iter()
        .collect()
}

fn io_v2(limit: &IoLimit) -> Setting {
    let part = |name: &str, value: Option<u64>| value.map(|v| format!(" {name}={v}"));
    let parts = [
        part("rbps", limit.read_bps),
        part("wbps", limit.write_bps),
        part("riops", limit.read_iops),
        part("wiops", limit.write_iops),
    ];
    let value = limit.device.clone() + &parts.into_iter().flatten().collect::<String>();
    setting("--io", "io.max", value, true)
}

fn io_v1(limit: &IoLimit) -> Vec<Setting> {
    [
        ("blkio.throttle.read_bps_device", limit.read_bps),
        ("blkio.throttle.write_bps_device", limit.write_bps),
        ("blkio.throttle.read_iops_device", limit.read_iops),
        ("blkio.throttle.write_iops_device", limit.write_iops),
    ]
    .into_iter()
    .filter_map(|(file, value)| Some((file, value?)))
    .map(|(file, value)| setting("--io", file, format!("{} {value}", limit.device), true))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &Limits, controller: &str, version: Version) -> Vec<(&'static str, String)> {
        let pair = |s: Setting| (s.file, s.value);
        limits
            .settings(controller, version)
            .into_iter()
            .map(pair)
            .collect()
    }

    #[test]
    fn both_versions_are_told_the_same_in_their_own_words() {
        let limits = Limits {
            memory_bytes: Some(1 << 20),
            swap_bytes: Some(1 << 10),
            cpus: Some(0.5),
            cpu_weight: Some(200),
            ..Limits::default()
        };
        assert_eq!(
            written(&limits, "memory", Version::V2),
            [
                ("memory.max", "1048576".into()),
                ("memory.swap.max", "1024".into())
            ]
        );
        assert_eq!(
            written(&limits, "memory", Version::V1),
            [
                ("memory.limit_in_bytes", "1048576".into()),
                ("memory.memsw.limit_in_bytes", "1049600".into())
            ]
        );
        assert_eq!(
            written(&limits, "cpu", Version::V2),
            [
                ("cpu.max", "50000 100000".into()),
                ("cpu.weight", "200".into())
            ]
        );
        assert_eq!(
            written(&limits, "cpu", Version::V1),
            [
                ("cpu.cfs_period_us", "100000".into()),
                ("cpu.cfs_quota_us", "50000".into()),
                ("cpu.shares", "2048".into())
            ]
        );
    }

    #[test]
    fn a_device_is_limited_in_one_line_or_in_several_files() {
        let limits = Limits {
            io: vec![IoLimit {
                device: "254:0".into(),
                read_bps: Some(1000),
                write_iops: Some(7),
                ..IoLimit::default()
            }],
            ..Limits::default()
        };
        assert_eq!(
            written(&limits, "io", Version::V2),
            [("io.max", "254:0 rbps=1000 wiops=7".into())]
        );
        assert_eq!(written(&limits, "io", Version::V1).len(), 2);
    }

    #[test]
    fn nothing_asked_is_nothing_needed() {
        assert!(!Limits::default().wants_cgroup());
        let limits = Limits {
            pids: Some(3),
            ..Limits::default()
        };
        assert_eq!(
            limits.needs(),
            [Need {
                controller: "pids",
                limit: "--pids"
            }]
        );
    }
}
