//! The one door to files that describe the machine (/proc, /sys, /dev).
//!
//! Reading has three answers: the value, *absent on this machine*, and *could not tell*. The
//! root is a parameter, so that tests read a tree of their own.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::errno::Errno;
use record::Fact;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// This machine does not have it.
    Absent(String),
    /// It may be there, but this process could not find out.
    CouldNotTell(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(why) => write!(f, "absent on this machine: {why}"),
            Self::CouldNotTell(why) => write!(f, "could not tell: {why}"),
        }
    }
}

impl Missing {
    /// Sorts a failed call into *absent* and *could not tell*.
    pub(crate) fn from_io(call: &str, object: &str, error: &io::Error) -> Self {
        let errno = error
            .raw_os_error()
            .map_or(Errno::UnknownErrno, Errno::from_raw);
        let why = if errno == Errno::UnknownErrno {
            format!("{call} {object}: {error}")
        } else {
            format!("{call} {object}: {} ({errno:?})", errno.desc())
        };
        match errno {
            Errno::ENOENT
            | Errno::ENOTDIR
            | Errno::ENODEV
            | Errno::ENXIO
            | Errno::ENOSYS
            | Errno::EOPNOTSUPP => Self::Absent(why),
            _ => Self::CouldNotTell(why),
        }
    }

    pub(crate) fn fact<T>(&self) -> Fact<T> {
        Fact::unavailable(self.to_string())
    }
}

