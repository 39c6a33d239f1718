//! Which BPF toolchain to use, and what to install when there is none: pure decisions from
//! the facts that `observe` collects. Nothing here looks at the machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of bpf-linker that `setup` installs.
pub(crate) const LINKER_VERSION: &str = "0.13.0";

/// LLVM majors that this bpf-linker can be built with: its features `llvm-21` to `llvm-23`.
pub(crate) const LINKER_LLVM_MAJORS: std::ops::RangeInclusive<u32> = 21..=23;

/// The oldest compiler that the workspace accepts (`rust-version`).
const OLDEST_RUSTC: &str = env!("CARGO_PKG_RUST_VERSION");

/// Pairs of packages that give a compiler and its library sources, the newer one first:
/// Debian stable carries a current compiler only as `rustc-web`, built for its browsers.
pub(crate) const COMPILER_PACKAGES: [[&str; 2]; 2] =
    [["rustc-web", "rust-web-src"], ["rustc", "rust-src"]];

/// How a compiler is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `rustup run nightly`.
    RustupNightly,
    /// This `rustc`, with RUSTC_BOOTSTRAP=1 for `-Z build-std`.
    Rustc(PathBuf),
}

/// A Rust compiler that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiler {
    pub(crate) route: Route,
    /// First line of `rustc -vV`.
    pub(crate) version: String,
    /// `LLVM version:` of `rustc -vV`.
    pub(crate) llvm: Option<String>,
    pub(crate) sysroot: PathBuf,
    /// The folder `library` of rust-src, links resolved, if it is installed.
    pub(crate) library_sources: Option<PathBuf>,
}

/// A bpf-linker that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Linker {
    pub(crate) path: PathBuf,
    /// What `bpf-linker --version` prints.
    pub(crate) version: String,
    /// The LLVM that it loads, if that could be told.
    pub(crate) llvm: Option<String>,
}

/// An LLVM with the library that bpf-linker links against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LlvmLibrary {
    pub(crate) major: u32,
    pub(crate) prefix: PathBuf,
}

/// What apt knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Apt {
    /// Were its lists fetched by this very run? Lists that are older may be empty or name
    /// packages that are gone.
    pub(crate) lists_fetched: bool,
    /// Package to version that would be installed.
    pub(crate) candidates: BTreeMap<String, String>,
}

/// May packages be installed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    Root,
    Sudo,
    Neither,
}

/// Everything that the decision rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Preferred first.
    pub(crate) compilers: Vec<Compiler>,
    /// Preferred first.
    pub(crate) linkers: Vec<Linker>,
    pub(crate) llvm_libraries: Vec<LlvmLibrary>,
    /// `None` where there is no apt.
    pub(crate) apt: Option<Apt>,
    pub(crate) privilege: Privilege,
    pub(crate) rustup: bool,
}

/// A compiler and a linker that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    pub(crate) compiler: Compiler,
    pub(crate) linker: Linker,
}

/// The versions that decide the bytes of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    /// First line of `rustc -vV`.
    pub(crate) rustc: String,
    /// LLVM of the compiler.
    pub(crate) rustc_llvm: String,
    /// First line of `cargo --version`: cargo makes the hashes in mangled names.
    pub(crate) cargo: String,
    /// `bpf-linker --version`.
    pub(crate) linker: String,
    /// LLVM of the linker.
    pub(crate) linker_llvm: String,
}

/// One change to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    AptUpdate,
    AptInstall(Vec<String>),
    RustupNightlyWithSources,
    /// bpf-linker into the checkout's own target folder.
    InstallLinker {
        llvm: LlvmLibrary,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Ready(Box<Toolchain>),
    Do(Step),
    /// Nothing that `setup` may do helps: what is missing, and what the user can do.
    Stuck(Vec<String>),
}

/// The first compiler that can build the programs and has a linker that can read its
/// bitcode, or the reason against each thing that was found.
pub(crate) fn choose(facts: &Facts) -> Result<Toolchain, Vec<String>> {
    let mut reasons = Vec::new();
    for compiler in &facts.compilers {
        match llvm_major_if_usable(compiler) {
            Err(why) => reasons.push(format!("{compiler}: {why}")),
            Ok(major) => match linker_for(major, &facts.linkers) {
                Ok(linker) => {
                    return Ok(Toolchain {
                        compiler: compiler.clone(),
                        linker: linker.clone(),
                    });
                }
                Err(why) => reasons.push(format!("{compiler}: {why}")),
            },
        }
    }
    if facts.compilers.is_empty() {
        reasons.push("no rustup nightly and no rustc on PATH".into());
    }
    Err(reasons)
}

