//! A synthetic run on disk: what a real one looks like, without a kernel.

#![allow(dead_code, reason = "each test file uses another part of it")]
#![allow(
    unreachable_pub,
    reason = "a module of test binaries has nobody else to be reached by"
)]

use record::ledger::{self, DEVICE, PARTS, PREEMPTED, STEAL, TIMER};
use record::manifest::{Armed, BpfObject, FORMAT_VERSION, RunEnd};
use record::plan::{Arms, Budget, Claim, Conditions, Metric, SchedClass};
use record::reading::Moment;
use record::trial::{Losses, Precondition, SelfModel};
use record::{
    Causes, Cell, Class, Definition, Expectation, Fact, Factor, Grade, HostFacts, Manifest, Plan,
    Reading, RunDir, Sample, Selector, TrialRecord, TrialSpec, TrialStatus,
};

/// A generator that is good enough for made-up latencies (Knuth's MMIX constants).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// What kind of run to make up.
#[derive(Clone, Copy)]
pub struct Shape {
    pub rounds: u32,
    pub ops: u64,
    /// Was a BPF program armed?
    pub bpf: bool,
    pub end: Option<RunEnd>,
}

pub const WHOLE: Shape = Shape {
    rounds: 4,
    ops: 400,
    bpf: true,
    end: Some(RunEnd::Complete),
};

fn factor(name: &str, levels: &[&str]) -> Factor {
    Factor {
        name: name.into(),
        about: name.into(),
        levels: levels.iter().map(|l| (*l).into()).collect(),
    }
}

pub fn cells() -> Vec<Cell> {
    [("4k", "warm"), ("4k", "cold"), ("4k", "direct")]
        .iter()
        .zip(0..)
        .map(|((size, state), id)| Cell {
            id,
            experiment: "syslat".into(),
            levels: [
                ("size".into(), (*size).into()),
                ("state".into(), (*state).into()),
            ]
            .into(),
        })
        .collect()
}

fn expectation(
    id: &str,
    left: &str,
    right: Option<&str>,
    metric: Metric,
    claim: Claim,
) -> Expectation {
    Expectation {
        id: id.into(),
        says: format!("a prediction about {left} cells"),
        left: Selector::of(&[("state", left)]),
        right: right.map(|r| Selector::of(&[("state", r)])),
        metric,
        claim,
    }
}

pub fn plan(shape: Shape) -> Plan {
    let p50 = Metric::LatencyQuantile(0.5);
    let cells = cells();
    let schedule = (0..shape.rounds)
        .flat_map(|round| cells.iter().map(move |c| (round, c.id)))
        .zip(0..)
        .map(|((round, cell), trial)| TrialSpec {
            trial,
            cell,
            round,
            seed: u64::MAX - u64::from(trial),
        })
        .collect();
    Plan {
        definition: Definition {
            name: "syslat".into(),
            question: "What does a pread() cost, and which part of it is whose?".into(),
            factors: vec![
                factor("size", &["4k"]),
                factor("state", &["warm", "cold", "direct"]),
            ],
            expectations: vec![
                expectation(
                    "miss-is-slow",
                    "cold",
                    Some("warm"),
                    p50,
                    Claim::RatioAtLeast(20.0),
                ),
                expectation(
                    "miss-is-cheap",
                    "cold",
                    Some("warm"),
                    p50,
                    Claim::RatioAtMost(2.0),
                ),
                expectation(
                    "warm-hits",
                    "warm",
                    None,
                    Metric::HitRatioProbe,
                    Claim::AtLeast(0.9),
                ),
                expectation(
                    "direct-agrees",
                    "direct",
                    None,
                    Metric::Agreement,
                    Claim::AtLeast(0.999),
                ),
            ],
            preconditions: vec!["pinned".into()],
            threads: 1,
            arms: Arms {
                ledger: true,
                counters: true,
                bracket: false,
            },
        },
        seed: 1,
        rounds: shape.rounds,
        cells,
        budget: Budget {
            ops: [("cold".into(), shape.ops)].into(),
            trial_ms: 1000,
            warmup_ops: 0,
        },
        conditions: Conditions {
            aslr: true,
            env_bytes: 0,
            sched: SchedClass::Other,
            cpus: vec![1],
            cgroup: None,
        },
        schedule,
    }
}

pub fn manifest(shape: Shape) -> Manifest {
    let missing = (!shape.bpf).then(|| "bpf(BPF_PROG_LOAD): EPERM".to_owned());
    let mut host = HostFacts::unknown("not a real machine");
    host.kernel_release = Fact::known("6.18.0".into(), "uname");
    host.cpu_model = Fact::known("A CPU".into(), "/proc/cpuinfo");
    Manifest {
        format_version: FORMAT_VERSION,
        tool_version: "0.1.0".into(),
        command: vec!["jail-tools".into(), "run".into()],
        started_at_ns: 1,
        plans: vec![plan(shape)],
        host,
        host_changes: Vec::new(),
        idle_policy: "as the host has it".into(),
        oracle: "cachestat".into(),
        bpf_object: shape.bpf.then(|| BpfObject {
            origin: "prebuilt".into(),
            crc32: 0xabc,
            abi: 1,
        }),
        usage: None,
        unseen: Vec::new(),
        probes: vec![Armed {
            name: "sched_switch".into(),
            missing,
            blind: Some("blocked, preempted".into()),
        }],
        counters: vec![Armed {
            name: "cycles".into(),
            missing: Some("ENOENT: no PMU in this guest".into()),
            blind: None,
        }],
        degraded: Vec::new(),
        observer: Vec::new(),
        end: shape.end,
    }
}

