//! The kills: one jail each, at an instant of its own.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::census::{Census, MARKER};
use super::kinds::{self, Kind, PAYLOADS};
use crate::story::processes::{Held, Process, children};
use crate::story::{is_guest, wait_until};

/// After so many kills nothing may be left of them.
const BATCH: u32 = 20;

/// More kills as soon as PID 1 is seen, where none of the others came before its command ran: on a busy
/// machine a look at /proc takes longer than the set-up, and for some of them has to be lucky.
const STARTING_MAX: u32 = 200;

/// The same instants each time: printed, so that a run can be had again.
const SEED: u64 = 2026;

/// The last instant after the start; an emulated machine needs the longer for the same way.
fn last_us() -> u64 {
    if is_guest() { 300_000 } else { 15_000 }
}

/// Kills so many jails, and counts after each batch.
pub(crate) fn at_random(count: u32) {
    println!("seed {SEED}");
    let rootfs = tempfile::tempdir().expect("a folder");
    let kinds = kinds::all(&rootfs);
    let mut random = Random(SEED);
    let mut hit = BTreeMap::<(Stage, Victim), u32>::new();
    let mut census = Census::take();
    let mut number = 0;
    while number < count || (!reached(&hit, Stage::Starting) && number < count + STARTING_MAX) {
        let kind = &kinds[number as usize % kinds.len()];
        let mut story = Story::of(kind, &mut random);
        if number >= count {
            (story.when, story.delay) = (When::Clone, Duration::ZERO);
        }
        let (stage, victim) = story.play(&mut census, number);
        *hit.entry((stage, victim)).or_default() += 1;
        number += 1;
        if number.is_multiple_of(BATCH) || number >= count {
            census.must_be_clean(&format!("after kill {number}, of {}", kind.name));
        }
    }
    for ((stage, victim), times) in &hit {
        println!("{times:5} {victim:?} when {stage:?}");
    }
    reached_everything(&hit);
}

fn reached(hit: &BTreeMap<(Stage, Victim), u32>, stage: Stage) -> bool {
    hit.keys().any(|(reached, _)| *reached == stage)
}

/// Else nothing of this was a test.
fn reached_everything(hit: &BTreeMap<(Stage, Victim), u32>) {
    for stage in [Stage::Starting, Stage::Running, Stage::Ending] {
        assert!(reached(hit, stage), "no kill when {stage:?}");
    }
    for victim in [Victim::Supervisor, Victim::Init, Victim::Payload] {
        assert!(hit.contains_key(&(Stage::Running, victim)), "{victim:?}");
    }
}

/// How far the jail was when it was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The clone of PID 1 is still to come.
    BeforeTheClone,
    /// The command does not run yet.
    Starting,
    Running,
    /// Its end was asked for.
    Ending,
    /// There was nothing left to kill.
    GoneAlready,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Supervisor,
    Init,
    Payload,
}

/// When the kill comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// So long after the start.
    Start,
    /// As soon as PID 1 is seen, which is stopped while we look further: its set-up is short, and
    /// chance alone may never hit it.
    Clone,
    /// So long after the command was seen to run.
    Exec,
    /// So long after TERM to the supervisor, or KILL to the command.
    End { by_term: bool },
}

struct Story<'a> {
    kind: &'a Kind,
    payload: &'static str,
    when: When,
    victim: Victim,
    delay: Duration,
}

impl<'a> Story<'a> {
    fn of(kind: &'a Kind, random: &mut Random) -> Self {
        let when = match random.below(10) {
            0..4 => When::Start,
            4 => When::Clone,
            5..7 => When::Exec,
            n => When::End { by_term: n == 7 },
        };
        let last_us = match when {
            When::Start => last_us(),
            When::Clone => 0,
            // Within what takes a millisecond or so.
            _ => last_us() / 10,
        };
        Self {
            kind,
            payload: PAYLOADS[random.below(PAYLOADS.len() as u64) as usize],
            when,
            victim: [Victim::Supervisor, Victim::Init, Victim::Payload][random.below(3) as usize],
            delay: Duration::from_micros(random.below(last_us + 1)),
        }
    }

