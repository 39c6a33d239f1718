//! What was expected, and what came of it.

use analysis::ExperimentAnalysis;
use record::verdict::{Judgement, Standing};

use super::layout::{Style, Tone};
use super::units::{MISSING, plain};

pub(super) fn render(experiment: &ExperimentAnalysis, style: Style) -> String {
    let mut out = style.heading("Expectations");
    if experiment.judgements.is_empty() {
        return out + "  none was stated\n";
    }
    for judgement in &experiment.judgements {
        out.push_str(&one(judgement, experiment, style));
    }
    let tried: Vec<&str> = experiment
        .conditions
        .iter()
        .map(|c| c.tried.as_str())
        .collect();
    out.push_str(&style.wrapped("  Tried under: ", "    ", &(tried.join("; ") + ".")));
    let untried: Vec<&str> = experiment
        .conditions
        .iter()
        .filter_map(|c| c.untried.as_deref())
        .collect();
    if !untried.is_empty() {
        let text = format!(
            "{}. Nothing is called a property before.",
            untried.join("; ")
        );
        out.push_str(&style.wrapped("  Not tried: ", "    ", &text));
    }
    out
}

fn one(j: &Judgement, experiment: &ExperimentAnalysis, style: Style) -> String {
    let (tone, word) = match &j.standing {
        Standing::Property => (Tone::Good, "HOLDS: a property".into()),
        Standing::Conditional { .. } => (Tone::Good, "HOLDS, conditionally".into()),
        Standing::Noise => (Tone::Plain, "NOISE: no effect worth the name".into()),
        Standing::Inconclusive {
            more_rounds: Some(n),
        } => (
            Tone::Plain,
            format!("INCONCLUSIVE: some {n} more round(s) would decide"),
        ),
        Standing::Inconclusive { more_rounds: None } => (
            Tone::Plain,
            "INCONCLUSIVE: no number of rounds can be named that would decide".into(),
        ),
        Standing::Refuted => (Tone::Bad, "REFUTED".into()),
        Standing::NotMeasured { why } => (Tone::Plain, format!("NOT MEASURED: {why}")),
    };
    let mut out = format!(
        "  {}  {}\n",
        style.paint(Tone::Bold, &j.expectation),
        style.paint(tone, &word)
    );
    out.push_str(&style.wrapped("    ", "    ", &j.says));
    for (label, figure) in &j.figures {
        let figure = figure.as_ref().map_or_else(|| MISSING.into(), plain);
        out.push_str(&style.wrapped("    ", "      ", &format!("{label}: {figure}")));
    }
    if let Standing::Conditional { untried, .. } = &j.standing {
        // The conditions of the whole experiment are listed once, below.
        let known = |u: &&String| {
            experiment
                .conditions
                .iter()
                .any(|c| c.untried.as_ref() == Some(u))
        };
        for extra in untried.iter().filter(|u| !known(u)) {
            out.push_str(&style.wrapped("    not tried: ", "      ", extra));
        }
    }
    out
}
