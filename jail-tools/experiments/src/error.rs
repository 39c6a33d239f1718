//! What can go wrong in an experiment.

/// An error of an experiment's own: which call on which object, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// A call failed.
    #[error("{call} {object}: {source}{advice}")]
    Call {
        /// The call.
        call: &'static str,
        /// Its object.
        object: String,
        /// Why.
        source: std::io::Error,
        /// What to do, starting with `; `, or empty.
        advice: &'static str,
    },
    /// The plan cannot be carried out on this subject.
    #[error("{0}")]
    Plan(String),
}
