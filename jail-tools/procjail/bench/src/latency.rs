//! Forward latency: from before kill(2) on an init to its child's return from sigwait(3).

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use host::distance::{allowed_cpus, ends};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::verdict::Estimate;
use serde::Serialize;

use crate::affinity::{Kept, one_way_ns, pin, pin_self};
use crate::child::Child;
use crate::clock::monotonic_ns;
use crate::figures::{Figure, Values};
use crate::procfs::family;
use crate::receiver;
use crate::schedule::Plan;
use crate::session::{HANG, PAUSE, Pipe, Session, with_last_line};
use crate::spawn::Streams;
use crate::subject::Subject;
use crate::taken::Taken;

/// A signal that takes longer is lost.
const LOST: Duration = Duration::from_secs(2);

/// Where sender and receivers (an init and its child) are. Figures are never averaged over these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stratum {
    OneCpu,
    TwoCpus,
}

impl Stratum {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneCpu => "sender and receivers on one CPU",
            Self::TwoCpus => "sender on one CPU, receivers on another",
        }
    }
}

/// CPUs of a stratum.
#[derive(Debug, Clone, Copy, Serialize)]
struct Place {
    stratum: Stratum,
    sender: u32,
    receivers: u32,
}

/// All figures of one stratum.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Block {
    pub(crate) stratum: Stratum,
    pub(crate) sender_cpu: u32,
    pub(crate) receiver_cpu: u32,
    /// One way of a cache line between the two, ns, by round: the host may move virtual CPUs.
    pub(crate) line_one_way_ns: Vec<f64>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) latency: Taken<Latency>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) ns: Figure,
    /// The median of `procjail init` over this one's.
    pub(crate) ours_over_it: Option<Estimate>,
    /// By round, in the order in which they were taken.
    pub(crate) values_ns: Values,
}

/// An init with a receiver, waiting.
struct Live {
    child: Child,
    /// It and all below it.
    family: Vec<Pid>,
    stamps: File,
    /// Its standard error: a write must not end it.
    _errors: File,
}

/// One subject through the whole part.
struct Line {
    subject: Subject,
    live: Result<Live, String>,
    /// By stratum.
    values: Vec<Values>,
}

/// Measures them all, alive side by side.
///
/// # Errors
/// We were interrupted, or the machine does not let us place processes.
pub(crate) fn run(session: &Session<'_>) -> Result<Vec<Block>> {
    let places = places(&allowed_cpus()?);
    let _kept = Kept::now()?;
    let mut lines = Vec::new();
    for subject in Subject::SIGNALLED {
        lines.push(Line {
            subject,
            live: start(session, subject)?,
            values: vec![Values::default(); places.len()],
        });
    }
    let mut apart = vec![Vec::new(); places.len()];
    for round in 0..session.plan.rounds {
        for (place, apart) in places.iter().zip(&mut apart) {
            if place.sender != place.receivers {
                apart.push(one_way_ns((place.sender, place.receivers))?);
            }
        }
        self::round(session, round, &places, &mut lines)?;
    }
    Ok(blocks(&places, &lines, apart, session.plan.seed))
}

fn places(cpus: &[u32]) -> Vec<Place> {
    // The last: the first is where interrupts tend to be.
    let one = cpus.last().map(|cpu| Place {
        stratum: Stratum::OneCpu,
        sender: *cpu,
        receivers: *cpu,
    });
    let two = ends(cpus).map(|(first, last)| Place {
        stratum: Stratum::TwoCpus,
        sender: first,
        receivers: last,
    });
    one.into_iter().chain(two).collect()
}

/// Starts an init with a receiver. What it fails at is inside; an interruption is outside.
fn start(session: &Session<'_>, subject: Subject) -> Result<Result<Live, String>> {
    let me = std::env::current_exe().context("the path of this program")?;
    let command = [me.as_os_str(), receiver::NAME.as_ref()];
    let mut program = match session.tools.resident(subject, &command) {
        Ok(program) => program,
        Err(why) => return Ok(Err(why)),
    };
    let (stamps, errors) = (Pipe::new()?, Pipe::new()?);
    let streams = Streams {
        stdout: stamps.write_end(),
        stderr: errors.write_end(),
        ..session.silent()
    };
    let child = match program.start(streams, subject.namespaces()) {
        Ok(child) => child,
        Err(errno) => return Ok(Err(format!("it could not be started: {errno}"))),
    };
    let mut stamps = stamps.into_reader();
    if let Err(why) = next_stamp(session, &mut stamps, HANG)? {
        let why = format!("its command does not run: {why}");
        return Ok(Err(with_last_line(why, errors.into_reader())));
    }
    Ok(Ok(Live {
        family: family(child.pid()),
        child,
        stamps,
        _errors: errors.into_reader(),
    }))
}

