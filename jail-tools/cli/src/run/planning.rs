//! From arguments to plans, and the file under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use experiments::Pace;
use experiments::subject::Provision;
use record::Plan;
use record::plan::{Conditions, SchedClass};
use runner::registry::{EXPERIMENTS, Entry, find};
use runner::{Request, plan};

use crate::args::{self, Sched};
use crate::exit::Usage;

/// The experiments that were asked for.
///
/// # Errors
/// An unknown name.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Entry>, Usage> {
    if names.is_empty() {
        return Ok(EXPERIMENTS.iter().collect());
    }
    let known = || {
        EXPERIMENTS
            .iter()
            .map(|e| e.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut entries: Vec<&'static Entry> = Vec::new();
    for name in names {
        let unknown = || {
            Usage(format!(
                "unknown experiment {name} (there are: {})",
                known()
            ))
        };
        let entry = find(name).ok_or_else(unknown)?;
        // One that is named twice is run once: more of it is asked for with --rounds.
        if entries.iter().all(|e| e.name != entry.name) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Where the file under test is, or is made: the user's choice, else where the run is recorded.
pub(super) fn subject_path(args: &args::Run) -> PathBuf {
    let chosen = args.file.clone().or_else(|| args.dir.clone());
    chosen.unwrap_or_else(|| {
        // The run directory need not exist yet: the nearest directory that does.
        let absolute = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
        absolute
            .ancestors()
            .find(|p| p.is_dir())
            .unwrap_or(Path::new("."))
            .to_path_buf()
    })
}

/// One plan for each experiment; cells and trials are numbered through.
///
/// # Errors
/// A factor or level that an experiment does not have.
pub(super) fn plans(
    entries: &[&Entry],
    args: &args::Run,
    decision: &host::Decision,
    seed: u64,
) -> anyhow::Result<Vec<Plan>> {
    let only = only(&args.only)?;
    let pace = if args.quick { Pace::Quick } else { Pace::Full };
    let (mut first_cell, mut first_trial) = (0, 0);
    let mut plans = Vec::new();
    for entry in entries {
        let (rounds, budget) = (entry.budget)(pace);
        let request = Request {
            only: only.clone(),
            seed,
            rounds: args.rounds.unwrap_or(rounds),
            budget,
            conditions: conditions(args, decision),
            first_cell,
            first_trial,
        };
        let plan = plan((entry.definition)(), request).map_err(|e| Usage(e.to_string()))?;
        first_cell += plan.cells.len() as u32;
        first_trial += plan.schedule.len() as u32;
        plans.push(plan);
    }
    Ok(plans)
}

fn conditions(args: &args::Run, decision: &host::Decision) -> Conditions {
    Conditions {
        aslr: !args.no_aslr,
        env_bytes: args.env_bytes,
        sched: match args.sched {
            Sched::Other => SchedClass::Other,
            Sched::Batch => SchedClass::Batch,
            Sched::Fifo => SchedClass::Fifo,
        },
        cpus: decision.measured_cpus.clone(),
        cgroup: None,
    }
}

/// `FACTOR=LEVEL[,LEVEL…]`, as often as given.
fn only(texts: &[String]) -> Result<BTreeMap<String, Vec<String>>, Usage> {
    let mut only: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in texts {
        let (factor, levels) = text
            .split_once('=')
            .filter(|(f, l)| !f.is_empty() && !l.is_empty())
            .ok_or_else(|| Usage(format!("--only {text}: expected FACTOR=LEVEL[,LEVEL…]")))?;
        only.entry(factor.to_owned())
            .or_default()
            .extend(levels.split(',').map(str::to_owned));
    }
    Ok(only)
}

/// The file under test, large enough for every plan; `None` if no plan reads one.
///
/// # Errors
/// See [`Provision`].
pub(super) fn provision(
    plans: &[Plan],
    args: &args::Run,
    path: &Path,
    seed: u64,
) -> anyhow::Result<Option<Provision>> {
    let needed = plans
        .iter()
        .filter_map(|p| find(&p.definition.name).and_then(|e| (e.subject_bytes)(&p.budget)))
        .max();
    let Some(bytes) = needed else { return Ok(None) };
    Ok(Some(match &args.file {
        Some(file) => Provision::existing(file, bytes)?,
        None => Provision::make(path, bytes, seed)?,
    }))
}

/// A number that was not drawn before, for seeds and names: from the standard library's own
/// randomly keyed hasher.
pub(super) fn entropy() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

/// `20261123T175500Z` from nanoseconds since the epoch.
pub(super) fn utc(realtime_ns: u64) -> String {
    let seconds = realtime_ns / 1_000_000_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_utc() {
        assert_eq!(utc(0), "19700101T000000Z");
        // `date -u -d @1709210096`: a leap day.
        assert_eq!(utc(1_709_210_096_000_000_000), "20240229T123456Z");
        assert_eq!(utc(1_798_761_599_000_000_000), "20261231T235959Z");
    }

    #[test]
    fn levels_are_split_and_collected() {
        let only = only(&[
            "size=4k".into(),
            "state=warm,cold".into(),
            "state=direct".into(),
        ])
        .unwrap();
        assert_eq!(only["state"], ["warm", "cold", "direct"]);
        assert!(super::only(&["size".into()]).is_err() && super::only(&["=4k".into()]).is_err());
    }
}
