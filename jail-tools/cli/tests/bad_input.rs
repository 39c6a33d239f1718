//! Bad input: an exit status, and an error that names the object and says what to do. Nothing is
//! made before it is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{ONE_CELL, Said, Story};
use testkit::no_program;

const USAGE: i32 = 2;
const FAILED: i32 = 1;

/// Asks for a run that cannot be, and looks that nothing came of it.
#[track_caller]
fn refused(story: &Story, arguments: &[&str], status: i32, says: &[&str]) {
    let said = Said::by(
        story
            .tool()
            .args(["run", "--quick", "--no-overhead", "--no-probes"])
            .args(arguments),
    );
    said.ended(status, says);
    assert_eq!(said.out, "", "nothing to report: {said:#?}");
    assert!(
        story.runs("runs").is_empty() && story.runs("out").is_empty(),
        "no run directory is left after {said:#?}"
    );
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn wishes_that_no_experiment_knows_are_answered_with_those_that_there_are() {
    let story = Story::begin();
    let s = &story;
    refused(s, &["sislat"], USAGE, &["sislat", "there are: syslat"]);
    refused(
        s,
        &["syslat", "--only", "colour=red"],
        USAGE,
        &["no factor colour", "size, state, access"],
    );
    refused(
        s,
        &["syslat", "--only", "state=tepid"],
        USAGE,
        &["state", "no level tepid", "warm, cold, direct"],
    );
    refused(
        s,
        &["syslat", "--only", "state"],
        USAGE,
        &["--only state", "expected FACTOR=LEVEL"],
    );
    refused(s, &["syslat", "--rounds", "0"], USAGE, &["--rounds"]);
    refused(s, &["syslat", "--rounds", "many"], USAGE, &["--rounds"]);
    refused(s, &["syslat", "--speed"], USAGE, &["--speed"]);
    refused(
        s,
        &["syslat", "--isolate-within", "here"],
        USAGE,
        &["--isolate"],
    );
    let file_and_dir = ["syslat", "--file", "a", "--dir", "."];
    refused(s, &file_and_dir, USAGE, &["--file", "--dir"]);
    story.run(&["walk"]).ended(USAGE, &["walk"]);
    story.run::<&str>(&[]).ended(USAGE, &["Usage"]);
}

#[test]
fn cpus_that_cannot_be_had_are_answered_with_those_that_can() {
    let story = Story::begin();
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let online = format!("on line: {}", online.trim());
    let refused = |cpus: &str, says: &[&str]| {
        refused(&story, &["syslat", "--cpus", cpus], USAGE, says);
    };
    refused("first", &["--cpus first", "such as 1 or 0-3,8"]);
    refused("1-", &["--cpus 1-", "such as"]);
    refused("4000", &["CPU 4000 is not on line", &online]);
    refused("", &["--cpus", "empty"]);
    if no_program(&["taskset"]).is_none() && online.contains(['-', ',']) {
        let said = Said::by(
            story
                .through("taskset", &["-c", "0"])
                .args(["run", "syslat", "--cpus", "1"]),
        );
        said.ended(
            USAGE,
            &["CPU 1 is outside this process's affinity", "taskset"],
        );
    }
}

#[test]
fn a_file_under_test_that_cannot_be_is_refused_with_the_reason() {
    let story = Story::begin();
    let refused = |path: &Path, says: &[&str]| {
        let says: Vec<&str> = says.iter().copied().chain([text(path)]).collect();
        refused(&story, &["syslat", "--file", text(path)], FAILED, &says);
    };
    refused(&story.path("missing"), &["No such file", "--file"]);
    let small = story.path("small");
    fs::write(&small, b"three").unwrap();
    refused(
        &small,
        &["has 5 bytes, the plan reads", "choose a larger file"],
    );
    assert_eq!(fs::read(&small).unwrap(), b"three", "it is only read");
    refused(&story.path(""), &["is not a regular file", "--file"]);
    refused(Path::new("/dev/zero"), &["is not a regular file", "--file"]);
}

#[test]
fn needs_root_a_file_that_may_not_be_read_is_refused_with_the_reason() {
    let test = testkit::begin!();
    if let Some(why) = no_program(&["setpriv"]) {
        return test.skip(&why);
    }
    let story = Story::begin();
    let secret = story.path("secret");
    fs::write(&secret, b"mine").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    // Root without the capabilities to read what it may not: the same refusal as any user's, in
    // whatever directory the test lives.
    let without = ["--bounding-set=-dac_override,-dac_read_search"];
    let said = Said::by(story.through("setpriv", &without).args([
        "run",
        "syslat",
        "--quick",
        "--file",
        text(&secret),
    ]));
    said.ended(
        FAILED,
        &["open", text(&secret), "Permission denied", "can be read"],
    );
}

fn a_tmpfs() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .map(|l| l.split(' ').collect::<Vec<_>>())
        .find(|f| f.len() > 3 && f[2] == "tmpfs" && f[3].starts_with("rw"))
        .map(|f| PathBuf::from(f[1]))
        .filter(|dir| dir.is_dir())
}

