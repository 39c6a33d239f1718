//! `cargo xtask build-ebpf`: the BPF object from source, and the check of the committed one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::object::{Manifest, Object, State};
use crate::observe::{cargo_home, facts, rustup_nightly};
use crate::shell::Cmd;
use crate::sources::Sources;
use crate::toolchain::{self, Route, Toolchain, Versions};
use crate::workspace::{Workspace, cargo};

/// Little-endian BPF: every machine that the kernel's tracing BPF is used on.
const TARGET: &str = "bpfel-unknown-none";

/// What the compiler is told beyond the profile, apart from paths. `--btf`: maps with a
/// `kptr` or task storage, and the global variables' names, are described in BTF.
pub(crate) const FLAGS: &[&str] = &["-Clink-arg=--btf"];

#[derive(Args)]
pub(crate) struct Options {
    /// Commit-ready: copy object and manifest to probes-ebpf/prebuilt
    #[arg(long, conflicts_with = "check")]
    pub(crate) update_prebuilt: bool,
    /// Fail if the committed object was built from other sources, or if this same toolchain
    /// makes other bytes
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let prebuilt = Object::prebuilt(workspace);
    if options.check {
        // Before the build, which takes a minute.
        check_sources(workspace, &prebuilt)?;
    }
    let toolchain = toolchain::choose(&facts(workspace, false)).map_err(|reasons| {
        anyhow::anyhow!(
            "no BPF toolchain; `cargo xtask setup` installs one:\n  {}",
            reasons.join("\n  ")
        )
    })?;
    let rebuilt = build(workspace, &toolchain)?;
    if options.check {
        check_bytes(&prebuilt.read_manifest()?, &rebuilt)?;
    }
    if options.update_prebuilt {
        prebuilt.store(&Object::rebuilt(workspace).path, &rebuilt)?;
        println!("updated {}", prebuilt.path.display());
    }
    Ok(())
}

/// Compiles the programs and stores object and manifest in the target folder.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<Manifest> {
    let target = workspace.ebpf_target();
    let rebuilt = Object::rebuilt(workspace);
    let versions = versions(toolchain)?;
    let output = target.join(TARGET);
    // Cargo does not know the linker's version: with another one it would call what the
    // former one linked up to date.
    if output.exists()
        && rebuilt.read_manifest().map(|m| m.toolchain).ok().as_ref() != Some(&versions)
    {
        std::fs::remove_dir_all(&output).with_context(|| format!("remove {}", output.display()))?;
    }
    // Read before the build: a file saved during it makes the object stale, not fresh.
    let sources = Sources::read(&workspace.root, FLAGS)?;
    compiler_command(&toolchain.compiler.route)
        .args([
            "build",
            "--locked",
            "--package",
            "probes-ebpf",
            "--bin",
            "probes",
            "--features",
            "programs",
        ])
        .args([
            "--profile",
            "bpf",
            "--target",
            TARGET,
            "-Z",
            "build-std=core",
            "--target-dir",
        ])
        .arg(&target)
        .env(
            "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER",
            &toolchain.linker.path,
        )
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace, toolchain))
        .dir(&workspace.root)
        .run()?;
    let built = output.join("bpf/probes");
    let manifest = Manifest::new(&built, sources, versions)?;
    rebuilt.store(&built, &manifest)?;
    println!(
        "built {} (sha256 {})",
        rebuilt.path.display(),
        manifest.object_sha256
    );
    Ok(manifest)
}

/// Cargo with the chosen compiler.
pub(crate) fn compiler_command(route: &Route) -> Cmd {
    match route {
        Route::RustupNightly => rustup_nightly("cargo").env_remove("RUSTC"),
        // A compiler that was not built as a nightly allows `-Z` only when it is told so.
        Route::Rustc(path) => cargo().env("RUSTC", path).env("RUSTC_BOOTSTRAP", "1"),
    }
}

fn versions(toolchain: &Toolchain) -> Result<Versions> {
    let unknown = || "unknown".to_owned();
    let cargo = match toolchain.compiler.route {
        Route::RustupNightly => rustup_nightly("cargo"),
        Route::Rustc(_) => cargo(),
    };
    Ok(Versions {
        rustc: toolchain.compiler.version.clone(),
        rustc_llvm: toolchain.compiler.llvm.clone().unwrap_or_else(unknown),
        cargo: cargo.arg("--version").read()?.trim().to_owned(),
        linker: toolchain.linker.version.clone(),
        linker_llvm: toolchain.linker.llvm.clone().unwrap_or_else(unknown),
    })
}

