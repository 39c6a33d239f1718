//! What is written to Parquet is what is read back, missing values included.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use record::ledger::PARTS;
use record::reading::Moment;
use record::{Causes, Class, Column, Grade, Reading, Sample, Table};

/// The values that fit a signed 64-bit column.
const UNSIGNED: std::ops::Range<u64> = 0..i64::MAX as u64;

fn through_parquet(table: &Table) -> Table {
    let mut bytes = Vec::new();
    table.write_parquet(&mut bytes).expect("a table is written");
    Table::read_parquet(&table.name, bytes::Bytes::from(bytes)).expect("and read")
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![
        Just(Class::Hit),
        Just(Class::Partial),
        Just(Class::Miss),
        Just(Class::Wait),
        Just(Class::Unknown)
    ]
}

prop_compose! {
    fn sample()(
        ids in (any::<u32>(), any::<u32>(), any::<u32>()),
        times in (UNSIGNED, UNSIGNED, any::<i64>(), UNSIGNED),
        causes in proptest::array::uniform16(of(any::<i64>())),
        steal_late_ns in of(any::<i64>()),
        pages in proptest::array::uniform4(of(any::<u32>())),
        requests in (of(any::<u32>()), of(UNSIGNED), of(UNSIGNED)),
        events in proptest::array::uniform6(of(any::<u32>())),
        result in any::<i64>(),
        class in class(),
    ) -> Sample {
        const { assert!(PARTS == 16) };
        Sample {
            trial: ids.0, cell: ids.1, thread: ids.2,
            op: times.0, start_ns: times.1, latency_ns: times.2, units: times.3,
            causes: Causes(causes), steal_late_ns,
            pages: pages[0], pages_missed: pages[1], pages_readahead: pages[2], oracle_resident_pages: pages[3],
            requests: requests.0, request_bytes: requests.1, request_ns: requests.2,
            interrupts: events[0], switches_voluntary: events[1], switches_involuntary: events[2],
            faults: events[3], migrations: events[4], gaps: events[5],
            result, class,
        }
    }
}

prop_compose! {
    fn reading()(
        ids in (any::<u32>(), any::<u32>(), any::<u32>()),
        at_ns in UNSIGNED,
        moment in prop_oneof![Just(Moment::Start), Just(Moment::Series), Just(Moment::End)],
        event in "\\PC{0,20}",
        counts in (of(UNSIGNED), of(UNSIGNED), of(UNSIGNED)),
        grade in prop_oneof![
            Just(Grade::Counted),
            (any::<u64>(), any::<u64>()).prop_map(|(enabled_ns, running_ns)| Grade::Scaled { enabled_ns, running_ns }),
            "\\PC{0,20}".prop_map(|why| Grade::Unavailable { why }),
        ],
    ) -> Reading {
        Reading {
            trial: ids.0, cell: ids.1, thread: ids.2, at_ns, moment, event,
            value: counts.0, enabled_ns: counts.1, running_ns: counts.2, grade,
        }
    }
}

prop_compose! {
    fn table()(rows in 0usize..200)(
        ints in vec(of(any::<i64>()), rows),
        texts in vec(of("\\PC{0,12}"), rows),
        nulls in Just(vec![None; rows]),
    ) -> Table {
        let mut t = Table::new("anything");
        t.push("ints", Column::Int(ints));
        t.push("texts", Column::Text(texts));
        t.push("nulls", Column::Int(nulls));
        t
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_table_survives(t in table()) {
        prop_assert_eq!(through_parquet(&t), t);
    }

    #[test]
    fn any_samples_survive(rows in vec(sample(), 0..50)) {
        let back = Sample::from_table(&through_parquet(&Sample::to_table(&rows)));
        prop_assert_eq!(back.expect("samples"), rows);
    }

    #[test]
    fn any_readings_survive(rows in vec(reading(), 0..50)) {
        let back = Reading::from_table(&through_parquet(&Reading::to_table(&rows)));
        prop_assert_eq!(back.expect("readings"), rows);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Table::read_parquet("noise", bytes::Bytes::from(bytes));
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused(rows in vec(sample(), 1..20), at in 0.0f64..1.0) {
        let mut bytes = Vec::new();
        Sample::to_table(&rows).write_parquet(&mut bytes).expect("a table is written");
        bytes.truncate((bytes.len() as f64 * at) as usize);
        prop_assert!(Table::read_parquet("samples", bytes::Bytes::from(bytes)).is_err());
    }
}

#[test]
fn a_missing_column_and_a_null_that_must_not_be_are_named() {
    let mut t = Sample::to_table(&[]);
    t.columns.retain(|(name, _)| name != "units");
    let error = Sample::from_table(&t)
        .expect_err("a column is missing")
        .to_string();
    assert!(error.contains("units"), "{error}");

    let mut t = Table::new("one");
    t.push("op", Column::Int(vec![Some(1), None]));
    let error = t
        .required_column::<u64>("op")
        .expect_err("row 1 is null")
        .to_string();
    assert_eq!(error, "column op, row 1: null or out of range");
    assert!(t.optional_column::<u64>("op").is_ok());
}

#[test]
fn a_negative_number_where_none_can_be_is_refused() {
    let mut t = Table::new("one");
    t.push("op", Column::Int(vec![Some(-1)]));
    assert!(t.required_column::<u64>("op").is_err());
    assert!(t.optional_column::<u32>("op").is_err());
}
