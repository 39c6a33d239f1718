//! Limits: enforced, and reported as they were met; on cgroup v1 here, on v2 in the guests.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn jail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procjail"));
    command.arg("run").current_dir("/");
    command
}

/// Exit code and report.
fn report(options: &[&str], command: &[&str]) -> (i32, Value) {
    let output = jail()
        .args(options)
        .args(["--json", "--"])
        .args(command)
        .output()
        .expect("procjail");
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().last().unwrap_or_default();
    let report = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {said}"));
    (output.status.code().expect("a code"), report)
}

/// Directories of ours in every hierarchy.
fn left() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        for entry in entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
            if entry.file_name().to_string_lossy().starts_with("procjail-") {
                found.push(entry.path());
            }
            walk(&entry.path(), found);
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

/// None of these directories is there any more.
fn are_gone(report: &Value) {
    let dirs = report["cgroup"].as_array().expect("directories");
    assert!(
        !dirs.is_empty(),
        "a jail with limits has a cgroup: {report}"
    );
    for dir in dirs {
        let dir = Path::new(dir.as_str().expect("a path"));
        assert!(
            !dir.exists(),
            "{} is left; also {:?}",
            dir.display(),
            left()
        );
    }
}

/// Which version a controller has here.
fn version_of(controller: &str) -> &'static str {
    let own = std::fs::read_to_string("/proc/self/cgroup").expect("cgroups");
    let v1 = own.lines().any(|line| {
        line.split(':')
            .nth(1)
            .is_some_and(|c| c.split(',').any(|c| c == controller))
    });
    if v1 { "cgroup v1" } else { "cgroup v2" }
}

/// Fills memory: a file system in memory is charged like any other.
const FILL: &[&str] = &[
    "sh",
    "-c",
    "head -c 200000000 /dev/zero > /dev/shm/fill; echo status $?",
];

#[test]
fn needs_root_memory_that_runs_out_is_reported_with_whose_limit_it_was() {
    let test = testkit::begin!();
    // `tail` keeps what it reads: one line of zeroes.
    let (code, report) = report(&["--memory", "32M"], &["tail", "/dev/zero"]);
    assert_eq!(code, 137, "{report}");
    assert_eq!(report["raw_wait_status"], 9);
    assert_eq!(
        report["killed_by"]["who"], "the kernel, for memory",
        "{report}"
    );
    let limit_of = report["oom"]["limit_of"].as_str().expect("whose limit");
    let own = report["cgroup"].as_array().expect("directories");
    let is_own = own
        .iter()
        .any(|dir| dir.as_str().is_some_and(|d| d.ends_with(limit_of)));
    assert!(is_own, "{limit_of} is not the jail's own: {report}");
    assert!(
        report["cgroup_account"]["oom_kills"].as_u64() >= Some(1),
        "{report}"
    );
    let peak = report["cgroup_account"]["memory_peak_bytes"].as_u64();
    assert!(peak.is_none_or(|bytes| bytes <= 32 << 20), "{report}");
    are_gone(&report);
    test.verified("jail limits", version_of("memory"));
}

#[test]
fn needs_root_a_memory_limit_that_is_too_small_for_us_is_said_to_be() {
    let _test = testkit::begin!();
    for mode in ["--init", "--as-pid1"] {
        let words = [mode, "--memory", "0", "--", "true"];
        let output = jail().args(words).output().expect("procjail");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{mode}: {said}");
        assert!(said.contains("--memory"), "{mode}: {said}");
    }
}

#[test]
fn needs_root_files_in_memory_count_too() {
    let _test = testkit::begin!();
    let (_, report) = report(&["--memory", "32M"], FILL);
    assert!(
        report["cgroup_account"]["oom_kills"].as_u64() >= Some(1),
        "{report}"
    );
    assert!(report["oom"]["limit_of"].is_string(), "{report}");
    are_gone(&report);
}

/// A cgroup above the jail's, with a limit of its own; removed at the end.
struct Above {
    dir: PathBuf,
    name: String,
    /// Controllers of the root before: what was switched on is switched off again.
    switched_on: bool,
}

impl Above {
    fn with_memory(bytes: u64) -> Self {
        let name = format!("test-above-{}", std::process::id());
        let v1 = version_of("memory") == "cgroup v1";
        let mount = if v1 {
            "/sys/fs/cgroup/memory"
        } else {
            "/sys/fs/cgroup"
        };
        let control = "/sys/fs/cgroup/cgroup.subtree_control";
        let had = std::fs::read_to_string(control).unwrap_or_default();
        let switched_on = !v1 && !had.split_whitespace().any(|c| c == "memory");
        if switched_on {
            std::fs::write(control, "+memory").expect("the controller");
        }
        let dir = Path::new(mount).join(&name);
        std::fs::create_dir(&dir).expect("a cgroup");
        let file = if v1 {
            "memory.limit_in_bytes"
        } else {
            "memory.max"
        };
        std::fs::write(dir.join(file), bytes.to_string()).expect("a limit");
        Self {
            dir,
            name,
            switched_on,
        }
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.dir);
        let _ = std::fs::remove_dir(Path::new("/sys/fs/cgroup/unified").join(&self.name));
        if self.switched_on {
            let _ = std::fs::write("/sys/fs/cgroup/cgroup.subtree_control", "-memory");
        }
    }
}

