//! The counters of one thread.

use std::io;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use perf_event::{Builder, Counter, Group as PerfGroup};
use record::Grade;
use record::manifest::Armed;

use crate::events::{Event, Group, WithoutKernel};
use crate::tracefs::Tracefs;

/// One counter's value at a moment, unscaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReading {
    /// Name of the event; `:u` is appended where only user mode is counted.
    pub event: String,
    /// The value.
    pub value: u64,
    /// Nanoseconds enabled.
    pub enabled_ns: u64,
    /// Nanoseconds counting.
    pub running_ns: u64,
}

impl RawReading {
    /// Grade of this reading by itself.
    #[must_use]
    pub fn grade(&self) -> Grade {
        Grade::of_times(self.enabled_ns, self.running_ns)
    }
}

/// The last sleep that is tried, 10^this µs: no timer fires that early.
const LONGEST_SLEEP: u32 = 5;

/// How often the calling thread has left its CPU.
fn switches() -> Option<i64> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    Some(usage.voluntary_context_switches() + usage.involuntary_context_switches())
}

struct OpenGroup {
    group: PerfGroup,
    members: Vec<(String, Counter)>,
}

/// The counters of the thread that opened them. They can be read from any thread.
pub struct ThreadCounters {
    groups: Vec<OpenGroup>,
    armed: Vec<Armed>,
}

impl std::fmt::Debug for ThreadCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadCounters")
            .field("armed", &self.armed)
            .finish_non_exhaustive()
    }
}

impl ThreadCounters {
    /// Opens every row on the calling thread and starts counting.
    ///
    /// Rows that can't be had are named in [`ThreadCounters::armed`] with their errno.
    #[must_use]
    pub fn open(table: &[Event], tracefs: Result<&Tracefs, &str>) -> Self {
        let mut counters = Self {
            groups: Vec::new(),
            armed: Vec::new(),
        };
        let mut rest = table;
        while let Some(first) = rest.first() {
            let len = rest.iter().take_while(|e| e.group == first.group).count();
            counters.open_group(first.group, &rest[..len], tracefs);
            rest = &rest[len..];
        }
        counters.begin();
        counters
    }

    /// Makes every group count from here on.
    ///
    /// On Linux 6.18 a group whose last member is a tracepoint, led by the dummy of another PMU
    /// and enabled while its thread runs, counts nothing before that thread is switched to
    /// again, and yet says that it ran all the time it was enabled. So this thread lets itself
    /// be switched away from once. A short sleep may not do that: its timer can fire before the
    /// thread has left the CPU, and it just goes on. So it sleeps longer and longer until the kernel
    /// has counted a switch.
    fn begin(&self) {
        if self.groups.is_empty() {
            return;
        }
        let before = switches();
        for exponent in 0..=LONGEST_SLEEP {
            std::thread::sleep(Duration::from_micros(10_u64.pow(exponent)));
            if before.is_none() || switches() != before {
                return;
            }
        }
    }

    fn open_group(&mut self, group: Group, rows: &[Event], tracefs: Result<&Tracefs, &str>) {
        let mut open = match leader() {
            Ok(group) => OpenGroup {
                group,
                members: Vec::new(),
            },
            Err(e) => {
                for row in rows {
                    self.missing(
                        row,
                        &format!("perf_event_open of the leader of {group:?}: {e}"),
                    );
                }
                return;
            }
        };
        for row in rows {
            match add(&mut open.group, row, tracefs) {
                Ok((name, counter)) => {
                    let user_only = name.ends_with(":u");
                    let blind = user_only.then(|| format!("{} in the kernel", row.about));
                    self.armed.push(Armed {
                        name: name.clone(),
                        missing: None,
                        blind,
                    });
                    open.members.push((name, counter));
                }
                Err(why) => self.missing(row, &why),
            }
        }
        if open.members.is_empty() {
            return;
        }
        match open.group.enable() {
            Ok(()) => self.groups.push(open),
            Err(e) => {
                for (name, _) in &open.members {
                    if let Some(armed) = self.armed.iter_mut().find(|a| a.name == *name) {
                        armed.missing = Some(format!("ioctl(PERF_EVENT_IOC_ENABLE): {e}"));
                    }
                }
            }
        }
    }

    fn missing(&mut self, row: &Event, why: &str) {
        self.armed.push(Armed {
            name: row.name.into(),
            missing: Some(why.into()),
            blind: Some(row.about.into()),
        });
    }

    /// Each row: open, or why not and what can't be seen.
    #[must_use]
    pub fn armed(&self) -> &[Armed] {
        &self.armed
    }

