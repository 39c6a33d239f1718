//! The experiment as data.

use std::collections::BTreeMap;

use record::plan::{Arms, Budget, Claim, Metric};
use record::{Definition, Expectation, Factor, Selector};

use crate::interface::Pace;

/// Bytes that warm cells read in: more than a second-level cache, so that the pages and not the
/// core's own caches are what is warm; small enough to be filled in a few ms.
pub(super) const WARM_SPAN: u64 = 16 << 20;

/// Share of operations that must be as the cell's name says.
const PURITY: f64 = 0.999;

pub(super) fn definition() -> Definition {
    Definition {
        name: "syslat".into(),
        question: "What does a pread() cost, page-cache hit against miss, and which part of it is whose?".into(),
        factors: vec![
            factor("size", "bytes per read", &["4k", "64k"]),
            factor("state", "where the data is: page cache, device, or device past the page cache", &["warm", "cold", "direct"]),
            factor("access", "order of the offsets; sequential lets the kernel read ahead", &["random", "sequential"]),
        ],
        expectations: expectations(),
        preconditions: vec![
            "pinned: the measured thread asked for its CPU and reads it back".into(),
            "state: the oracle finds every range of a warm cell resident and of a cold random cell absent, before each operation"
                .into(),
            "quiet: involuntary switches and steal are counted per operation".into(),
        ],
        threads: 1,
        arms: Arms { ledger: true, counters: true, bracket: false },
    }
}

fn factor(name: &str, about: &str, levels: &[&str]) -> Factor {
    Factor {
        name: name.into(),
        about: about.into(),
        levels: levels.iter().map(|l| (*l).into()).collect(),
    }
}

fn expectations() -> Vec<Expectation> {
    let cold_random = || Selector::of(&[("state", "cold"), ("access", "random")]);
    let warm = || Selector::of(&[("state", "warm")]);
    let expect = |id: &str, says: &str, left, right, metric, claim| Expectation {
        id: id.into(),
        says: says.into(),
        left,
        right,
        metric,
        claim,
    };
    vec![
        expect(
            "warm-is-warm-probe",
            "warm reads add no page: hits, by probe",
            warm(),
            None,
            Metric::HitRatioProbe,
            Claim::AtLeast(PURITY),
        ),
        expect(
            "warm-is-warm-oracle",
            "and by the oracle",
            warm(),
            None,
            Metric::HitRatioOracle,
            Claim::AtLeast(PURITY),
        ),
        expect(
            "cold-is-cold-probe",
            "every cold random read adds all its pages: misses, by probe",
            cold_random(),
            None,
            Metric::MissRatioProbe,
            Claim::AtLeast(PURITY),
        ),
        expect(
            "cold-is-cold-oracle",
            "and by the oracle",
            cold_random(),
            None,
            Metric::MissRatioOracle,
            Claim::AtLeast(PURITY),
        ),
        expect(
            "probe-agrees",
            "the probe's page counts are the oracle's",
            cold_random(),
            None,
            Metric::Agreement,
            Claim::AtLeast(PURITY),
        ),
        expect(
            "miss-costs-a-device-read",
            "a cold random read waits for the device: at least ten times a hit at the median",
            cold_random(),
            Some(Selector::of(&[("state", "warm"), ("access", "random")])),
            Metric::LatencyQuantile(0.5),
            Claim::RatioAtLeast(10.0),
        ),
        expect(
            "readahead-hides-the-device",
            "a cold sequential read is far cheaper than a cold random one at the median: readahead fetched its pages earlier",
            Selector::of(&[("state", "cold"), ("access", "sequential"), ("size", "4k")]),
            Some(Selector::of(&[
                ("state", "cold"),
                ("access", "random"),
                ("size", "4k"),
            ])),
            Metric::LatencyQuantile(0.5),
            Claim::RatioAtMost(0.5),
        ),
        expect(
            "size-costs-pages",
            "a warm 64 KiB read copies sixteen pages: at least twice a 4 KiB read at the median",
            Selector::of(&[("state", "warm"), ("size", "64k")]),
            Some(Selector::of(&[("state", "warm"), ("size", "4k")])),
            Metric::LatencyQuantile(0.5),
            Claim::RatioAtLeast(2.0),
        ),
    ]
}

/// Rounds and work per trial. A cold read takes about 0.1 ms and a warm one about 1 µs, so that
/// these amounts give trials of roughly equal length.
pub(super) fn budget(pace: Pace) -> (u32, Budget) {
    let (rounds, warm, cold, sequential) = match pace {
        Pace::Quick => (3, 4_000, 250, 4_000),
        Pace::Full => (15, 12_000, 800, 8_000),
    };
    let ops = BTreeMap::from([
        ("warm".to_owned(), warm),
        ("cold".to_owned(), cold),
        ("cold sequential".to_owned(), sequential),
        ("direct".to_owned(), cold / 2),
    ]);
    (
        rounds,
        Budget {
            ops,
            trial_ms: 1_500,
            warmup_ops: 64,
        },
    )
}