/// The next thing to do on the way to a toolchain. Called again after each step, with the
/// facts as they then are: the LLVM to install is known only once the compiler is there.
pub(crate) fn decide(facts: &Facts) -> Decision {
    let reasons = match choose(facts) {
        Ok(toolchain) => return Decision::Ready(Box::new(toolchain)),
        Err(reasons) => reasons,
    };
    let usable: Vec<u32> = facts
        .compilers
        .iter()
        .filter_map(|c| llvm_major_if_usable(c).ok())
        .collect();
    let library = facts
        .llvm_libraries
        .iter()
        .find(|l| usable.contains(&l.major));
    if let Some(llvm) = library {
        return Decision::Do(Step::InstallLinker { llvm: llvm.clone() });
    }
    if let Some(apt) = &facts.apt
        && facts.privilege != Privilege::Neither
    {
        if !apt.lists_fetched {
            return Decision::Do(Step::AptUpdate);
        }
        if let Some(packages) = packages_to_install(apt, &usable) {
            return Decision::Do(Step::AptInstall(packages));
        }
    }
    if facts.rustup && usable.is_empty() {
        return Decision::Do(Step::RustupNightlyWithSources);
    }
    Decision::Stuck(advice(facts, &usable, reasons))
}

/// The LLVM of a compiler already here, else a compiler with its sources.
fn packages_to_install(apt: &Apt, usable: &[u32]) -> Option<Vec<String>> {
    let llvm = usable
        .iter()
        .map(|major| llvm_package(*major))
        .find(|p| apt.candidates.contains_key(p));
    if let Some(package) = llvm {
        return Some(vec![package]);
    }
    let new_enough = |package: &str| {
        let version = apt.candidates.get(package).and_then(|v| release(v));
        version.is_some_and(|v| Some(v) >= release(OLDEST_RUSTC))
    };
    let pair = COMPILER_PACKAGES
        .iter()
        .find(|pair| pair.iter().all(|p| new_enough(p)))?;
    Some(pair.iter().map(ToString::to_string).collect())
}

fn advice(facts: &Facts, usable: &[u32], mut reasons: Vec<String>) -> Vec<String> {
    if facts.apt.is_some() && facts.privilege == Privilege::Neither {
        let packages = match usable {
            [] => COMPILER_PACKAGES[0].join(" "),
            majors => majors
                .iter()
                .map(|m| llvm_package(*m))
                .collect::<Vec<_>>()
                .join(" or "),
        };
        reasons.push(format!(
            "not root and no sudo: as root, run `apt-get update && apt-get install {packages}`, then `cargo xtask setup` again"
        ));
    } else if let [major, ..] = usable {
        reasons.push(format!(
            "install LLVM {major} with its development files (libLLVM.so and llvm-config), then `cargo xtask setup` again"
        ));
    } else {
        reasons.push(
            "install rustup (https://rustup.rs) and run `rustup toolchain install nightly --component rust-src`, \
             then `cargo xtask setup` again"
                .into(),
        );
    }
    reasons
}

/// The LLVM major of a compiler that can build the programs, or why it can't.
fn llvm_major_if_usable(compiler: &Compiler) -> Result<u32, String> {
    if compiler.library_sources.is_none() {
        return Err(format!("no rust-src below {}", compiler.sysroot.display()));
    }
    match release_of_rustc(&compiler.version) {
        None => return Err("its version could not be read".into()),
        found if found < release(OLDEST_RUSTC) => return Err(format!("older than {OLDEST_RUSTC}")),
        Some(_) => {}
    }
    let Some(llvm) = compiler.llvm.as_deref().and_then(major) else {
        return Err("`rustc -vV` does not name its LLVM".into());
    };
    if !LINKER_LLVM_MAJORS.contains(&llvm) {
        return Err(format!(
            "bpf-linker {LINKER_VERSION} can't be built with its LLVM {llvm}"
        ));
    }
    Ok(llvm)
}

/// The linker that reads bitcode of LLVM `wanted`. The same major is best; a newer one
/// reads older bitcode, an older one does not read newer (LLVM developer policy, "IR
/// backwards compatibility").
fn linker_for(wanted: u32, linkers: &[Linker]) -> Result<&Linker, String> {
    let llvm = |linker: &&Linker| linker.llvm.as_deref().and_then(major);
    let can_read = linkers
        .iter()
        .filter(|l| llvm(l).is_some_and(|m| m >= wanted));
    can_read.min_by_key(llvm).ok_or_else(|| match linkers {
        [] => format!("no bpf-linker for its LLVM {wanted}"),
        found => {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            format!(
                "no bpf-linker for its LLVM {wanted}, only {}",
                found.join(", ")
            )
        }
    })
}

/// The package that holds libLLVM.so and llvm-config of one LLVM.
pub(crate) fn llvm_package(major: u32) -> String {
    format!("llvm-{major}-dev")
}

/// The number before the first dot.
pub(crate) fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.trim().parse().ok()
}

/// Major and minor at the start of a version, a package epoch left out.
fn release(version: &str) -> Option<(u32, u32)> {
    let version = version
        .split_once(':')
        .map_or(version, |(_epoch, rest)| rest);
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The release in a line like `rustc 1.96.0 (ac68faa20 2026-05-25)`.
fn release_of_rustc(line: &str) -> Option<(u32, u32)> {
    release(line.strip_prefix("rustc ")?)
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Route::RustupNightly => write!(f, "rustup nightly ({})", self.version),
            Route::Rustc(path) => write!(f, "{} ({})", path.display(), self.version),
        }
    }
}

impl fmt::Display for Linker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let llvm = self.llvm.as_deref().unwrap_or("unknown");
        write!(f, "{} ({}, LLVM {llvm})", self.path.display(), self.version)
    }
}

#[cfg(test)]
mod tests;
