//! TERM, INT and HUP: passed on, and after the grace followed by KILL.

use crate::DEAF;
use crate::story::jail::Jail;

#[test]
fn needs_root_a_command_that_ignores_the_signal_is_killed_after_the_grace() {
    let _test = testkit::begin!();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        for mode in ["--init", "--as-pid1"] {
            let mut jail = Jail::start(&[mode, "--grace", "0.1"], &DEAF);
            jail.until_it_says("ready");
            assert!(jail.supervisor.signal(signal));
            let ended = jail.end();
            assert_eq!(ended.code, Some(137), "{ended:?}");
            assert_eq!(ended.who(), "procjail, when --grace was over");
            let names = ended.names();
            assert_eq!(names[names.len() - 2..], ["grace_over", "exited"]);
        }
    }
}

#[test]
fn needs_root_a_command_that_obeys_is_not_killed() {
    let _test = testkit::begin!();
    let mut jail = Jail::start(&["--grace", "1000"], &["sleep", "1000"]);
    jail.until("started");
    assert!(jail.supervisor.signal(libc::SIGTERM));
    let ended = jail.end();
    assert_eq!(ended.code, Some(128 + libc::SIGTERM), "{ended:?}");
    assert_eq!(ended.names(), ["started", "exited"]);
}

#[test]
fn needs_root_term_is_passed_on_as_the_stop_signal() {
    let _test = testkit::begin!();
    let command = "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done";
    let mut jail = Jail::start(&["--stop-signal", "USR1"], &["sh", "-c", command]);
    jail.until_it_says("ready");
    assert!(jail.supervisor.signal(libc::SIGTERM));
    assert_eq!(jail.end().code, Some(7));
}

#[test]
fn needs_root_without_a_grace_a_deaf_command_goes_on() {
    let _test = testkit::begin!();
    let mut jail = Jail::start(&[], &DEAF);
    jail.until_it_says("ready");
    assert!(jail.supervisor.signal(libc::SIGTERM));
    // After KILL there is nothing more to be passed on: TERM was, and did nothing.
    assert!(jail.command().signal(libc::SIGKILL));
    let ended = jail.end();
    assert_eq!(ended.code, Some(137));
    assert_eq!(ended.report["signals_forwarded"], 1, "{ended:?}");
}