/// Waits for a message of the receiver.
fn next_stamp(
    session: &Session<'_>,
    stamps: &mut File,
    limit: Duration,
) -> Result<Result<u64, String>> {
    if !session.interrupt.wait_for(stamps.as_fd(), limit)? {
        return Ok(Err(format!("no answer in {} s", limit.as_secs())));
    }
    let mut bytes = [0; receiver::BYTES];
    // A message of 8 bytes comes whole (pipe(7): PIPE_BUF is at least 512).
    Ok(match stamps.read_exact(&mut bytes) {
        Ok(()) => Ok(u64::from_ne_bytes(bytes)),
        Err(_) => Err("it has ended".into()),
    })
}

/// Passes of one round, each over everything in every place.
fn round(session: &Session<'_>, round: u32, places: &[Place], lines: &mut [Line]) -> Result<()> {
    let plan = Plan {
        rounds: 1,
        seed: session.plan.seed ^ u64::from(round).rotate_left(32),
        ..session.plan
    };
    let strata: Vec<usize> = (0..places.len()).collect();
    let indices: Vec<usize> = (0..lines.len()).collect();
    // An order of the places for the round, and one of the lines for each pass in a place.
    let order = plan.passes_over(&strata).into_iter().next();
    for stratum in order.into_iter().flat_map(|pass| pass.order) {
        place(places[stratum], lines)?;
        let here = plan.seed.wrapping_add(stratum as u64);
        for pass in (Plan { seed: here, ..plan }).passes_over(&indices) {
            for index in pass.order {
                session.interrupt.pause(PAUSE)?;
                lines[index].once(session, round, stratum)?;
            }
        }
    }
    eprintln!("latency: round {} of {}", round + 1, session.plan.rounds);
    Ok(())
}

fn place(place: Place, lines: &mut [Line]) -> Result<()> {
    pin_self(place.sender)?;
    for line in lines {
        let Ok(live) = &line.live else { continue };
        let placed: Result<()> = live
            .family
            .iter()
            .try_for_each(|pid| pin(*pid, place.receivers));
        if let Err(why) = placed {
            line.live = Err(format!("{why:#}"));
        }
    }
    Ok(())
}

impl Line {
    fn once(&mut self, session: &Session<'_>, round: u32, stratum: usize) -> Result<()> {
        let Ok(live) = &mut self.live else {
            return Ok(());
        };
        let sent_ns = monotonic_ns();
        let killed = kill(live.child.pid(), Signal::SIGTERM);
        let came = match killed {
            Ok(()) => next_stamp(session, &mut live.stamps, LOST)?,
            Err(errno) => Err(errno.to_string()),
        };
        match came {
            Ok(at_ns) => {
                let ns = at_ns.saturating_sub(sent_ns);
                self.values[stratum].add(round, ns as f64);
            }
            Err(why) => self.live = Err(format!("a signal was lost in round {}: {why}", round + 1)),
        }
        Ok(())
    }
}

fn blocks(places: &[Place], lines: &[Line], apart: Vec<Vec<f64>>, seed: u64) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (index, (place, apart)) in places.iter().zip(apart).enumerate() {
        let row = |line: &Line| Row {
            subject: line.subject,
            latency: figures(lines, line, index, seed).into(),
        };
        blocks.push(Block {
            stratum: place.stratum,
            sender_cpu: place.sender,
            receiver_cpu: place.receivers,
            line_one_way_ns: apart,
            rows: lines.iter().map(row).collect(),
        });
    }
    blocks
}

fn figures(lines: &[Line], line: &Line, stratum: usize, seed: u64) -> Result<Latency, String> {
    let _: &Live = line.live.as_ref().map_err(Clone::clone)?;
    let values = &line.values[stratum];
    let ours = lines.iter().find(|l| l.subject == Subject::ProcjailInit);
    let ours = ours.filter(|l| l.live.is_ok() && l.subject != line.subject);
    Ok(Latency {
        ns: values.figure(seed).ok_or("no round was run")?,
        ours_over_it: ours.and_then(|l| l.values[stratum].ratio(values, seed)),
        values_ns: values.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_has_one_stratum() {
        let of = |cpus: &[u32]| places(cpus).iter().map(|p| p.stratum).collect::<Vec<_>>();
        assert_eq!(of(&[2]), [Stratum::OneCpu]);
        assert_eq!(of(&[0, 1]), [Stratum::OneCpu, Stratum::TwoCpus]);
        let two = places(&[0, 1])[1];
        assert_ne!(two.sender, two.receivers);
    }
}
