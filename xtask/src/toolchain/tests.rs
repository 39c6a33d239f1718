//! The decision as a table: facts of a machine, and what follows.

use super::*;

fn rustc(version: &str, llvm: &str, sources: bool) -> Compiler {
    Compiler {
        route: Route::Rustc("/usr/bin/rustc".into()),
        version: format!("rustc {version} (0123abc 2026-05-25)"),
        llvm: Some(llvm.into()),
        sysroot: "/usr".into(),
        library_sources: sources.then(|| "/usr/src/rust/library".into()),
    }
}

fn nightly(llvm: &str, sources: bool) -> Compiler {
    Compiler {
        route: Route::RustupNightly,
        ..rustc("1.97.0-nightly", llvm, sources)
    }
}

fn linker(llvm: Option<&str>) -> Linker {
    let path = format!("/tools/{}/bpf-linker", llvm.unwrap_or("unknown"));
    Linker {
        path: path.into(),
        version: "bpf-linker 0.13.0".into(),
        llvm: llvm.map(Into::into),
    }
}

fn library(major: u32) -> LlvmLibrary {
    LlvmLibrary {
        major,
        prefix: format!("/usr/lib/llvm-{major}").into(),
    }
}

fn apt(lists_fetched: bool, candidates: &[(&str, &str)]) -> Apt {
    let candidates = candidates
        .iter()
        .map(|(p, v)| ((*p).into(), (*v).into()))
        .collect();
    Apt {
        lists_fetched,
        candidates,
    }
}

fn bare() -> Facts {
    Facts {
        compilers: vec![],
        linkers: vec![],
        llvm_libraries: vec![],
        apt: None,
        privilege: Privilege::Root,
        rustup: false,
    }
}

const DEBIAN: [(&str, &str); 5] = [
    ("rustc-web", "1.96.0+dfsg1-1~deb12u2"),
    ("rust-web-src", "1.96.0+dfsg1-1~deb12u2"),
    ("rustc", "1.63.0+dfsg1-2"),
    ("rust-src", "1.63.0+dfsg1-2"),
    ("llvm-22-dev", "1:22.1.8-1~deb12u1"),
];

fn install(packages: &[&str]) -> Decision {
    Decision::Do(Step::AptInstall(
        packages.iter().map(ToString::to_string).collect(),
    ))
}

#[test]
fn each_machine_gets_its_next_step() {
    let stable = rustc("1.95.0", "22.1.2", false);
    let debian = Facts {
        compilers: vec![stable.clone()],
        apt: Some(apt(true, &DEBIAN)),
        rustup: true,
        ..bare()
    };
    let with_compiler = Facts {
        compilers: vec![rustc("1.96.0", "22.1.8", true)],
        ..debian.clone()
    };
    let with_llvm = Facts {
        llvm_libraries: vec![library(14), library(22)],
        ..with_compiler.clone()
    };
    let table = [
        (
            "a Debian that nobody prepared: lists first",
            Facts {
                apt: Some(apt(false, &[])),
                ..debian.clone()
            },
            Decision::Do(Step::AptUpdate),
        ),
        (
            "then the current compiler, not the old one",
            debian.clone(),
            install(&["rustc-web", "rust-web-src"]),
        ),
        (
            "then the LLVM that this compiler names",
            with_compiler.clone(),
            install(&["llvm-22-dev"]),
        ),
        (
            "then the linker against that LLVM and no other",
            with_llvm.clone(),
            Decision::Do(Step::InstallLinker { llvm: library(22) }),
        ),
        (
            "a linker of an older LLVM does not count",
            Facts {
                linkers: vec![linker(Some("21.1.0"))],
                ..with_llvm.clone()
            },
            Decision::Do(Step::InstallLinker { llvm: library(22) }),
        ),
        (
            "nor does one whose LLVM is unknown",
            Facts {
                linkers: vec![linker(None)],
                ..with_llvm.clone()
            },
            Decision::Do(Step::InstallLinker { llvm: library(22) }),
        ),
        (
            "no apt, but rustup",
            Facts {
                compilers: vec![stable.clone()],
                rustup: true,
                ..bare()
            },
            Decision::Do(Step::RustupNightlyWithSources),
        ),
        (
            "apt without a compiler that is new enough, and rustup",
            Facts {
                apt: Some(apt(true, &DEBIAN[2..])),
                ..debian.clone()
            },
            Decision::Do(Step::RustupNightlyWithSources),
        ),
        (
            "apt without privilege, and rustup",
            Facts {
                privilege: Privilege::Neither,
                ..debian.clone()
            },
            Decision::Do(Step::RustupNightlyWithSources),
        ),
        (
            "a nightly whose LLVM apt doesn't have: the distribution's pair",
            Facts {
                compilers: vec![nightly("23.1.0", true)],
                ..debian.clone()
            },
            install(&["rustc-web", "rust-web-src"]),
        ),
    ];
    for (name, facts, expected) in table {
        assert_eq!(decide(&facts), expected, "{name}");
    }
}

