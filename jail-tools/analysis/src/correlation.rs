//! How many independent operations a series of correlated ones is worth.

/// Lags beyond which correlation is not followed. A series that is still correlated there has
/// hardly any independent operations, and is said to have at most `n / (2 * LAGS)`.
const LAGS: usize = 200;

/// Effective sample size of a series in time order, for its median.
///
/// The autocorrelations of "above the median or not" (which heavy tails cannot dominate) are
/// summed over Geyer's initial positive sequence: pairs of lags are added for as long as their
/// sum is positive. Never more than `n`.
#[must_use]
pub fn effective_size(series: &[f64], median: f64) -> f64 {
    let n = series.len();
    let above: Vec<f32> = series
        .iter()
        .map(|v| if *v > median { 1.0 } else { 0.0 })
        .collect();
    let mean = above.iter().sum::<f32>() / n.max(1) as f32;
    let centred: Vec<f32> = above.iter().map(|v| v - mean).collect();
    let at = |lag: usize| -> f64 {
        // Partial sums in f32 stay short, so that no precision is lost in a long series.
        let products = centred.chunks(1024).zip(centred[lag..].chunks(1024));
        products
            .map(|(a, b)| f64::from(a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>()))
            .sum()
    };
    let variance = if n < 4 { 0.0 } else { at(0) };
    if variance <= 0.0 {
        return n as f64;
    }
    let mut sum = 0.0;
    for lag in (1..LAGS.min(n / 2)).step_by(2) {
        let pair = (at(lag) + at(lag + 1)) / variance;
        if pair <= 0.0 {
            break;
        }
        sum += pair;
    }
    (n as f64 / (1.0 + 2.0 * sum)).clamp(1.0, n as f64)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn noise(n: usize) -> Vec<f64> {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(1);
        (0..n).map(|_| rng.random_range(0.0..1.0)).collect()
    }

    #[test]
    fn independent_operations_count_nearly_in_full() {
        assert!(effective_size(&noise(10_000), 0.5) > 8_000.0);
    }

    #[test]
    fn an_operation_repeated_ten_times_counts_once() {
        let series: Vec<f64> = noise(1_000).into_iter().flat_map(|v| [v; 10]).collect();
        let size = effective_size(&series, 0.5);
        assert!((700.0..1_300.0).contains(&size), "{size}");
    }

    #[test]
    fn constants_and_tiny_series_are_not_divided_by_zero() {
        assert!((effective_size(&[5.0; 100], 5.0) - 100.0).abs() < f64::EPSILON);
        assert!((effective_size(&[1.0], 1.0) - 1.0).abs() < f64::EPSILON);
        assert!(effective_size(&[], 0.0).abs() < f64::EPSILON);
    }
}
