use super::*;

fn paths(mounts: &Mounts) -> Vec<String> {
    let show = |op: &Op| op.path().to_string_lossy().into_owned();
    mounts.ops.iter().map(show).collect()
}

/// Where nothing is a symbolic link, and what has an extension is a file.
fn host(mounted: &[Mounted]) -> Host<'_> {
    Host {
        mounted,
        current: Path::new("/home"),
        nodes: true,
        look: |path| Looked {
            path: path.to_owned(),
            is_dir: path.extension().is_none(),
        },
    }
}

fn plan_of(files: &Files) -> Result<Mounts, Error> {
    plan(files, &Hardening::default(), &host(&[]))
}

fn bind(source: &str, target: &str) -> Bind {
    Bind {
        source: source.into(),
        target: target.into(),
        read_only: false,
    }
}

fn tmpfs(target: &str) -> Tmpfs {
    Tmpfs {
        target: target.into(),
        bytes: None,
    }
}

fn at(target: &str, fstype: &str) -> Mounted {
    Mounted {
        target: target.into(),
        fstype: fstype.into(),
        root: "/".into(),
        ..Mounted::default()
    }
}

fn without(protection: Protection) -> Hardening {
    Hardening {
        without: vec![protection],
        ..Hardening::default()
    }
}

/// What is done after the jail's own `/dev` and `/proc`.
fn asked_for(mounts: &Mounts) -> Vec<&Op> {
    let own = |op: &Op| matches!(op, Op::Remove { .. });
    let first = mounts.ops.iter().position(own).map_or(0, |n| n + 1);
    mounts.ops[first..].iter().collect()
}

#[test]
fn what_is_read_only_is_so_before_anything_is_mounted_on_it() {
    let files = Files {
        read_only: vec!["/".into()],
        ..Files::default()
    };
    let plan = plan_of(&files).expect("a plan");
    assert_eq!(paths(&plan)[..2], ["/", "/dev"]);
    assert_eq!(plan.workdir, c"/home".to_owned());
}

#[test]
fn what_is_bound_is_read_only_if_its_place_is_to_be_and_what_is_below_is_as_asked() {
    let files = Files {
        read_only: vec!["/mnt".into(), "/".into(), "/a/b".into()],
        binds: vec![bind("/a", "/mnt"), bind("/b", "/a"), bind("/c", "/mnt/c")],
        ..Files::default()
    };
    let plan = plan_of(&files).expect("a plan");
    assert_eq!(paths(&plan)[..2], ["/", "/dev"]);
    let done: Vec<(bool, String)> = asked_for(&plan)
        .iter()
        .map(|op| {
            let path = op.path().to_string_lossy().into_owned();
            (matches!(op, Op::ReadOnly { .. }), path)
        })
        .collect();
    let expected = [
        (false, "/mnt"),
        (false, "/a"),
        (true, "/mnt"),
        (false, "/mnt/c"),
        (true, "/a/b"),
    ];
    assert_eq!(done, expected.map(|(ro, path)| (ro, path.to_owned())));
}

#[test]
fn parents_are_mounted_first_and_made_where_they_are_the_jails_own() {
    let files = Files {
        rootfs: Some("/srv/root".into()),
        binds: vec![bind("/usr", "/tmp/a/b")],
        tmpfs: vec![tmpfs("/tmp")],
        ..Files::default()
    };
    let plan = plan_of(&files).expect("a plan");
    let all = paths(&plan);
    assert_eq!(
        all[all.len() - 4..],
        ["/tmp", "/tmp/a", "/tmp/a/b", "/tmp/a/b"]
    );
    assert!(
        !all.contains(&"/sys".to_owned()),
        "a rootfs has no host's /sys"
    );
}

