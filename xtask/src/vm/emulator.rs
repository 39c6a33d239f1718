//! The emulator: the system's, or one that was unpacked below `target/`, because installing it
//! would have taken another package away.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{Cmd, is_executable, on_path};
use crate::workspace::Workspace;

/// As it is called everywhere.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// As Debian calls it.
pub(crate) const PACKAGE: &str = "qemu-system-x86";

/// An emulator that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Emulator {
    /// Installed.
    System,
    /// Unpacked to this folder.
    Aside(PathBuf),
}

impl Emulator {
    /// The system's, if there is one.
    pub(crate) fn find(workspace: &Workspace) -> Option<Self> {
        if !on_path(PROGRAM).is_empty() {
            return Some(Self::System);
        }
        let folder = folder(workspace);
        is_executable(&folder.join("usr/bin").join(PROGRAM)).then_some(Self::Aside(folder))
    }

    /// This command, and then the emulator, with what it needs to find its own parts.
    pub(crate) fn after(&self, command: Cmd) -> Cmd {
        let Self::Aside(folder) = self else {
            return command.arg(PROGRAM);
        };
        // QEMU's own word for its modules' folder: util/module.c.
        let libraries = libraries(folder);
        let modules = libraries.iter().map(|l| l.join("qemu"));
        command
            .arg("env")
            .arg(variable("LD_LIBRARY_PATH", libraries.iter().cloned()))
            .arg(variable("QEMU_MODULE_DIR", modules.filter(|m| m.is_dir())))
            .arg(folder.join("usr/bin").join(PROGRAM))
            .arg("-L")
            .arg(folder.join("usr/share/qemu"))
            .arg("-L")
            .arg(folder.join("usr/share/seabios"))
    }
}

/// `NAME=first:second`.
fn variable(name: &str, folders: impl Iterator<Item = PathBuf>) -> String {
    let folders: Vec<String> = folders.map(|f| f.display().to_string()).collect();
    format!("{name}={}", folders.join(":"))
}

/// The folders of shared libraries: one for each architecture below each `lib`.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let below = ["usr/lib", "lib"].map(|l| std::fs::read_dir(folder.join(l)));
    let entries = below.into_iter().flatten().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|e| e.path())
        .filter(|p| p.to_string_lossy().ends_with("-linux-gnu"))
        .collect();
    folders.sort();
    folders
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("qemu")
}

/// Fetches the package and all that it needs and is not installed, and unpacks them. The machine's
/// own packages stay as they are; apt checks what it fetches.
pub(crate) fn unpack(workspace: &Workspace) -> Result<()> {
    let simulated = Cmd::new("apt-get")
        .args(["--simulate", "install", "--no-install-recommends", PACKAGE])
        .env("LC_ALL", "C")
        .read()?;
    let packages = to_be_installed(&simulated);
    if packages.is_empty() {
        bail!("`apt-get --simulate install {PACKAGE}` would install nothing: {simulated}");
    }
    let part = workspace
        .tools()
        .join(format!("qemu-{}", std::process::id()));
    let unpacked = unpack_to(&part, &packages).and_then(|root| {
        let whole = folder(workspace);
        // Left over by a version without the program.
        let _ = std::fs::remove_dir_all(&whole);
        std::fs::rename(&root, &whole)
            .with_context(|| format!("rename {} to {}", root.display(), whole.display()))
    });
    let _ = std::fs::remove_dir_all(&part);
    unpacked
}

fn unpack_to(part: &Path, packages: &[String]) -> Result<PathBuf> {
    let (files, root) = (part.join("packages"), part.join("root"));
    for folder in [&files, &root] {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    Cmd::new("apt-get")
        .arg("download")
        .args(packages)
        .dir(&files)
        .run()?;
    let fetched = std::fs::read_dir(&files).with_context(|| format!("list {}", files.display()))?;
    for file in fetched {
        let file = file.with_context(|| format!("list {}", files.display()))?;
        Cmd::new("dpkg-deb")
            .arg("--extract")
            .arg(file.path())
            .arg(&root)
            .quiet()?;
    }
    Ok(root)
}

/// `NAME=VERSION` of what apt says that it would install: `Inst NAME (VERSION …)`, or with the
/// version that is there in brackets: `Inst NAME [OLD] (VERSION …)`.
fn to_be_installed(simulated: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let (_, version) = rest.split_once('(')?;
        Some(format!("{name}={}", version.split_whitespace().next()?))
    };
    simulated.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_apt_would_install_is_fetched_in_that_version() {
        let said = "Remv qemu-utils [1:10.0.2]\nInst libx (1.0-1 Debian:12.15/oldstable [amd64])\n\
                    Inst liby [1.1] (1.2 Debian:12.15/oldstable [amd64])\n\
                    Conf libx (1.0-1 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(to_be_installed(said), ["libx=1.0-1", "liby=1.2"]);
    }

    #[test]
    fn one_that_was_unpacked_is_told_where_its_parts_are() {
        let there = tempfile::tempdir().expect("a folder");
        let libraries = there.path().join("usr/lib/x86_64-linux-gnu/qemu");
        std::fs::create_dir_all(&libraries).expect("a folder");
        let emulator = Emulator::Aside(there.path().to_owned());
        let line = emulator.after(Cmd::new("setpriv")).line();
        let root = there.path().display();
        for part in [
            format!("LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu "),
            format!("QEMU_MODULE_DIR={root}/usr/lib/x86_64-linux-gnu/qemu "),
            format!("{root}/usr/bin/qemu-system-x86_64 -L {root}/usr/share/qemu"),
        ] {
            assert!(line.contains(&part), "{part}: {line}");
        }
        let system = Emulator::System.after(Cmd::new("setpriv")).line();
        assert_eq!(system, "setpriv qemu-system-x86_64");
    }

    proptest! {
        #[test]
        fn nothing_that_apt_says_makes_it_panic(said in "(Inst |[a-z(\\[\\] \n]){0,60}") {
            let _ = to_be_installed(&said);
        }
    }
}
