//! What a jail sees of files: binds, file systems in memory, devices, and what is read-only.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Folders `a`, `b` and `c` on the host.
fn folders() -> TempDir {
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    for name in ["a", "b", "c"] {
        std::fs::create_dir(folder.path().join(name)).expect("a directory");
    }
    folder
}

/// A shell in a jail; `@` in an option is the folder.
fn jail(folder: &TempDir, options: &str, script: &str) -> Output {
    let options = options.replace('@', folder.path().to_str().expect("text"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_procjail"));
    command.arg("run");
    command.args(options.split(' ').filter(|word| !word.is_empty()));
    command
        .args(["--", "sh", "-c", script, "sh"])
        .arg(folder.path());
    command.current_dir("/").output().expect("procjail")
}

#[track_caller]
fn ends(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).expect("a directory").count() == 0
}

#[test]
fn needs_root_nothing_is_made_on_the_host_for_a_bind_below_a_bind() {
    let _test = testkit::begin!();
    let folder = folders();
    let options = "--tmpfs /mnt --bind @/a:/mnt/b --bind @/c:/mnt/b/d";
    // There is nothing to mount on, and that is said.
    ends(&jail(&folder, options, "true"), 125);
    assert!(is_empty(&folder.path().join("a")));
    std::fs::create_dir(folder.path().join("a/d")).expect("a directory");
    ends(&jail(&folder, options, ": > /mnt/b/d/x"), 0);
    assert!(folder.path().join("c/x").exists());
    let read_only = "--tmpfs /mnt --ro-bind @/a:/mnt/b --bind @/c:/mnt/b/d";
    ends(&jail(&folder, read_only, ": > /mnt/b/d/x"), 0);
}

#[test]
fn needs_root_a_socket_can_be_bound_into_memory() {
    let _test = testkit::begin!();
    let folder = folders();
    let socket = std::os::unix::net::UnixListener::bind(folder.path().join("s"));
    let _socket = socket.expect("a socket");
    let options = "--tmpfs /mnt --bind @/s:/mnt/run/s";
    ends(&jail(&folder, options, "[ -S /mnt/run/s ]"), 0);
}

#[test]
fn needs_root_what_is_read_only_is_so_where_it_is_bound_too() {
    let _test = testkit::begin!();
    let folder = folders();
    std::fs::create_dir(folder.path().join("a/in")).expect("a directory");
    for (options, script, code) in [
        ("--bind @/a:/mnt", ": > /mnt/x", 0),
        ("--bind @/a:/mnt --ro /mnt", ": > /mnt/x", 2),
        ("--ro /mnt --bind @/a:/mnt", ": > /mnt/in/x", 2),
        ("--bind @/a:/mnt --ro /mnt/in", ": > /mnt/x", 0),
        ("--bind @/a:/mnt --ro /mnt/in", ": > /mnt/in/x", 2),
        ("--tmpfs /mnt --ro /mnt", ": > /mnt/x", 2),
        ("--ro /proc", "echo 5 > /proc/self/oom_score_adj", 2),
        // What is asked for below is as that says.
        ("--ro / --tmpfs /tmp", ": > /tmp/x", 0),
        ("--ro / --bind @/b:/mnt", ": > /mnt/x", 0),
        ("--ro / --bind @/b:/mnt", ": > \"$1/a/y\"", 2),
    ] {
        let output = jail(&folder, options, script);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{options}: {script}: {output:?}"
        );
    }
}

/// A device that a jail does not have, and that can be opened to write without doing anything.
const DEVICE: &str = "/dev/kmsg";

#[test]
fn needs_root_a_device_is_had_by_name() {
    let test = testkit::begin!();
    if !Path::new(DEVICE).exists() {
        return test.skip(&format!("no {DEVICE}"));
    }
    let folder = folders();
    let open = format!(": > {DEVICE}");
    let absent = format!("[ ! -e {DEVICE} ]");
    ends(&jail(&folder, "", &absent), 0);
    ends(&jail(&folder, &format!("--device {DEVICE}"), &open), 0);
    // A bind is not one.
    let bound = jail(&folder, &format!("--bind {DEVICE}"), &open);
    ends(&bound, 2);
    // Those that the jail has are no error.
    ends(
        &jail(&folder, "--device /dev/null", "echo x > /dev/null"),
        0,
    );
    for (option, word) in [
        ("--device /dev/shm", "no device"),
        ("--device @/a", "below /dev"),
        ("--device /dev/no-such", "ENOENT"),
    ] {
        let output = jail(&folder, option, "true");
        ends(&output, 125);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(word), "{option}: {said}");
    }
}

#[test]
fn needs_root_a_device_can_be_bound_where_devices_are_let_in() {
    let _test = testkit::begin!();
    let folder = folders();
    let open = "echo x > /mnt/n";
    let options = "--tmpfs /mnt --bind /dev/null:/mnt/n";
    ends(&jail(&folder, options, open), 2);
    let let_in = format!("{options} --without devices");
    ends(&jail(&folder, &let_in, open), 0);
}

#[test]
fn needs_root_a_link_to_a_rootfs_is_that_rootfs() {
    let _test = testkit::begin!();
    let folder = folders();
    std::os::unix::fs::symlink("/", folder.path().join("link")).expect("a link");
    ends(&jail(&folder, "--rootfs @/link", "test -d /usr"), 0);
    // And it is guarded as one.
    let made = "mkdir /sys/fs/cgroup/zz-$$ /sys/fs/cgroup/unified/zz-$$ 2>/dev/null";
    ends(&jail(&folder, "--rootfs @/link", made), 1);
}