#[test]
fn nothing_is_made_in_what_is_bound() {
    let files = Files {
        binds: vec![bind("/a", "/mnt/b"), bind("/c", "/mnt/b/d")],
        tmpfs: vec![tmpfs("/mnt")],
        ..Files::default()
    };
    let plan = plan_of(&files).expect("a plan");
    let all = paths(&plan);
    assert_eq!(
        all[all.len() - 4..],
        ["/mnt", "/mnt/b", "/mnt/b", "/mnt/b/d"]
    );
}

#[test]
fn what_is_no_directory_is_bound_on_a_file() {
    let files = Files {
        binds: vec![bind("/run/x.sock", "/mnt/s")],
        devices: vec!["/dev/dri/card0".into()],
        tmpfs: vec![tmpfs("/mnt")],
        ..Files::default()
    };
    let plan = plan_of(&files).expect("a plan");
    let file = |path: &str| {
        let path = text(path).expect("a path");
        asked_for(&plan).contains(&&Op::File { path })
    };
    assert!(file("/mnt/s") && file("/dev/dri/card0"));
}

#[test]
fn paths_that_could_lead_elsewhere_are_refused() {
    for path in ["relative", "/a/../b", ""] {
        let files = Files {
            tmpfs: vec![tmpfs(path)],
            ..Files::default()
        };
        assert!(
            matches!(plan_of(&files), Err(Error::NotAbsolute { .. })),
            "{path}"
        );
    }
}

#[test]
fn kernel_file_systems_at_odd_places_are_masked() {
    let mounted = [
        at("/proc", "proc"),
        at("/mnt/proc", "proc"),
        at("/data", "ext4"),
        at("/sys/kernel/debug", "debugfs"),
        at("/sys/fs/cgroup", "cgroup2"),
    ];
    let plan = plan(&Files::default(), &Hardening::default(), &host(&mounted));
    let all = paths(&plan.expect("a plan"));
    let has = |path: &str| all.contains(&path.to_owned());
    assert!(has("/mnt/proc") && has("/sys/kernel/debug"));
    assert!(!has("/data") && !has("/sys/fs/cgroup"));
}

#[test]
fn a_sys_in_a_rootfs_is_read_only() {
    let mounted = [at("/srv/root/sys", "sysfs")];
    let files = Files {
        rootfs: Some("/srv/root".into()),
        ..Files::default()
    };
    let read_only = |hardening: &Hardening| {
        let plan = plan(&files, hardening, &host(&mounted)).expect("a plan");
        let sys = |op: &Op| matches!(op, Op::ReadOnly { path, .. } if path.as_c_str() == c"/sys");
        plan.ops.iter().any(sys)
    };
    assert!(read_only(&Hardening::default()));
    assert!(!read_only(&without(Protection::Sys)));
}

#[test]
fn devices_can_be_left_as_the_host_has_them() {
    let mounted = [
        at("/dev", "devtmpfs"),
        at("/dev/pts", "devpts"),
        at("/dev/cg", "cgroup2"),
    ];
    let files = Files {
        binds: vec![bind("/data", "/mnt")],
        devices: vec!["/dev/kvm".into()],
        ..Files::default()
    };
    let planned = |protection| plan(&files, &without(protection), &host(&mounted));
    let plan = planned(Protection::Devices).expect("a plan");
    assert_eq!((plan.sources.len(), plan.inherited), (1, 0));
    let all = paths(&plan);
    let has = |path: &str| all.contains(&path.to_owned());
    assert!(has("/dev/cg") && !has("/dev") && !has("/dev/pts") && !has("/dev/kvm"));
    let no_dev = |plan: &Mounts| {
        let bound = |op: &Op| match op {
            Op::Attach { path, attr, .. } if path.as_c_str() == c"/mnt" => Some(*attr),
            _ => None,
        };
        plan.ops
            .iter()
            .find_map(bound)
            .map(|a| a & MountAttr::NODEV)
    };
    assert_eq!(no_dev(&plan), Some(0));
    let kept = planned(Protection::Sys).expect("a plan");
    assert_eq!(no_dev(&kept), Some(MountAttr::NODEV));
}
