//! What every kernel's guest is made from, and one guest of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use guest::{Event, Plan, Step};

use crate::object::{Object, Selected};
use crate::shell::Cmd;
use crate::vm::deb::{Kernel, UNPACKING};
use crate::vm::disk::{self, Content};
use crate::vm::emulator::{self, Emulator};
use crate::vm::guest_run::{self, Ran};
use crate::vm::machine::{Accelerator, Machine};
use crate::vm::programs::{self, Built};
use crate::vm::{initramfs, modules};
use crate::workspace::Workspace;

/// What every kernel's guest is made from.
pub(crate) struct Prepared {
    pub(crate) folder: PathBuf,
    init: PathBuf,
    disk: PathBuf,
    emulator: Emulator,
    pub(crate) plan: Plan,
    /// Leave the folder where it is.
    pub(crate) keep: bool,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if self.keep {
            let _ = std::fs::write(self.folder.join(KEPT), "");
        } else {
            // What could not be removed is swept away by a later run.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Prepared {
    /// Builds PID 1 and makes the disk.
    pub(crate) fn new(workspace: &Workspace, built: &Built, plan: Plan) -> Result<Self> {
        sweep(&workspace.vm(), PREFIX);
        sweep(&workspace.vm().join("packages"), UNPACKING);
        let emulator = Emulator::find(workspace)
            .with_context(|| format!("{}: not here any more", emulator::PROGRAM))?;
        let init = programs::build_init(workspace)?;
        // A folder of this process's own: two runs must not write to one disk.
        let folder = workspace
            .vm()
            .join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
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
        Ok(Self {
            folder,
            init,
            disk,
            emulator,
            plan,
            keep: false,
        })
    }

    /// The machine for one kernel, with a disk and an initramfs of its own.
    pub(crate) fn machine(&self, kernel: &Kernel, accelerator: Accelerator) -> Result<Machine> {
        let named = |what: &str| self.folder.join(format!("{what}-{}", kernel.release));
        let (initramfs, disk) = (named("initramfs"), named("disk"));
        let modules = kernel
            .modules
            .as_deref()
            .map_or(Ok(Vec::new()), modules::needed)?;
        initramfs::write(&initramfs, &self.init, &modules)?;
        Cmd::new("cp")
            .arg("--sparse=always")
            .arg(&self.disk)
            .arg(&disk)
            .quiet()?;
        let (image, folder) = (kernel.image.clone(), self.folder.clone());
        Ok(Machine {
            emulator: self.emulator.clone(),
            accelerator,
            image,
            initramfs,
            disk,
            folder,
        })
    }

    /// Runs the plan on it.
    pub(crate) fn run(&self, machine: &Machine, told: &mut dyn FnMut(&Event)) -> Result<Ran> {
        guest_run::run(machine, &self.plan.steps, &self.console(machine), told)
    }

    /// Where the console of a machine is kept.
    pub(crate) fn console(&self, machine: &Machine) -> PathBuf {
        let kernel = machine.image.file_name().unwrap_or_default().display();
        self.folder.join(format!(
            "console-{kernel}-{}.log",
            machine.accelerator.name()
        ))
    }
}

/// Folders of guests: the process follows that they belong to.
const PREFIX: &str = "guest-";

/// Removes what runs left that were killed: a folder whose process is gone.
fn sweep(folder: &Path, prefix: &str) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|n| n.strip_prefix(prefix)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
            && !entry.path().join(KEPT).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Stands in a folder that was to be kept.
const KEPT: &str = "kept";

/// The environment of the tests in the guest, and the steps.
pub(crate) fn plan(object: &Selected, steps: Vec<Step>, long: bool) -> Plan {
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
    let rebuilt = Object::rebuilt(workspace).path;
    Ok(files.chain([rebuilt]).filter(|f| f.is_file()).collect())
}