#[test]
fn who_may_not_install_is_told_what_to_run_as_root() {
    let unprivileged = Facts {
        privilege: Privilege::Neither,
        apt: Some(apt(false, &[])),
        ..bare()
    };
    let table = [
        (
            "apt-get install rustc-web rust-web-src",
            unprivileged.clone(),
        ),
        (
            "apt-get install llvm-22-dev",
            Facts {
                compilers: vec![rustc("1.96.0", "22.1.8", true)],
                ..unprivileged.clone()
            },
        ),
        ("rustup toolchain install nightly", bare()),
        (
            "install LLVM 22",
            Facts {
                compilers: vec![rustc("1.96.0", "22.1.8", true)],
                ..bare()
            },
        ),
        // A nightly with sources is not installed again: what it lacks is an LLVM.
        (
            "install LLVM 23",
            Facts {
                compilers: vec![nightly("23.1.0", true)],
                rustup: true,
                ..bare()
            },
        ),
    ];
    for (words, facts) in table {
        match decide(&facts) {
            Decision::Stuck(reasons) => assert!(
                reasons.iter().any(|r| r.contains(words)),
                "{words}: {reasons:?}"
            ),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn a_nightly_with_sources_is_preferred_and_one_without_is_rejected_with_the_reason() {
    let distribution = rustc("1.96.0", "22.1.8", true);
    let linkers = vec![linker(Some("22.1.8"))];
    let both = Facts {
        compilers: vec![nightly("22.1.4", true), distribution.clone()],
        linkers,
        ..bare()
    };
    assert_eq!(
        choose(&both).map(|t| t.compiler.route),
        Ok(Route::RustupNightly)
    );
    let without = Facts {
        compilers: vec![nightly("22.1.4", false), distribution.clone()],
        ..both.clone()
    };
    assert_eq!(choose(&without).map(|t| t.compiler), Ok(distribution));
    let only = Facts {
        compilers: vec![nightly("22.1.4", false)],
        ..both
    };
    assert_eq!(
        choose(&only),
        Err(vec![
            "rustup nightly (rustc 1.97.0-nightly (0123abc 2026-05-25)): no rust-src below /usr"
                .into()
        ])
    );
}

#[test]
fn a_compiler_is_rejected_for_what_it_lacks() {
    let table = [
        (rustc("1.96.0", "22.1.8", false), "no rust-src"),
        (rustc("1.85.0", "22.1.8", true), "older than"),
        (rustc("1.96.0", "20.1.0", true), "LLVM 20"),
        (
            Compiler {
                llvm: None,
                ..rustc("1.96.0", "", true)
            },
            "does not name its LLVM",
        ),
        (
            Compiler {
                version: "something".into(),
                ..rustc("1.96.0", "22.1.8", true)
            },
            "could not be read",
        ),
        (
            rustc("1.96.0", "22.1.8", true),
            "no bpf-linker for its LLVM 22",
        ),
    ];
    for (compiler, why) in table {
        let facts = Facts {
            compilers: vec![compiler],
            ..bare()
        };
        let reasons = choose(&facts).expect_err(why);
        assert!(reasons[0].contains(why), "{why}: {reasons:?}");
    }
}

#[test]
fn the_nearest_linker_that_reads_the_bitcode_is_taken() {
    let linkers = [
        linker(Some("21.1.0")),
        linker(Some("23.1.0")),
        linker(Some("22.1.8")),
    ];
    assert_eq!(linker_for(22, &linkers), Ok(&linkers[2]));
    assert_eq!(linker_for(22, &linkers[..2]), Ok(&linkers[1]));
    assert!(
        linker_for(22, &linkers[..1])
            .expect_err("too old")
            .contains("LLVM 21.1.0")
    );
}

#[test]
fn versions_are_compared_as_numbers() {
    assert_eq!(release("1:22.1.8-1~deb12u1"), Some((22, 1)));
    assert_eq!(release("1.96.0+dfsg1-1"), Some((1, 96)));
    assert!(release("1.100") > release("1.96"));
    assert_eq!(release("none"), None);
}
