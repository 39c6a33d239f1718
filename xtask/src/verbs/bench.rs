//! `cargo xtask bench`: the observer's own cost, as `jail-tools overhead` measures it.

use std::ffi::OsString;

use anyhow::{Result, bail};
use clap::Args;

use crate::verbs::run::become_jail_tools;
use crate::workspace::Workspace;

/// The verbs of `jail-tools` that are benchmarks. The first is the default.
const BENCHMARKS: [&str; 1] = ["overhead"];

#[derive(Args)]
pub(crate) struct Options {
    /// The benchmark (`overhead`), then its options
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "BENCHMARK | OPTION"
    )]
    args: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let (verb, args) = benchmark(&options.args)?;
    become_jail_tools(workspace, verb, args)
}

/// The benchmark and its options: an option in the first place means the default one.
fn benchmark(args: &[OsString]) -> Result<(&'static str, &[OsString])> {
    match args.split_first() {
        Some((name, rest)) if !name.as_encoded_bytes().starts_with(b"-") => {
            let known = BENCHMARKS.iter().find(|known| name == **known);
            match known {
                Some(known) => Ok((known, rest)),
                None => bail!(
                    "no benchmark is called {}; there is: {}",
                    name.display(),
                    BENCHMARKS.join(", ")
                ),
            }
        }
        _ => Ok((BENCHMARKS[0], args)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_stand_with_or_without_the_name() {
        let words = |line: &str| {
            line.split_whitespace()
                .map(OsString::from)
                .collect::<Vec<_>>()
        };
        for line in ["overhead --json --rounds 3", "--json --rounds 3"] {
            let args = words(line);
            let (verb, rest) = benchmark(&args).expect("a known benchmark");
            assert_eq!(
                (verb, rest),
                ("overhead", words("--json --rounds 3").as_slice())
            );
        }
        assert_eq!(benchmark(&[]).expect("the default").0, "overhead");
        let error = benchmark(&words("speed --json"))
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("speed") && error.contains("overhead"),
            "{error}"
        );
    }
}
