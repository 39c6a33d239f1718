//! Every program, on the kernel that runs: it loads, it attaches, and it fires; one that this
//! kernel has no tracepoint for is named, and so is what can't be seen without it. For the object
//! under test and for the committed one.
//!
//! Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF, and an object in `JAIL_TOOLS_BPF_OBJECT`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use aya::sys::{Stats, enable_stats};
use common::{Data, PAGE, beside_burners, cpus, my_turn, object, on_cpu, stand_on};
use perf_event::Builder;
use perf_event::events::Software;
use probes::catalogue::PROGRAMS;
use probes::kernel_btf::KernelBtf;
use probes::object_file::ObjectFile;
use probes::{Options, Page, Probes};

/// Long enough for a timer tick, a softirq and everything that is provoked below, on an emulated
/// machine too. What has fired ends it early.
const PROVOKED_FOR: Duration = Duration::from_secs(20);

/// The object under test, and the one that is committed.
fn objects() -> Vec<ObjectFile> {
    let committed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../probes-ebpf/prebuilt/probes.o");
    let prebuilt = ObjectFile {
        bytes: std::fs::read(committed).unwrap(),
        origin: "prebuilt".into(),
    };
    object().into_iter().chain([prebuilt]).collect()
}

fn options() -> Options {
    Options {
        bracket: Some(libc::SYS_pread64 as u32),
        log: false,
    }
}

/// Fires everything that can be made to fire from user space.
fn provoke(data: &Data, round: u64) {
    let cpus = cpus();
    let (first, last) = (cpus[0], cpus[cpus.len() - 1]);
    // A device's interrupt, block requests, pages added, sleep, softirqs.
    data.evict(0, 0);
    data.read(&mut [0; PAGE as usize], data.scattered(round, PAGE));
    // Memory that was never touched: first by the kernel's copy, then by ourselves.
    let mut fresh = vec![0_u8; 64 << 20];
    data.read(&mut fresh[..PAGE as usize], 0);
    fresh[32 << 20] = 1;
    // Reschedule: a waker on one CPU, and on the other somebody who is to make way. Function
    // calls: an event on another CPU is installed there, and memory that goes away has to go
    // from the other CPUs of this process.
    beside_burners(last, 1, || {
        on_cpu(first, || {
            let parked = std::thread::spawn(move || {
                stand_on(last);
                std::thread::park_timeout(Duration::from_secs(5));
            });
            std::thread::sleep(Duration::from_millis(5));
            parked.thread().unpark();
            parked.join().unwrap();
            let elsewhere = Builder::new(Software::CPU_CLOCK)
                .one_cpu(last)
                .any_pid()
                .build();
            drop((elsewhere.unwrap(), fresh));
            interrupt_work();
        });
    });
}

/// Each sample of a clock wakes whoever may wait for it, by way of the kernel's own interrupt.
fn interrupt_work() {
    const EVERY_NS: u64 = 100_000;
    let mut clock = Builder::new(Software::CPU_CLOCK)
        .sample_period(EVERY_NS)
        .wakeup_events(1)
        .build()
        .unwrap()
        .sampled(2 * PAGE as usize)
        .unwrap();
    clock.enable().unwrap();
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(10) {
        std::hint::spin_loop();
    }
    clock.disable().unwrap();
}

/// Why a program may not fire although it is attached, if there is a reason.
fn cannot_fire(name: &str) -> Option<&'static str> {
    // kernel/smp.c, smp_call_function_many_cond: one target is sent the single form.
    let many = ["call_function_entry", "call_function_exit"].contains(&name);
    (many && cpus().len() < 3).then_some("with two CPUs the kernel sends the single form only")
}

/// Each armed program with the times that it ran.
fn fire(probes: &Probes, data: &Data) -> BTreeMap<String, u64> {
    let since = Instant::now();
    for round in 0.. {
        provoke(data, round);
        let runs: BTreeMap<String, u64> = probes.runs().unwrap().into_iter().collect();
        let all = runs
            .iter()
            .all(|(name, n)| *n > 0 || cannot_fire(name).is_some());
        if all || since.elapsed() > PROVOKED_FOR {
            return runs;
        }
    }
    unreachable!("the rounds don't end");
}

