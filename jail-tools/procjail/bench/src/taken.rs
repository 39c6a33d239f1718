//! A figure, or why there is none: never a zero.

use serde::Serialize;

/// In JSON: `{"figure": …}` or `{"unavailable": "why"}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Taken<T> {
    Figure(T),
    Unavailable(String),
}

impl<T> Taken<T> {
    pub(crate) fn figure(&self) -> Option<&T> {
        self.as_result().ok()
    }

    /// The figure, or the reason.
    pub(crate) fn as_result(&self) -> Result<&T, &str> {
        match self {
            Self::Figure(figure) => Ok(figure),
            Self::Unavailable(why) => Err(why),
        }
    }
}

impl<T> From<Result<T, String>> for Taken<T> {
    fn from(result: Result<T, String>) -> Self {
        match result {
            Ok(figure) => Self::Figure(figure),
            Err(why) => Self::Unavailable(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_figure_is_its_reason_in_json() {
        let missing: Taken<f64> = Err("not installed".to_owned()).into();
        let text = serde_json::to_string(&missing).expect("JSON");
        assert_eq!(text, r#"{"unavailable":"not installed"}"#);
        assert_eq!(missing.as_result(), Err("not installed"));
    }
}
