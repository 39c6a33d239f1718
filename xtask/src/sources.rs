//! What the BPF object is made from, as a list that can be compared: name → content hash or
//! version. Not the toolchain: two toolchains may make different bytes of the same sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The package that holds the programs.
const PACKAGE: &str = "probes-ebpf";

/// Every input of the build by name: files by their hash, crates by their version and
/// checksum, settings by their text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Reads the inputs of the build in the checkout `root`. `flags` are those that the
    /// build passes on to the compiler, apart from paths.
    pub(crate) fn read(root: &Path, flags: &[&str]) -> Result<Self> {
        let mut inputs = BTreeMap::new();
        inputs.insert("flags".to_owned(), flags.join(" "));
        let package = root.join(PACKAGE);
        let mut files = vec![package.join("Cargo.toml")];
        list_files(&package.join("src"), &mut files)?;
        let build_script = package.join("build.rs");
        files.extend(build_script.exists().then_some(build_script));
        for file in files {
            let name = file
                .strip_prefix(root)
                .unwrap_or(&file)
                .to_string_lossy()
                .into_owned();
            inputs.insert(name, sha256_of_file(&file)?);
        }
        inputs.extend(settings(&read(&root.join("Cargo.toml"))?)?);
        inputs.extend(locked_crates(&read(&root.join("Cargo.lock"))?)?);
        Ok(Self(inputs))
    }

    /// One hash over all of it.
    pub(crate) fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, value) in &self.0 {
            // Lengths first, so that no two lists run together into the same bytes.
            hasher.update(format!("{}:{name}={}:{value}\n", name.len(), value.len()));
        }
        hex(&hasher.finalize())
    }

    /// The inputs that differ from `other`, each with what happened to it since.
    pub(crate) fn changes_since(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let change = |name: &&String| match (other.0.get(*name), self.0.get(*name)) {
            (None, _) => Some(format!("{name} (new)")),
            (_, None) => Some(format!("{name} (gone)")),
            (before, now) => (before != now).then(|| format!("{name} (changed)")),
        };
        names.iter().filter_map(change).collect()
    }
}

/// The settings in the workspace's manifest that the object depends on.
fn settings(manifest: &str) -> Result<BTreeMap<String, String>> {
    let manifest: toml::Table = manifest.parse().context("parse Cargo.toml")?;
    let at = |path: &[&str]| {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(manifest.get(*first)?, |value, key| value.get(key))
    };
    let paths: [&[&str]; 3] = [
        &["profile", "bpf"],
        &["profile", "release"],
        &["workspace", "package", "edition"],
    ];
    let found = paths.into_iter().filter_map(|path| Some((path, at(path)?)));
    let text = |(path, value): (&[&str], &toml::Value)| {
        Ok((
            format!("Cargo.toml [{}]", path.join(".")),
            serde_json::to_string(value).context("write a setting")?,
        ))
    };
    found.map(text).collect()
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<LockedCrate>,
}

