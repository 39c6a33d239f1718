//! The BPF object and its manifest: what it was built from and with, and which object a run
//! uses when there are two.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::shell::Cmd;
use crate::sources::{Sources, sha256_of_file};
use crate::toolchain::Versions;
use crate::workspace::Workspace;

/// Form of the manifest. A manifest of another form is not read.
const FORMAT: u32 = 1;

/// What is known of an object, beside it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// SHA-256 of the object.
    pub(crate) object_sha256: String,
    /// SHA-256 over `sources`.
    pub(crate) sources_sha256: String,
    pub(crate) toolchain: Versions,
    /// The architecture of the kernel that the programs are for: `pt_regs` differs.
    pub(crate) kernel_arch: String,
    pub(crate) sources: Sources,
}

impl Manifest {
    pub(crate) fn new(object: &Path, sources: Sources, toolchain: Versions) -> Result<Self> {
        Ok(Self {
            format: FORMAT,
            object_sha256: sha256_of_file(object)?,
            sources_sha256: sources.sha256(),
            toolchain,
            kernel_arch: std::env::consts::ARCH.to_owned(),
            sources,
        })
    }
}

/// Who built an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This machine, from the checkout.
    Rebuilt,
    /// It came with the checkout.
    Prebuilt,
}

impl Origin {
    /// As the environment variable says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rebuilt => "rebuilt",
            Self::Prebuilt => "prebuilt",
        }
    }
}

/// An object's place on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) origin: Origin,
    pub(crate) path: PathBuf,
    pub(crate) manifest: PathBuf,
}

/// How an object relates to the sources in the checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    /// It can't be used, and why.
    Unusable(String),
    /// Made from other sources: what has changed since.
    Stale(Vec<String>),
    /// Made from exactly these sources.
    Fresh,
}

impl Object {
    pub(crate) fn rebuilt(workspace: &Workspace) -> Self {
        let dir = workspace.ebpf_target();
        Self {
            origin: Origin::Rebuilt,
            path: dir.join("probes.o"),
            manifest: dir.join("probes.json"),
        }
    }

    pub(crate) fn prebuilt(workspace: &Workspace) -> Self {
        let dir = workspace.prebuilt();
        Self {
            origin: Origin::Prebuilt,
            path: dir.join("probes.o"),
            manifest: dir.join("manifest.json"),
        }
    }

    /// The variables that tell a program which object to load.
    pub(crate) fn environment(&self) -> [(String, String); 2] {
        let path = self.path.to_string_lossy().into_owned();
        [
            ("JAIL_TOOLS_BPF_OBJECT".into(), path),
            ("JAIL_TOOLS_BPF_ORIGIN".into(), self.origin.name().into()),
        ]
    }

    /// Puts a built object and its manifest here.
    pub(crate) fn store(&self, built: &Path, manifest: &Manifest) -> Result<()> {
        let dir = self
            .path
            .parent()
            .with_context(|| format!("{} has no folder", self.path.display()))?;
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        std::fs::copy(built, &self.path)
            .with_context(|| format!("copy {} to {}", built.display(), self.path.display()))?;
        let json = serde_json::to_string_pretty(manifest).context("write the manifest as JSON")?;
        std::fs::write(&self.manifest, json + "\n")
            .with_context(|| format!("write {}", self.manifest.display()))
    }

    pub(crate) fn read_manifest(&self) -> Result<Manifest> {
        let name = self.manifest.display();
        let json = std::fs::read(&self.manifest).with_context(|| format!("read {name}"))?;
        let manifest: Manifest =
            serde_json::from_slice(&json).with_context(|| format!("parse {name}"))?;
        if manifest.format != FORMAT {
            bail!(
                "{name} has format {}, this xtask reads format {FORMAT}",
                manifest.format
            );
        }
        Ok(manifest)
    }

    /// Compares the object with the sources as they are now.
    pub(crate) fn state(&self, now: &Sources) -> State {
        if !self.path.exists() {
            return State::Absent;
        }
        let checked = self
            .read_manifest()
            .and_then(|m| Ok((sha256_of_file(&self.path)?, m)));
        let (sha256, manifest) = match checked {
            Ok(checked) => checked,
            Err(error) => return State::Unusable(format!("{error:#}")),
        };
        if sha256 != manifest.object_sha256 {
            let path = self.path.display();
            return State::Unusable(format!(
                "{path} is not the object that its manifest describes"
            ));
        }
        if manifest.kernel_arch != std::env::consts::ARCH {
            let (theirs, ours) = (manifest.kernel_arch, std::env::consts::ARCH);
            return State::Unusable(format!(
                "{} is for kernels on {theirs}, not {ours}",
                self.path.display()
            ));
        }
        match now.changes_since(&manifest.sources) {
            changes if changes.is_empty() => State::Fresh,
            changes => State::Stale(changes),
        }
    }
}

/// What to run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Use(Origin),
    /// Neither is fresh, but a toolchain is at hand.
    Build,
    /// Made from other sources, for lack of a better one.
    UseStale(Origin, Vec<String>),
    /// There is no object: why not, for each.
    Nothing(Vec<String>),
}