#[test]
fn needs_root_the_ancestor_whose_limit_was_hit_is_named() {
    let test = testkit::begin!();
    let above = Above::with_memory(24 << 20);
    // On a hybrid host the v2 side needs a parent of that name as well.
    let unified = Path::new("/sys/fs/cgroup/unified");
    if unified.exists() {
        std::fs::create_dir(unified.join(&above.name)).expect("a cgroup");
    }
    let parent = format!("/{}", above.name);
    let (code, report) = report(
        &["--memory", "512M", "--cgroup-parent", &parent],
        &["tail", "/dev/zero"],
    );
    assert_eq!(code, 137, "{report}");
    assert_eq!(report["oom"]["limit_of"], parent.as_str(), "{report}");
    are_gone(&report);
    let control = std::fs::read_to_string(above.dir.join("cgroup.subtree_control"));
    assert!(
        control.is_err() || control.is_ok_and(|c| c.trim().is_empty()),
        "as it was"
    );
    test.verified(
        "the cgroup whose memory ran out",
        "named, also above the jail's own",
    );
}

#[test]
fn needs_root_a_parent_may_be_named_by_its_path_on_the_host() {
    let _test = testkit::begin!();
    let name = format!("test-parent-{}", std::process::id());
    let unified = Path::new("/sys/fs/cgroup/unified");
    let mount = if unified.exists() {
        unified
    } else {
        Path::new("/sys/fs/cgroup")
    };
    let dir = mount.join(&name);
    std::fs::create_dir(&dir).expect("a cgroup");
    let path = dir.to_str().expect("text");
    let mut named = jail();
    named.args(["--json", "--cgroup-parent", path, "--", "true"]);
    let output = named.output().expect("procjail");
    std::fs::remove_dir(&dir).expect("nothing is left in it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_str(said.trim()).expect("a report");
    let own = report["cgroup"][0].as_str().expect("a directory");
    assert!(own.starts_with(path), "{report}");
}

#[test]
fn needs_root_more_processes_than_allowed_are_refused_and_counted() {
    let _test = testkit::begin!();
    let forks = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done 2>/dev/null; wait";
    let (_, report) = report(&["--pids", "6"], &["sh", "-c", forks]);
    assert!(
        report["cgroup_account"]["pids_refused"].as_u64() >= Some(1),
        "{report}"
    );
    are_gone(&report);
}

#[test]
fn needs_root_a_processor_quota_is_felt_and_counted() {
    let _test = testkit::begin!();
    let spin = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
    let (code, report) = report(&["--cpus", "0.1"], &["sh", "-c", spin]);
    assert_eq!(code, 0, "{report}");
    let throttled = &report["cgroup_account"]["throttled"];
    assert!(throttled["throttled"].as_u64() >= Some(1), "{report}");
    assert!(throttled["time_us"].as_u64() > Some(0), "{report}");
    are_gone(&report);
}

#[test]
fn needs_root_processors_and_weight_are_set() {
    let _test = testkit::begin!();
    let output = jail()
        .args([
            "--cpuset",
            "0",
            "--cpu-weight",
            "50",
            "--",
            "grep",
            "Cpus_allowed_list",
            "/proc/self/status",
        ])
        .output()
        .expect("procjail");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.split_whitespace().last(), Some("0"), "{output:?}");
}

#[test]
fn needs_root_resource_limits_hold() {
    let _test = testkit::begin!();
    let output = jail()
        .args([
            "--rlimit",
            "nofile=17:18",
            "--rlimit",
            "core=0",
            "--",
            "sh",
            "-c",
            "ulimit -n; ulimit -Hn; ulimit -c",
        ])
        .output()
        .expect("procjail");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "17\n18\n0\n",
        "{output:?}"
    );
}

#[test]
fn needs_root_few_descriptors_are_the_commands_and_not_ours() {
    let _test = testkit::begin!();
    for limit in ["nofile=4", "nofile=6"] {
        for mode in ["--init", "--as-pid1"] {
            let command = ["sh", "-c", "exit 5"];
            let (code, report) = report(&[mode, "--rlimit", limit], &command);
            assert_eq!(code, 5, "{mode} {limit}: {report}");
        }
    }
}

#[test]
fn needs_root_what_runs_on_in_the_background_ends_with_the_jail() {
    let _test = testkit::begin!();
    let (code, report) = report(
        &["--pids", "50"],
        &["sh", "-c", "sleep 1000 & sleep 1000 & exit 3"],
    );
    assert_eq!(code, 3, "{report}");
    are_gone(&report);
}

