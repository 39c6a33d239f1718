//! `jail-tools doctor`: the facts of this host, and what each means.

use std::fmt::Write;

use record::manifest::Remedy;

use crate::args;
use crate::bpf_support::{self, BpfSupport};
use crate::exit::Done;
use crate::output;

/// Prints the facts and their meaning.
pub(crate) fn doctor(args: &args::Doctor) -> anyhow::Result<Done> {
    let facts = host::observe(Some(&args.dir));
    let doctor = host::doctor(&facts);
    let bpf = BpfSupport::try_out();
    if args.json {
        let json = serde_json::json!({
            "facts": facts,
            "meaning": doctor.facts,
            // `Ok` with what was tried, or `Err` with the reason.
            "bpf": bpf,
            "unseen": doctor.unseen,
            "warnings": doctor.warnings,
        });
        output::print(&serde_json::to_string_pretty(&json)?)?;
        return Ok(Done::Well);
    }
    let mut text = String::new();
    for m in &doctor.facts {
        match (&m.value, &m.missing) {
            (Some(value), _) => {
                let _ = writeln!(text, "{:<24} {value}", m.fact);
            }
            (None, why) => {
                let _ = writeln!(
                    text,
                    "{:<24} unavailable: {}",
                    m.fact,
                    why.as_deref().unwrap_or("no reason given")
                );
            }
        }
        let meanings = [
            ("false-sharing", m.false_sharing),
            ("mutex-condvar", m.mutex_condvar),
            ("syslat", m.syslat),
            ("procjail", m.procjail),
        ];
        for (investigation, it) in meanings.iter().filter(|(_, it)| !it.is_empty()) {
            let _ = writeln!(text, "{:<24}   {investigation}: {it}", "");
        }
    }
    text.push_str(&bpf_support::lines(&bpf));
    if !doctor.unseen.is_empty() {
        let _ = writeln!(
            text,
            "\nwhat a run would not see here, and what would change it:"
        );
        for u in &doctor.unseen {
            let _ = writeln!(text, "  {}\n    why:  {}", u.what.join(", "), u.why);
            let _ = match &u.remedy {
                Remedy::Command(command) => writeln!(text, "    next: {command}"),
                Remedy::Nothing(needed) => {
                    writeln!(text, "    next: no command would: it takes {needed}")
                }
            };
        }
    }
    if !doctor.warnings.is_empty() {
        let _ = writeln!(text, "\nwhat harms a measurement here:");
        for w in &doctor.warnings {
            let _ = writeln!(
                text,
                "  {}\n    why:  {}\n    next: {}",
                w.what, w.why, w.next
            );
        }
    }
    output::print(&text)?;
    Ok(Done::Well)
}
