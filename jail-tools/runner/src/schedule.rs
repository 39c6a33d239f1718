//! From an experiment and the user's wishes to a plan: cells, rounds, and a seeded order. Pure.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use record::plan::{Budget, Conditions};
use record::{Cell, Definition, Plan, TrialSpec};

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Only cells with one of these levels, by factor; a factor that is not named keeps all.
    pub only: BTreeMap<String, Vec<String>>,
    /// Seed of everything random.
    pub seed: u64,
    /// Rounds.
    pub rounds: u32,
    /// Work per trial.
    pub budget: Budget,
    /// Conditions of the measured process.
    pub conditions: Conditions,
    /// Number of the first cell and of the first trial: they are unique within a run.
    pub first_cell: u32,
    /// See `first_cell`.
    pub first_trial: u32,
}

/// A wish that does not fit the experiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No such factor.
    #[error("{experiment} has no factor {factor} (it has {known})")]
    Factor {
        /// The experiment.
        experiment: String,
        /// What was asked for.
        factor: String,
        /// What there is.
        known: String,
    },
    /// No such level.
    #[error("factor {factor} of {experiment} has no level {level} (it has {known})")]
    Level {
        /// The experiment.
        experiment: String,
        /// The factor.
        factor: String,
        /// What was asked for.
        level: String,
        /// What there is.
        known: String,
    },
}

/// Makes the plan.
///
/// # Errors
/// A factor or level that the experiment does not have.
pub fn plan(definition: Definition, request: Request) -> Result<Plan, PlanError> {
    check(&definition, &request.only)?;
    let cells = cells(&definition, &request);
    let mut rng = Pcg64Mcg::seed_from_u64(request.seed);
    let mut schedule = Vec::new();
    for round in 0..request.rounds {
        let mut order: Vec<u32> = cells.iter().map(|c| c.id).collect();
        order.shuffle(&mut rng);
        for cell in order {
            let trial = request.first_trial + schedule.len() as u32;
            schedule.push(TrialSpec {
                trial,
                cell,
                round,
                seed: rng.random(),
            });
        }
    }
    Ok(Plan {
        definition,
        seed: request.seed,
        rounds: request.rounds,
        cells,
        budget: request.budget,
        conditions: request.conditions,
        schedule,
    })
}

fn check(definition: &Definition, only: &BTreeMap<String, Vec<String>>) -> Result<(), PlanError> {
    for (name, levels) in only {
        let Some(factor) = definition.factors.iter().find(|f| f.name == *name) else {
            let known: Vec<&str> = definition.factors.iter().map(|f| f.name.as_str()).collect();
            return Err(PlanError::Factor {
                experiment: definition.name.clone(),
                factor: name.clone(),
                known: known.join(", "),
            });
        };
        if let Some(level) = levels.iter().find(|l| !factor.levels.contains(l)) {
            return Err(PlanError::Level {
                experiment: definition.name.clone(),
                factor: name.clone(),
                level: level.clone(),
                known: factor.levels.join(", "),
            });
        }
    }
    Ok(())
}

/// The full factorial of all wanted levels, the last factor varying fastest.
fn cells(definition: &Definition, request: &Request) -> Vec<Cell> {
    let mut combinations: Vec<BTreeMap<String, String>> = vec![BTreeMap::new()];
    for factor in &definition.factors {
        let wanted = |l: &&String| {
            request
                .only
                .get(&factor.name)
                .is_none_or(|only| only.contains(l))
        };
        combinations = combinations
            .iter()
            .flat_map(|c| {
                factor.levels.iter().filter(wanted).map(|l| {
                    let mut c = c.clone();
                    c.insert(factor.name.clone(), l.clone());
                    c
                })
            })
            .collect();
    }
    let number = |i: usize| request.first_cell + i as u32;
    combinations
        .into_iter()
        .enumerate()
        .map(|(i, levels)| Cell {
            id: number(i),
            experiment: definition.name.clone(),
            levels,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use experiments::Pace;
    use record::plan::SchedClass;

    use super::*;
    use crate::registry;

    fn request(seed: u64, only: &[(&str, &str)]) -> Request {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (f, l) in only {
            map.entry((*f).into()).or_default().push((*l).into());
        }
        let conditions = Conditions {
            aslr: true,
            env_bytes: 0,
            sched: SchedClass::Other,
            cpus: vec![0],
            cgroup: None,
        };
        let (rounds, budget) = (registry::EXPERIMENTS[0].budget)(Pace::Quick);
        Request {
            only: map,
            seed,
            rounds,
            budget,
            conditions,
            first_cell: 0,
            first_trial: 0,
        }
    }

    fn syslat() -> Definition {
        (registry::EXPERIMENTS[0].definition)()
    }

    #[test]
    fn every_round_has_every_cell_once_in_an_order_of_its_own() {
        let plan = plan(syslat(), request(5, &[])).unwrap();
        assert_eq!(plan.cells.len(), 12);
        let mut orders = Vec::new();
        for round in 0..plan.rounds {
            let order: Vec<u32> = plan
                .schedule
                .iter()
                .filter(|t| t.round == round)
                .map(|t| t.cell)
                .collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..12).collect::<Vec<_>>());
            orders.push(order);
        }
        assert_ne!(orders[0], orders[1]);
        assert!(
            plan.schedule
                .iter()
                .enumerate()
                .all(|(i, t)| t.trial == i as u32)
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        assert_eq!(
            plan(syslat(), request(5, &[])),
            plan(syslat(), request(5, &[]))
        );
        assert_ne!(
            plan(syslat(), request(5, &[])),
            plan(syslat(), request(6, &[]))
        );
    }

    #[test]
    fn unknown_factors_and_levels_are_named_with_what_there_is() {
        let error = plan(syslat(), request(1, &[("colour", "red")]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("colour") && error.contains("size, state, access"),
            "{error}"
        );
        let error = plan(syslat(), request(1, &[("state", "tepid")]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("tepid") && error.contains("warm, cold, direct"),
            "{error}"
        );
    }

    #[test]
    fn levels_can_be_chosen() {
        let plan = plan(
            syslat(),
            request(1, &[("size", "4k"), ("state", "warm"), ("state", "cold")]),
        )
        .unwrap();
        assert_eq!(plan.cells.len(), 4);
    }
}
