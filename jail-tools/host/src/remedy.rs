//! What a run could not see, and the one command that would change it. Pure: from facts.
//!
//! A command is given only where the facts say that it would help; where none would, the answer
//! says what is lacking instead. What is needed for what, as found on Linux 6.18 and by the
//! kernel's sources:
//!
//! - probes (BTF tracepoints, task storage, mapped maps, `BPF_PROG_TEST_RUN`): CAP_BPF and
//!   CAP_PERFMON, and nothing else (`bpf_prog_load` in kernel/bpf/syscall.c);
//! - events that happen in the kernel: CAP_PERFMON, or `perf_event_paranoid` below 2
//!   (`perf_allow_kernel`, kernel/events/core.c);
//! - any perf event at `perf_event_paranoid` 3, which is a patch of Debian's and others' and their
//!   default: CAP_SYS_ADMIN. CAP_PERFMON does not do (found on Debian's 6.1 and 6.12);
//! - tracepoint counters: CAP_PERFMON, or `perf_event_paranoid` at -1 (`perf_allow_tracepoint`),
//!   and the tracepoint's number, which stands in tracefs, closed to all but root by default
//!   (`TRACEFS_DEFAULT_MODE`, fs/tracefs/inode.c; `mode` and `gid` are options of its mount).

use record::HostFacts;
use record::manifest::{Remedy, Unseen};

use crate::meaning::is_core_pmu;

/// What is blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eye {
    /// All probes: they could not be loaded.
    Probes,
    /// All probes: the object that the environment names is not one of ours.
    Object,
    /// Single probes: this kernel or machine lacks what they need.
    Kernel,
    /// Perf events that happen in the kernel.
    KernelEvents,
    /// Counters of tracepoints.
    Tracepoints,
    /// Hardware events.
    Hardware,
    /// Whatever this argument of the command line switched off.
    SwitchedOff(&'static str),
}

/// Something that could not be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// By what it would have been seen.
    pub eye: Eye,
    /// What it is.
    pub what: Vec<String>,
    /// Why it could not be.
    pub why: String,
}

/// Capabilities by number (include/uapi/linux/capability.h).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// What a command needs that nobody but root has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The user id: settings below /proc/sys belong to root of the initial user namespace, and no
    /// capability is asked for (`test_perm` in fs/proc/proc_sysctl.c).
    Root,
    /// CAP_BPF and CAP_PERFMON.
    Probes,
    /// CAP_SYS_ADMIN: to mount, and any perf event at level 3.
    SysAdmin,
}

impl Needs {
    /// The capabilities, without their prefix.
    fn capabilities(self) -> &'static [(u32, &'static str)] {
        match self {
            Self::Root => &[],
            Self::Probes => &[(CAP_BPF, "BPF"), (CAP_PERFMON, "PERFMON")],
            Self::SysAdmin => &[(CAP_SYS_ADMIN, "SYS_ADMIN")],
        }
    }
}

/// Argument that switches the probes off.
pub const NO_PROBES: &str = "--no-probes";

/// Variable that names a BPF object; without it the one inside the binary is used.
const OBJECT: &str = "JAIL_TOOLS_BPF_OBJECT";

/// For each thing that could not be seen, what would change it. `again` are the arguments of the
/// command that would be run again.
#[must_use]
pub fn remedies(facts: &HostFacts, again: &[String], blind: &[Blind]) -> Vec<Unseen> {
    let powers = Powers { facts, again };
    blind
        .iter()
        .map(|b| Unseen {
            what: b.what.clone(),
            why: b.why.clone(),
            remedy: powers.remedy(b),
        })
        .collect()
}

