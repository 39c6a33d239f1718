//! What each fact means for the four investigations, as data.

mod rows;
mod texts;
mod warning;

use record::manifest::Unseen;
use record::{Fact, HostFacts};
use serde::Serialize;

use crate::remedy;
pub(crate) use warning::is_core_pmu;
pub use warning::{Warning, warnings};

/// One row of `jail-tools doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// The fact's name, for a person.
    pub fact: &'static str,
    /// Its value in words; `None` if it is missing.
    pub value: Option<String>,
    /// Why it is missing, if it is.
    pub missing: Option<String>,
    /// Where it was read.
    pub source: Option<String>,
    /// What it means for `false-sharing`; empty: nothing.
    pub false_sharing: &'static str,
    /// What it means for `mutex-condvar`.
    pub mutex_condvar: &'static str,
    /// What it means for `syslat`.
    pub syslat: &'static str,
    /// What it means for `procjail`.
    pub procjail: &'static str,
}

/// All that `jail-tools doctor` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doctor {
    /// A row for each fact.
    pub facts: Vec<Meaning>,
    /// What a run would not see, and what would change it.
    pub unseen: Vec<Unseen>,
    /// What harms a measurement on this host.
    pub warnings: Vec<warning::Advice>,
}

/// What each important fact means for each of the four investigations.
#[must_use]
pub fn meaning(facts: &HostFacts) -> Vec<Meaning> {
    let mut rows = rows::machine(facts);
    rows.extend(rows::time(facts));
    rows.extend(rows::storage(facts));
    rows.extend(rows::eyes(facts));
    rows.extend(rows::powers(facts));
    rows
}

/// The facts with their meaning, and the warnings.
#[must_use]
pub fn doctor(facts: &HostFacts) -> Doctor {
    Doctor {
        facts: meaning(facts),
        unseen: remedy::remedies(facts, &["run".to_owned()], &remedy::foreseen(facts)),
        warnings: warnings(facts).iter().map(Warning::advice).collect(),
    }
}

/// A row: the value in words, and the texts that belong to the name.
fn row<T>(name: &'static str, fact: &Fact<T>, show: impl FnOnce(&T) -> String) -> Meaning {
    let (value, missing, source) = match fact {
        Fact::Known { value, source } => (Some(show(value)), None, Some(source.clone())),
        Fact::Unavailable { why } => (None, Some(why.clone()), None),
    };
    let means = texts::MEANS.iter().find(|(n, _)| *n == name);
    let [false_sharing, mutex_condvar, syslat, procjail] =
        means.map_or([""; 4], |(_, texts)| *texts);
    Meaning {
        fact: name,
        value,
        missing,
        source,
        false_sharing,
        mutex_condvar,
        syslat,
        procjail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_fact_has_a_reason_and_no_value() {
        let rows = meaning(&HostFacts::unknown("a test"));
        assert!(rows.len() > 20);
        for row in rows {
            let has_value = row.value.is_some();
            assert_eq!(has_value, row.missing.is_none(), "{}", row.fact);
        }
    }

    #[test]
    fn names_are_unique_and_every_row_means_something() {
        let rows = meaning(&crate::observe(Some(std::path::Path::new("."))));
        let mut names: Vec<&str> = rows.iter().map(|r| r.fact).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
        for row in rows {
            let texts = [
                row.false_sharing,
                row.mutex_condvar,
                row.syslat,
                row.procjail,
            ];
            assert!(texts.iter().any(|t| !t.is_empty()), "{}", row.fact);
        }
    }

    #[test]
    fn the_doctor_is_json() {
        let json = serde_json::to_value(doctor(&crate::observe(None))).unwrap();
        assert!(json["facts"].is_array() && json["warnings"].is_array());
    }
}
