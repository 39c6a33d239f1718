//! The guest's disk: an ext4 image with the test programs under the paths that they were built
//! with, the libraries and programs that they use, and the plan.
//!
//! Tests carry absolute paths (`CARGO_BIN_EXE_…`, `CARGO_TARGET_TMPDIR`): where the checkout is
//! here, it is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use guest::Plan;

use crate::shell::{Cmd, on_path};
use crate::workspace::Workspace;

/// Programs of the system that tests start. One that is not here is not there either, and the
/// test that needs it skips itself. The jail's peers (tini and others) are not: they are compared on
/// the host, and would take most of a guest's time.
const PROGRAMS: [&str; 40] = [
    "bash",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "dd",
    "echo",
    "env",
    "false",
    "findmnt",
    "grep",
    "head",
    "id",
    "kill",
    "ls",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mount",
    "mv",
    "newgidmap",
    "newuidmap",
    "ps",
    "rm",
    "seq",
    "setcap",
    "setpriv",
    "setsid",
    "sh",
    "sleep",
    "stat",
    "sync",
    "tail",
    "taskset",
    "true",
    "tty",
    "umount",
    "unshare",
    "wc",
];

/// For a person, with `--keep`.
const SHELL: &str = "busybox";

/// Size of the image. Sparse: only what is in it takes room.
const IMAGE_BYTES: &str = "4G";

/// What goes onto a disk.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    /// Test programs and the binaries that they run.
    pub(crate) programs: &'a [PathBuf],
    /// Other files that tests read, under their own paths.
    pub(crate) files: &'a [PathBuf],
    pub(crate) plan: &'a Plan,
}

/// Makes the image in `folder`, and returns its path.
pub(crate) fn make(workspace: &Workspace, folder: &Path, content: &Content<'_>) -> Result<PathBuf> {
    let staging = folder.join("staging");
    let _ = std::fs::remove_dir_all(&staging);
    skeleton(&staging, workspace)?;
    for program in content.programs {
        // Debug information is nine tenths of a test program, and nobody debugs there.
        let to = staged(&staging, program)?;
        Cmd::new("strip")
            .args(["--strip-debug", "-o"])
            .arg(&to)
            .arg(program)
            .quiet()?;
    }
    let system = PROGRAMS
        .iter()
        .filter_map(|name| on_path(name).into_iter().next());
    let system: Vec<PathBuf> = system.collect();
    for program in &system {
        let to = staging
            .join("usr/bin")
            .join(program.file_name().unwrap_or_default());
        copy(program, &to)?;
    }
    let shell = on_path(SHELL).into_iter().next();
    if let Some(busybox) = &shell {
        copy(busybox, &staging.join("usr/bin/busybox"))?;
    }
    for library in libraries(content.programs.iter().chain(&system).chain(&shell))? {
        copy(&library, &staged(&staging, &library)?)?;
    }
    for file in content.files {
        copy(file, &staged(&staging, file)?)?;
    }
    let plan = serde_json::to_vec(content.plan).context("write the plan")?;
    write(&staging.join(guest::PLAN.trim_start_matches('/')), &plan)?;
    let image = folder.join("disk.img");
    let _ = std::fs::remove_file(&image);
    Cmd::new("mke2fs")
        .args(["-q", "-t", "ext4", "-E", "root_owner=0:0", "-d"])
        .arg(&staging)
        .arg(&image)
        .arg(IMAGE_BYTES)
        .env("PATH", with_sbin())
        .quiet()?;
    std::fs::remove_dir_all(&staging).with_context(|| format!("remove {}", staging.display()))?;
    Ok(image)
}

/// mke2fs stands in /sbin, which is not everybody's PATH.
pub(crate) fn with_sbin() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn skeleton(staging: &Path, workspace: &Workspace) -> Result<()> {
    let dirs = [
        "etc",
        "proc",
        "sys",
        "dev",
        "run",
        "root",
        "tmp",
        "var/tmp",
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "mnt",
    ];
    for dir in dirs {
        create(&staging.join(dir))?;
    }
    // One /usr, as on every distribution of today, so that either path of a library is right.
    for (name, to) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("usr/sbin", "bin"),
    ] {
        let link = staging.join(name);
        std::os::unix::fs::symlink(to, &link)
            .with_context(|| format!("symlink {}", link.display()))?;
    }
    for dir in ["tmp", "var/tmp"] {
        use std::os::unix::fs::PermissionsExt;
        let dir = staging.join(dir);
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o1777))
            .with_context(|| format!("chmod {}", dir.display()))?;
    }
    write(
        &staging.join("etc/passwd"),
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    )?;
    write(&staging.join("etc/group"), b"root:x:0:\nnogroup:x:65534:\n")?;
    for nobodys in ["etc/subuid", "etc/subgid"] {
        write(&staging.join(nobodys), b"")?;
    }
    // CARGO_TARGET_TMPDIR, and the package folders, where cargo starts tests.
    create(&staging.join(relative(&workspace.target.join("tmp"))))
}

/// The shared libraries of these programs, the loader among them, as ldd finds them.
fn libraries<'a>(programs: impl IntoIterator<Item = &'a PathBuf>) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for program in programs {
        match Cmd::new("ldd").arg(program).read() {
            Ok(listed) => found.extend(libraries_in(&listed)),
            Err(error) if error.to_string().contains("not a dynamic executable") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// `NAME => PATH (ADDRESS)` and `PATH (ADDRESS)`, but not the kernel's own `linux-vdso.so.1`.
fn libraries_in(listed: &str) -> Vec<PathBuf> {
    listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// Where a file of this machine goes, its folder made.
fn staged(staging: &Path, file: &Path) -> Result<PathBuf> {
    let to = staging.join(relative(file));
    create(to.parent().context("a file without a folder")?)?;
    Ok(to)
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn create(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(file, bytes).with_context(|| format!("write {}", file.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    match std::fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(error) => bail!("copy {} to {}: {error}", from.display(), to.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_with_a_path_is_taken() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffc)\n\
            \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            libraries_in(listed),
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libgcc_s.so.1"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }
}
