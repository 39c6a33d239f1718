//! What a jail costs while nothing happens: no wake-up, and little memory.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::story::jail::Jail;
use crate::story::processes::{Held, status};
use crate::story::wait_until;

#[test]
fn needs_root_an_idle_jail_wakes_nobody() {
    let _test = testkit::begin!();
    let mut jail = Jail::start(&[], &["sleep", "1000"]);
    jail.until("started");
    let pid_1 = jail.pid_1();
    let before = settled(&[&pid_1, &jail.supervisor]);
    sleep(Duration::from_secs(2));
    let after = [&pid_1, &jail.supervisor].map(switches);
    println!("PID 1: {}", memory(pid_1.pid));
    assert_eq!(after, before, "switches of PID 1 and of the supervisor");
    assert!(jail.supervisor.signal(libc::SIGTERM));
    assert_eq!(jail.end().code, Some(143));
}

#[test]
fn needs_root_a_signal_is_seen_by_the_count_of_wake_ups() {
    let _test = testkit::begin!();
    let command = [
        "sh",
        "-c",
        "trap : USR1; echo ready; while :; do sleep 0.05; done",
    ];
    let mut jail = Jail::start(&[], &command);
    jail.until_it_says("ready");
    let pid_1 = jail.pid_1();
    let before = settled(&[&pid_1, &jail.supervisor]);
    assert!(jail.supervisor.signal(libc::SIGUSR1));
    wait_until("both were woken", || {
        let now = [&pid_1, &jail.supervisor].map(switches);
        now[0] > before[0] && now[1] > before[1]
    });
    assert!(jail.command().signal(libc::SIGKILL));
    jail.end();
}

/// Their switches, once they sleep: two looks some time apart are the same.
fn settled(processes: &[&Held; 2]) -> [u64; 2] {
    let mut before = [0; 2];
    wait_until("both sleep", || {
        let last = std::mem::replace(&mut before, processes.map(switches));
        sleep(Duration::from_millis(100));
        last == before
    });
    before
}

/// How often the process was switched away, willing or not.
fn switches(process: &Held) -> u64 {
    let count = |kind: &str| -> u64 {
        let line = status(process.pid, &format!("{kind}voluntary_ctxt_switches"));
        line.unwrap().parse().unwrap()
    };
    count("") + count("non")
}

/// Lines of `smaps_rollup`. How much is dirty depends on how the tool was linked, so that it is
/// said and not judged here.
fn memory(pid: i32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let wanted = ["Rss:", "Pss:", "Private_Dirty:"];
    let lines = text
        .lines()
        .filter(|l| wanted.iter().any(|w| l.starts_with(w)));
    let lines: Vec<String> = lines
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join(", ")
}
