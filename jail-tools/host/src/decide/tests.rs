use proptest::prelude::*;
use record::Fact;
use record::host_facts::{CpusetMount, DeviceInterrupt, Storage};

use super::*;

fn host(online: &[u32], allowed: &[u32]) -> HostFacts {
    let mut facts = HostFacts::unknown("a test");
    facts.cpus = online
        .iter()
        .map(|&cpu| Cpu {
            cpu,
            core: Fact::known(cpu, "test"),
            package: Fact::known(0, "test"),
            node: Fact::known(0, "test"),
            siblings: Fact::known(vec![cpu], "test"),
            governor: Fact::unavailable("a test"),
        })
        .collect();
    facts.allowed_cpus = Fact::known(allowed.to_vec(), "test");
    facts.euid = Fact::known(0, "test");
    facts
}

fn with_cpuset(mut facts: HostFacts, version: CpusetVersion) -> HostFacts {
    facts.cpuset = Fact::known(
        CpusetMount {
            version,
            mount_point: "/cg".into(),
        },
        "test",
    );
    facts
}

fn with_smt(mut facts: HostFacts, pairs: &[[u32; 2]]) -> HostFacts {
    for pair in pairs {
        for cpu in facts.cpus.iter_mut().filter(|c| pair.contains(&c.cpu)) {
            cpu.siblings = Fact::known(pair.to_vec(), "test");
        }
    }
    facts
}

fn wishes(threads: u32) -> Wishes {
    Wishes {
        threads,
        cpus: None,
        isolate: false,
        isolate_within: None,
        idle: IdlePolicy::AsIs,
    }
}

fn asking(cpus: &[u32]) -> Wishes {
    Wishes {
        cpus: Some(cpus.to_vec()),
        ..wishes(cpus.len() as u32)
    }
}

#[test]
fn where_to_measure() {
    let four = host(&[0, 1, 2, 3], &[0, 1, 2, 3]);
    let smt = with_smt(four.clone(), &[[0, 2], [1, 3]]);
    let mut isolcpus = host(&[0, 1, 2, 3], &[0, 3]);
    isolcpus.isolated_cpus = Fact::known(vec![1, 2], "test");
    for (name, facts, wish, measured, housekeeping) in [
        ("the last CPU", &four, wishes(1), vec![3], vec![0, 1, 2]),
        ("two threads", &four, wishes(2), vec![3, 2], vec![0, 1]),
        (
            "cores before siblings",
            &smt,
            wishes(2),
            vec![3, 2],
            vec![0, 1],
        ),
        (
            "siblings when cores are used up",
            &smt,
            wishes(3),
            vec![3, 2, 1],
            vec![0],
        ),
        (
            "isolcpus come first",
            &isolcpus,
            wishes(1),
            vec![2],
            vec![0, 1, 3],
        ),
        (
            "isolcpus may be asked for",
            &isolcpus,
            asking(&[1]),
            vec![1],
            vec![0, 2, 3],
        ),
        (
            "asked for, in the order of threads",
            &four,
            asking(&[1, 0]),
            vec![1, 0],
            vec![2, 3],
        ),
        (
            "affinity narrows the choice",
            &host(&[0, 1, 2, 3], &[0, 1]),
            wishes(1),
            vec![1],
            vec![0],
        ),
        (
            "zero threads is one",
            &four,
            wishes(0),
            vec![3],
            vec![0, 1, 2],
        ),
    ] {
        let decision = decide(facts, &wish).unwrap();
        assert_eq!(
            (decision.measured_cpus, decision.housekeeping_cpus),
            (measured, housekeeping),
            "{name}"
        );
    }
}

#[test]
fn smt_pairs_that_are_neighbours_are_kept_apart() {
    let facts = with_smt(host(&[0, 1, 2, 3], &[0, 1, 2, 3]), &[[0, 1], [2, 3]]);
    let decision = decide(&facts, &wishes(2)).unwrap();
    assert_eq!(decision.measured_cpus, [3, 1]);
    assert!(
        decision
            .degraded
            .iter()
            .any(|d| d.contains("CPU 3 shares its core with CPU 2"))
    );
}

#[test]
fn what_cannot_be_done_as_asked_is_refused_and_not_replaced() {
    let facts = host(&[0, 1, 3], &[0, 3]);
    for (asked, refusal) in [
        (
            vec![2],
            Refusal::Offline {
                cpu: 2,
                online: "0-1,3".into(),
            },
        ),
        (
            vec![0, 1],
            Refusal::NotAllowed {
                cpu: 1,
                allowed: "0,3".into(),
            },
        ),
        (vec![3, 3], Refusal::Twice { cpu: 3 }),
        (vec![], Refusal::Empty),
    ] {
        assert_eq!(decide(&facts, &asking(&asked)), Err(refusal));
    }
    assert_eq!(
        decide(&HostFacts::unknown("a test"), &wishes(1)),
        Err(Refusal::NoCpu)
    );
}

