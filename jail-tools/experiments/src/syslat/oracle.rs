//! A door to the kernel: how many pages of a range are resident, without touching them.
//!
//! cachestat(2) where it exists (6.5), else mincore(2). They differ: mincore calls pages that are
//! present but not yet up to date (a read in flight) not resident, cachestat counts them.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// Number of cachestat(2), the same on every architecture (it is newer than the unification).
const SYS_CACHESTAT: libc::c_long = 451;

/// `struct cachestat_range` of linux/mman.h.
#[repr(C)]
struct Range {
    off: u64,
    len: u64,
}

/// `struct cachestat` of linux/mman.h.
#[repr(C)]
#[derive(Default)]
struct Stat {
    cache: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Which oracle this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OracleKind {
    /// cachestat(2).
    Cachestat,
    /// mincore(2).
    Mincore,
}

impl OracleKind {
    /// Asks the kernel, on a descriptor that cannot be valid: ENOSYS says that there is no
    /// cachestat (or that a filter hides it).
    #[must_use]
    pub fn of_this_kernel() -> Self {
        match cachestat(-1, 0, 1) {
            Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => Self::Mincore,
            _ => Self::Cachestat,
        }
    }

    /// Name for the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cachestat => "cachestat",
            Self::Mincore => "mincore",
        }
    }
}

/// Answers for one file.
#[derive(Debug)]
pub struct Oracle {
    fd: i32,
    page_bytes: u64,
    /// For mincore: the file, mapped and never touched.
    mapping: Option<(NonNull<u8>, usize)>,
}

// SAFETY: the mapping is only ever passed to mincore(2), which does not touch it.
unsafe impl Send for Oracle {}

impl Oracle {
    /// An oracle for a file, which must stay open as long as it is asked.
    ///
    /// # Errors
    /// mmap fails (mincore only).
    pub fn new(kind: OracleKind, file: &File, bytes: u64, page_bytes: u64) -> io::Result<Self> {
        let fd = file.as_raw_fd();
        let mapping = match kind {
            OracleKind::Cachestat => None,
            OracleKind::Mincore => {
                let len = usize::try_from(bytes).map_err(io::Error::other)?;
                // SAFETY: a fresh read-only mapping at an address of the kernel's choice.
                let base = unsafe {
                    libc::mmap(
                        std::ptr::null_mut(),
                        len,
                        libc::PROT_READ,
                        libc::MAP_SHARED,
                        fd,
                        0,
                    )
                };
                if base == libc::MAP_FAILED {
                    return Err(io::Error::last_os_error());
                }
                NonNull::new(base.cast()).map(|base| (base, len))
            }
        };
        Ok(Self {
            fd,
            page_bytes,
            mapping,
        })
    }

    /// Pages of `[start, start + bytes)` that are in the page cache.
    ///
    /// # Errors
    /// The call fails.
    pub fn resident_pages(&self, start: u64, bytes: u64) -> io::Result<u64> {
        let Some((base, len)) = self.mapping else {
            return cachestat(self.fd, start, bytes);
        };
        let first = start / self.page_bytes;
        let pages = (start + bytes).div_ceil(self.page_bytes) - first;
        let offset = usize::try_from(first * self.page_bytes).map_err(io::Error::other)?;
        let span = usize::try_from(pages * self.page_bytes).map_err(io::Error::other)?;
        if offset + span
            > len.next_multiple_of(usize::try_from(self.page_bytes).map_err(io::Error::other)?)
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "range beyond the end of the file",
            ));
        }
        let mut residency = vec![0u8; usize::try_from(pages).map_err(io::Error::other)?];
        // SAFETY: the range was just checked to lie in the mapping, and the vector has a byte for
        // each of its pages.
        let status = unsafe {
            libc::mincore(
                base.as_ptr().add(offset).cast(),
                span,
                residency.as_mut_ptr(),
            )
        };
        if status < 0 {
            return Err(io::Error::last_os_error());
        }
        // mincore(2): only the lowest bit means something.
        Ok(residency.iter().filter(|b| *b & 1 != 0).count() as u64)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        if let Some((base, len)) = self.mapping {
            // SAFETY: mapped by `new` with this length, unmapped once.
            unsafe { libc::munmap(base.as_ptr().cast(), len) };
        }
    }
}

fn cachestat(fd: i32, start: u64, bytes: u64) -> io::Result<u64> {
    let range = Range {
        off: start,
        len: bytes,
    };
    let mut found = Stat::default();
    // SAFETY: both structures have the kernel's layout and live until the call returns.
    let status = unsafe { libc::syscall(SYS_CACHESTAT, fd, &raw const range, &raw mut found, 0) };
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(found.cache)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

    use super::*;

    /// Both oracles, on the same real file: absent after eviction, then exactly what was read.
    #[test]
    fn both_oracles_see_an_eviction_and_a_read() {
        let dir = tempfile::tempdir_in(".").unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, vec![1u8; 1 << 18]).unwrap();
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        for kind in [OracleKind::Mincore, OracleKind::of_this_kernel()] {
            let oracle = Oracle::new(kind, &file, 1 << 18, 4096).unwrap();
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).unwrap();
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
            assert_eq!(oracle.resident_pages(0, 1 << 18).unwrap(), 0, "{kind:?}");
            let mut buffer = [0u8; 8192];
            file.read_exact_at(&mut buffer, 65536).unwrap();
            assert_eq!(oracle.resident_pages(65536, 8192).unwrap(), 2, "{kind:?}");
            assert_eq!(oracle.resident_pages(0, 65536).unwrap(), 0, "{kind:?}");
        }
    }
}
