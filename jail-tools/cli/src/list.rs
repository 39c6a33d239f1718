//! `jail-tools list`.

use std::fmt::Write;

use runner::registry::EXPERIMENTS;

use crate::args::Json;
use crate::exit::Done;
use crate::output;

/// Prints the experiments.
pub(crate) fn list(args: &Json) -> anyhow::Result<Done> {
    let definitions: Vec<_> = EXPERIMENTS.iter().map(|e| (e.definition)()).collect();
    if args.json {
        output::print(&serde_json::to_string_pretty(&definitions)?)?;
        return Ok(Done::Well);
    }
    let mut text = String::new();
    for d in definitions {
        let _ = writeln!(text, "{}: {}", d.name, d.question);
        for f in d.factors {
            let _ = writeln!(
                text,
                "  {:<8} {:<28} {}",
                f.name,
                f.levels.join(", "),
                f.about
            );
        }
        for e in d.expectations {
            let _ = writeln!(text, "  expects  {}: {}", e.id, e.says);
        }
    }
    output::print(&text)?;
    Ok(Done::Well)
}
