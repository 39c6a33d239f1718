//! Orphans by the thousand: PID 1 reaps each of them while its command lives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::io::Write;

use story::how_many;
use story::jail::{Ended, Jail};

const ORPHANAGE: &str = env!("CARGO_BIN_EXE_jail-orphanage");

#[test]
fn needs_root_every_orphan_of_a_stream_is_reaped_while_the_command_lives() {
    let test = testkit::begin!();
    let count = how_many(100_000, 10_000, 2_000);

    let mut jail = Jail::start(&[], &[ORPHANAGE, &count.to_string()]);
    let said = jail.until_it_says("orphans ");
    println!("{said}");

    all_were_reaped(&jail.end(), count);
    test.verified("orphans", &said);
}

#[test]
fn needs_root_a_pid_1_that_stood_still_takes_all_that_piled_up() {
    let test = testkit::begin!();
    let count = how_many(20_000, 5_000, 1_000);

    let mut jail = Jail::start(&[], &[ORPHANAGE, "burst", &count.to_string()]);
    jail.until_it_says("ready");
    let pid_1 = jail.pid_1();
    assert!(pid_1.signal(libc::SIGSTOP));
    story::wait_until("PID 1 stands still", || pid_1.state() == Some('T'));
    jail.input().write_all(b"go\n").unwrap();
    // Standard signals coalesce: one SIGCHLD stands for all of these.
    assert_eq!(
        jail.until_it_says("piled "),
        format!("piled {count}"),
        "nobody reaps, so that all of them are zombies"
    );
    assert!(pid_1.signal(libc::SIGCONT));
    let said = jail.until_it_says("drained ");
    println!("{count} at once: {said}");

    let ended = jail.end();
    all_were_reaped(&ended, count);
    assert_eq!(ended.report["reaped_at_once"], count, "in one go");
    test.verified("orphans", &format!("{count} at once, none left"));
}

fn all_were_reaped(ended: &Ended, count: u32) {
    assert_eq!(ended.code, Some(0), "{:?}", ended.report);
    assert_eq!(ended.report["orphans_reaped"], count);
}
