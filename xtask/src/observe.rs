//! The facts about compilers, linkers and package managers that `toolchain` decides on.
//! A thing that can't be asked is absent from the facts, never assumed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::shell::{Cmd, is_executable, on_path};
use crate::toolchain::{
    Apt, COMPILER_PACKAGES, Compiler, Facts, LINKER_LLVM_MAJORS, Linker, LlvmLibrary, Privilege,
    Route, llvm_package, major,
};
use crate::workspace::Workspace;

/// Looks at the machine. `lists_fetched`: this run has already made apt fetch its lists.
pub(crate) fn facts(workspace: &Workspace, lists_fetched: bool) -> Facts {
    Facts {
        compilers: compilers(),
        linkers: linkers(workspace),
        llvm_libraries: llvm_libraries(),
        apt: apt(lists_fetched),
        privilege: privilege(),
        rustup: !on_path("rustup").is_empty(),
    }
}

/// `rustup run nightly`, which must never download the toolchain when it is only asked.
pub(crate) fn rustup_nightly(program: &str) -> Cmd {
    Cmd::new("rustup")
        .args(["run", "nightly", program])
        .env("RUSTUP_AUTO_INSTALL", "0")
}

/// Nightly first, then what is on PATH.
pub(crate) fn compilers() -> Vec<Compiler> {
    let nightly = compiler(Route::RustupNightly, || rustup_nightly("rustc"));
    let mut found: Vec<Compiler> = nightly.into_iter().collect();
    // A distribution's compiler can stand behind rustup's on PATH, or not be on it at all.
    for path in on_path("rustc")
        .into_iter()
        .chain([PathBuf::from("/usr/bin/rustc")])
    {
        let same = |c: &Compiler, other: &Compiler| c.sysroot == other.sysroot;
        if let Some(new) = compiler(Route::Rustc(path.clone()), || Cmd::new(&path))
            && !found.iter().any(|c| same(c, &new))
        {
            found.push(new);
        }
    }
    found
}

fn compiler(route: Route, rustc: impl Fn() -> Cmd) -> Option<Compiler> {
    let verbose = rustc().arg("-vV").read().ok()?;
    let sysroot = PathBuf::from(rustc().args(["--print", "sysroot"]).read().ok()?.trim());
    let library = sysroot.join("lib/rustlib/src/rust/library");
    let library_sources = library
        .join("core/src/lib.rs")
        .exists()
        .then(|| library.canonicalize().ok())
        .flatten();
    Some(Compiler {
        route,
        version: verbose.lines().next()?.to_owned(),
        llvm: verbose
            .lines()
            .find_map(|l| l.strip_prefix("LLVM version: "))
            .map(str::to_owned),
        sysroot,
        library_sources,
    })
}

/// Ours first, then the user's.
fn linkers(workspace: &Workspace) -> Vec<Linker> {
    let mut paths = vec![workspace.tools().join("bin/bpf-linker")];
    paths.extend(on_path("bpf-linker"));
    paths.extend(cargo_home().map(|home| home.join("bin/bpf-linker")));
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| is_executable(path))
        .filter_map(linker)
        .collect()
}

fn linker(path: PathBuf) -> Option<Linker> {
    let version = Cmd::new(&path)
        .arg("--version")
        .read()
        .ok()?
        .trim()
        .to_owned();
    let llvm = llvm_of_linker(&path);
    Some(Linker {
        path,
        version,
        llvm,
    })
}

/// The LLVM that a bpf-linker uses: bpf-linker does not say it, but the library that it
/// loads has the version in its name, and an llvm-config beside it knows it exactly.
/// `None` for a linker with LLVM inside.
fn llvm_of_linker(path: &Path) -> Option<String> {
    let libraries = Cmd::new("ldd").arg(path).read().ok()?;
    let (soname_version, library) = llvm_in_ldd(&libraries)?;
    let config = Path::new(&library)
        .parent()?
        .parent()?
        .join("bin/llvm-config");
    let exact = Cmd::new(config)
        .arg("--version")
        .read()
        .ok()
        .map(|v| v.trim().to_owned());
    Some(
        exact
            .filter(|v| major(v) == major(&soname_version))
            .unwrap_or(soname_version),
    )
}

