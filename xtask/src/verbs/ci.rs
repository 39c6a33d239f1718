//! `cargo xtask ci`: everything that must pass before a merge, the quick checks first.

use anyhow::Result;

use crate::jail_binary;
use crate::shell::Cmd;
use crate::verbs::{build_ebpf, kernels, setup, test, vm};
use crate::vm::kernels::Wanted;
use crate::workspace::{Workspace, cargo};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    cargo()
        .args(["fmt", "--all", "--", "--check"])
        .dir(&workspace.root)
        .run()?;
    setup::ensure(workspace)?;
    setup::ensure_machines(workspace)?;
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
    let procjail = jail_binary::build(workspace)?;
    Cmd::new(procjail).args(["run", "--", "true"]).run()?;
    kernels::run(workspace, &kernels::Options { check: true })?;
    vm::run(
        workspace,
        &vm::Options::self_check(Wanted::Series("6.1".into())),
    )?;
    vm::run(workspace, &vm::Options::of(Wanted::All))?;
    test::run(workspace, &test::Options::default())
}
