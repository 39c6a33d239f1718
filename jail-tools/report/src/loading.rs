//! From a run directory to the rows in memory.

use analysis::Trial;
use record::run_dir::RunError;
use record::{Manifest, RunDir, TrialRecord};

/// A run in memory.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The run.
    pub manifest: Manifest,
    /// Every trial that can be read, in order of execution.
    pub trials: Vec<Trial>,
    /// Trials that cannot, and why.
    pub damaged: Vec<String>,
}

/// Loads every trial of a run. A trial whose record or tables are damaged is left out whole:
/// half of one would be a cell with the wrong rows.
///
/// # Errors
/// The manifest or the list of trials cannot be read.
pub fn load(run: &RunDir) -> Result<Loaded, RunError> {
    let manifest = run.manifest()?;
    let (mut trials, mut damaged) = (Vec::new(), Vec::new());
    for record in run.each_trial()? {
        match record.and_then(|record| load_trial(run, record)) {
            Ok(trial) => trials.push(trial),
            Err(e) => damaged.push(e.to_string()),
        }
    }
    Ok(Loaded {
        manifest,
        trials,
        damaged,
    })
}

fn load_trial(run: &RunDir, record: TrialRecord) -> Result<Trial, RunError> {
    let samples = run.samples(&record)?;
    let readings = run.readings(&record)?;
    Ok((record, samples, readings))
}