/// Version and path of libLLVM in what `ldd` prints, for example
/// `libLLVM.so.22.1 => /usr/lib/llvm-22/lib/libLLVM.so.22.1 (0x…)`; older ones are called
/// `libLLVM-18.so.1`.
fn llvm_in_ldd(output: &str) -> Option<(String, String)> {
    output.lines().find_map(|line| {
        let (name, rest) = line.trim().split_once(" => ")?;
        let name = name.strip_prefix("libLLVM")?;
        let version = name
            .strip_prefix(".so.")
            .or_else(|| name.strip_prefix('-')?.split(".so").next())?;
        let path = rest.split_whitespace().next()?;
        Some((version.to_owned(), path.to_owned()))
    })
}

/// Where llvm-config says that an LLVM is, if its shared library is there too.
fn llvm_libraries() -> Vec<LlvmLibrary> {
    let found = LINKER_LLVM_MAJORS.filter_map(|wanted| {
        let versioned = on_path(&format!("llvm-config-{wanted}"));
        let debian = PathBuf::from(format!("/usr/lib/llvm-{wanted}/bin/llvm-config"));
        let configs = versioned
            .into_iter()
            .chain([debian])
            .chain(on_path("llvm-config"));
        configs.filter(|c| is_executable(c)).find_map(|config| {
            let prefix = PathBuf::from(Cmd::new(&config).arg("--prefix").read().ok()?.trim());
            let version = Cmd::new(&config).arg("--version").read().ok()?;
            let linkable = ["lib", "lib64"]
                .iter()
                .any(|lib| prefix.join(lib).join("libLLVM.so").exists());
            (linkable && major(&version) == Some(wanted)).then_some(LlvmLibrary {
                major: wanted,
                prefix,
            })
        })
    });
    found.collect()
}

/// Is there an apt at all?
pub(crate) fn has_apt() -> bool {
    !on_path("apt-get").is_empty()
}

fn apt(lists_fetched: bool) -> Option<Apt> {
    if !has_apt() {
        return None;
    }
    let packages = COMPILER_PACKAGES.iter().flatten().map(ToString::to_string);
    let packages = packages.chain(LINKER_LLVM_MAJORS.map(llvm_package));
    let policy = Cmd::new("apt-cache")
        .arg("policy")
        .args(packages)
        .env("LC_ALL", "C")
        .read()
        .unwrap_or_default();
    Some(Apt {
        lists_fetched,
        candidates: apt_candidates(&policy),
    })
}

/// Package to candidate, from what `apt-cache policy` prints.
fn apt_candidates(policy: &str) -> BTreeMap<String, String> {
    let mut candidates = BTreeMap::new();
    let mut package = None;
    for line in policy.lines() {
        if !line.starts_with(' ') {
            package = line.strip_suffix(':');
        } else if let (Some(package), Some(version)) =
            (package, line.trim().strip_prefix("Candidate: "))
            && version != "(none)"
        {
            candidates.insert(package.to_owned(), version.to_owned());
        }
    }
    candidates
}

/// May this run install packages?
pub(crate) fn privilege() -> Privilege {
    let root = Cmd::new("id")
        .arg("-u")
        .read()
        .is_ok_and(|id| id.trim() == "0");
    if root {
        Privilege::Root
    } else if on_path("sudo").is_empty() {
        Privilege::Neither
    } else {
        Privilege::Sudo
    }
}

/// CARGO_HOME, by cargo's own rule.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    set.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_read_and_none_is_not_a_candidate() {
        let policy = "rustc:\n  Installed: (none)\n  Candidate: 1.63.0+dfsg1-2\n  Version table:\n     \
                      1.63.0+dfsg1-2 500\n        500 http://deb.debian.org/debian bookworm/main amd64 Packages\n\
                      llvm-23-dev:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        let expected = BTreeMap::from([("rustc".to_owned(), "1.63.0+dfsg1-2".to_owned())]);
        assert_eq!(apt_candidates(policy), expected);
        assert_eq!(apt_candidates(""), BTreeMap::new());
    }

    #[test]
    fn the_llvm_of_a_linker_is_read_from_the_library_that_it_loads() {
        let table = [
            (
                "\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tlibLLVM.so.22.1 => /usr/lib/llvm-22/lib/libLLVM.so.22.1 (0x2)",
                Some(("22.1", "/usr/lib/llvm-22/lib/libLLVM.so.22.1")),
            ),
            (
                "\tlibLLVM-18.so.1 => /usr/lib/libLLVM-18.so.1 (0x2)",
                Some(("18", "/usr/lib/libLLVM-18.so.1")),
            ),
            (
                "\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)",
                None,
            ),
            ("\tstatically linked", None),
        ];
        for (output, expected) in table {
            assert_eq!(
                llvm_in_ldd(output),
                expected.map(|(v, p)| (v.to_owned(), p.to_owned())),
                "{output}"
            );
        }
    }
}
