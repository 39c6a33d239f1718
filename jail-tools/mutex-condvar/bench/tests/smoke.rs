//! The real binary on one small cell: every queue has figures, and nothing is said of timing.

use std::process::{Command, Output};

use serde_json::Value;

fn queue_bench(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_queue-bench"))
        .args(line.split_whitespace())
        .output()
        .expect("start queue-bench")
}

#[test]
fn every_queue_has_figures_in_every_mode() {
    let output = queue_bench(
        "--rounds 2 --trial-ms 1 --capacity 2 --threads 2x2 --cpus one --count-every 1 --json",
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = report["cells"][0]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 8, "all but the sync_channel of one consumer");
    for row in rows {
        for figure in [
            "messages_per_s",
            "cpu_s_per_million",
            "voluntary_per_message",
            "involuntary_per_message",
            "handoff_p50_ns",
            "handoff_p99_ns",
        ] {
            assert!(
                row[figure]["median"]["value"].is_number(),
                "{figure} of {row}"
            );
            assert_eq!(row[figure]["rounds"], 2);
            // Two rounds have no interval.
            assert!(row[figure]["median"]["low"].is_null(), "{figure} of {row}");
        }
        let counted = row["futex_per_message"]["median"]["value"].is_number();
        let reason = row["futex_missing"].is_string();
        assert!(counted != reason, "one of both: {row}");
    }
    // In one stratum: two targets for each of five peers that park and two that spin.
    let judgements = report["judgements"].as_array().expect("judgements");
    assert_eq!(judgements.len(), 2 * (5 + 2));
    let trials = report["trials"].as_array().expect("trials");
    assert_eq!(trials.len(), rows.len() * 2 * 3, "rounds and modes");
    let least = trials.iter().filter_map(|t| t["messages"].as_u64()).min();
    assert!(least >= Some(400), "{least:?}");
}

#[test]
fn a_queue_that_serves_none_of_the_cells_is_an_error() {
    let output = queue_bench("--threads 1x1 --queue sync-channel-mutex");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.starts_with("error: "), "{errors}");
}

#[test]
fn the_table_has_a_row_for_a_queue_and_says_that_rounds_are_few() {
    let output = queue_bench(
        "--rounds 1 --trial-ms 1 --capacity 1 --threads 1x1 --cpus all --queue c-pthread --no-handoff",
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("c-pthread"),
        "{text}"
    );
    assert!(text.contains("(n=1)") || text.contains("moved"), "{text}");
}
