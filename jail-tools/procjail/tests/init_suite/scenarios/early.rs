//! A TERM soon after the start.

use crate::common::wire::{EarlyTerm, End, Event, Signals, Since};
use crate::lines::NoLine;
use crate::running::Running;
use crate::setup::Setup;
use crate::subject::{Place, Subject};
use crate::verdict::{Verdict, Why};

/// From the start, or whatever it is counted from, to TERM.
const DELAYS_US: [u64; 6] = [0, 500, 1000, 2000, 4000, 8000];

/// The code of a command to which another signal, sent later, came first.
const LATER_CAME_FIRST: i32 = 77;

/// 128 + TERM: of a command that had no handler yet.
const DIED_OF_TERM: i32 = 128 + libc::SIGTERM;

/// At each delay. A guest of ours is emulated, and has a limit for each test.
fn times() -> u32 {
    let is_set = |name| std::env::var_os(name).is_some();
    match (is_set("JAIL_TOOLS_GUEST"), is_set("JAIL_TOOLS_LONG_TESTS")) {
        (true, false) => 5,
        (false, false) | (true, true) => 20,
        (false, true) => 200,
    }
}

/// Started as by somebody who takes no care.
pub(crate) fn unprepared(subject: &Subject) -> Verdict {
    let lost = lost_by_delay(subject, since_start(subject), Signals::default())?;
    let is_executed = subject.place == Place::FirstProcess && !subject.makes_its_jail();
    if is_executed && subject.is_ours() && lost.odd.is_none() {
        // The kernel discards what a PID 1 has no handler for, and has not blocked.
        return Err(Why::NotApplicable(format!(
            "until it is executed and blocks signals, they are the kernel's to discard: {lost}"
        )));
    }
    lost.verdict()
}

/// Started with every signal blocked, so that none is discarded before the init can take it.
pub(crate) fn prepared(subject: &Subject) -> Verdict {
    lost_by_delay(subject, since_start(subject), Signals(u64::MAX))?.verdict()
}

/// From the moment on at which the init has taken TERM over from the kernel.
pub(crate) fn taken_over(subject: &Subject) -> Verdict {
    if subject.makes_its_jail() {
        return Err(Why::not_applicable("it starts with all blocked"));
    }
    lost_by_delay(subject, Since::TermIsItsOwn, Signals::default())?.verdict()
}

fn since_start(subject: &Subject) -> Since {
    if subject.sends_to_first_process() {
        Since::FirstProcess
    } else {
        Since::Fork
    }
}

/// How many were lost at each delay.
struct Lost {
    counts: Vec<u32>,
    times: u32,
    /// The first thing seen that is neither an end by TERM nor a loss.
    odd: Option<String>,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lost of {}:", self.times)?;
        for (delay_us, lost) in DELAYS_US.iter().zip(&self.counts) {
            write!(f, " {lost} at {} ms,", *delay_us as f64 / 1000.0)?;
        }
        write!(f, " {}", self.odd.as_deref().unwrap_or("nothing odd"))
    }
}

impl Lost {
    fn verdict(&self) -> Verdict {
        if self.odd.is_none() && self.counts.iter().all(|lost| *lost == 0) {
            return Ok(());
        }
        Err(Why::Failed(self.to_string()))
    }
}

fn lost_by_delay(subject: &Subject, since: Since, blocked: Signals) -> Result<Lost, Why> {
    let mut lost = Lost {
        counts: vec![0; DELAYS_US.len()],
        times: times(),
        odd: None,
    };
    // Delay by delay in turn, so that a moment of a busy machine is no one's alone.
    for _ in 0..lost.times {
        for (delay_us, count) in DELAYS_US.iter().zip(&mut lost.counts) {
            match one(
                subject,
                blocked,
                EarlyTerm {
                    after_us: *delay_us,
                    since,
                },
            )? {
                Fate::Arrived => {}
                Fate::Lost => *count += 1,
                Fate::Odd(what) => lost.odd = lost.odd.or(Some(what)),
            }
        }
    }
    println!("early TERM: {}: {lost}", subject.name);
    Ok(lost)
}

enum Fate {
    Arrived,
    Lost,
    Odd(String),
}

/// `jail-probe term` ends with 0 on TERM. When it's ready a WINCH is sent after the TERM: had TERM
/// been anywhere on its way, it would come first, as it has the lower number.
fn one(subject: &Subject, blocked: Signals, term: EarlyTerm) -> Result<Fate, Why> {
    let setup = Setup {
        blocked,
        term: Some(term),
        ..Setup::probe(&["term"])
    };
    let mut running = Running::start(subject, &setup)?;
    let mut has_run = false;
    match running.event_or_silence() {
        // It may have ended by now, which is what TERM is for.
        Ok(Event::Ready(_)) => {
            has_run = true;
            running.early_term()?;
            let _ = running.aim().and_then(|()| running.send(libc::SIGWINCH));
        }
        Ok(other) => return Ok(Fate::Odd(format!("{other:?}"))),
        Err(NoLine::Closed) => {}
        Err(NoLine::Silent) => return Ok(Fate::Lost),
    }
    Ok(match running.ended()?.end {
        End::Exited(0) if !has_run => Fate::Odd("the command was never run".into()),
        End::Exited(0 | DIED_OF_TERM) | End::Killed(libc::SIGTERM) => {
            if running.is_silent_for_good() {
                Fate::Arrived
            } else {
                Fate::Odd("the command outlived its init".into())
            }
        }
        End::Exited(LATER_CAME_FIRST) => Fate::Lost,
        end => Fate::Odd(format!("{end:?}, {term:?}")),
    })
}
