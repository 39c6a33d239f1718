//! Tests once more, under ThreadSanitizer and Miri, as part of `cargo xtask test`. What is
//! missing for one of them makes it a skip with its reason, never an error.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::observe;
use crate::sanitize::{self, Candidate, Plan};
use crate::shell::Cmd;
use crate::tally::Tally;
use crate::toolchain::Compiler;
use crate::verbs::build_ebpf::compiler_command;
use crate::workspace::Workspace;

/// The crate with the unsafe code and the atomics.
const PACKAGE: &str = "mutex-condvar";

/// Instrumented code is some times slower.
const MOVES: &str = "300000";

/// Runs both, if all tests were asked for; a filter is for tests of another name.
pub(crate) fn run(workspace: &Workspace, all: bool, tally: &mut Tally) -> Result<()> {
    if !all {
        return Ok(());
    }
    let threads = thread_sanitizer(workspace, tally);
    miri(workspace, tally)?;
    threads
}

fn thread_sanitizer(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let what = format!("{PACKAGE} under ThreadSanitizer");
    let arch = std::env::consts::ARCH;
    if !["x86_64", "aarch64"].contains(&arch) {
        tally.add_not_run(&what, &format!("not known to work on {arch}"));
        return Ok(());
    }
    let target = format!("{arch}-unknown-linux-gnu");
    let candidates: Vec<Candidate> = observe::compilers()
        .into_iter()
        .map(|compiler| Candidate {
            runtime: runtime(&compiler, &target),
            compiler,
        })
        .collect();
    let (compiler, borrowed) = match sanitize::plan(&candidates) {
        Plan::Run { compiler, borrowed } => (compiler, borrowed),
        Plan::Skip(why) => {
            tally.add_not_run(&what, &why);
            return Ok(());
        }
    };
    let command = compiler_command(&compiler.route)
        .args(["test", "-Zbuild-std", "--package", PACKAGE])
        .args(["--target", target.as_str(), "--target-dir"])
        .arg(workspace.target.join("thread-sanitizer"))
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            sanitize::rustflags(borrowed.as_ref()),
        )
        // Most of the time is the standard library's and the dependencies' compilation.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("JAIL_TOOLS_THREAD_SANITIZER", "1")
        .env("JAIL_TOOLS_STRESS_MOVES", MOVES)
        .env_remove("JAIL_TOOLS_LONG_TESTS")
        .dir(&workspace.root);
    let passed = tests(
        &command.clone().args(["--lib", "--test", "stress"]),
        &["--skip", "needs_time"],
        tally,
    )?;
    // It must be seen to report a race where there is one.
    let caught = tests(
        &command.args(["--test", "broken"]),
        &["stress_catches_relaxed_unlock"],
        tally,
    )?;
    if passed == 0 || caught != 1 {
        bail!("{what}: {passed} tests and {caught} proof that it sees races, and not one");
    }
    println!("{what}: {passed} tests found no race, and a planted race was found");
    Ok(())
}

fn runtime(compiler: &Compiler, target: &str) -> Option<PathBuf> {
    let libraries = compiler
        .sysroot
        .join("lib/rustlib")
        .join(target)
        .join("lib");
    let entries = std::fs::read_dir(libraries).ok()?;
    entries.flatten().map(|e| e.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("librustc") && name.ends_with("_rt.tsan.a")
    })
}

/// Miri runs what needs no system call but futex(2).
fn miri(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let what = format!("{PACKAGE} under Miri");
    let cargo = || observe::rustup_nightly("cargo").env_remove("RUSTC");
    if cargo().args(["miri", "--version"]).read().is_err() {
        tally.add_not_run(&what, "`cargo +nightly miri` is not installed");
        return Ok(());
    }
    let command = cargo()
        .args(["miri", "test", "--package", PACKAGE, "--lib"])
        .args(["--test", "sequential", "--target-dir"])
        .arg(workspace.target.join("miri"))
        // It is a thousand times slower; and proptest wants to know the working directory.
        .env("PROPTEST_CASES", "8")
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .dir(&workspace.root);
    let passed = tests(&command, &[], tally)?;
    println!("{what}: {passed} tests");
    Ok(())
}

/// Runs them and counts them; how many passed.
fn tests(command: &Cmd, args: &[&str], tally: &mut Tally) -> Result<u64> {
    let command = command.clone().arg("--").args(args);
    let mut own = Tally::default();
    let status = command.stream(|line| {
        println!("{line}");
        own.add_line(line);
        tally.add_line(line);
    })?;
    command.check(status)?;
    Ok(own.counts().0)
}
