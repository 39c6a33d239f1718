//! Ways out of a jail, from inside, as root and rootless, with the default options: each fails, with
//! its errno, and each is seen to get further where the protection is off.

#[path = "escape/attempts.rs"]
mod attempts;
#[path = "escape/jail.rs"]
mod jail;
#[path = "escape/kernel_mounts.rs"]
mod kernel_mounts;

use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Stdio;

use attempts::{Attempt, CALLS, Open, WORKING};
use jail::Tools;

/// Everything that stands in the way of a system call.
const UNPROTECTED: &[&str] = &[
    "--without",
    "caps,no-new-privs,seccomp,landlock",
    "--tmpfs",
    "/tmp",
];

fn words(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(|a| a.name.to_owned()).collect()
}

/// Each attempt in a default jail ends as the table says.
fn all_are_refused(tools: &Tools, rootless: bool) {
    let found = tools.attempts(rootless, &["--tmpfs", "/tmp"], &words(CALLS));
    for attempt in CALLS {
        let outcome = found.get(attempt.name).map(String::as_str);
        assert_eq!(
            outcome,
            Some(attempt.refused),
            "{} (rootless: {rootless})",
            attempt.name
        );
    }
    let working: Vec<String> = WORKING.iter().map(|w| (*w).to_owned()).collect();
    for (name, outcome) in tools.attempts(rootless, &["--tmpfs", "/tmp"], &working) {
        assert_eq!(outcome, "ok", "{name} should work in a jail");
    }
}

#[test]
fn needs_root_every_way_out_by_system_call_is_refused() {
    let test = testkit::begin!();
    all_are_refused(&Tools::new(), false);
    test.verified(
        "escape tests",
        &format!("{} calls refused, as root and rootless", CALLS.len()),
    );
}

#[test]
fn needs_root_every_way_out_by_system_call_is_refused_rootless() {
    let _test = testkit::begin!();
    all_are_refused(&Tools::new(), true);
}

#[test]
fn needs_root_the_refusals_are_the_protections_doing() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    for attempt in CALLS {
        let expected: &[&str] = match attempt.open {
            Open::NotTried => continue,
            Open::Succeeds => &["ok"],
            Open::Reaches(errnos) => errnos,
        };
        // One jail each: what succeeds changes it.
        let found = tools.attempts(false, UNPROTECTED, &[attempt.name.to_owned()]);
        let outcome = found.get(attempt.name).map_or("nothing", String::as_str);
        assert!(
            expected.contains(&outcome),
            "{}: {outcome}, not {expected:?}",
            attempt.name
        );
    }
}

/// `(attempt, how it must end)`, on paths that every kernel here has.
const PATHS: &[(&str, &[&str])] = &[
    ("write=/proc/sys/kernel/core_pattern", &["EROFS"]),
    ("write=/proc/sys/kernel/hostname", &["EROFS"]),
    // Absent where the kernel has no magic SysRq.
    ("write=/proc/sysrq-trigger", &["EROFS", "ENOENT"]),
    (
        "write=/sys/kernel/mm/transparent_hugepage/enabled",
        &["EROFS", "ENOENT"],
    ),
    ("write=/sys/kernel/uevent_helper", &["EROFS", "ENOENT"]),
    ("write=/proc/1/mem", &["EACCES", "EPERM"]),
    ("read=/proc/1/environ", &["EACCES", "EPERM"]),
    ("follow=/proc/1/root", &["EACCES", "EPERM"]),
    ("follow=/proc/1/cwd", &["EACCES", "EPERM"]),
    ("follow=/proc/1/fd/0", &["EACCES", "EPERM", "ENOENT"]),
    ("follow=/proc/1/exe", &["EACCES", "EPERM"]),
    ("read=/dev/mem", &["ENOENT"]),
    ("read=/dev/kmsg", &["ENOENT"]),
    ("read=/dev/vda", &["ENOENT"]),
];

#[test]
fn needs_root_files_of_the_kernel_and_of_pid_1_are_out_of_reach() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    for rootless in [false, true] {
        for (attempt, expected) in PATHS {
            let found = tools.attempts(rootless, &[], &[(*attempt).to_owned()]);
            let outcome = found.values().next().map_or("nothing", String::as_str);
            // Who is nobody outside may not even open what belongs to root.
            let also = rootless && outcome == "EACCES";
            assert!(
                expected.contains(&outcome) || also,
                "{attempt}: {outcome} (rootless: {rootless})"
            );
        }
    }
    let open = ["write=/proc/sys/kernel/hostname".to_owned()];
    let found = tools.attempts(false, &["--without", "proc"], &open);
    assert_eq!(
        found.get("write").map(String::as_str),
        Some("ok"),
        "without the mask"
    );
}

