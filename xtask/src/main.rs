//! `cargo xtask`: what this project can do with itself. A file per verb in `verbs/`; the
//! decisions they rest on (`toolchain`, `object`, `sources`, `sanitize`, `tally`) look at nothing and
//! are tested as tables.

mod checkers;
mod jail_binary;
mod object;
mod observe;
mod sanitize;
mod shell;
mod sources;
mod tally;
mod toolchain;
mod verbs;
mod vm;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Build, run and test jail-tools"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build what is needed, then `jail-tools run ARGS…`
    // Its help is that of `jail-tools run`.
    #[command(disable_help_flag = true)]
    Run {
        /// Experiments and options of `jail-tools run`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build the static `procjail`, then `procjail ARGS…`
    // Its help is that of `procjail`.
    #[command(disable_help_flag = true)]
    Jail {
        /// Verb and options of `procjail`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run all tests, and say which could not run and why
    Test(verbs::test::Options),
    /// Compile the BPF programs from source
    BuildEbpf(verbs::build_ebpf::Options),
    /// Install what compiling the BPF programs and emulating machines needs, printing each command
    Setup {
        /// Only print what would be run
        #[arg(long)]
        dry_run: bool,
    },
    /// Run the tests on other kernels, in emulated machines
    Vm(verbs::vm::Options),
    /// Take over the last results on each kernel, and write README's table of them
    Kernels(verbs::kernels::Options),
    /// Everything that must pass before a merge
    Ci,
    /// Measure the observer's own cost (`jail-tools overhead ARGS…`), the queue beside its peers
    /// (`queue ARGS…`), or the jail beside its own (`jail ARGS…`)
    Bench(verbs::bench::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let workspace = Workspace::find()?;
    match cli.verb {
        Verb::Run { args } => verbs::run::run(&workspace, &args),
        Verb::Jail { args } => verbs::jail::run(&workspace, &args),
        Verb::Test(options) => verbs::test::run(&workspace, &options),
        Verb::BuildEbpf(options) => verbs::build_ebpf::run(&workspace, &options),
        Verb::Setup { dry_run } => verbs::setup::run(&workspace, dry_run),
        Verb::Vm(options) => verbs::vm::run(&workspace, &options),
        Verb::Kernels(options) => verbs::kernels::run(&workspace, &options),
        Verb::Ci => verbs::ci::run(&workspace),
        Verb::Bench(options) => verbs::bench::run(&workspace, &options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_after_run_jail_and_bench_are_passed_on() {
        for line in [
            ["xtask", "run", "syslat", "--quick", "--help"].as_slice(),
            &["xtask", "run", "--quick", "syslat", "--help"],
        ] {
            let Verb::Run { args } = Cli::try_parse_from(line)
                .expect("a valid command line")
                .verb
            else {
                panic!("`run` was parsed as another verb");
            };
            assert_eq!(
                args,
                line[2..].iter().map(OsString::from).collect::<Vec<_>>()
            );
        }
        let jail = [
            "xtask", "jail", "run", "--help", "--", "ls", "-l", "--", "x",
        ];
        let Ok(Verb::Jail { args }) = Cli::try_parse_from(jail).map(|cli| cli.verb) else {
            panic!("`jail` was parsed as another verb");
        };
        assert_eq!(args, jail[2..]);
        let bench = ["xtask", "bench", "--json", "-n", "3"];
        assert!(Cli::try_parse_from(bench).is_ok());
    }
}
