//! Which raw events come nearest to "a load or store that hit a modified line elsewhere" (HITM).
//!
//! `config = umask << 8 | event`. Checked against libpfm 4.13, intel/perfmon and Linux
//! pmu-events. What an event does *not* count is part of its row: MEM_LOAD_* events count loads
//! only, and AMD has no core HITM counter at all.

use crate::cpu_id::CpuId;

/// One raw event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw {
    /// Name in the table of events.
    pub name: &'static str,
    /// `umask << 8 | event`.
    pub config: u64,
    /// Off-core response mask, where the event has one.
    pub config1: u64,
    /// What it counts, and what it misses.
    pub about: &'static str,
}

const fn raw(name: &'static str, config: u64, config1: u64, about: &'static str) -> Raw {
    Raw {
        name,
        config,
        config1,
        about,
    }
}

const LOADS: &str =
    "retired loads that hit a line modified in another core's cache; stores are not counted";
const FWD: &str =
    "loads that another core's cache forwarded: not purely modified lines on this part";
const REMOTE: &str = "retired loads that hit a line modified on another socket";
const RFO: &str = "stores (RFO) that hit a line modified in another core's cache";
const CLEARS: &str = "pipeline clears because of memory ordering";
const FILLS: &str =
    "demand fills; AMD has no HITM counter, a transfer between caches is the nearest";

/// MACHINE_CLEARS.MEMORY_ORDERING, the same on every Intel core since Sandy Bridge.
const MEMORY_ORDERING: Raw = raw("memory-ordering-clears", 0x02c3, 0, CLEARS);

/// Nearest events to HITM on this processor; empty where none is known.
#[must_use]
pub fn events(cpu: &CpuId) -> Vec<Raw> {
    match (cpu.vendor.as_str(), cpu.family) {
        ("GenuineIntel", 6) => intel(cpu.model),
        ("AuthenticAMD" | "HygonGenuine", family) => amd(family, cpu.model),
        _ => Vec::new(),
    }
}

/// Intel family 6 by model number (arch/x86/include/asm/intel-family.h).
fn intel(model: u32) -> Vec<Raw> {
    let local = |about| raw("hitm-local-loads", 0x04d2, 0, about);
    let rfo = |config, config1| raw("hitm-rfo-stores", config, config1, RFO);
    // Trap: the umask of 0xd3 changed from 0x10 (Broadwell) to 0x04 (Skylake-X).
    let mut events = match model {
        0x2a | 0x3a => vec![local(LOADS), rfo(0x01b7, 0x10_0004_0002)],
        0x3e => vec![local(LOADS), raw("hitm-remote-loads", 0x10d3, 0, REMOTE)],
        0x2d | 0x3c | 0x45 | 0x46 | 0x3d | 0x47 => vec![local(LOADS)],
        0x3f | 0x4f | 0x56 => vec![
            local(LOADS),
            raw("hitm-remote-loads", 0x10d3, 0, REMOTE),
            rfo(0x01b7, 0x10_003c_0002),
        ],
        0x4e | 0x5e | 0x8e | 0x9e | 0xa5 | 0xa6 => vec![local(LOADS), rfo(0x01b7, 0x10_001c_0002)],
        0x55 => vec![
            local(LOADS),
            raw("hitm-remote-loads", 0x04d3, 0, REMOTE),
            rfo(0x01b7, 0x10_003c_0002),
        ],
        0x7d | 0x7e | 0x8c | 0x8d | 0xa7 => vec![local(LOADS), rfo(0x01b7, 0x10_003c_0002)],
        0x6a | 0x6c => vec![
            local(FWD),
            raw("hitm-remote-loads", 0x04d3, 0, REMOTE),
            rfo(0x01b7, 0x10_003c_0002),
        ],
        0x8f | 0xcf | 0xad | 0xae => {
            vec![
                local(FWD),
                raw("hitm-remote-loads", 0x04d3, 0, REMOTE),
                rfo(0x012a, 0x10_003c_0002),
            ]
        }
        0x86 => vec![
            raw("hitm-local-loads", 0x20d1, 0, LOADS),
            rfo(0x01b7, 0x10_003c_0002),
        ],
        0xaf | 0xdd => vec![
            raw("hitm-local-loads", 0x08d4, 0, LOADS),
            raw("hitm-remote-loads", 0x08d3, 0, REMOTE),
            rfo(0x01b7, 0x10_003c_0002),
        ],
        // Hybrid parts (Alder Lake and later clients) have a PMU for each kind of core, so that a
        // plain raw event would count on one kind only: not offered until that is handled.
        _ => return Vec::new(),
    };
    events.push(MEMORY_ORDERING);
    events
}

/// AMD by family and model (Zen 2 to Zen 5), Processor Programming References.
fn amd(family: u32, model: u32) -> Vec<Raw> {
    let fills = |name, umask: u64| raw(name, umask << 8 | 0x43, 0, FILLS);
    let zen4 = matches!(model, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf);
    match family {
        0x17 if model >= 0x30 => vec![
            fills("fills-local-cache", 0x02),
            fills("fills-remote-cache", 0x10),
        ],
        0x19 if !zen4 => vec![
            fills("fills-same-complex", 0x02),
            fills("fills-other-complex", 0x04),
            fills("fills-other-socket", 0x10),
        ],
        0x19 | 0x1a => vec![
            fills("fills-same-complex", 0x02),
            fills("fills-other-complex", 0x04),
            fills("fills-far-cache", 0x10),
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(vendor: &str, family: u32, model: u32) -> CpuId {
        CpuId {
            vendor: vendor.into(),
            family,
            model,
        }
    }

    #[test]
    fn the_remote_umask_changed_with_skylake_x() {
        let remote = |model| {
            events(&cpu("GenuineIntel", 6, model))
                .into_iter()
                .find(|e| e.name == "hitm-remote-loads")
                .map(|e| e.config)
        };
        assert_eq!(remote(0x4f), Some(0x10d3), "Broadwell-EP");
        assert_eq!(remote(0x55), Some(0x04d3), "Skylake-X");
        assert_eq!(remote(0x5e), None, "Skylake client has one socket");
    }

    #[test]
    fn amd_counts_fills_and_says_so() {
        let milan = events(&cpu("AuthenticAMD", 25, 1));
        assert!(milan.iter().any(|e| e.config == 0x0443));
        assert!(milan.iter().all(|e| e.about.contains("no HITM")));
    }

    #[test]
    fn an_unknown_processor_has_no_events_rather_than_wrong_ones() {
        assert!(events(&cpu("GenuineIntel", 6, 0xffff)).is_empty());
        assert!(events(&cpu("CentaurHauls", 6, 1)).is_empty());
    }
}
