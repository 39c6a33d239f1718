//! A jail of somebody who is not root and was given more ids (subuid(5)): they are his in the jail,
//! and no others are. The files that say so are put over the host's in a mount namespace of the
//! test's own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Who has a name everywhere.
const NOBODY: u32 = 65_534;

/// His other ids, by number and by name.
const BY_NUMBER: &str = "65534:200000:65536\n";
const BY_NAME: &str = "somebody:1:1\nnobody:300000:1000\n";

/// The tool where everybody may run it, and somebody's ids.
struct Given {
    folder: TempDir,
}

impl Given {
    fn ids(granted: &str) -> Self {
        // Below the build folder not everybody can look.
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let _ = testkit::install(Path::new(env!("CARGO_BIN_EXE_procjail")), folder.path());
        std::fs::write(folder.path().join("granted"), granted).unwrap();
        Self { folder }
    }

    /// `procjail run`, as nobody.
    fn run(&self, options: &[&str], command: &str) -> Output {
        let script = "mount --bind \"$1/granted\" /etc/subuid && mount --bind \"$1/granted\" /etc/subgid || exit 99\n\
             at=$1 id=$2; shift 2\n\
             exec setpriv --reuid $id --regid $id --clear-groups \"$at/procjail\" run \"$@\"";
        Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(self.folder.path())
            .arg(NOBODY.to_string())
            .args(options)
            .args(["--", "sh", "-ec", command])
            .current_dir("/")
            .output()
            .unwrap()
    }
}

/// Why this can't be had here.
fn missing() -> Option<String> {
    let helpers = ["newuidmap", "newgidmap"];
    let on_path = |name: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|d| d.join(name).exists())
    };
    if !helpers.iter().all(on_path) {
        return Some("newuidmap and newgidmap are not installed (Debian: uidmap)".into());
    }
    let files = ["/etc/subuid", "/etc/subgid"];
    let absent = files.iter().find(|f| !Path::new(f).exists())?;
    Some(format!("{absent}: not there to be covered"))
}

/// What the jail's command printed, word by word.
#[track_caller]
fn words(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().map(str::to_owned).collect()
}

const MAPS: &str = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups";

#[test]
fn needs_root_subordinate_ids_are_ones_own_in_the_jail() {
    let test = testkit::begin!();
    if let Some(why) = missing() {
        return test.skip(&why);
    }
    for (granted, first, count) in [(BY_NUMBER, "200000", "65536"), (BY_NAME, "300000", "1000")] {
        let mapped = words(&Given::ids(granted).run(&[], MAPS));
        let map = ["0", "65534", "1", "1", first, count];
        let expected: Vec<&str> = map.iter().chain(&map).copied().chain(["allow"]).collect();
        assert_eq!(mapped, expected, "{granted}");
    }
    let given = Given::ids(BY_NUMBER);
    let used = ": > /tmp/a; chown 5:6 /tmp/a; stat -c %u:%g /tmp/a\n\
                setpriv --reuid 5 --regid 6 --groups 7 sh -c 'id -u; id -g; id -G'";
    let said = words(&given.run(&["--tmpfs", "/tmp"], used));
    assert_eq!(said, ["5:6", "5", "6", "6", "7"]);
    test.verified("subordinate ids", "maps by newuidmap, chown, setgroups");
}

#[test]
fn needs_root_without_subordinate_ids_there_is_one_id() {
    let test = testkit::begin!();
    if let Some(why) = missing() {
        return test.skip(&why);
    }
    let given = Given::ids("somebody:200000:65536\n");
    let map = ["0", "65534", "1"];
    let expected: Vec<&str> = map.iter().chain(&map).copied().chain(["deny"]).collect();
    assert_eq!(words(&given.run(&[], MAPS)), expected);
    let refused = given.run(&["--tmpfs", "/tmp"], ": > /tmp/a; chown 5 /tmp/a");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn needs_root_ids_of_others_are_refused_by_the_helper_and_nothing_starts() {
    let test = testkit::begin!();
    if let Some(why) = missing() {
        return test.skip(&why);
    }
    let given = Given::ids(BY_NUMBER);
    for foreign in ["0:500000:10", "0:199999:2", "0:265536:1"] {
        let refused = given.run(&["--uid-map", foreign], "echo started");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(125), "{refused:?}");
        assert!(refused.stdout.is_empty(), "{refused:?}");
        assert!(
            said.contains("newuidmap") && said.contains("not allowed"),
            "{said}"
        );
    }
}
