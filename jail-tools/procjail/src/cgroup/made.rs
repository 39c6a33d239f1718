//! A jail's cgroup: planned (pure), made, and its limits written and read back.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::limits::{Need, Setting};
use super::{Error, Layout, Leftover, Limits, MARK, Version, remove};
use crate::sys;

/// Names of our directories begin so.
pub(crate) const PREFIX: &str = "procjail-";

/// The name of a process's cgroup: another process with the same number is another name.
pub(crate) fn name(pid: u32, start_ticks: u64) -> String {
    format!("{PREFIX}{pid}-{start_ticks}")
}

/// What is to be made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The name of every directory.
    pub(crate) name: String,
    /// A directory each, v2 first.
    pub(crate) members: Vec<Member>,
}

/// One directory of the cgroup.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) version: Version,
    pub(crate) dir: PathBuf,
    /// What limits in it.
    pub(crate) controllers: Vec<&'static str>,
    pub(crate) settings: Vec<Setting>,
}

/// What v2 offers at the places where a cgroup may be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct V2Facts {
    /// In the parent that was asked for, or the caller's own cgroup.
    pub(crate) base: Offer,
    /// In the one above the caller's own, if none was asked for and the hierarchy shows it.
    pub(crate) above: Option<Offer>,
}

/// What a v2 cgroup offers to those below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) dir: PathBuf,
    /// Its `cgroup.controllers`.
    pub(crate) available: BTreeSet<String>,
    /// Its `cgroup.subtree_control`.
    pub(crate) delegated: BTreeSet<String>,
    /// It is the root of the hierarchy, which may have processes and controllers below it.
    pub(crate) is_root: bool,
}

impl V2Facts {
    /// `parent` is counted from the hierarchy's root.
    pub(crate) fn observe(layout: &Layout, parent: Option<&Path>) -> Self {
        let Some(v2) = &layout.v2 else {
            return Self::default();
        };
        let base = parent.map_or_else(|| v2.own.clone(), |parent| v2.mount.join(parent));
        // Above the mount there are no cgroups.
        let above = (parent.is_none() && v2.own != v2.mount)
            .then(|| v2.own.parent())
            .flatten();
        Self {
            base: Offer::observe(base),
            above: above.map(|dir| Offer::observe(dir.to_owned())),
        }
    }

    /// Where the cgroup is made. One with processes in it can have others below it, but cannot give
    /// them controllers (Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint"):
    /// the caller's own is for what it gives already, and for all else there is a place beside it.
    fn place(&self, needed: &[Need]) -> &Offer {
        let Some(above) = &self.above else {
            return &self.base;
        };
        let has = |set: &BTreeSet<String>, need: &Need| set.contains(need.controller);
        let of_v2 = |need: &&Need| has(&self.base.available, need) || has(&above.available, need);
        let mut wanted = needed.iter().filter(of_v2);
        if self.base.is_root || wanted.all(|need| has(&self.base.delegated, need)) {
            &self.base
        } else {
            above
        }
    }
}

impl Offer {
    fn observe(dir: PathBuf) -> Self {
        // Files that cannot be read offer nothing.
        let words = |name: &str| {
            let text = fs::read_to_string(dir.join(name)).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect()
        };
        Self {
            available: words("cgroup.controllers"),
            delegated: words("cgroup.subtree_control"),
            // The root alone has no cgroup.events (Documentation/admin-guide/cgroup-v2.rst).
            is_root: !dir.join("cgroup.events").exists(),
            dir,
        }
    }
}

/// The parent that was asked for, counted from each hierarchy's root. It may be given as a path of the
/// host, by where one of the hierarchies is mounted.
///
/// # Errors
/// It has `..` in it, which would lead out of the hierarchy.
pub(crate) fn asked_parent(limits: &Limits, layout: &Layout) -> Result<Option<PathBuf>, Error> {
    let Some(asked) = &limits.parent else {
        return Ok(None);
    };
    if asked.components().any(|c| c == Component::ParentDir) {
        return Err(Error::BadParent {
            path: asked.clone(),
        });
    }
    let mounts = layout.v2.iter().chain(&layout.v1).map(|h| &h.mount);
    let below = mounts.filter_map(|mount| asked.strip_prefix(mount).ok());
    // Of mounts in each other the inner one leaves the least.
    let below = below.min_by_key(|rest| rest.as_os_str().len());
    let from_root = || asked.strip_prefix("/").unwrap_or(asked);
    Ok(Some(below.unwrap_or_else(from_root).to_owned()))
}

