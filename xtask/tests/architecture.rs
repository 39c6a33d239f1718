//! ARCHITECTURE.md is true: who may import whom, and where unsafe code may stand.
//!
//! Two fenced code blocks in ARCHITECTURE.md are read by this test, found by their info
//! strings:
//!
//! - `allowed-imports`: a line per workspace crate, `crate: import import …`, nothing after
//!   the colon for a crate that imports none of ours.
//! - `unsafe-doors`: a line per file that may open with `allow(unsafe_code)`, as a path from
//!   the root of the checkout.
//!
//! Empty lines and lines that start with `#` are for the reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Crate to the workspace crates that it imports, or may import.
type Imports = BTreeMap<String, BTreeSet<String>>;

// ---- the rules: pure ----

/// The lines inside the fenced block with this info string.
fn block<'a>(markdown: &'a str, info: &str) -> Result<Vec<&'a str>, String> {
    let mut lines = markdown.lines();
    let fence = format!("```{info}");
    if !lines.by_ref().any(|line| line.trim_end() == fence) {
        return Err(format!(
            "ARCHITECTURE.md has no block that starts with {fence}"
        ));
    }
    let mut inside = Vec::new();
    for line in lines {
        match line.trim() {
            "```" => return Ok(inside),
            text if text.is_empty() || text.starts_with('#') => {}
            text => inside.push(text),
        }
    }
    Err(format!(
        "the block {fence} of ARCHITECTURE.md is not closed"
    ))
}

fn parse_imports(lines: &[&str]) -> Result<Imports, String> {
    let mut imports = Imports::new();
    for line in lines {
        let (name, allowed) = line
            .split_once(':')
            .ok_or_else(|| format!("no colon in `{line}` (`crate: import import`)"))?;
        let allowed = allowed.split_whitespace().map(str::to_owned).collect();
        if imports.insert(name.trim().to_owned(), allowed).is_some() {
            return Err(format!("`{}` stands twice in the map", name.trim()));
        }
    }
    Ok(imports)
}

/// Everything in which the crates and the map disagree.
fn import_violations(actual: &Imports, allowed: &Imports) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, imports) in actual {
        let Some(may) = allowed.get(name) else {
            violations.push(format!("{name} is missing from the map"));
            continue;
        };
        let forbidden = imports.difference(may);
        violations.extend(
            forbidden
                .map(|import| format!("{name} imports {import}, which the map does not allow")),
        );
    }
    for (name, imports) in allowed {
        for unknown in std::iter::once(name)
            .chain(imports)
            .filter(|n| !actual.contains_key(*n))
        {
            violations.push(format!(
                "the map names {unknown}, and there is no such crate"
            ));
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

/// Does this source lift the ban on unsafe code, for a file or for an item?
fn lifts_the_ban(source: &str) -> bool {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    // `allow(a, unsafe_code)`, `expect(…)` and `cfg_attr(…, allow(…))` alike.
    ["allow(", "expect(", "warn("].iter().any(|attribute| {
        code.match_indices(attribute).any(|(at, _)| {
            let list = code[at + attribute.len()..]
                .split(')')
                .next()
                .unwrap_or_default();
            list.split(',').any(|lint| lint == "unsafe_code")
        })
    })
}

fn door_violations(lifting: &BTreeSet<String>, doors: &BTreeSet<String>) -> Vec<String> {
    let unlisted = lifting
        .difference(doors)
        .map(|f| format!("{f} allows unsafe code and is not listed as a door"));
    let unused = doors
        .difference(lifting)
        .map(|f| format!("{f} is listed as a door and allows no unsafe code"));
    unlisted.chain(unused).collect()
}

// ---- the checkout as it is ----

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

/// Of any kind: normal, dev and build. `path` is set for those in this checkout.
#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask stands in the checkout")
        .to_owned()
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("start `cargo metadata`");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).expect("parse `cargo metadata`");
    metadata.packages
}

fn actual_imports(packages: Vec<Package>) -> Imports {
    let ours = |package: Package| {
        let imports = package
            .dependencies
            .into_iter()
            .filter(|d| d.path.is_some())
            .map(|d| d.name);
        (package.name, imports.collect())
    };
    packages.into_iter().map(ours).collect()
}

