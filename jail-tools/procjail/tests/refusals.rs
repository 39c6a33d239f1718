//! What cannot be done: a clear word, the right code, and nothing left behind.

use std::process::{Command, Output};

use tempfile::TempDir;

fn procjail(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procjail"));
    command
        .args(words)
        .current_dir("/")
        .output()
        .expect("procjail")
}

/// It fails with this code and says these words.
fn fails(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    assert_eq!(
        said.lines().next().map(|l| l.starts_with("procjail: ")),
        Some(true),
        "{said}"
    );
}

#[test]
fn wrong_words_are_refused_before_anything_is_done() {
    for (line, words) in [
        ("run", &["no command"][..]),
        ("run --", &["no command"]),
        ("run --memory 1X -- true", &["--memory", "`1X`"]),
        ("run --fly -- true", &["--fly"]),
        ("run --without walls -- true", &["walls", "seccomp"]),
        ("run --cap-add fly -- true", &["fly"]),
        ("run --stop-signal NOPE -- true", &["NOPE"]),
        ("run --stop-signal CHLD -- true", &["--stop-signal CHLD"]),
        ("run --stop-signal STOP -- true", &["--stop-signal STOP"]),
        ("run --user 4294967295 -- id", &["--user", "4294967295"]),
        ("run --user 0:4294967295 -- id", &["--user", "4294967295"]),
        ("run --grace 1e19 -- true", &["--grace", "1e19"]),
        ("run --memory 4iBB -- true", &["--memory", "`4iBB`"]),
        ("run --rlimit files=1 -- true", &["files", "nofile"]),
        ("run --uid-map 0:0 -- true", &["INSIDE:OUTSIDE:COUNT"]),
        ("run --status-fd 77 -- true", &["--status-fd 77"]),
        ("run --seccomp-allow read -- true", &["`read`", "mount"]),
        ("run --pass-fd 77 -- true", &["descriptor 77"]),
        ("run --tmpfs relative -- true", &["relative", "absolute"]),
        ("run --tmpfs /a/../b -- true", &["absolute"]),
        ("run --as-pid1 --unshare time -- true", &["--as-pid1"]),
        ("init --rewrite TERM -- true", &["--rewrite"]),
        ("init", &["no command"]),
        ("gc --now", &["--now"]),
        ("dance", &["dance"]),
    ] {
        let line: Vec<&str> = line.split(' ').collect();
        fails(&procjail(&line), 125, words);
    }
}

#[test]
fn needs_root_a_command_that_cannot_be_executed_has_its_own_codes() {
    let _test = testkit::begin!();
    fails(
        &procjail(&["run", "--", "no-such-command"]),
        127,
        &["no-such-command", "ENOENT"],
    );
    fails(
        &procjail(&["run", "--", "/etc/passwd"]),
        126,
        &["/etc/passwd", "EACCES"],
    );
    fails(&procjail(&["run", "--", "/etc"]), 126, &["/etc"]);
    fails(
        &procjail(&["run", "--as-pid1", "--", "no-such-command"]),
        127,
        &["no-such-command"],
    );
    fails(&procjail(&["run", "--", ""]), 127, &["without a name"]);
}

/// An executable file in a folder.
fn executable(folder: &TempDir, name: &str, content: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a file");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("a mode");
}

#[test]
fn needs_root_a_script_without_an_interpreter_is_the_shells_as_with_execvp() {
    let _test = testkit::begin!();
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    executable(&folder, "script", b"echo \"$# $1 $2 $0\"; exit 7\n");
    executable(
        &folder,
        "foreign",
        b"\x7fELF\x02\x01\x01 of another machine",
    );
    let path = folder.path().to_str().expect("text");
    for verb in [&["init"][..], &["run"], &["run", "--as-pid1"]] {
        let run = |command: &[&str]| {
            let mut tool = Command::new(env!("CARGO_BIN_EXE_procjail"));
            tool.args(verb).arg("--").args(command);
            tool.env("PATH", format!("/no/such:{path}:/bin"));
            tool.current_dir(path).output().expect("procjail")
        };
        for name in ["./script", "script"] {
            let output = run(&[name, "a b", "c"]);
            assert_eq!(output.status.code(), Some(7), "{verb:?} {output:?}");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.starts_with("2 a b c "), "{verb:?}: {said}");
            assert!(said.trim().ends_with("/script"), "{verb:?}: {said}");
        }
        fails(&run(&["./foreign"]), 126, &["ENOEXEC", "architecture"]);
    }
}

