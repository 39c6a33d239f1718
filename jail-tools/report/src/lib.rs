//! What a run says, for people and for programs: terminal text, JSON, exported tables.
//!
//! It reads the run directory through `record` and lets `analysis` judge. It measures nothing,
//! knows no experiment, and computes no figure of its own.

pub mod export;
pub mod json;
pub mod loading;
pub mod terminal;

use analysis::{Analysis, Warning};
use record::run_dir::RunError;
use record::{Manifest, RunDir};

/// A run with its analysis: what every rendering starts from.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the run directory.
    pub run: String,
    /// The run.
    pub manifest: Manifest,
    /// What can be said about it.
    pub analysis: Analysis,
}

impl Report {
    /// Loads and analyses a run. Damaged trials are left out and become warnings.
    ///
    /// # Errors
    /// The manifest or the list of trials cannot be read.
    pub fn of(run: &RunDir) -> Result<Self, RunError> {
        let loaded = loading::load(run)?;
        let mut analysis = analysis::analyse(&loaded.manifest, &loaded.trials);
        for what in loaded.damaged {
            analysis.warn(Warning::Damaged { what });
        }
        let name = run
            .path()
            .file_name()
            .map(|n| n.to_string_lossy().into_owned());
        let run = name.unwrap_or_else(|| run.path().display().to_string());
        Ok(Self {
            run,
            manifest: loaded.manifest,
            analysis,
        })
    }
}
