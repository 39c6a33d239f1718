//! Idle polling, held by a file descriptor.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use record::manifest::HostChange;

use crate::decide::IdlePolicy;
use crate::error::{Error, Result};

const PATH: &str = "/dev/cpu_dma_latency";

/// Keeps every CPU out of its idle states for as long as it lives.
///
/// The request belongs to an open file, so the kernel itself takes it back when the guard is
/// dropped or this process dies, in whatever way.
#[derive(Debug)]
pub struct IdleGuard {
    _request: Option<File>,
    policy: String,
}

impl IdleGuard {
    /// Puts a policy into force and says what was changed.
    ///
    /// A refusal is not an error: the guard then holds nothing, and the change says why.
    #[must_use]
    pub fn apply(policy: IdlePolicy) -> (Self, Option<HostChange>) {
        match policy {
            IdlePolicy::AsIs => (
                Self {
                    _request: None,
                    policy: "as the host has it".into(),
                },
                None,
            ),
            IdlePolicy::Poll => Self::poll(),
        }
    }

    fn poll() -> (Self, Option<HostChange>) {
        let asked = format!("{PATH} held at 0 µs (idle CPUs poll)");
        match hold_at_zero() {
            Ok(request) => {
                let guard = Self {
                    _request: Some(request),
                    policy: format!("polling: {PATH} held at 0 µs"),
                };
                (
                    guard,
                    Some(HostChange {
                        asked,
                        refused: None,
                    }),
                )
            }
            Err(error) => {
                let policy =
                    format!("as the host has it: polling was asked for and refused ({error})");
                let change = HostChange {
                    asked,
                    refused: Some(error.to_string()),
                };
                (
                    Self {
                        _request: None,
                        policy,
                    },
                    Some(change),
                )
            }
        }
    }

    /// The policy that rules, in words.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }
}

fn hold_at_zero() -> Result<File> {
    let path = Path::new(PATH);
    let mut request = OpenOptions::new().write(true).open(path).map_err(|e| {
        Error::on_path("open for writing", path, e)
            .advise("needs root, or write permission on the device")
    })?;
    request
        .write_all(&0i32.to_ne_bytes())
        .map_err(|e| Error::on_path("write 0 to", path, e))?;
    let mut bytes = [0; 4];
    File::open(path)
        .and_then(|mut f| f.read_exact(&mut bytes))
        .map_err(|e| Error::on_path("read", path, e))?;
    match i32::from_ne_bytes(bytes) {
        0 => Ok(request),
        found => Err(Error::NotTaken {
            object: PATH.into(),
            asked: "0".into(),
            found: found.to_string(),
            next: "the kernel ignores the request: no cpuidle driver?",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force() -> Option<i32> {
        let mut bytes = [0; 4];
        File::open(PATH).ok()?.read_exact(&mut bytes).ok()?;
        Some(i32::from_ne_bytes(bytes))
    }

    #[test]
    fn as_is_changes_nothing() {
        let (guard, change) = IdleGuard::apply(IdlePolicy::AsIs);
        assert!(change.is_none());
        assert_eq!(guard.policy(), "as the host has it");
    }

    #[test]
    fn needs_root_needs_cpu_dma_latency_polling_is_in_force_while_the_guard_lives() {
        let _test = testkit::begin!();
        let (guard, change) = IdleGuard::apply(IdlePolicy::Poll);
        assert_eq!(change.unwrap().refused, None);
        assert!(guard.policy().starts_with("polling"));
        assert_eq!(in_force(), Some(0));
    }
}
