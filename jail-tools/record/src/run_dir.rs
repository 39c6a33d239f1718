//! The run directory: written trial by trial, so that a run killed at any instant keeps every
//! finished trial.
//!
//! ```text
//! runs/20261123T175500Z-1f3a/
//!   manifest.json
//!   samples/trial-00000.parquet
//!   readings/trial-00000.parquet
//!   trials/trial-00000.json        written last: with it, the trial counts
//!   verdict.json
//! ```
//!
//! A file of a trial is made without a name (`O_TMPFILE`), synced, and then linked: a kill
//! leaves either the whole file or nothing. `manifest.json` and `verdict.json` are replaced by
//! rename.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};

use crate::manifest::{FORMAT_VERSION, Manifest};
use crate::reading::Reading;
use crate::sample::Sample;
use crate::table::{Table, TableError};
use crate::trial::TrialRecord;
use crate::verdict::Verdict;

/// What can go wrong with a run directory.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A call on a path failed.
    #[error("{call} {path}: {source}{}", advice(.source))]
    Io {
        /// The call.
        call: &'static str,
        /// Its object.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not a run, or a damaged one.
    #[error("{path} is not a readable run: {why}")]
    NotARun {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A table is damaged.
    #[error("{path}: {source}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TableError,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => {
            "; free some space or choose another directory with --out (finished trials are kept)"
        }
        Some(libc::EACCES | libc::EPERM | libc::EROFS) => {
            "; choose a directory that can be written with --out"
        }
        _ => "",
    }
}

fn io_error(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_path_buf();
    move |source| RunError::Io { call, path, source }
}

/// An open run directory.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a new run directory below `parent` (which is made if need be).
    ///
    /// `id` is the caller's short random id; `utc` the time as `20261123T175500Z`.
    ///
    /// # Errors
    /// A directory cannot be made.
    pub fn create(parent: &Path, utc: &str, id: &str) -> Result<Self, RunError> {
        let path = parent.join(format!("{utc}-{id}"));
        for dir in [
            path.clone(),
            path.join("samples"),
            path.join("readings"),
            path.join("trials"),
        ] {
            fs::create_dir_all(&dir).map_err(io_error("mkdir", &dir))?;
        }
        Ok(Self { path })
    }

    /// Opens an existing run directory.
    ///
    /// # Errors
    /// It has no manifest.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        if path.join("manifest.json").is_file() {
            Ok(Self {
                path: path.to_path_buf(),
            })
        } else {
            Err(RunError::NotARun {
                path: path.into(),
                why: "it has no manifest.json".into(),
            })
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the manifest.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RunError> {
        self.replace("manifest.json", &to_json(manifest))
    }

    /// Replaces the verdict.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write_verdict(&self, verdict: &Verdict) -> Result<(), RunError> {
        self.replace("verdict.json", &to_json(verdict))
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// It cannot be read, or another version of the form wrote it.
    pub fn manifest(&self) -> Result<Manifest, RunError> {
        let path = self.path.join("manifest.json");
        let text = fs::read(&path).map_err(io_error("read", &path))?;
        let not = |why: String| RunError::NotARun {
            path: path.clone(),
            why,
        };
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|e| not(e.to_string()))?;
        match value
            .get("format_version")
            .and_then(serde_json::Value::as_u64)
        {
            Some(v) if v == u64::from(FORMAT_VERSION) => {}
            Some(v) => {
                return Err(not(format!(
                    "format version {v}, this tool reads {FORMAT_VERSION}"
                )));
            }
            None => return Err(not("no format_version".into())),
        }
        serde_json::from_value(value).map_err(|e| not(e.to_string()))
    }

    /// Adds a finished trial. The record's row counts and checksums are filled in here.
    ///
    /// # Errors
    /// Writing fails; earlier trials are untouched, and this one does not count.
    pub fn add_trial(
        &self,
        mut record: TrialRecord,
        samples: &[Sample],
        readings: &[Reading],
    ) -> Result<TrialRecord, RunError> {
        let name = format!("trial-{:05}", record.spec.trial);
        if !samples.is_empty() {
            record.samples_crc32 = self.add_table("samples", &name, &Sample::to_table(samples))?;
        }
        if !readings.is_empty() {
            record.readings_crc32 =
                self.add_table("readings", &name, &Reading::to_table(readings))?;
        }
        record.samples = samples.len() as u64;
        record.readings = readings.len() as u64;
        publish(
            &self.path.join("trials").join(format!("{name}.json")),
            &to_json(&record),
        )?;
        Ok(record)
    }

    fn add_table(&self, kind: &str, name: &str, table: &Table) -> Result<u32, RunError> {
        let path = self.path.join(kind).join(format!("{name}.parquet"));
        let mut bytes = Vec::new();
        table
            .write_parquet(&mut bytes)
            .map_err(|source| RunError::Table {
                path: path.clone(),
                source,
            })?;
        publish(&path, &bytes)?;
        Ok(crc32fast::hash(&bytes))
    }

    /// The records of all finished trials, in order of their numbers.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn trials(&self) -> Result<Vec<TrialRecord>, RunError> {
        self.each_trial()?.into_iter().collect()
    }

    /// The records of all finished trials, in order of their numbers, each on its own: one that is
    /// damaged does not take the others with it.
    ///
    /// # Errors
    /// The directory of records cannot be read.
    pub fn each_trial(&self) -> Result<Vec<Result<TrialRecord, RunError>>, RunError> {
        let dir = self.path.join("trials");
        let mut names: Vec<PathBuf> = fs::read_dir(&dir)
            .map_err(io_error("read", &dir))?
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|x| x == "json"))
            .collect();
        names.sort();
        Ok(names.iter().map(|path| read_trial(path)).collect())
    }

    /// A table (`samples` or `readings`) of one trial, checked against its checksum.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    pub fn table(&self, kind: &str, record: &TrialRecord) -> Result<Table, RunError> {
        let (rows, crc) = match kind {
            "samples" => (record.samples, record.samples_crc32),
            _ => (record.readings, record.readings_crc32),
        };
        let path = self
            .path
            .join(kind)
            .join(format!("trial-{:05}.parquet", record.spec.trial));
        if rows == 0 {
            return Ok(Table::new(kind));
        }
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        if crc32fast::hash(&bytes) != crc {
            return Err(RunError::NotARun {
                path,
                why: "its checksum is not the one that was recorded".into(),
            });
        }
        Table::read_parquet(kind, parquet_bytes(bytes))
            .map_err(|source| RunError::Table { path, source })
    }

    /// The samples of one trial.
    ///
    /// # Errors
    /// As for [`RunDir::table`].
    pub fn samples(&self, record: &TrialRecord) -> Result<Vec<Sample>, RunError> {
        let table = self.table("samples", record)?;
        if table.columns.is_empty() {
            return Ok(Vec::new());
        }
        Sample::from_table(&table).map_err(|source| RunError::Table {
            path: self.path.join("samples"),
            source,
        })
    }

    /// The counter readings of one trial.
    ///
    /// # Errors
    /// As for [`RunDir::table`].
    pub fn readings(&self, record: &TrialRecord) -> Result<Vec<Reading>, RunError> {
        let table = self.table("readings", record)?;
        if table.columns.is_empty() {
            return Ok(Vec::new());
        }
        Reading::from_table(&table).map_err(|source| RunError::Table {
            path: self.path.join("readings"),
            source,
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let (path, part) = (self.path.join(name), self.path.join(format!("{name}.part")));
        // Made without a name and synced first, so that the second name exists only for the
        // moment between two calls. One that a kill left there is replaced.
        match fs::remove_file(&part) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("unlink", &part)(e));
            }
            _ => publish(&part, bytes)?,
        }
        fs::rename(&part, &path).map_err(io_error("rename", &path))
    }
}

