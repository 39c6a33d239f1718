//! Signals that reach the command.

use nix::unistd::getuid;

use crate::common::wire::{End, Event, Received, Who};
use crate::running::{Running, is_in_state};
use crate::setup::Setup;
use crate::subject::{Subject, Wish};
use crate::sys::{PidFd, With};
use crate::verdict::{Verdict, Why, equal};

/// Those that can be forwarded, but for the three of job control. Last those that a supervisor may
/// take for the wish that the command ends.
const STANDARD: [i32; 25] = [
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGUSR1,
    libc::SIGSEGV,
    libc::SIGUSR2,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGSTKFLT,
    libc::SIGCONT,
    libc::SIGURG,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGWINCH,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSYS,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGTERM,
];

const JOB_CONTROL: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// After so many that did not arrive there is no use in waiting for more.
const LOST_MAX: usize = 3;

/// Fewer than a user may have pending (RLIMIT_SIGPENDING), also with other tests beside.
const FLOOD: i64 = 400;

/// Whom queued signals claim to be from.
const SOMEBODY: u32 = 1234;

/// What every init can do, so that it is known of each that the test gets through to it.
pub(crate) fn plain_term(subject: &Subject) -> Verdict {
    each_reaches(subject, &[libc::SIGTERM])
}

pub(crate) fn standard(subject: &Subject) -> Verdict {
    each_reaches(subject, &STANDARD)
}

pub(crate) fn job_control(subject: &Subject) -> Verdict {
    each_reaches(subject, &JOB_CONTROL)
}

pub(crate) fn real_time(subject: &Subject) -> Verdict {
    let all: Vec<i32> = (libc::SIGRTMIN()..=libc::SIGRTMAX()).collect();
    each_reaches(subject, &all)
}

/// The two that the C library keeps to itself. Programs without it may use them.
pub(crate) fn of_the_library(subject: &Subject) -> Verdict {
    each_reaches(subject, &[32, 33])
}