#[test]
fn needs_root_cgroup_files_cannot_be_written() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let mut seen = 0;
    for line in text.lines().filter(|l| l.contains(" - cgroup")) {
        let Some(mount) = line.split(' ').nth(4) else {
            continue;
        };
        for file in [
            "cgroup.procs",
            "release_agent",
            "memory.max",
            "memory.limit_in_bytes",
        ] {
            let path = format!("{mount}/{file}");
            if !std::path::Path::new(&path).exists() {
                continue;
            }
            seen += 1;
            let word = [format!("write={path}")];
            let found = tools.attempts(false, &[], &word);
            assert_eq!(
                found.get("write").map(String::as_str),
                Some("EROFS"),
                "{path}"
            );
            let found = tools.attempts(false, &["--without", "sys"], &word);
            assert_eq!(
                found.get("write").map(String::as_str),
                Some("ok"),
                "{path}, without"
            );
        }
    }
    assert!(seen > 0, "no cgroup file was tried");
}

#[test]
fn needs_root_host_processes_do_not_exist_in_a_jail() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    // Ours is a number that a jail of three processes does not have.
    let own = std::process::id();
    let host: Vec<String> = ["kill", "pidfd_open", "seize"]
        .map(|a| format!("{a}={own}"))
        .into();
    for rootless in [false, true] {
        for (name, outcome) in tools.attempts(rootless, &[], &host) {
            assert!(
                ["ESRCH", "EINVAL"].contains(&outcome.as_str()),
                "{name}: {outcome}"
            );
        }
    }
    let output = tools
        .jail(false)
        .args(["--", "ls", "/proc"])
        .output()
        .expect("ls");
    let listed = String::from_utf8_lossy(&output.stdout);
    let pids = listed.lines().filter(|l| l.parse::<u32>().is_ok()).count();
    assert_eq!(pids, 2, "PID 1 and ls: {listed}");
}

#[test]
fn needs_root_descriptors_of_the_caller_do_not_get_in() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let leaked = std::fs::File::open("/etc/passwd").expect("a file");
    let fd = leaked.as_raw_fd();
    let inheritable = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
    nix::fcntl::fcntl(&leaked, inheritable).expect("inheritable");
    let word = [format!("fd={fd}")];
    assert_eq!(tools.attempts(false, &[], &word)["fd"], "EBADF");
    let passed = tools.attempts(false, &["--pass-fd", &fd.to_string()], &word);
    assert_eq!(passed["fd"], "ok", "passed on purpose");
    assert_eq!(
        tools.attempts(false, &["--without", "fds"], &word)["fd"],
        "ok"
    );
}

#[test]
fn needs_root_a_directory_as_a_descriptor_is_refused() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let folder = std::fs::File::open("/").expect("a directory");
    let output = tools
        .jail(false)
        .args(["--", "true"])
        .stdin(Stdio::from(folder))
        .output()
        .expect("procjail");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(
        said.contains("descriptor 0") && said.contains("--bind"),
        "{said}"
    );
}

#[test]
fn needs_root_dots_do_not_lead_out_of_a_rootfs() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let root = tempfile::tempdir_in("/var/tmp").expect("a rootfs");
    for folder in ["proc", "dev", "usr", "lib", "lib64", "bin", "tools", "tmp"] {
        std::fs::create_dir(root.path().join(folder)).expect("a directory");
    }
    let mut command = tools.jail(false);
    command.arg("--rootfs").arg(root.path());
    for folder in ["usr", "lib", "lib64", "bin"] {
        let from = std::path::Path::new("/").join(folder);
        if from.exists() {
            command.arg("--ro-bind").arg(format!("/{folder}"));
        }
    }
    command
        .arg("--ro-bind")
        .arg(format!("{}:/tools", tools.folder().display()));
    command.args([
        "--",
        "/tools/jail-escapee",
        "dotdot",
        "read=/etc/passwd",
        "read=/usr/bin/env",
    ]);
    let output = command.output().expect("procjail");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, ["dotdot ok", "read ENOENT", "read ok"], "{output:?}");
    let left = std::fs::read_dir(root.path().join("proc"))
        .expect("proc")
        .count();
    assert_eq!(left, 0, "the rootfs itself is as it was");
}

#[test]
fn needs_root_a_device_node_elsewhere_does_not_work() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let node = tools.path("null");
    let (mode, number) = (nix::sys::stat::Mode::S_IRWXU, nix::sys::stat::makedev(1, 3));
    nix::sys::stat::mknod(&node, nix::sys::stat::SFlag::S_IFCHR, mode, number).expect("a node");
    let word = [format!("read={}", node.display())];
    assert_eq!(tools.attempts(false, &[], &word)["read"], "EACCES");
    let without = tools.attempts(false, &["--without", "devices"], &word);
    assert_eq!(without["read"], "ok");
}

