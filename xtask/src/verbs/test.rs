//! `cargo xtask test`: every test of the workspace, with the BPF object that this machine
//! can have, and a last line that counts what did not run.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use guest::Verified;

use crate::checkers;
use crate::object::{Object, Selected};
use crate::observe;
use crate::shell::Cmd;
use crate::tally::Tally;
use crate::toolchain;
use crate::verbs::{build_ebpf, run::select_object, setup};
use crate::vm::results::{self, Results};
use crate::workspace::{Workspace, cargo};

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Also the tests that take minutes
    #[arg(long)]
    long: bool,
    /// Only tests whose name contains one of these
    filter: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let object = object_under_test(workspace)?;
    let binary = workspace.build_release()?;
    let skip_log = workspace.target.join("skipped-tests.log");
    let verified_log = workspace.target.join("verified-by-tests.log");
    remove_if_there(&skip_log)?;
    remove_if_there(&verified_log)?;

    let mut cmd = cargo()
        .args(["test", "--workspace", "--no-fail-fast", "--"])
        .args(&options.filter)
        .env("JAIL_TOOLS_BIN", binary)
        .env("JAIL_TOOLS_SKIP_LOG", &skip_log)
        .env("JAIL_TOOLS_VERIFIED_LOG", &verified_log)
        .dir(&workspace.root);
    if options.long {
        cmd = cmd.env("JAIL_TOOLS_LONG_TESTS", "1");
    }
    let cmd = object.pass_to(cmd);

    let mut tally = Tally::default();
    let status = cmd.stream(|line| {
        println!("{line}");
        tally.add_line(line);
    })?;
    let checked = checkers::run(workspace, options.filter.is_empty(), &mut tally);
    tally.add_skipped(&read_if_there(&skip_log)?);
    for line in tally.skipped_lines() {
        println!("{line}");
    }
    println!("{tally}");
    if !status.success() && !tally.any_failed() {
        eprintln!(
            "`cargo test` failed without a failed test: it did not compile, or a test program died"
        );
    }
    cmd.check(status)?;
    checked?;
    if options.filter.is_empty() {
        record(workspace, &tally, &read_if_there(&verified_log)?)?;
    }
    Ok(())
}

/// What this very kernel was seen to do, for the table of kernels.
fn record(workspace: &Workspace, tally: &Tally, verified: &str) -> Result<()> {
    let (passed, failed, skipped) = tally.counts();
    let results = Results {
        kernel: Cmd::new("uname").arg("-r").read()?.trim().to_owned(),
        machine: "host".into(),
        date: results::today()?,
        commit: results::commit(workspace)?,
        passed: passed as usize,
        failed: failed as usize,
        skipped: skipped as usize,
        verified: verified.lines().filter_map(Verified::from_line).collect(),
    };
    results.store(&results::fresh(workspace))
}

/// The rebuilt object wherever there is a toolchain, and in CI (`CI` is set) one is
/// installed for it; else the one that `run` would use.
pub(crate) fn object_under_test(workspace: &Workspace) -> Result<Selected> {
    let in_ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false");
    let toolchain = if in_ci {
        setup::ensure(workspace)?
    } else {
        match toolchain::choose(&observe::facts(workspace, false)) {
            Ok(toolchain) => toolchain,
            Err(reasons) => {
                eprintln!(
                    "no BPF toolchain (`cargo xtask setup` installs one): {}",
                    reasons.join("; ")
                );
                return select_object(workspace);
            }
        }
    };
    build_ebpf::build(workspace, &toolchain)?;
    Ok(Selected(Some(Object::rebuilt(workspace))))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Empty where no test skipped itself.
fn read_if_there(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => bail!("read {}: {error}", path.display()),
    }
}
