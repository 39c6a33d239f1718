//! The object with its constants set, before the verifier sees it: offsets from the kernel's BTF,
//! and what the options ask for. A constant that is 0 because it is not known belongs to a program
//! that is not armed then ([`crate::catalogue::missing_for`]).

use aya::{Ebpf, EbpfLoader, VerifierLogLevel};

use crate::load::{Options, steal_offsets_missing};
use crate::offsets::Offsets;

/// Creates the maps. No program is loaded yet.
pub(crate) fn load_object(
    bytes: &[u8],
    o: &Offsets,
    steal: bool,
    options: Options,
) -> Result<Ebpf, aya::EbpfError> {
    let steal = steal && steal_offsets_missing(o).is_none();
    let zero = |v: Option<u32>| v.unwrap_or(0);
    let regs = o.regs.unwrap_or([0; 4]);
    let globals: [(&str, u32); 15] = [
        ("FOLIO_INDEX", zero(o.folio_index)),
        ("FOLIO_FLAGS", zero(o.folio_flags)),
        ("FOLIO_NR_PAGES", zero(o.folio_nr_pages)),
        ("PG_HEAD", zero(o.pg_head)),
        ("PAGE_SHIFT", page_shift()),
        ("REQUEST_DATA_LEN", zero(o.request_data_len)),
        ("HAVE_IO_START", u32::from(o.have_io_start)),
        ("SWITCH_ARGS", zero(o.switch_args)),
        ("TASK_STATE", zero(o.task_state)),
        ("TASK_CFS_RQ", zero(o.task_cfs_rq)),
        ("CFS_RQ_RQ", zero(o.cfs_rq_rq)),
        ("STEAL_FIELD", zero(o.steal_field)),
        ("REGS_ARG0", regs[0]),
        ("REGS_ARG1", regs[1]),
        ("REGS_ARG2", regs[2]),
    ];
    let steal_delta = if steal { o.steal_delta.unwrap_or(0) } else { 0 };
    let bracket = options.bracket.unwrap_or(u32::MAX);
    // aya-log's own switch; 0 lets the verifier drop the logging code altogether.
    let level: u8 = if options.log { 0xff } else { 0 };
    let mut loader = EbpfLoader::new();
    for (name, value) in &globals {
        loader.override_global(name, value, true);
    }
    loader
        .override_global("REGS_ARG3", &regs[3], true)
        .override_global("STEAL_DELTA", &steal_delta, true)
        .override_global("BRACKET_SYSCALL", &bracket, true)
        .override_global(aya_log::LEVEL, &level, false)
        // Task storage has no wrapper in aya; nobody needs it from user space.
        .allow_unsupported_maps()
        .verifier_log_level(VerifierLogLevel::DEBUG);
    loader.load(bytes)
}

fn page_shift() -> u32 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| u32::try_from(bytes).ok())
        .map_or(12, u32::trailing_zeros)
}
