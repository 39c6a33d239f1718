//! `cargo xtask run`: the main job. Needs no BPF toolchain.

use std::ffi::OsString;

use anyhow::Result;

use crate::object::{Choice, Object, Origin, Selected, choose};
use crate::observe;
use crate::shell::Cmd;
use crate::sources::Sources;
use crate::toolchain;
use crate::verbs::build_ebpf;
use crate::workspace::Workspace;

/// Builds `jail-tools` and becomes `jail-tools run ARGS…`.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    become_jail_tools(workspace, "run", args)
}

/// Builds `jail-tools`, chooses the BPF object, and replaces this process with
/// `jail-tools VERB ARGS…`: its exit status and its signals are its own.
pub(crate) fn become_jail_tools(
    workspace: &Workspace,
    verb: &str,
    args: &[OsString],
) -> Result<()> {
    let binary = workspace.build_release()?;
    let object = select_object(workspace)?;
    Err(object.pass_to(Cmd::new(binary).arg(verb).args(args)).exec())
}

/// The object to run with, said on standard error.
pub(crate) fn select_object(workspace: &Workspace) -> Result<Selected> {
    let now = Sources::read(&workspace.root, build_ebpf::FLAGS)?;
    let (rebuilt, prebuilt) = (Object::rebuilt(workspace), Object::prebuilt(workspace));
    let mut toolchain = Err(Vec::new());
    let choice = choose(rebuilt.state(&now), prebuilt.state(&now), || {
        toolchain = toolchain::choose(&observe::facts(workspace, false));
        toolchain.is_ok()
    });
    let object_of = |origin| match origin {
        Origin::Rebuilt => rebuilt.clone(),
        Origin::Prebuilt => prebuilt.clone(),
    };
    let selected = match (choice, toolchain) {
        (Choice::Use(origin), _) => object_of(origin),
        (Choice::Build, Ok(toolchain)) => {
            build_ebpf::build(workspace, &toolchain)?;
            rebuilt.clone()
        }
        (Choice::UseStale(origin, changes), toolchain) => {
            eprintln!(
                "warning: the {} BPF object is stale: {}",
                origin.name(),
                changes.join(", ")
            );
            warn_no_toolchain(toolchain.err().unwrap_or_default());
            object_of(origin)
        }
        (Choice::Nothing(reasons), toolchain) => {
            eprintln!(
                "warning: no BPF object, running without BPF: {}",
                reasons.join("; ")
            );
            warn_no_toolchain(toolchain.err().unwrap_or_default());
            return Ok(Selected(None));
        }
        // `choose` answers `Build` only after the closure found a toolchain.
        (Choice::Build, Err(reasons)) => {
            anyhow::bail!("the BPF toolchain is gone: {}", reasons.join("; "))
        }
    };
    eprintln!(
        "BPF object: {}, {}",
        selected.origin.name(),
        selected.path.display()
    );
    Ok(Selected(Some(selected)))
}

fn warn_no_toolchain(reasons: Vec<String>) {
    for reason in reasons {
        eprintln!("  no toolchain to build it: {reason}");
    }
    eprintln!("  `cargo xtask setup` installs what is missing");
}
