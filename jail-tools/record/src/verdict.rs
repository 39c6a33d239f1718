//! What the analysis concluded.

use serde::{Deserialize, Serialize};

/// An estimate with its 95 % interval; an end that the data cannot bound is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
}

/// Law 5: what an effect is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It held, with its interval, under every condition that has to be tried.
    Property,
    /// It held, but only under the conditions named here.
    Conditional {
        /// The conditions that were tried.
        under: Vec<String>,
        /// The conditions that were not.
        untried: Vec<String>,
    },
    /// The interval does not exclude that there is no effect, and would be narrow enough to.
    Noise,
    /// Too few rounds.
    Inconclusive {
        /// How many more rounds would be needed, if that can be said.
        more_rounds: Option<u32>,
    },
    /// The prediction was wrong.
    Refuted,
    /// There is no figure to judge by.
    NotMeasured {
        /// Why.
        why: String,
    },
}

/// One expectation, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Which expectation.
    pub expectation: String,
    /// The prediction in words.
    pub says: String,
    /// For each pair or cell: its label and the figure that was judged.
    pub figures: Vec<(String, Option<Estimate>)>,
    /// The verdict.
    pub standing: Standing,
}

/// The verdict on a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// One for each expectation.
    pub judgements: Vec<Judgement>,
}

impl Verdict {
    /// Was any expectation refuted? (`--check` exits with 3.)
    #[must_use]
    pub fn refuted(&self) -> bool {
        self.judgements
            .iter()
            .any(|j| j.standing == Standing::Refuted)
    }
}