#[test]
fn needs_root_what_is_missing_is_named() {
    let _test = testkit::begin!();
    let empty = TempDir::new().expect("a folder");
    let empty = empty.path().to_str().expect("text");
    for (options, words) in [
        (
            vec!["--rootfs", "/no/such/root"],
            &["/no/such/root", "ENOENT"][..],
        ),
        (vec!["--rootfs", empty], &["/dev", "ENOENT"]),
        (vec!["--bind", "/no/such:/tmp"], &["/no/such", "ENOENT"]),
        (vec!["--bind", "/tmp:/no/such"], &["/no/such", "ENOENT"]),
        (vec!["--chdir", "/no/such"], &["/no/such", "--chdir"]),
        (vec!["--ro", "/no/such"], &["/no/such"]),
        (vec!["--cgroup-parent", "/no/such"], &["/no/such"]),
        (
            vec!["--cgroup-parent", "/../../../tmp"],
            &["--cgroup-parent", "`..`"],
        ),
        (vec!["--cpuset", "4096"], &["--cpuset", "4096"]),
        (vec!["--hostname", ""], &["host name"]),
        // The second of two: PID 1 has gone on by the time that the reason is read.
        (
            vec!["--rlimit", "core=0", "--rlimit", "nofile=unlimited"],
            &["nofile"],
        ),
        (vec!["--uid-map", "0:0:1"], &["--unshare user"]),
        (
            vec![
                "--unshare",
                "user",
                "--uid-map",
                "0:0:5",
                "--uid-map",
                "2:9:1",
            ],
            &["overlaps"],
        ),
        (
            vec!["--unshare", "user", "--user", "77"],
            &["77", "--uid-map"],
        ),
    ] {
        let mut line = vec!["run"];
        line.extend(options);
        line.extend(["--", "true"]);
        fails(&procjail(&line), 125, words);
    }
}

#[test]
fn needs_root_the_number_for_nobody_is_refused_to_callers_of_the_library_too() {
    let _test = testkit::begin!();
    let blocked = procjail::Blocked::now().expect("blocked");
    for (uid, gid) in [(u32::MAX, 7), (7, u32::MAX)] {
        let mut spec = procjail::Spec::new(vec!["true".into()]);
        spec.user = Some(procjail::User { uid, gid });
        let error = procjail::run(&spec, &blocked, false, &mut |_event| {});
        let error = error.expect_err("nobody's number");
        assert!(error.to_string().contains("--user"), "{error}");
    }
}

#[test]
fn needs_root_our_own_copy_of_the_status_descriptor_cannot_be_passed_in() {
    let _test = testkit::begin!();
    // The first free number, which a copy would get.
    let script = format!(
        "exec {} run --status-fd 2 --pass-fd 3 -- sh -c 'echo FORGED >&3' 3>&-",
        env!("CARGO_BIN_EXE_procjail")
    );
    let output = Command::new("sh").args(["-c", &script]).output();
    let output = output.expect("sh");
    fails(&output, 125, &["descriptor 3 of --pass-fd"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("FORGED"));
}

/// As nobody, with the binary where nobody may execute it.
fn as_nobody(words: &[&str]) -> Output {
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let built = std::path::Path::new(env!("CARGO_BIN_EXE_procjail"));
    let binary = testkit::install(built, folder.path());
    Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&binary)
        .args(words)
        .current_dir("/")
        .output()
        .expect("setpriv")
}

#[test]
fn needs_root_who_may_not_is_told_what_it_would_take() {
    let _test = testkit::begin!();
    let no_cgroup = as_nobody(&["run", "--pids", "5", "--", "true"]);
    fails(&no_cgroup, 125, &["/sys/fs/cgroup", "delegated"]);
    let foreign = as_nobody(&["run", "--uid-map", "0:0:1", "--", "true"]);
    fails(&foreign, 125, &["newuidmap"]);
    let ok = as_nobody(&["run", "--", "true"]);
    assert_eq!(ok.status.code(), Some(0), "{ok:?}");
}

/// A cgroup in which at most so many processes may be; ours goes in and out.
struct FewPids {
    dir: std::path::PathBuf,
    /// Put back at the end.
    switched_on: bool,
}

