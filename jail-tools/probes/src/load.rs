//! Loading and attaching: every program by itself, so that one that this kernel does not take
//! costs what it would have seen and nothing else.

use std::os::fd::AsFd;

use aya::maps::{Map, MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Program as AyaProgram, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf};
use aya_log::EbpfLogger;
use probes_ebpf::{ABI, LOSSES, loss};
use record::ledger::{DEVICE, INFLIGHT, PARTS, STEAL};
use record::manifest::{Armed, BpfObject};

use crate::bracket::Drain;
use crate::catalogue::{Group, PROGRAMS, missing_for};
use crate::constants::load_object;
use crate::kernel_btf::{BtfError, KernelBtf};
use crate::layout::{self, Field};
use crate::ledger::{Handles, Kept, inheritable};
use crate::object_file::{ObjectFile, abi};
use crate::offsets::Offsets;
use crate::steal;

/// Why no probe could be had at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No kernel BTF.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The object is not ours, or not of this version.
    #[error("BPF object ({origin}): {why}; build it with `cargo xtask build-ebpf`")]
    Object {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// bpf(2) refused the maps.
    #[error("load BPF object ({origin}): {why}")]
    Refused {
        /// Where it came from.
        origin: String,
        /// The call, and its errno.
        why: String,
    },
    /// The kernel's BTF does not describe the kernel that runs.
    #[error(
        "the kernel's BTF says that task_struct.{field} is at offset {offset}, but there stands {read} and not {known}: \
         /sys/kernel/btf/vmlinux is not this kernel's"
    )]
    Layout {
        /// The field.
        field: &'static str,
        /// Its offset by BTF.
        offset: u32,
        /// What stands there.
        read: String,
        /// What should.
        known: String,
    },
}

/// What to load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Bracket this system call (its number): every system call of the machine gets dearer.
    pub bracket: Option<u32>,
    /// Diagnostics from inside the programs, through aya-log.
    pub log: bool,
}

/// The loaded and attached programs. Dropping it detaches everything; so does the kernel when the
/// process dies, since nothing is pinned.
pub struct Probes {
    ebpf: Ebpf,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    armed: Vec<Armed>,
    blind: [Option<String>; PARTS],
    kept: Kept,
    object: BpfObject,
    layout: Vec<Field>,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probes")
            .field("armed", &self.armed)
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

impl Probes {
    /// Loads the object and attaches what the options ask for.
    ///
    /// # Errors
    /// No BTF, another object's ABI, or no privilege. A single program that is refused is no
    /// error: see [`Probes::armed`].
    pub fn load(object: &ObjectFile, options: Options) -> Result<Self, LoadError> {
        let bad = |why| LoadError::Object {
            origin: object.origin.clone(),
            why,
        };
        let refused = |why| LoadError::Refused {
            origin: object.origin.clone(),
            why,
        };
        let found = abi(&object.bytes).map_err(bad)?;
        if found != ABI {
            return Err(bad(format!(
                "its wire format is ABI {found}, this tool speaks {ABI}"
            )));
        }
        let kernel = KernelBtf::of_running_kernel()?;
        let offsets = Offsets::resolve(&kernel);
        let steal_why = steal::available().err();
        let mut ebpf = load_object(&object.bytes, &offsets, steal_why.is_none(), options)
            .map_err(|e| refused(chain(&e)))?;
        let logger = if options.log {
            EbpfLogger::init(&mut ebpf).ok()
        } else {
            None
        };

        let btf = Btf::from_sys_fs().map_err(|e| refused(e.to_string()))?;
        load_unattached(&mut ebpf, "register").map_err(refused)?;
        let layout = checked_layout(&mut ebpf, &offsets).map_err(refused)?;
        if let Some(wrong) = layout.iter().find(|f| !f.holds()) {
            return Err(LoadError::Layout {
                field: wrong.name,
                offset: wrong.offset,
                read: wrong.read.clone(),
                known: wrong.known.clone(),
            });
        }

        let mut blind: [Option<String>; PARTS] = Default::default();
        blind[STEAL] = steal_why.or_else(|| steal_offsets_missing(&offsets));
        let mut armed = Vec::new();
        for p in PROGRAMS
            .iter()
            .filter(|p| p.group == Group::Ledger || options.bracket.is_some())
        {
            let missing = arm(&mut ebpf, p.name, &offsets, &kernel, &btf).err();
            if let Some(why) = &missing {
                for cause in p.causes {
                    blind[*cause].get_or_insert_with(|| format!("{}: {why}", p.name));
                }
            }
            let blind = missing.as_ref().map(|_| p.blind.to_owned());
            armed.push(Armed {
                name: p.name.into(),
                missing,
                blind,
            });
        }
        if !sees_requests_start(&armed) {
            for cause in [DEVICE, INFLIGHT] {
                blind[cause].get_or_insert_with(|| "no start of a block request is seen".into());
            }
        }
        let kept = kept(&ebpf).map_err(refused)?;
        let object = BpfObject {
            origin: object.origin.clone(),
            crc32: crc32fast::hash(&object.bytes),
            abi: found,
        };
        Ok(Self {
            ebpf,
            logger,
            armed,
            blind,
            kept,
            object,
            layout,
        })
    }

