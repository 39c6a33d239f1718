//! What was run, where, with what armed; what the observer costs; what was lost.

use analysis::Analysis;
use record::manifest::RunEnd;
use record::trial::Losses;
use record::{Fact, Manifest};

use super::layout::{Footnotes, Grid, Style, Tone};
use super::units::{MISSING, time};
use crate::Report;

pub(super) fn render(report: &Report, style: Style) -> String {
    let m = &report.manifest;
    let mut out = style.paint(
        Tone::Bold,
        &format!("jail-tools {} · run {}", m.tool_version, report.run),
    ) + "\n";
    let lines = [
        ("kernel", text(&m.host.kernel_release)),
        ("CPU", cpu(m)),
        ("idle policy", m.idle_policy.clone()),
        ("oracle", m.oracle.clone()),
        ("BPF object", object(m)),
        ("causes", causes(m)),
        ("storage", storage(m)),
        ("armed", armed(m)),
        ("status", status(report)),
    ];
    for (name, value) in lines {
        if !value.is_empty() {
            out.push_str(&style.wrapped(&format!("  {name:<12} "), &" ".repeat(15), &value));
        }
    }
    out
}

/// A fact, or that and why it is not known.
fn text<T: ToString>(fact: &Fact<T>) -> String {
    match fact {
        Fact::Known { value, .. } => value.to_string(),
        Fact::Unavailable { why } => format!("{MISSING} ({why})"),
    }
}

fn cpu(m: &Manifest) -> String {
    let hypervisor = m.host.hypervisor.value().filter(|h| *h != "none");
    let hypervisor = hypervisor
        .map(|h| format!(", in a virtual machine ({h})"))
        .unwrap_or_default();
    let mut cpus: Vec<u32> = m
        .plans
        .iter()
        .flat_map(|p| p.conditions.cpus.iter().copied())
        .collect();
    cpus.sort_unstable();
    cpus.dedup();
    let measured: Vec<String> = cpus.iter().map(u32::to_string).collect();
    let measured = if measured.is_empty() {
        String::new()
    } else {
        format!("; measured on CPU {}", measured.join(", "))
    };
    format!("{}{hypervisor}{measured}", text(&m.host.cpu_model))
}

fn object(m: &Manifest) -> String {
    match &m.bpf_object {
        Some(o) => format!("{}, crc32 {:08x}, ABI {}", o.origin, o.crc32, o.abi),
        None => format!("{MISSING} (none was loaded: causes that only probes see are unavailable)"),
    }
}

/// Where the parts of the ledgers come from.
fn causes(m: &Manifest) -> String {
    match (&m.bpf_object, &m.usage) {
        (Some(_), _) => "counted on the ledger page, by the probes".into(),
        (None, Some(usage)) => match usage.absent() {
            Some(why) => format!("{MISSING} (no account of the threads: {why})"),
            None => format!(
                "inferred, not counted: from {}, read around each operation",
                usage.read.join(", ")
            ),
        },
        (None, None) => format!("{MISSING} (nothing was read that could tell)"),
    }
}

fn storage(m: &Manifest) -> String {
    let Some(s) = &m.host.storage else {
        return String::new();
    };
    format!(
        "{}: {} on {}, scheduler {}",
        s.path,
        text(&s.filesystem),
        text(&s.device),
        text(&s.scheduler)
    )
}

fn armed(m: &Manifest) -> String {
    let of = |list: &[record::manifest::Armed]| {
        format!(
            "{} of {}",
            list.iter().filter(|a| a.missing.is_none()).count(),
            list.len()
        )
    };
    format!("{} probes, {} counters", of(&m.probes), of(&m.counters))
}

fn status(report: &Report) -> String {
    let a = &report.analysis;
    let trials = format!("{} of {} trials", a.trials.complete, a.trials.planned);
    let how = match a.end {
        Some(RunEnd::Complete) if !a.partial => return format!("complete, {trials}"),
        Some(RunEnd::Complete) => "trials are missing",
        Some(RunEnd::Interrupted) => "interrupted",
        Some(RunEnd::Failed) => "ended by an error",
        None => "killed, or still running",
    };
    format!("PARTIAL: {how}; {trials}")
}

pub(super) fn observer(m: &Manifest, style: Style) -> String {
    let mut out = style.heading("The observer's cost on this machine");
    if m.observer.is_empty() {
        return out + "  – not measured: run `jail-tools overhead`\n";
    }
    let mut notes = Footnotes::default();
    let mut grid = Grid::new(&["armed", "operation", "p50", "ratio to bare", "grade"])
        .align_left(1)
        .align_left(4);
    for cost in &m.observer {
        let p50 = match (&cost.p50_ns.value, &cost.p50_ns.grade) {
            (Some(ns), _) => time(*ns),
            (None, grade) => notes.missing(&grade.to_string()),
        };
        let ratio = cost
            .ratio
            .map(|(v, low, high)| format!("{v:.3} [{low:.3}–{high:.3}]"));
        let ratio = ratio.unwrap_or_else(|| MISSING.into());
        let grade = if cost.p50_ns.value.is_some() {
            cost.p50_ns.grade.to_string()
        } else {
            String::new()
        };
        grid.row(
            Tone::Plain,
            vec![cost.arm.clone(), cost.operation.clone(), p50, ratio, grade],
        );
    }
    out.push_str(&grid.render(style));
    out + &notes.render(style)
}

pub(super) fn losses(m: &Manifest, analysis: &Analysis, style: Style) -> String {
    let l = &analysis.losses;
    let text = if m.bpf_object.is_none() {
        format!("{MISSING} (no probes were armed, so that there was nothing to lose)")
    } else {
        losses_of_probes(l)
    };
    style.heading("Losses") + &style.wrapped("  ", "  ", &text)
}

fn losses_of_probes(l: &Losses) -> String {
    format!(
        "{} ring records, {} block requests, {} completions never seen, {} torn reads, {} exits without a start; {} switches missed and healed",
        l.ring_drops, l.request_drops, l.completions, l.torn_reads, l.orphans, l.gaps
    )
}
