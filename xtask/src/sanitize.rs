//! How to run tests under ThreadSanitizer with what is installed. Looks at nothing.

use std::path::PathBuf;

use crate::toolchain::Compiler;

/// A compiler, and the runtime that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) compiler: Compiler,
    /// `librustc-*_rt.tsan.a` among its libraries for this target.
    pub(crate) runtime: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// With this compiler, and this other one's runtime if it has none.
    Run {
        compiler: Compiler,
        borrowed: Option<PathBuf>,
    },
    /// It cannot run, for this reason.
    Skip(String),
}

/// Decides. The standard library has to be compiled along: of the one that compilers bring,
/// ThreadSanitizer sees no synchronization, and reports races that are none.
pub(crate) fn plan(candidates: &[Candidate]) -> Plan {
    let with_sources = || {
        candidates
            .iter()
            .filter(|c| c.compiler.library_sources.is_some())
    };
    if let Some(own) = with_sources().find(|c| c.runtime.is_some()) {
        return Plan::Run {
            compiler: own.compiler.clone(),
            borrowed: None,
        };
    }
    let Some(first) = with_sources().next() else {
        return Plan::Skip("no compiler here has the standard library's sources (rust-src)".into());
    };
    match candidates.iter().find_map(|c| c.runtime.clone()) {
        Some(runtime) => Plan::Run {
            compiler: first.compiler.clone(),
            borrowed: Some(runtime),
        },
        None => Plan::Skip("no compiler here brings its runtime (librustc-*_rt.tsan.a)".into()),
    }
}

/// In cargo's encoding: separated by U+001F.
pub(crate) fn rustflags(borrowed: Option<&PathBuf>) -> String {
    let mut flags = vec!["-Zsanitizer=thread".to_owned()];
    if let Some(runtime) = borrowed {
        // Before the objects, where rustc would put its own: after them the linker has left
        // the libraries behind that it needs.
        let link = |arg: &str| format!("-Zpre-link-arg={arg}");
        flags.extend([
            "-Zexternal-clangrt".to_owned(),
            link("-Wl,--whole-archive"),
            link(&runtime.to_string_lossy()),
            link("-Wl,--no-whole-archive"),
        ]);
    }
    flags.join("\u{1f}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::Route;

    fn candidate(name: &str, sources: bool, runtime: bool) -> Candidate {
        Candidate {
            compiler: Compiler {
                route: Route::Rustc(name.into()),
                version: name.into(),
                llvm: None,
                sysroot: name.into(),
                library_sources: sources.then(|| "library".into()),
            },
            runtime: runtime.then(|| format!("{name}/tsan.a").into()),
        }
    }

    /// The compiler's name and the runtime that it borrows.
    fn run(candidates: &[Candidate]) -> Option<(String, Option<PathBuf>)> {
        match plan(candidates) {
            Plan::Run { compiler, borrowed } => Some((compiler.version, borrowed)),
            Plan::Skip(_) => None,
        }
    }

    #[test]
    fn sources_are_a_must_and_a_runtime_can_be_borrowed() {
        let (neither, sources) = (candidate("a", false, false), candidate("b", true, false));
        let (runtime, both) = (candidate("c", false, true), candidate("d", true, true));
        let b_borrows = Some(("b".to_owned(), Some(PathBuf::from("c/tsan.a"))));
        let cases = [
            (vec![], None),
            (vec![neither.clone()], None),
            (vec![runtime.clone()], None),
            (vec![neither, sources.clone()], None),
            (vec![runtime.clone(), sources.clone()], b_borrows),
            (vec![sources, runtime, both], Some(("d".to_owned(), None))),
        ];
        for (candidates, expected) in cases {
            assert_eq!(run(&candidates), expected, "{candidates:?}");
        }
    }

    #[test]
    fn a_skip_says_what_is_missing() {
        let said = |candidate| match plan(&[candidate]) {
            Plan::Skip(why) => why,
            Plan::Run { .. } => panic!("it cannot run"),
        };
        assert!(said(candidate("a", false, true)).contains("rust-src"));
        assert!(said(candidate("a", true, false)).contains("runtime"));
    }

    #[test]
    fn a_runtime_of_its_own_needs_no_flags() {
        assert_eq!(rustflags(None), "-Zsanitizer=thread");
        let flags = rustflags(Some(&"/x/tsan.a".into()));
        assert!(flags.contains("\u{1f}-Zpre-link-arg=/x/tsan.a\u{1f}"));
    }
}
