//! What is said of a jail that has ended.

use serde::Serialize;

use crate::cgroup::{Account, Oom};
use crate::page::{Ended, LastSignal};
use crate::signals::Signal;
use crate::supervise::Supervision;

/// How a command ended, and what it took. Times in microseconds; what is not known is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What `procjail run` exits with.
    pub exit_code: i32,
    /// The command's status as wait4(2) gives it.
    pub raw_wait_status: i32,
    /// PID 1 of the jail, in the caller's numbers.
    pub pid: i32,
    /// Directories of its cgroup; empty without one.
    pub cgroup: Vec<String>,
    /// Of a command that a signal ended: whose it was.
    pub killed_by: Option<KilledBy>,
    /// Memory ran out.
    pub oom: Option<Oom>,
    /// The command with what it waited for; null if PID 1 was killed before it, or is the command.
    pub command: Option<Times>,
    /// Everything in the jail that was reaped.
    pub jail: Times,
    /// What the kernel counted in the cgroup.
    pub cgroup_account: Option<Account>,
    /// What of the cgroup is left, and why; `procjail gc` tries again.
    pub not_removed: Option<String>,
    /// Processes other than the command that PID 1 reaped; null if PID 1 is not ours.
    pub orphans_reaped: Option<u64>,
    /// The most of them at one wake-up.
    pub reaped_at_once: Option<u64>,
    /// Signals that were passed on to the command.
    pub signals_forwarded: u64,
    /// Those of them that lost value and sender: a full queue, or a group before Linux 6.9.
    pub signals_without_value: u64,
    /// Protections that were asked for and cannot be had here.
    pub missing: Vec<Missing>,
    /// The set-up, step by step.
    pub steps: Vec<StepTime>,
    /// From the beginning to the end of the jail.
    pub wall_us: u64,
}

/// A step of the set-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepTime {
    /// What was done.
    pub step: &'static str,
    /// When it began, from the supervisor's first look at the clock; the next one's is its end.
    pub at_us: u64,
}

/// A protection that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name, as `--without` takes it.
    pub protection: &'static str,
    /// Why.
    pub why: String,
}

/// Processor time and memory of processes that were waited for (getrusage(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Times {
    /// In user mode.
    pub user_us: i64,
    /// In the kernel.
    pub system_us: i64,
    /// Of the largest of the processes.
    pub max_rss_kib: i64,
}

impl Times {
    pub(crate) fn of_command(ended: Ended) -> Self {
        Self {
            user_us: ended.user_us,
            system_us: ended.system_us,
            max_rss_kib: ended.max_rss_kib,
        }
    }

    pub(crate) fn of_usage(usage: &libc::rusage) -> Self {
        let us = |t: libc::timeval| t.tv_sec * 1_000_000 + t.tv_usec;
        Self {
            user_us: us(usage.ru_utime),
            system_us: us(usage.ru_stime),
            max_rss_kib: usage.ru_maxrss,
        }
    }
}

/// A signal that ended the command, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KilledBy {
    /// Its name.
    pub signal: String,
    /// Who sent it.
    pub who: &'static str,
    /// The sender, in the numbers of whoever received it; null if that is not known.
    pub sender: Option<Sender>,
    /// From what that is known.
    pub known_from: &'static str,
}

/// A process that sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sender {
    /// Its number; 0: outside what the receiver can see, or the kernel.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
}

impl From<LastSignal> for Sender {
    fn from(signal: LastSignal) -> Self {
        Self {
            pid: signal.pid,
            uid: signal.uid,
        }
    }
}

/// What is known of the command beside how it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// PID 1 was ended, and the command with it.
    pub(crate) pid1_killed: bool,
    /// The kernel killed something for memory.
    pub(crate) oom: Option<OomVictim>,
}

/// Whom the kernel killed for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OomVictim {
    /// The command, since the kernel's log has its number.
    Logged,
    /// The command, since there was nobody else.
    Alone,
    /// Somebody in the jail.
    Somebody,
}

/// Whose signal ended the command.
pub(crate) fn killed_by(
    raw_status: i32,
    known: Circumstances,
    supervision: &Supervision,
    last: Option<LastSignal>,
) -> Option<KilledBy> {
    if !libc::WIFSIGNALED(raw_status) {
        return None;
    }
    let number = libc::WTERMSIG(raw_status);
    let signal = Signal::new(number).map_or_else(|| number.to_string(), |s| s.to_string());
    let by = |who, sender, known_from| {
        Some(KilledBy {
            signal: signal.clone(),
            who,
            sender,
            known_from,
        })
    };
    let kill = number == libc::SIGKILL;
    if kill && supervision.killed {
        return by("procjail, when --grace was over", None, "its own act");
    }
    let memory = "the kernel, for memory";
    match known.oom.filter(|_| kill) {
        Some(OomVictim::Logged) => {
            return by(memory, None, "the kernel log, which has its number");
        }
        Some(OomVictim::Alone) => {
            return by(
                memory,
                None,
                "the cgroup's oom_kill count, and nobody else was in the jail",
            );
        }
        Some(OomVictim::Somebody) | None => {}
    }
    if let Some(outer) = supervision.last.filter(|s| s.signo == number) {
        return by(
            "a process outside, through procjail",
            Some(outer.into()),
            "inferred: it was the last signal that was passed on",
        );
    }
    if kill && known.oom.is_some() {
        return by(
            "perhaps the kernel, for memory",
            None,
            "inferred: the cgroup's oom_kill count is of processes in the jail, and does not say which",
        );
    }
    if known.pid1_killed {
        return by(
            "somebody outside, who killed PID 1",
            None,
            "the wait status of PID 1",
        );
    }
    if let Some(inner) = last.filter(|s| s.signo == number) {
        return by(
            "a process that signalled PID 1",
            Some(inner.into()),
            "inferred: it was the last signal that was passed on",
        );
    }
    by(
        "unknown: not through procjail",
        None,
        "a signal's sender is not in the wait status; a probe on signal_generate would see it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: i32 = libc::SIGKILL;

    fn who(known: Circumstances, supervision: &Supervision) -> &'static str {
        killed_by(KILLED, known, supervision, None)
            .expect("it was killed")
            .who
    }

    fn of(oom: Option<OomVictim>, pid1_killed: bool) -> Circumstances {
        Circumstances { pid1_killed, oom }
    }

    #[test]
    fn memory_is_the_reason_only_where_it_is_known_to_be() {
        let did = Supervision::default();
        for sure in [OomVictim::Logged, OomVictim::Alone] {
            assert_eq!(who(of(Some(sure), false), &did), "the kernel, for memory");
        }
        for pid1_killed in [false, true] {
            let somebody = of(Some(OomVictim::Somebody), pid1_killed);
            assert_eq!(who(somebody, &did), "perhaps the kernel, for memory");
        }
        let outside = "somebody outside, who killed PID 1";
        assert_eq!(who(of(None, true), &did), outside);
        assert!(who(of(None, false), &did).starts_with("unknown"));
    }

    #[test]
    fn what_we_passed_on_or_did_comes_before_what_is_inferred() {
        let mut did = Supervision {
            last: Some(LastSignal {
                signo: libc::SIGKILL,
                pid: 7,
                uid: 0,
            }),
            ..Supervision::default()
        };
        let known = of(Some(OomVictim::Somebody), true);
        assert_eq!(who(known, &did), "a process outside, through procjail");
        did.killed = true;
        assert!(who(known, &did).contains("--grace"));
    }
}
