//! `cargo xtask vm`: the workspace's own tests on other kernels, in emulated machines.

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use guest::{Event, Outcome, Plan};

use crate::verbs::test::object_under_test;
use crate::verbs::vm_self_check;
use crate::vm::deb::{self, Kernel};
use crate::vm::guest_run::{self, Ran};
use crate::vm::kernels::{Wanted, spelled_out};
use crate::vm::machine::Accelerator;
use crate::vm::needed;
use crate::vm::outcome::{KernelOutcome, sum};
use crate::vm::prepared::{Prepared, plan};
use crate::vm::programs::{self, Built};
use crate::vm::results::{self, Results};
use crate::vm::selection::{self, Asked};
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// A series (6.1, 6.12), `all`, or a file: a package, its unpacked folder, or an image
    #[arg(long, value_name = "KERNEL", num_args = 1.., default_value = "all")]
    kernel: Vec<Wanted>,
    /// How the processor is made; `auto` virtualizes only if a guest comes up so within seconds
    #[arg(long, value_enum, default_value = "auto")]
    accel: Accel,
    /// Keep disk, initramfs and console, and say how to boot them into a shell
    #[arg(long)]
    keep: bool,
    /// Also the tests that need nothing of the kernel, and those that take minutes
    #[arg(long)]
    long: bool,
    /// Prove that it notices: a test that hangs, a guest that panics and one that falls silent
    #[arg(long, conflicts_with_all = ["long", "filter"])]
    self_check: bool,
    /// Only tests whose `package::program::test` contains one of these
    #[arg(last = true)]
    filter: Vec<String>,
}

impl Options {
    /// The short set on this kernel.
    pub(crate) fn of(kernel: Wanted) -> Self {
        Self {
            kernel: vec![kernel],
            accel: Accel::Auto,
            keep: false,
            long: false,
            self_check: false,
            filter: Vec::new(),
        }
    }

