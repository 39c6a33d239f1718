//! `cargo xtask vm`: the workspace's own tests on other kernels, in emulated machines.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use guest::{Event, Outcome, Plan, Step};

use crate::object::Selected;
use crate::shell::{Cmd, on_path};
use crate::verbs::test::object_under_test;
use crate::verbs::vm_self_check;
use crate::vm::deb::{self, Kernel};
use crate::vm::disk::{self, Content};
use crate::vm::guest_run::{self, Ran};
use crate::vm::kernels::{Wanted, spelled_out};
use crate::vm::machine::{Accelerator, Machine};
use crate::vm::outcome::{KernelOutcome, sum};
use crate::vm::programs::{self, Built};
use crate::vm::results::{self, Results};
use crate::vm::selection::{self, Asked};
use crate::vm::{initramfs, modules};
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

/// What every kernel's guest is made from.
struct Prepared {
    folder: PathBuf,
    init: PathBuf,
    disk: PathBuf,
    plan: Plan,
    keep: bool,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if !self.keep {
            // Below target/: what stays is found and removed by whoever removes that.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let missing: Vec<&str> = missing().map(|(program, _)| program).collect();
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
            let prepared = prepare(workspace, &Built::default(), plan)?;
            let (_, ran) = one(&prepared, kernel, Accelerator::Tcg, &mut |_| {})?;
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
    let mut prepared = prepare(workspace, &built, plan)?;
    prepared.keep = options.keep;
    all(workspace, options, &prepared, &kernels)
}

/// Programs of other packages that a guest is made with.
const PROGRAMS: [(&str, &str); 9] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mke2fs", "e2fsprogs"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
    ("busybox", "busybox-static"),
    ("ldd", "libc-bin"),
    ("setpriv", "util-linux"),
    ("setcap", "libcap2-bin"),
    ("git", "git"),
];

/// Those that are not here, and the packages that have them.
fn missing() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sbin = |name: &str| {
        ["/usr/sbin", "/sbin"]
            .iter()
            .any(|d| Path::new(d).join(name).exists())
    };
    PROGRAMS
        .into_iter()
        .filter(move |(name, _)| on_path(name).is_empty() && !sbin(name))
}

/// The packages that are missing, as Debian names them.
pub(crate) fn missing_packages() -> Vec<&'static str> {
    missing().map(|(_, package)| package).collect()
}

/// The environment of the tests in the guest, and the steps.
fn plan(object: &Selected, steps: Vec<Step>, long: bool) -> Plan {
    let mut env: Vec<(String, String)> = [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
        ("RUST_BACKTRACE", "1"),
        ("JAIL_TOOLS_GUEST", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    if let Some(object) = &object.0 {
        env.extend(object.environment());
    }
    if long {
        env.push(("JAIL_TOOLS_LONG_TESTS".into(), "1".into()));
    }
    Plan { env, steps }
}

fn prepare(workspace: &Workspace, built: &Built, plan: Plan) -> Result<Prepared> {
    // A folder of this process's own: two runs must not write to one disk.
    let folder = workspace.vm().join(format!("guest-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let init = programs::build_init(workspace)?;
    let wanted = |path: &PathBuf| plan.steps.iter().any(|s| Path::new(&s.command[0]) == path);
    let paths = built.programs.iter().map(|p| &p.path).filter(|p| wanted(p));
    let programs: Vec<PathBuf> = paths.chain(&built.binaries).cloned().collect();
    let files = checkout(workspace)?;
    let content = Content {
        programs: &programs,
        files: &files,
        plan: &plan,
    };
    let disk = disk::make(workspace, &folder, &content)?;
    Ok(Prepared {
        folder,
        init,
        disk,
        plan,
        keep: false,
    })
}

/// The checkout's own files, which tests may read, and the object that was built here.
fn checkout(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let listed = Cmd::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .dir(&workspace.root)
        .read()?;
    let files = listed
        .split('\0')
        .filter(|f| !f.is_empty())
        .map(|f| workspace.root.join(f));
    let rebuilt = crate::object::Object::rebuilt(workspace).path;
    Ok(files.chain([rebuilt]).filter(|f| f.is_file()).collect())
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
        let (machine, ran) = one(prepared, kernel, accelerator, &mut |event| {
            show(&prepared.plan, event);
        })?;
        let outcome = KernelOutcome::of(name, &prepared.plan.steps, &ran);
        println!("{outcome}");
        if options.filter.is_empty() {
            record(&outcome, &ran, accelerator, kernel)?.store(&results::fresh(workspace))?;
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

/// One kernel's guest, with a disk of its own.
fn one(
    prepared: &Prepared,
    kernel: &Kernel,
    accelerator: Accelerator,
    told: &mut dyn FnMut(&Event),
) -> Result<(Machine, Ran)> {
    let machine = machine(prepared, kernel, accelerator)?;
    let console = prepared
        .folder
        .join(format!("console-{}.log", kernel.release));
    let ran = guest_run::run(&machine, &prepared.plan.steps, &console, told)?;
    Ok((machine, ran))
}

fn machine(prepared: &Prepared, kernel: &Kernel, accelerator: Accelerator) -> Result<Machine> {
    let named = |what: &str| prepared.folder.join(format!("{what}-{}", kernel.release));
    let (initramfs, disk) = (named("initramfs"), named("disk"));
    let modules = kernel
        .modules
        .as_deref()
        .map_or(Ok(Vec::new()), modules::needed)?;
    initramfs::write(&initramfs, &prepared.init, &modules)?;
    Cmd::new("cp")
        .arg("--sparse=always")
        .arg(&prepared.disk)
        .arg(&disk)
        .quiet()?;
    let (image, folder) = (kernel.image.clone(), prepared.folder.clone());
    Ok(Machine {
        accelerator,
        image,
        initramfs,
        disk,
        folder,
    })
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
    let machine = machine(prepared, kernel, Accelerator::Kvm)?;
    if guest_run::proven(&machine, &prepared.folder.join("console-kvm.log"))? {
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
        passed: outcome.passed.len(),
        failed: outcome.failures(),
        skipped: outcome.skipped.len(),
        verified: ran.verified.iter().cloned().collect(),
    })
}