    /// Each program: armed, or why not and what can't be seen.
    #[must_use]
    pub fn armed(&self) -> &[Armed] {
        &self.armed
    }

    /// For each part of the ledger: why it is unavailable, or `None` if it is observed.
    #[must_use]
    pub fn blind(&self) -> &[Option<String>; PARTS] {
        &self.blind
    }

    /// Is this program attached?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.armed
            .iter()
            .any(|a| a.name == name && a.missing.is_none())
    }

    /// Descriptors for a trial's child process, open as long as these probes are.
    #[must_use]
    pub fn handles(&self) -> Handles {
        self.kept.handles()
    }

    /// The object that was loaded.
    #[must_use]
    pub fn object(&self) -> &BpfObject {
        &self.object
    }

    /// Fields of the loading thread's own `struct task_struct`, as they were checked.
    #[must_use]
    pub fn layout(&self) -> &[Field] {
        &self.layout
    }

    /// How often each armed program has run since it was loaded.
    ///
    /// The kernel counts only while statistics are enabled (`BPF_ENABLE_STATS`): 0 for all of
    /// them else.
    ///
    /// # Errors
    /// bpf(2) fails, in words.
    pub fn runs(&self) -> Result<Vec<(String, u64)>, String> {
        let armed = self.armed.iter().filter(|a| a.missing.is_none());
        armed
            .map(|a| match self.ebpf.program(&a.name) {
                Some(AyaProgram::BtfTracePoint(p)) => p
                    .info()
                    .map(|info| (a.name.clone(), info.run_count()))
                    .map_err(|e| format!("bpf(OBJ_GET_INFO_BY_FD) of {}: {}", a.name, chain(&e))),
                _ => Err(format!("the object has no program {}", a.name)),
            })
            .collect()
    }

    /// Losses that belong to no slot, summed over the CPUs, since the load.
    ///
    /// # Errors
    /// bpf(2) fails, in words.
    pub fn losses(&self) -> Result<Totals, String> {
        let map = self.ebpf.map("LOSS").ok_or("the object has no map LOSS")?;
        let map: PerCpuArray<&MapData, [u64; LOSSES]> =
            map.try_into().map_err(|e| format!("map LOSS: {e}"))?;
        let per_cpu = map
            .get(&0, 0)
            .map_err(|e| format!("bpf(MAP_LOOKUP_ELEM) of LOSS: {e}"))?;
        let sum = |i: usize| per_cpu.iter().map(|cpu| cpu[i]).sum();
        Ok(Totals {
            ring_drops: sum(loss::RING),
            orphans: sum(loss::ORPHAN),
            request_drops: sum(loss::REQUEST),
            recorded: sum(loss::RECORDED),
            completions: sum(loss::COMPLETION),
        })
    }

    /// Takes the bracketing mode's ring and drains it from a thread of its own.
    ///
    /// # Errors
    /// The ring was taken before, or its pages cannot be mapped.
    pub fn drain(&mut self) -> Result<Drain, String> {
        let map = self
            .ebpf
            .take_map("RECORDS")
            .ok_or("the ring RECORDS was taken before")?;
        let ring = RingBuf::try_from(map).map_err(|e| format!("mmap of the ring RECORDS: {e}"))?;
        Ok(Drain::start(ring))
    }

    /// Prints what the programs logged, through the `log` crate.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }
}

/// Sums of the global losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Ring-buffer records that could not be reserved.
    pub ring_drops: u64,
    /// Bracketed exits without their start.
    pub orphans: u64,
    /// Block requests that could not be remembered.
    pub request_drops: u64,
    /// Bracketed calls that were recorded.
    pub recorded: u64,
    /// Block requests whose completion never reached a probe.
    pub completions: u64,
}

/// Either program tells when a request starts. Without both, no wait can be told to be a
/// device's: that is unavailable, and not 0.
fn sees_requests_start(armed: &[Armed]) -> bool {
    armed.iter().any(|a| {
        a.missing.is_none() && matches!(a.name.as_str(), "block_io_start" | "block_rq_issue")
    })
}

