//! What is asked of a jail: plain data.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::capabilities::Capabilities;
use crate::cgroup::Limits;
use crate::signals::Signal;

/// A jail, and the command in it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program and its arguments; the program is looked up on the jail's PATH.
    pub command: Vec<OsString>,
    /// Who is PID 1.
    pub mode: Mode,
    /// Namespaces beside pid, mount, uts and ipc.
    pub unshare: Unshare,
    /// The command's user and group in the jail; `None` stays who one is.
    pub user: Option<User>,
    /// Users and groups of the user namespace; empty chooses them.
    pub maps: IdMaps,
    /// What the command sees of files.
    pub files: Files,
    /// What it may use.
    pub limits: Limits,
    /// Limits of its processes (setrlimit(2)).
    pub rlimits: Vec<Rlimit>,
    /// What it is kept from.
    pub hardening: Hardening,
    /// Its environment.
    pub environment: Environment,
    /// Descriptors that it gets beside 0, 1 and 2.
    pub pass_fds: Vec<i32>,
    /// What becomes of signals that the supervisor is sent.
    pub signals: Signals,
}

impl Spec {
    /// A jail with the defaults for a command.
    #[must_use]
    pub fn new(command: Vec<OsString>) -> Self {
        Self {
            command,
            mode: Mode::Init { group: false },
            unshare: Unshare::default(),
            user: None,
            maps: IdMaps::default(),
            files: Files::default(),
            limits: Limits::default(),
            rlimits: Vec::new(),
            hardening: Hardening::default(),
            environment: Environment::default(),
            pass_fds: Vec::new(),
            signals: Signals::default(),
        }
    }
}

/// Who is PID 1 of the jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Ours, and the command is its child.
    Init {
        /// Signals go to the command's process group, not to it alone.
        group: bool,
    },
    /// The command, with the kernel's bare rules for PID 1.
    AsPid1,
}

/// Namespaces that are made when asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unshare {
    /// A network without an interface that is up.
    pub net: bool,
    /// Users of one's own. Made without being asked where the caller may not make the others.
    pub user: bool,
    /// The command's cgroup is the root that it sees.
    pub cgroup: bool,
    /// Clocks with offsets.
    pub time: Option<TimeOffsets>,
}

/// What clocks show beside those outside (time_namespaces(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeOffsets {
    /// Seconds added to CLOCK_MONOTONIC.
    pub monotonic_s: i64,
    /// Seconds added to CLOCK_BOOTTIME.
    pub boottime_s: i64,
}

/// A user and a group, as numbers in the jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl User {
    /// Nobody's number: in setresuid(2) and setresgid(2) it means "unchanged".
    pub const NONE: u32 = u32::MAX;
}

/// Users and groups of a user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMaps {
    /// Users; empty: the caller as 0 alone; for one without privilege who has a range in /etc/subuid
    /// and the helpers of it, that range from 1 on.
    pub uids: Vec<IdMap>,
    /// Groups; empty: likewise, with /etc/subgid.
    pub gids: Vec<IdMap>,
}

/// A range of ids: `count` from `inside` on are `outside` and following.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    /// First id in the jail.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// What the command sees of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The root directory; `None`: the host's, with `/proc`, `/dev` and `/sys` of the jail.
    pub rootfs: Option<PathBuf>,
    /// What is read-only, with all that the host has mounted below it.
    pub read_only: Vec<PathBuf>,
    /// Host paths in the jail.
    pub binds: Vec<Bind>,
    /// Devices of the host, below `/dev`, that the jail's `/dev` has too.
    pub devices: Vec<PathBuf>,
    /// Empty file systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// The jail's host name.
    pub hostname: Option<OsString>,
    /// Working directory; `None`: the current one, or `/` of a rootfs.
    pub workdir: Option<PathBuf>,
}

/// A host path that is in the jail too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// In the jail.
    pub target: PathBuf,
    /// Not to be written there.
    pub read_only: bool,
}

/// An empty file system in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// In the jail.
    pub target: PathBuf,
    /// Most it may hold; `None`: half the memory.
    pub bytes: Option<u64>,
}

/// A limit of setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// `RLIMIT_…`.
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// What the command is kept from. All of it, by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardening {
    /// What is switched off.
    pub without: Vec<Protection>,
    /// Capabilities that stay.
    pub capabilities: Capabilities,
    /// Of the capabilities that stay, those given to a command that is not root.
    pub added: Capabilities,
    /// System calls that the filter would deny and must not.
    pub seccomp_allow: Vec<String>,
}

impl Default for Hardening {
    fn default() -> Self {
        Self {
            without: Vec::new(),
            capabilities: Capabilities::DEFAULT,
            added: Capabilities::NONE,
            seccomp_allow: Vec::new(),
        }
    }
}

impl Hardening {
    /// Is this protection on?
    #[must_use]
    pub fn has(&self, protection: Protection) -> bool {
        !self.without.contains(&protection)
    }
}

/// A protection that can be switched off by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Capabilities are dropped to a set.
    Caps,
    /// No program gives more rights than one has.
    NoNewPrivs,
    /// System calls are filtered.
    Seccomp,
    /// Landlock: no device nodes, no ioctl on devices outside `/dev`, no abstract socket out of the
    /// jail, no mount. (That no signal leaves it is the pid namespace's doing.)
    Landlock,
    /// Descriptors that were not passed are closed.
    Fds,
    /// The environment is scrubbed to a list.
    Env,
    /// A session keyring of one's own.
    Keyring,
    /// Supplementary groups are dropped.
    Groups,
    /// No device works but those of the jail's `/dev`, and the host's `/dev` is not there.
    Devices,
    /// Parts of `/proc` are masked or read-only; a proc of the host is not seen, or read-only if it
    /// is bound by name.
    Proc,
    /// `/sys` is read-only, and parts of it are masked; so is what it is made of wherever else it is
    /// mounted, in a rootfs or a bind too.
    Sys,
}

impl Protection {
    /// All of them, by name.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Caps, "caps"),
        (Self::NoNewPrivs, "no-new-privs"),
        (Self::Seccomp, "seccomp"),
        (Self::Landlock, "landlock"),
        (Self::Fds, "fds"),
        (Self::Env, "env"),
        (Self::Keyring, "keyring"),
        (Self::Groups, "groups"),
        (Self::Devices, "devices"),
        (Self::Proc, "proc"),
        (Self::Sys, "sys"),
    ];

    /// The protection of this name.
    ///
    /// # Errors
    /// No protection is called so; the message lists them.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(protection, _)| *protection)
            .ok_or_else(|| {
                let known: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
                format!("`{name}` is no protection; there are: {}", known.join(", "))
            })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(protection, _)| *protection == self)
            .map_or("", |(_, name)| name)
    }
}

/// The command's environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Set, whatever the caller's says.
    pub set: Vec<(OsString, OsString)>,
    /// Kept from the caller's, beside those that always are.
    pub keep: Vec<OsString>,
}

/// What becomes of signals that the supervisor is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    /// What TERM is passed on as.
    pub stop: Signal,
    /// How long after TERM, INT or HUP everything is killed; `None`: never.
    pub grace: Option<Duration>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            stop: Signal::TERM,
            grace: None,
        }
    }
}
