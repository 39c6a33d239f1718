//! What is done to the host for a run, and put back.

use host::{Decision, IdleGuard, IdlePolicy, Isolation, IsolationPlan, Keeper, Wishes};
use record::HostFacts;
use record::manifest::HostChange;

use crate::args::{self, Idle};
use crate::exit::Usage;

/// Decides from facts and wishes.
///
/// # Errors
/// A wish that this machine cannot grant.
pub(super) fn decide(facts: &HostFacts, args: &args::Run) -> anyhow::Result<Decision> {
    let cpus = args
        .cpus
        .as_deref()
        .map(|text| {
            host::cpu_list::parse(text).ok_or_else(|| {
                Usage(format!(
                    "--cpus {text}: expected a list of CPUs such as 1 or 0-3,8"
                ))
            })
        })
        .transpose()?;
    let wishes = Wishes {
        threads: 1,
        cpus,
        isolate: args.isolate,
        isolate_within: args.isolate_within.clone(),
        idle: match args.idle {
            Idle::AsIs => IdlePolicy::AsIs,
            Idle::Poll => IdlePolicy::Poll,
        },
    };
    Ok(host::decide(facts, &wishes).map_err(|e| Usage(e.to_string()))?)
}

/// The guards of a run.
pub(super) struct HostSide {
    idle: Option<IdleGuard>,
    keeper: Option<Keeper>,
    isolation: Option<Isolation>,
    changes: Vec<HostChange>,
}

impl HostSide {
    /// Applies a decision. Every change that outlives this process is promised to a keeper first.
    pub(super) fn apply(decision: &Decision) -> anyhow::Result<Self> {
        let (idle, idle_change) = IdleGuard::apply(decision.idle);
        let mut side = Self {
            idle: Some(idle),
            keeper: None,
            isolation: None,
            changes: idle_change.into_iter().collect(),
        };
        if !matches!(decision.isolate, IsolationPlan::None { .. }) {
            let mut keeper = Keeper::start()?;
            let (isolation, changes) = Isolation::apply(&decision.isolate, &mut keeper)?;
            side.keeper = Some(keeper);
            side.isolation = Some(isolation);
            side.changes.extend(changes);
        }
        Ok(side)
    }

    pub(super) fn changes(&self) -> Vec<HostChange> {
        self.changes.clone()
    }

    pub(super) fn idle_policy(&self) -> String {
        self.idle
            .as_ref()
            .map_or_else(String::new, |i| i.policy().to_owned())
    }

    pub(super) fn join_dir(&self) -> Option<String> {
        self.isolation
            .as_ref()
            .and_then(Isolation::join_dir)
            .map(|d| d.display().to_string())
    }

    /// What could not be had of what was asked for.
    pub(super) fn degraded(&self) -> Vec<String> {
        let refused = self
            .changes
            .iter()
            .filter_map(|c| Some(format!("{}: {}", c.asked, c.refused.as_ref()?)));
        let unmoved = self.isolation.iter().flat_map(Isolation::unmoved);
        refused
            .chain(
                unmoved.map(|u| format!("not moved off the measured CPUs: {} ({})", u.what, u.why)),
            )
            .collect()
    }

    /// Puts everything back. Returns what could not be.
    pub(super) fn restore(&mut self) -> Vec<String> {
        self.isolation = None;
        self.idle = None;
        self.keeper.take().map_or_else(Vec::new, Keeper::finish)
    }
}
