//! Start-up: from before clone(2) to wait4(2)'s return, of running /bin/true in each way.

use anyhow::Result;
use record::verdict::Estimate;
use serde::Serialize;

use crate::child::Life;
use crate::figures::{Figure, Values};
use crate::floor::Floor;
use crate::session::{
    HANG, PAUSE, PROOF, PROOF_CODE, Pipe, Session, TRUE, other_than, with_last_line, words,
};
use crate::spawn::{Program, Streams};
use crate::subject::Subject;
use crate::taken::Taken;

/// One way's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) start: Taken<Start>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Start {
    pub(crate) wall_ns: Figure,
    /// CPU time of all processes in it.
    pub(crate) cpu_ns: Figure,
    /// The median of ours of the same kind over this one's; `None` for ours, or if it has none.
    pub(crate) ours_over_it: Option<Estimate>,
    /// By round, in the order in which they were taken.
    pub(crate) wall_values_ns: Values,
}

/// A subject ready to be started, and what came of it.
struct Runner {
    subject: Subject,
    way: Result<Way, String>,
    wall: Values,
    cpu: Values,
}

enum Way {
    Program(Program),
    Floor(Floor),
}

impl Way {
    fn new(session: &Session<'_>, subject: Subject, command: &[&str]) -> Result<Self, String> {
        let program = session.tools.program(subject, &words(command))?;
        Ok(match subject {
            Subject::Floor => Self::Floor(Floor::new(program)),
            _ => Self::Program(program),
        })
    }

    /// A whole life of it, with this exit code. What it fails at is inside; an interruption is
    /// outside.
    fn live(
        &mut self,
        session: &Session<'_>,
        subject: Subject,
        streams: Streams<'_>,
        code: i32,
    ) -> Result<Result<Life, String>> {
        let started = match self {
            Self::Program(program) => program.start(streams, subject.namespaces()),
            Self::Floor(floor) => floor.start(streams),
        };
        let mut child = match started {
            Ok(child) => child,
            Err(errno) => return Ok(Err(format!("it could not be started: {errno}"))),
        };
        let Some(life) = child.wait(session.interrupt, HANG)? else {
            return Ok(Err(format!("it has not ended after {} s", HANG.as_secs())));
        };
        Ok(other_than(life.status, code).map_or(Ok(life), Err))
    }

    /// One that was tried out, and did what it should.
    fn tried(
        session: &Session<'_>,
        subject: Subject,
        (command, code): (&[&str], i32),
    ) -> Result<Result<Self, String>> {
        let mut way = match Self::new(session, subject, command) {
            Ok(way) => way,
            Err(why) => return Ok(Err(why)),
        };
        let pipe = Pipe::new()?;
        let streams = Streams {
            stderr: pipe.write_end(),
            ..session.silent()
        };
        let life = way.live(session, subject, streams, code)?;
        session.interrupt.pause(PAUSE)?;
        Ok(match life {
            Ok(_) => Ok(way),
            Err(why) => Err(with_last_line(why, pipe.into_reader())),
        })
    }
}

/// Measures them all.
///
/// # Errors
/// We were interrupted. What a subject fails at is in its row.
pub(crate) fn run(session: &Session<'_>) -> Result<Vec<Row>> {
    let runners = Subject::STARTED.map(|subject| Runner::new(session, subject));
    let mut runners = runners.into_iter().collect::<Result<Vec<Runner>>>()?;
    let indices: Vec<usize> = (0..runners.len()).collect();
    for pass in session.plan.passes_over(&indices) {
        for index in pass.order {
            runners[index].once(session, pass.round)?;
        }
        if pass.last {
            let rounds = session.plan.rounds;
            eprintln!("start-up: round {} of {rounds}", pass.round + 1);
        }
    }
    Ok(rows(&runners, session.plan.seed))
}

impl Runner {
    /// Tried out with both commands, which also warms the page cache.
    fn new(session: &Session<'_>, subject: Subject) -> Result<Self> {
        let way = match Way::tried(session, subject, (&PROOF, PROOF_CODE))? {
            Ok(_) => Way::tried(session, subject, (&[TRUE], 0))?,
            Err(why) => Err(why),
        };
        Ok(Self {
            subject,
            way,
            wall: Values::default(),
            cpu: Values::default(),
        })
    }

    fn once(&mut self, session: &Session<'_>, round: u32) -> Result<()> {
        let Ok(way) = &mut self.way else {
            return Ok(());
        };
        match way.live(session, self.subject, session.silent(), 0)? {
            Ok(life) => {
                self.wall.add(round, life.wall_ns as f64);
                self.cpu.add(round, life.cpu_ns as f64);
            }
            // Fast failures among the figures would flatter it.
            Err(why) => self.way = Err(format!("failed in round {}: {why}", round + 1)),
        }
        session.interrupt.pause(PAUSE)
    }
}

fn rows(runners: &[Runner], seed: u64) -> Vec<Row> {
    let row = |runner: &Runner| Row {
        subject: runner.subject,
        start: figures(runners, runner, seed).into(),
    };
    runners.iter().map(row).collect()
}

fn figures(runners: &[Runner], runner: &Runner, seed: u64) -> Result<Start, String> {
    let _: &Way = runner.way.as_ref().map_err(Clone::clone)?;
    let nothing = "no round was run";
    let ours = runner.subject.ours();
    let ours = runners.iter().find(|r| r.subject == ours && r.way.is_ok());
    let ours = ours.filter(|r| r.subject != runner.subject);
    Ok(Start {
        wall_ns: runner.wall.figure(seed).ok_or(nothing)?,
        cpu_ns: runner.cpu.figure(seed).ok_or(nothing)?,
        ours_over_it: ours.and_then(|ours| ours.wall.ratio(&runner.wall, seed)),
        wall_values_ns: runner.wall.clone(),
    })
}
