//! The maps.

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::bpf_task_storage_get;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, RingBuf};
use probes_ebpf::{COUNTERS, Intent, LOSSES, RING_BYTES, SLOTS, Slot};

/// `BPF_F_MMAPABLE` of linux/bpf.h: the array can be mapped into user space.
const MMAPABLE: u32 = 1 << 10;

/// `BPF_F_NO_PREALLOC` of linux/bpf.h, which task storage demands.
const NO_PREALLOC: usize = 1;

/// `BPF_MAP_TYPE_TASK_STORAGE` of linux/bpf.h.
const TASK_STORAGE: usize = 29;

/// Block requests in flight that can be remembered at once: more than any queue depth times
/// hardware queues that a test machine has (nr_requests is 64 to 1023 per queue).
const REQUESTS_IN_FLIGHT: u32 = 8192;

/// The ledger: one slot for each measured thread, mapped read-only by the measuring process.
#[map]
pub(crate) static LEDGER: Array<Slot> = Array::with_max_entries(SLOTS, MMAPABLE);

/// What each measured thread is about to do, written by it.
#[map]
pub(crate) static INTENT: Array<Intent> = Array::with_max_entries(SLOTS, MMAPABLE);

/// What each CPU is doing.
#[map]
pub(crate) static CPU: PerCpuArray<CpuState> = PerCpuArray::with_max_entries(1, 0);

/// Block requests in flight, by the address of their `struct request`.
#[map]
pub(crate) static REQUESTS: HashMap<u64, Request> =
    HashMap::with_max_entries(REQUESTS_IN_FLIGHT, 0);

/// Losses that belong to no slot.
#[map]
pub(crate) static LOSS: PerCpuArray<[u64; LOSSES]> = PerCpuArray::with_max_entries(1, 0);

/// Records of the bracketing mode.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Which slot belongs to a task. The kernel frees the entry with the task.
#[btf_map]
pub(crate) static TASKS: TaskStorage<Task> = TaskStorage::new();

/// What a CPU is doing, as far as the ledger needs to know.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct CpuState {
    /// When the interrupt that is being served began; 0 if none is.
    pub(crate) irq_since_ns: u64,
    /// Net interrupt time so far, ns.
    pub(crate) irq_total_ns: u64,
    /// When the softirq that is being served began; 0 if none is.
    pub(crate) softirq_since_ns: u64,
    /// `irq_total_ns` at that time.
    pub(crate) softirq_irq_ns: u64,
    /// `steal_total_ns` at that time.
    pub(crate) softirq_steal_ns: u64,
    /// Address of the CPU's run queue; 0 until a measured task was switched in on it.
    pub(crate) run_queue: u64,
    /// The hypervisor's account as last read, ns.
    pub(crate) steal_seen_ns: u64,
    /// Steal credited to slots on this CPU so far, ns.
    pub(crate) steal_total_ns: u64,
}

/// A block request in flight.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// When it was handed to the device (or started, until then), ns.
    pub(crate) since_ns: u64,
    /// Operation of the thread that started it.
    pub(crate) op: u64,
    /// Slot of that thread, plus 1.
    pub(crate) slot_plus_1: u64,
}

/// What is kept for a registered task.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Task {
    /// Its slot, plus 1; 0 if it has none.
    pub(crate) slot_plus_1: u64,
    /// Entry of the bracketed call that it is in; 0 if it is in none.
    pub(crate) enter_ns: u64,
    /// Arguments at the entry.
    pub(crate) args: [u64; 4],
    /// The slot's counters at the entry.
    pub(crate) counters: [u64; COUNTERS],
}

/// A task-storage map. aya-ebpf has no wrapper for it: the definition follows libbpf's BTF map
/// convention, in which a map's attributes are the array lengths of pointer fields.
#[repr(C)]
pub(crate) struct TaskStorage<T> {
    r#type: *const [i32; TASK_STORAGE],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; NO_PREALLOC],
}

// SAFETY: the pointers are never followed; the loader replaces the whole value by a map.
unsafe impl<T> Sync for TaskStorage<T> {}

/// `BPF_LOCAL_STORAGE_GET_F_CREATE` of linux/bpf.h.
const CREATE: u64 = 1;

impl<T> TaskStorage<T> {
    const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
        }
    }

    #[inline(always)]
    fn raw(&self, task: *mut task_struct, flags: u64) -> Option<&mut T> {
        let map = ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: the loader turned this static into a task-storage map of T, and the verifier
        // proves that `task` is a trusted task pointer. The kernel frees the value only after an
        // RCU grace period, which a running program holds off.
        unsafe {
            bpf_task_storage_get(map, task, ptr::null_mut(), flags)
                .cast::<T>()
                .as_mut()
        }
    }

    /// The task's value, if it has one.
    #[inline(always)]
    pub(crate) fn get(&self, task: *mut task_struct) -> Option<&mut T> {
        self.raw(task, 0)
    }

    /// The task's value, made (zeroed) if need be.
    #[inline(always)]
    pub(crate) fn get_or_create(&self, task: *mut task_struct) -> Option<&mut T> {
        self.raw(task, CREATE)
    }
}

/// This CPU's state.
#[inline(always)]
pub(crate) fn cpu() -> Option<&'static mut CpuState> {
    // SAFETY: index 0 of a per-CPU array of one entry. Programs on one CPU nest (an interrupt
    // within a softirq) but each finishes before the outer one goes on, and every access is a
    // plain 64-bit load or store.
    CPU.get_ptr_mut(0).map(|p| unsafe { &mut *p })
}

/// Adds one to a global loss.
#[inline(always)]
pub(crate) fn count_loss(index: usize) {
    if let Some(loss) = LOSS.get_ptr_mut(0) {
        // SAFETY: as in `cpu`; `index` is one of the constants of `probes_ebpf::loss`.
        unsafe { (*loss)[index] += 1 }
    }
}
