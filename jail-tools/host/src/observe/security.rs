//! What this process may do, and what nobody may.

use record::Fact;

use crate::tree::{Tree, bracketed};

pub(super) fn aslr(tree: &Tree) -> Fact<u32> {
    tree.fact("/proc/sys/kernel/randomize_va_space", "a number", |t| {
        t.parse().ok()
    })
}

pub(super) fn perf_event_paranoid(tree: &Tree) -> Fact<i32> {
    tree.fact("/proc/sys/kernel/perf_event_paranoid", "a number", |t| {
        t.parse().ok()
    })
}

pub(super) fn unprivileged_bpf_disabled(tree: &Tree) -> Fact<u32> {
    tree.fact(
        "/proc/sys/kernel/unprivileged_bpf_disabled",
        "a number",
        |t| t.parse().ok(),
    )
}

/// Absent where securityfs is not mounted or the lockdown LSM is not built in: other parts of
/// the kernel may still refuse as if it were.
pub(super) fn lockdown(tree: &Tree) -> Fact<String> {
    tree.fact(
        "/sys/kernel/security/lockdown",
        "a choice in brackets",
        bracketed,
    )
}

/// Effective capabilities, hexadecimal.
pub(super) fn capabilities(tree: &Tree) -> Fact<String> {
    tree.fact("/proc/self/status", "a status with CapEff", |text| {
        let mask = text.lines().find_map(|l| l.strip_prefix("CapEff:"))?.trim();
        u64::from_str_radix(mask, 16).ok().map(|_| mask.to_owned())
    })
}

pub(super) fn euid() -> Fact<u32> {
    Fact::known(nix::unistd::geteuid().as_raw(), "geteuid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    #[test]
    fn levels_and_masks() {
        let fake = Fake::with(&[
            ("/proc/sys/kernel/perf_event_paranoid", "-1\n"),
            (
                "/proc/self/status",
                "Name:\tx\nCapPrm:\t00\nCapEff:\t000001fffeffffff\n",
            ),
            (
                "/sys/kernel/security/lockdown",
                "none [integrity] confidentiality\n",
            ),
        ]);
        assert_eq!(perf_event_paranoid(&fake.tree()).value(), Some(&-1));
        assert_eq!(
            capabilities(&fake.tree()).value().unwrap(),
            "000001fffeffffff"
        );
        assert_eq!(lockdown(&fake.tree()).value().unwrap(), "integrity");
        assert!(aslr(&fake.tree()).why().is_some());
    }
}
