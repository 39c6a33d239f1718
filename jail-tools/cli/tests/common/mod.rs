//! What the stories share: the real binary under a path of its own, what it said, what it left.

#![allow(dead_code, reason = "each story uses the part that it needs")]

pub(crate) mod account;
pub(crate) mod host_state;
pub(crate) mod processes;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use record::RunDir;
use tempfile::TempDir;

/// The fewest operations: one cell, warm, three rounds (two decide nothing). Takes a second or so.
pub(crate) const ONE_CELL: [&str; 9] = [
    "run",
    "syslat",
    "--quick",
    "--only",
    "size=4k",
    "--only",
    "state=warm",
    "--only",
    "access=random",
];

/// A story: a directory of its own on a disk, and a link to the binary in it, so that every
/// process of this story can be told from all others by its executable.
pub(crate) struct Story {
    dir: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Story {
    /// Begins one. Stories of one test program don't overlap: they would measure each other.
    pub(crate) fn begin() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let story = Self { dir, _alone: alone };
        let built = Path::new(env!("CARGO_BIN_EXE_jail-tools"));
        if fs::hard_link(built, story.binary()).is_err() {
            fs::copy(built, story.binary()).unwrap();
        }
        story
    }

    /// The binary of this story.
    pub(crate) fn binary(&self) -> PathBuf {
        self.dir.path().join("jail-tools")
    }

    /// A path in the story's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary, ready for arguments, in the story's directory and in a process group of its
    /// own.
    pub(crate) fn tool(&self) -> Command {
        self.wrapped::<&str>(&self.binary(), &[])
    }

    /// Another program that is given the binary as its last argument so far (`taskset -c 0 …`).
    pub(crate) fn through<S: AsRef<OsStr>>(&self, wrapper: &str, arguments: &[S]) -> Command {
        let mut command = self.wrapped(Path::new(wrapper), arguments);
        command.arg(self.binary());
        command
    }

    fn wrapped<S: AsRef<OsStr>>(&self, program: &Path, arguments: &[S]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Runs the tool to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Said {
        Said::by(self.tool().args(arguments))
    }

    /// The run directories below `out`; none if it is not there.
    pub(crate) fn runs(&self, out: &str) -> Vec<PathBuf> {
        names(&self.path(out))
            .iter()
            .map(|n| self.path(out).join(n))
            .collect()
    }

    /// The one run directory below `out`.
    pub(crate) fn the_run(&self, out: &str) -> PathBuf {
        let mut runs = self.runs(out);
        assert_eq!(runs.len(), 1, "one run below {out}: {runs:?}");
        runs.remove(0)
    }

    /// Opens the one run below `out`.
    pub(crate) fn recorded(&self, out: &str) -> RunDir {
        RunDir::open(&self.the_run(out)).unwrap()
    }
}

/// Names in a directory, sorted; none if it is not there.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| {
            entries
                .flatten()
                .map(|e| e.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

/// What a process said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit status; `None` if a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn by(command: &mut Command) -> Self {
        Self::of(command.output().unwrap())
    }

    pub(crate) fn from(child: Child) -> Self {
        Self::of(child.wait_with_output().unwrap())
    }

    fn of(output: Output) -> Self {
        let said = Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        // Whatever it is told, and whatever happens to it, it never panics.
        for text in [&said.out, &said.err] {
            assert!(!text.contains("panicked"), "{said:#?}");
        }
        said
    }

    /// It ended like this, and standard error says all of these.
    #[track_caller]
    pub(crate) fn ended(&self, status: i32, says: &[&str]) -> &Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        for text in says {
            assert!(self.err.contains(text), "{text:?} is not in {self:#?}");
        }
        self
    }

    /// The words of standard output, with line breaks and indentation undone.
    pub(crate) fn words(&self) -> String {
        self.out.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Standard output says this, wherever its lines break.
    #[track_caller]
    pub(crate) fn prints(&self, text: &str) -> &Self {
        assert!(self.words().contains(text), "{text:?} is not in {self:#?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

/// A table as exported in CSV, whose fields hold no comma (`samples`).
pub(crate) struct Csv {
    columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Csv {
    pub(crate) fn parse(text: &str) -> Self {
        let split = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut lines = text.lines();
        let columns = split(lines.next().unwrap_or_default());
        let rows: Vec<Vec<String>> = lines.map(split).collect();
        assert!(rows.iter().all(|r| r.len() == columns.len()));
        Self { columns, rows }
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where a column is.
    #[track_caller]
    pub(crate) fn column(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|c| c == name)
            .unwrap_or_else(|| panic!("no column {name} in {:?}", self.columns))
    }

    /// The values of a column; an empty field is missing.
    #[track_caller]
    pub(crate) fn ints(&self, name: &str) -> Vec<Option<i64>> {
        let column = self.column(name);
        let int = |field: &String| (!field.is_empty()).then(|| field.parse().unwrap());
        self.rows.iter().map(|r| int(&r[column])).collect()
    }
}
