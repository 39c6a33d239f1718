//! Hardware counters, where there are any: a loop of a known length takes at least so many
//! instructions, and what is read carries its grade.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counters::{CpuId, ThreadCounters, table};
use record::Grade;

/// Turns of the loop, each of which is an addition, a comparison and a branch at least.
const TURNS: u64 = 10_000_000;

#[test]
fn needs_root_needs_pmu_a_loop_of_known_length_shows_in_cycles_and_instructions() {
    let test = testkit::begin!();
    let rows = table(CpuId::of_this_machine().as_ref());
    let mut counters = ThreadCounters::open(&rows, Err("not asked for"));
    let (before, error) = counters.read();
    assert!(error.is_none(), "{error:?}");
    let mut sum = 0_u64;
    for turn in 0..TURNS {
        sum = std::hint::black_box(sum.wrapping_add(turn));
    }
    let (after, error) = counters.read();
    assert!(error.is_none(), "{error:?}");
    let mut said = Vec::new();
    for name in ["instructions", "cycles"] {
        let find =
            |all: &[counters::RawReading]| all.iter().find(|r| r.event.starts_with(name)).cloned();
        let (from, to) = (find(&before).unwrap(), find(&after).unwrap());
        let grade = to.grade();
        assert!(
            matches!(grade, Grade::Counted | Grade::Scaled { .. }),
            "{name}: {grade}"
        );
        let counted = to.value - from.value;
        println!("{name}: {counted} for {TURNS} turns, {grade}");
        if name == "instructions" && grade == Grade::Counted {
            assert!(counted >= 3 * TURNS, "{counted}");
        }
        assert!(counted > 0);
        said.push(format!("{name} {grade}"));
    }
    test.verified("hardware counters", &said.join(", "));
}