    /// Starts the jail, kills, and waits for the supervisor alone: the rest has to end by itself.
    fn play(&self, census: &mut Census, number: u32) -> (Stage, Victim) {
        let mut child = self.start(census);
        let pid = child.id().cast_signed();
        census.started(child.id());
        let mut stopped = None;
        match self.when {
            When::Start => {}
            When::Clone => stopped = stop_pid_1(&child, self.kind),
            When::Exec => wait_for_command(&mut child, self.kind),
            When::End { by_term } => {
                wait_for_command(&mut child, self.kind);
                if by_term {
                    Held::child(pid).signal(libc::SIGTERM);
                } else if let Some(payload) = find(pid, Victim::Payload, self.kind) {
                    payload.signal(libc::SIGKILL);
                }
            }
        }
        sleep(self.delay);
        let hit = self.kill(pid);
        if let Some(init) = stopped {
            // What is stopped can neither reap nor ask for its parent's death.
            init.signal(libc::SIGCONT);
        }
        let what = format!(
            "kill {number}: {} `{}`, {hit:?} {:?} after {:?}",
            self.kind.name, self.payload, self.when, self.delay
        );
        wait_for_supervisor(&mut child, &what);
        hit
    }

    fn start(&self, census: &Census) -> Child {
        let (name, value) = census.marker.split_once('=').expect("a variable");
        // In the command's arguments too: its environment is scrubbed.
        let mut tool = self.kind.tool(self.payload);
        tool.arg(format!("{MARKER}={value}")).env(name, value);
        tool.stdin(Stdio::null());
        tool.stdout(Stdio::null()).stderr(Stdio::null());
        tool.spawn().expect("the tool starts")
    }

    fn kill(&self, supervisor: i32) -> (Stage, Victim) {
        let stage = self.stage(supervisor);
        let inner = (self.victim != Victim::Supervisor)
            .then(|| find(supervisor, self.victim, self.kind))
            .flatten();
        let (held, victim) = match inner {
            Some(held) => (held, self.victim),
            // Not there yet, or not any more.
            None => (Held::child(supervisor), Victim::Supervisor),
        };
        held.signal(libc::SIGKILL);
        // It went on between the two looks: what was hit was there.
        let at_least = match victim {
            Victim::Supervisor => stage,
            Victim::Init => Stage::Starting,
            Victim::Payload => Stage::Running,
        };
        (stage.max(at_least), victim)
    }

    fn stage(&self, supervisor: i32) -> Stage {
        if Process::of(supervisor).is_none_or(|p| p.state == 'Z') {
            return Stage::GoneAlready;
        }
        match self.when {
            When::End { .. } => Stage::Ending,
            _ if find(supervisor, Victim::Payload, self.kind).is_some() => Stage::Running,
            _ if find(supervisor, Victim::Init, self.kind).is_some() => Stage::Starting,
            _ => Stage::BeforeTheClone,
        }
    }
}

/// One of a jail's processes, if it is there. The payload: once it is not procjail any more.
fn find(supervisor: i32, victim: Victim, kind: &Kind) -> Option<Held> {
    let below = children(supervisor);
    let init = below.into_iter().find(Process::is_pid_1)?;
    let found = match victim {
        Victim::Supervisor => return Some(Held::child(supervisor)),
        Victim::Init => init,
        Victim::Payload if kind.is_as_pid1() => Some(init).filter(is_command)?,
        Victim::Payload => children(init.pid).into_iter().find(is_command)?,
    };
    Held::below(supervisor, found.pid)
}

fn is_command(process: &Process) -> bool {
    process.name != "procjail"
}

fn wait_for_command(child: &mut Child, kind: &Kind) {
    let pid = child.id().cast_signed();
    wait_until("the command runs, or has run", || {
        find(pid, Victim::Payload, kind).is_some()
            || Process::of(pid).is_none_or(|p| p.state == 'Z')
    });
}

/// Looks without a pause until there is a PID 1, or nothing is to come any more.
fn stop_pid_1(child: &Child, kind: &Kind) -> Option<Held> {
    let pid = child.id().cast_signed();
    while Process::of(pid).is_some_and(|p| p.state != 'Z') {
        if let Some(init) = find(pid, Victim::Init, kind) {
            init.signal(libc::SIGSTOP);
            return Some(init);
        }
    }
    None
}

/// It ends, whatever was hit.
fn wait_for_supervisor(child: &mut Child, what: &str) {
    let mut status = None;
    wait_until(what, || {
        status = child.try_wait().expect("a child");
        status.is_some()
    });
    println!("{what}: {}", status.unwrap_or_default());
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