/// A tree of files that describes a machine: `/`, or a directory made by a test.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// This machine.
    pub(crate) fn host() -> Self {
        Self {
            root: PathBuf::from("/"),
        }
    }

    /// A tree under another root, whose path must be canonical.
    #[cfg(test)]
    pub(crate) fn at(root: &std::path::Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    fn real(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The whole file, without white space at its end.
    pub(crate) fn text(&self, path: &str) -> Result<String, Missing> {
        let bytes = fs::read(self.real(path)).map_err(|e| Missing::from_io("read", path, &e))?;
        Ok(String::from_utf8_lossy(&bytes)
            .trim_end_matches(|c: char| c.is_whitespace() || c == '\0')
            .to_owned())
    }

    /// The first `N` bytes of a file that is not text.
    pub(crate) fn bytes<const N: usize>(&self, path: &str) -> Result<[u8; N], Missing> {
        let mut file =
            File::open(self.real(path)).map_err(|e| Missing::from_io("open", path, &e))?;
        let mut bytes = [0; N];
        file.read_exact(&mut bytes)
            .map_err(|e| Missing::from_io("read", path, &e))?;
        Ok(bytes)
    }

    /// Names in a directory, sorted.
    pub(crate) fn names(&self, dir: &str) -> Result<Vec<String>, Missing> {
        let entries =
            fs::read_dir(self.real(dir)).map_err(|e| Missing::from_io("list", dir, &e))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| Missing::from_io("list", dir, &e))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where a path leads once every symbolic link is followed, as a path in this tree.
    pub(crate) fn resolve(&self, path: &str) -> Result<String, Missing> {
        let real =
            fs::canonicalize(self.real(path)).map_err(|e| Missing::from_io("resolve", path, &e))?;
        let inside = real.strip_prefix(&self.root).map_err(|_| {
            Missing::CouldNotTell(format!(
                "resolve {path}: leads out of {}",
                self.root.display()
            ))
        })?;
        Ok(format!("/{}", inside.display()))
    }

    /// Length of a file, bytes.
    pub(crate) fn len(&self, path: &str) -> Result<u64, Missing> {
        let meta = fs::metadata(self.real(path)).map_err(|e| Missing::from_io("stat", path, &e))?;
        Ok(meta.len())
    }

    /// The device that a device node stands for.
    pub(crate) fn device_of_node(&self, path: &str) -> Result<u64, Missing> {
        let meta = fs::metadata(self.real(path)).map_err(|e| Missing::from_io("stat", path, &e))?;
        Ok(meta.rdev())
    }

    /// Is there anything at this path? A path that can't be looked at counts as not there.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.real(path).exists()
    }

    /// Reads one file and parses it; `form` names what it should hold, for the reason when it
    /// holds something else.
    pub(crate) fn fact<T>(
        &self,
        path: &str,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Fact<T> {
        match self.text(path) {
            Ok(text) => match parse(&text) {
                Some(value) => Fact::known(value, path),
                None => Missing::CouldNotTell(format!(
                    "{path} reads {:?}, which is not {form}",
                    clip(&text)
                ))
                .fact(),
            },
            Err(missing) => missing.fact(),
        }
    }
}

/// The start of a text, short enough for an error message.
fn clip(text: &str) -> &str {
    text.char_indices()
        .nth(60)
        .map_or(text, |(end, _)| &text[..end])
}

/// The choice that is in force in a list such as `none [mq-deadline] kyber`.
pub(crate) fn bracketed(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    let (choice, _) = rest.split_once(']')?;
    Some(choice.to_owned())
}

/// The kernel's yes or no.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// A fact from a result, with its source.
pub(crate) fn from_result<T>(result: Result<T, Missing>, source: &str) -> Fact<T> {
    match result {
        Ok(value) => Fact::known(value, source),
        Err(missing) => missing.fact(),
    }
}

/// A non-empty text, as it is.
pub(crate) fn nonempty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
pub(crate) mod fake {
    //! A tree of files for tests.

    use super::*;

    /// A directory that goes away with the test.
    pub(crate) struct Fake {
        dir: tempfile::TempDir,
    }

    impl Fake {
        /// A tree that holds these files.
        pub(crate) fn with(files: &[(&str, &str)]) -> Self {
            let fake = Self {
                dir: tempfile::tempdir().unwrap(),
            };
            for (path, text) in files {
                fake.write(path, text.as_bytes());
            }
            fake
        }

        pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }

        pub(crate) fn link(&self, path: &str, to: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, path).unwrap();
        }

        pub(crate) fn path(&self, path: &str) -> PathBuf {
            self.dir.path().join(path.trim_start_matches('/'))
        }

        pub(crate) fn tree(&self) -> Tree {
            Tree::at(&self.dir.path().canonicalize().unwrap())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::Fake;
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_absent_and_names_call_path_and_errno() {
        let missing = Fake::with(&[]).tree().text("/sys/x").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "absent on this machine: read /sys/x: No such file or directory (ENOENT)"
        );
    }

    #[test]
    fn a_refusal_is_not_an_absence() {
        let missing = Missing::from_io(
            "read",
            "/sys/x",
            &io::Error::from_raw_os_error(libc::EACCES),
        );
        assert_eq!(
            missing.to_string(),
            "could not tell: read /sys/x: Permission denied (EACCES)"
        );
    }

    #[test]
    fn a_file_that_makes_no_sense_could_not_be_told() {
        let fake = Fake::with(&[("/sys/x", "many\n")]);
        let fact = fake
            .tree()
            .fact("/sys/x", "a number", |t| t.parse::<u32>().ok());
        assert_eq!(
            fact.why(),
            Some("could not tell: /sys/x reads \"many\", which is not a number")
        );
    }

    #[test]
    fn a_directory_where_a_file_should_be_could_not_be_told() {
        let fake = Fake::with(&[("/sys/x/y", "1")]);
        assert!(matches!(
            fake.tree().text("/sys/x"),
            Err(Missing::CouldNotTell(_))
        ));
    }

    #[test]
    fn the_bracketed_choice() {
        assert_eq!(
            bracketed("none [mq-deadline] kyber").as_deref(),
            Some("mq-deadline")
        );
        assert_eq!(bracketed("none"), None);
        assert_eq!(bracketed("[none"), None);
    }
}
