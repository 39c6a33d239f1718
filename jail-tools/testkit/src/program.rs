//! A program where another user can run it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies a program into a folder, both open to everybody, and returns its path.
///
/// By `cp`, which has ended then. A file that this process wrote would be busy (`ETXTBSY`) for as long
/// as a child that another test forked meanwhile has not executed, and holds the file open.
///
/// # Panics
/// It can't be copied.
#[must_use]
pub fn install(program: &Path, folder: &Path) -> PathBuf {
    let name = program.file_name().expect("a program has a name");
    let to = folder.join(name);
    let copied = Command::new("cp").arg(program).arg(&to).status();
    assert!(
        copied.as_ref().is_ok_and(std::process::ExitStatus::success),
        "cp {} {}: {copied:?}",
        program.display(),
        to.display()
    );
    for path in [folder, &to] {
        let mode = Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("a mode of what is ours");
    }
    to
}
