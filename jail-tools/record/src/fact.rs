//! A fact about the host that was read, or the reason why it could not be.

use serde::{Deserialize, Serialize};

/// One observed fact. Missing is never a default value: it carries why it is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact<T> {
    /// The value, as read from `source` (a path, a system call, an instruction).
    Known {
        /// What was read.
        value: T,
        /// Where it was read.
        source: String,
    },
    /// It could not be read, or does not exist on this machine.
    Unavailable {
        /// The call that failed on which object, or what is absent.
        why: String,
    },
}

impl<T> Fact<T> {
    /// A value together with the place it was read from.
    pub fn known(value: T, source: impl Into<String>) -> Self {
        Self::Known {
            value,
            source: source.into(),
        }
    }

    /// A fact that this machine does not give, with the reason.
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { why: why.into() }
    }

    /// The value, if it was read.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unavailable { .. } => None,
        }
    }

    /// Why there is no value, if there is none.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Known { .. } => None,
            Self::Unavailable { why } => Some(why),
        }
    }

    /// The same fact in another form; a missing fact stays missing for the same reason.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known { value, source } => Fact::Known {
                value: f(value),
                source,
            },
            Self::Unavailable { why } => Fact::Unavailable { why },
        }
    }
}
