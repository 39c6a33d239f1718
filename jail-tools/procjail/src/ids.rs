//! Users and groups of a user namespace: which maps, and who may write them. The decision is pure;
//! writing is at the end.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::spec::{IdMap, IdMaps};

/// Why there are no maps.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Ranges overlap, are empty or run over the end.
    #[error("{which} map {map:?}: {why}")]
    Bad {
        /// `uid` or `gid`.
        which: &'static str,
        /// The range.
        map: IdMap,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More ranges than the kernel takes.
    #[error("{which} maps: {count} ranges, and the kernel takes at most 340")]
    TooMany {
        /// `uid` or `gid`.
        which: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The maps need a helper that is not there.
    #[error(
        "mapping more than one's own id needs {helper} on PATH (Debian: package uidmap) and a range in {file}; without either only --uid-map 0:{own}:1 can be had"
    )]
    NoHelper {
        /// `newuidmap` or `newgidmap`.
        helper: &'static str,
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// The caller's id.
        own: u32,
    },
    /// Writing failed.
    #[error("write `{content}` to {}: {source}{}", path.display(), if *helped { "" } else { " (a map may only name ids that one has: one's own, or those in /etc/subuid and /etc/subgid)" })]
    Write {
        /// The file.
        path: PathBuf,
        /// What was to stand in it.
        content: String,
        /// How it failed.
        source: std::io::Error,
        /// Root wrote.
        helped: bool,
    },
    /// A helper failed.
    #[error("{helper} {arguments}: {said}")]
    Helper {
        /// `newuidmap` or `newgidmap`.
        helper: &'static str,
        /// Its arguments.
        arguments: String,
        /// What it said.
        said: String,
    },
}

/// The caller, as far as maps go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// May write any map (CAP_SETUID and CAP_SETGID in the parent namespace).
    pub(crate) privileged: bool,
    /// `(first, count)` in /etc/subuid and /etc/subgid.
    pub(crate) subuids: Option<(u32, u32)>,
    pub(crate) subgids: Option<(u32, u32)>,
    /// Both helpers are on PATH.
    pub(crate) helpers: bool,
}

/// How maps are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) maps: IdMaps,
    pub(crate) writer: Writer,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// We, with privilege.
    Root,
    /// We, one's own ids only: setgroups(2) must be given up (user_namespaces(7)).
    Own,
    /// newuidmap and newgidmap.
    Helpers,
}

impl Decision {
    /// Does the jail have a user 0?
    pub(crate) fn has_root(&self) -> bool {
        self.maps.uids.iter().any(|m| m.inside == 0) && self.maps.gids.iter().any(|m| m.inside == 0)
    }
}

/// Chooses maps: what was asked for, else one's own id as 0, and one's subordinate ids as 1 and
/// following where there are any.
///
/// # Errors
/// Maps that make no sense, or that need a helper that is missing.
pub(crate) fn decide(asked: &IdMaps, caller: &Caller) -> Result<Decision, Error> {
    let subordinate = match (
        caller.helpers && !caller.privileged,
        caller.subuids,
        caller.subgids,
    ) {
        (true, Some(uids), Some(gids)) => Some((uids, gids)),
        _ => None,
    };
    let fill = |asked: &[IdMap], own: u32, range: Option<(u32, u32)>| {
        if !asked.is_empty() {
            return asked.to_vec();
        }
        let mut maps = vec![IdMap {
            inside: 0,
            outside: own,
            count: 1,
        }];
        maps.extend(range.map(|(outside, count)| IdMap {
            inside: 1,
            outside,
            count,
        }));
        maps
    };
    let maps = IdMaps {
        uids: fill(&asked.uids, caller.uid, subordinate.map(|s| s.0)),
        gids: fill(&asked.gids, caller.gid, subordinate.map(|s| s.1)),
    };
    check("uid", &maps.uids)?;
    check("gid", &maps.gids)?;
    let only_own = |maps: &[IdMap], own: u32| matches!(maps, [IdMap { outside, count: 1, .. }] if *outside == own);
    let writer = if caller.privileged {
        Writer::Root
    } else if only_own(&maps.uids, caller.uid) && only_own(&maps.gids, caller.gid) {
        Writer::Own
    } else if caller.helpers {
        Writer::Helpers
    } else {
        return Err(Error::NoHelper {
            helper: "newuidmap",
            file: "/etc/subuid",
            own: caller.uid,
        });
    };
    Ok(Decision { maps, writer })
}

/// Most ranges of a map (user_namespaces(7), since Linux 4.15).
const RANGES_MAX: usize = 340;

fn check(which: &'static str, maps: &[IdMap]) -> Result<(), Error> {
    if maps.len() > RANGES_MAX {
        return Err(Error::TooMany {
            which,
            count: maps.len(),
        });
    }
    let bad = |map: &IdMap, why| Error::Bad {
        which,
        map: *map,
        why,
    };
    // u32::MAX is "no id" (user_namespaces(7)).
    let ends = |first: u32, count: u32| u64::from(first) + u64::from(count);
    for (number, map) in maps.iter().enumerate() {
        if map.count == 0 {
            return Err(bad(map, "an empty range"));
        }
        if ends(map.inside, map.count).max(ends(map.outside, map.count)) > u64::from(u32::MAX) {
            return Err(bad(map, "it runs over the last id"));
        }
        let meet = |a: u32, b: u32, other: &IdMap| {
            u64::from(a) < ends(b, other.count) && u64::from(b) < ends(a, map.count)
        };
        for other in &maps[..number] {
            if meet(map.inside, other.inside, other) || meet(map.outside, other.outside, other) {
                return Err(bad(map, "it overlaps another"));
            }
        }
    }
    Ok(())
}