#[test]
fn needs_root_a_device_works_where_it_was_let_in() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let at = |path: &str| [format!("entropy={path}")];
    let bound = ["--tmpfs", "/mnt", "--bind", "/dev/urandom:/mnt/r"];
    assert_eq!(
        tools.attempts(false, &bound, &at("/mnt/r"))["entropy"],
        "EACCES"
    );
    // Not by Landlock either.
    let let_in = [&bound[..], &["--without", "devices"]].concat();
    assert_eq!(
        tools.attempts(false, &let_in, &at("/mnt/r"))["entropy"],
        "ok"
    );
    for rootless in [false, true] {
        let device = ["--device", "/dev/urandom"];
        let found = tools.attempts(rootless, &device, &at("/dev/urandom"));
        assert_eq!(found["entropy"], "ok", "rootless: {rootless}");
    }
}

#[test]
fn needs_root_a_program_of_another_architecture_is_killed() {
    let _test = testkit::begin!();
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let tools = Tools::new();
    let mut command = tools.jail(false);
    command
        .arg("--")
        .arg(tools.path("jail-escapee"))
        .arg("i386");
    let status = command.output().expect("procjail").status;
    assert_eq!(status.code(), Some(128 + nix::libc::SIGSYS));
}

#[test]
fn needs_root_abstract_sockets_of_the_host_are_out_of_reach() {
    let test = testkit::begin!();
    let tools = Tools::new();
    let name = format!("procjail-escape-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _listener = UnixListener::bind_addr(&address).expect("bound");
    let word = [format!("abstract={name}")];
    assert_eq!(
        tools.attempts(false, &["--without", "landlock"], &word)["abstract"],
        "ok"
    );
    match tools.attempts(false, &[], &word)["abstract"].as_str() {
        "EPERM" => test.verified("abstract sockets of the host", "refused by Landlock"),
        // Landlock scopes them since its version 6 (Linux 6.12).
        "ok" => test.verified(
            "abstract sockets of the host",
            "not refused: Landlock is older than 6, or off",
        ),
        other => panic!("{other}"),
    }
}

#[test]
fn needs_root_capabilities_are_those_of_the_set_and_no_exec_gives_more() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    // Twice executed: by us, and by the shell.
    let script = "exec grep -E '^(Cap(Prm|Eff)|NoNewPrivs|Seccomp):' /proc/self/status";
    let seen = |options: &[&str]| {
        let mut command = tools.jail(false);
        command.args(options).args(["--", "sh", "-c", script]);
        let output = command.output().expect("procjail");
        String::from_utf8_lossy(&output.stdout).replace('\t', "")
    };
    let default = "CapPrm:00000000000004fb\nCapEff:00000000000004fb\nNoNewPrivs:1\nSeccomp:2\n";
    assert_eq!(seen(&[]), default);
    let bounded = seen(&["--without", "no-new-privs"]);
    assert_eq!(
        bounded,
        default.replace("Privs:1", "Privs:0"),
        "by the bounding set"
    );
    // Filter and Landlock are loaded by privilege then, which ends with the exec.
    let plain = seen(&["--user", "1000", "--without", "no-new-privs"]);
    let expected = "CapPrm:0000000000000000\nCapEff:0000000000000000\nNoNewPrivs:0\nSeccomp:2\n";
    assert_eq!(plain, expected);
    let none = seen(&["--cap-drop", "all"]);
    assert!(
        none.starts_with("CapPrm:0000000000000000\nCapEff:0000000000000000"),
        "{none}"
    );
    let added = seen(&["--cap-add", "net_raw"]);
    assert!(added.starts_with("CapPrm:00000000000024fb"), "{added}");
    let user = seen(&["--user", "1000", "--cap-add", "net_raw"]);
    assert!(
        user.starts_with("CapPrm:0000000000002000\nCapEff:0000000000002000"),
        "{user}"
    );
}

#[test]
fn needs_root_what_programs_need_works() {
    let _test = testkit::begin!();
    let tools = Tools::new();
    let script = "set -e; echo x > /dev/null; head -c 1 /dev/urandom > /dev/shm/x; [ -c /dev/ptmx ]; \
        [ -e /dev/stdin ]; d=$(mktemp -d); mkdir $d/a $d/b; echo 1 > $d/a/f; mv $d/a/f $d/b/f; \
        cat $d/b/f; (sleep 0.01 &) ; kill -0 $$; echo 5 > /proc/self/oom_score_adj; rm -r $d; echo fine";
    for options in [&[][..], &["--tmpfs", "/tmp"]] {
        let mut command = tools.jail(false);
        command.args(options).args(["--", "sh", "-c", script]);
        let output = command.output().expect("procjail");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "1\nfine\n",
            "{output:?}"
        );
    }
}
