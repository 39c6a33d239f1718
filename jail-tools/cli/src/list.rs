//! `jail-tools list`.

use runner::registry::EXPERIMENTS;

use crate::args::Json;
use crate::exit::Done;

/// Prints the experiments.
pub(crate) fn list(args: &Json) -> anyhow::Result<Done> {
    let definitions: Vec<_> = EXPERIMENTS.iter().map(|e| (e.definition)()).collect();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&definitions)?);
        return Ok(Done::Well);
    }
    for d in definitions {
        println!("{}: {}", d.name, d.question);
        for f in d.factors {
            println!("  {:<8} {:<28} {}", f.name, f.levels.join(", "), f.about);
        }
        for e in d.expectations {
            println!("  expects  {}: {}", e.id, e.says);
        }
    }
    Ok(Done::Well)
}
