//! What was asked for, in the order in which it is done.

use std::path::Path;

use crate::spec::{Bind, Files, Tmpfs};

/// One thing that was asked for.
pub(super) enum Asked<'a> {
    Tmpfs(&'a Tmpfs),
    Bind(&'a Bind),
    Device(&'a Path),
    ReadOnly(&'a Path),
}

impl<'a> Asked<'a> {
    /// All of it, parents first; and of one place first what is mounted, then that it is read-only.
    pub(super) fn sorted(files: &'a Files, own_dev: bool) -> Vec<Self> {
        let binds = files.binds.iter().map(Self::Bind);
        // The host's `/dev` has it anyway.
        let devices = files.devices.iter().filter(|_| own_dev);
        let mut asked: Vec<Self> = files.tmpfs.iter().map(Self::Tmpfs).collect();
        asked.extend(binds);
        asked.extend(devices.map(|d| Self::Device(d)));
        asked.extend(files.read_only.iter().map(|p| Self::ReadOnly(p)));
        asked.sort_by_key(|one| one.target().components().count());
        asked
    }

    pub(super) fn target(&self) -> &'a Path {
        match self {
            Self::Tmpfs(tmpfs) => &tmpfs.target,
            Self::Bind(bind) => &bind.target,
            Self::Device(path) | Self::ReadOnly(path) => path,
        }
    }

    pub(super) fn is_mount(&self) -> bool {
        !matches!(self, Self::ReadOnly(_))
    }
}
