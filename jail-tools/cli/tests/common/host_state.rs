//! What the tool may change on a host, read so that before and after can be compared.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::processes::{in_descriptors, wait_until};

const CPUSETS: &str = "/sys/fs/cgroup/cpuset";

/// Settings of the machine that the tool changes for the time of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostState {
    /// `/dev/cpu_dma_latency`, in force, µs.
    dma_latency_us: Option<i32>,
    /// Number and affinity of every interrupt.
    interrupts: Vec<(String, String)>,
}

impl HostState {
    pub(crate) fn now() -> Self {
        let mut interrupts: Vec<(String, String)> = super::names(Path::new("/proc/irq"))
            .into_iter()
            .map(|irq| {
                let affinity = read(Path::new(&format!("/proc/irq/{irq}/smp_affinity_list")));
                (irq, affinity)
            })
            .collect();
        interrupts.sort();
        let mut bytes = [0; 4];
        let latency = File::open("/dev/cpu_dma_latency").and_then(|mut f| f.read_exact(&mut bytes));
        Self {
            dma_latency_us: latency.ok().map(|()| i32::from_ne_bytes(bytes)),
            interrupts,
        }
    }

    /// Is no CPU kept out of its idle states?
    pub(crate) fn is_polling(&self) -> bool {
        self.dma_latency_us == Some(0)
    }

    /// Waits until the host is again as it was.
    #[track_caller]
    pub(crate) fn wait_for_return(&self) {
        wait_until("the host is as before", || Self::now() == *self);
    }
}

/// BPF objects that a process holds, by the kernel's own ids.
#[derive(Debug, Default)]
pub(crate) struct BpfObjects {
    programs: Vec<u32>,
    maps: Vec<u32>,
    links: Vec<u32>,
}

impl BpfObjects {
    pub(crate) fn of(pid: i32) -> Self {
        Self {
            programs: in_descriptors(pid, "prog_id"),
            maps: in_descriptors(pid, "map_id"),
            links: in_descriptors(pid, "link_id"),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.programs.len() + self.maps.len() + self.links.len()
    }

    /// Those of them that the kernel still knows. Objects that vanish between being listed and
    /// being looked at are somebody else's, or are gone as they should be.
    fn left(&self) -> usize {
        use aya::maps::loaded_maps;
        use aya::programs::{loaded_links, loaded_programs};

        let programs = loaded_programs().flatten().map(|p| p.id());
        let maps = loaded_maps().flatten().map(|m| m.id());
        let links = loaded_links().flatten().map(|l| l.id());
        programs.filter(|id| self.programs.contains(id)).count()
            + maps.filter(|id| self.maps.contains(id)).count()
            + links.filter(|id| self.links.contains(id)).count()
    }

    /// Waits until the kernel has freed them all, which it does some time after the last
    /// descriptor is closed.
    #[track_caller]
    pub(crate) fn wait_until_gone(&self) {
        if self.count() > 0 {
            wait_until("no BPF object is left", || self.left() == 0);
        }
    }
}

/// A cpuset of the test's own, for `--isolate-within`, with a bystander in it that has to move
/// out of the way and be moved back.
pub(crate) struct Cpuset {
    dir: PathBuf,
    bystander: Child,
}

impl Cpuset {
    /// Makes one with all CPUs. Says why not where that cannot be done.
    pub(crate) fn make(name: &str) -> Result<Self, String> {
        let mount = Path::new(CPUSETS);
        let cpus = read(&mount.join("cpuset.cpus"));
        if cpus.is_empty() {
            return Err(format!("no v1 cpuset hierarchy at {CPUSETS}"));
        }
        if !cpus.contains(['-', ',']) {
            return Err("needs two CPUs".into());
        }
        let dir = mount.join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|e| format!("mkdir {}: {e}", dir.display()))?;
        let bystander = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let set = Self { dir, bystander };
        set.write("cpuset.cpus", &cpus);
        set.write("cpuset.mems", &read(&mount.join("cpuset.mems")));
        set.write("cpuset.cpu_exclusive", "1");
        set.write("tasks", &set.bystander.id().to_string());
        Ok(set)
    }

    fn write(&self, file: &str, value: &str) {
        let path = self.dir.join(file);
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut f| f.write_all(value.as_bytes()))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// The argument of `--isolate-within`.
    pub(crate) fn name(&self) -> String {
        self.dir.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Sets that somebody made inside it.
    pub(crate) fn inside(&self) -> Vec<String> {
        let mut inside = super::names(&self.dir);
        inside.retain(|n| self.dir.join(n).is_dir());
        inside
    }

    /// Waits until it is as it was made: no set in it, the bystander at home on all its CPUs.
    #[track_caller]
    pub(crate) fn wait_for_return(&self) {
        let home = format!("/{}", self.name());
        let pid = self.bystander.id();
        wait_until("the cpuset is as before", || {
            self.inside().is_empty()
                && read(Path::new(&format!("/proc/{pid}/cpuset"))) == home
                && affinity(pid) == read(&self.dir.join("cpuset.cpus"))
        });
    }
}

impl Drop for Cpuset {
    fn drop(&mut self) {
        let _ = self.bystander.kill();
        let _ = self.bystander.wait();
        // A task that has ended leaves its set a moment later.
        for _ in 0..1000 {
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

fn affinity(pid: u32) -> String {
    let status = read(Path::new(&format!("/proc/{pid}/status")));
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
    line.unwrap_or_default().trim().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .map(|t| t.trim().to_owned())
        .unwrap_or_default()
}
