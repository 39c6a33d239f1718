//! Where things are: the checkout, cargo, and cargo's target folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::Cmd;

/// The checkout that this xtask belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the user's settings put it.
    pub(crate) target: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    target_directory: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable for `cargo run`; what was compiled in would be the old
        // place after the checkout was moved together with its target folder.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .parent()
            .context("xtask's folder has no parent")?
            .to_owned();
        let metadata = cargo()
            .args([
                "metadata",
                "--no-deps",
                "--format-version",
                "1",
                "--offline",
            ])
            .dir(&root)
            .read()?;
        let metadata: Metadata =
            serde_json::from_str(&metadata).context("parse the output of `cargo metadata`")?;
        Ok(Self {
            root,
            target: metadata.target_directory,
        })
    }

    /// Tools that `setup` builds for this checkout alone.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Everything of the BPF build.
    pub(crate) fn ebpf_target(&self) -> PathBuf {
        self.target.join("ebpf")
    }

    /// Kernels, guests and what was seen in them.
    pub(crate) fn vm(&self) -> PathBuf {
        self.target.join("vm")
    }

    /// The folder of the committed object.
    pub(crate) fn prebuilt(&self) -> PathBuf {
        self.root.join("probes-ebpf/prebuilt")
    }

    /// Builds the binary `jail-tools` and returns its path.
    pub(crate) fn build_release(&self) -> Result<PathBuf> {
        self.build_binary("jail-tools", "jail-tools")
    }

    /// Builds a package with optimisation and returns the path of its binary.
    pub(crate) fn build_binary(&self, package: &str, binary: &str) -> Result<PathBuf> {
        cargo()
            .args(["build", "--release", "--package", package])
            .dir(&self.root)
            .run()?;
        Ok(self.target.join("release").join(binary))
    }
}

/// The cargo that started us, else the one on PATH.
pub(crate) fn cargo() -> Cmd {
    Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
