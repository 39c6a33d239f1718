//! How much a figure can be trusted. Every figure that is printed carries one of these.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a figure came to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "grade")]
pub enum Grade {
    /// Every event was counted, all of the time.
    Counted,
    /// The counter ran only part of the time and the figure was scaled up by enabled/running.
    Scaled {
        /// Nanoseconds for which the event was enabled.
        enabled_ns: u64,
        /// Nanoseconds for which it really counted.
        running_ns: u64,
    },
    /// From samples, not from every event.
    Sampled {
        /// One sample in this many events.
        period: u64,
    },
    /// Not measured but derived.
    Inferred {
        /// From what, and by which rule.
        how: String,
    },
    /// There is no figure.
    Unavailable {
        /// Errno and reason, in words.
        why: String,
    },
}

impl Grade {
    /// The grade of a perf reading, by perf_event_open(2)'s rule: a group that was not on the
    /// hardware all of the time is scaled, and one that never was has no figure at all.
    #[must_use]
    pub fn of_times(enabled_ns: u64, running_ns: u64) -> Self {
        match running_ns {
            0 => Self::Unavailable {
                why: "never scheduled onto the hardware".into(),
            },
            r if r >= enabled_ns => Self::Counted,
            _ => Self::Scaled {
                enabled_ns,
                running_ns,
            },
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted => f.write_str("counted"),
            Self::Scaled {
                enabled_ns,
                running_ns,
            } => write!(f, "scaled({enabled_ns}/{running_ns})"),
            Self::Sampled { period } => write!(f, "sampled(1/{period})"),
            Self::Inferred { how } => write!(f, "inferred({how})"),
            Self::Unavailable { why } => write!(f, "unavailable({why})"),
        }
    }
}

/// A figure and its grade. `value` is `None` exactly when the grade is `Unavailable`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graded<T> {
    /// The figure, if there is one.
    pub value: Option<T>,
    /// How it came to be.
    #[serde(flatten)]
    pub grade: Grade,
}

impl<T> Graded<T> {
    /// A figure that was counted.
    pub fn counted(value: T) -> Self {
        Self {
            value: Some(value),
            grade: Grade::Counted,
        }
    }

    /// A figure derived from others by the rule `how`.
    pub fn inferred(value: T, how: impl Into<String>) -> Self {
        Self {
            value: Some(value),
            grade: Grade::Inferred { how: how.into() },
        }
    }

    /// No figure, and why.
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self {
            value: None,
            grade: Grade::Unavailable { why: why.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_never_ran_has_no_figure() {
        assert!(matches!(
            Grade::of_times(1_000, 0),
            Grade::Unavailable { .. }
        ));
    }

    #[test]
    fn a_group_that_ran_half_the_time_is_scaled_and_says_by_how_much() {
        assert_eq!(Grade::of_times(1_000, 500).to_string(), "scaled(1000/500)");
        assert_eq!(Grade::of_times(1_000, 1_000), Grade::Counted);
    }
}
