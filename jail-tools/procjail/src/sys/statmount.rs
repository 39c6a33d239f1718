//! Mounts, asked for one by one (Linux 6.8): a third of the time of `/proc/self/mountinfo`, for
//! which the kernel writes out every path and option.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use nix::errno::Errno;

use super::{Call, answer};

/// include/uapi/asm-generic/unistd.h
const SYS_STATMOUNT: libc::c_long = 457;
const SYS_LISTMOUNT: libc::c_long = 458;
/// include/uapi/linux/mount.h
const LSMT_ROOT: u64 = u64::MAX;
const STATMOUNT_MNT_ROOT: u64 = 0x8;
const STATMOUNT_MNT_POINT: u64 = 0x10;
const STATMOUNT_FS_TYPE: u64 = 0x20;

/// `struct mnt_id_req`, in its first version.
#[repr(C)]
struct Request {
    size: u32,
    spare: u32,
    mount: u64,
    param: u64,
}

impl Request {
    fn of(mount: u64, param: u64) -> Self {
        Self {
            size: size_of::<Self>() as u32,
            spare: 0,
            mount,
            param,
        }
    }
}

/// The beginning of `struct statmount`; strings follow at byte 512, counted from there.
#[repr(C)]
struct Head {
    size: u32,
    options: u32,
    mask: u64,
    super_block: [u32; 4],
    super_flags: u32,
    fs_type: u32,
    ids: [u64; 2],
    old_ids: [u32; 2],
    attributes: [u64; 4],
    propagate_from: u64,
    root: u32,
    point: u32,
}

/// Where the strings begin.
const STRINGS_AT: usize = 512;

const _: () = assert!(size_of::<Head>() == 112);

/// The ids of all mounts of the caller's namespace, as many as fit.
fn list(ids: &mut [u64]) -> Call<usize> {
    let request = Request::of(LSMT_ROOT, 0);
    // SAFETY: the kernel reads a request of the size that it says, and writes at most `len` ids.
    let found = answer(unsafe {
        libc::syscall(
            SYS_LISTMOUNT,
            &raw const request,
            ids.as_mut_ptr(),
            ids.len(),
            0u32,
        )
    })?;
    Ok(found as usize)
}

/// One mount.
pub(crate) struct MountSeen<'a> {
    pub(crate) fstype: &'a CStr,
    /// Which directory of the file system.
    pub(crate) root: &'a CStr,
    /// Where.
    pub(crate) point: &'a CStr,
}

/// Calls `found` with each mount.
///
/// # Errors
/// ENOSYS before Linux 6.8; EOVERFLOW with 256 mounts or more, or a path of over 1,500 bytes.
pub(crate) fn each_mount(mut found: impl FnMut(MountSeen<'_>)) -> Call<()> {
    const WANTED: u64 = STATMOUNT_MNT_ROOT | STATMOUNT_MNT_POINT | STATMOUNT_FS_TYPE;
    let mut ids = [0u64; 256];
    let count = list(&mut ids)?;
    if count >= ids.len() {
        return Err(Errno::EOVERFLOW);
    }
    let mut buffer = [MaybeUninit::<u64>::uninit(); 256];
    for id in &ids[..count] {
        let request = Request::of(*id, WANTED);
        // SAFETY: as above; the kernel writes at most the buffer's size.
        answer(unsafe {
            libc::syscall(
                SYS_STATMOUNT,
                &raw const request,
                buffer.as_mut_ptr(),
                size_of_val(&buffer),
                0u32,
            )
        })?;
        // SAFETY: the call succeeded, so it has filled the head; the buffer is aligned for it.
        let head = unsafe { &*buffer.as_ptr().cast::<Head>() };
        if head.mask & WANTED != WANTED {
            return Err(Errno::EOPNOTSUPP);
        }
        let filled = (head.size as usize).clamp(STRINGS_AT, size_of_val(&buffer));
        let at = [head.fs_type, head.root, head.point];
        // SAFETY: the kernel has filled `size` bytes from the buffer's beginning.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), filled) };
        let strings = bytes.get(STRINGS_AT..).unwrap_or_default();
        let text = |at: u32| {
            strings
                .get(at as usize..)
                .and_then(|s| CStr::from_bytes_until_nul(s).ok())
        };
        if let [Some(fstype), Some(root), Some(point)] = at.map(text) {
            found(MountSeen {
                fstype,
                root,
                point,
            });
        }
    }
    Ok(())
}
