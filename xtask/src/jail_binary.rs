//! The binary `procjail` as it is meant to be installed: linked statically, and against musl where
//! that can be had. Starting it is part of starting every jail: glibc asks the processor for its
//! features some thirty times before `main`, and each question is an exit to the hypervisor in a
//! virtual machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::observe;
use crate::shell::{Cmd, on_path};
use crate::toolchain::Compiler;
use crate::verbs::build_ebpf::compiler_command;
use crate::workspace::{Workspace, cargo};

/// What the linker of the C library brings along.
const MUSL_LINKER: &str = "musl-gcc";

/// How it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    /// The compiler has a standard library for musl (`rustup target add`).
    Musl,
    /// This compiler has the library's sources, and the system has musl.
    MuslFromSource(Compiler),
    /// glibc, for this reason.
    Glibc(String),
}

/// Decides. `has_musl`: the ordinary compiler has musl's standard library.
fn plan(arch: &str, has_musl: bool, compilers: &[Compiler], linker: bool) -> Plan {
    if has_musl {
        return Plan::Musl;
    }
    if !["x86_64", "aarch64"].contains(&arch) {
        return Plan::Glibc(format!("musl was not tried on {arch}"));
    }
    let with_sources = compilers.iter().find(|c| c.library_sources.is_some());
    match (with_sources, linker) {
        (Some(compiler), true) => Plan::MuslFromSource(compiler.clone()),
        (None, _) => Plan::Glibc(format!(
            "no standard library for musl (`rustup target add {arch}-unknown-linux-musl`), \
             and no compiler here has the sources of one"
        )),
        (_, false) => Plan::Glibc(format!(
            "{MUSL_LINKER} is not installed (Debian: musl-tools)"
        )),
    }
}

/// Builds it and returns its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let arch = std::env::consts::ARCH;
    let target = format!("{arch}-unknown-linux-musl");
    let folder = workspace.target.join("static");
    let has_musl = has_standard_library(&target);
    let linker = !on_path(MUSL_LINKER).is_empty();
    let plan = plan(arch, has_musl, &observe::compilers(), linker);
    let (command, flags, target) = match &plan {
        Plan::Musl => (cargo(), Vec::new(), target),
        Plan::MuslFromSource(compiler) => {
            let library = empty_unwinder(&folder)?;
            let flags = vec![
                "-Clink-self-contained=no".to_owned(),
                format!("-Clinker={MUSL_LINKER}"),
                format!("-L{}", library.display()),
            ];
            (compiler_command(&compiler.route), flags, target)
        }
        Plan::Glibc(why) => {
            eprintln!("procjail is linked with glibc: {why}");
            // Named even though it is the one that we run on: what is compiled for a named target is
            // linked statically, and procedural macros, which cannot be, are not compiled for it.
            (cargo(), Vec::new(), format!("{arch}-unknown-linux-gnu"))
        }
    };
    let built = folder.join(&target);
    let mut command = command
        .args(["rustc", "--profile", "jail", "--package", "procjail"])
        .args(["--bin", "procjail", "--target-dir"])
        .arg(&folder)
        .args(["--target", &target]);
    if let Plan::MuslFromSource(_) = plan {
        // Without what prints backtraces: the profile aborts on a panic.
        command = command.args([
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
        ]);
    }
    let always = ["-Ctarget-feature=+crt-static", "-Crelocation-model=static"];
    let flags: Vec<String> = always.into_iter().map(str::to_owned).chain(flags).collect();
    command
        // For the standard library too, which `cargo rustc --` would not reach.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .dir(&workspace.root)
        .run()?;
    Ok(built.join("jail/procjail"))
}

/// Does the compiler have the target's standard library?
fn has_standard_library(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libdir = Cmd::new(rustc).args(["--print", "target-libdir", "--target", target]);
    let Ok(libdir) = libdir.read() else {
        return false;
    };
    let Ok(entries) = std::fs::read_dir(libdir.trim()) else {
        return false;
    };
    entries
        .flatten()
        .any(|e| e.file_name().to_string_lossy().starts_with("libstd-"))
}

/// A folder with a `libunwind.a` in it: the standard library names one for musl, and nothing of it
/// is used where a panic aborts.
fn empty_unwinder(folder: &Path) -> Result<PathBuf> {
    /// An archive with no member (ar(5)).
    const EMPTY: &[u8] = b"!<arch>\n";
    let library = folder.join("no-unwinder");
    std::fs::create_dir_all(&library).with_context(|| format!("make {}", library.display()))?;
    let file = library.join("libunwind.a");
    std::fs::write(&file, EMPTY).with_context(|| format!("write {}", file.display()))?;
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::Route;

    fn compiler(sources: bool) -> Compiler {
        Compiler {
            route: Route::Rustc("/usr/bin/rustc".into()),
            version: "rustc 1.96.0".into(),
            llvm: None,
            sysroot: "/usr".into(),
            library_sources: sources.then(|| "/usr/lib/rustlib/src/rust/library".into()),
        }
    }

    #[test]
    fn a_standard_library_for_musl_is_used_where_there_is_one() {
        assert_eq!(plan("x86_64", true, &[], false), Plan::Musl);
    }

    #[test]
    fn it_is_compiled_where_sources_and_linker_are_there() {
        let with = plan("x86_64", false, &[compiler(false), compiler(true)], true);
        assert_eq!(with, Plan::MuslFromSource(compiler(true)));
    }

    #[test]
    fn otherwise_it_is_glibc_and_the_reason_says_what_to_install() {
        let reason = |plan| match plan {
            Plan::Glibc(why) => why,
            other => panic!("{other:?}"),
        };
        let no_sources = reason(plan("x86_64", false, &[compiler(false)], true));
        assert!(no_sources.contains("rustup target add"), "{no_sources}");
        let no_linker = reason(plan("x86_64", false, &[compiler(true)], false));
        assert!(no_linker.contains("musl-tools"), "{no_linker}");
    }
}
