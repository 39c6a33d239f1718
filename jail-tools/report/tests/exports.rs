//! Exported tables.

#[path = "../../analysis/tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{self, Write};

use common::WHOLE;
use report::export::{ExportError, export};

fn exported(run: &record::RunDir, table: &str, format: &str) -> String {
    let mut out = Vec::new();
    export(run, table, format, &mut out).expect("an export");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn samples_as_csv_have_a_header_a_line_each_and_empty_fields_for_what_is_missing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let text = exported(&common::make(dir.path(), WHOLE, 12), "samples", "csv");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let first: Vec<&str> = lines.next().expect("a row").split(',').collect();
    assert_eq!(text.lines().count(), 1 + 12 * 400);
    assert_eq!(header.len(), first.len());
    let value = |name: &str| first[header.iter().position(|h| *h == name).expect("a column")];
    assert_eq!(value("class"), "hit");
    assert_eq!(value("ledger_steal_ns"), "", "steal was not observed");
    assert_eq!(value("ledger_device_ns"), "0", "device time was");
}

#[test]
fn every_exported_ledger_closes() {
    let dir = tempfile::tempdir().expect("tempdir");
    let text = exported(&common::make(dir.path(), WHOLE, 3), "samples", "json");
    let rows: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&text).expect("JSON");
    for row in rows {
        let parts = row
            .iter()
            .filter(|(k, _)| k.starts_with("ledger_"))
            .filter_map(|(_, v)| v.as_i64());
        assert_eq!(Some(parts.sum::<i64>()), row["latency_ns"].as_i64());
        assert!(row["ledger_steal_ns"].is_null());
    }
}

#[test]
fn trials_quote_what_needs_it_and_keep_seeds_whole() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 2);
    let text = exported(&run, "trials", "csv");
    assert!(text.contains("\"say \"\"hello\"\", twice\""), "{text}");
    assert!(text.contains(&u64::MAX.to_string()));
    let json = exported(&run, "trials", "json");
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(rows[1]["levels"], "size=4k state=cold");
    assert!(rows[1]["irq_exit_ns"].is_null());
}

#[test]
fn readings_without_a_value_are_null() {
    let dir = tempfile::tempdir().expect("tempdir");
    let json = exported(&common::make(dir.path(), WHOLE, 1), "readings", "json");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
    let cycles = rows
        .iter()
        .find(|r| r["event"] == "cycles")
        .expect("cycles");
    assert!(cycles["value"].is_null() && cycles["enabled_ns"].is_null());
}

#[test]
fn a_run_without_trials_exports_a_header_or_an_empty_array() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 0);
    assert!(exported(&run, "samples", "csv").starts_with("trial,cell,"));
    assert_eq!(exported(&run, "samples", "json"), "[]\n");
}

#[test]
fn unknown_names_list_those_that_there_are() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 0);
    let error =
        |table, format| export(&run, table, format, &mut Vec::new()).map_err(|e| e.to_string());
    assert_eq!(
        error("sample", "csv"),
        Err("no table `sample`: choose samples, readings or trials".into())
    );
    assert_eq!(
        error("samples", "xml"),
        Err("no format `xml`: choose csv or json".into())
    );
}

#[test]
fn a_damaged_trial_costs_itself_and_the_array_is_still_closed() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 3);
    fs::write(run.path().join("samples/trial-00001.parquet"), b"").expect("write");
    let mut out = Vec::new();
    let result = export(&run, "samples", "json", &mut out);
    assert!(matches!(result, Err(ExportError::Damaged(list)) if list.len() == 1));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(rows.len(), 800);
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_had_enough_is_not_an_error() {
    let dir = tempfile::tempdir().expect("tempdir");
    let run = common::make(dir.path(), WHOLE, 1);
    for format in ["csv", "json"] {
        export(&run, "samples", format, &mut Closed).expect("a closed pipe is fine");
    }
}