/// Decides where each limit goes: to v2 if it has the controller, else to v1. `parent` is counted from
/// each hierarchy's root.
///
/// # Errors
/// A controller that neither has.
pub(crate) fn plan(
    limits: &Limits,
    parent: Option<&Path>,
    layout: &Layout,
    v2: &V2Facts,
    name: &str,
) -> Result<Plan, Error> {
    let needed: Vec<Need> = controllers(limits).collect();
    let mut members: Vec<Member> = Vec::new();
    let mut elsewhere = needed.clone();
    if layout.v2.is_some() {
        let place = v2.place(&needed);
        let (here, rest): (Vec<Need>, Vec<Need>) = needed
            .iter()
            .partition(|need| place.available.contains(need.controller));
        elsewhere = rest;
        let here: Vec<&'static str> = here.iter().map(|need| need.controller).collect();
        members.push(Member {
            version: Version::V2,
            dir: place.dir.join(name),
            settings: here
                .iter()
                .flat_map(|c| limits.settings(c, Version::V2))
                .collect(),
            controllers: here,
        });
    }
    for need in elsewhere {
        let member = member_v1(limits, parent, layout, need, name)?;
        match members.iter_mut().find(|m| m.dir == member.dir) {
            Some(known) => {
                known.controllers.extend(member.controllers);
                known.settings.extend(member.settings);
            }
            None => members.push(member),
        }
    }
    if members.is_empty() {
        return Err(Error::NoController {
            limit: "--cgroup",
            controller: "any",
            mounted: layout.describe(),
        });
    }
    Ok(Plan {
        name: name.to_owned(),
        members,
    })
}

/// The directory for one controller of v1.
fn member_v1(
    limits: &Limits,
    parent: Option<&Path>,
    layout: &Layout,
    need: Need,
    name: &str,
) -> Result<Member, Error> {
    let v1_name = if need.controller == "io" {
        "blkio"
    } else {
        need.controller
    };
    let hierarchy = layout.v1(v1_name).ok_or_else(|| Error::NoController {
        limit: need.limit,
        controller: need.controller,
        mounted: layout.describe(),
    })?;
    if need.controller == "memory" && limits.memory_bytes.is_none() {
        return Err(Error::SwapAlone);
    }
    let base = parent.map_or_else(|| hierarchy.own.clone(), |p| hierarchy.mount.join(p));
    Ok(Member {
        version: Version::V1,
        dir: base.join(name),
        controllers: vec![need.controller],
        settings: limits.settings(need.controller, Version::V1),
    })
}

/// The needed controllers, each once.
fn controllers(limits: &Limits) -> impl Iterator<Item = Need> {
    let mut seen = BTreeSet::new();
    limits
        .needs()
        .into_iter()
        .filter(move |need| seen.insert(need.controller))
}

/// A cgroup that is there. Dropping it removes it; [`Cgroup::remove`] says if that failed.
#[derive(Debug)]
pub(crate) struct Cgroup {
    pub(crate) members: Vec<Member>,
    leftover: Leftover,
    removed: bool,
}

impl Plan {
    /// What would be left of it: for the keeper, who must know before anything is made.
    pub(crate) fn leftover(&self) -> Leftover {
        let mut leftover = Leftover::default();
        for member in &self.members {
            leftover.add(member.version, &member.dir);
            if member.version == Version::V2
                && let Some(parent) = member.dir.parent()
            {
                leftover.below(parent);
            }
        }
        leftover
    }

    /// Makes the directories, and writes the limits.
    ///
    /// # Errors
    /// What could not be made or written. What was made is removed.
    pub(crate) fn make(self, mark: &str) -> Result<Cgroup, Error> {
        let cgroup = Cgroup {
            leftover: self.leftover(),
            members: self.members,
            removed: false,
        };
        for member in &cgroup.members {
            member.make(mark)?;
        }
        for member in &cgroup.members {
            for setting in &member.settings {
                member.apply(setting)?;
            }
        }
        Ok(cgroup)
    }
}

impl Cgroup {
    /// The directory in v2, if there is one.
    pub(crate) fn v2(&self) -> Option<&Member> {
        self.members.iter().find(|m| m.version == Version::V2)
    }

    /// The member that has a controller.
    pub(crate) fn with(&self, controller: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|m| m.controllers.contains(&controller))
    }

    /// Opens the v2 directory, to be born in.
    pub(crate) fn open_v2(&self) -> Result<Option<OwnedFd>, Error> {
        let Some(member) = self.v2() else {
            return Ok(None);
        };
        let opened = File::open(&member.dir).map_err(|e| io_error("open", &member.dir, e))?;
        Ok(Some(opened.into()))
    }

    /// Opens `cgroup.procs` of each v1 directory, to be joined.
    pub(crate) fn open_v1_procs(&self) -> Result<Vec<OwnedFd>, Error> {
        let v1 = self.members.iter().filter(|m| m.version == Version::V1);
        v1.map(|member| {
            let path = member.dir.join("cgroup.procs");
            let file = OpenOptions::new().write(true).open(&path);
            Ok(file.map_err(|e| io_error("open", &path, e))?.into())
        })
        .collect()
    }

    /// Kills everything in it, if v2 has it.
    pub(crate) fn kill(&self) -> sys::Call<()> {
        self.leftover.kill()
    }

    /// Removes it.
    ///
    /// # Errors
    /// What is left, and why.
    pub(crate) fn remove(mut self) -> Result<(), Error> {
        self.removed = true;
        remove(&self.leftover).map_err(|(path, errno)| {
            let path = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
            io_error("remove", path, errno.into())
        })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if !self.removed {
            // On the way out with another error, which is what the user is told.
            let _ = remove(&self.leftover);
        }
    }
}