#[test]
fn one_cpu_measures_and_keeps_house_and_says_so() {
    let facts = with_cpuset(host(&[0], &[0]), CpusetVersion::V1);
    let decision = decide(
        &facts,
        &Wishes {
            isolate: true,
            ..wishes(2)
        },
    )
    .unwrap();
    assert_eq!(decision.measured_cpus, [0, 0]);
    assert_eq!(decision.housekeeping_cpus, [0]);
    assert!(matches!(decision.isolate, IsolationPlan::None { .. }));
    let degraded = decision.degraded.join("\n");
    for part in [
        "2 measured threads share 1 CPU",
        "no CPU is left for housekeeping",
        "--isolate: no CPU is left",
    ] {
        assert!(degraded.contains(part), "{part}: {degraded}");
    }
}

#[test]
fn isolation_by_what_the_host_has() {
    let two = host(&[0, 1], &[0, 1]);
    let wish = Wishes {
        isolate: true,
        ..wishes(1)
    };
    let decide_isolation = |facts: &HostFacts| decide(facts, &wish).unwrap().isolate;
    let (base, measured, housekeeping) = ("/cg".to_owned(), vec![1], vec![0]);
    assert_eq!(
        decide_isolation(&with_cpuset(two.clone(), CpusetVersion::V1)),
        IsolationPlan::CpusetV1 {
            base: base.clone(),
            measured: measured.clone(),
            housekeeping: housekeeping.clone()
        }
    );
    assert_eq!(
        decide_isolation(&with_cpuset(two.clone(), CpusetVersion::V2)),
        IsolationPlan::PartitionV2 {
            base,
            measured,
            housekeeping
        }
    );
    assert!(
        matches!(decide_isolation(&two), IsolationPlan::None { why } if why.contains("no cpuset controller"))
    );
    let mut user = with_cpuset(two, CpusetVersion::V1);
    user.euid = Fact::known(1000, "test");
    assert!(
        matches!(decide_isolation(&user), IsolationPlan::None { why } if why.contains("needs root"))
    );
}

#[test]
fn isolation_within_a_part_of_the_machine() {
    let facts = with_cpuset(host(&[0, 1], &[0, 1]), CpusetVersion::V1);
    let wish = Wishes {
        isolate: true,
        isolate_within: Some("/mine/".into()),
        ..wishes(1)
    };
    let plan = decide(&facts, &wish).unwrap().isolate;
    assert!(matches!(plan, IsolationPlan::CpusetV1 { base, .. } if base == "/cg/mine"));
}

#[test]
fn what_was_not_asked_for_is_no_degradation() {
    let decision = decide(&host(&[0, 1], &[0, 1]), &wishes(1)).unwrap();
    assert_eq!(
        decision.isolate,
        IsolationPlan::None {
            why: "not asked for".into()
        }
    );
    assert_eq!(decision.degraded, Vec::<String>::new());
}

#[test]
fn the_devices_interrupt_is_named_with_its_meaning() {
    let mut facts = host(&[0, 1], &[0, 1]);
    let interrupt = DeviceInterrupt {
        irq: 36,
        name: "virtio1-req.0".into(),
        cpus: vec![1],
    };
    facts.storage = Some(Storage {
        path: "x".into(),
        filesystem: Fact::unavailable("a test"),
        mount_point: Fact::unavailable("a test"),
        device: Fact::unavailable("a test"),
        scheduler: Fact::unavailable("a test"),
        rotational: Fact::unavailable("a test"),
        read_ahead_kib: Fact::unavailable("a test"),
        logical_block_bytes: Fact::unavailable("a test"),
        interrupts: Fact::known(vec![interrupt], "test"),
    });
    for (cpu, part) in [
        (1, "CPU 1, a measured CPU"),
        (0, "CPU 1, not a measured CPU"),
    ] {
        let reasons = decide(&facts, &asking(&[cpu])).unwrap().reasons.join("\n");
        assert!(reasons.contains(part), "{reasons}");
    }
}

proptest! {
    #[test]
    fn a_decision_uses_only_cpus_that_may_be_used(
        online in proptest::collection::btree_set(0u32..16, 1..8),
        allowed in proptest::collection::btree_set(0u32..16, 1..8),
        threads in 0u32..10,
        isolate: bool,
    ) {
        let online: Vec<u32> = online.into_iter().collect();
        let allowed: Vec<u32> = allowed.into_iter().collect();
        let facts = with_cpuset(host(&online, &allowed), CpusetVersion::V1);
        let usable: Vec<u32> = online.iter().copied().filter(|c| allowed.contains(c)).collect();
        match decide(&facts, &Wishes { isolate, ..wishes(threads) }) {
            Err(refusal) => prop_assert!(usable.is_empty() && refusal == Refusal::NoCpu),
            Ok(d) => {
                prop_assert_eq!(d.measured_cpus.len(), threads.max(1) as usize);
                prop_assert!(d.measured_cpus.iter().chain(&d.housekeeping_cpus).all(|c| usable.contains(c)));
                prop_assert!(!d.housekeeping_cpus.is_empty());
                if let IsolationPlan::CpusetV1 { measured, housekeeping, .. } = d.isolate {
                    prop_assert!(measured.iter().all(|c| !housekeeping.contains(c)));
                }
            }
        }
    }
}
