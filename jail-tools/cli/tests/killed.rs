//! SIGKILL at random instants: nothing is left of the tool on the host, and what it had recorded
//! still reports.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::host_state::{BpfObjects, Cpuset, HostState};
use common::{Said, Story, names, no_root, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::{RunDir, TrialRecord};

const INSTANTS: u64 = 20;
/// The last instant at which it is killed: in a quick run's middle.
const LAST_MS: u64 = 3_000;

#[test]
fn needs_root_sigkill_at_any_instant_leaves_no_trace_and_a_run_that_reports() {
    let test = "needs_root_sigkill_at_any_instant_leaves_no_trace_and_a_run_that_reports";
    if let Some(why) = no_root() {
        return skip(test, &why);
    }
    let cpuset = Cpuset::make("killed").inspect_err(|why| {
        skip(&format!("{test} (with --isolate)"), why);
    });
    let cpuset = cpuset.ok();
    let (mut reported, mut bpf_objects) = (0, 0);
    for number in 0..INSTANTS {
        let delay = Duration::from_millis(instant_ms(number));
        println!("instant {number}: after {delay:?}");
        let story = Story::begin();
        let scene = Scene::set(&story, cpuset.as_ref());
        bpf_objects += scene.kill(number, delay);
        reported += u32::from(scene.what_was_recorded_reports());
    }
    // The instants reach from before the first file to the middle of the trials.
    assert!(reported > 0, "at no instant was there a run to report");
    if common::no_bpf().is_none() {
        assert!(bpf_objects > 0, "at no instant were the probes loaded");
    }
}

/// Random, but the same each time: splitmix64 of the instant's number.
fn instant_ms(number: u64) -> u64 {
    let mut z = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % LAST_MS
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

    /// Every second run polls, every second one isolates, and every third measures the
    /// observer's cost first.
    fn start(&self, number: u64) -> Child {
        let mut tool = self.story.tool();
        tool.args(["run", "syslat", "--quick", "--out", "out", "--dir", "dir"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if number.is_multiple_of(2) {
            tool.args(["--idle", "poll"]);
        }
        if !number.is_multiple_of(3) {
            tool.arg("--no-overhead");
        }
        if let Some(cpuset) = self.cpuset.filter(|_| number / 2 % 2 == 0) {
            tool.args(["--isolate", "--isolate-within", &cpuset.name()]);
        }
        tool.spawn().unwrap()
    }

    /// Runs, kills, and waits until the host is as before. Gives the number of BPF objects that
    /// the tool had.
    fn kill(&self, number: u64, delay: Duration) -> usize {
        let mut tool = self.start(number);
        let pid = Pid::from_raw(tool.id().cast_signed());
        sleep(delay);
        // Stopped for a moment, so that what it holds is known exactly when it dies.
        kill(pid, Signal::SIGSTOP).unwrap();
        let bpf = BpfObjects::of(pid.as_raw());
        assert_eq!(tool.try_wait().unwrap(), None, "it ended before it was killed");
        // The process alone: whatever it started has to notice by itself.
        kill(pid, Signal::SIGKILL).unwrap();
        tool.wait().unwrap();

        self.story.wait_for_silence();
        self.before.wait_for_return();
        bpf.wait_until_gone();
        if let Some(cpuset) = self.cpuset {
            cpuset.wait_for_return();
        }
        assert_eq!(names(&self.story.path("dir")), [""; 0], "the file under test");
        bpf.count()
    }

    /// False: it was killed before there was anything to report, and `report` says so.
    fn what_was_recorded_reports(&self) -> bool {
        let runs = self.story.runs("out");
        assert!(runs.len() <= 1, "{runs:?}");
        let Some(path) = runs.first() else {
            return false;
        };
        let report = Said::by(self.story.tool().arg("report").arg(path));
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
