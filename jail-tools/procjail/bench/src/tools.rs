//! The programs that are compared: where they are, and which they are.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::spawn::Program;
use crate::subject::{Subject, Tool};

/// PATH of every child, and where peers are looked for if we have none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program as it was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// What it says of itself: the first line of `--version`.
    pub(crate) version: Option<String>,
}

/// All that were looked for. What is not there has no entry.
pub(crate) struct Toolbox(BTreeMap<Tool, Found>);

impl Toolbox {
    /// Looks on PATH; for procjail there if no path is given.
    pub(crate) fn look(procjail: Option<&Path>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
        let given = |tool| procjail.filter(|_| tool == Tool::Procjail);
        let find = |tool: Tool| {
            let path = match given(tool) {
                Some(given) => Some(given.to_owned()),
                None => on_path(&path, tool.name()),
            }?;
            written_back(&path);
            let version = version(&path);
            Some((tool, Found { path, version }))
        };
        Self(Tool::ALL.into_iter().filter_map(find).collect())
    }

    pub(crate) fn get(&self, tool: Tool) -> Option<&Found> {
        self.0.get(&tool)
    }

    /// This command, run in this way, for as short as it takes.
    ///
    /// # Errors
    /// "not installed", or a word with a NUL.
    pub(crate) fn program(&self, subject: Subject, command: &[&OsStr]) -> Result<Program, String> {
        self.build(subject, None, command)
    }

    /// The same for a command that runs until it is ended.
    ///
    /// # Errors
    /// As [`Self::program`].
    pub(crate) fn resident(&self, subject: Subject, command: &[&OsStr]) -> Result<Program, String> {
        self.build(subject, subject.tether(), command)
    }

    fn build(
        &self,
        subject: Subject,
        tether: Option<&'static str>,
        command: &[&OsStr],
    ) -> Result<Program, String> {
        let tool = match subject.tool() {
            Some(tool) => Some(self.get(tool).ok_or("not installed")?.path.as_os_str()),
            None => None,
        };
        let words = tether.into_iter().chain(subject.words()).map(OsStr::new);
        let argv = tool.into_iter().chain(words).chain(command.iter().copied());
        let argv = argv.map(|word| CString::new(word.as_bytes()));
        let argv = argv
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| e.to_string())?;
        let env = CString::new(format!("PATH={PATH}")).map_err(|e| e.to_string())?;
        Ok(Program::new(argv, vec![env]))
    }
}

fn on_path(path: &OsStr, name: &str) -> Option<PathBuf> {
    let files = std::env::split_paths(path).map(|dir| dir.join(name));
    let mut programs = files.filter(|file| {
        let facts = file.metadata();
        facts.is_ok_and(|f| f.is_file() && f.permissions().mode() & 0o111 != 0)
    });
    programs.next()
}

/// A page of a file that was just built is counted as its user's Private_Dirty until it is on the
/// disk (`smaps_account` in the kernel's fs/proc/task_mmu.c looks at the page too, not only at the
/// page table's entry).
fn written_back(path: &Path) {
    // What cannot be opened has no pages to be counted, and what cannot be executed says so later.
    let _ = File::open(path).and_then(|file| file.sync_all());
}

/// dumb-init says it on standard error.
fn version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = OsString::from(String::from_utf8_lossy(&said).trim());
    let first = said.to_str()?.lines().next()?.to_owned();
    output.status.success().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_installed() {
        let empty = Toolbox(BTreeMap::new());
        let refused = empty.program(Subject::Bwrap, &[OsStr::new("/bin/true")]);
        assert_eq!(refused.err().as_deref(), Some("not installed"));
        assert!(
            empty
                .program(Subject::Bare, &[OsStr::new("/bin/true")])
                .is_ok()
        );
        assert_eq!(on_path(OsStr::new("/nonexistent"), "tini"), None);
    }
}