/// What the facts alone say that cannot be seen, before anything is tried.
#[must_use]
pub fn foreseen(facts: &HostFacts) -> Vec<Blind> {
    let powers = Powers { facts, again: &[] };
    let blind = |eye, what: &[&str], why: &str| Blind {
        eye,
        what: what.iter().map(|w| (*w).to_owned()).collect(),
        why: why.into(),
    };
    let mut found = Vec::new();
    let why = powers
        .no_probes()
        .or((!powers.may_load()).then(|| "needs CAP_BPF and CAP_PERFMON".into()));
    if let Some(why) = why {
        let what = ["causes as counted by probes", "hits and misses by probe"];
        found.push(blind(Eye::Probes, &what, &why));
    }
    if !powers.counts_kernel() {
        let what = ["what perf events count in the kernel"];
        let why = if powers.locked() {
            "kernel.perf_event_paranoid is above 2, and CAP_SYS_ADMIN is missing"
        } else {
            "kernel.perf_event_paranoid is above 1, and CAP_PERFMON is missing"
        };
        found.push(blind(Eye::KernelEvents, &what, why));
    }
    if !powers.counts_tracepoints() || !powers.reads_numbers() {
        let why = if powers.reads_numbers() {
            "kernel.perf_event_paranoid is above -1, and CAP_PERFMON is missing".into()
        } else {
            let why = facts.privilege.tracepoint_numbers.why();
            format!("tracepoint numbers: {}", why.unwrap_or("not readable"))
        };
        found.push(blind(Eye::Tracepoints, &["tracepoint counters"], &why));
    }
    if powers.lacks_pmu() {
        let what = ["hardware events: cycles, cache misses, HITM"];
        found.push(blind(Eye::Hardware, &what, "no core PMU"));
    }
    found
}

struct Powers<'a> {
    facts: &'a HostFacts,
    again: &'a [String],
}

