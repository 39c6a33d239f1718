//! Where the caller's cgroups are. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::mountinfo::Mounted;

/// Which interface a hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) version: Version,
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
    /// The caller's own cgroup in it, as a directory.
    pub(crate) own: PathBuf,
    /// Of v1: what it controls. Of v2 that stands in files, and changes.
    pub(crate) controllers: Vec<String>,
}

/// All hierarchies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) v2: Option<Hierarchy>,
    pub(crate) v1: Vec<Hierarchy>,
}

impl Layout {
    /// From the mounts and `/proc/self/cgroup` (cgroups(7)).
    pub(crate) fn of(mounted: &[Mounted], own: &str) -> Self {
        let own = paths(own);
        let mut layout = Self::default();
        for mount in mounted {
            match mount.fstype.as_str() {
                "cgroup2" if layout.v2.is_none() => {
                    let path = own.get("").map_or("/", String::as_str);
                    layout.v2 = Some(hierarchy(mount, Version::V2, path, Vec::new()));
                }
                "cgroup" => {
                    let controllers: Vec<String> = mount
                        .options
                        .split(',')
                        .filter(|option| own.contains_key(*option))
                        .map(str::to_owned)
                        .collect();
                    // A named hierarchy (`name=systemd`) controls nothing.
                    let Some(path) = controllers.first().and_then(|c| own.get(c)) else {
                        continue;
                    };
                    let known = layout.v1.iter().any(|h| h.controllers == controllers);
                    if !known && !controllers[0].starts_with("name=") {
                        let path = path.clone();
                        layout
                            .v1
                            .push(hierarchy(mount, Version::V1, &path, controllers));
                    }
                }
                _ => {}
            }
        }
        layout
    }

    /// The v1 hierarchy of a controller.
    pub(crate) fn v1(&self, controller: &str) -> Option<&Hierarchy> {
        self.v1
            .iter()
            .find(|h| h.controllers.iter().any(|c| c == controller))
    }

    /// For messages: what there is.
    pub(crate) fn describe(&self) -> String {
        let v1 = self
            .v1
            .iter()
            .map(|h| format!("v1 {}", h.controllers.join(",")));
        let v2 = self
            .v2
            .iter()
            .map(|h| format!("v2 at {}", h.mount.display()));
        let all: Vec<String> = v1.chain(v2).collect();
        if all.is_empty() {
            "none".into()
        } else {
            all.join("; ")
        }
    }
}

/// Controller → path. v2 has no controllers in its line: `0::/path`.
fn paths(own: &str) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_number), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        for controller in controllers.split(',') {
            paths.insert(controller.to_owned(), path.to_owned());
        }
    }
    paths
}

fn hierarchy(mount: &Mounted, version: Version, path: &str, controllers: Vec<String>) -> Hierarchy {
    // A mount may show only a part of the hierarchy: paths are counted from its root.
    let below = Path::new(path).strip_prefix(&mount.root);
    let own = match below {
        Ok(below) if below.as_os_str().is_empty() => mount.target.clone(),
        Ok(below) => mount.target.join(below),
        Err(_) => mount.target.clone(),
    };
    Hierarchy {
        version,
        mount: mount.target.clone(),
        own,
        controllers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mountinfo::parse;

    const HYBRID: &[u8] = b"\
26 1 0:20 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
27 1 0:21 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
28 1 0:22 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
29 1 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn a_hybrid_host_has_both() {
        let own = "3:memory:/a/b\n2:name=systemd:/\n1:cpu:/\n0::/u\n";
        let layout = Layout::of(&parse(HYBRID), own);
        assert_eq!(
            layout.v1("memory").map(|h| h.own.clone()),
            Some("/sys/fs/cgroup/memory/a/b".into())
        );
        assert_eq!(
            layout.v1("cpu").map(|h| h.own.clone()),
            Some("/sys/fs/cgroup/cpu".into())
        );
        assert_eq!(
            layout.v2.as_ref().map(|h| h.own.clone()),
            Some("/sys/fs/cgroup/unified/u".into())
        );
        assert_eq!(layout.v1.len(), 2);
        assert!(
            layout.describe().contains("v1 memory"),
            "{}",
            layout.describe()
        );
    }

    #[test]
    fn a_mount_of_a_part_counts_from_its_root() {
        let mounted = parse(b"29 1 0:23 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
        let layout = Layout::of(&mounted, "0::/docker/x/sub\n");
        assert_eq!(layout.v2.map(|h| h.own), Some("/sys/fs/cgroup/sub".into()));
    }

    #[test]
    fn no_cgroups_are_no_error_yet() {
        let layout = Layout::of(&[], "");
        assert_eq!(layout, Layout::default());
        assert_eq!(layout.describe(), "none");
    }
}
