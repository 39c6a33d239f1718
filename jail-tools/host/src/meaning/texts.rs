//! What each fact means for the four investigations: one entry a fact, empty where it doesn't matter.

/// Name of a fact, and what it means for `false-sharing`, `mutex-condvar`, `syslat`, `procjail`.
pub(super) const MEANS: &[(&str, [&str; 4])] = &[
    (
        "kernel",
        [
            "",
            "decides which scheduler tracepoints exist",
            "cachestat needs 6.5, readahead tracepoints 6.18, mm_filemap_get_pages about 6.12",
            "cgroup.kill needs 5.14, pidfd 5.3, clone into a cgroup 5.7",
        ],
    ),
    (
        "CPU model",
        [
            "chooses the coherence events, and the published transfer times to compare with",
            "atomics and wake-up IPIs cost what this model makes them cost",
            "copying 64 KiB is bound by its caches",
            "",
        ],
    ),
    (
        "CPU signature",
        [
            "key of the event table (HITM differs from model to model)",
            "",
            "",
            "",
        ],
    ),
    (
        "hypervisor",
        [
            "virtual CPUs move between core complexes: line transfer is probed around each trial, strata are kept apart",
            "waking an idle CPU exits to the host: tens of microseconds unless idle CPUs poll",
            "part of the tail belongs to the host: compare rates with the TSC-spin floor, never call it self",
            "clone and exec pay for nested page tables",
        ],
    ),
    (
        "CPUs on line",
        [
            "needs two that really run at once",
            "with one CPU every hand-off is a context switch",
            "one to measure, one for housekeeping",
            "",
        ],
    ),
    (
        "CPUs allowed",
        [
            "threads can be pinned to these only",
            "threads can be pinned to these only",
            "threads can be pinned to these only",
            "the jailed command inherits this affinity",
        ],
    ),
    (
        "SMT active",
        [
            "siblings share L1: machine clears dominate there, not line transfer",
            "spinning slows the sibling down",
            "a busy sibling slows the copy",
            "",
        ],
    ),
    (
        "caches",
        [
            "line size is the padding to compare with; sharing as sysfs claims it, to be checked by measurement",
            "",
            "64 KiB against L1 and L2 decides what a warm copy costs",
            "",
        ],
    ),
    (
        "isolcpus",
        [
            "the scheduler leaves these alone: the best CPUs to measure on",
            "woken threads are not spread over these: pin them",
            "the scheduler leaves these alone: the best CPUs to measure on",
            "",
        ],
    ),
    (
        "nohz_full",
        [
            "no tick on these while one task runs",
            "",
            "no tick on these: the timer-interrupt tail goes away",
            "",
        ],
    ),
    (
        "memory",
        [
            "",
            "",
            "the file under test must fit beside everything else, or warm cells turn cold",
            "a memory limit below this is what makes the OOM killer act inside the jail only",
        ],
    ),
    (
        "frequency governor",
        [
            "a slow start means a ramp in the first milliseconds",
            "sleepers wake at a low clock",
            "cold reads sleep, so the clock drops between them",
            "",
        ],
    ),
    (
        "turbo",
        [
            "the clock depends on how many cores are busy: one thread alone runs faster than two",
            "the clock depends on how many cores are busy",
            "the clock depends on temperature and neighbours",
            "",
        ],
    ),
    (
        "idle driver and governor",
        [
            "",
            "how deep an idle CPU sleeps is most of a blocking hand-off",
            "the wake-up after the device's interrupt is part of a cold read",
            "signal delivery to a sleeping PID 1 waits for its CPU to wake",
        ],
    ),
    (
        "cpu_dma_latency",
        [
            "",
            "0 makes idle CPUs poll: hand-offs become 5 to 10 times faster",
            "0 makes cold reads equal on all CPUs",
            "0 shortens every wake-up",
        ],
    ),
    (
        "clock source",
        [
            "",
            "tsc reads in about 30 ns; others may make each stamp a system call",
            "tsc reads in about 30 ns; others may add hundreds to each operation",
            "",
        ],
    ),
    (
        "steal since boot",
        [
            "a stolen peer makes contention look better",
            "a stolen holder makes the lock look slow",
            "credited per operation where BPF can read it; it under-reports",
            "",
        ],
    ),
    (
        "real-time runtime",
        [
            "a busy SCHED_FIFO thread is throttled for the rest of each period",
            "a busy SCHED_FIFO thread is throttled for the rest of each period",
            "a gap of tens of milliseconds each second with SCHED_FIFO",
            "",
        ],
    ),
    (
        "ASLR",
        [
            "layout is drawn anew for each trial: an effect that depends on it shows as spread between trials",
            "layout is drawn anew for each trial",
            "buffer alignment is drawn anew for each trial",
            "",
        ],
    ),
    (
        "transparent huge pages",
        [
            "huge pages hide TLB misses and move allocations",
            "",
            "large folios resist eviction: residency is checked for every operation",
            "with always, a jailed program's resident memory grows in steps of 2 MiB",
        ],
    ),
    (
        "filesystem",
        [
            "",
            "",
            "tmpfs has no cold state; network and overlay filesystems hide the device",
            "",
        ],
    ),
    (
        "block device",
        ["", "", "the device whose requests are counted", ""],
    ),
    (
        "I/O scheduler",
        [
            "",
            "",
            "anything but none adds queueing that the device column includes",
            "",
        ],
    ),
    (
        "rotational",
        [
            "",
            "",
            "as the device claims: virtual disks often say yes on flash",
            "",
        ],
    ),
    (
        "readahead",
        [
            "",
            "",
            "how far a cold sequential cell reads ahead; a large window means rare, long stalls",
            "",
        ],
    ),
    (
        "logical block",
        ["", "", "alignment that O_DIRECT demands", ""],
    ),
    (
        "device interrupts",
        [
            "",
            "",
            "a cold read is faster on the CPU that takes the interrupt, by up to the cost of a wake-up",
            "",
        ],
    ),
    (
        "PMUs",
        [
            "without a core PMU coherence shows in time only, not in HITM counts",
            "without a core PMU there are no cycles: context switches are still counted",
            "without a core PMU there are no cycles or cache misses per trial",
            "",
        ],
    ),
    (
        "perf_event_paranoid",
        [
            "above 1, only user-space events without CAP_PERFMON",
            "above -1, no tracepoint counters without CAP_PERFMON",
            "above 1, kernel time is not counted without CAP_PERFMON",
            "",
        ],
    ),
    (
        "unprivileged BPF disabled",
        [
            "",
            "probes need CAP_BPF and CAP_PERFMON",
            "probes need CAP_BPF and CAP_PERFMON",
            "probes need CAP_BPF and CAP_PERFMON",
        ],
    ),
    (
        "kernel BTF",
        [
            "",
            "without it no BTF tracepoint loads: causes are not attributed",
            "without it no BTF tracepoint loads: no ledger page",
            "without it signals are counted, not explained",
        ],
    ),
    (
        "tracefs",
        [
            "",
            "ids of tracepoint counters are read there",
            "ids of tracepoint counters are read there; probes need none of it",
            "ids of tracepoint counters are read there",
        ],
    ),
    (
        "kernel lockdown",
        [
            "",
            "confidentiality forbids BPF reads of kernel memory",
            "confidentiality forbids BPF reads of kernel memory",
            "confidentiality forbids BPF reads of kernel memory",
        ],
    ),
    (
        "effective user",
        [
            "--isolate needs root",
            "--isolate needs root",
            "--isolate needs root; without CAP_BPF and CAP_PERFMON causes are inferred from getrusage and schedstat",
            "without root: a user namespace, and no cgroup limits unless delegated",
        ],
    ),
    (
        "capabilities",
        [
            "",
            "CAP_SYS_NICE for SCHED_FIFO",
            "CAP_BPF and CAP_PERFMON for probes, bracketing included; CAP_SYS_NICE for SCHED_FIFO",
            "CAP_SYS_ADMIN for namespaces and mounts",
        ],
    ),
    (
        "cgroups",
        [
            "",
            "",
            "",
            "v1 and hybrid: limits by v1 controllers, kill and freeze by the v2 tree if mounted; v2: all in one",
        ],
    ),
    (
        "cpuset controller",
        [
            "what --isolate shields CPUs with",
            "what --isolate shields CPUs with",
            "what --isolate shields CPUs with",
            "",
        ],
    ),
    (
        "locked memory",
        [
            "",
            "",
            "limits BPF maps on kernels before 5.11 only, and perf ring buffers",
            "",
        ],
    ),
];
