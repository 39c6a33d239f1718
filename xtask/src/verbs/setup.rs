//! `cargo xtask setup`: installs what compiling the BPF programs and emulating machines needs,
//! and nothing else.

use anyhow::{Result, bail};

use crate::observe;
use crate::shell::Cmd;
use crate::toolchain::{Decision, LINKER_VERSION, LlvmLibrary, Privilege, Step, Toolchain, decide};
use crate::vm::emulator::{self, Emulator};
use crate::vm::needed;
use crate::workspace::{Workspace, cargo};

/// Installs what is missing; with `dry_run` only prints the next command.
pub(crate) fn run(workspace: &Workspace, dry_run: bool) -> Result<()> {
    if !dry_run {
        ensure(workspace)?;
        return ensure_machines(workspace);
    }
    let missing = needed::missing_packages(workspace);
    if let Some(command) = machines(&missing, observe::privilege()) {
        if observe::has_apt() {
            let update = as_root(observe::privilege()).args(["apt-get", "update"]);
            println!("{}\n{}", update.line(), command.line());
        } else {
            println!("# without apt, by hand: {}", missing.join(" "));
        }
    }
    let facts = observe::facts(workspace, false);
    match decide(&facts) {
        Decision::Ready(toolchain) => announce(&toolchain),
        Decision::Stuck(reasons) => bail!(stuck(&reasons)),
        Decision::Do(step) => {
            println!("{}", command(workspace, &step, facts.privilege).line());
            if !matches!(step, Step::InstallLinker { .. }) {
                println!(
                    "# then it looks again: which LLVM to install is known only once the compiler is there"
                );
            }
        }
    }
    Ok(())
}

/// A toolchain, installed if need be. Looks again after every step, because what a step
/// brings (which compiler, with which LLVM) is decided by the package manager.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Toolchain> {
    let mut done: Vec<Step> = Vec::new();
    loop {
        let facts = observe::facts(workspace, done.contains(&Step::AptUpdate));
        let step = match decide(&facts) {
            Decision::Ready(toolchain) => {
                announce(&toolchain);
                return Ok(*toolchain);
            }
            Decision::Stuck(reasons) => bail!(stuck(&reasons)),
            Decision::Do(step) => step,
        };
        let command = command(workspace, &step, facts.privilege);
        if done.contains(&step) {
            bail!(
                "this command succeeded and yet what it installs is not found:\n  {}",
                command.line()
            );
        }
        match command.run() {
            // One unreachable source among many fails the update; the lists of the others,
            // and those from earlier, can still have what is needed.
            Err(error) if step == Step::AptUpdate => eprintln!("warning: {error:#}"),
            result => result?,
        }
        done.push(step);
    }
}

/// What `cargo xtask vm` makes machines with, installed if need be.
pub(crate) fn ensure_machines(workspace: &Workspace) -> Result<()> {
    let missing = needed::missing_packages(workspace);
    let Some(command) = machines(&missing, observe::privilege()) else {
        println!("machines: all that `cargo xtask vm` needs is here");
        return Ok(());
    };
    if observe::has_apt() {
        // The lists may never have been fetched, or name what is gone.
        update_lists();
        if let Err(error) = command.run() {
            without_the_emulator(workspace, error)?;
        }
    }
    match needed::missing_packages(workspace) {
        left if left.is_empty() => Ok(()),
        left => bail!(
            "not here, and not to be had by apt: {} (as Debian names these packages); install them for `cargo xtask vm`",
            left.join(", ")
        ),
    }
}

/// After a failure to install all that is missing: the emulator needs not be installed, so that
/// nothing has to go that is in its way.
fn without_the_emulator(workspace: &Workspace, error: anyhow::Error) -> Result<()> {
    if Emulator::find(workspace).is_some() {
        return Err(error);
    }
    eprintln!("warning: {error:#}");
    eprintln!("unpacking {} below target/ instead", emulator::PACKAGE);
    emulator::unpack(workspace)?;
    machines(&needed::missing_packages(workspace), observe::privilege())
        .map_or(Ok(()), |rest| rest.run())
}