/// Makes so many cgroups in the jail's own, each in the one before, and ends with 42.
fn nest(levels: u32) -> String {
    format!(
        "own=$(sed -n 's/^0:://p' /proc/self/cgroup); v2=$(awk '$3 == \"cgroup2\" {{ print $2; exit }}' /proc/mounts); \
         cd $v2$own || exit 1; i=0; while [ $i -lt {levels} ]; do mkdir d e || exit 2; cd d; i=$((i+1)); done; exit 42"
    )
}

#[test]
fn needs_root_cgroups_that_a_jail_made_in_its_own_are_removed_however_deep() {
    let test = testkit::begin!();
    if !Path::new("/sys/fs/cgroup/cgroup.procs").exists()
        && !Path::new("/sys/fs/cgroup/unified").exists()
    {
        return test.skip("no cgroup v2 is mounted");
    }
    let options = ["--cgroup", "--without", "sys,landlock"];
    let (code, report) = report(&options, &["sh", "-c", &nest(40)]);
    assert_eq!(code, 42, "{report}");
    assert!(report["not_removed"].is_null(), "{report}");
    are_gone(&report);
}

#[test]
fn needs_root_a_cgroup_that_cannot_be_removed_does_not_hide_how_the_command_ended() {
    let _test = testkit::begin!();
    // In a mount namespace of the test's own, whose mount on it keeps the directory.
    let script = format!(
        "mount --make-rprivate / && mkfifo $1/events $1/go && \
         {{ {} run --cgroup --status-fd 3 --json -- sh -c 'read line; exit 42' <$1/go 3>$1/events & }} && \
         exec 4>$1/go && read -r started <$1/events && \
         dir=${{started#*'\"cgroup\":[\"'}} && dir=${{dir%%'\"'*}} && \
         mount -t tmpfs tmpfs $dir && echo $dir && exec 4>&- && wait $!",
        env!("CARGO_BIN_EXE_procjail")
    );
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(folder.path())
        .current_dir("/")
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stderr);
    let dir = String::from_utf8_lossy(&output.stdout);
    let dir = dir.trim();
    // The mount went with its namespace.
    std::fs::remove_dir(dir).unwrap_or_else(|e| panic!("{dir}: {e}: {said}"));
    assert_eq!(output.status.code(), Some(42), "{said}");
    assert!(said.contains("warning: remove"), "{said}");
    let report: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).expect(&said);
    let left = report["not_removed"].as_str().expect("what is left");
    assert!(left.contains(dir), "{dir} is not in: {left}");
}

/// The whole disk under a file, `MAJOR:MINOR`: a limit takes no partition (block/blk-cgroup.c:
/// `blkg_conf_open_bdev`). None where the file system has no device of its own.
fn disk_under(file: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let device = std::fs::metadata(file).expect("a file").dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let about = format!("/sys/dev/block/{major}:{minor}");
    let about = std::fs::canonicalize(about).ok()?;
    let whole = if about.join("partition").exists() {
        about.parent()?
    } else {
        &about
    };
    let number = std::fs::read_to_string(whole.join("dev")).ok()?;
    Some(number.trim().to_owned())
}

/// What is read by way of the device, not the page cache.
const READ_BYTES: u64 = 4 << 20;

/// How long it takes to read the file, here or in a jail.
fn read_by(mut reader: Command, file: &Path) -> std::time::Duration {
    reader.arg("dd").arg(format!("if={}", file.display()));
    reader.args(["of=/dev/null", "bs=256k", "iflag=direct", "status=none"]);
    let since = std::time::Instant::now();
    let output = reader.output().expect("it starts");
    let took = since.elapsed();
    assert!(output.status.success(), "{output:?}");
    took
}

#[test]
fn needs_root_a_device_is_throttled() {
    let test = testkit::begin!();
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let file = folder.path().join("read");
    std::fs::write(&file, vec![7; READ_BYTES as usize]).expect("a file");
    let written = std::fs::File::open(&file).and_then(|f| f.sync_all());
    written.expect("on the device");
    let Some(disk) = disk_under(&file) else {
        return test.skip("the file system of /var/tmp has no block device of its own");
    };
    // The kernel lets no more than this through: there is a least time, and no greatest.
    let least = std::time::Duration::from_secs(READ_BYTES >> 20) * 3 / 4;
    let free = read_by(Command::new("env"), &file);
    if free >= least {
        return test.skip(&format!("{disk} itself reads no faster: {free:?}"));
    }
    let limit = format!("{disk}:rbps=1M,wiops=100");
    let mut throttled = jail();
    throttled.args(["--io", &limit, "--"]);
    let took = read_by(throttled, &file);
    assert!(took >= least, "4 MiB at 1 MiB/s took {took:?}");
    let (code, report) = report(&["--io", &limit], &["true"]);
    assert_eq!(code, 0, "{report}");
    are_gone(&report);
    let controller = if Path::new("/sys/fs/cgroup/blkio").is_dir() {
        "blkio"
    } else {
        "io"
    };
    test.verified("jail io limits", version_of(controller));
}