/// The first range of a user in a file like /etc/subuid (subuid(5)).
pub(crate) fn subordinate(file: &str, name: Option<&str>, id: u32) -> Option<(u32, u32)> {
    let id = id.to_string();
    file.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if owner != id && Some(owner) != name {
            return None;
        }
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some((first, count))
    })
}

/// Writes the maps of process `pid`.
///
/// # Errors
/// What the kernel or a helper says.
pub(crate) fn write(decision: &Decision, pid: i32) -> Result<(), Error> {
    let folder = Path::new("/proc").join(pid.to_string());
    let helped = decision.writer != Writer::Own;
    let put = |name: &str, content: String| {
        let path = folder.join(name);
        std::fs::write(&path, &content).map_err(|source| Error::Write {
            path,
            content,
            source,
            helped,
        })
    };
    match decision.writer {
        Writer::Helpers => {
            help("newuidmap", pid, &decision.maps.uids)?;
            help("newgidmap", pid, &decision.maps.gids)
        }
        Writer::Own | Writer::Root => {
            if decision.writer == Writer::Own {
                put("setgroups", "deny".into())?;
            }
            put("uid_map", lines(&decision.maps.uids))?;
            put("gid_map", lines(&decision.maps.gids))
        }
    }
}

fn lines(maps: &[IdMap]) -> String {
    let line = |m: &IdMap| format!("{} {} {}\n", m.inside, m.outside, m.count);
    maps.iter().map(line).collect()
}

fn help(helper: &'static str, pid: i32, maps: &[IdMap]) -> Result<(), Error> {
    let numbers = maps.iter().flat_map(|m| [m.inside, m.outside, m.count]);
    let arguments: Vec<String> = std::iter::once(pid.to_string())
        .chain(numbers.map(|n| n.to_string()))
        .collect();
    let failed = |said: String| Error::Helper {
        helper,
        arguments: arguments.join(" "),
        said,
    };
    let output = Command::new(helper)
        .args(&arguments)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{}: {}", output.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caller() -> Caller {
        Caller {
            uid: 1000,
            gid: 1000,
            privileged: false,
            subuids: None,
            subgids: None,
            helpers: false,
        }
    }

    fn map(inside: u32, outside: u32, count: u32) -> IdMap {
        IdMap {
            inside,
            outside,
            count,
        }
    }

    #[test]
    fn without_anything_one_is_root_in_the_jail_and_oneself_outside() {
        let decision = decide(&IdMaps::default(), &caller()).expect("maps");
        assert_eq!(decision.maps.uids, [map(0, 1000, 1)]);
        assert_eq!(decision.writer, Writer::Own);
        assert!(decision.has_root());
    }

    #[test]
    fn subordinate_ids_are_used_where_they_can_be_written() {
        let with = Caller {
            subuids: Some((100_000, 65_536)),
            subgids: Some((200_000, 65_536)),
            helpers: true,
            ..caller()
        };
        let decision = decide(&IdMaps::default(), &with).expect("maps");
        assert_eq!(
            decision.maps.gids,
            [map(0, 1000, 1), map(1, 200_000, 65_536)]
        );
        assert_eq!(decision.writer, Writer::Helpers);
        let without = Caller {
            helpers: false,
            ..with
        };
        assert_eq!(
            decide(&IdMaps::default(), &without).expect("maps").writer,
            Writer::Own
        );
    }

    #[test]
    fn what_cannot_be_written_says_what_it_would_take() {
        let asked = IdMaps {
            uids: vec![map(0, 100_000, 10)],
            gids: vec![map(0, 1000, 1)],
        };
        let error = decide(&asked, &caller())
            .expect_err("no helper")
            .to_string();
        assert!(
            error.contains("newuidmap") && error.contains("0:1000:1"),
            "{error}"
        );
        let root = Caller {
            privileged: true,
            ..caller()
        };
        assert_eq!(decide(&asked, &root).expect("maps").writer, Writer::Root);
    }

    #[test]
    fn bad_ranges_are_refused() {
        for maps in [
            vec![map(0, 0, 0)],
            vec![map(0, u32::MAX, 1)],
            vec![map(0, 0, 2), map(1, 5, 1)],
            vec![map(0, 5, 2), map(9, 6, 1)],
            vec![map(7, 7, 1); 341],
        ] {
            assert!(check("uid", &maps).is_err(), "{maps:?}");
        }
    }

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let file = "# nothing\nroot:1:2\nann:100000:65536\n1001:300000:10\nbroken:x:1\n";
        assert_eq!(
            subordinate(file, Some("ann"), 1000),
            Some((100_000, 65_536))
        );
        assert_eq!(subordinate(file, None, 1001), Some((300_000, 10)));
        assert_eq!(subordinate(file, Some("broken"), 1), None);
    }

    proptest! {
        #[test]
        fn ranges_that_pass_do_not_overlap(raw in prop::collection::vec((0u32..50, 0u32..50, 0u32..9), 0..8)) {
            let maps: Vec<IdMap> = raw.iter().map(|(i, o, c)| map(*i, *o, *c)).collect();
            let ids = |first: fn(&IdMap) -> u32| -> Vec<u32> {
                maps.iter().flat_map(|m| first(m)..first(m) + m.count).collect()
            };
            let distinct = |mut ids: Vec<u32>| { let n = ids.len(); ids.sort_unstable(); ids.dedup(); n == ids.len() };
            let fine = distinct(ids(|m| m.inside)) && distinct(ids(|m| m.outside)) && maps.iter().all(|m| m.count > 0);
            prop_assert_eq!(check("uid", &maps).is_ok(), fine);
        }

        #[test]
        fn no_file_panics(file in ".{0,80}") {
            subordinate(&file, Some("a"), 1);
        }
    }
}