/// The flags in cargo's encoding (separated by U+001F), with every path of this machine
/// mapped to a fixed name: BTF carries the source paths, and the object must not depend on
/// where the checkout, the registry or the compiler stand.
fn rustflags(workspace: &Workspace, toolchain: &Toolchain) -> String {
    let mut flags: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
    let registries = cargo_home()
        .map(|home| folders_in(&home.join("registry/src")))
        .unwrap_or_default();
    let sysroot_sources = toolchain
        .compiler
        .sysroot
        .join("lib/rustlib/src/rust/library");
    let mut mapped = vec![
        (workspace.root.clone(), "/jail-tools"),
        (workspace.ebpf_target(), "/target"),
    ];
    mapped.extend(registries.into_iter().map(|dir| (dir, "/registry")));
    mapped.push((sysroot_sources, "/library"));
    mapped.extend(
        toolchain
            .compiler
            .library_sources
            .clone()
            .map(|dir| (dir, "/library")),
    );
    flags.extend(
        mapped
            .iter()
            .map(|(dir, name)| format!("--remap-path-prefix={}={name}", dir.display())),
    );
    flags.join("\u{1f}")
}

fn folders_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.is_dir())
        .collect();
    folders.sort();
    folders
}

fn check_sources(workspace: &Workspace, prebuilt: &Object) -> Result<()> {
    let advice = "run `cargo xtask build-ebpf --update-prebuilt` and commit the result";
    match prebuilt.state(&Sources::read(&workspace.root, FLAGS)?) {
        State::Fresh => Ok(()),
        State::Absent => bail!("{} is missing: {advice}", prebuilt.path.display()),
        State::Unusable(why) => bail!("{why}: {advice}"),
        State::Stale(changes) => {
            bail!(
                "{} is stale: {advice}. Since it was built:\n  {}",
                prebuilt.path.display(),
                changes.join("\n  ")
            )
        }
    }
}

/// The same sources and the same toolchain must make the same bytes. Another toolchain
/// proves nothing either way.
fn check_bytes(prebuilt: &Manifest, rebuilt: &Manifest) -> Result<()> {
    if prebuilt.toolchain != rebuilt.toolchain {
        println!(
            "the committed object is fresh; its bytes were not compared, because it was built with {}, here is {}",
            describe(&prebuilt.toolchain),
            describe(&rebuilt.toolchain)
        );
        return Ok(());
    }
    if prebuilt.object_sha256 != rebuilt.object_sha256 {
        bail!(
            "the same sources and toolchain made another object: committed {}, rebuilt {}. Either the committed \
             one was not built from these sources, or the build depends on this machine",
            prebuilt.object_sha256,
            rebuilt.object_sha256
        );
    }
    println!("the committed object is fresh and identical to the rebuilt one");
    Ok(())
}

fn describe(versions: &Versions) -> String {
    let Versions {
        rustc,
        rustc_llvm,
        cargo,
        linker,
        linker_llvm,
    } = versions;
    format!("{rustc} (LLVM {rustc_llvm}), {cargo}, {linker} (LLVM {linker_llvm})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(rustc: &str, sha256: &str) -> Manifest {
        serde_json::from_value(serde_json::json!({
            "format": 1, "object_sha256": sha256, "sources_sha256": "", "kernel_arch": "x86_64", "sources": {},
            "toolchain": { "rustc": rustc, "rustc_llvm": "22", "cargo": "", "linker": "", "linker_llvm": "22" },
        }))
        .expect("a manifest")
    }

    #[test]
    fn only_the_same_toolchain_must_make_the_same_bytes() {
        let committed = manifest("rustc 1.96.0", "aa");
        assert!(check_bytes(&committed, &manifest("rustc 1.96.0", "aa")).is_ok());
        assert!(check_bytes(&committed, &manifest("rustc 1.97.0", "bb")).is_ok());
        let error = check_bytes(&committed, &manifest("rustc 1.96.0", "bb"))
            .expect_err("other bytes")
            .to_string();
        assert!(error.contains("aa") && error.contains("bb"), "{error}");
    }
}
