//! A door to the kernel: tracefs, mounted or not.
//!
//! Tracepoint numbers stand in tracefs only. Where it isn't mounted, root can have a mount of it
//! that is attached to no directory (fsopen(2), fsmount(2), Linux 5.2): nobody else sees it, and
//! it goes away with the descriptor.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// Where to read tracepoint numbers.
#[derive(Debug)]
pub struct Tracefs {
    root: OwnedFd,
}

/// Usual mount points, newest first.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// `FSCONFIG_CMD_CREATE` of linux/mount.h.
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

impl Tracefs {
    /// Opens tracefs where it is mounted, or mounts it for this process alone.
    ///
    /// # Errors
    /// In words: which call failed, and that it needs root.
    pub fn open() -> Result<Self, String> {
        let mut closed = None;
        for mount in MOUNTS {
            let events = Path::new(mount).join("events/sched");
            match events.metadata().and_then(|_| File::open(mount)) {
                Ok(root) => return Ok(Self { root: root.into() }),
                // Not mounted there: an empty directory, or none.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    closed.get_or_insert(format!("tracefs at {mount}: {e}"));
                }
            }
        }
        Self::detached().map_err(|(call, e)| {
            let public = closed.unwrap_or_else(|| "tracefs is not mounted".into());
            format!("{public}, and {call} of a private one: {e}")
        })
    }

    fn detached() -> Result<Self, (&'static str, io::Error)> {
        // SAFETY: a constant string; a new descriptor or an error comes back.
        let context = unsafe {
            libc::syscall(
                libc::SYS_fsopen,
                c"tracefs".as_ptr(),
                1, /* FSOPEN_CLOEXEC */
            )
        };
        let context = owned(context).map_err(|e| ("fsopen", e))?;
        let null = std::ptr::null::<libc::c_char>();
        // SAFETY: the create command takes no strings.
        let created = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                FSCONFIG_CMD_CREATE,
                null,
                null,
                0,
            )
        };
        if created < 0 {
            return Err(("fsconfig", io::Error::last_os_error()));
        }
        // SAFETY: takes the context's descriptor and two flag words (FSMOUNT_CLOEXEC, none).
        let mount = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, 0) };
        Ok(Self {
            root: owned(mount).map_err(|e| ("fsmount", e))?,
        })
    }

    /// The number of a tracepoint.
    ///
    /// # Errors
    /// In words: this kernel has no such tracepoint, or its file cannot be read.
    pub fn id(&self, group: &str, name: &str) -> Result<u64, String> {
        let path = format!("events/{group}/{name}/id\0");
        // SAFETY: a NUL-terminated path, relative to a descriptor that we own.
        let fd = unsafe {
            libc::openat(
                self.root.as_raw_fd(),
                path.as_ptr().cast(),
                libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        let fail =
            |e: &dyn std::fmt::Display| format!("tracefs {}: {e}", path.trim_end_matches('\0'));
        let mut text = String::new();
        File::from(owned(libc::c_long::from(fd)).map_err(|e| fail(&e))?)
            .read_to_string(&mut text)
            .map_err(|e| fail(&e))?;
        text.trim().parse().map_err(|e| fail(&e))
    }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(fd) {
        // SAFETY: a descriptor that the kernel has just given us, and nobody else knows.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
