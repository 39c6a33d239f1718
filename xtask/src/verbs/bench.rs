//! `cargo xtask bench`: what is measured of the project itself. The observer's own cost, as
//! `jail-tools overhead` measures it, and the bounded queue and the jail beside their peers.

use std::ffi::OsString;

use anyhow::{Result, bail};
use clap::Args;

use crate::jail_binary;
use crate::shell::Cmd;
use crate::verbs::run::become_jail_tools;
use crate::workspace::Workspace;

/// A benchmark: its name, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Benchmark {
    /// A verb of `jail-tools`, which is its name.
    Verb(&'static str),
    /// A package with a binary of its own.
    Binary {
        name: &'static str,
        package: &'static str,
        binary: &'static str,
        /// It measures the static `procjail`, and is told where that is.
        of_procjail: bool,
    },
}

/// All of them. The first is the default.
const BENCHMARKS: [Benchmark; 3] = [
    Benchmark::Verb("overhead"),
    Benchmark::Binary {
        name: "queue",
        package: "mutex-condvar-bench",
        binary: "queue-bench",
        of_procjail: false,
    },
    Benchmark::Binary {
        name: "jail",
        package: "procjail-bench",
        binary: "jail-bench",
        of_procjail: true,
    },
];

impl Benchmark {
    fn name(self) -> &'static str {
        match self {
            Self::Verb(name) | Self::Binary { name, .. } => name,
        }
    }
}

#[derive(Args)]
pub(crate) struct Options {
    /// The benchmark (`overhead`, `queue` or `jail`), then its options
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "BENCHMARK | OPTION"
    )]
    args: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let (benchmark, args) = benchmark(&options.args)?;
    match benchmark {
        Benchmark::Verb(verb) => become_jail_tools(workspace, verb, args),
        Benchmark::Binary {
            package,
            binary,
            of_procjail,
            ..
        } => {
            let mut cmd = Cmd::new(workspace.build_binary(package, binary)?);
            if of_procjail {
                cmd = cmd.arg("--procjail").arg(jail_binary::build(workspace)?);
            }
            Err(cmd.args(args).exec())
        }
    }
}

/// The benchmark and its options: an option in the first place means the default one.
fn benchmark(args: &[OsString]) -> Result<(Benchmark, &[OsString])> {
    match args.split_first() {
        Some((name, rest)) if !name.as_encoded_bytes().starts_with(b"-") => {
            let known = BENCHMARKS.into_iter().find(|known| name == known.name());
            match known {
                Some(known) => Ok((known, rest)),
                None => bail!(
                    "no benchmark is called {}; there is: {}",
                    name.display(),
                    BENCHMARKS.map(Benchmark::name).join(", ")
                ),
            }
        }
        _ => Ok((BENCHMARKS[0], args)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn options_may_stand_with_or_without_the_name() {
        for line in ["overhead --json --rounds 3", "--json --rounds 3"] {
            let args = words(line);
            let (known, rest) = benchmark(&args).expect("a known benchmark");
            assert_eq!(
                (known, rest),
                (
                    Benchmark::Verb("overhead"),
                    words("--json --rounds 3").as_slice()
                )
            );
        }
        assert_eq!(benchmark(&[]).expect("the default").0.name(), "overhead");
    }

    #[test]
    fn the_queue_has_a_binary_of_its_own_and_its_options_are_passed_on() {
        let args = words("queue --threads 2x2 --json");
        let (known, rest) = benchmark(&args).expect("a known benchmark");
        assert!(matches!(
            known,
            Benchmark::Binary {
                binary: "queue-bench",
                ..
            }
        ));
        assert_eq!(rest, words("--threads 2x2 --json").as_slice());
    }

    #[test]
    fn only_the_jails_benchmark_is_told_where_procjail_is() {
        let told = BENCHMARKS.into_iter().filter(|known| {
            matches!(
                known,
                Benchmark::Binary {
                    of_procjail: true,
                    ..
                }
            )
        });
        assert!(told.map(Benchmark::name).eq(["jail"]));
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let error = benchmark(&words("speed --json"))
            .expect_err("unknown")
            .to_string();
        for word in ["speed", "overhead", "queue", "jail"] {
            assert!(error.contains(word), "{error}");
        }
    }
}