fn architecture() -> String {
    let path = root().join("ARCHITECTURE.md");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in
        std::fs::read_dir(dir).unwrap_or_else(|error| panic!("list {}: {error}", dir.display()))
    {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn no_crate_imports_what_the_map_does_not_allow() {
    let architecture = architecture();
    let allowed = block(&architecture, "allowed-imports").and_then(|lines| parse_imports(&lines));
    let allowed = allowed.expect("the map of ARCHITECTURE.md");
    let actual = actual_imports(packages());
    assert!(
        actual.contains_key("xtask"),
        "cargo metadata lists the workspace: {actual:?}"
    );
    let violations = import_violations(&actual, &allowed);
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn unsafe_code_stands_only_behind_the_doors() {
    let architecture = architecture();
    let doors = block(&architecture, "unsafe-doors").expect("the doors of ARCHITECTURE.md");
    let doors = doors.into_iter().map(str::to_owned).collect();
    let mut files = Vec::new();
    for package in packages() {
        rust_files(
            package
                .manifest_path
                .parent()
                .expect("a manifest has a folder"),
            &mut files,
        );
    }
    let root = root();
    let lifting = files.into_iter().filter(|file| {
        let source = std::fs::read_to_string(file)
            .unwrap_or_else(|e| panic!("read {}: {e}", file.display()));
        lifts_the_ban(&source)
    });
    let name = |file: PathBuf| {
        file.strip_prefix(&root)
            .expect("a member of the workspace")
            .display()
            .to_string()
    };
    let violations = door_violations(&lifting.map(name).collect(), &doors);
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn every_crate_is_under_the_workspaces_lints() {
    for package in packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("read a manifest");
        let manifest: toml::Table = manifest.parse().expect("a manifest that cargo could read");
        // Cargo refuses other lints next to this, so that no crate can lift the ban for itself.
        let inherited = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        assert_eq!(
            inherited.and_then(toml::Value::as_bool),
            Some(true),
            "[lints] of {}",
            package.name
        );
    }
}

// ---- the rules can fail ----

fn imports(text: &str) -> Imports {
    parse_imports(
        &text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect::<Vec<_>>(),
    )
    .expect("a map")
}

#[test]
fn each_kind_of_disagreement_is_found() {
    let allowed = imports("record:\nhost: record\nrunner: record host");
    let table = [
        ("record:\nhost: record\nrunner: host", vec![]),
        ("record:\nhost: record\nrunner: record host", vec![]),
        (
            "record: host\nhost: record\nrunner:",
            vec!["record imports host, which the map does not allow"],
        ),
        (
            "record:\nhost:\nrunner:\nanalysis: record",
            vec!["analysis is missing from the map"],
        ),
        (
            "record:\nrunner:",
            vec!["the map names host, and there is no such crate"],
        ),
    ];
    for (actual, expected) in table {
        assert_eq!(
            import_violations(&imports(actual), &allowed),
            expected,
            "{actual}"
        );
    }
}

#[test]
fn a_dependency_of_any_kind_is_an_import() {
    let metadata = r#"{"packages": [{"name": "runner", "manifest_path": "/x/Cargo.toml", "dependencies": [
        {"name": "host", "kind": null, "path": "/x/host"},
        {"name": "record", "kind": "dev", "path": "/x/record"},
        {"name": "codegen", "kind": "build", "path": "/x/codegen"},
        {"name": "libc", "kind": null}
    ]}]}"#;
    let metadata: Metadata = serde_json::from_str(metadata).expect("the form of `cargo metadata`");
    assert_eq!(
        actual_imports(metadata.packages),
        imports("runner: host record codegen")
    );
}

#[test]
fn a_map_that_cannot_be_read_is_an_error() {
    let markdown =
        "# A\n```allowed-imports\n# by data flow\nrecord:\n\nhost: record\n```\n```open\nx";
    assert_eq!(
        block(markdown, "allowed-imports"),
        Ok(vec!["record:", "host: record"])
    );
    assert!(block(markdown, "unsafe-doors").is_err_and(|e| e.contains("no block")));
    assert!(block(markdown, "open").is_err_and(|e| e.contains("not closed")));
    assert!(parse_imports(&["record"]).is_err_and(|e| e.contains("no colon")));
    assert!(parse_imports(&["a:", "a: b"]).is_err_and(|e| e.contains("twice")));
}

#[test]
fn a_lifted_ban_is_found_in_each_form_and_a_comment_is_none() {
    // Built from parts, so that this file is not itself found.
    let lint = ["unsafe", "code"].join("_");
    let lifting = [
        format!("#![allow({lint})]"),
        format!("#[allow({lint})]\nfn f() {{}}"),
        format!("#![expect(\n    dead_code,\n    {lint},\n    reason = \"x\"\n)]"),
        format!("#![cfg_attr(target_arch = \"bpf\", allow({lint}))]"),
    ];
    for source in lifting {
        assert!(lifts_the_ban(&source), "{source}");
    }
    for source in [
        format!("// #![allow({lint})]"),
        format!("#![deny({lint})]"),
        "#![allow(dead_code)]".into(),
    ] {
        assert!(!lifts_the_ban(&source), "{source}");
    }
}

#[test]
fn a_door_must_be_listed_and_a_listed_door_must_be_one() {
    let set = |files: &[&str]| {
        files
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        door_violations(&set(&["a.rs"]), &set(&["a.rs"])),
        Vec::<String>::new()
    );
    let violations = door_violations(&set(&["a.rs", "b.rs"]), &set(&["a.rs", "c.rs"]));
    assert_eq!(
        violations,
        [
            "b.rs allows unsafe code and is not listed as a door",
            "c.rs is listed as a door and allows no unsafe code"
        ]
    );
}