/// A fresh object first, the rebuilt one before the committed one. A stale one only where
/// none can be built; the loader refuses it should its ABI number differ.
pub(crate) fn choose(rebuilt: State, prebuilt: State, can_build: impl FnOnce() -> bool) -> Choice {
    if rebuilt == State::Fresh {
        return Choice::Use(Origin::Rebuilt);
    }
    if prebuilt == State::Fresh {
        return Choice::Use(Origin::Prebuilt);
    }
    if can_build() {
        return Choice::Build;
    }
    let mut reasons = Vec::new();
    // Of two stale objects the committed one has been tested.
    for (origin, state) in [(Origin::Prebuilt, prebuilt), (Origin::Rebuilt, rebuilt)] {
        match state {
            State::Stale(changes) => return Choice::UseStale(origin, changes),
            State::Unusable(why) => reasons.push(why),
            State::Absent | State::Fresh => {
                reasons.push(format!("there is no {} object", origin.name()));
            }
        }
    }
    Choice::Nothing(reasons)
}

/// An object to run with. `None`: without BPF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selected(pub(crate) Option<Object>);

impl Selected {
    /// Tells the command, and the tests that it runs, which object to load.
    pub(crate) fn pass_to(&self, cmd: Cmd) -> Cmd {
        let environment = self.0.iter().flat_map(Object::environment);
        environment.fold(cmd, |cmd, (name, value)| cmd.env(&name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stale() -> State {
        State::Stale(vec!["main.rs (changed)".into()])
    }

    #[test]
    fn a_fresh_object_is_used_and_a_stale_one_only_for_lack_of_a_toolchain() {
        use State::{Absent, Fresh};
        let changed = vec!["main.rs (changed)".to_owned()];
        let table = [
            (Fresh, Fresh, true, Choice::Use(Origin::Rebuilt)),
            (stale(), Fresh, true, Choice::Use(Origin::Prebuilt)),
            (Absent, Fresh, false, Choice::Use(Origin::Prebuilt)),
            (stale(), stale(), true, Choice::Build),
            (Absent, Absent, true, Choice::Build),
            (
                Absent,
                stale(),
                false,
                Choice::UseStale(Origin::Prebuilt, changed.clone()),
            ),
            (
                stale(),
                State::Unusable("broken".into()),
                false,
                Choice::UseStale(Origin::Rebuilt, changed),
            ),
            (
                Absent,
                State::Unusable("broken".into()),
                false,
                Choice::Nothing(vec!["broken".into(), "there is no rebuilt object".into()]),
            ),
        ];
        for (rebuilt, prebuilt, can_build, expected) in table {
            let name = format!("{rebuilt:?} {prebuilt:?} {can_build}");
            assert_eq!(choose(rebuilt, prebuilt, || can_build), expected, "{name}");
        }
    }

    #[test]
    fn a_toolchain_is_not_looked_for_when_it_is_not_needed() {
        let choice = choose(State::Absent, State::Fresh, || {
            unreachable!("a fresh object is there")
        });
        assert_eq!(choice, Choice::Use(Origin::Prebuilt));
    }

    fn sources(text: &str) -> Sources {
        serde_json::from_value(serde_json::json!({ "main.rs": text })).expect("a list of sources")
    }

    #[test]
    fn an_object_is_fresh_until_its_sources_or_its_bytes_change() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let built = dir.path().join("built");
        std::fs::write(&built, "object").expect("write the object");
        let object = Object {
            origin: Origin::Prebuilt,
            path: dir.path().join("prebuilt/probes.o"),
            manifest: dir.path().join("prebuilt/manifest.json"),
        };
        assert_eq!(object.state(&sources("a")), State::Absent);
        let text = String::from;
        let toolchain = Versions {
            rustc: text("rustc 1"),
            rustc_llvm: text("22"),
            cargo: text("cargo 1"),
            linker: text("bpf-linker 0"),
            linker_llvm: text("22"),
        };
        let manifest = Manifest::new(&built, sources("a"), toolchain).expect("the object is there");
        object
            .store(&built, &manifest)
            .expect("the folder can be written");
        assert_eq!(
            object.read_manifest().expect("it was just written"),
            manifest
        );
        assert_eq!(object.state(&sources("a")), State::Fresh);
        assert_eq!(object.state(&sources("b")), stale());

        let other = Manifest {
            kernel_arch: "other".into(),
            ..manifest.clone()
        };
        object
            .store(&built, &other)
            .expect("the folder can be written");
        assert!(
            matches!(object.state(&sources("a")), State::Unusable(why) if why.contains("kernels on other"))
        );

        let future = Manifest {
            format: FORMAT + 1,
            ..manifest.clone()
        };
        object
            .store(&built, &future)
            .expect("the folder can be written");
        assert!(
            matches!(object.state(&sources("a")), State::Unusable(why) if why.contains("format 2"))
        );

        object
            .store(&built, &manifest)
            .expect("the folder can be written");
        std::fs::write(&object.path, "tampered").expect("write the object");
        assert!(
            matches!(object.state(&sources("a")), State::Unusable(why) if why.contains("not the object"))
        );
    }
}
