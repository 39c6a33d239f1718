//! An object of another wire format is refused before anything of it reaches the kernel.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol};
use probes::object_file::{ObjectFile, abi};
use probes::{LoadError, Options, Probes};

/// The object under test, else the committed one.
fn some_object() -> Vec<u8> {
    common::object().map_or_else(
        |_| {
            let prebuilt = "../../probes-ebpf/prebuilt/probes.o";
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(prebuilt)).unwrap()
        },
        |object| object.bytes,
    )
}

/// Where the four bytes of the global `ABI` stand in the file.
fn place_of_abi(bytes: &[u8]) -> usize {
    let elf = object::File::parse(bytes).unwrap();
    let symbol = elf.symbols().find(|s| s.name() == Ok("ABI")).unwrap();
    let section = elf
        .section_by_index(symbol.section_index().unwrap())
        .unwrap();
    let (from, _) = section.file_range().unwrap();
    (from + symbol.address() - section.address()) as usize
}

#[test]
fn an_object_of_another_abi_is_refused() {
    let mut bytes = some_object();
    let (place, ours) = (place_of_abi(&bytes), abi(&bytes).unwrap());
    let theirs = ours + 41;
    bytes[place..place + 4].copy_from_slice(&theirs.to_le_bytes());
    assert_eq!(abi(&bytes), Ok(theirs));
    let object = ObjectFile {
        bytes,
        origin: "patched".into(),
    };
    let error = Probes::load(&object, Options::default()).unwrap_err();
    assert!(matches!(error, LoadError::Object { .. }));
    let text = error.to_string();
    for part in ["patched", &format!("ABI {theirs}"), "build-ebpf"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_cut_object_is_refused_wherever_it_is_cut() {
    let whole = some_object();
    for length in (0..whole.len()).step_by(whole.len() / 37) {
        let object = ObjectFile {
            bytes: whole[..length].to_vec(),
            origin: "cut".into(),
        };
        assert!(Probes::load(&object, Options::default()).is_err());
    }
}
