//! Frequency and idle states: what makes the same work take another time.

use record::Fact;

use crate::tree::{Missing, Tree, flag, nonempty};

const NO_TURBO: &str = "/sys/devices/system/cpu/intel_pstate/no_turbo";
const BOOST: &str = "/sys/devices/system/cpu/cpufreq/boost";

/// Is boost on? By the driver's switch, which a guest does not have.
pub(super) fn turbo(tree: &Tree) -> Fact<bool> {
    if tree.exists(NO_TURBO) {
        return tree.fact(NO_TURBO, "0 or 1", flag).map(|off| !off);
    }
    if tree.exists(BOOST) {
        return tree.fact(BOOST, "0 or 1", flag);
    }
    Missing::Absent(format!(
        "read {NO_TURBO} and {BOOST}: No such file or directory (ENOENT)"
    ))
    .fact()
}

/// cpuidle driver and governor, as `driver/governor`.
pub(super) fn idle(tree: &Tree) -> Fact<String> {
    const DIR: &str = "/sys/devices/system/cpu/cpuidle";
    let driver = tree.fact(&format!("{DIR}/current_driver"), "a driver", nonempty);
    // Before Linux 5.9 only the read-only name is there.
    let governor = tree
        .text(&format!("{DIR}/current_governor"))
        .or_else(|_| tree.text(&format!("{DIR}/current_governor_ro")))
        .unwrap_or_else(|_| "unknown".into());
    driver.map(|driver| format!("{driver}/{governor}"))
}

/// The latency that all holders of /dev/cpu_dma_latency together allow, µs. Opening it adds a
/// request at the default, which changes nothing, and reading gives the value in force as a
/// native i32 (Linux, Documentation/power/pm_qos_interface.rst). 2000000000 is "no request".
pub(super) fn cpu_dma_latency_us(tree: &Tree) -> Fact<i64> {
    const PATH: &str = "/dev/cpu_dma_latency";
    match tree.bytes::<4>(PATH) {
        Ok(bytes) => Fact::known(i64::from(i32::from_ne_bytes(bytes)), PATH),
        Err(missing) => missing.fact(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    #[test]
    fn intels_switch_is_the_other_way_round() {
        for (path, text, on) in [
            (NO_TURBO, "0\n", true),
            (NO_TURBO, "1", false),
            (BOOST, "1", true),
            (BOOST, "0", false),
        ] {
            assert_eq!(
                turbo(&Fake::with(&[(path, text)]).tree()).value(),
                Some(&on),
                "{path} {text}"
            );
        }
        assert!(
            turbo(&Fake::with(&[]).tree())
                .why()
                .is_some_and(|w| w.starts_with("absent"))
        );
    }

    #[test]
    fn latency_is_a_native_integer() {
        let fake = Fake::with(&[]);
        fake.write("/dev/cpu_dma_latency", &2_000_000_000i32.to_ne_bytes());
        assert_eq!(
            cpu_dma_latency_us(&fake.tree()).value(),
            Some(&2_000_000_000)
        );
        fake.write("/dev/cpu_dma_latency", b"ab");
        assert!(cpu_dma_latency_us(&fake.tree()).why().is_some());
    }

    #[test]
    fn idle_is_driver_and_governor() {
        let fake = Fake::with(&[
            (
                "/sys/devices/system/cpu/cpuidle/current_driver",
                "haltpoll\n",
            ),
            (
                "/sys/devices/system/cpu/cpuidle/current_governor_ro",
                "menu\n",
            ),
        ]);
        assert_eq!(idle(&fake.tree()).value().unwrap(), "haltpoll/menu");
    }
}
