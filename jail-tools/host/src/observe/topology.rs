//! CPUs, who shares what, and which of them this process may use. By sysfs, which in a guest
//! repeats what the hypervisor claims: a measured line transfer may contradict it.

use nix::errno::Errno;
use nix::unistd::Pid;
use record::Fact;
use record::host_facts::{Cache, Cpu};

use crate::apply::pin::affinity;
use crate::cpu_list;
use crate::tree::{Missing, Tree, flag, from_result, nonempty};

const CPU_DIR: &str = "/sys/devices/system/cpu";

/// CPUs on line. Empty only if neither sysfs nor /proc/stat lists any.
pub(super) fn cpus(tree: &Tree) -> Vec<Cpu> {
    online(tree)
        .into_iter()
        .map(|number| cpu(tree, number))
        .collect()
}

fn online(tree: &Tree) -> Vec<u32> {
    let listed = tree
        .text(&format!("{CPU_DIR}/online"))
        .ok()
        .and_then(|t| cpu_list::parse(&t));
    listed.unwrap_or_else(|| {
        let stat = tree.text("/proc/stat").unwrap_or_default();
        stat.lines()
            .filter_map(|l| l.strip_prefix("cpu")?.split(' ').next()?.parse().ok())
            .collect()
    })
}

fn cpu(tree: &Tree, number: u32) -> Cpu {
    let dir = format!("{CPU_DIR}/cpu{number}");
    let id = |file: &str| {
        tree.fact(&format!("{dir}/topology/{file}"), "a number", |t| {
            t.parse().ok()
        })
    };
    Cpu {
        cpu: number,
        core: id("core_id"),
        package: id("physical_package_id"),
        node: from_result(node(tree, &dir), &dir),
        siblings: tree.fact(
            &format!("{dir}/topology/thread_siblings_list"),
            "a list of CPUs",
            cpu_list::parse,
        ),
        governor: tree.fact(
            &format!("{dir}/cpufreq/scaling_governor"),
            "a governor",
            nonempty,
        ),
    }
}

/// A CPU's directory holds a link named after its node.
fn node(tree: &Tree, cpu_dir: &str) -> Result<u32, Missing> {
    let names = tree.names(cpu_dir)?;
    names
        .iter()
        .find_map(|n| n.strip_prefix("node")?.parse().ok())
        .ok_or_else(|| Missing::Absent(format!("list {cpu_dir}: no node (kernel without NUMA)")))
}

/// CPUs that this process may run on, by its affinity.
pub(super) fn allowed() -> Fact<Vec<u32>> {
    match affinity(Pid::from_raw(0)) {
        Ok(cpus) => Fact::known(cpus, "sched_getaffinity"),
        Err(errno) => {
            Missing::from_io("sched_getaffinity", "(this process)", &Errno::into(errno)).fact()
        }
    }
}

pub(super) fn smt_active(tree: &Tree) -> Fact<bool> {
    tree.fact(&format!("{CPU_DIR}/smt/active"), "0 or 1", flag)
}

pub(super) fn isolated(tree: &Tree) -> Fact<Vec<u32>> {
    tree.fact(
        &format!("{CPU_DIR}/isolated"),
        "a list of CPUs",
        cpu_list::parse,
    )
}

/// Absent where the kernel was built without CONFIG_NO_HZ_FULL. An empty mask reads `(null)`.
pub(super) fn nohz_full(tree: &Tree) -> Fact<Vec<u32>> {
    tree.fact(&format!("{CPU_DIR}/nohz_full"), "a list of CPUs", |t| {
        if t.trim() == "(null)" {
            Some(Vec::new())
        } else {
            cpu_list::parse(t)
        }
    })
}

/// Every cache of every CPU on line, once.
pub(super) fn caches(tree: &Tree) -> Fact<Vec<Cache>> {
    let mut found: Vec<Cache> = Vec::new();
    let mut first_miss = None;
    for cpu in online(tree) {
        match caches_of(tree, cpu) {
            Ok(caches) => {
                for cache in caches {
                    if !found.contains(&cache) {
                        found.push(cache);
                    }
                }
            }
            Err(missing) => first_miss = first_miss.or(Some(missing)),
        }
    }
    match first_miss {
        Some(missing) if found.is_empty() => missing.fact(),
        _ => Fact::known(found, format!("{CPU_DIR}/cpu*/cache")),
    }
}

