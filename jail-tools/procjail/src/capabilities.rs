//! Capabilities: names and sets. Pure.

use std::fmt;

/// By number (include/uapi/linux/capability.h, Linux 6.18).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// `CAP_KILL`, which is all that PID 1 keeps: its command may run as another user.
pub(crate) const KILL: u32 = 5;
/// `CAP_SETUID`.
pub(crate) const SETUID: u32 = 7;
/// `CAP_MKNOD`.
pub(crate) const MKNOD: u32 = 27;
/// `CAP_SYS_ADMIN`.
pub(crate) const SYS_ADMIN: u32 = 21;

/// A set of capabilities, bit `n` for capability `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(pub(crate) u64);

impl Capabilities {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Every one that there is or will be.
    pub const ALL: Self = Self(u64::MAX);
    /// What a command run as root keeps by default: to own and change files, to be another user, to
    /// end its own processes, and to listen on low ports. Nothing that reaches out of a jail.
    pub const DEFAULT: Self = Self(
        1 << 0 // chown
            | 1 << 1 // dac_override
            | 1 << 3 // fowner
            | 1 << 4 // fsetid
            | 1 << KILL
            | 1 << 6 // setgid
            | 1 << 7 // setuid
            | 1 << 10, // net_bind_service
    );

    /// The set of one name (`net_raw`, `CAP_NET_RAW`), or all of them (`all`).
    ///
    /// # Errors
    /// A name that no capability has.
    pub fn named(name: &str) -> Result<Self, String> {
        let lower = name.to_ascii_lowercase();
        let name_only = lower.strip_prefix("cap_").unwrap_or(&lower);
        if name_only == "all" {
            return Ok(Self::ALL);
        }
        NAMES
            .iter()
            .position(|known| *known == name_only)
            .map(|n| Self(1 << n))
            .ok_or_else(|| {
                format!("`{name}` is no capability (capabilities(7)): like net_raw, or all")
            })
    }

    /// With those of another set.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without those of another set.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those of both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Is capability `number` in it?
    #[must_use]
    pub(crate) fn has(self, number: u32) -> bool {
        self.0.checked_shr(number).is_some_and(|bits| bits & 1 == 1)
    }

    /// `CAP_SYS_ADMIN`: may it make namespaces?
    pub(crate) fn has_sys_admin(self) -> bool {
        self.has(SYS_ADMIN)
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = NAMES
            .iter()
            .enumerate()
            .filter(|(n, _)| self.has(*n as u32))
            .map(|(_, name)| *name)
            .peekable();
        if names.peek().is_none() {
            return f.write_str("none");
        }
        for (position, name) in names.enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_goes_by_its_name_with_or_without_the_prefix() {
        assert_eq!(Capabilities::named("net_raw"), Ok(Capabilities(1 << 13)));
        assert_eq!(Capabilities::named("CAP_BPF"), Ok(Capabilities(1 << 39)));
        assert!(Capabilities::named("cap_fly").is_err());
    }

    #[test]
    fn the_default_set_reaches_nothing_outside() {
        for name in [
            "sys_admin",
            "mknod",
            "sys_module",
            "sys_ptrace",
            "sys_boot",
            "sys_time",
            "sys_chroot",
            "bpf",
            "net_admin",
            "net_raw",
            "dac_read_search",
            "sys_rawio",
            "syslog",
            "setpcap",
            "setfcap",
        ] {
            let one = Capabilities::named(name).expect("a capability");
            assert_eq!(Capabilities::DEFAULT.and(one), Capabilities::NONE, "{name}");
        }
    }

    #[test]
    fn a_set_is_shown_by_its_names() {
        let set = Capabilities::DEFAULT.without(Capabilities::named("chown").expect("one"));
        assert_eq!(
            set.to_string(),
            "dac_override,fowner,fsetid,kill,setgid,setuid,net_bind_service"
        );
        assert_eq!(Capabilities::NONE.to_string(), "none");
    }
}