impl FewPids {
    fn new() -> Option<Self> {
        let name = format!("test-few-{}", std::process::id());
        let v1 = std::path::Path::new("/sys/fs/cgroup/pids");
        let (dir, switched_on) = if v1.exists() {
            (v1.join(name), false)
        } else {
            let control = "/sys/fs/cgroup/cgroup.subtree_control";
            let had = std::fs::read_to_string(control).ok()?;
            let off = !had.split_whitespace().any(|c| c == "pids");
            if off {
                std::fs::write(control, "+pids").ok()?;
            }
            (std::path::Path::new("/sys/fs/cgroup").join(name), off)
        };
        std::fs::create_dir(&dir).ok()?;
        Some(Self { dir, switched_on })
    }

    /// A jail in it: `sh` joins and becomes procjail.
    fn run(&self, most: u32) -> Output {
        std::fs::write(self.dir.join("pids.max"), most.to_string()).expect("a limit");
        let join = format!(
            "echo $$ > {}/cgroup.procs && exec {} run -- true",
            self.dir.display(),
            env!("CARGO_BIN_EXE_procjail")
        );
        Command::new("sh")
            .args(["-c", &join])
            .current_dir("/")
            .output()
            .expect("sh")
    }
}

impl Drop for FewPids {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.dir);
        if self.switched_on {
            let _ = std::fs::write("/sys/fs/cgroup/cgroup.subtree_control", "-pids");
        }
    }
}

#[test]
fn needs_root_a_full_pid_space_is_said_at_each_of_its_places() {
    let test = testkit::begin!();
    let Some(few) = FewPids::new() else {
        return test.skip("no pids controller");
    };
    // For us alone: not for PID 1. For two: not for the command. For three it works.
    fails(&few.run(1), 125, &["clone3", "EAGAIN", "pid space"]);
    fails(
        &few.run(2),
        125,
        &["command's process", "EAGAIN", "pid space"],
    );
    let ok = few.run(3);
    assert_eq!(ok.status.code(), Some(0), "{ok:?}");
}

#[test]
fn needs_root_read_only_cgroups_are_said_to_be() {
    let _test = testkit::begin!();
    let script = format!(
        "mount --make-rprivate / && for m in $(grep -E ' cgroup2? ' /proc/mounts | cut -d' ' -f2); do \
         mount -o remount,bind,ro $m; done; exec {} run --pids 5 -- true",
        env!("CARGO_BIN_EXE_procjail")
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .current_dir("/")
        .output()
        .expect("unshare");
    fails(&output, 125, &["read-only"]);
}

#[test]
fn needs_root_no_more_namespaces_is_said() {
    let _test = testkit::begin!();
    // The limit is of a user namespace made here, not of the host.
    let script = format!(
        "echo 0 > /proc/sys/user/max_pid_namespaces && exec {} run -- true",
        env!("CARGO_BIN_EXE_procjail")
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", &script])
        .current_dir("/")
        .output()
        .expect("unshare");
    fails(&output, 125, &["clone3", "ENOSPC", "user.max"]);
}

#[test]
fn needs_root_closed_standard_descriptors_are_not_ours_to_use() {
    let _test = testkit::begin!();
    let binary = env!("CARGO_BIN_EXE_procjail");
    // The shell that looks has none open but those that it was given.
    let look =
        "for f in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$f ] && exit 1$f; done; exit 42";
    for options in ["run --", "run --as-pid1 --", "run --cgroup --", "init"] {
        let script = format!("exec {binary} {options} sh -c '{look}' <&- >&- 2>&-");
        let status = Command::new("sh")
            .args(["-c", &script])
            .current_dir("/")
            .status();
        assert_eq!(status.expect("sh").code(), Some(42), "{options}");
    }
}

#[test]
fn needs_root_the_root_of_a_user_namespace_has_a_jail_too() {
    let _test = testkit::begin!();
    let binary = env!("CARGO_BIN_EXE_procjail");
    let within = |before: &str, run: &str| {
        let script = format!("{before} exec unshare --user --map-root-user {binary} run {run}");
        Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .current_dir("/")
            .output()
            .expect("unshare")
    };
    // Its devices are the host's, and setgroups was given up for it.
    let output = within("", "--json -- sh -c 'echo x > /dev/null && echo fine'");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(output.stdout, b"fine\n");
    assert!(said.contains("setgroups"), "not said to be missing: {said}");
    // Where it must fail, it says why: a part of the caller's /proc is hidden.
    let masked = within("mount -t tmpfs none /proc/irq &&", "-- true");
    fails(&masked, 125, &["proc on /proc", "masked"]);
}
