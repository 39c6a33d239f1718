//! Pure: from what a run recorded to what can be said about it.
//!
//! No file, no clock, no chance: the same run gives the same analysis, on any machine, without
//! root. The bootstrap is seeded from the cells' numbers. It knows `record` and nothing else of
//! ours: not how operations were measured, nor how results are shown.

pub mod advice;
pub mod agreement;
pub mod blame;
pub mod bootstrap;
pub mod conditions;
pub mod correlation;
pub mod counters;
pub mod detection;
pub mod figure;
pub mod overhead;
pub mod proportion;
pub mod quantile;
pub mod rows;
pub mod summary;
pub mod verdict;
pub mod warnings;

use record::manifest::RunEnd;
use record::trial::Losses;
use record::verdict::{Judgement, Verdict};
use record::{Manifest, Plan, TrialStatus};
use serde::Serialize;

pub use advice::Advice;
pub use blame::Blame;
pub use counters::CounterFigure;
pub use rows::{CellRows, Trial};
pub use summary::Summary;
pub use warnings::Warning;

/// Trials of a run or an experiment, by how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TrialCounts {
    /// In the plan.
    pub planned: u32,
    /// Complete.
    pub complete: u32,
    /// The child died.
    pub crashed: u32,
    /// The child reported an error.
    pub failed: u32,
    /// Killed for taking too long.
    pub timed_out: u32,
}

/// Everything about one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellAnalysis {
    /// Number of the cell.
    pub cell: u32,
    /// Its levels, in the order of the factors.
    pub label: String,
    /// Latency and how operations were found.
    pub summary: Summary,
    /// Where the time went.
    pub blame: Blame,
    /// What the counters counted.
    pub counters: Vec<CounterFigure>,
}

/// Everything about one experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentAnalysis {
    /// Its name.
    pub name: String,
    /// The question that the kernel had to answer.
    pub question: String,
    /// Rounds of which at least one trial completed.
    pub rounds: u32,
    /// Rounds in the plan.
    pub rounds_planned: u32,
    /// Trials.
    pub trials: TrialCounts,
    /// Losses of its trials.
    pub losses: Losses,
    /// Conditions that it was tried under, and those that it was not.
    pub conditions: Vec<conditions::Condition>,
    /// Its cells, in the order of the plan.
    pub cells: Vec<CellAnalysis>,
    /// Its predictions, judged.
    pub judgements: Vec<Judgement>,
}

/// What can be said about a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// How the run ended; `None` if it was killed (or still runs).
    pub end: Option<RunEnd>,
    /// Is anything of the plan not there?
    pub partial: bool,
    /// Trials of all experiments.
    pub trials: TrialCounts,
    /// Losses of all experiments.
    pub losses: Losses,
    /// One entry for each plan.
    pub experiments: Vec<ExperimentAnalysis>,
    /// What a reader should know before believing any of it.
    pub warnings: Vec<Advice>,
}

impl Analysis {
    /// The verdict on all experiments, as it is kept in the run directory.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict {
            judgements: self
                .experiments
                .iter()
                .flat_map(|e| e.judgements.clone())
                .collect(),
        }
    }

    /// Adds a warning that only the loader of the run could know of.
    pub fn warn(&mut self, warning: Warning) {
        self.warnings.push(Advice::from(warning));
    }
}

/// Analyses a run from its manifest and the trials that have finished.
#[must_use]
pub fn analyse(manifest: &Manifest, trials: &[Trial]) -> Analysis {
    let experiments: Vec<ExperimentAnalysis> = manifest
        .plans
        .iter()
        .map(|plan| experiment(manifest, plan, trials))
        .collect();
    let (mut counts, mut losses) = (TrialCounts::default(), Losses::default());
    for e in &experiments {
        counts.add(&e.trials);
        losses.add(&e.losses);
    }
    let mut analysis = Analysis {
        end: manifest.end,
        partial: manifest.end != Some(RunEnd::Complete) || counts.complete < counts.planned,
        trials: counts,
        losses,
        experiments,
        warnings: Vec::new(),
    };
    analysis.warnings = detection::of(manifest, trials, &analysis)
        .into_iter()
        .map(Advice::from)
        .collect();
    analysis
}

fn experiment(manifest: &Manifest, plan: &Plan, trials: &[Trial]) -> ExperimentAnalysis {
    let rows: Vec<CellRows<'_>> = plan
        .cells
        .iter()
        .map(|cell| CellRows::of(manifest, plan, cell, trials))
        .collect();
    let prepared: Vec<_> = rows
        .iter()
        .map(|rows| {
            let series = rows.series();
            let resampled = bootstrap::Resampled::of(&series, rows.seed());
            let summary = summary::summarise(rows, &series, &resampled);
            let blame = blame::of(rows);
            let (cell, label) = (rows.cell.id, rows.label.clone());
            (
                resampled,
                CellAnalysis {
                    cell,
                    label,
                    summary,
                    blame,
                    counters: counters::of(rows),
                },
            )
        })
        .collect();
    let rounds = rounds_done(&rows);
    let conditions = conditions::of(plan, manifest, rounds);
    let judged: Vec<_> = rows
        .iter()
        .zip(&prepared)
        .map(|(rows, (resampled, _))| figure::Judged { rows, resampled })
        .collect();
    let mut losses = Losses::default();
    let records = rows.iter().flat_map(|r| {
        r.complete
            .iter()
            .map(|t| &t.0)
            .chain(r.lost.iter().copied())
    });
    records.for_each(|record| losses.add(&record.losses));
    ExperimentAnalysis {
        name: plan.definition.name.clone(),
        question: plan.definition.question.clone(),
        rounds,
        rounds_planned: plan.rounds,
        trials: TrialCounts::of(plan, &rows),
        losses,
        judgements: verdict::judge(plan, &judged, &conditions),
        conditions,
        cells: prepared.into_iter().map(|(_, cell)| cell).collect(),
    }
}

fn rounds_done(rows: &[CellRows<'_>]) -> u32 {
    let rounds = rows
        .iter()
        .flat_map(|r| r.complete.iter().map(|t| t.0.spec.round));
    rounds.collect::<std::collections::BTreeSet<_>>().len() as u32
}

impl TrialCounts {
    fn of(plan: &Plan, rows: &[CellRows<'_>]) -> Self {
        let mut counts = Self {
            planned: plan.schedule.len() as u32,
            ..Self::default()
        };
        for r in rows {
            counts.complete += r.complete.len() as u32;
            for lost in &r.lost {
                match lost.status {
                    TrialStatus::Crashed { .. } => counts.crashed += 1,
                    TrialStatus::Failed { .. } => counts.failed += 1,
                    TrialStatus::TimedOut { .. } => counts.timed_out += 1,
                    TrialStatus::Complete => {}
                }
            }
        }
        counts
    }

    fn add(&mut self, other: &Self) {
        self.planned += other.planned;
        self.complete += other.complete;
        self.crashed += other.crashed;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
    }
}