/// A CHLD that somebody sends is the init's own, and does it no harm.
pub(crate) fn child_signal(subject: &Subject) -> Verdict {
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    for _ in 0..3 {
        running.send(libc::SIGCHLD)?;
        running.send(libc::SIGWINCH)?;
        equal(
            "after CHLD and WINCH",
            &running.signal()?.signal,
            &libc::SIGWINCH,
        )?;
    }
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// One at a time, each acknowledged before the next is sent.
fn each_reaches(subject: &Subject, signals: &[i32]) -> Verdict {
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    let mut wrong = Vec::new();
    for signal in signals {
        match running.send(*signal).and_then(|()| running.signal()) {
            Ok(received) if received.signal == *signal => {}
            Ok(received) => wrong.push(format!("{signal} arrives as {}", received.signal)),
            Err(_) => wrong.push(format!("{signal} does not arrive")),
        }
        if wrong.len() == LOST_MAX {
            wrong.push("no more were tried".into());
            break;
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(running.seen(&wrong.join("; ")))
}

/// Who else is in the child's group gets them too.
pub(crate) fn group(subject: &Subject) -> Verdict {
    if !subject.is_to_group() {
        return Err(Why::not_applicable("it sends to the child alone"));
    }
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    running.say("grandchild")?;
    running.state()?;
    for signal in [libc::SIGHUP, libc::SIGUSR1, libc::SIGWINCH, libc::SIGTERM] {
        running.send(signal)?;
        let mut got = [running.signal()?, running.signal()?];
        got.sort_by_key(|r| r.who == Who::Grandchild);
        let got = got.map(|r| (r.who, r.signal));
        let expected = [(Who::Child, signal), (Who::Grandchild, signal)];
        equal("who got which", &got, &expected)?;
    }
    Ok(())
}

/// Five of the same real-time signal, with five values.
pub(crate) fn values(subject: &Subject) -> Verdict {
    keeps_values(subject)?;
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    let signal = libc::SIGRTMIN() + 2;
    for value in 1..=5 {
        running.queue(signal, claimed(value))?;
    }
    for value in 1..=5 {
        let received = running.signal()?;
        equal("the signal", &received.signal, &signal)?;
        equal("its value", &received.value, &value)?;
        equal("si_uid", &received.uid, &SOMEBODY)?;
    }
    // Also a standard signal can be queued with a value.
    running.queue(libc::SIGUSR1, claimed(-7))?;
    let received = running.signal()?;
    equal("the signal", &received.signal, &libc::SIGUSR1)?;
    equal("its value", &received.value, &-7)?;
    equal("si_uid", &received.uid, &SOMEBODY)
}

fn claimed(value: i64) -> With {
    With {
        value: value as u64,
        uid: SOMEBODY,
    }
}

/// All real-time signals at once, each twice: the kernel delivers the lowest first, and two of the
/// same in their order.
pub(crate) fn burst(subject: &Subject) -> Verdict {
    keeps_values(subject)?;
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    let all = libc::SIGRTMIN()..=libc::SIGRTMAX();
    for value in 1..=2 {
        for signal in all.clone() {
            running.queue(signal, claimed(value))?;
        }
    }
    let mut values = std::collections::BTreeMap::<i32, Vec<i64>>::new();
    for _ in 0..2 * all.clone().count() {
        let Received { signal, value, .. } = running.signal()?;
        values.entry(signal).or_default().push(value);
    }
    for signal in all {
        let found = values.remove(&signal).unwrap_or_default();
        equal(&format!("values with {signal}"), &found, &vec![1, 2])?;
    }
    Ok(())
}

/// Many of the same, faster than anyone takes them.
pub(crate) fn flood(subject: &Subject) -> Verdict {
    keeps_values(subject)?;
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    for value in 0..FLOOD {
        running.queue(libc::SIGRTMAX(), claimed(value))?;
    }
    for value in 0..FLOOD {
        equal("value", &running.signal()?.value, &value)?;
    }
    Ok(())
}

/// What comes while the command is stopped is there when it goes on.
pub(crate) fn to_a_stopped_command(subject: &Subject) -> Verdict {
    keeps_values(subject)?;
    let (mut running, state) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    let pid = running.child(state.pid)?;
    PidFd::open(pid)?.send(libc::SIGSTOP)?;
    running.wait_until("stopped", || is_in_state(pid, 'T'))?;
    for value in 1..=3 {
        running.queue(libc::SIGRTMIN(), claimed(value))?;
    }
    running.send(libc::SIGCONT)?;
    equal("CONT", &running.signal()?.signal, &libc::SIGCONT)?;
    for value in 1..=3 {
        equal("value", &running.signal()?.value, &value)?;
    }
    Ok(())
}

/// To a group a signal can be queued with a value from Linux 6.9 on.
fn keeps_values(subject: &Subject) -> Verdict {
    if !subject.is_to_group() {
        return Ok(());
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split('.').map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next(), numbers.next());
    if version < (Some(6), Some(9)) {
        return Err(Why::not_applicable("to a group, and before Linux 6.9"));
    }
    Ok(())
}

/// A sender inside the namespace is visible there, and stays so.
pub(crate) fn sender(subject: &Subject) -> Verdict {
    keeps_values(subject)?;
    if subject.makes_its_jail() && !subject.sends_to_first_process() {
        return Err(Why::not_applicable("from inside only its PID 1 is seen"));
    }
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    let queued = libc::SIGRTMIN() + 6;
    let cases = [
        (format!("queue-init {queued} 7"), queued, Some(7)),
        (format!("kill-init {}", libc::SIGUSR2), libc::SIGUSR2, None),
    ];
    for (line, signal, value) in cases {
        running.say(&line)?;
        let Event::Sender { pid } = running.event()? else {
            return Err(running.seen("no sender"));
        };
        let received = running.signal()?;
        equal("the signal", &received.signal, &signal)?;
        equal("si_pid", &received.pid, &pid)?;
        equal("si_uid", &received.uid, &getuid().as_raw())?;
        if let Some(value) = value {
            equal("its value", &received.value, &value)?;
        }
    }
    Ok(())
}

/// Five of the same standard signal may become one, but never none.
pub(crate) fn coalesced(subject: &Subject) -> Verdict {
    let (mut running, _) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    for round in 1..=20 {
        for _ in 0..5 {
            running.send(libc::SIGUSR1)?;
        }
        // Has a higher number: the kernel gives those that are pending by then first.
        running.send(libc::SIGUSR2)?;
        let mut arrived = 0;
        while running.signal()?.signal == libc::SIGUSR1 {
            arrived += 1;
        }
        if !(1..=5).contains(&arrived) {
            return Err(running.seen(&format!("{arrived} of 5 arrived in round {round}")));
        }
    }
    Ok(())
}

pub(crate) fn rewritten(subject: &Subject) -> Verdict {
    let setup = Setup::probe(&["serve"]).wishing(Wish::Rewrite(libc::SIGTERM, libc::SIGINT));
    let (mut running, _) = Running::ready(subject, &setup)?;
    running.send(libc::SIGUSR1)?;
    equal("USR1", &running.signal()?.signal, &libc::SIGUSR1)?;
    running.send(libc::SIGTERM)?;
    equal("TERM", &running.signal()?.signal, &libc::SIGINT)
}

pub(crate) fn dropped(subject: &Subject) -> Verdict {
    let setup = Setup::probe(&["serve"]).wishing(Wish::Rewrite(libc::SIGHUP, 0));
    let (mut running, _) = Running::ready(subject, &setup)?;
    for _ in 0..3 {
        // HUP has the lower number: it would arrive first.
        running.send(libc::SIGHUP)?;
        running.send(libc::SIGUSR1)?;
        equal(
            "after HUP and USR1",
            &running.signal()?.signal,
            &libc::SIGUSR1,
        )?;
    }
    Ok(())
}

/// The signal that is asked for when the init's parent dies.
pub(crate) fn parent_death(subject: &Subject) -> Verdict {
    let setup = Setup::probe(&["serve"]).wishing(Wish::ParentDeath(libc::SIGTERM));
    let (mut running, _) = Running::ready(subject, &setup)?;
    running.kill_launcher()?;
    equal("the signal", &running.signal()?.signal, &libc::SIGTERM)
}
