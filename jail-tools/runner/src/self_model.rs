//! The undisturbed operation, calibrated within the trial. Pure.
//!
//! Operations of one kind (class, pages, pages missed) that no event touched differ only by the
//! machine's own noise: the median of what their measured causes leave over is the model of what
//! such an operation costs by itself. What an operation takes beyond it is residual.

use std::collections::BTreeMap;

use record::trial::SelfModel;

/// A model needs this many operations: below it a median's 95 % interval spans the whole sample
/// (binomial, n = 5 gives 94 %), so that it would only repeat the operations themselves.
pub const ENOUGH: usize = 6;

/// One operation, as far as the model needs it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Class, or what else sets this kind apart.
    pub class: &'static str,
    /// Pages.
    pub pages: u32,
    /// Pages missed.
    pub pages_missed: Option<u32>,
    /// Latency less all measured causes, ns, per unit of work.
    pub left_ns: i64,
    /// Touched by no interrupt, preemption, fault, migration, gap or steal.
    pub undisturbed: bool,
}

/// The models of a trial.
#[derive(Debug, Clone, Default)]
pub struct Models(BTreeMap<Key, SelfModel>);

/// Class, pages, pages missed where something could tell.
type Key = (&'static str, u32, Option<u32>);

impl Models {
    /// Calibrates from all operations of a trial.
    #[must_use]
    pub fn calibrate(rows: &[Row]) -> Self {
        let mut kinds: BTreeMap<_, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
        for row in rows {
            let kind = kinds
                .entry((row.class, row.pages, row.pages_missed))
                .or_default();
            if row.undisturbed {
                kind.0.push(row.left_ns);
            } else {
                kind.1.push(row.left_ns);
            }
        }
        let model = |key: Key, clean: Vec<i64>, touched: Vec<i64>| {
            let n = clean.len() as u64;
            let (self_ns, how) = if clean.len() >= ENOUGH {
                (
                    median(clean)?,
                    "median of undisturbed operations of this kind",
                )
            } else if clean.len() + touched.len() >= ENOUGH {
                let all: Vec<i64> = clean.into_iter().chain(touched).collect();
                (
                    median(all)?,
                    "median of all operations of this kind: too few were undisturbed",
                )
            } else {
                return None;
            };
            let (class, pages, pages_missed) = key;
            Some((
                key,
                SelfModel {
                    class: class.into(),
                    pages,
                    pages_missed,
                    self_ns,
                    n,
                    how: how.into(),
                },
            ))
        };
        Self(
            kinds
                .into_iter()
                .filter_map(|(key, (clean, touched))| model(key, clean, touched))
                .collect(),
        )
    }

    /// The model of an operation's kind, if there is one, ns per unit.
    #[must_use]
    pub fn of(&self, class: &'static str, pages: u32, pages_missed: Option<u32>) -> Option<i64> {
        self.0.get(&(class, pages, pages_missed)).map(|m| m.self_ns)
    }

    /// All models.
    #[must_use]
    pub fn into_vec(self) -> Vec<SelfModel> {
        self.0.into_values().collect()
    }
}

/// The lower median; `None` of nothing.
#[must_use]
pub fn median(mut values: Vec<i64>) -> Option<i64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(left_ns: i64, undisturbed: bool) -> Row {
        Row {
            class: "hit",
            pages: 1,
            pages_missed: Some(0),
            left_ns,
            undisturbed,
        }
    }

    #[test]
    fn disturbed_operations_do_not_bend_the_model() {
        let mut rows: Vec<Row> = (0..7).map(|i| row(700 + i, true)).collect();
        rows.extend((0..100).map(|_| row(50_000, false)));
        assert_eq!(Models::calibrate(&rows).of("hit", 1, Some(0)), Some(703));
    }

    #[test]
    fn too_few_operations_have_no_model_rather_than_a_wrong_one() {
        let rows: Vec<Row> = (0..5).map(|i| row(i, true)).collect();
        assert_eq!(Models::calibrate(&rows).of("hit", 1, Some(0)), None);
    }

    #[test]
    fn a_kind_that_is_always_disturbed_says_so() {
        let rows: Vec<Row> = (0..9).map(|i| row(i, false)).collect();
        let models = Models::calibrate(&rows).into_vec();
        assert_eq!((models[0].self_ns, models[0].n), (4, 0));
        assert!(models[0].how.contains("too few were undisturbed"));
    }
}
