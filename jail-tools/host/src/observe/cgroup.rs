//! How control groups are mounted, and who has the cpuset controller.

use record::Fact;
use record::host_facts::{CgroupFlavour, CpusetMount, CpusetVersion};

use crate::mountinfo::{self, Mount};
use crate::tree::{Missing, Tree, from_result};

const MOUNTS: &str = "/proc/self/mountinfo";

pub(super) fn flavour(tree: &Tree) -> Fact<CgroupFlavour> {
    let found = tree.text(MOUNTS).and_then(|text| {
        let mounts = mountinfo::parse(&text);
        let has = |filesystem| mounts.iter().any(|m| m.filesystem == filesystem);
        match (has("cgroup"), has("cgroup2")) {
            (true, true) => Ok(CgroupFlavour::Hybrid),
            (true, false) => Ok(CgroupFlavour::V1),
            (false, true) => Ok(CgroupFlavour::V2),
            (false, false) => Err(Missing::Absent(format!(
                "{MOUNTS} has neither cgroup nor cgroup2"
            ))),
        }
    });
    from_result(found, MOUNTS)
}

/// A controller belongs to one hierarchy only: v1 if a v1 mount names it, else v2 if the unified
/// hierarchy lists it.
pub(super) fn cpuset(tree: &Tree) -> Fact<CpusetMount> {
    from_result(
        tree.text(MOUNTS)
            .and_then(|text| find_cpuset(tree, &mountinfo::parse(&text))),
        MOUNTS,
    )
}

fn find_cpuset(tree: &Tree, mounts: &[Mount]) -> Result<CpusetMount, Missing> {
    let v1 = mounts
        .iter()
        .find(|m| m.filesystem == "cgroup" && m.super_options.iter().any(|o| o == "cpuset"));
    if let Some(mount) = v1 {
        return Ok(CpusetMount {
            version: CpusetVersion::V1,
            mount_point: mount.point.clone(),
        });
    }
    let v2 = mounts.iter().find(|m| m.filesystem == "cgroup2");
    let v2 =
        v2.ok_or_else(|| Missing::Absent(format!("{MOUNTS} has no cgroup hierarchy with cpuset")))?;
    let list = format!("{}/cgroup.controllers", v2.point);
    if tree.text(&list)?.split(' ').any(|c| c == "cpuset") {
        Ok(CpusetMount {
            version: CpusetVersion::V2,
            mount_point: v2.point.clone(),
        })
    } else {
        Err(Missing::Absent(format!(
            "{list} does not name cpuset, and no v1 hierarchy has it"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    const V1: &str = "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    const V1_OTHER: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const V2: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn flavours_and_the_owner_of_cpuset() {
        use CgroupFlavour as F;
        use CpusetVersion as V;
        for (mounts, controllers, flavour_is, cpuset_is) in [
            (V1.to_owned(), "", Some(F::V1), Some(V::V1)),
            (format!("{V1}{V2}"), "hugetlb", Some(F::Hybrid), Some(V::V1)),
            (
                format!("{V1_OTHER}{V2}"),
                "cpuset cpu",
                Some(F::Hybrid),
                Some(V::V2),
            ),
            (V2.to_owned(), "cpuset cpu io", Some(F::V2), Some(V::V2)),
            (V2.to_owned(), "hugetlb", Some(F::V2), None),
            (String::new(), "", None, None),
        ] {
            let fake = Fake::with(&[
                (MOUNTS, &mounts),
                ("/sys/fs/cgroup/unified/cgroup.controllers", controllers),
            ]);
            assert_eq!(
                flavour(&fake.tree()).value(),
                flavour_is.as_ref(),
                "{mounts}"
            );
            assert_eq!(
                cpuset(&fake.tree()).value().map(|c| c.version),
                cpuset_is,
                "{mounts}"
            );
        }
    }
}
