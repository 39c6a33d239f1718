//! What is measured: commands that start another command, alone or beside a peer. Pure.

use nix::sched::CloneFlags;
use serde::Serialize;

/// A program that has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tool {
    Procjail,
    Bwrap,
    Catatonit,
    Tini,
    TiniStatic,
    DumbInit,
}

impl Tool {
    pub(crate) const ALL: [Self; 6] = [
        Self::Procjail,
        Self::Bwrap,
        Self::Catatonit,
        Self::Tini,
        Self::TiniStatic,
        Self::DumbInit,
    ];

    /// As it is called on PATH.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Procjail => "procjail",
            Self::Bwrap => "bwrap",
            Self::Catatonit => "catatonit",
            Self::Tini => "tini",
            Self::TiniStatic => "tini-static",
            Self::DumbInit => "dumb-init",
        }
    }
}

/// A way to run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// Nothing around it.
    Bare,
    /// The least that a jail can be: [`crate::floor`].
    Floor,
    /// With its default hardening.
    ProcjailRun,
    /// Without any.
    ProcjailRunOpen,
    Bwrap,
    /// The command itself is PID 1.
    NoInit,
    ProcjailInit,
    Catatonit,
    Tini,
    TiniStatic,
    DumbInit,
}

/// All of the hardening's names: what `--without` of `procjail run` takes.
const HARDENING: &str =
    "caps,no-new-privs,seccomp,landlock,fds,env,keyring,groups,devices,proc,sys";

/// The namespaces and mounts that `procjail run` makes, as bwrap makes them (its mount namespace
/// needs no option).
const BWRAP: [&str; 11] = [
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-ipc",
    "--bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--",
];

impl Subject {
    /// Those whose start-up is measured.
    pub(crate) const STARTED: [Self; 11] = [
        Self::Bare,
        Self::Floor,
        Self::ProcjailRun,
        Self::ProcjailRunOpen,
        Self::Bwrap,
        Self::NoInit,
        Self::ProcjailInit,
        Self::Catatonit,
        Self::Tini,
        Self::TiniStatic,
        Self::DumbInit,
    ];

    /// Those through which a signal goes.
    pub(crate) const SIGNALLED: [Self; 6] = [
        Self::Bare,
        Self::ProcjailInit,
        Self::Catatonit,
        Self::Tini,
        Self::TiniStatic,
        Self::DumbInit,
    ];

    /// Those that are there while the command runs.
    pub(crate) const RESIDENT: [Self; 7] = [
        Self::ProcjailRun,
        Self::Bwrap,
        Self::ProcjailInit,
        Self::Catatonit,
        Self::Tini,
        Self::TiniStatic,
        Self::DumbInit,
    ];

    /// In the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "fork+exec",
            Self::Floor => "floor (libc)",
            Self::ProcjailRun => "procjail run",
            Self::ProcjailRunOpen => "procjail run, nothing hardened",
            Self::NoInit => "PID 1 itself",
            Self::ProcjailInit => "procjail init",
            Self::Bwrap | Self::Catatonit | Self::Tini | Self::TiniStatic | Self::DumbInit => {
                self.tool().map_or("", Tool::name)
            }
        }
    }

    /// The program that does it, if it is not done by ourselves.
    pub(crate) fn tool(self) -> Option<Tool> {
        match self {
            Self::Bare | Self::Floor | Self::NoInit => None,
            Self::ProcjailRun | Self::ProcjailRunOpen | Self::ProcjailInit => Some(Tool::Procjail),
            Self::Bwrap => Some(Tool::Bwrap),
            Self::Catatonit => Some(Tool::Catatonit),
            Self::Tini => Some(Tool::Tini),
            Self::TiniStatic => Some(Tool::TiniStatic),
            Self::DumbInit => Some(Tool::DumbInit),
        }
    }

    /// Words between the program and the command.
    pub(crate) fn words(self) -> Vec<&'static str> {
        match self {
            Self::Bare | Self::Floor | Self::NoInit => Vec::new(),
            Self::ProcjailRun => vec!["run", "--"],
            Self::ProcjailRunOpen => vec!["run", "--without", HARDENING, "--"],
            Self::Bwrap => BWRAP.to_vec(),
            Self::ProcjailInit => vec!["init", "--"],
            Self::Catatonit | Self::Tini | Self::TiniStatic | Self::DumbInit => vec!["--"],
        }
    }

    /// More words, ahead of those, for one that is not waited for: its jail has to end with it.
    pub(crate) fn tether(self) -> Option<&'static str> {
        (self == Self::Bwrap).then_some("--die-with-parent")
    }

    /// What is made for it. An init gets a PID namespace, with /proc as it is: catatonit insists
    /// on being PID 1, and so all of them are.
    pub(crate) fn namespaces(self) -> CloneFlags {
        match self {
            Self::NoInit
            | Self::ProcjailInit
            | Self::Catatonit
            | Self::Tini
            | Self::TiniStatic
            | Self::DumbInit => CloneFlags::CLONE_NEWPID,
            Self::Bare | Self::Floor | Self::ProcjailRun | Self::ProcjailRunOpen | Self::Bwrap => {
                CloneFlags::empty()
            }
        }
    }

    /// Ours of the same kind, for a comparison.
    pub(crate) fn ours(self) -> Self {
        if self.namespaces().is_empty() {
            Self::ProcjailRun
        } else {
            Self::ProcjailInit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different() {
        let mut names = Subject::STARTED.map(Subject::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Subject::STARTED.len());
    }

    #[test]
    fn every_tool_is_measured_and_compared_with_its_own_kind() {
        for tool in Tool::ALL {
            assert!(Subject::STARTED.iter().any(|s| s.tool() == Some(tool)));
        }
        assert_eq!(Subject::Bwrap.ours(), Subject::ProcjailRun);
        assert_eq!(Subject::TiniStatic.ours(), Subject::ProcjailInit);
        for subject in Subject::STARTED {
            assert_eq!(subject.ours().ours(), subject.ours());
        }
    }
}
