//! Steal time by /proc/stat (proc_stat(5)): what the hypervisor admits to have taken.

use nix::unistd::{SysconfVar, sysconf};
use record::Fact;

use crate::tree::{Missing, Tree, from_result};

const PROC_STAT: &str = "/proc/stat";

/// Steal since boot on these CPUs together, ms. Its resolution is one tick (10 ms at the usual
/// 100 ticks a second), and it under-reports: treat it as a floor.
///
/// Take it before and after, and subtract.
#[must_use]
pub fn steal_ms(cpus: &[u32]) -> Fact<u64> {
    let ms = Tree::host().text(PROC_STAT).and_then(|text| {
        let ticks = ticks_of_cpus(&text, cpus)?;
        Ok(ticks.saturating_mul(1000) / ticks_per_second()?)
    });
    from_result(ms, PROC_STAT)
}

/// Steal since boot on all CPUs, ticks.
pub(crate) fn ticks_of_all(tree: &Tree) -> Fact<u64> {
    tree.fact(PROC_STAT, "a list of CPU times with steal", |text| {
        text.lines()
            .find_map(|l| l.strip_prefix("cpu "))
            .and_then(steal_column)
    })
}

fn ticks_per_second() -> Result<u64, Missing> {
    match sysconf(SysconfVar::CLK_TCK) {
        Ok(Some(ticks)) if ticks > 0 => Ok(ticks as u64),
        other => Err(Missing::CouldNotTell(format!(
            "sysconf _SC_CLK_TCK: {other:?}"
        ))),
    }
}

fn ticks_of_cpus(text: &str, cpus: &[u32]) -> Result<u64, Missing> {
    let mut sum = 0u64;
    for cpu in cpus {
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(&format!("cpu{cpu} ")));
        let line =
            line.ok_or_else(|| Missing::Absent(format!("{PROC_STAT} has no line for CPU {cpu}")))?;
        let ticks = steal_column(line).ok_or_else(|| {
            Missing::Absent(format!("{PROC_STAT} has no steal column for CPU {cpu}"))
        })?;
        sum = sum.saturating_add(ticks);
    }
    Ok(sum)
}

/// Eighth column: user, nice, system, idle, iowait, irq, softirq, steal.
fn steal_column(times: &str) -> Option<u64> {
    times.split_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cpu  35762 0 10052 212797 2251 0 276 30 0 0\n\
                        cpu0 17660 0 4162 108448 271 0 24 10 0 0\n\
                        cpu1 18102 0 5889 104348 1979 0 252 20 0 0\n\
                        cpu11 1 0 1 1 1 0 1 5 0 0\n\
                        cpu12 1 0 1 1\nintr 1\n";

    #[test]
    fn steal_is_summed_over_the_cpus_that_were_asked_for() {
        assert_eq!(ticks_of_cpus(TEXT, &[1]), Ok(20));
        assert_eq!(ticks_of_cpus(TEXT, &[0, 1, 11]), Ok(35));
        assert_eq!(ticks_of_cpus(TEXT, &[]), Ok(0));
    }

    #[test]
    fn a_cpu_or_column_that_is_not_there_is_not_zero() {
        assert!(matches!(
            ticks_of_cpus(TEXT, &[0, 7]),
            Err(Missing::Absent(_))
        ));
        assert!(matches!(
            ticks_of_cpus(TEXT, &[12]),
            Err(Missing::Absent(_))
        ));
    }

    #[test]
    fn all_cpus_are_the_line_without_a_number() {
        let fake = crate::tree::fake::Fake::with(&[("/proc/stat", TEXT)]);
        assert_eq!(ticks_of_all(&fake.tree()).value(), Some(&30));
    }

    #[test]
    fn this_machine_has_a_steal_count_for_cpu_0() {
        assert!(steal_ms(&[0]).value().is_some(), "{:?}", steal_ms(&[0]));
    }
}
