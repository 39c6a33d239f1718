//! A jail with the escapee in it, from a place that every user may execute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A user without rights.
pub(crate) const NOBODY: u32 = 65_534;

/// Both programs in a folder that other users can reach, too.
pub(crate) struct Tools {
    folder: TempDir,
}

impl Tools {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("procjail-escape-")
            .tempdir_in("/var/tmp")
            .expect("a folder");
        for program in [
            env!("CARGO_BIN_EXE_procjail"),
            env!("CARGO_BIN_EXE_jail-escapee"),
        ] {
            let _ = testkit::install(Path::new(program), folder.path());
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `procjail run`, as root or as nobody.
    pub(crate) fn jail(&self, rootless: bool) -> Command {
        let mut command = if rootless {
            let mut command = Command::new("setpriv");
            let id = NOBODY.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
            command.arg(self.path("procjail"));
            command
        } else {
            Command::new(self.path("procjail"))
        };
        command.arg("run").current_dir("/");
        command
    }

    /// What became of attempts in a jail with these options.
    pub(crate) fn attempts(
        &self,
        rootless: bool,
        options: &[&str],
        words: &[String],
    ) -> BTreeMap<String, String> {
        let mut command = self.jail(rootless);
        command
            .args(options)
            .arg("--")
            .arg(self.path("jail-escapee"))
            .args(words);
        outcomes(&command.output().expect("procjail"))
    }
}

/// `name outcome` lines, by name.
pub(crate) fn outcomes(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, outcome)| (name.to_owned(), outcome.to_owned()))
        .collect()
}
