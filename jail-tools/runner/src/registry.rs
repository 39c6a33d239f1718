//! The experiments by name. The only place that lists them.

use experiments::syslat::Syslat;
use experiments::{Experiment, Pace};
use record::Definition;
use record::plan::Budget;

use crate::trial::{self, TrialError};
use crate::wire::{ChildReport, ChildSpec};

/// One experiment, its type erased.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Name on the command line.
    pub name: &'static str,
    /// Everything about it but the measured code.
    pub definition: fn() -> Definition,
    /// Rounds and work.
    pub budget: fn(Pace) -> (u32, Budget),
    /// Bytes of the file under test.
    pub subject_bytes: fn(&Budget) -> Option<u64>,
    /// Runs one trial in this process.
    pub run: fn(&ChildSpec) -> Result<ChildReport, TrialError>,
}

const fn entry<E: Experiment>(name: &'static str) -> Entry {
    Entry {
        name,
        definition: E::definition,
        budget: E::budget,
        subject_bytes: E::subject_bytes,
        run: trial::run::<E>,
    }
}

/// All experiments, in the order in which a bare `run` does them.
pub const EXPERIMENTS: &[Entry] = &[entry::<Syslat>("syslat")];

/// The experiment with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    EXPERIMENTS.iter().find(|e| e.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_carries_the_name_of_its_definition() {
        for e in EXPERIMENTS {
            assert_eq!((e.definition)().name, e.name);
        }
    }
}