impl Powers<'_> {
    fn remedy(&self, blind: &Blind) -> Remedy {
        let not_privilege = || Remedy::Nothing(format!("not a matter of privilege: {}", blind.why));
        match blind.eye {
            Eye::Probes => match self.no_probes() {
                Some(why) => Remedy::Nothing(why),
                None if self.may_load() => not_privilege(),
                None => self.raise(),
            },
            Eye::Object => Remedy::Command(format!("env -u {OBJECT} {}", self.run_again(None))),
            Eye::Kernel => Remedy::Nothing("another kernel or machine: this one lacks it".into()),
            Eye::KernelEvents | Eye::Tracepoints if self.locked() => self.unlock(),
            Eye::KernelEvents if self.counts_kernel() => not_privilege(),
            Eye::KernelEvents => self.raise(),
            Eye::Tracepoints => match (self.reads_numbers(), self.counts_tracepoints()) {
                (true, true) => not_privilege(),
                (true, false) => self.raise(),
                (false, true) => self.open_tracefs(),
                (false, false) => self.as_root(Needs::Probes),
            },
            Eye::Hardware if self.lacks_pmu() => Remedy::Nothing(
                "a machine with a PMU; in a virtual machine its host must give one (QEMU: -cpu host,pmu=on)".into(),
            ),
            // User mode needs no more than that.
            Eye::Hardware if self.locked() => self.lower_level(),
            Eye::Hardware => Remedy::Nothing("another processor: this one lacks it".into()),
            // Without the privilege to load them, leaving out the argument alone would not do.
            Eye::SwitchedOff(NO_PROBES) if !self.may_load() => {
                self.sudo(Needs::Probes, &self.run_again(Some(NO_PROBES)))
            }
            Eye::SwitchedOff(argument) => Remedy::Command(self.run_again(Some(argument))),
        }
    }

    /// Does this process have the capability, or the one that contains it, where it counts?
    fn has(&self, capability: u32) -> bool {
        let mask = self.facts.capabilities.value();
        self.facts.privilege.initial_user_namespace.value() != Some(&false)
            && (in_mask(mask, capability) || in_mask(mask, CAP_SYS_ADMIN))
    }

    fn may_load(&self) -> bool {
        self.has(CAP_BPF) && self.has(CAP_PERFMON)
    }

    /// The kernel's own default where the level is not known (`sysctl_perf_event_paranoid`).
    fn paranoid(&self) -> i32 {
        self.facts.perf_event_paranoid.value().copied().unwrap_or(2)
    }

    /// Level 3: no perf event at all but for CAP_SYS_ADMIN.
    fn locked(&self) -> bool {
        self.paranoid() > 2 && !self.has(CAP_SYS_ADMIN)
    }

    fn counts_kernel(&self) -> bool {
        !self.locked() && (self.has(CAP_PERFMON) || self.paranoid() < 2)
    }

    fn counts_tracepoints(&self) -> bool {
        !self.locked() && (self.has(CAP_PERFMON) || self.paranoid() < 0)
    }

    /// Who may mount has a mount of its own (`counters::tracefs`).
    fn reads_numbers(&self) -> bool {
        self.facts.privilege.tracepoint_numbers.value().is_some() || self.has(CAP_SYS_ADMIN)
    }

    fn lacks_pmu(&self) -> bool {
        let pmus = self.facts.pmus.value();
        pmus.is_some_and(|names| !names.iter().any(|n| is_core_pmu(n)))
    }

    /// Why no privilege brings probes.
    fn no_probes(&self) -> Option<String> {
        if let Some(why) = self
            .facts
            .btf_bytes
            .why()
            .filter(|w| w.starts_with("absent"))
        {
            return Some(format!(
                "a kernel built with CONFIG_DEBUG_INFO_BTF: this one has no BTF ({why})"
            ));
        }
        let locked = self.facts.lockdown.value();
        locked.filter(|l| *l == "confidentiality").map(|_| {
            "a boot without lockdown=confidentiality, which forbids BPF to read kernel memory"
                .into()
        })
    }

    /// Every command that takes root's power comes from here, and only where that power can be had:
    /// sudo is a set-user-ID binary, and gives no more than the bounds of the session leave.
    fn sudo(&self, needs: Needs, command: &str) -> Remedy {
        let p = &self.facts.privilege;
        if p.initial_user_namespace.value() == Some(&false) {
            return Remedy::Nothing(
                "a run outside this user namespace: root within it reaches neither BPF nor perf events, \
                 nor the settings of the machine"
                    .into(),
            );
        }
        let root = self.facts.euid.value() == Some(&0);
        let bounds = p.bounding.value();
        let lacks = |c: u32| bounds.is_some_and(|m| !in_mask(Some(m), c));
        let capabilities = needs.capabilities();
        // A root that goes without them would get them from no sudo either.
        if !capabilities.is_empty() && (root || capabilities.iter().any(|(c, _)| lacks(*c))) {
            let each = |prefix: &str, between: &str| {
                let names = capabilities
                    .iter()
                    .map(|(_, name)| format!("{prefix}{name}"));
                names.collect::<Vec<_>>().join(between)
            };
            return Remedy::Nothing(format!(
                "{} from whoever started this session, which goes without (container: {}; systemd: \
                 CapabilityBoundingSet=)",
                each("CAP_", " and "),
                each("--cap-add ", " ")
            ));
        }
        if root {
            return Remedy::Command(command.into());
        }
        if p.no_new_privs.value() == Some(&true) {
            return Remedy::Nothing(format!(
                "a session without no_new_privs, which keeps sudo and file capabilities from having an effect; in \
                 one: sudo {command}"
            ));
        }
        Remedy::Command(format!("sudo {command}"))
    }

    /// The capabilities on the binary: the least that opens all eyes but tracefs.
    fn raise(&self) -> Remedy {
        if self.facts.privilege.executable_nosuid.value() == Some(&true) {
            return self.as_root(Needs::Probes);
        }
        let setcap = format!("setcap cap_bpf,cap_perfmon+ep {}", self.executable());
        self.sudo(Needs::Probes, &setcap)
    }

    /// What opens level 3 for events in the kernel: the level alone, or nothing less than root.
    fn unlock(&self) -> Remedy {
        if self.has(CAP_PERFMON) {
            self.lower_level()
        } else {
            self.as_root(Needs::SysAdmin)
        }
    }

    fn lower_level(&self) -> Remedy {
        self.sudo(Needs::Root, "sysctl -w kernel.perf_event_paranoid=2")
    }

    fn as_root(&self, needs: Needs) -> Remedy {
        self.sudo(needs, &self.run_again(None))
    }

    /// Opens tracefs to the user's group, for reading; shell and sudo do the rest.
    fn open_tracefs(&self) -> Remedy {
        const POINT: &str = "/sys/kernel/tracing";
        let options = "mode=750,gid=$(id -g)";
        let mount = if self.facts.tracefs.value().is_some_and(|p| p == POINT) {
            format!("mount -o remount,{options} {POINT}")
        } else {
            format!("mount -t tracefs -o {options} tracefs {POINT}")
        };
        self.sudo(Needs::SysAdmin, &mount)
    }

    /// The same command again, without an argument of it.
    fn run_again(&self, without: Option<&str>) -> String {
        let arguments = self.again.iter().filter(|a| Some(a.as_str()) != without);
        std::iter::once(self.executable())
            .chain(arguments.map(|a| quoted(a)))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn executable(&self) -> String {
        let known = self.facts.privilege.executable.value();
        quoted(known.map_or("jail-tools", String::as_str))
    }
}

fn in_mask(mask: Option<&String>, capability: u32) -> bool {
    let mask = mask.and_then(|m| u64::from_str_radix(m, 16).ok());
    mask.is_some_and(|m| m & (1 << capability) != 0)
}

/// As a POSIX shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
