//! What crashes have left: found by our mark, judged by whether its owner lives, removed.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::made::{PREFIX, get_mark};
use super::{Error, Layout, Leftover, Version, remove};
use crate::owner::{Owner, State};

/// A directory with our name, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Removed, would be removed, left, or stuck: ours, and it could not be removed.
    pub fate: &'static str,
    /// Why.
    pub why: String,
}

const STUCK: &str = "stuck";

impl Found {
    /// It is ours, and could not be removed.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.fate == STUCK
    }
}

/// Looks through every hierarchy, and removes what is ours and whose owner is dead.
///
/// # Errors
/// A hierarchy that cannot be read.
pub(crate) fn collect_in(layout: &Layout, dry_run: bool) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    let hierarchies = layout.v2.iter().chain(&layout.v1);
    for hierarchy in hierarchies {
        walk(&hierarchy.mount, hierarchy.version, dry_run, &mut found)?;
    }
    Ok(found)
}

/// The same for the hierarchies of this host.
///
/// # Errors
/// `/proc` or a hierarchy cannot be read.
pub fn collect(dry_run: bool) -> Result<Vec<Found>, crate::Error> {
    let layout = crate::facts::layout()?;
    Ok(collect_in(&layout, dry_run)?)
}

fn walk(dir: &Path, version: Version, dry_run: bool, found: &mut Vec<Found>) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(dir) else {
        // Gone meanwhile, or not ours to look into.
        return Ok(());
    };
    // All of them first: a descriptor that stays open on each level would be the limit of how deep
    // it can go.
    let folders: Vec<fs::DirEntry> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        .collect();
    for folder in folders {
        let path = folder.path();
        if folder.file_name().to_string_lossy().starts_with(PREFIX) {
            found.push(judge(path, version, dry_run));
        } else {
            walk(&path, version, dry_run, found)?;
        }
    }
    if version == Version::V2 && !dry_run && get_mark(dir).is_some() {
        // Controllers that were switched on for jails, the last of which may just have gone.
        let mut leftover = Leftover::default();
        leftover.below(dir);
        if let Err((_, errno)) = remove(&leftover) {
            found.push(Found {
                path: dir.to_owned(),
                fate: STUCK,
                why: format!("switching its controllers off again: {errno}"),
            });
        }
    }
    Ok(())
}

fn judge(path: PathBuf, version: Version, dry_run: bool) -> Found {
    let left = |path, why: String| Found {
        path,
        fate: "left",
        why,
    };
    let Some(mark) = get_mark(&path) else {
        return left(path, "it has no mark of ours".into());
    };
    let Some(owner) = Owner::parse(&mark) else {
        return left(path, format!("its mark `{mark}` is none of ours"));
    };
    match owner.state() {
        State::Alive => left(path, format!("its owner, process {}, lives", owner.pid)),
        State::Unknown(why) => left(
            path,
            format!("whether process {} lives cannot be told: {why}", owner.pid),
        ),
        State::Dead if dry_run => Found {
            path,
            fate: "would be removed",
            why: format!("its owner, process {}, is dead", owner.pid),
        },
        State::Dead => {
            let mut leftover = Leftover::default();
            leftover.add(version, &path);
            match remove(&leftover) {
                Ok(()) => Found {
                    path,
                    fate: "removed",
                    why: format!("its owner, process {}, is dead", owner.pid),
                },
                Err((_, errno)) => Found {
                    path,
                    fate: STUCK,
                    why: errno.to_string(),
                },
            }
        }
    }
}
