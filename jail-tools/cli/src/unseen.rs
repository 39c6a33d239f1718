//! What a run could not see: gathered from its probes and counters, with what would change it.

use counters::events::Group;
use counters::{CpuId, table};
use host::remedy::{Blind, Eye, remedies};
use record::CAUSES;
use record::ledger::{MEASURED, UPSTREAM};
use record::manifest::{Armed, Manifest, Unseen};
use record::{Grade, HostFacts};

use crate::degrade::{Eyes, Shut};

/// Everything that the manifest, as it stands, says was not seen.
pub(crate) fn of(manifest: &Manifest, eyes: &Eyes, counters_wanted: bool) -> Vec<Unseen> {
    let mut blind = match eyes {
        Eyes::Closed(shut) => vec![without_probes(manifest, shut)],
        Eyes::Open(probes) => single_probes(&manifest.probes, probes.blind()),
    };
    if counters_wanted {
        blind.extend(counters(&manifest.counters));
    } else {
        blind.push(Blind {
            eye: Eye::SwitchedOff("--no-counters"),
            what: vec!["all counters".into()],
            why: "--no-counters".into(),
        });
    }
    again(&manifest.host, &manifest.command, &blind)
}

/// The first of a command line is the program, which the facts know better.
fn again(facts: &HostFacts, command: &[String], blind: &[Blind]) -> Vec<Unseen> {
    remedies(facts, command.get(1..).unwrap_or_default(), blind)
}

fn without_probes(manifest: &Manifest, shut: &Shut) -> Blind {
    let usage = manifest.usage.as_ref();
    let grade = |part: usize| usage.and_then(|u| u.of(CAUSES[part].column));
    let measured = || (0..MEASURED).filter(|part| *part != UPSTREAM);
    let (inferred, lost): (Vec<usize>, Vec<usize>) =
        measured().partition(|part| matches!(grade(*part), Some(Grade::Inferred { .. })));
    let mut what: Vec<String> = lost.iter().map(|p| CAUSES[*p].label.into()).collect();
    if !inferred.is_empty() {
        let labels: Vec<&str> = inferred.iter().map(|p| CAUSES[*p].label).collect();
        what.push(format!(
            "the counts of {} (they are inferred)",
            labels.join(" and ")
        ));
    }
    what.push("hits and misses by probe".into());
    Blind {
        eye: shut.eye,
        what,
        why: shut.why.clone(),
    }
}

/// Probes that are missing while others are there, and causes that are blind without one missing.
fn single_probes(armed: &[Armed], causes: &[Option<String>]) -> Vec<Blind> {
    let missing = armed.iter().filter_map(|a| Some((a, a.missing.as_ref()?)));
    let blind = |what: String, why: String| Blind {
        eye: Eye::Kernel,
        what: vec![what],
        why,
    };
    let mut found: Vec<Blind> = missing
        .map(|(a, why)| {
            let what = a.blind.clone().unwrap_or_else(|| a.name.clone());
            blind(what, format!("{}: {why}", a.name))
        })
        .collect();
    for (why, cause) in causes.iter().zip(CAUSES) {
        if let Some(why) = why
            && found.iter().all(|b| b.why != *why)
        {
            found.push(blind(cause.label.into(), why.clone()));
        }
    }
    found
}

/// Counters that are missing, or that leave the kernel out; those with the same reason together.
fn counters(armed: &[Armed]) -> Vec<Blind> {
    let rows = table(CpuId::of_this_machine().as_ref());
    let group = |name: &str| rows.iter().find(|r| r.name == name).map(|r| r.group);
    let mut found: Vec<Blind> = Vec::new();
    for a in armed {
        let (name, user_only) = match a.name.strip_suffix(":u") {
            Some(name) => (name, true),
            None => (a.name.as_str(), false),
        };
        let (what, why) = match (&a.missing, &a.blind) {
            (Some(why), _) => (name.to_owned(), why.clone()),
            (None, Some(what)) if user_only => (what.clone(), USER_ONLY.to_owned()),
            _ => continue,
        };
        let eye = match group(name) {
            Some(Group::Tracepoint) => Eye::Tracepoints,
            Some(Group::Software | Group::Clock) => Eye::KernelEvents,
            _ if user_only => Eye::KernelEvents,
            _ => Eye::Hardware,
        };
        match found.iter_mut().find(|b| (b.eye, &b.why) == (eye, &why)) {
            Some(same) => same.what.push(what),
            None => found.push(Blind {
                eye,
                what: vec![what],
                why,
            }),
        }
    }
    found
}

/// Why a counter is called `:u`.
const USER_ONLY: &str = "kernel.perf_event_paranoid allows to count user mode only";

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(name: &str, missing: Option<&str>, blind: Option<&str>) -> Armed {
        Armed {
            name: name.into(),
            missing: missing.map(Into::into),
            blind: blind.map(Into::into),
        }
    }

    #[test]
    fn counters_are_sorted_by_what_they_need() {
        let found = counters(&[
            armed("cycles", Some("ENOENT"), None),
            armed("instructions", Some("ENOENT"), None),
            armed("context-switches", Some("kernel only"), None),
            armed("task-clock", None, None),
            armed("page-faults:u", None, Some("page faults in the kernel")),
            armed("sched:sched_switch", Some("no tracefs"), None),
        ]);
        let eyes: Vec<_> = found.iter().map(|b| (b.eye, b.what.len())).collect();
        assert_eq!(
            eyes,
            [
                (Eye::Hardware, 2),
                (Eye::KernelEvents, 1),
                (Eye::KernelEvents, 1),
                (Eye::Tracepoints, 1)
            ]
        );
        assert_eq!(found[2].what, ["page faults in the kernel"]);
    }

    #[test]
    fn a_missing_probe_and_a_blind_cause_are_named_once() {
        let list = [
            armed("sched_switch", Some("gone"), Some("off-CPU time")),
            armed("sched_waking", None, None),
        ];
        let causes = [
            Some("sched_switch: gone".to_owned()),
            None,
            Some("bare metal".to_owned()),
        ];
        let found = single_probes(&list, &causes);
        let whys: Vec<&str> = found.iter().map(|b| b.why.as_str()).collect();
        assert_eq!(whys, ["sched_switch: gone", "bare metal"]);
    }
}