#[test]
fn a_memory_filesystem_is_refused_with_the_reason() {
    let test = testkit::begin!();
    let Some(dir) = a_tmpfs() else {
        return test.skip("no tmpfs is mounted");
    };
    let story = Story::begin();
    refused(
        &story,
        &["syslat", "--out", "out", "--dir", text(&dir)],
        FAILED,
        &[text(&dir), "tmpfs", "nothing there can be cold", "--dir"],
    );
}

#[test]
fn directories_that_cannot_be_written_are_refused_with_the_reason() {
    let story = Story::begin();
    fs::write(story.path("file"), b"not a directory").unwrap();
    let below = story.path("file").join("out");
    refused(
        &story,
        &["syslat", "--out", text(&below), "--dir", "."],
        FAILED,
        &[text(&below), "Not a directory", "--out"],
    );
    refused(
        &story,
        &["syslat", "--dir", text(&story.path("nowhere"))],
        FAILED,
        &[text(&story.path("nowhere")), "No such file", "--dir"],
    );
    refused(
        &story,
        &["syslat", "--out", "/proc/jail-tools", "--dir", "."],
        FAILED,
        &["/proc/jail-tools", "--out"],
    );
}

#[test]
fn needs_root_needs_cpuset_v1_a_cpuset_that_is_not_there_is_named_and_nothing_is_left() {
    let test = testkit::begin!();
    if let Err(why) = common::host_state::Cpuset::make("bad-input") {
        return test.skip(&why);
    }
    let story = Story::begin();
    refused(
        &story,
        &["syslat", "--isolate", "--isolate-within", "no/such/set"],
        FAILED,
        &["no/such/set", "No such file"],
    );
    story.wait_for_silence();
}

/// A small recorded run, for those stories that damage one.
fn recorded(story: &Story) -> PathBuf {
    let mut run = story.tool();
    run.args(ONE_CELL)
        .args(["--rounds", "2", "--no-overhead", "--no-probes"])
        .args(["--out", "out", "--dir", "."]);
    Said::by(&mut run).ended(0, &[]);
    story.the_run("out")
}

#[test]
fn what_is_no_run_is_not_reported_on() {
    let story = Story::begin();
    for verb in ["report", "export"] {
        let of = |path: &Path| {
            let mut tool = story.tool();
            tool.arg(verb).arg(path);
            if verb == "export" {
                tool.args(["--table", "samples"]);
            }
            Said::by(&mut tool)
        };
        let nowhere = story.path("nowhere");
        of(&nowhere).ended(FAILED, &[text(&nowhere), "not a readable run"]);
        let empty = story.path("");
        of(&empty).ended(FAILED, &[text(&empty), "no manifest.json"]);
    }
}

#[test]
fn a_damaged_manifest_is_named() {
    let story = Story::begin();
    let run = recorded(&story);
    let manifest = run.join("manifest.json");
    let whole = fs::read_to_string(&manifest).unwrap();
    let report = || Said::by(story.tool().arg("report").arg(&run));

    fs::write(&manifest, &whole[..whole.len() / 2]).unwrap();
    report().ended(FAILED, &[text(&manifest), "EOF"]);
    fs::write(
        &manifest,
        whole.replacen("\"format_version\": 1", "\"format_version\": 99", 1),
    )
    .unwrap();
    report().ended(
        FAILED,
        &[text(&manifest), "format version 99, this tool reads 1"],
    );
    fs::write(&manifest, &whole).unwrap();
    report().ended(0, &[]);
}

#[test]
fn a_damaged_table_costs_its_trial_and_is_named() {
    let story = Story::begin();
    let run = recorded(&story);
    let table = run.join("samples/trial-00001.parquet");
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&table, &bytes).unwrap();

    let report = Said::by(story.tool().arg("report").arg(&run));
    report
        .ended(0, &[])
        .prints("1 of 2 trials")
        .prints("Left out, because it cannot be read: ")
        .prints("trial-00001.parquet")
        .prints("checksum");
    let export = Said::by(
        story
            .tool()
            .arg("export")
            .arg(&run)
            .args(["--table", "samples"]),
    );
    export.ended(FAILED, &["all but 1 trial(s)", text(&table)]);
    let kept = common::Csv::parse(&export.out);
    assert!(kept.ints("trial").iter().all(|t| *t == Some(0)));
    assert!(!kept.rows.is_empty());

    fs::write(run.join("trials/trial-00000.json"), "{").unwrap();
    let report = Said::by(story.tool().arg("report").arg(&run));
    report
        .ended(0, &[])
        .prints("trial-00000.json")
        .prints("No trial has completed");
}

#[test]
fn unknown_tables_and_formats_are_answered_with_those_that_there_are() {
    let story = Story::begin();
    let run = recorded(&story);
    let export = |table: &str, format: &str| {
        Said::by(
            story
                .tool()
                .arg("export")
                .arg(&run)
                .args(["--table", table, "--format", format]),
        )
    };
    export("simples", "csv").ended(USAGE, &["`simples`", "samples, readings or trials"]);
    export("samples", "xls").ended(USAGE, &["`xls`", "csv or json"]);
}
