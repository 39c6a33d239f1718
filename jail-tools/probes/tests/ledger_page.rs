//! The ledger page against what the kernel and the oracle say, on real reads.
//!
//! Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF, and an object in `JAIL_TOOLS_BPF_OBJECT`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use probes::object_file::ObjectFile;
use probes::{Options, Page, Probes};
use probes_ebpf::counter;

fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    if let Some(path) = std::env::var_os("JAIL_TOOLS_SKIP_LOG")
        && let Ok(mut log) = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
    {
        let _ = writeln!(log, "skipped: {test}: {why}");
    }
}

fn load(test: &str, options: Options) -> Option<Probes> {
    let Some(path) = std::env::var_os("JAIL_TOOLS_BPF_OBJECT") else {
        skip(
            test,
            "JAIL_TOOLS_BPF_OBJECT is not set (cargo xtask test sets it)",
        );
        return None;
    };
    if !nix::unistd::geteuid().is_root() {
        skip(test, "needs root");
        return None;
    }
    let mut bytes = Vec::new();
    File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
    let object = ObjectFile {
        bytes,
        origin: path.to_string_lossy().into_owned(),
    };
    Some(Probes::load(&object, options).unwrap())
}

#[test]
fn needs_root_needs_bpf_every_program_is_armed_or_its_absence_is_named() {
    let Some(probes) = load(
        "every_program_is_armed",
        Options {
            bracket: Some(17),
            log: false,
        },
    ) else {
        return;
    };
    for a in probes.armed() {
        println!("{} {:?}", a.name, a.missing);
        // A tracepoint may be absent from this kernel; a program that exists must load.
        assert!(
            a.missing
                .as_ref()
                .is_none_or(|w| w.contains("no such tracepoint")),
            "{}: {:?}",
            a.name,
            a.missing
        );
        assert_eq!(a.missing.is_some(), a.blind.is_some());
    }
    println!("{:?}", probes.blind());
}

#[test]
fn needs_root_needs_bpf_an_evicted_range_is_a_miss_and_then_a_hit() {
    let Some(probes) = load("an_evicted_range_is_a_miss", Options::default()) else {
        return;
    };
    let dir = tempfile::tempdir_in(".").unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, vec![7u8; 1 << 20]).unwrap();
    let file = File::open(&path).unwrap();
    file.sync_all().unwrap();
    let fd = file.as_raw_fd();
    nix::fcntl::posix_fadvise(
        &file,
        0,
        0,
        nix::fcntl::PosixFadviseAdvice::POSIX_FADV_RANDOM,
    )
    .unwrap();
    nix::fcntl::posix_fadvise(
        &file,
        0,
        0,
        nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED,
    )
    .unwrap();
    let _ = fd;
    let page = Page::map(probes.handles()).unwrap();
    let mut slot = page.take(3).unwrap();
    let mut buffer = vec![0u8; 16384];

    slot.announce(1, 65536, 65536 + 16384);
    slot.begin();
    file.read_exact_at(&mut buffer, 65536).unwrap();
    assert!(slot.changed());
    let miss = slot.diff();
    println!("miss {miss:?}");
    assert_eq!(miss.get(counter::PAGES_DEMANDED), 4);
    assert!(miss.get(counter::REQUESTS) >= 1);
    assert!(miss.get(counter::REQUEST_BYTES) >= 16384);
    assert!(miss.completed >= 1);

    // Hits leave no trace but for what interrupts do: no page, no request.
    for op in 2..1000 {
        slot.announce(op, 65536, 65536 + 16384);
        slot.begin();
        file.read_exact_at(&mut buffer, 65536).unwrap();
        if slot.changed() {
            let hit = slot.diff();
            assert_eq!(hit.get(counter::PAGES_ADDED), 0, "{hit:?}");
            assert_eq!(hit.get(counter::REQUESTS), 0, "{hit:?}");
        }
    }
    assert_eq!(slot.torn(), 0);
}
