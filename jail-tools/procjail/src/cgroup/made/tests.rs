use super::*;
use crate::cgroup::layout::Hierarchy;

fn v2_at(own: &str) -> Layout {
    Layout {
        v2: Some(Hierarchy {
            version: Version::V2,
            mount: "/cg".into(),
            own: own.into(),
            controllers: Vec::new(),
        }),
        v1: vec![Hierarchy {
            version: Version::V1,
            mount: "/v1/blkio".into(),
            own: "/v1/blkio/me".into(),
            controllers: vec!["blkio".into()],
        }],
    }
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn memory() -> Limits {
    Limits {
        memory_bytes: Some(1),
        ..Limits::default()
    }
}

fn offer(dir: &str, available: &[&str], delegated: &[&str]) -> Offer {
    Offer {
        dir: dir.into(),
        available: set(available),
        delegated: set(delegated),
        is_root: false,
    }
}

fn at(base: Offer, above: Option<Offer>) -> V2Facts {
    V2Facts { base, above }
}

fn v2_dir(limits: &Limits, facts: &V2Facts) -> PathBuf {
    let plan = plan(limits, None, &v2_at("/cg/a/b"), facts, "x").expect("a plan");
    plan.members[0].dir.clone()
}

#[test]
fn a_cgroup_with_processes_gets_a_sibling() {
    let above = Some(offer("/cg/a", &["memory"], &["memory"]));
    let facts = at(offer("/cg/a/b", &["memory"], &[]), above);
    assert_eq!(v2_dir(&memory(), &facts), PathBuf::from("/cg/a/x"));
}

#[test]
fn what_is_delegated_or_the_root_gets_a_child() {
    let delegated = at(
        offer("/cg/a/b", &["memory"], &["memory"]),
        Some(offer("/cg/a", &["memory"], &["memory"])),
    );
    let mut root = at(offer("/cg", &["memory"], &[]), None);
    root.base.is_root = true;
    assert_eq!(v2_dir(&memory(), &delegated), PathBuf::from("/cg/a/b/x"));
    assert_eq!(v2_dir(&memory(), &root), PathBuf::from("/cg/x"));
}

#[test]
fn a_sibling_has_what_the_one_above_can_give() {
    // Nobody has switched the controller on for us yet.
    let above = Some(offer("/cg/a", &["memory"], &[]));
    let facts = at(offer("/cg/a/b", &[], &[]), above);
    assert_eq!(v2_dir(&memory(), &facts), PathBuf::from("/cg/a/x"));
    // Without a need for it there is none for another place.
    let alone = Limits {
        cgroup: true,
        ..Limits::default()
    };
    assert_eq!(v2_dir(&alone, &facts), PathBuf::from("/cg/a/b/x"));
}

#[test]
fn an_asked_parent_is_judged_by_its_own_files() {
    let tree = tempfile::tempdir().expect("a folder");
    let at = |dir: &str, available: &str| {
        let dir = tree.path().join(dir);
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join("cgroup.controllers"), available).expect("a file");
        fs::write(dir.join("cgroup.subtree_control"), "").expect("a file");
        fs::write(dir.join("cgroup.events"), "").expect("a file");
    };
    at("", "cpu memory");
    at("own/inner", "memory");
    at("other", "cpu");
    let mut layout = v2_at("");
    let v2 = layout.v2.as_mut().expect("v2");
    v2.mount = tree.path().into();
    v2.own = tree.path().join("own/inner");
    let other = V2Facts::observe(&layout, Some(Path::new("other")));
    assert_eq!(other.base.available, set(&["cpu"]));
    assert_eq!(other.above, None);
    // The caller's own has it, and the parent has not.
    let plan = |facts| plan(&memory(), Some(Path::new("other")), &layout, facts, "x");
    assert!(matches!(plan(&other), Err(Error::NoController { .. })));
    let own = V2Facts::observe(&layout, None);
    assert_eq!(own.base.dir, tree.path().join("own/inner"));
    let above = own.above.expect("one above");
    assert_eq!(
        (above.dir, above.available),
        (tree.path().join("own"), set(&[]))
    );
    // The root of a container's view has none above it.
    let mut contained = layout.clone();
    contained.v2.as_mut().expect("v2").own = tree.path().into();
    assert_eq!(V2Facts::observe(&contained, None).above, None);
}

#[test]
fn a_parent_is_counted_from_the_root_or_from_where_it_is_mounted() {
    let parent = |path: &str| {
        let limits = Limits {
            parent: Some(path.into()),
            ..Limits::default()
        };
        asked_parent(&limits, &v2_at("/cg/me"))
    };
    for (path, expected) in [
        ("/a/b", "a/b"),
        ("a/b", "a/b"),
        ("/", ""),
        ("/cg/a", "a"),
        ("/cg", ""),
        ("/cgx/a", "cgx/a"),
        ("/v1/blkio/a", "a"),
    ] {
        let below = parent(path).expect(path);
        assert_eq!(below, Some(PathBuf::from(expected)), "{path}");
    }
    for path in ["..", "/..", "/a/../../b", "/cg/a/.."] {
        let error = parent(path).expect_err(path).to_string();
        assert!(error.contains("--cgroup-parent"), "{error}");
    }
}

#[test]
fn on_a_hybrid_host_each_limit_goes_where_its_controller_is() {
    let limits = Limits {
        io: vec![super::super::IoLimit::default()],
        ..Limits::default()
    };
    let facts = at(offer("/cg", &[], &[]), None);
    let plan = plan(&limits, None, &v2_at("/cg"), &facts, "x").expect("a plan");
    let dirs: Vec<_> = plan
        .members
        .iter()
        .map(|m| (m.version, m.dir.clone()))
        .collect();
    assert_eq!(
        dirs,
        [
            (Version::V2, "/cg/x".into()),
            (Version::V1, "/v1/blkio/me/x".into())
        ]
    );
}

#[test]
fn swap_alone_is_refused_where_it_cannot_be_limited() {
    let limits = Limits {
        swap_bytes: Some(1),
        ..Limits::default()
    };
    let mut layout = v2_at("/cg");
    layout.v1[0].controllers = vec!["memory".into()];
    let on_v1 = plan(&limits, None, &layout, &V2Facts::default(), "x");
    assert!(matches!(on_v1, Err(Error::SwapAlone)), "{on_v1:?}");
    let facts = at(offer("/cg", &["memory"], &[]), None);
    assert!(plan(&limits, None, &layout, &facts, "x").is_ok());
}

#[test]
fn a_controller_that_nobody_has_is_named_with_what_there_is() {
    let error =
        plan(&memory(), None, &v2_at("/cg"), &V2Facts::default(), "x").expect_err("no memory");
    let text = error.to_string();
    assert!(
        text.contains("--memory") && text.contains("v1 blkio"),
        "{text}"
    );
}
