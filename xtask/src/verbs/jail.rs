//! `cargo xtask jail`: the jail, as it is meant to be built.

use std::ffi::OsString;

use anyhow::Result;

use crate::jail_binary;
use crate::shell::Cmd;
use crate::workspace::Workspace;

/// Builds the static `procjail` and becomes `procjail ARGS…`.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let binary = jail_binary::build(workspace)?;
    Err(Cmd::new(binary).args(args).exec())
}
