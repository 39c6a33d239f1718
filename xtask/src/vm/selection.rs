//! Which tests run in a guest. Pure.

use guest::Step;

use crate::vm::programs::Program;

/// A test that says what it needs of the machine is about the machine: its name, without its
/// modules, begins with this.
const MARK: &str = "needs_";

/// A test of the short set may take this long in a guest, s: twice and more what the slowest took
/// in emulation (40 s; a whole quick run 72 s).
const LIMIT_S: u64 = 180;

/// With `--long`.
const LONG_LIMIT_S: u64 = 3600;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// Only tests whose `package::program::test` contains one of these; all, if there is none.
    pub(crate) filter: Vec<String>,
    /// Also the tests that need nothing of the machine.
    pub(crate) long: bool,
}

/// One step for each test that was asked for, in the order of the programs.
pub(crate) fn steps(programs: &[Program], asked: &Asked) -> Vec<Step> {
    let mut steps = Vec::new();
    for program in programs {
        for test in &program.tests {
            let name = format!("{}::{}::{test}", program.package, program.target);
            if chosen(&name, test, asked) {
                steps.push(step(program, test, name, asked));
            }
        }
    }
    steps
}

fn chosen(name: &str, test: &str, asked: &Asked) -> bool {
    if !asked.filter.is_empty() {
        return asked.filter.iter().any(|f| name.contains(f));
    }
    asked.long || test.rsplit("::").next().unwrap_or(test).starts_with(MARK)
}

fn step(program: &Program, test: &str, name: String, asked: &Asked) -> Step {
    let path = program.path.to_string_lossy().into_owned();
    Step {
        name,
        command: vec![
            path,
            test.to_owned(),
            "--exact".into(),
            "--nocapture".into(),
        ],
        dir: program.dir.to_string_lossy().into_owned(),
        limit_s: if asked.long { LONG_LIMIT_S } else { LIMIT_S },
        expects: Some("test result: ok. 1 passed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Vec<Program> {
        vec![Program {
            package: "probes".into(),
            target: "witnesses".into(),
            path: "/t/witnesses-1".into(),
            dir: "/probes".into(),
            tests: vec![
                "m::needs_bpf_it_fires".into(),
                "m::it_adds_up".into(),
                "needs::no_mark".into(),
            ],
        }]
    }

    fn names(asked: &Asked) -> Vec<String> {
        steps(&programs(), asked)
            .into_iter()
            .map(|s| s.name)
            .collect()
    }

    #[test]
    fn marked_tests_run_by_default_and_all_where_they_are_asked_for() {
        assert_eq!(
            names(&Asked::default()),
            ["probes::witnesses::m::needs_bpf_it_fires"]
        );
        let long = Asked {
            long: true,
            ..Asked::default()
        };
        assert_eq!(names(&long).len(), 3);
        let one = Asked {
            filter: vec!["witnesses::m::it_adds".into()],
            ..Asked::default()
        };
        assert_eq!(names(&one), ["probes::witnesses::m::it_adds_up"]);
    }

    #[test]
    fn a_step_runs_exactly_its_test() {
        let step = steps(&programs(), &Asked::default()).remove(0);
        assert_eq!(
            step.command[..3],
            ["/t/witnesses-1", "m::needs_bpf_it_fires", "--exact"]
        );
        assert_eq!(step.dir, "/probes");
    }
}
