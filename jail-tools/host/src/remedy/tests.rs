//! The decision as a table: who runs where, what is blind, what would help.

use record::Fact;

use super::*;

/// CAP_BPF and CAP_PERFMON.
const LADDER: &str = "000000c000000000";
const ALL: &str = "000001ffffffffff";
const NONE: &str = "0000000000000000";
/// All but CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN.
const REST: &str = "0000013fffdfffff";

const EXE: &str = "/opt/j/jail-tools";
const SETCAP: &str = "sudo setcap cap_bpf,cap_perfmon+ep /opt/j/jail-tools";
const AS_ROOT: &str = "sudo /opt/j/jail-tools run syslat --quick";

fn host(euid: u32, capabilities: &str) -> HostFacts {
    let mut f = HostFacts::unknown("could not tell: a test");
    let known = |v: &str| Fact::known(v.to_owned(), "test");
    f.euid = Fact::known(euid, "test");
    f.capabilities = known(capabilities);
    f.perf_event_paranoid = Fact::known(2, "test");
    f.btf_bytes = Fact::known(5_000_000, "test");
    f.pmus = Fact::known(vec!["cpu".into(), "software".into()], "test");
    f.privilege.bounding = known(ALL);
    f.privilege.no_new_privs = Fact::known(false, "test");
    f.privilege.initial_user_namespace = Fact::known(true, "test");
    f.privilege.executable = known(EXE);
    f.privilege.executable_nosuid = Fact::known(false, "test");
    f
}

fn remedy(facts: &HostFacts, eye: Eye) -> Remedy {
    let again = ["run", "syslat", "--quick"].map(String::from);
    let blind = Blind {
        eye,
        what: vec!["something".into()],
        why: "EPERM".into(),
    };
    remedies(facts, &again, &[blind]).remove(0).remedy
}

fn command(text: &str) -> Remedy {
    Remedy::Command(text.into())
}

/// No command, and these words.
#[track_caller]
fn nothing(remedy: &Remedy, says: &str) {
    assert!(
        matches!(remedy, Remedy::Nothing(why) if why.contains(says)),
        "{remedy:?}"
    );
}

#[test]
fn the_rungs_each_have_the_command_to_the_next() {
    let user = host(1000, NONE);
    assert_eq!(remedy(&user, Eye::Probes), command(SETCAP));
    assert_eq!(remedy(&user, Eye::KernelEvents), command(SETCAP));
    // Neither capabilities nor tracefs alone would do.
    assert_eq!(remedy(&user, Eye::Tracepoints), command(AS_ROOT));

    let raised = host(1000, LADDER);
    let mounted_anew = "sudo mount -t tracefs -o mode=750,gid=$(id -g) tracefs /sys/kernel/tracing";
    assert_eq!(remedy(&raised, Eye::Tracepoints), command(mounted_anew));
    let mut closed = raised.clone();
    closed.tracefs = Fact::known("/sys/kernel/tracing".into(), "test");
    let remounted = "sudo mount -o remount,mode=750,gid=$(id -g) /sys/kernel/tracing";
    assert_eq!(remedy(&closed, Eye::Tracepoints), command(remounted));
    nothing(
        &remedy(&raised, Eye::Probes),
        "not a matter of privilege: EPERM",
    );

    let root = host(0, ALL);
    nothing(&remedy(&root, Eye::Probes), "not a matter of privilege");
    nothing(
        &remedy(&root, Eye::Tracepoints),
        "not a matter of privilege",
    );
}

#[test]
fn what_nothing_would_change_says_so() {
    for euid in [0, 1000] {
        let mut f = host(euid, if euid == 0 { ALL } else { NONE });
        f.lockdown = Fact::known("confidentiality".into(), "test");
        nothing(&remedy(&f, Eye::Probes), "lockdown=confidentiality");
        f.btf_bytes = Fact::unavailable("absent on this machine: a test");
        nothing(&remedy(&f, Eye::Probes), "CONFIG_DEBUG_INFO_BTF");
        f.pmus = Fact::known(vec!["software".into()], "test");
        nothing(&remedy(&f, Eye::Hardware), "pmu=on");
        nothing(&remedy(&f, Eye::Kernel), "another kernel");
    }
    // That BTF could not be looked at says nothing of the kernel.
    let mut f = host(1000, NONE);
    f.btf_bytes = Fact::unavailable("could not tell: a test");
    assert_eq!(remedy(&f, Eye::Probes), command(SETCAP));
}

