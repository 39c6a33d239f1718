//! What the machine is. Reads, and changes nothing.

mod cgroup;
mod cpu;
mod kernel;
mod memory;
mod power;
mod privilege;
mod security;
mod storage;
mod topology;

use std::path::Path;

use record::HostFacts;

use crate::steal;
use crate::tree::Tree;

/// Everything that can be told of this machine, and of what lies below `storage` (a file or
/// directory) if one is given.
///
/// It cannot fail: what could not be read is a [`record::Fact`] that says which call on which
/// path gave which errno. `absent on this machine` and `could not tell` are different answers.
#[must_use]
pub fn observe(storage: Option<&Path>) -> HostFacts {
    let tree = Tree::host();
    let kernel = kernel::observe(&tree);
    HostFacts {
        kernel_release: kernel.release,
        kernel_version: kernel.version,
        architecture: kernel.architecture,
        kernel_command_line: kernel.command_line,
        cpu_model: cpu::model(&tree),
        cpu_signature: cpu::signature(&tree),
        hypervisor: cpu::hypervisor(&tree),
        cpus: topology::cpus(&tree),
        allowed_cpus: topology::allowed(),
        smt_active: topology::smt_active(&tree),
        caches: topology::caches(&tree),
        turbo: power::turbo(&tree),
        isolated_cpus: topology::isolated(&tree),
        nohz_full_cpus: topology::nohz_full(&tree),
        aslr: security::aslr(&tree),
        thp: memory::thp(&tree),
        clocksource: kernel::clocksource(&tree),
        steal_ticks: steal::ticks_of_all(&tree),
        idle: power::idle(&tree),
        cpu_dma_latency_us: power::cpu_dma_latency_us(&tree),
        cgroups: cgroup::flavour(&tree),
        cpuset: cgroup::cpuset(&tree),
        lockdown: security::lockdown(&tree),
        perf_event_paranoid: security::perf_event_paranoid(&tree),
        unprivileged_bpf_disabled: security::unprivileged_bpf_disabled(&tree),
        pmus: kernel::pmus(&tree),
        btf_bytes: kernel::btf_bytes(&tree),
        tracefs: kernel::tracefs(&tree),
        capabilities: security::capabilities(&tree),
        euid: security::euid(),
        privilege: privilege::observe(&tree),
        memlock_bytes: memory::memlock_bytes(),
        rt_runtime_us: kernel::rt_runtime_us(&tree),
        memory_bytes: memory::total_bytes(&tree),
        storage: storage.map(|path| storage::observe(&tree, path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_cpus_and_memory() {
        let facts = observe(Some(Path::new(".")));
        assert!(facts.kernel_release.value().is_some());
        assert!(!facts.cpus.is_empty());
        assert!(facts.memory_bytes.value().is_some_and(|b| *b > 0));
        assert!(
            facts
                .storage
                .is_some_and(|s| s.filesystem.value().is_some())
        );
    }

    #[test]
    fn every_missing_fact_says_which_of_the_two_answers_it_is() {
        let json = serde_json::to_value(observe(Some(Path::new("/does/not/exist")))).unwrap();
        let mut missing = Vec::new();
        collect_reasons(&json, &mut missing);
        assert!(!missing.is_empty());
        for why in missing {
            assert!(
                why.starts_with("absent on this machine: ") || why.starts_with("could not tell: "),
                "{why}"
            );
        }
    }

    fn collect_reasons(json: &serde_json::Value, reasons: &mut Vec<String>) {
        match json {
            serde_json::Value::Object(map) => {
                if let Some(why) = map.get("why").and_then(|w| w.as_str()) {
                    reasons.push(why.to_owned());
                }
                for inner in map.values() {
                    collect_reasons(inner, reasons);
                }
            }
            serde_json::Value::Array(items) => {
                for inner in items {
                    collect_reasons(inner, reasons);
                }
            }
            _ => {}
        }
    }
}
