//! Programs of other packages that guests are made with.

use std::path::Path;

use crate::shell::on_path;

/// Each with its package, as Debian names it.
const PROGRAMS: [(&str, &str); 9] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mke2fs", "e2fsprogs"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
    ("busybox", "busybox-static"),
    ("ldd", "libc-bin"),
    ("setpriv", "util-linux"),
    ("setcap", "libcap2-bin"),
    ("git", "git"),
];

/// Those that are not here, and the packages that have them.
pub(crate) fn missing() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sbin = |name: &str| {
        ["/usr/sbin", "/sbin"]
            .iter()
            .any(|d| Path::new(d).join(name).exists())
    };
    PROGRAMS
        .into_iter()
        .filter(move |(name, _)| on_path(name).is_empty() && !sbin(name))
}

/// The packages that are missing, as Debian names them.
pub(crate) fn missing_packages() -> Vec<&'static str> {
    missing().map(|(_, package)| package).collect()
}
