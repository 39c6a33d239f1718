//! `jail-tools`: makes the kernel show its cards.
//!
//! This binary joins the rooms and holds no logic of its own: arguments, order of the steps,
//! what is printed where.

mod args;
mod bpf_support;
mod degrade;
mod doctor;
mod exit;
mod list;
mod object;
mod output;
mod overhead;
mod progress;
mod reporting;
mod run;
mod unseen;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Verb};

fn main() -> ExitCode {
    // Clap's own exit code for wrong usage is 2, which is ours too.
    let args = Args::parse();
    let result = match args.verb {
        Verb::Run(a) => run::run(&a),
        Verb::List(a) => list::list(&a),
        Verb::Doctor(a) => doctor::doctor(&a),
        Verb::Overhead(a) => overhead::overhead(&a),
        Verb::Report(a) => reporting::report(&a),
        Verb::Export(a) => reporting::export(&a),
        // Hidden: other processes of this binary's own making.
        Verb::Trial => return runner::child::main(),
        Verb::Keeper => return host::keeper::main(),
        Verb::Victim(a) => overhead::victim(&a),
    };
    exit::code(result)
}
