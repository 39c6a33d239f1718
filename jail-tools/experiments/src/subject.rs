//! The file under test.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use crate::error::ExperimentError;

/// The file under test as a trial's process inherits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// An open descriptor, valid in the child under the same number.
    pub fd: RawFd,
    /// Length, bytes.
    pub bytes: u64,
}

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h: their files *are* the page cache.
const MEMORY_FILESYSTEMS: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Bytes written at once while the file is filled.
const CHUNK: usize = 1 << 20;

impl Subject {
    /// Opens the subject anew: an open file description of its own, with its own readahead state
    /// and flags.
    ///
    /// # Errors
    /// open fails; with `O_DIRECT`, the filesystem may not support it.
    pub fn reopen(&self, flags: i32) -> Result<File, ExperimentError> {
        let path = format!("/proc/self/fd/{}", self.fd);
        OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path)
            .map_err(|source| ExperimentError::Call {
                call: if flags & libc::O_DIRECT == 0 {
                    "open"
                } else {
                    "open O_DIRECT"
                },
                object: "the file under test".into(),
                source,
                advice: if flags & libc::O_DIRECT == 0 {
                    ""
                } else {
                    "; its filesystem may not support O_DIRECT"
                },
            })
    }
}

/// Keeps the subject open in the parent, without close-on-exec, so that every trial inherits it.
#[derive(Debug)]
pub struct Provision {
    file: File,
    bytes: u64,
    origin: String,
}

impl Provision {
    /// Makes a file without a name in `dir`: random bytes, synced, gone with its last descriptor,
    /// however the tool ends.
    ///
    /// # Errors
    /// The directory is missing, not writable, full, or on a memory filesystem.
    pub fn make(dir: &Path, bytes: u64, seed: u64) -> Result<Self, ExperimentError> {
        refuse_memory(dir)?;
        let mut file = unnamed(dir).map_err(|source| ExperimentError::Call {
            call: "open O_TMPFILE in",
            object: dir.display().to_string(),
            source,
            advice: "; choose a directory that exists and can be written with --dir",
        })?;
        fill(&mut file, bytes, seed).map_err(|source| ExperimentError::Call {
            call: "write of the file under test in",
            object: dir.display().to_string(),
            source,
            advice: "; free some space or choose another directory with --dir",
        })?;
        Self::inherited(file, bytes, format!("made in {}", dir.display()))
    }

    /// Uses a file of the user's, which is only read.
    ///
    /// # Errors
    /// It is missing, unreadable, smaller than the plan needs, or on a memory filesystem.
    pub fn existing(path: &Path, bytes: u64) -> Result<Self, ExperimentError> {
        let call = |call| {
            move |source| ExperimentError::Call {
                call,
                object: path.display().to_string(),
                source,
                advice: "; --file needs a file that can be read",
            }
        };
        let file = File::open(path).map_err(call("open"))?;
        let metadata = file.metadata().map_err(call("fstat"))?;
        if !metadata.is_file() {
            return Err(ExperimentError::Plan(format!(
                "{} is not a regular file; --file needs one",
                path.display()
            )));
        }
        refuse_memory(path)?;
        if metadata.len() < bytes {
            return Err(ExperimentError::Plan(format!(
                "{} has {} bytes, the plan reads {bytes}: choose a larger file, or --quick",
                path.display(),
                metadata.len()
            )));
        }
        Self::inherited(file, bytes, format!("{} (the user's)", path.display()))
    }

    fn inherited(file: File, bytes: u64, origin: String) -> Result<Self, ExperimentError> {
        use nix::fcntl::{FcntlArg, FdFlag, fcntl};
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|e| ExperimentError::Call {
            call: "fcntl(F_SETFD) of",
            object: "the file under test".into(),
            source: e.into(),
            advice: "",
        })?;
        Ok(Self {
            file,
            bytes,
            origin,
        })
    }

    /// What the trials inherit.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            fd: self.file.as_raw_fd(),
            bytes: self.bytes,
        }
    }

    /// Where it came from, in words.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// A file without a name; where the filesystem has no `O_TMPFILE`, one that is unlinked at once.
fn unnamed(dir: &Path) -> io::Result<File> {
    let open = |path: &Path, flags: i32, new: bool| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(new)
            .custom_flags(flags)
            .mode(0o600)
            .open(path)
    };
    match open(dir, libc::O_TMPFILE, false) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            let path: PathBuf = dir.join(format!(".jail-tools-{}", std::process::id()));
            let file = open(&path, 0, true)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
        other => other,
    }
}

fn fill(file: &mut File, bytes: u64, seed: u64) -> io::Result<()> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut chunk = vec![0u8; CHUNK];
    let mut left = bytes;
    while left > 0 {
        // Random bytes: neither the filesystem nor the host can compress or deduplicate them.
        rng.fill_bytes(&mut chunk);
        let n = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        file.write_all(&chunk[..n])?;
        left -= n as u64;
    }
    file.sync_all()
}

fn refuse_memory(path: &Path) -> Result<(), ExperimentError> {
    let stat = nix::sys::statfs::statfs(path).map_err(|e| ExperimentError::Call {
        call: "statfs",
        object: path.display().to_string(),
        source: e.into(),
        advice: "; give an existing file with --file or directory with --dir",
    })?;
    if MEMORY_FILESYSTEMS.contains(&stat.filesystem_type().0) {
        return Err(ExperimentError::Plan(format!(
            "{} is on tmpfs or ramfs, whose files live in the page cache itself: nothing there can be cold. \
             Choose a directory on a disk with --dir, or a file on one with --file",
            path.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_file_under_test_has_no_name() {
        let dir = tempfile::tempdir_in(".").unwrap();
        let provision = Provision::make(dir.path(), 10_000, 1).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut bytes = Vec::new();
        provision
            .subject()
            .reopen(0)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes.len(), 10_000);
    }

    #[test]
    fn a_file_that_is_too_small_is_refused_with_both_sizes() {
        let dir = tempfile::tempdir_in(".").unwrap();
        let path = dir.path().join("small");
        std::fs::write(&path, b"123").unwrap();
        let error = Provision::existing(&path, 4096).unwrap_err().to_string();
        assert!(
            error.contains("has 3 bytes") && error.contains("4096"),
            "{error}"
        );
    }

    #[test]
    fn tmpfs_is_refused_with_the_reason() {
        let error = Provision::make(Path::new("/dev/shm"), 4096, 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("nothing there can be cold"), "{error}");
    }
}