    /// Reads all groups, one system call each. A group that fails to read yields no rows, and the
    /// error is returned beside what could be read.
    pub fn read(&mut self) -> (Vec<RawReading>, Option<io::Error>) {
        let (mut readings, mut error) = (Vec::new(), None);
        for open in &mut self.groups {
            match open.group.read() {
                Ok(data) => {
                    let ns = |d: Option<std::time::Duration>| {
                        d.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
                    };
                    let (enabled_ns, running_ns) =
                        (ns(data.time_enabled()), ns(data.time_running()));
                    for (event, counter) in &open.members {
                        if let Some(entry) = data.get(counter) {
                            readings.push(RawReading {
                                event: event.clone(),
                                value: entry.value(),
                                enabled_ns,
                                running_ns,
                            });
                        }
                    }
                }
                Err(e) => error = Some(e),
            }
        }
        (readings, error)
    }
}

/// A group led by a software event that counts nothing, so that the group exists even if its
/// first real member does not.
fn leader() -> io::Result<PerfGroup> {
    let mut builder: Builder<'static> = PerfGroup::builder();
    builder.include_kernel().include_hv();
    builder.build_group().or_else(|e| match e.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => PerfGroup::builder().build_group(),
        _ => Err(e),
    })
}

fn add(
    group: &mut PerfGroup,
    row: &Event,
    tracefs: Result<&Tracefs, &str>,
) -> Result<(String, Counter), String> {
    match group.add(&row.builder(tracefs, false)?) {
        Ok(counter) => Ok((row.name.into(), counter)),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EACCES | libc::EPERM)) => {
            let builder = row.builder(tracefs, true)?;
            let counter = group.add(&builder).map_err(|e| why(row, &e))?;
            let name = match row.without_kernel() {
                WithoutKernel::Whole => row.name.into(),
                _ => format!("{}:u", row.name),
            };
            Ok((name, counter))
        }
        Err(e) => Err(why(row, &e)),
    }
}

/// The errno and what it means here (perf_event_open(2), ERRORS).
fn why(row: &Event, error: &io::Error) -> String {
    let hardware = matches!(
        row.group,
        Group::Core | Group::Branch | Group::Cache | Group::Coherence
    );
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) if hardware && !has_pmu() => {
            "ENOENT: no PMU in this guest".into()
        }
        Some(libc::ENOENT) => "ENOENT: this processor does not have the event".into(),
        Some(libc::EACCES | libc::EPERM) => {
            format!(
                "perf_event_open: {error}: kernel.perf_event_paranoid, or a filter of system calls"
            )
        }
        Some(libc::EMFILE) => format!("{error}: raise the limit of open files"),
        _ => format!("perf_event_open: {error}"),
    }
}

/// Does the kernel know a core PMU? (x86: `cpu`, or `cpu_core` and `cpu_atom`; arm: `armv8_…`.)
#[must_use]
pub fn has_pmu() -> bool {
    std::fs::read_dir("/sys/bus/event_source/devices").is_ok_and(|entries| {
        entries.filter_map(Result::ok).any(|e| {
            e.file_name()
                .to_str()
                .is_some_and(|n| n.starts_with("cpu") || n.starts_with("arm"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu_id::CpuId;
    use crate::events::table;

    #[test]
    fn needs_root_a_tracepoint_counts_from_the_first_event_on() {
        let test = testkit::begin!();
        let tracefs = match Tracefs::open() {
            Ok(tracefs) => tracefs,
            Err(why) => return test.skip(&why),
        };
        let rows = [Event {
            name: "getppid",
            group: Group::Tracepoint,
            kind: crate::events::Kind::Tracepoint("syscalls", "sys_enter_getppid"),
            about: "calls of getppid",
        }];
        let mut counters = ThreadCounters::open(&rows, Ok(&tracefs));
        if let Some(why) = counters.armed().iter().find_map(|a| a.missing.clone()) {
            return test.skip(&why);
        }
        for _ in 0..1000 {
            _ = std::os::unix::process::parent_id();
        }
        let (readings, error) = counters.read();
        assert!(error.is_none(), "{error:?}");
        let counted: Vec<_> = readings.iter().map(|r| r.value).collect();
        assert_eq!(counted, [1000]);
    }

    #[test]
    fn every_row_is_open_or_says_why_not() {
        let rows = table(CpuId::of_this_machine().as_ref());
        let tracefs = Tracefs::open();
        let mut counters = ThreadCounters::open(&rows, tracefs.as_ref().map_err(String::as_str));
        assert_eq!(counters.armed().len(), rows.len());
        for armed in counters.armed() {
            println!("{} {:?} {:?}", armed.name, armed.missing, armed.blind);
            assert!(armed.missing.as_ref().is_none_or(|w| !w.is_empty()));
        }
        let (first, _) = counters.read();
        std::thread::yield_now();
        let (second, error) = counters.read();
        assert!(error.is_none(), "{error:?}");
        let open = counters
            .armed()
            .iter()
            .filter(|a| a.missing.is_none())
            .count();
        assert_eq!(second.len(), open);
        for (a, b) in first.iter().zip(&second) {
            assert!(
                b.value >= a.value && b.enabled_ns >= a.enabled_ns,
                "{a:?} {b:?}"
            );
        }
    }
}