/// Fetches apt's lists. One unreachable source among many fails this, and the others can still
/// have what is needed: so that it is a warning.
pub(crate) fn update_lists() {
    let update = as_root(observe::privilege()).args(["apt-get", "update"]);
    if let Err(error) = update.run() {
        eprintln!("warning: {error:#}");
    }
}

/// The one command that brings these packages; none if there are none.
fn machines(packages: &[&str], privilege: Privilege) -> Option<Cmd> {
    (!packages.is_empty()).then(|| install(privilege, packages))
}

fn install<S: AsRef<std::ffi::OsStr>>(privilege: Privilege, packages: &[S]) -> Cmd {
    as_root(privilege)
        .args([
            "apt-get",
            "install",
            "--yes",
            "--no-remove",
            "--no-install-recommends",
        ])
        .args(packages)
}

fn announce(toolchain: &Toolchain) {
    println!(
        "BPF toolchain: {} with {}",
        toolchain.compiler, toolchain.linker
    );
}

fn stuck(reasons: &[String]) -> String {
    format!("no BPF toolchain:\n  {}", reasons.join("\n  "))
}

/// The one command that a step is.
fn command(workspace: &Workspace, step: &Step, privilege: Privilege) -> Cmd {
    match step {
        Step::AptUpdate => as_root(privilege).args(["apt-get", "update"]),
        // `--no-remove`: rustc-web conflicts with rustc, and setup takes nothing away.
        Step::AptInstall(packages) => install(privilege, packages),
        Step::RustupNightlyWithSources => Cmd::new("rustup").args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ]),
        Step::InstallLinker { llvm } => install_linker(workspace, llvm),
    }
}

/// `env`, so that the variable passes through sudo and the printed line is what runs.
fn as_root(privilege: Privilege) -> Cmd {
    let noninteractive = "DEBIAN_FRONTEND=noninteractive";
    match privilege {
        Privilege::Sudo => Cmd::new("sudo").args(["env", noninteractive]),
        Privilege::Root | Privilege::Neither => Cmd::new("env").arg(noninteractive),
    }
}

/// Into the checkout's own target folder: nothing outside of it changes, and the user's
/// own bpf-linker stays as it is.
fn install_linker(workspace: &Workspace, llvm: &LlvmLibrary) -> Cmd {
    cargo()
        .args([
            "install",
            "bpf-linker",
            "--version",
            LINKER_VERSION,
            "--locked",
            "--no-default-features",
        ])
        .arg("--features")
        .arg(format!("llvm-{}", llvm.major))
        .arg("--root")
        .arg(workspace.tools())
        .env("LLVM_PREFIX", &llvm.prefix)
        // Its work is done inside libLLVM: its own code neither needs optimizing nor debug
        // info, and without them it builds in half the time and links the same bytes.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        Workspace {
            root: "/checkout".into(),
            target: "/checkout/target".into(),
        }
    }

    fn line(step: &Step, privilege: Privilege) -> String {
        command(&workspace(), step, privilege).line()
    }

    #[test]
    fn packages_are_installed_as_root_and_none_is_removed() {
        let step = Step::AptInstall(vec!["llvm-22-dev".into()]);
        let expected = "env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove \
                        --no-install-recommends llvm-22-dev";
        assert_eq!(line(&step, Privilege::Root), expected);
        assert_eq!(line(&step, Privilege::Sudo), format!("sudo {expected}"));
    }

    #[test]
    fn what_machines_need_is_one_command_or_none() {
        assert!(machines(&[], Privilege::Root).is_none());
        let command = machines(&["qemu-system-x86", "xz-utils"], Privilege::Sudo);
        let line = command.expect("two are missing").line();
        assert!(
            line.starts_with("sudo env") && line.ends_with("qemu-system-x86 xz-utils"),
            "{line}"
        );
    }

    #[test]
    fn the_linker_goes_into_the_checkout_and_is_built_with_the_llvm_that_was_found() {
        let llvm = LlvmLibrary {
            major: 23,
            prefix: "/opt/llvm".into(),
        };
        let line = line(&Step::InstallLinker { llvm }, Privilege::Neither);
        for part in [
            "LLVM_PREFIX=/opt/llvm",
            "--features llvm-23",
            "--root /checkout/target/tools",
            "--locked",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