    /// The check of the machinery itself.
    pub(crate) fn self_check(kernel: Wanted) -> Self {
        Self {
            self_check: true,
            ..Self::of(kernel)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Accel {
    Auto,
    Kvm,
    Tcg,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let missing: Vec<&str> = needed::missing(workspace)
        .map(|(program, _)| program)
        .collect();
    if !missing.is_empty() {
        bail!(
            "not installed: {}; `cargo xtask setup` installs them",
            missing.join(", ")
        );
    }
    let packages = workspace.vm().join("packages");
    let kernels: Vec<Kernel> = spelled_out(&options.kernel)
        .iter()
        .map(|wanted| deb::kernel(wanted, &packages).with_context(|| format!("kernel {wanted}")))
        .collect::<Result<_>>()?;
    if options.self_check {
        return vm_self_check::run(&kernels, |kernel, steps| {
            let plan = Plan {
                steps,
                ..Plan::default()
            };
            let prepared = Prepared::new(workspace, &Built::default(), plan)?;
            let machine = prepared.machine(kernel, Accelerator::Tcg)?;
            let ran = prepared.run(&machine, &mut |_| {})?;
            let name = format!("{} (tcg)", kernel.release);
            Ok(KernelOutcome::of(name, &prepared.plan.steps, &ran))
        });
    }
    let object = object_under_test(workspace)?;
    let built = programs::build(workspace)?;
    let asked = Asked {
        filter: options.filter.clone(),
        long: options.long,
    };
    let plan = plan(
        &object,
        selection::steps(&built.programs, &asked),
        options.long,
    );
    if plan.steps.is_empty() {
        bail!("no test matches {}", options.filter.join(" "));
    }
    let mut prepared = Prepared::new(workspace, &built, plan)?;
    prepared.keep = options.keep;
    all(workspace, options, &prepared, &kernels)
}

fn all(
    workspace: &Workspace,
    options: &Options,
    prepared: &Prepared,
    kernels: &[Kernel],
) -> Result<()> {
    let mut accelerator = match options.accel {
        Accel::Auto => None,
        Accel::Kvm => Some(Accelerator::Kvm),
        Accel::Tcg => Some(Accelerator::Tcg),
    };
    let mut outcomes = Vec::new();
    for kernel in kernels {
        let accelerator = match accelerator {
            Some(known) => known,
            None => *accelerator.insert(choose_accelerator(prepared, kernel)?),
        };
        let name = format!("{} ({})", kernel.release, accelerator.name());
        println!("\n== {name}: {} tests", prepared.plan.steps.len());
        let machine = prepared.machine(kernel, accelerator)?;
        let ran = prepared.run(&machine, &mut |event| show(&prepared.plan, event))?;
        let outcome = KernelOutcome::of(name, &prepared.plan.steps, &ran);
        println!("{outcome}");
        if options.filter.is_empty() {
            record(workspace, &outcome, &ran, accelerator, kernel)?
                .store(&results::fresh(workspace))?;
        }
        if options.keep {
            println!(
                "kept in {}; a shell in this guest:\n  {}",
                prepared.folder.display(),
                machine.shell().line()
            );
        }
        outcomes.push(outcome);
    }
    println!("\n{}", sum(&outcomes));
    let bad: Vec<&str> = outcomes
        .iter()
        .filter(|o| !o.good())
        .map(|o| o.kernel.as_str())
        .collect();
    if !bad.is_empty() {
        bail!("tests failed on {}", bad.join(" and "));
    }
    Ok(())
}

fn choose_accelerator(prepared: &Prepared, kernel: &Kernel) -> Result<Accelerator> {
    let usable = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    if !usable {
        println!("no /dev/kvm that we may open: emulating");
        return Ok(Accelerator::Tcg);
    }
    let machine = prepared.machine(kernel, Accelerator::Kvm)?;
    if guest_run::proven(&machine, &prepared.console(&machine))? {
        println!("a guest comes up on /dev/kvm: virtualizing");
        return Ok(Accelerator::Kvm);
    }
    println!("/dev/kvm is there, but no guest comes up on it within seconds: emulating");
    Ok(Accelerator::Tcg)
}

/// Streams what happens.
fn show(plan: &Plan, event: &Event) {
    match event {
        Event::Up(up) => println!(
            "up: Linux {}, clock source {}, cgroup v2 with {}",
            up.kernel, up.clocksource, up.cgroup_controllers
        ),
        Event::Begin(number) => {
            let name = plan.steps.get(*number).map_or("?", |s| &s.name);
            println!("[{}/{}] {name}", number + 1, plan.steps.len());
        }
        Event::Output(line) => println!("    {line}"),
        Event::End(ended) => {
            let seconds = ended.took_ms as f64 / 1e3;
            match &ended.outcome {
                Outcome::Passed => println!("  passed in {seconds:.1} s"),
                Outcome::Failed(how) => println!("  FAILED in {seconds:.1} s: {how}"),
                Outcome::Skipped(why) => println!("  skipped: {why}"),
                Outcome::TimedOut(limit_s) => println!("  FAILED: hung, ended after {limit_s} s"),
            }
        }
        Event::Verified(_) | Event::Done => {}
        Event::Broken(why) => println!("PID 1 gave up: {why}"),
    }
}

fn record(
    workspace: &Workspace,
    outcome: &KernelOutcome,
    ran: &Ran,
    accelerator: Accelerator,
    kernel: &Kernel,
) -> Result<Results> {
    let up = ran.up.as_ref();
    Ok(Results {
        kernel: up.map_or_else(|| kernel.release.clone(), |u| u.kernel.clone()),
        machine: accelerator.name().to_owned(),
        date: results::today()?,
        commit: results::commit(workspace)?,
        passed: outcome.passed.len(),
        failed: outcome.failures(),
        skipped: outcome.skipped.len(),
        verified: ran.verified.iter().cloned().collect(),
    })
}
