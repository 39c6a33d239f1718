//! `jail-tools overhead`, and its short form for every run's manifest.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use analysis::overhead::{ArmCost, summarise};
use anyhow::anyhow;
use probes::object_file::ObjectFile;
use record::manifest::ObserverCost;
use record::verdict::Estimate;
use record::{Grade, Graded};
use runner::overhead::{Arm, measure, peers};

use crate::args;
use crate::exit::{Done, Usage};
use crate::output;

/// Rounds of the short form: six are the fewest that bound a median on both sides (binomial).
const SHORT_ROUNDS: u32 = 6;

/// Measures and prints.
pub(crate) fn overhead(args: &args::Overhead) -> anyhow::Result<Done> {
    let facts = host::observe(Some(&args.dir));
    let wishes = host::Wishes {
        threads: 1,
        cpus: args.cpu.map(|c| vec![c]),
        isolate: false,
        isolate_within: None,
        idle: host::IdlePolicy::AsIs,
    };
    let decision = host::decide(&facts, &wishes).map_err(|e| Usage(e.to_string()))?;
    let cpu = decision.measured_cpus[0];
    let object = crate::object::find();
    let said = |round: u32| {
        if round.is_multiple_of(10) {
            output::note(format_args!("{round}/{} rounds", args.rounds));
        }
    };
    let mut m = measure(
        object.as_ref().ok(),
        &args.dir,
        cpu,
        args.rounds,
        args.seed,
        &AtomicBool::new(false),
        &said,
    )?;
    if args.peers > 0 {
        peers::measure(&mut m, &args.dir, cpu, args.peers);
    }
    let order: Vec<&str> = Arm::ALL.iter().map(|a| a.name()).collect();
    let costs = summarise(&m.shots, &order);
    if args.json {
        let json = serde_json::json!({ "cpu": cpu, "costs": costs, "measurement": m });
        output::print(&serde_json::to_string_pretty(&json)?)?;
        return Ok(Done::Well);
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "warm 4 KiB pread and getppid on CPU {cpu}: median over rounds [95 % interval]; ratios paired within rounds"
    );
    let _ = writeln!(
        text,
        "{:<26} {:>6}  {:<24} {:<22} {:<22} {:<22}",
        "observer", "rounds", "pread ns", "ratio", "getppid ns", "ratio"
    );
    for c in &costs {
        let _ = writeln!(
            text,
            "{:<26} {:>6}  {:<24} {:<22} {:<22} {:<22}",
            c.arm,
            c.rounds,
            show(c.pread_ns, 0),
            show(c.pread_ratio, 3),
            show(c.getppid_ns, 1),
            show(c.getppid_ratio, 3)
        );
    }
    for u in &m.unavailable {
        let _ = writeln!(text, "{:<26} unavailable: {}", u.arm, u.why);
    }
    output::print(&text)?;
    Ok(Done::Well)
}

fn show(e: Option<Estimate>, digits: usize) -> String {
    let number = |v: Option<f64>| v.map_or("–".to_owned(), |v| format!("{v:.digits$}"));
    e.map_or("–".to_owned(), |e| {
        format!(
            "{:.digits$} [{} – {}]",
            e.value,
            number(e.low),
            number(e.high)
        )
    })
}

/// The short form. What cannot be measured is said with its reason; it never stops a run.
pub(crate) fn short(
    object: Option<&ObjectFile>,
    path: &Path,
    cpu: u32,
    stop: &AtomicBool,
) -> Vec<ObserverCost> {
    let dir = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(Path::new("."))
    };
    let operation = "warm 4 KiB pread";
    let m = match measure(object, dir, cpu, SHORT_ROUNDS, 1, stop, &|_| {}) {
        Ok(m) => m,
        Err(e) => {
            let p50_ns = Graded::unavailable(e.to_string());
            return vec![ObserverCost {
                arm: "all".into(),
                operation: operation.into(),
                p50_ns,
                ratio: None,
            }];
        }
    };
    let order: Vec<&str> = Arm::ALL.iter().map(|a| a.name()).collect();
    let mut costs: Vec<ObserverCost> = summarise(&m.shots, &order)
        .iter()
        .map(|c| cost(c, operation))
        .collect();
    costs.extend(m.unavailable.into_iter().map(|u| ObserverCost {
        arm: u.arm,
        operation: operation.into(),
        p50_ns: Graded::unavailable(u.why),
        ratio: None,
    }));
    costs
}

fn cost(c: &ArmCost, operation: &str) -> ObserverCost {
    let p50_ns = match c.pread_ns {
        Some(e) => Graded {
            value: Some(e.value),
            grade: Grade::Counted,
        },
        None => Graded::unavailable("no round was measured"),
    };
    let ratio = c.pread_ratio.and_then(|r| Some((r.value, r.low?, r.high?)));
    ObserverCost {
        arm: c.arm.clone(),
        operation: operation.into(),
        p50_ns,
        ratio,
    }
}

/// Hidden: the measured process of the peers' comparison.
pub(crate) fn victim(args: &args::Victim) -> anyhow::Result<Done> {
    let m = runner::overhead::victim(&args.dir, args.cpu, args.seed).map_err(|e| anyhow!(e))?;
    println!("{} {} {}", peers::MARK, m.pread_p50_ns, m.getppid_p50_ns);
    Ok(Done::Well)
}