#[test]
fn a_command_that_would_have_no_effect_is_not_given() {
    let mut f = host(1000, NONE);
    f.privilege.executable_nosuid = Fact::known(true, "test");
    assert_eq!(remedy(&f, Eye::Probes), command(AS_ROOT));

    f.privilege.no_new_privs = Fact::known(true, "test");
    nothing(&remedy(&f, Eye::Probes), "no_new_privs");
    nothing(&remedy(&f, Eye::Tracepoints), "no_new_privs");

    let mut f = host(1000, NONE);
    f.privilege.bounding = Fact::known(REST.into(), "test");
    nothing(&remedy(&f, Eye::Probes), "--cap-add");
    // Root in name only.
    nothing(&remedy(&host(0, REST), Eye::Probes), "--cap-add");

    let mut f = host(0, ALL);
    f.privilege.initial_user_namespace = Fact::known(false, "test");
    nothing(&remedy(&f, Eye::Probes), "user namespace");
}

#[test]
fn paranoia_decides_only_where_the_capability_is_missing() {
    let mut f = host(1000, NONE);
    f.perf_event_paranoid = Fact::known(1, "test");
    nothing(&remedy(&f, Eye::KernelEvents), "not a matter of privilege");
    f.perf_event_paranoid = Fact::known(-1, "test");
    f.privilege.tracepoint_numbers = Fact::known("/sys/kernel/tracing".into(), "test");
    nothing(&remedy(&f, Eye::Tracepoints), "not a matter of privilege");
    f.perf_event_paranoid = Fact::known(0, "test");
    assert_eq!(remedy(&f, Eye::Tracepoints), command(SETCAP));
}

/// Level 3 lets only CAP_SYS_ADMIN in: neither CAP_PERFMON nor file capabilities help.
#[test]
fn at_level_3_the_level_has_to_go_or_root_to_come() {
    let lower = command("sudo sysctl -w kernel.perf_event_paranoid=2");
    let at_level_3 = |euid, capabilities| {
        let mut f = host(euid, capabilities);
        f.perf_event_paranoid = Fact::known(3, "test");
        f
    };
    let user = at_level_3(1000, NONE);
    assert_eq!(remedy(&user, Eye::KernelEvents), command(AS_ROOT));
    assert_eq!(remedy(&user, Eye::Tracepoints), command(AS_ROOT));
    assert_eq!(remedy(&user, Eye::Hardware), lower);
    assert_eq!(remedy(&user, Eye::Probes), command(SETCAP));
    assert_eq!(remedy(&at_level_3(1000, LADDER), Eye::KernelEvents), lower);
    // Root in name only may still write the setting, and needs no sudo for it.
    let in_name = at_level_3(0, REST);
    nothing(&remedy(&in_name, Eye::KernelEvents), "--cap-add SYS_ADMIN");
    assert_eq!(
        remedy(&in_name, Eye::Hardware),
        command("sysctl -w kernel.perf_event_paranoid=2")
    );
    // Sudo gives no more than the session's bounds.
    let mut bounded = at_level_3(1000, NONE);
    bounded.privilege.bounding = Fact::known(LADDER.into(), "test");
    nothing(&remedy(&bounded, Eye::KernelEvents), "--cap-add SYS_ADMIN");
    let foreseen = foreseen(&at_level_3(1000, LADDER));
    let events = foreseen.iter().find(|b| b.eye == Eye::KernelEvents);
    assert!(events.is_some_and(|b| b.why.contains("above 2") && b.why.contains("CAP_SYS_ADMIN")));
    let root = at_level_3(0, ALL);
    nothing(
        &remedy(&root, Eye::KernelEvents),
        "not a matter of privilege",
    );
}