fn causes(latency_ns: i64, device_ns: i64, bpf: bool, tick: bool) -> Causes {
    let mut measured = Causes([None; PARTS]);
    if bpf {
        measured.0[..ledger::MEASURED].fill(Some(0));
        measured.0[DEVICE] = Some(device_ns);
        measured.0[TIMER] = Some(if tick { 2_000 } else { 0 });
        measured.0[PREEMPTED] = Some(0);
        measured.0[STEAL] = None;
    }
    ledger::close(latency_ns, measured, bpf.then_some(600)).causes
}

pub fn sample(spec: &TrialSpec, state: &str, op: u64, bpf: bool, dice: &mut Dice) -> Sample {
    let device_ns = if state == "warm" {
        0
    } else {
        80_000 + dice.below(20_000) as i64
    };
    let tick = dice.below(100) == 0;
    let latency_ns = device_ns + 650 + dice.below(150) as i64 + if tick { 2_500 } else { 0 };
    let cached = state != "direct";
    Sample {
        trial: spec.trial,
        cell: spec.cell,
        thread: 0,
        op,
        start_ns: op * 200_000,
        latency_ns,
        units: 1,
        causes: causes(latency_ns, device_ns, bpf, tick),
        steal_late_ns: None,
        pages: Some(1),
        pages_missed: bpf.then(|| u32::from(state == "cold")),
        pages_readahead: bpf.then_some(0),
        oracle_resident_pages: cached.then(|| u32::from(state == "warm")),
        requests: bpf.then(|| u32::from(state != "warm")),
        request_bytes: None,
        request_ns: None,
        interrupts: bpf.then(|| u32::from(tick)),
        switches_voluntary: bpf.then_some(0),
        switches_involuntary: bpf.then_some(0),
        faults: bpf.then_some(0),
        migrations: bpf.then_some(0),
        gaps: bpf.then_some(0),
        result: 4096,
        class: match (bpf, state) {
            (false, _) => Class::Unknown,
            (_, "warm") => Class::Hit,
            _ => Class::Miss,
        },
    }
}

pub fn readings(spec: &TrialSpec, ops: u64) -> Vec<Reading> {
    let reading = |moment, event: &str, value: Option<u64>, times: Option<(u64, u64)>| Reading {
        trial: spec.trial,
        cell: spec.cell,
        thread: 0,
        at_ns: 0,
        moment,
        event: event.into(),
        value,
        enabled_ns: times.map(|t| t.0),
        running_ns: times.map(|t| t.1),
        grade: match value {
            Some(_) => Grade::Counted,
            None => Grade::Unavailable {
                why: "ENOENT: no PMU in this guest".into(),
            },
        },
    };
    vec![
        reading(Moment::Start, "page-faults", Some(100), Some((10, 10))),
        reading(
            Moment::End,
            "page-faults",
            Some(100 + ops * 2),
            Some((1_010, 1_010)),
        ),
        reading(Moment::Start, "shared-event", Some(0), Some((0, 0))),
        reading(Moment::End, "shared-event", Some(ops), Some((1_000, 250))),
        reading(Moment::Start, "cycles", None, None),
    ]
}

pub fn record(spec: &TrialSpec, status: TrialStatus) -> TrialRecord {
    TrialRecord {
        spec: spec.clone(),
        experiment: "syslat".into(),
        status,
        started_at_ns: 1,
        wall_ms: 20,
        samples: 0,
        samples_crc32: 0,
        readings: 0,
        readings_crc32: 0,
        preconditions: vec![Precondition {
            name: "pinned".into(),
            checked: 1,
            missed: 0,
            detail: "CPU 1".into(),
        }],
        losses: Losses::default(),
        self_models: vec![SelfModel {
            class: "hit".into(),
            pages: 1,
            pages_missed: Some(0),
            self_ns: 600,
            n: 300,
            how: "median of undisturbed operations".into(),
        }],
        irq_exit_ns: None,
        proc_stat_steal_ms: None,
        floor_gaps_per_s: Some(300.0),
        notes: vec!["say \"hello\", twice".into()],
    }
}

/// Makes a run below `parent`, with the first `trials` of its schedule finished.
pub fn make(parent: &std::path::Path, shape: Shape, trials: usize) -> RunDir {
    let run = RunDir::create(parent, "20260101T000000Z", "test").expect("a run directory");
    let manifest = manifest(shape);
    run.write_manifest(&manifest).expect("manifest");
    let plan = &manifest.plans[0];
    let mut dice = Dice(42);
    for spec in plan.schedule.iter().take(trials) {
        let state = &plan.cell(spec.cell).expect("a cell of the plan").levels["state"];
        let samples: Vec<Sample> = (0..shape.ops)
            .map(|op| sample(spec, state, op, shape.bpf, &mut dice))
            .collect();
        run.add_trial(
            record(spec, TrialStatus::Complete),
            &samples,
            &readings(spec, shape.ops),
        )
        .expect("a trial");
    }
    run
}