#[derive(Deserialize)]
struct LockedCrate {
    name: String,
    version: String,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl LockedCrate {
    /// A lock file names a dependency as `name`, `name version` or `name version (source)`,
    /// as much as it needs to be unique.
    fn is_named(&self, dependency: &str) -> bool {
        let mut words = dependency.split(' ');
        words.next() == Some(&self.name)
            && words.next().is_none_or(|version| version == self.version)
    }
}

/// The crates that the programs are built with, directly or not. A few of them are only for
/// the host (proc macros): they make the code too.
fn locked_crates(lock: &str) -> Result<BTreeMap<String, String>> {
    let lock: Lock = toml::from_str(lock).context("parse Cargo.lock")?;
    let mut found = BTreeMap::new();
    let mut wanted = vec![PACKAGE.to_owned()];
    while let Some(dependency) = wanted.pop() {
        let Some(locked) = lock.package.iter().find(|p| p.is_named(&dependency)) else {
            continue;
        };
        let name = format!("crate {} {}", locked.name, locked.version);
        // A path dependency has no checksum; ours is hashed file by file.
        let checksum = locked.checksum.clone().unwrap_or_default();
        if found.insert(name, checksum).is_none() {
            wanted.extend(locked.dependencies.iter().cloned());
        }
    }
    Ok(found)
}

fn list_files(dir: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("list {}", dir.display()))?
            .path();
        if path.is_dir() {
            list_files(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// SHA-256 of a file's bytes, in hexadecimal.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(hex(&Sha256::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOCK: &str = r#"
        version = 4
        [[package]]
        name = "probes-ebpf"
        version = "0.1.0"
        dependencies = ["a", "b 2.0.0"]
        [[package]]
        name = "a"
        version = "1.0.0"
        checksum = "aa"
        dependencies = ["b 2.0.0"]
        [[package]]
        name = "b"
        version = "1.0.0"
        checksum = "b1"
        [[package]]
        name = "b"
        version = "2.0.0"
        checksum = "b2"
        dependencies = ["a"]
        [[package]]
        name = "unrelated"
        version = "9.0.0"
    "#;

    fn checkout() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("has a parent"))
                .expect("create its folder");
            std::fs::write(path, text).expect("write a file of the test");
        };
        write(
            "Cargo.toml",
            "[workspace.package]\nedition = \"2024\"\n[profile.bpf]\nlto = true\n[profile.dev]\n",
        );
        write("Cargo.lock", LOCK);
        write("probes-ebpf/Cargo.toml", "[package]\n");
        write("probes-ebpf/src/main.rs", "fn main() {}\n");
        write("probes-ebpf/src/programs/block.rs", "// block\n");
        write("probes-ebpf/prebuilt/manifest.json", "{}");
        root
    }

    fn read_sources(root: &Path) -> Sources {
        Sources::read(root, &["--btf"]).expect("the checkout is complete")
    }

    #[test]
    fn only_crates_that_the_programs_use_count() {
        let crates = locked_crates(LOCK).expect("a lock file");
        let names: Vec<&str> = crates.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["crate a 1.0.0", "crate b 2.0.0", "crate probes-ebpf 0.1.0"]
        );
    }

    #[test]
    fn what_changed_is_named_and_changes_the_hash() {
        let root = checkout();
        let before = read_sources(root.path());
        assert_eq!(read_sources(root.path()), before);
        let table = [
            (
                "probes-ebpf/src/main.rs",
                "fn main() { }\n",
                "probes-ebpf/src/main.rs (changed)",
            ),
            (
                "probes-ebpf/src/programs/irq.rs",
                "// irq\n",
                "probes-ebpf/src/programs/irq.rs (new)",
            ),
            (
                "Cargo.toml",
                "[profile.bpf]\nlto = false\n",
                "Cargo.toml [profile.bpf] (changed)",
            ),
            (
                "Cargo.lock",
                &LOCK.replace("\"aa\"", "\"ab\""),
                "crate a 1.0.0 (changed)",
            ),
        ];
        for (file, text, expected) in table {
            std::fs::write(root.path().join(file), text).expect("change the checkout");
            let now = read_sources(root.path());
            assert!(
                now.changes_since(&before).contains(&expected.to_owned()),
                "{expected}"
            );
            assert_ne!(now.sha256(), before.sha256(), "{expected}");
        }
        std::fs::remove_file(root.path().join("probes-ebpf/src/programs/block.rs"))
            .expect("remove a source");
        let gone = "probes-ebpf/src/programs/block.rs (gone)".to_owned();
        assert!(
            read_sources(root.path())
                .changes_since(&before)
                .contains(&gone)
        );
        let other_flags = Sources::read(root.path(), &["-O3"]).expect("the checkout is complete");
        assert!(
            other_flags
                .changes_since(&before)
                .contains(&"flags (changed)".to_owned())
        );
    }

    #[test]
    fn what_is_not_a_source_does_not_count() {
        let root = checkout();
        let before = read_sources(root.path());
        std::fs::write(
            root.path().join("probes-ebpf/prebuilt/manifest.json"),
            "{\"a\":1}",
        )
        .expect("write");
        std::fs::write(
            root.path().join("Cargo.lock"),
            LOCK.replace("9.0.0", "9.1.0"),
        )
        .expect("write");
        assert_eq!(
            read_sources(root.path()).changes_since(&before),
            Vec::<String>::new()
        );
    }

    proptest! {
        #[test]
        fn different_lists_have_different_hashes(
            a in proptest::collection::btree_map("[a=:\n]{0,4}", "[a=:\n]{0,4}", 0..4),
            b in proptest::collection::btree_map("[a=:\n]{0,4}", "[a=:\n]{0,4}", 0..4),
        ) {
            let (a, b) = (Sources(a), Sources(b));
            prop_assert_eq!(a == b, a.sha256() == b.sha256());
            prop_assert_eq!(a == b, a.changes_since(&b).is_empty());
        }

        #[test]
        fn no_text_makes_the_lock_parser_panic(text in ".{0,200}") {
            let _ = locked_crates(&text);
        }
    }
}