/// What is blind, with which capabilities, at which level of `perf_event_paranoid`.
type Blinded = (Eye, &'static str, i32);

/// What keeps sudo from having an effect, and what the answer says of it.
type Blocked = (fn(&mut HostFacts), &'static str);

/// Whatever is blind, where sudo cannot help no command says `sudo`.
#[test]
fn sudo_is_not_given_where_it_has_no_effect() {
    let rows: [Blinded; 6] = [
        (Eye::Hardware, NONE, 3),
        (Eye::Hardware, LADDER, 3),
        (Eye::KernelEvents, LADDER, 3),
        (Eye::Tracepoints, LADDER, 3),
        // Closed tracefs alone: the events may be opened by capability, or by level.
        (Eye::Tracepoints, LADDER, 2),
        (Eye::Tracepoints, NONE, -1),
    ];
    let facts: [Blocked; 2] = [
        (
            |f| f.privilege.no_new_privs = Fact::known(true, "test"),
            "without no_new_privs",
        ),
        (
            |f| f.privilege.initial_user_namespace = Fact::known(false, "test"),
            "user namespace",
        ),
    ];
    for (eye, capabilities, level) in rows {
        let mut f = host(1000, capabilities);
        f.perf_event_paranoid = Fact::known(level, "test");
        f.tracefs = Fact::known("/sys/kernel/tracing".into(), "test");
        let helped = remedy(&f, eye);
        assert!(
            matches!(&helped, Remedy::Command(c) if c.starts_with("sudo ")),
            "{eye:?}, {capabilities}, level {level}: {helped:?}"
        );
        for (block, says) in facts {
            let mut blocked = f.clone();
            block(&mut blocked);
            nothing(&remedy(&blocked, eye), says);
        }
    }
}

/// A mount takes CAP_SYS_ADMIN, which neither sudo nor the user id gives where it is bounded.
#[test]
fn tracefs_is_opened_only_where_a_mount_may_be_made() {
    let mut bounded = host(1000, LADDER);
    bounded.privilege.bounding = Fact::known(LADDER.into(), "test");
    nothing(&remedy(&bounded, Eye::Tracepoints), "--cap-add SYS_ADMIN");
    nothing(
        &remedy(&host(0, LADDER), Eye::Tracepoints),
        "--cap-add SYS_ADMIN",
    );
}

#[test]
fn what_was_switched_off_is_switched_on_again() {
    let f = host(0, ALL);
    let again = ["run", "--no-probes", "--out", "my runs"].map(String::from);
    let blind = |eye| Blind {
        eye,
        what: vec!["something".into()],
        why: "asked for".into(),
    };
    let user = host(1000, NONE);
    assert_eq!(
        remedies(&user, &again, &[blind(Eye::SwitchedOff(NO_PROBES))])[0].remedy,
        command("sudo /opt/j/jail-tools run --out 'my runs'")
    );
    let found = remedies(
        &f,
        &again,
        &[blind(Eye::SwitchedOff(NO_PROBES)), blind(Eye::Object)],
    );
    assert_eq!(
        found[0].remedy,
        command("/opt/j/jail-tools run --out 'my runs'")
    );
    assert_eq!(
        found[1].remedy,
        command("env -u JAIL_TOOLS_BPF_OBJECT /opt/j/jail-tools run --no-probes --out 'my runs'")
    );
}

#[test]
fn paths_are_quoted_for_a_shell() {
    assert_eq!(quoted("/a-b/c.d"), "/a-b/c.d");
    assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
    assert_eq!(quoted(""), "''");
}

#[test]
fn what_the_facts_foresee() {
    let eyes = |f: &HostFacts| foreseen(f).iter().map(|b| b.eye).collect::<Vec<_>>();
    assert_eq!(eyes(&host(0, ALL)), []);
    assert_eq!(eyes(&host(1000, LADDER)), [Eye::Tracepoints]);
    let mut user = host(1000, NONE);
    assert_eq!(
        eyes(&user),
        [Eye::Probes, Eye::KernelEvents, Eye::Tracepoints]
    );
    user.pmus = Fact::known(vec!["software".into()], "test");
    assert_eq!(eyes(&user).last(), Some(&Eye::Hardware));
    for f in [host(0, ALL), host(1000, LADDER), user] {
        for blind in foreseen(&f) {
            assert!(!blind.what.is_empty() && !blind.why.is_empty());
        }
    }
}
