//! Pages that a measured thread adds to the page cache, and its page faults.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use probes_ebpf::counter;

use crate::globals::{FOLIO_FLAGS, FOLIO_INDEX, FOLIO_NR_PAGES, PAGE_SHIFT, PG_HEAD};
use crate::slot::{count, current_slot, intent};

/// `mm_filemap_add_to_page_cache(folio *)`: a miss adds pages inside the call, a hit adds none.
#[btf_tracepoint]
pub fn mm_filemap_add_to_page_cache(ctx: BtfTracePointContext) -> i32 {
    let Some((number, slot)) = current_slot() else {
        return 0;
    };
    let folio: *const u8 = ctx.arg(0);
    let (first, pages) = extent(folio);
    slot.counters[counter::PAGES_ADDED] += pages;
    if let Some(intent) = intent(number) {
        slot.counters[counter::PAGES_DEMANDED] += overlap(first, pages, intent.start, intent.end);
    }
    slot.counters[counter::SEQUENCE] += 1;
    0
}

/// First page index of a folio, and how many pages it has.
#[inline(always)]
fn extent(folio: *const u8) -> (u64, u64) {
    // SAFETY: the tracepoint's own folio, at offsets from the kernel's own BTF; the verifier
    // checks them against the same BTF.
    let first = unsafe { *folio.add(FOLIO_INDEX.load() as usize).cast::<u64>() };
    // SAFETY: as above.
    let flags = unsafe { *folio.add(FOLIO_FLAGS.load() as usize).cast::<u64>() };
    let large = (flags >> PG_HEAD.load()) & 1 != 0;
    // The field belongs to the folio's second page and means something only in a large one.
    // SAFETY: as above.
    let pages = if large {
        u64::from(unsafe { *folio.add(FOLIO_NR_PAGES.load() as usize).cast::<u32>() })
    } else {
        1
    };
    (first, pages)
}

/// Pages of `[first, first + pages)` that lie in the bytes `[start, end)`.
#[inline(always)]
fn overlap(first: u64, pages: u64, start: u64, end: u64) -> u64 {
    let shift = PAGE_SHIFT.load();
    let from = first.max(start >> shift);
    let to = (first + pages).min((end + (1 << shift) - 1) >> shift);
    to.saturating_sub(from)
}

/// A page fault at a user address. There is no exit event: counted, not timed.
#[btf_tracepoint]
pub fn page_fault_user(_: BtfTracePointContext) -> i32 {
    count(counter::FAULTS_USER, 1);
    0
}

/// A page fault taken in the kernel: the copy to the user's buffer faults here.
#[btf_tracepoint]
pub fn page_fault_kernel(_: BtfTracePointContext) -> i32 {
    count(counter::FAULTS_KERNEL, 1);
    0
}