fn caches_of(tree: &Tree, cpu: u32) -> Result<Vec<Cache>, Missing> {
    let dir = format!("{CPU_DIR}/cpu{cpu}/cache");
    let mut caches = Vec::new();
    for name in tree
        .names(&dir)?
        .into_iter()
        .filter(|n| n.starts_with("index"))
    {
        caches.push(cache(tree, &format!("{dir}/{name}"))?);
    }
    if caches.is_empty() {
        Err(Missing::Absent(format!("list {dir}: no cache")))
    } else {
        Ok(caches)
    }
}

fn cache(tree: &Tree, dir: &str) -> Result<Cache, Missing> {
    let read = |file: &str| tree.text(&format!("{dir}/{file}"));
    let strange =
        |file: &str| Missing::CouldNotTell(format!("{dir}/{file} holds no number that is known"));
    Ok(Cache {
        level: read("level")?.parse().map_err(|_| strange("level"))?,
        kind: read("type")?,
        size_bytes: size_bytes(&read("size")?).ok_or_else(|| strange("size"))?,
        line_bytes: read("coherency_line_size")?
            .parse()
            .map_err(|_| strange("coherency_line_size"))?,
        shared_by: cpu_list::parse(&read("shared_cpu_list")?)
            .ok_or_else(|| strange("shared_cpu_list"))?,
    })
}

/// `512K`, `32M` (the kernel prints KiB; other units for safety).
fn size_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    fn two_cpus() -> Fake {
        let fake = Fake::with(&[("/sys/devices/system/cpu/online", "0-1\n")]);
        for cpu in 0..2 {
            let dir = format!("/sys/devices/system/cpu/cpu{cpu}");
            let own = format!("{cpu}\n");
            for (file, text) in [
                ("topology/core_id", own.as_str()),
                ("topology/physical_package_id", "-1"),
                ("topology/thread_siblings_list", own.as_str()),
                ("node0/x", ""),
                ("cache/index0/level", "1"),
                ("cache/index0/type", "Data"),
                ("cache/index0/size", "32K"),
                ("cache/index0/coherency_line_size", "64"),
                ("cache/index0/shared_cpu_list", own.as_str()),
                ("cache/index3/level", "3"),
                ("cache/index3/type", "Unified"),
                ("cache/index3/size", "32768K"),
                ("cache/index3/coherency_line_size", "64"),
                ("cache/index3/shared_cpu_list", "0-1"),
            ] {
                fake.write(&format!("{dir}/{file}"), text.as_bytes());
            }
        }
        fake
    }

    #[test]
    fn a_cpu_with_what_its_directory_gives() {
        let cpus = cpus(&two_cpus().tree());
        assert_eq!(cpus.len(), 2);
        assert_eq!(cpus[1].core.value(), Some(&1));
        assert_eq!(cpus[1].node.value(), Some(&0));
        assert!(cpus[1].package.why().is_some_and(|w| w.contains("\"-1\"")));
        assert!(
            cpus[1]
                .governor
                .why()
                .is_some_and(|w| w.starts_with("absent"))
        );
    }

    #[test]
    fn a_shared_cache_is_listed_once() {
        let caches = caches(&two_cpus().tree());
        let caches = caches.value().unwrap();
        assert_eq!(caches.len(), 3);
        assert_eq!(caches.iter().filter(|c| c.level == 3).count(), 1);
        assert_eq!(
            caches.iter().find(|c| c.level == 3).unwrap().size_bytes,
            32 << 20
        );
    }

    #[test]
    fn without_sysfs_the_cpus_are_those_of_proc_stat() {
        let fake = Fake::with(&[("/proc/stat", "cpu  1 2\ncpu0 1 2\ncpu3 1 2\nintr 4\n")]);
        assert_eq!(
            cpus(&fake.tree()).iter().map(|c| c.cpu).collect::<Vec<_>>(),
            [0, 3]
        );
        assert!(caches(&fake.tree()).why().is_some());
    }

    #[test]
    fn an_empty_nohz_full_mask_is_an_empty_list() {
        let fake = Fake::with(&[("/sys/devices/system/cpu/nohz_full", "  (null)\n")]);
        assert_eq!(nohz_full(&fake.tree()).value(), Some(&vec![]));
    }

    #[test]
    fn sizes() {
        assert_eq!(size_bytes("512K"), Some(512 << 10));
        assert_eq!(size_bytes("64"), Some(64));
        assert_eq!(size_bytes("K"), None);
        assert_eq!(size_bytes("1KB"), None);
    }
}