impl Member {
    fn make(&self, mark: &str) -> Result<(), Error> {
        let parent = self.dir.parent().unwrap_or(Path::new("/"));
        let lock = File::open(parent).map_err(|e| io_error("open", parent, e))?;
        // Until it is closed: a jail that ends must not switch off what this one is about to use.
        let lock = OwnedFd::from(lock);
        sys::lock_dir(&lock).map_err(|errno| io_error("lock", parent, errno.into()))?;
        if self.version == Version::V2 {
            self.enable(parent)?;
        }
        fs::create_dir(&self.dir).map_err(|e| io_error("make the cgroup", &self.dir, e))?;
        set_mark(&self.dir, mark.as_bytes())?;
        if self.version == Version::V1 && self.controllers.contains(&"cpuset") {
            self.inherit_cpuset(parent)?;
        }
        Ok(())
    }

    /// Switches controllers on for the directories below `parent`, and notes it there first.
    fn enable(&self, parent: &Path) -> Result<(), Error> {
        let control = parent.join("cgroup.subtree_control");
        let has = fs::read_to_string(&control).map_err(|e| io_error("read", &control, e))?;
        let has: BTreeSet<&str> = has.split_whitespace().collect();
        let missing: Vec<&str> = self
            .controllers
            .iter()
            .copied()
            .filter(|c| !has.contains(c))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut noted = get_mark(parent).unwrap_or_default();
        for controller in &missing {
            noted.push(' ');
            noted.push_str(controller);
        }
        set_mark(parent, noted.trim().as_bytes())?;
        for controller in missing {
            put(&control, &format!("+{controller}"))
                .map_err(|e| io_error("switch on a controller in", &control, e))?;
        }
        Ok(())
    }

    /// A new cpuset of v1 is empty, and nothing can run in it.
    fn inherit_cpuset(&self, parent: &Path) -> Result<(), Error> {
        for (from, to) in [
            ("cpuset.effective_mems", "cpuset.mems"),
            ("cpuset.effective_cpus", "cpuset.cpus"),
        ] {
            let (from, to) = (parent.join(from), self.dir.join(to));
            let value = fs::read_to_string(&from).map_err(|e| io_error("read", &from, e))?;
            put(&to, value.trim()).map_err(|e| io_error("write", &to, e))?;
        }
        Ok(())
    }

    fn apply(&self, setting: &Setting) -> Result<(), Error> {
        let file = self.dir.join(setting.file);
        let note = match setting.file {
            "memory.memsw.limit_in_bytes" | "memory.swap.max" => {
                " (swap accounting: swapaccount=1)"
            }
            _ => "",
        };
        if !file.exists() {
            return Err(Error::NoFile {
                limit: setting.limit,
                file,
                note,
            });
        }
        let what = format!("limit {}: write `{}` to", setting.limit, setting.value);
        put(&file, &setting.value).map_err(|e| io_error(&what, &file, e))?;
        let got = fs::read_to_string(&file).map_err(|e| io_error("read", &file, e))?;
        if !setting.rounded && got.trim() != setting.value {
            return Err(Error::Changed {
                limit: setting.limit,
                file,
                wanted: setting.value.clone(),
                got: got.trim().to_owned(),
            });
        }
        Ok(())
    }
}

fn put(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(value.as_bytes())
}

pub(super) fn io_error(what: &str, path: &Path, source: io::Error) -> Error {
    let hint = match source.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            " (run as root, or in a cgroup that was delegated to you: systemd-run --user --scope -p Delegate=yes)"
        }
        Some(libc::EROFS) => " (cgroups are mounted read-only here, as in most containers)",
        Some(libc::EBUSY) => {
            " (processes are in it, or in a cgroup that should only have others below it)"
        }
        _ => "",
    };
    Error::Io {
        what: what.to_owned(),
        path: path.to_owned(),
        source,
        hint,
    }
}

fn set_mark(dir: &Path, value: &[u8]) -> Result<(), Error> {
    let path =
        CString::new(dir.as_os_str().as_bytes()).map_err(|e| io_error("mark", dir, e.into()))?;
    sys::mark(&path, MARK, value).map_err(|errno| io_error("mark (setxattr)", dir, errno.into()))
}

/// What our mark says, if there is one.
pub(super) fn get_mark(dir: &Path) -> Option<String> {
    let path = CString::new(dir.as_os_str().as_bytes()).ok()?;
    let mut buffer = [0u8; 256];
    let length = sys::marked(&path, MARK, &mut buffer).ok()?;
    String::from_utf8(buffer.get(..length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests;
