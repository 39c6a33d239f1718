//! Programs of other packages that guests are made with.

use std::path::Path;

use crate::shell::on_path;
use crate::vm::emulator::{self, Emulator};
use crate::workspace::Workspace;

/// Each with its package, as Debian names it.
const PROGRAMS: [(&str, &str); 10] = [
    (emulator::PROGRAM, emulator::PACKAGE),
    ("mke2fs", "e2fsprogs"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
    ("busybox", "busybox-static"),
    ("ldd", "libc-bin"),
    ("setpriv", "util-linux"),
    ("setcap", "libcap2-bin"),
    ("newuidmap", "uidmap"),
    ("git", "git"),
];

/// Those that are not here, and the packages that have them.
pub(crate) fn missing(workspace: &Workspace) -> impl Iterator<Item = (&'static str, &'static str)> {
    let sbin = |name: &str| {
        ["/usr/sbin", "/sbin"]
            .iter()
            .any(|d| Path::new(d).join(name).exists())
    };
    let emulated = Emulator::find(workspace).is_some();
    PROGRAMS.into_iter().filter(move |(name, _)| match *name {
        emulator::PROGRAM => !emulated,
        name => on_path(name).is_empty() && !sbin(name),
    })
}

/// The packages that are missing, as Debian names them.
pub(crate) fn missing_packages(workspace: &Workspace) -> Vec<&'static str> {
    missing(workspace).map(|(_, package)| package).collect()
}
