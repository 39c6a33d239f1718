//! SIGKILL at random instants: nothing is left of the tool on the host, and what it had recorded
//! still reports.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::host_state::{BpfObjects, Cpuset, HostState};
use common::processes::{Process, wait_until};
use common::{Said, Story, names};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::{RunDir, TrialRecord};

/// The last instant at which it is killed: in a quick run's middle.
const LAST_MS: u64 = 3_000;

#[test]
fn needs_root_sigkill_at_any_instant_leaves_no_trace_and_a_run_that_reports() {
    let _test = testkit::begin!();
    killed_at(0..20, None);
}

#[test]
fn needs_root_needs_cpuset_v1_sigkill_behind_a_shield_takes_the_shield_down() {
    let test = testkit::begin!();
    match Cpuset::make("killed") {
        Ok(cpuset) => killed_at(20..30, Some(&cpuset)),
        Err(why) => test.skip(&why),
    }
}

fn killed_at(instants: Range<u64>, cpuset: Option<&Cpuset>) {
    let mut reached = Reached::default();
    for number in instants {
        let delay = Duration::from_millis(instant_ms(number));
        let story = Story::begin();
        let scene = Scene::set(&story, cpuset);
        scene.kill(number, delay, &mut reached);
        reached.reports += u32::from(scene.what_was_recorded_reports());
    }
    println!("{reached:?}");
    // Else nothing of this was a test: the instants have to reach everything that is put back.
    assert!(reached.reports > 0 && reached.polling > 0);
    assert!(reached.trials > 0, "no trial's process had to be ended");
    assert!(reached.isolated > 0 || cpuset.is_none());
    assert!(reached.bpf_objects > 0 || testkit::no_bpf().is_some());
}

/// What was there when the tool was killed, over all instants.
#[derive(Debug, Default)]
struct Reached {
    reports: u32,
    polling: u32,
    isolated: u32,
    trials: u32,
    bpf_objects: usize,
}

/// Random, but the same each time: splitmix64 of the instant's number.
fn instant_ms(number: u64) -> u64 {
    let mut z = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % LAST_MS
}

/// On a slow machine the clock alone might never reach a trial.
fn waits_for_a_trial(number: u64) -> bool {
    number % 5 == 4
}

struct Scene<'a> {
    story: &'a Story,
    cpuset: Option<&'a Cpuset>,
    before: HostState,
}

impl<'a> Scene<'a> {
    fn set(story: &'a Story, cpuset: Option<&'a Cpuset>) -> Self {
        fs::create_dir(story.path("dir")).unwrap();
        Self {
            story,
            cpuset,
            before: HostState::now(),
        }
    }

    /// Every second run polls, and every third measures the observer's cost first.
    fn start(&self, number: u64) -> Child {
        let mut tool = self.story.tool();
        tool.args(["run", "syslat", "--quick", "--out", "out", "--dir", "dir"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if number.is_multiple_of(2) {
            tool.args(["--idle", "poll"]);
        }
        if !number.is_multiple_of(3) || waits_for_a_trial(number) {
            tool.arg("--no-overhead");
        }
        if let Some(cpuset) = self.cpuset {
            tool.args(["--isolate", "--isolate-within", &cpuset.name()]);
        }
        tool.spawn().unwrap()
    }

    /// Runs, kills, and waits until the host is as before.
    fn kill(&self, number: u64, delay: Duration, reached: &mut Reached) {
        println!("instant {number}: after {delay:?}");
        let mut tool = self.start(number);
        let pid = Pid::from_raw(tool.id().cast_signed());
        if waits_for_a_trial(number) {
            wait_until("a trial measures", || self.measuring().is_some());
        } else {
            sleep(delay);
        }
        // Stopped for a moment, so that what it holds is known exactly when it dies.
        kill(pid, Signal::SIGSTOP).unwrap();
        let bpf = BpfObjects::of(pid.as_raw());
        reached.bpf_objects += bpf.count();
        reached.polling += u32::from(HostState::now().is_polling());
        reached.isolated += u32::from(self.cpuset.is_some_and(|c| !c.inside().is_empty()));
        // A trial that stands still cannot come to its end by itself: it has to be ended.
        if let Some(trial) = self.measuring() {
            reached.trials += u32::from(kill(trial, Signal::SIGSTOP).is_ok());
        }
        assert_eq!(
            tool.try_wait().unwrap(),
            None,
            "it ended before it was killed"
        );
        // The process alone: whatever it started has to notice by itself.
        kill(pid, Signal::SIGKILL).unwrap();
        tool.wait().unwrap();

        self.story.wait_for_silence();
        self.before.wait_for_return();
        bpf.wait_until_gone();
        if let Some(cpuset) = self.cpuset {
            cpuset.wait_for_return();
        }
        assert_eq!(
            names(&self.story.path("dir")),
            [""; 0],
            "the file under test"
        );
    }

    /// The trial whose measured thread is there: it has set up everything that it lives by.
    fn measuring(&self) -> Option<Pid> {
        let threads = |p: &Process| names(Path::new(&format!("/proc/{}/task", p.pid))).len();
        self.story
            .processes()
            .into_iter()
            .find(|p| p.verb == "trial" && threads(p) > 1)
            .map(|p| Pid::from_raw(p.pid))
    }

    /// False: it was killed before there was anything to report, and `report` says so.
    fn what_was_recorded_reports(&self) -> bool {
        let runs = self.story.runs("out");
        assert!(runs.len() <= 1, "{runs:?}");
        let Some(path) = runs.first() else {
            return false;
        };
        let report = Said::by(self.story.tool().arg("report").arg(path));
        // Of the directory's first moment there is nothing to report.
        if !path.join("manifest.json").exists() {
            report.ended(1, &["no manifest.json", &path.display().to_string()]);
            return false;
        }
        let run = RunDir::open(path).unwrap();
        let manifest = run.manifest().unwrap();
        assert_eq!(manifest.end, None);
        let trials = run.trials().unwrap();
        finished_trials_are_whole(&run, &trials);
        let planned = manifest.plans[0].schedule.len();
        assert!(trials.len() < planned);
        report
            .ended(0, &[])
            .prints(&format!(
                "PARTIAL: killed, or still running; {} of {planned} trials",
                trials.len()
            ))
            .prints("This run is partial");
        true
    }
}

fn finished_trials_are_whole(run: &RunDir, trials: &[TrialRecord]) {
    for trial in trials {
        let samples = run.samples(trial).unwrap();
        assert_eq!(samples.len() as u64, trial.samples);
        assert!(samples.iter().all(|s| s.causes.closes(s.latency_ns)));
        assert_eq!(run.readings(trial).unwrap().len() as u64, trial.readings);
    }
    // A trial that was being written has its rows there or not, but no half of them, and nothing
    // under another name.
    for (kind, suffix) in [
        ("samples", ".parquet"),
        ("readings", ".parquet"),
        ("trials", ".json"),
    ] {
        let found = names(&run.path().join(kind));
        assert!(found.iter().all(|n| n.ends_with(suffix)), "{found:?}");
        assert!(found.len() <= trials.len() + 1, "{found:?}");
    }
    let expected = ["manifest.json", "readings", "samples", "trials"];
    let found = names(Path::new(run.path()));
    assert_eq!(found, expected, "nothing else is left in the run directory");
}
