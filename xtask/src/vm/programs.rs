//! The workspace's own test programs: built, and asked for their tests.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::Cmd;
use crate::workspace::{Workspace, cargo};

/// Packages whose tests are about this checkout and its tools, not about a kernel.
const HOST_ONLY: [&str; 2] = ["xtask", "guest"];

/// One test program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) package: String,
    /// Name of its target: of the library, the binary or the file in `tests/`.
    pub(crate) target: String,
    pub(crate) path: PathBuf,
    /// Where cargo would run it.
    pub(crate) dir: PathBuf,
    pub(crate) tests: Vec<String>,
}

/// Everything that was built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Built {
    pub(crate) programs: Vec<Program>,
    /// The binaries that tests run (`CARGO_BIN_EXE_…`), where tests expect them.
    pub(crate) binaries: Vec<PathBuf>,
}

/// Builds all test programs, as `cargo test` does, and lists their tests.
pub(crate) fn build(workspace: &Workspace) -> Result<Built> {
    // The very command of `cargo test --workspace`: with some packages left out, features would
    // differ, and everything would be built twice.
    let command = cargo()
        .args([
            "test",
            "--workspace",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ])
        .dir(&workspace.root);
    let mut lines = Vec::new();
    let status = command.stream(|line| lines.push(line.to_owned()))?;
    command.check(status)?;
    let mut built = Built::default();
    for artifact in lines.iter().filter_map(|line| artifact(line)) {
        match artifact {
            Artifact::Program(program) => built.programs.push(program),
            Artifact::Binary(path) => built.binaries.push(path),
        }
    }
    for program in &mut built.programs {
        program.tests = list(&program.path)?;
    }
    // Cargo reports them as they are done.
    built
        .programs
        .sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    Ok(built)
}

/// PID 1 of the guests, linked statically: the initramfs holds no library.
pub(crate) fn build_init(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.vm().join("init");
    cargo()
        .args([
            "rustc",
            "--release",
            "--package",
            "guest",
            "--bin",
            "guest-init",
            "--target-dir",
        ])
        .arg(&folder)
        .args(["--", "-Ctarget-feature=+crt-static", "-Cstrip=debuginfo"])
        .dir(&workspace.root)
        .run()?;
    Ok(folder.join("release/guest-init"))
}

fn list(program: &Path) -> Result<Vec<String>> {
    let listed = Cmd::new(program)
        .args(["--list", "--format", "terse"])
        .read()?;
    Ok(names(&listed))
}

/// `NAME: test`, a line each.
fn names(listed: &str) -> Vec<String> {
    listed
        .lines()
        .filter_map(|l| l.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

enum Artifact {
    Program(Program),
    Binary(PathBuf),
}

/// A message of cargo's about something that it built
/// (doc.rust-lang.org/cargo/reference/external-tools.html).
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

fn artifact(line: &str) -> Option<Artifact> {
    let message: Message = serde_json::from_str(line).ok()?;
    let path = message
        .executable
        .filter(|_| message.reason == "compiler-artifact")?;
    let dir = message.manifest_path?.parent()?.to_owned();
    let package = package_of(&dir).ok()?;
    if HOST_ONLY.contains(&package.as_str()) {
        return None;
    }
    if !message.profile?.test {
        return Some(Artifact::Binary(path));
    }
    Some(Artifact::Program(Program {
        package,
        target: message.target?.name,
        path,
        dir,
        tests: Vec::new(),
    }))
}

/// The package's own name: `jail-tools/cli` holds `jail-tools`.
fn package_of(dir: &Path) -> Result<String> {
    let path = dir.join("Cargo.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let manifest: toml::Table = text
        .parse()
        .with_context(|| format!("parse {}", path.display()))?;
    let name = manifest
        .get("package")
        .and_then(|p| p.get("name"))
        .and_then(toml::Value::as_str);
    name.map(str::to_owned)
        .with_context(|| format!("{} names no package", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_listed_and_benchmarks_are_not() {
        let listed = "a::needs_root_x: test\nb: benchmark\n\n2 tests, 1 benchmark\n";
        assert_eq!(names(listed), ["a::needs_root_x"]);
    }

    #[test]
    fn programs_and_binaries_are_told_apart() {
        let checkout = env!("CARGO_MANIFEST_DIR");
        let line = |package: &str, test: bool| {
            let dir = format!("{checkout}/../{package}");
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{dir}/Cargo.toml",
                    "target":{{"name":"t"}},"profile":{{"test":{test}}},"executable":"/x/t-1"}}"#
            )
        };
        match artifact(&line("jail-tools/cli", true)) {
            Some(Artifact::Program(p)) => {
                assert_eq!((p.package.as_str(), p.target.as_str()), ("jail-tools", "t"));
                assert!(p.dir.ends_with("jail-tools/cli"));
            }
            _ => panic!("a test program"),
        }
        assert!(
            matches!(artifact(&line("jail-tools/cli", false)), Some(Artifact::Binary(p)) if p == Path::new("/x/t-1"))
        );
        assert!(artifact(&line("xtask", true)).is_none(), "not for a guest");
        for other in ["", "{}", r#"{"reason":"build-finished"}"#] {
            assert!(artifact(other).is_none());
        }
    }
}
