//! Who killed the command: as far as it can be known, and no further.

use crate::story::jail::Jail;
use crate::story::refused;

#[test]
fn needs_root_a_signal_through_procjail_names_its_sender() {
    let _test = testkit::begin!();
    let mut jail = Jail::start(&[], &["sleep", "1000"]);
    jail.until("started");
    assert!(jail.supervisor.signal(libc::SIGTERM));
    let ended = jail.end();
    assert_eq!(ended.who(), "a process outside, through procjail");
    let sender = &ended.report["killed_by"]["sender"];
    assert_eq!(sender["pid"], std::process::id());
    assert_eq!(sender["uid"], 0);
    assert_eq!(ended.report["killed_by"]["signal"], "SIGTERM");
}

#[test]
fn needs_root_a_signal_from_inside_to_pid_1_names_its_sender() {
    let _test = testkit::begin!();
    // `exec`: whoever gets it is who sent it.
    let jail = Jail::start(&[], &["sh", "-c", "kill -TERM 1; exec sleep 1000"]);
    let ended = jail.end();
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert_eq!(ended.who(), "a process that signalled PID 1");
    let command = &ended.events[0]["command"];
    assert_eq!(&ended.report["killed_by"]["sender"]["pid"], command);
}

#[test]
fn needs_root_a_kill_behind_procjails_back_is_unknown() {
    let _test = testkit::begin!();
    let jail = Jail::start(&[], &["sleep", "1000"]);
    assert!(jail.command().signal(libc::SIGKILL));
    let ended = jail.end();
    assert_eq!(ended.code, Some(137), "{ended:?}");
    assert_eq!(ended.who(), "unknown: not through procjail");
    assert!(ended.report["killed_by"]["sender"].is_null());
}

#[test]
fn needs_root_a_kill_of_pid_1_is_told_from_one_of_the_command() {
    let _test = testkit::begin!();
    let mut jail = Jail::start(&[], &["sleep", "1000"]);
    jail.until("started");
    assert!(jail.pid_1().signal(libc::SIGKILL));
    let ended = jail.end();
    assert_eq!(ended.code, Some(137), "{ended:?}");
    assert_eq!(ended.who(), "somebody outside, who killed PID 1");
    assert!(ended.report["command"].is_null(), "nobody waited for it");
}

#[test]
fn needs_root_a_kill_for_memory_is_the_kernels() {
    let test = testkit::begin!();
    let limit = ["--memory", "16M"];
    if let Some(why) = refused(&limit) {
        return test.skip(&why);
    }
    let ended = Jail::start(&limit, &DD).end();
    assert_eq!(ended.code, Some(137), "{ended:?}");
    assert_eq!(ended.who(), "the kernel, for memory");
    assert_eq!(ended.report["oom"]["kills"], 1);
    let own = &ended.report["oom"]["limit_of"];
    let own = own.as_str().unwrap();
    assert!(own.contains("/procjail-"), "its own limit: {own}");
}

/// A block is read into memory as a whole.
const DD: [&str; 5] = ["dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"];

#[test]
fn needs_root_a_kill_for_memory_of_somebody_else_is_not_said_to_be_the_commands() {
    let test = testkit::begin!();
    let limit = ["--memory", "16M"];
    if let Some(why) = refused(&limit) {
        return test.skip(&why);
    }
    // The kernel kills what the shell starts; the shell kills itself.
    let command = format!("{}; kill -9 $$", DD.join(" "));
    let ended = Jail::start(&limit, &["sh", "-c", &command]).end();
    assert_eq!(ended.code, Some(137), "{ended:?}");
    assert_eq!(ended.report["oom"]["kills"], 1);
    assert_eq!(ended.who(), "perhaps the kernel, for memory");
}

#[test]
fn needs_root_a_stop_signal_that_kills_came_through_us() {
    let _test = testkit::begin!();
    let mut jail = Jail::start(&["--stop-signal", "KILL"], &["sleep", "1000"]);
    jail.until("started");
    assert!(jail.supervisor.signal(libc::SIGTERM));
    let ended = jail.end();
    assert_eq!(ended.code, Some(137), "{ended:?}");
    assert_eq!(ended.who(), "a process outside, through procjail");
}