fn read_trial(path: &Path) -> Result<TrialRecord, RunError> {
    let text = fs::read(path).map_err(io_error("read", path))?;
    serde_json::from_slice(&text).map_err(|e| RunError::NotARun {
        path: path.into(),
        why: e.to_string(),
    })
}

fn parquet_bytes(bytes: Vec<u8>) -> bytes::Bytes {
    bytes.into()
}

fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    // Our own types have string keys and no failing serializer, so this cannot fail; if it ever
    // did, an empty file is refused by every reader.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Writes a file that either exists whole or not at all.
fn publish(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    match OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o644)
        .open(dir)
    {
        Ok(mut file) => {
            file.write_all(bytes)
                .and_then(|()| file.sync_data())
                .map_err(io_error("write", path))?;
            // open(2), O_TMPFILE: the documented way to name such a file without privileges.
            let from =
                CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
            nix::unistd::linkat(
                AT_FDCWD,
                from.as_c_str(),
                AT_FDCWD,
                path,
                AtFlags::AT_SYMLINK_FOLLOW,
            )
            .map_err(|e| RunError::Io {
                call: "linkat",
                path: path.into(),
                source: e.into(),
            })
        }
        // Not every filesystem has it (overlayfs before 6.1, NFS): then by rename, which can
        // leave a .part behind when killed.
        Err(e)
            if matches!(
                e.raw_os_error(),
                Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)
            ) =>
        {
            let part = path.with_extension("part");
            let mut file = File::create(&part).map_err(io_error("create", &part))?;
            file.write_all(bytes)
                .and_then(|()| file.sync_data())
                .map_err(io_error("write", &part))?;
            fs::rename(&part, path).map_err(io_error("rename", path))
        }
        Err(e) => Err(io_error("open O_TMPFILE in", dir)(e)),
    }
}
