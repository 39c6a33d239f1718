//! Which kinds of attachment this kernel takes, found out by attaching one of each.
//!
//! Tracepoints are what the ledger needs, and a kernel that refuses the others loses nothing
//! here: what it takes is a fact about it, for those who want to add probes.

use aya::programs::{FEntry, FExit, KProbe};
use aya::{Btf, Ebpf, EbpfLoader};
use serde::Serialize;

use crate::load::{chain, program, short};
use crate::object_file::ObjectFile;

/// The kernel's own function for such tests (net/bpf/test_run.c).
const FUNCTION: &str = "bpf_fentry_test1";

/// One kind of attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// `fentry`, `fexit`, `kprobe`.
    pub name: &'static str,
    /// `None` if one was attached (and detached again), else which call failed and how.
    pub refused: Option<String>,
}

/// Attaches one program of each kind for a moment.
///
/// # Errors
/// In words: the object cannot be loaded at all, or the kernel has no BTF.
pub fn of_this_kernel(object: &ObjectFile) -> Result<Vec<Kind>, String> {
    let btf = Btf::from_sys_fs().map_err(|e| format!("/sys/kernel/btf/vmlinux: {}", chain(&e)))?;
    let mut loader = EbpfLoader::new();
    // As in `load`: task storage is nobody's business in user space.
    loader.allow_unsupported_maps();
    let mut ebpf = loader.load(&object.bytes).map_err(|e| chain(&e))?;
    let kinds: [(&str, Attach); 3] = [("fentry", fentry), ("fexit", fexit), ("kprobe", kprobe)];
    Ok(kinds
        .into_iter()
        .map(|(name, attach)| Kind {
            name,
            refused: attach(&mut ebpf, &btf).err(),
        })
        .collect())
}

type Attach = fn(&mut Ebpf, &Btf) -> Result<(), String>;

fn fentry(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    let program: &mut FEntry = program(ebpf, "kind_fentry")?;
    program.load(FUNCTION, btf).map_err(|e| short(&e))?;
    let link = program.attach().map_err(|e| short(&e))?;
    program.detach(link).map_err(|e| short(&e))
}

fn fexit(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    let program: &mut FExit = program(ebpf, "kind_fexit")?;
    program.load(FUNCTION, btf).map_err(|e| short(&e))?;
    let link = program.attach().map_err(|e| short(&e))?;
    program.detach(link).map_err(|e| short(&e))
}

fn kprobe(ebpf: &mut Ebpf, _: &Btf) -> Result<(), String> {
    let program: &mut KProbe = program(ebpf, "kind_kprobe")?;
    program.load().map_err(|e| short(&e))?;
    let link = program.attach(FUNCTION, 0).map_err(|e| short(&e))?;
    program.detach(link).map_err(|e| short(&e))
}
