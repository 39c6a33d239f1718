//! Mounts by descriptor (Linux 5.2, `mount_setattr` 5.12): a mount that has a descriptor cannot be
//! moved away by a symbolic link between two calls.

use std::ffi::CStr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::{Call, answer, done};

/// `struct mount_attr` (include/uapi/linux/mount.h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    userns_fd: u64,
}

impl MountAttr {
    /// include/uapi/linux/mount.h
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;

    /// Sets attributes.
    pub(crate) const fn setting(set: u64) -> Self {
        Self {
            set,
            clear: 0,
            propagation: 0,
            userns_fd: 0,
        }
    }

    /// Takes attributes away.
    pub(crate) const fn clearing(clear: u64) -> Self {
        Self {
            set: 0,
            clear,
            propagation: 0,
            userns_fd: 0,
        }
    }

    /// Cuts the mount off from its peers too.
    pub(crate) const fn private(mut self) -> Self {
        self.propagation = libc::MS_PRIVATE;
        self
    }
}

/// include/uapi/linux/mount.h
const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;
/// include/uapi/linux/fcntl.h
const AT_RECURSIVE: u32 = 0x8000;

/// A detached copy of the mount at `path`, with what is mounted below it if `recursive`.
pub(crate) fn open_tree(path: &CStr, recursive: bool) -> Call<OwnedFd> {
    let recursive = if recursive { AT_RECURSIVE } else { 0 };
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | recursive;
    // SAFETY: `path` is a C string.
    let fd = answer(unsafe {
        libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)
    })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Attaches a detached mount at `path`.
pub(crate) fn move_mount(tree: RawFd, path: &CStr) -> Call<()> {
    // SAFETY: two C strings, one of them empty.
    done(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree,
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
}

/// Changes the attributes of the mount at `path`, or of the mount `tree` if the path is empty.
pub(crate) fn mount_setattr(
    tree: RawFd,
    path: &CStr,
    recursive: bool,
    attr: &MountAttr,
) -> Call<()> {
    let recursive = if recursive { AT_RECURSIVE } else { 0 };
    let empty = if path.is_empty() {
        libc::AT_EMPTY_PATH as u32
    } else {
        0
    };
    // SAFETY: `path` is a C string, and the kernel reads the size that it is told.
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree,
            path.as_ptr(),
            recursive | empty,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    })
}