#[test]
fn needs_root_needs_bpf_needs_block_device_every_program_loads_attaches_and_fires() {
    let test = testkit::begin!();
    let _turn = my_turn();
    let data = Data::make(&test, 1 << 20).unwrap();
    let kernel = KernelBtf::of_running_kernel().unwrap();
    // As long as this is open, the kernel counts.
    let _stats = enable_stats(Stats::RunTime).unwrap();
    let mut said = String::new();
    for object in objects() {
        let probes = Probes::load(&object, options()).unwrap();
        let page = Page::map(probes.handles()).unwrap();
        let slot = page.take(0).unwrap();
        let (mut absent, mut silent) = (Vec::new(), Vec::new());
        for (program, armed) in PROGRAMS.iter().zip(probes.armed()) {
            assert_eq!(program.name, armed.name);
            let exists = kernel.tracepoint_args(program.name).is_some();
            match &armed.missing {
                None => assert!(exists, "{} is armed on no tracepoint", program.name),
                Some(why) => {
                    assert!(
                        !exists,
                        "program {} ({}): {why}",
                        program.name, object.origin
                    );
                    assert!(
                        why.contains("no such tracepoint"),
                        "{}: {why}",
                        program.name
                    );
                    assert!(armed.blind.is_some(), "{}: what is not seen?", program.name);
                    absent.push(program.name);
                }
            }
        }
        let runs = fire(&probes, &data);
        println!("{}: {runs:?}", object.origin);
        for (name, runs) in &runs {
            match cannot_fire(name) {
                Some(why) if *runs == 0 => silent.push(format!("{name} ({why})")),
                _ => assert!(*runs > 0, "program {name} ({}) never fired", object.origin),
            }
        }
        drop(slot);
        said = format!("{} of {} load and attach", runs.len(), PROGRAMS.len());
        for (what, names) in [
            ("no tracepoint", absent.join(", ")),
            ("cannot fire", silent.join(", ")),
        ] {
            if !names.is_empty() {
                said = format!("{said}; {what}: {names}");
            }
        }
    }
    test.verified("BPF programs load, attach and fire", &said);
}

#[test]
fn needs_root_needs_bpf_offsets_are_right_for_a_live_task() {
    let test = testkit::begin!();
    let _turn = my_turn();
    // PROC_PID_INIT_INO of linux/proc_ns.h: what user space sees of ids elsewhere is not what
    // stands in the kernel.
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    if namespace.to_str() != Some("pid:[4026531836]") {
        return test.skip("not in the root PID namespace");
    }
    let Some(probes) = common::load(&test, Options::default()) else {
        return;
    };
    // What user space knows of this very thread, and the kernel's helpers are not asked for.
    let name = nix::sys::prctl::get_name().unwrap();
    let known = [
        ("pid", nix::unistd::gettid().to_string()),
        ("tgid", nix::unistd::getpid().to_string()),
        ("comm", name.to_string_lossy().into_owned()),
    ];
    assert_eq!(probes.layout().len(), known.len());
    let mut said = Vec::new();
    for (field, (name, known)) in probes.layout().iter().zip(known) {
        println!("{field:?}");
        assert_eq!((field.name, &field.read), (name, &known));
        assert!(field.holds());
        said.push(format!("{name} at {}", field.offset));
    }
    test.verified("offsets from BTF, checked on a live task", &said.join(", "));
}

/// What a kernel refuses is no failure: it is said, with the call and its errno.
#[test]
fn needs_root_needs_bpf_each_kind_of_attachment_is_tried_and_its_refusal_named() {
    let test = testkit::begin!();
    let _turn = my_turn();
    for object in objects() {
        let kinds = probes::kinds::of_this_kernel(&object).unwrap();
        assert_eq!(kinds.len(), 3);
        for kind in kinds {
            println!("{kind:?}");
            match &kind.refused {
                None => test.verified(&format!("{} attaches", kind.name), "yes"),
                Some(why) => {
                    assert!(
                        !why.is_empty() && !why.contains("the object has no"),
                        "{why}"
                    );
                    test.verified(&format!("{} attaches", kind.name), &format!("no: {why}"));
                }
            }
        }
    }
}

/// The check can fail: by another value, and by none at all.
#[test]
fn a_field_that_reads_something_else_or_nothing_does_not_hold() {
    let field = |read: &str, known: &str| probes::layout::Field {
        name: "pid",
        offset: 8,
        read: read.into(),
        known: known.into(),
    };
    assert!(field("17", "17").holds());
    assert!(!field("18", "17").holds());
    assert!(!field("0", "0").holds());
    assert!(!field("", "").holds());
}
