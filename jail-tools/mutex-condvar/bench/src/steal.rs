//! Time that the hypervisor took while the benchmark ran.

use std::time::Instant;

/// More than this share of the CPUs' time is worth a warning.
const SHARE_MAX: f64 = 0.01;

/// Steal at the start.
pub(crate) struct Watch<'a> {
    cpus: &'a [u32],
    since: Instant,
    steal_ms: Option<u64>,
}

impl<'a> Watch<'a> {
    pub(crate) fn start(cpus: &'a [u32]) -> Self {
        Self {
            cpus,
            since: Instant::now(),
            steal_ms: host::steal_ms(cpus).value().copied(),
        }
    }

    /// A warning, if much was taken or it cannot be told.
    pub(crate) fn warning(&self) -> Option<String> {
        let now = host::steal_ms(self.cpus).value().copied();
        let Some((before, after)) = self.steal_ms.zip(now) else {
            return Some("steal time cannot be read from /proc/stat".into());
        };
        let of_ms = self.since.elapsed().as_secs_f64() * 1e3 * self.cpus.len() as f64;
        warning(after.saturating_sub(before) as f64 / of_ms)
    }
}

fn warning(share: f64) -> Option<String> {
    (share > SHARE_MAX).then(|| {
        let percent = share * 100.0;
        format!("the hypervisor took {percent:.1} % of the CPUs' time (and steal under-reports)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_one_percent_is_warned_of() {
        assert_eq!(warning(0.005), None);
        assert!(warning(0.03).is_some_and(|w| w.contains("3.0 %")));
    }
}
