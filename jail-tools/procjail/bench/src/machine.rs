//! On what it was measured, and what disturbed it.

use std::collections::BTreeMap;
use std::fs::read_to_string;

use anyhow::Result;
use host::distance::{allowed_cpus, ends};
use serde::Serialize;

use crate::subject::Tool;
use crate::taken::Taken;
use crate::tools::{Found, Toolbox};

/// More than this share of the CPUs' time is worth a warning.
const STEAL_MAX: f64 = 0.01;

/// More running processes than this, on average over the last minute, are worth one.
const LOAD_MAX: f64 = 0.5;

/// Facts, and what was at the start of the run.
pub(crate) struct Watch {
    load_before: Option<String>,
    ticks_before: Option<Ticks>,
    cpus: Vec<u32>,
}

/// As told in the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: Option<String>,
    pub(crate) processor: Option<String>,
    pub(crate) cpus: Vec<u32>,
    /// Those that signals go between.
    pub(crate) cpu_pair: Option<(u32, u32)>,
    /// /proc/loadavg at the start and at the end.
    pub(crate) load_before: Option<String>,
    pub(crate) load_after: Option<String>,
    /// Share of the CPUs' time that the hypervisor took, by its own account.
    pub(crate) steal_share: Taken<f64>,
    /// What is not installed is null.
    pub(crate) tools: BTreeMap<Tool, Option<Found>>,
}

impl Watch {
    pub(crate) fn start() -> Result<Self> {
        let cpus = allowed_cpus()?;
        Ok(Self {
            load_before: line("/proc/loadavg"),
            ticks_before: Ticks::now(&cpus),
            cpus,
        })
    }

    /// At the end of the run.
    pub(crate) fn machine(self, tools: &Toolbox) -> Machine {
        let ticks = self.ticks_before.zip(Ticks::now(&self.cpus));
        let steal = ticks.and_then(|(before, after)| after.steal_share_since(before));
        let found = |tool| (tool, tools.get(tool).cloned());
        Machine {
            kernel: line("/proc/sys/kernel/osrelease"),
            processor: processor(),
            cpu_pair: ends(&self.cpus),
            load_before: self.load_before,
            load_after: line("/proc/loadavg"),
            steal_share: steal.ok_or_else(|| "/proc/stat".to_owned()).into(),
            tools: Tool::ALL.into_iter().map(found).collect(),
            cpus: self.cpus,
        }
    }
}

impl Machine {
    /// What a reader should know before believing any of it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.steal_share.as_result() {
            Ok(share) if *share > STEAL_MAX => warnings.push(format!(
                "the hypervisor took {:.1} % of the CPUs' time (and steal under-reports)",
                share * 100.0
            )),
            Ok(_) => {}
            Err(why) => warnings.push(format!("steal time cannot be read from {why}")),
        }
        let load = self.load_before.as_deref().and_then(load);
        if let Some(load) = load.filter(|load| *load > LOAD_MAX) {
            warnings.push(format!(
                "the machine was not idle before: a load of {load}; end what runs, and measure again"
            ));
        }
        warnings
    }
}

/// Of some CPUs, in units of which only the share counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    steal: u64,
    all: u64,
}

impl Ticks {
    fn now(cpus: &[u32]) -> Option<Self> {
        Self::parse(&read_to_string("/proc/stat").ok()?, cpus)
    }

    /// user, nice, system, idle, iowait, irq, softirq, steal; guest times, the rest, are in user and
    /// nice (proc_stat(5)).
    fn parse(stat: &str, cpus: &[u32]) -> Option<Self> {
        let mut sum = Self { steal: 0, all: 0 };
        for cpu in cpus {
            let name = format!("cpu{cpu} ");
            let rest = stat.lines().find_map(|line| line.strip_prefix(&name))?;
            let fields = rest.split_whitespace().take(8).map(str::parse);
            let fields: Vec<u64> = fields.collect::<Result<_, _>>().ok()?;
            sum.steal += fields.get(7)?;
            sum.all += fields.iter().sum::<u64>();
        }
        Some(sum)
    }

    fn steal_share_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.steal.saturating_sub(before.steal) as f64 / all as f64)
    }
}

fn line(path: &str) -> Option<String> {
    Some(read_to_string(path).ok()?.trim().to_owned())
}

fn processor() -> Option<String> {
    let text = read_to_string("/proc/cpuinfo").ok()?;
    let model = text.lines().find(|line| line.starts_with("model name"))?;
    Some(model.split_once(':')?.1.trim().to_owned())
}

fn load(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 0 10 70 0 0 0 10 5 0\n\
        cpu1 0 0 0 100 0 0 0 0 0 0\ncpu10 1 1 1 1 1 1 1 1 1 1\nintr 1\n";

    #[test]
    fn steal_is_a_share_of_the_named_cpus_time() {
        let ticks = Ticks::parse(STAT, &[0, 1]).expect("both are there");
        assert_eq!((ticks.steal, ticks.all), (10, 200));
        let share = ticks.steal_share_since(Ticks { steal: 0, all: 100 });
        assert!(share.is_some_and(|s| (s - 0.1).abs() < 1e-9));
        assert_eq!(Ticks::parse(STAT, &[2]), None);
        assert_eq!(ticks.steal_share_since(ticks), None);
    }

    #[test]
    fn a_load_is_the_last_minutes() {
        assert_eq!(load("0.51 0.13 0.44 4/83 6051"), Some(0.51));
        assert_eq!(load(""), None);
    }
}
