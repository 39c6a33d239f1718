//! What is said, in its order: on --status-fd, and with --json.

use serde_json::Value;

use crate::story::jail::Jail;
use crate::story::{refused, run};

#[test]
fn needs_root_events_come_in_the_order_in_which_things_happen() {
    let _test = testkit::begin!();
    let mut jail = Jail::start(&[], &["sh", "-c", "kill -STOP $$; exit 4"]);
    let started = jail.until("started");
    assert_eq!(started["pid"], jail.pid_1().pid);
    assert_eq!(jail.until("stopped")["signal"], "SIGSTOP");
    assert!(jail.supervisor.signal(libc::SIGCONT));
    let ended = jail.end();
    assert_eq!(ended.code, Some(4));
    let names = ended.names();
    assert_eq!(names, ["started", "stopped", "continued", "exited"]);
    assert_eq!(ended.report["pid"], started["pid"]);
    assert_eq!(ended.report["raw_wait_status"], 4 << 8);
    assert_eq!(ended.report["exit_code"], 4);
    assert!(ended.report["command"]["max_rss_kib"].as_i64() > Some(0));
    assert!(ended.report["killed_by"].is_null());
}

#[test]
fn needs_root_a_command_that_is_pid_1_is_seen_to_stop_and_to_go_on() {
    let _test = testkit::begin!();
    let command = ["sh", "-c", "echo ready; read line; exit 4"];
    let mut jail = Jail::start(&["--as-pid1"], &command);
    jail.until_it_says("ready");
    let pid_1 = jail.pid_1();
    assert!(pid_1.signal(libc::SIGSTOP));
    jail.until("stopped");
    assert!(pid_1.signal(libc::SIGCONT));
    jail.until("continued");
    let ended = jail.end();
    assert_eq!(ended.code, Some(4));
    let names = ended.names();
    assert_eq!(names, ["started", "stopped", "continued", "exited"]);
    assert_eq!(ended.events[0]["command"], 1);
    assert_eq!(ended.report["pid"], pid_1.pid);
}

#[test]
fn needs_root_the_start_and_the_report_name_the_cgroup() {
    let test = testkit::begin!();
    if let Some(why) = refused(&["--cgroup"]) {
        return test.skip(&why);
    }
    let ended = Jail::start(&["--cgroup"], &["true"]).end();
    let cgroup = ended.report["cgroup"].as_array().unwrap();
    assert!(!cgroup.is_empty());
    assert_eq!(ended.events[0]["cgroup"], ended.report["cgroup"]);
}

#[test]
fn needs_root_a_command_that_cannot_be_executed_has_not_started() {
    let _test = testkit::begin!();
    for mode in ["--init", "--as-pid1"] {
        let ended = Jail::start(&[mode], &["/no/such/program"]).end();
        assert_eq!(
            (ended.code, ended.names()),
            (Some(127), vec!["failed"]),
            "{mode}"
        );
    }
}

#[test]
fn needs_root_json_is_one_line_on_standard_error() {
    let _test = testkit::begin!();
    let said = run(&["--json"], &["sh", "-c", "exit 3"]);
    assert_eq!(said.status.code(), Some(3));
    let text = String::from_utf8(said.stderr).unwrap();
    let [line] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("not one line: {text}");
    };
    let report: Value = serde_json::from_str(line).unwrap();
    assert_eq!(report["exit_code"], 3);
    assert_eq!(report["raw_wait_status"], 3 << 8);
    assert!(said.stdout.is_empty());
}
