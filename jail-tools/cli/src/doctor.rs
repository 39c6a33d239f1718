//! `jail-tools doctor`: the facts of this host, and what each means.

use crate::args;
use crate::exit::Done;

/// Prints the facts and their meaning.
pub(crate) fn doctor(args: &args::Doctor) -> anyhow::Result<Done> {
    let facts = host::observe(Some(&args.dir));
    let doctor = host::doctor(&facts);
    if args.json {
        let json = serde_json::json!({ "facts": facts, "meaning": doctor.facts, "warnings": doctor.warnings });
        println!("{}", serde_json::to_string_pretty(&json)?);
        return Ok(Done::Well);
    }
    for m in &doctor.facts {
        match (&m.value, &m.missing) {
            (Some(value), _) => println!("{:<24} {value}", m.fact),
            (None, why) => println!(
                "{:<24} unavailable: {}",
                m.fact,
                why.as_deref().unwrap_or("no reason given")
            ),
        }
        let meanings = [
            ("false-sharing", m.false_sharing),
            ("mutex-condvar", m.mutex_condvar),
            ("syslat", m.syslat),
            ("procjail", m.procjail),
        ];
        for (investigation, text) in meanings.iter().filter(|(_, text)| !text.is_empty()) {
            println!("{:<24}   {investigation}: {text}", "");
        }
    }
    if !doctor.warnings.is_empty() {
        println!("\nwhat harms a measurement here:");
        for w in &doctor.warnings {
            println!("  {}\n    why:  {}\n    next: {}", w.what, w.why, w.next);
        }
    }
    Ok(Done::Well)
}
