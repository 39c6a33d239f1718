//! Memory: how much, in which pages, and how much may be locked.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use record::Fact;

use crate::tree::{Missing, Tree, bracketed};

pub(super) fn thp(tree: &Tree) -> Fact<String> {
    tree.fact(
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "a choice in brackets",
        bracketed,
    )
}

/// MemTotal, bytes.
pub(super) fn total_bytes(tree: &Tree) -> Fact<u64> {
    tree.fact(
        "/proc/meminfo",
        "a memory report with MemTotal in kB",
        |text| {
            let kib = text
                .lines()
                .find_map(|l| l.strip_prefix("MemTotal:"))?
                .trim()
                .strip_suffix("kB")?;
            kib.trim().parse::<u64>().ok()?.checked_mul(1024)
        },
    )
}

/// Soft RLIMIT_MEMLOCK, bytes; `None` is unlimited.
pub(super) fn memlock_bytes() -> Fact<Option<u64>> {
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((soft, _)) => Fact::known(
            (soft != RLIM_INFINITY).then_some(soft),
            "getrlimit RLIMIT_MEMLOCK",
        ),
        Err(errno) => Missing::from_io("getrlimit", "RLIMIT_MEMLOCK", &errno.into()).fact(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    #[test]
    fn memory_and_huge_pages() {
        let fake = Fake::with(&[
            (
                "/proc/meminfo",
                "MemTotal:       24684092 kB\nMemFree: 1 kB\n",
            ),
            (
                "/sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            ),
        ]);
        assert_eq!(
            total_bytes(&fake.tree()).value(),
            Some(&(24_684_092 * 1024))
        );
        assert_eq!(thp(&fake.tree()).value().unwrap(), "madvise");
    }
}
