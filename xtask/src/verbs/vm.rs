//! `cargo xtask vm`: the workspace's own tests on other kernels, in emulated machines.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use guest::{Ended, Event, Outcome, Plan};

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
    let accelerator = match (options.accel, kernels.first()) {
        (Accel::Kvm, _) => Accelerator::Kvm,
        (Accel::Auto, Some(kernel)) => choose_accelerator(prepared, kernel)?,
        (Accel::Tcg, _) | (Accel::Auto, None) => Accelerator::Tcg,
    };
    let together = side_by_side(accelerator, kernels.len());
    let outcomes = each(together, kernels, |kernel| {
        let voice = Voice::of(kernel, together > 1);
        one(workspace, options, prepared, kernel, accelerator, &voice)
    })?;
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

/// How many guests at once: an emulated one is one busy thread of this machine, a virtualized one has
/// two processors and is soon done.
fn side_by_side(accelerator: Accelerator, kernels: usize) -> usize {
    match accelerator {
        Accelerator::Kvm => 1,
        Accelerator::Tcg => {
            let cpus = std::thread::available_parallelism().map_or(1, usize::from);
            cpus.min(kernels).max(1)
        }
    }
}

/// Does it for each, so many at once; the results are in the order of the kernels.
fn each<T: Send>(
    together: usize,
    kernels: &[Kernel],
    run: impl Fn(&Kernel) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((at, kernel)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            kernels.get(at).map(|kernel| (at, kernel))
        } {
            done.push((at, run(kernel)));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..together).map(|_| scope.spawn(work)).collect();
        let mut done = Vec::new();
        for thread in threads {
            done.extend(
                thread
                    .join()
                    .map_err(|_| anyhow!("a guest's thread panicked"))?,
            );
        }
        anyhow::Ok(done)
    })?;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// One kernel's tests, told as they come.
fn one(
    workspace: &Workspace,
    options: &Options,
    prepared: &Prepared,
    kernel: &Kernel,
    accelerator: Accelerator,
    voice: &Voice,
) -> Result<KernelOutcome> {
    let name = format!("{} ({})", kernel.release, accelerator.name());
    println!("\n== {name}: {} tests", prepared.plan.steps.len());
    let machine = prepared.machine(kernel, accelerator)?;
    let ran = prepared.run(&machine, &mut |event| voice.tell(&prepared.plan, event))?;
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
    Ok(outcome)
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
struct Voice {
    /// Before each line, where more than one guest speaks.
    prefix: String,
}

impl Voice {
    fn of(kernel: &Kernel, one_of_many: bool) -> Self {
        let prefix = if one_of_many {
            format!("{} | ", kernel.release)
        } else {
            String::new()
        };
        Self { prefix }
    }

    fn say(&self, line: &str) {
        println!("{}{line}", self.prefix);
    }

    fn tell(&self, plan: &Plan, event: &Event) {
        match event {
            Event::Up(up) => self.say(&format!(
                "up: Linux {}, clock source {}, cgroup v2 with {}",
                up.kernel, up.clocksource, up.cgroup_controllers
            )),
            Event::Begin(number) => {
                let name = plan.steps.get(*number).map_or("?", |s| &s.name);
                self.say(&format!("[{}/{}] {name}", number + 1, plan.steps.len()));
            }
            Event::Output(line) => self.say(&format!("    {line}")),
            Event::End(ended) => self.say(&end(ended)),
            Event::Verified(_) | Event::Done => {}
            Event::Broken(why) => self.say(&format!("PID 1 gave up: {why}")),
        }
    }
}

fn end(ended: &Ended) -> String {
    let seconds = ended.took_ms as f64 / 1e3;
    match &ended.outcome {
        Outcome::Passed => format!("  passed in {seconds:.1} s"),
        Outcome::Failed(how) => format!("  FAILED in {seconds:.1} s: {how}"),
        Outcome::Skipped(why) => format!("  skipped: {why}"),
        Outcome::TimedOut(limit_s) => format!("  FAILED: hung, ended after {limit_s} s"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn kernels(count: usize) -> Vec<Kernel> {
        let kernel = |n| Kernel {
            release: format!("6.{n}"),
            image: "/k".into(),
            modules: None,
        };
        (0..count).map(kernel).collect()
    }

    #[test]
    fn each_kernel_has_its_turn_and_its_place() {
        for together in 1..4 {
            let releases = each(together, &kernels(5), |k| Ok(k.release.clone()));
            let expected = ["6.0", "6.1", "6.2", "6.3", "6.4"];
            assert_eq!(releases.expect("all"), expected, "{together} at once");
        }
        let none = each(2, &[], |k| Ok(k.release.clone()));
        assert!(none.expect("none").is_empty());
    }

    #[test]
    fn what_fails_for_one_is_an_error_after_all_have_run() {
        let ran = AtomicUsize::new(0);
        let failed = each(2, &kernels(3), |k| {
            ran.fetch_add(1, Ordering::Relaxed);
            if k.release == "6.1" {
                bail!("no disk");
            }
            Ok(())
        });
        assert_eq!(failed.expect_err("one").to_string(), "no disk");
        assert_eq!(ran.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn emulated_guests_share_the_cpus_that_there_are() {
        assert_eq!(side_by_side(Accelerator::Kvm, 2), 1);
        assert_eq!(side_by_side(Accelerator::Tcg, 1), 1);
        assert!(side_by_side(Accelerator::Tcg, 2) <= 2);
    }
}
