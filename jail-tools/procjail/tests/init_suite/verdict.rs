//! What became of a scenario under an init.

/// Nothing, or why not.
pub(crate) type Verdict = Result<(), Why>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// What was seen instead of what should be.
    Failed(String),
    NotApplicable(String),
}

impl Why {
    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }
}

impl From<String> for Why {
    fn from(seen: String) -> Self {
        Self::Failed(seen)
    }
}

impl From<std::io::Error> for Why {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What was found should be this.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), Why> {
    if found == expected {
        return Ok(());
    }
    Err(Why::Failed(format!("{what}: {found:?}, not {expected:?}")))
}
