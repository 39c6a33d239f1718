//! A jail's cgroup: planned (pure), made, and its limits written and read back.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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

/// What v2 offers at the caller's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct V2Facts {
    /// `cgroup.controllers` of the caller's own cgroup.
    pub(crate) available: BTreeSet<String>,
    /// Its `cgroup.subtree_control`.
    pub(crate) delegated: BTreeSet<String>,
    /// It is the root of the hierarchy, which may have processes and controllers below it.
    pub(crate) is_root: bool,
}

impl V2Facts {
    pub(crate) fn observe(layout: &Layout) -> Self {
        let Some(v2) = &layout.v2 else {
            return Self::default();
        };
        // Files that cannot be read offer nothing.
        let words = |name: &str| {
            let text = fs::read_to_string(v2.own.join(name)).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect()
        };
        Self {
            available: words("cgroup.controllers"),
            delegated: words("cgroup.subtree_control"),
            // The root alone has no cgroup.events (Documentation/admin-guide/cgroup-v2.rst).
            is_root: !v2.own.join("cgroup.events").exists(),
        }
    }
}

/// Decides where each limit goes: to v2 if it has the controller, else to v1.
///
/// # Errors
/// A controller that neither has.
pub(crate) fn plan(
    limits: &Limits,
    layout: &Layout,
    v2: &V2Facts,
    name: &str,
) -> Result<Plan, Error> {
    let mut members: Vec<Member> = Vec::new();
    if let Some(hierarchy) = &layout.v2 {
        let here: Vec<&'static str> = controllers(limits)
            .filter(|need| v2.available.contains(need.controller))
            .map(|need| need.controller)
            .collect();
        let delegated = here.iter().all(|c| v2.delegated.contains(*c));
        let base = match &limits.parent {
            Some(parent) => hierarchy.mount.join(relative(parent)),
            None if delegated || v2.is_root => hierarchy.own.clone(),
            // A cgroup with processes in it cannot give controllers to others below it: beside it.
            None => hierarchy.own.parent().unwrap_or(&hierarchy.own).to_owned(),
        };
        members.push(Member {
            version: Version::V2,
            dir: base.join(name),
            settings: here
                .iter()
                .flat_map(|c| limits.settings(c, Version::V2))
                .collect(),
            controllers: here,
        });
    }
    for need in controllers(limits).filter(|need| !v2.available.contains(need.controller)) {
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
        let base = match &limits.parent {
            Some(parent) => hierarchy.mount.join(relative(parent)),
            None => hierarchy.own.clone(),
        };
        if need.controller == "memory" && limits.memory_bytes.is_none() {
            return Err(Error::SwapAlone);
        }
        let dir = base.join(name);
        let settings = limits.settings(need.controller, Version::V1);
        match members.iter_mut().find(|m| m.dir == dir) {
            Some(member) => {
                member.controllers.push(need.controller);
                member.settings.extend(settings);
            }
            None => members.push(Member {
                version: Version::V1,
                dir,
                controllers: vec![need.controller],
                settings,
            }),
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

/// The needed controllers, each once.
fn controllers(limits: &Limits) -> impl Iterator<Item = Need> {
    let mut seen = BTreeSet::new();
    limits
        .needs()
        .into_iter()
        .filter(move |need| seen.insert(need.controller))
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
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
mod tests {
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

    #[test]
    fn a_cgroup_with_processes_gets_a_sibling() {
        let facts = V2Facts {
            available: set(&["memory"]),
            ..V2Facts::default()
        };
        let plan = plan(&memory(), &v2_at("/cg/a/b"), &facts, "x").expect("a plan");
        assert_eq!(plan.members[0].dir, PathBuf::from("/cg/a/x"));
    }

    #[test]
    fn what_is_delegated_or_the_root_gets_a_child() {
        for facts in [
            V2Facts {
                available: set(&["memory"]),
                delegated: set(&["memory"]),
                is_root: false,
            },
            V2Facts {
                available: set(&["memory"]),
                delegated: set(&[]),
                is_root: true,
            },
        ] {
            let plan = plan(&memory(), &v2_at("/cg/a"), &facts, "x").expect("a plan");
            assert_eq!(plan.members[0].dir, PathBuf::from("/cg/a/x"));
        }
    }

    #[test]
    fn on_a_hybrid_host_each_limit_goes_where_its_controller_is() {
        let limits = Limits {
            io: vec![super::super::IoLimit::default()],
            ..Limits::default()
        };
        let plan = plan(&limits, &v2_at("/cg"), &V2Facts::default(), "x").expect("a plan");
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
        let on_v1 = plan(&limits, &layout, &V2Facts::default(), "x");
        assert!(matches!(on_v1, Err(Error::SwapAlone)), "{on_v1:?}");
        let facts = V2Facts {
            available: set(&["memory"]),
            ..V2Facts::default()
        };
        assert!(plan(&limits, &layout, &facts, "x").is_ok());
    }

    #[test]
    fn a_controller_that_nobody_has_is_named_with_what_there_is() {
        let error =
            plan(&memory(), &v2_at("/cg"), &V2Facts::default(), "x").expect_err("no memory");
        let text = error.to_string();
        assert!(
            text.contains("--memory") && text.contains("v1 blkio"),
            "{text}"
        );
    }
}