pub(crate) fn steal_offsets_missing(offsets: &Offsets) -> Option<String> {
    [
        (offsets.steal_delta.is_none(), "per-CPU steal_time"),
        (offsets.steal_field.is_none(), "kvm_steal_time.steal"),
        (offsets.task_cfs_rq.is_none(), "task_struct.se.cfs_rq"),
        (offsets.cfs_rq_rq.is_none(), "cfs_rq.rq"),
    ]
    .into_iter()
    .find_map(|(missing, what)| missing.then(|| format!("the kernel's BTF has no {what}")))
}

pub(crate) fn program<'a, T>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut T, String>
where
    &'a mut T: TryFrom<&'a mut AyaProgram>,
{
    let program = ebpf
        .program_mut(name)
        .ok_or_else(|| format!("the object has no program {name}"))?;
    program
        .try_into()
        .map_err(|_| format!("program {name} is of another type"))
}

/// Loads a program that is only ever run on a thread's own demand.
fn load_unattached(ebpf: &mut Ebpf, name: &str) -> Result<(), String> {
    let program: &mut RawTracePoint = program(ebpf, name)?;
    program
        .load()
        .map_err(|e| format!("program {name}: {}", short(&e)))
}

fn checked_layout(ebpf: &mut Ebpf, offsets: &Offsets) -> Result<Vec<Field>, String> {
    const NAME: &str = "layout_of_task";
    load_unattached(ebpf, NAME)?;
    let program: &mut RawTracePoint = program(ebpf, NAME)?;
    let fd = program.fd().map_err(|e| chain(&e))?;
    let layout = layout::check(fd.as_fd(), offsets);
    // It has done its work: nothing of it stays in the kernel.
    program.unload().map_err(|e| chain(&e))?;
    layout
}

fn arm(
    ebpf: &mut Ebpf,
    name: &str,
    offsets: &Offsets,
    kernel: &KernelBtf,
    btf: &Btf,
) -> Result<(), String> {
    if let Some(why) = missing_for(name, offsets) {
        return Err(why);
    }
    if kernel.tracepoint_args(name).is_none() {
        return Err("this kernel has no such tracepoint".into());
    }
    let program: &mut BtfTracePoint = program(ebpf, name)?;
    program.load(name, btf).map_err(|e| short(&e))?;
    program.attach().map_err(|e| short(&e))?;
    Ok(())
}

/// A program error in one line: a whole verifier log does not belong into a table.
pub(crate) fn short(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            let last = log
                .lines()
                .rev()
                .find(|l| !l.trim().is_empty() && !l.starts_with("processed "));
            format!(
                "bpf(PROG_LOAD): {io_error}{}",
                last.map(|l| format!(" ({})", l.trim())).unwrap_or_default()
            )
        }
        other => chain(other),
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        let inner = e.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        source = e.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}

fn kept(ebpf: &Ebpf) -> Result<Kept, String> {
    let map = |name: &str| match ebpf.map(name) {
        Some(Map::Array(data)) => {
            inheritable(data.fd().as_fd()).map_err(|e| format!("fcntl(F_DUPFD) of {name}: {e}"))
        }
        _ => Err(format!("the object has no array {name}")),
    };
    let register = match ebpf.program("register") {
        Some(AyaProgram::RawTracePoint(p)) => p.fd().map_err(|e| e.to_string()).and_then(|fd| {
            inheritable(fd.as_fd()).map_err(|e| format!("fcntl(F_DUPFD) of register: {e}"))
        })?,
        _ => return Err("the object has no program register".into()),
    };
    Ok(Kept {
        ledger: map("LEDGER")?,
        intent: map("INTENT")?,
        register,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_root_needs_bpf_the_register_program_says_that_there_is_no_such_slot() {
        let test = testkit::begin!();
        let Some(path) = std::env::var_os("JAIL_TOOLS_BPF_OBJECT") else {
            return test.skip("JAIL_TOOLS_BPF_OBJECT is not set (cargo xtask test sets it)");
        };
        let object = ObjectFile {
            bytes: std::fs::read(&path).unwrap(),
            origin: "under test".into(),
        };
        let probes = Probes::load(&object, Options::default()).unwrap();
        let register = |number| crate::register::register(probes.kept.register.as_fd(), number);
        let error = register(u64::from(probes_ebpf::SLOTS) + 1).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(register(1).is_ok());
        assert!(register(0).is_ok());
    }

    #[test]
    fn one_of_the_two_starts_is_enough_and_none_is_not() {
        let armed = |name: &str, missing: Option<&str>| Armed {
            name: name.into(),
            missing: missing.map(Into::into),
            blind: None,
        };
        let gone = Some("no such tracepoint");
        let issue = |missing| {
            [
                armed("block_io_start", gone),
                armed("block_rq_issue", missing),
            ]
        };
        assert!(sees_requests_start(&issue(None)));
        assert!(!sees_requests_start(&issue(gone)));
    }
}
