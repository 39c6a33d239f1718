//! Runs the plan in this process: calibrates, then trial by trial.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use host::distance::ends;

use crate::calibrate::{Step, least, step};
use crate::cells::Cpus;
use crate::counts::CallSight;
use crate::crew::{Crew, Outcome};
use crate::peers::Kind;
use crate::placement::{Placement, one_way_ns};
use crate::schedule::{Mode, Plan, Planned};
use crate::shot::Shot;
use crate::trial::Load;

/// Messages of a trial by cell and queue, for the plain loop and for the closed one.
type Sizes = BTreeMap<(usize, Kind, bool), u64>;

/// What is run, and with what.
pub(crate) struct Session<'a> {
    pub(crate) plan: &'a Plan,
    /// CPUs of this process.
    pub(crate) cpus: &'a [u32],
    pub(crate) trial: Duration,
    pub(crate) hang: Duration,
    pub(crate) sight: CallSight,
}

impl Session<'_> {
    /// Everything, in order. Says on standard error how far it is.
    ///
    /// # Errors
    /// The first trial that failed, with its cell and queue: a queue that loses a message or hangs
    /// has no figures.
    pub(crate) fn run(&self) -> Result<Vec<Shot>> {
        let since = Instant::now();
        let sizes = self.calibrate()?;
        eprintln!("calibrated: {} s", since.elapsed().as_secs());
        let schedule = self.plan.schedule();
        let mut shots = Vec::with_capacity(schedule.len());
        for (done, planned) in schedule.iter().enumerate() {
            shots.push(self.trial(planned, &sizes)?);
            let next = schedule.get(done + 1).map(|next| next.round);
            if next != Some(planned.round) {
                let (round, rounds) = (planned.round + 1, self.plan.rounds);
                eprintln!("round {round} of {rounds}: {} s", since.elapsed().as_secs());
            }
        }
        Ok(shots)
    }

    fn calibrate(&self) -> Result<Sizes> {
        let mut sizes = Sizes::new();
        let closed = [Mode::Throughput, Mode::Handoff];
        for (cell, kind) in self.plan.pairs() {
            for mode in closed.into_iter().take(1 + usize::from(self.plan.handoff)) {
                let planned = Planned {
                    round: 0,
                    cell,
                    kind,
                    mode,
                };
                let size = self.size(&planned)?;
                sizes.insert((cell, kind, mode == Mode::Handoff), size);
            }
        }
        Ok(sizes)
    }

    fn size(&self, planned: &Planned) -> Result<u64> {
        let share = self.plan.cells[planned.cell].threads.equal_share();
        let mut messages = least(share);
        loop {
            let elapsed_ns = self.go(planned, messages)?.elapsed_ns;
            match step(messages, elapsed_ns, self.trial.as_nanos() as u64, share) {
                Step::Again(more) => messages = more,
                Step::Enough(size) => return Ok(size),
            }
        }
    }

    fn trial(&self, planned: &Planned, sizes: &Sizes) -> Result<Shot> {
        let key = (planned.cell, planned.kind, planned.mode == Mode::Handoff);
        let messages = *sizes.get(&key).context("a trial was not calibrated")?;
        let apart = match self.plan.cells[planned.cell].cpus {
            Cpus::One => None,
            Cpus::All => ends(self.cpus),
        };
        let before_ns = apart.map(one_way_ns).transpose()?;
        let outcome = self.go(planned, messages)?;
        let after_ns = apart.map(one_way_ns).transpose()?;
        let one_way_ns = before_ns.zip(after_ns);
        Ok(Shot::of(planned, messages, one_way_ns, &outcome))
    }

    fn go(&self, planned: &Planned, messages: u64) -> Result<Outcome> {
        let cell = self.plan.cells[planned.cell];
        let run = planned.kind.runner();
        let crew = Crew {
            placement: Placement::of_cell(&cell, self.cpus),
            sight: self.sight.clone(),
            hang: self.hang,
        };
        run(&Load { cell, messages }, planned.mode, &crew).with_context(|| {
            let (kind, mode) = (planned.kind, planned.mode);
            format!("{cell}, queue {kind}, {mode:?} trial of {messages} messages")
        })
    }
}
