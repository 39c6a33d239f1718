//! The real binary, as short as it can be: what it says where there is no procjail, and that it
//! leaves nothing behind. Nothing is said of timing.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn jail_bench(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail-bench"));
    command.args(line.split_whitespace());
    command
}

fn output(line: &str) -> Output {
    jail_bench(line).output().expect("start jail-bench")
}

#[test]
fn what_cannot_be_measured_says_why_and_the_rest_has_figures() {
    let output = output("--json --rounds 2 --passes 1 --idle-s 1 --procjail /nonexistent/procjail");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let start = |name: &str| {
        let rows = report["startup"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["subject"] == name);
        row.unwrap_or_else(|| panic!("no row of {name}"))["start"].clone()
    };
    let figure = &start("bare")["figure"]["wall_ns"];
    assert!(figure["p50"]["value"].is_number(), "{figure}");
    // Two rounds have no interval.
    assert!(figure["p50"]["low"].is_null(), "{figure}");
    assert_eq!(figure["values"], 2);
    let why = start("procjail-run")["unavailable"].clone();
    assert!(why.as_str().is_some_and(|w| w.contains("ENOENT")), "{why}");
    for judgement in report["judgements"].as_array().expect("judgements") {
        assert_eq!(judgement["outcome"], "no_figure", "{judgement}");
    }
    let direct = &report["latency"][0]["rows"][0];
    assert_eq!(direct["subject"], "bare");
    assert!(direct["latency"]["figure"]["ns"]["p50"]["value"].is_number());
}

#[test]
fn a_tool_that_runs_nothing_is_not_the_fastest_one() {
    let output = output("--json --rounds 1 --passes 1 --only startup --procjail /bin/true");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = report["startup"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["subject"] == "procjail-run");
    let why = row.expect("a row")["start"]["unavailable"].as_str();
    assert!(why.is_some_and(|w| w.contains("instead of 42")), "{why:?}");
}

#[test]
fn a_part_that_was_not_asked_for_is_not_there() {
    let output = output("--json --rounds 1 --passes 1 --only startup");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(report["startup"].is_array());
    assert!(report["latency"].is_null() && report["idle"].is_null());
}

/// An idle part that would take an hour, with its children started.
fn long() -> (Child, Vec<Pid>) {
    let mut bench = jail_bench("--only idle --idle-s 3600")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start jail-bench");
    let stderr = bench.stderr.take().expect("a pipe");
    // Said when all of them run.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    let said = lines.find_map(|line| line.ok().filter(|l| l.starts_with("idle")));
    assert!(said.is_some(), "it ended instead");
    let mut family = vec![Pid::from_raw(bench.id() as i32)];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(children(parent));
        next += 1;
    }
    family.remove(0);
    (bench, family)
}

fn children(parent: Pid) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let child = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let mut lines = status.lines();
        let of = lines.find_map(|line| line.strip_prefix("PPid:"))?;
        (of.trim() == parent.to_string()).then(|| Pid::from_raw(pid))
    };
    processes.filter_map(child).collect()
}

/// Those that are not gone soon. A zombie is: after SIGKILL it is for the machine's PID 1 to reap.
fn left_of(family: &[Pid]) -> Vec<Pid> {
    let runs = |pid: &&Pid| {
        let stat = Path::new("/proc").join(pid.to_string()).join("stat");
        let stat = std::fs::read_to_string(stat).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('Z'));
        state == Some(false)
    };
    let since = Instant::now();
    loop {
        let left: Vec<Pid> = family.iter().filter(runs).copied().collect();
        if left.is_empty() || since.elapsed() > Duration::from_secs(20) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let (mut bench, family) = long();
        kill(Pid::from_raw(bench.id() as i32), signal).expect("it runs");
        let status = bench.wait().expect("it ends");
        assert!(!status.success(), "{signal}: {status}");
        assert_eq!(left_of(&family), [], "{signal}");
    }
}
