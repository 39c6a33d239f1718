//! `cargo xtask ci`: everything that must pass before a merge, the quick checks first.

use anyhow::Result;

use crate::verbs::{build_ebpf, setup, test};
use crate::workspace::{Workspace, cargo};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    cargo()
        .args(["fmt", "--all", "--", "--check"])
        .dir(&workspace.root)
        .run()?;
    setup::ensure(workspace)?;
    build_ebpf::run(
        workspace,
        &build_ebpf::Options {
            check: true,
            update_prebuilt: false,
        },
    )?;
    cargo()
        .args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ])
        .dir(&workspace.root)
        .run()?;
    test::run(workspace, &test::Options::default())
}
