//! Ranks and shares against values computed with SciPy (`data/quantiles.py` made the data).

use analysis::{proportion, quantile};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    ranks: Vec<Ranks>,
    shares: Vec<Share>,
}

#[derive(Deserialize)]
struct Ranks {
    n: usize,
    p: f64,
    rank: usize,
    low: Option<usize>,
    high: Option<usize>,
}

#[derive(Deserialize)]
struct Share {
    k: u64,
    n: u64,
    low: f64,
    high: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("data/quantiles.json")).expect("reference data")
}

#[test]
fn ranks_of_quantiles_and_their_intervals_are_scipys() {
    for r in reference().ranks {
        assert_eq!(
            quantile::rank(r.n, r.p),
            Some(r.rank),
            "rank, n {} p {}",
            r.n,
            r.p
        );
        assert_eq!(
            quantile::interval_ranks(r.n, r.p),
            (r.low, r.high),
            "n {} p {}",
            r.n,
            r.p
        );
    }
}

#[test]
fn intervals_of_shares_are_scipys() {
    for s in reference().shares {
        let e = proportion::estimate(s.k, s.n).expect("operations");
        let near =
            |ours: Option<f64>, theirs: f64| (ours.unwrap_or(f64::NAN) - theirs).abs() < 1e-9;
        assert!(
            near(e.low, s.low) && near(e.high, s.high),
            "{}/{}: {e:?}",
            s.k,
            s.n
        );
    }
}
