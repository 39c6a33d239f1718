//! All that the processes of a jail need, made before they are: after the clone nothing is
//! allocated, and what stands here is only read.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::os::fd::{OwnedFd, RawFd};

use crate::capabilities::Capabilities;
use crate::job::Job;
use crate::page::Shared;
use crate::signals::Rewrite;
use crate::stack::Stack;
use crate::sys::SigSet;

/// A jail, ready to be cloned.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// `CLONE_NEW…`.
    pub(crate) namespaces: u64,
    /// v2 cgroup to be born in.
    pub(crate) born_in: Option<OwnedFd>,
    /// `cgroup.procs` of the v1 cgroups to join.
    pub(crate) join: Vec<OwnedFd>,
    /// Wait for a byte before anything: maps or a keeper are being made.
    pub(crate) await_go: bool,
    pub(crate) become_root: bool,
    pub(crate) cgroup_namespace: bool,
    /// What to write into timens_offsets.
    pub(crate) time_offsets: Option<CString>,
    pub(crate) hostname: Option<CString>,
    pub(crate) mounts: Mounts,
    pub(crate) pid1: Option<Pid1Plan>,
    pub(crate) command: Command,
    /// What the supervisor does for a shell; the jail's processes have no part in it.
    pub(crate) job: Option<Job>,
    pub(crate) page: Shared,
}

/// What PID 1 does, if it is ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pid1Plan {
    pub(crate) group: bool,
    pub(crate) rewrite: Rewrite,
    /// Ring the bell when the command runs.
    pub(crate) announce: bool,
    /// Capabilities that it keeps; `None` keeps all.
    pub(crate) capabilities: Option<Capabilities>,
    /// What continues the command continues its group, as a terminal's stops stop that.
    pub(crate) continues_group: bool,
}

/// The mounts, in the order in which they are made.
#[derive(Debug)]
pub(crate) struct Mounts {
    /// What is taken hold of while the host's tree is still as it was.
    pub(crate) sources: Vec<Source>,
    /// Attributes (`MountAttr`) for every mount that the jail inherits.
    pub(crate) inherited: u64,
    /// The directory that becomes `/`.
    pub(crate) root: Option<CString>,
    pub(crate) ops: Vec<Op>,
    pub(crate) workdir: CString,
}

/// A mount outside that is to be one inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: CString,
    pub(crate) recursive: bool,
}

/// Most sources a jail may have: their descriptors are kept on PID 1's stack.
pub(crate) const SOURCES_MAX: usize = 64;

/// One thing that is done to the jail's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Directory {
        path: CString,
        mode: u32,
    },
    /// Removes an empty directory.
    Remove {
        path: CString,
    },
    /// A character device.
    Node {
        path: CString,
        major: u32,
        minor: u32,
    },
    /// An empty file to mount on.
    File {
        path: CString,
    },
    Symlink {
        to: CString,
        path: CString,
    },
    /// A new file system.
    New {
        fstype: CString,
        path: CString,
        flags: u64,
        data: CString,
        /// Nothing to mount on is no error.
        optional: bool,
    },
    /// A source, by its number.
    Attach {
        source: usize,
        path: CString,
        /// Attributes (`MountAttr`) that it gets.
        attr: u64,
        /// Nothing to mount on is no error.
        optional: bool,
    },
    /// A file of the jail over another.
    Cover {
        with: CString,
        path: CString,
    },
    /// The mount at a path, not what is below it.
    Writable {
        path: CString,
    },
    /// The mount at a path and all below it; a mount is made there if there is none.
    ReadOnly {
        path: CString,
        optional: bool,
    },
}

impl Op {
    /// Where it is done.
    pub(crate) fn path(&self) -> &CString {
        match self {
            Self::Directory { path, .. }
            | Self::Remove { path }
            | Self::Node { path, .. }
            | Self::File { path }
            | Self::Symlink { path, .. }
            | Self::New { path, .. }
            | Self::Attach { path, .. }
            | Self::Cover { path, .. }
            | Self::Writable { path }
            | Self::ReadOnly { path, .. } => path,
        }
    }
}

/// The command's process, from its clone to its exec.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) program: Program,
    pub(crate) session: Session,
    /// A descriptor of the terminal that it makes its own.
    pub(crate) terminal: Option<RawFd>,
    /// Signals blocked in it: those that were blocked in us.
    pub(crate) mask: SigSet,
    /// SIGCHLD is to be ignored in it, as it was in us before.
    pub(crate) ignore_child: bool,
    /// What it runs on until it executes, in the memory of PID 1.
    pub(crate) stack: Stack,
    /// PDEATHSIG, set last.
    pub(crate) death_signal: Option<i32>,
    /// `None`: it gets what we have.
    pub(crate) harden: Option<Harden>,
}

/// Which session and process group the command is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// A process group of its own, in our session.
    Group,
    /// A session of its own; it takes the terminal along if there is one.
    Own,
}

/// What is executed.
#[derive(Debug)]
pub(crate) struct Program {
    /// Where it may be: each is tried.
    pub(crate) candidates: Vec<CString>,
    pub(crate) argv: CStrings,
    /// For a shell, if it turns out to be a script: the place of its path is the second.
    pub(crate) shell_argv: ShellArgv,
    pub(crate) envp: CStrings,
}

impl Program {
    /// For messages: what was to be executed.
    pub(crate) fn shown(&self) -> String {
        match self.candidates.as_slice() {
            [] => "a program without a name".into(),
            [path] => path.to_string_lossy().into_owned(),
            [first, ..] => {
                let path = first.to_string_lossy();
                let name = path.rsplit('/').next().unwrap_or_default();
                format!("{name} (looked for on PATH)")
            }
        }
    }
}

/// Strings and the array of pointers to them that exec wants.
#[derive(Debug)]
pub(crate) struct CStrings {
    /// Owns what the pointers point to.
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl CStrings {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings
            .iter()
            .map(|s| s.as_ptr())
            .chain([std::ptr::null()])
            .collect();
        Self {
            _strings: strings,
            pointers,
        }
    }

    /// The pointers; the last one is null.
    pub(crate) fn pointers(&self) -> &[*const libc::c_char] {
        &self.pointers
    }
}

/// Arguments for a shell that is to run a script: its own name, the script's path, the script's
/// arguments, null. The strings are those of a [`CStrings`] that lives as long.
#[derive(Debug)]
pub(crate) struct ShellArgv(Vec<Cell<*const libc::c_char>>);

impl ShellArgv {
    /// Where it is, and what it is called (as in execvp(3)).
    pub(crate) const SHELL: &CStr = c"/bin/sh";

    pub(crate) fn new(argv: &CStrings) -> Self {
        let after_name = argv.pointers().iter().skip(1).copied();
        let own = [Self::SHELL.as_ptr(), std::ptr::null()];
        Self(own.into_iter().chain(after_name).map(Cell::new).collect())
    }

    /// The arguments for the script at `path`, for as long as that lives.
    pub(crate) fn with_script<'a>(&'a self, path: &'a CStr) -> &'a [Cell<*const libc::c_char>] {
        if let Some(place) = self.0.get(1) {
            place.set(path.as_ptr());
        }
        &self.0
    }
}

/// What the command is kept from.
#[derive(Debug)]
pub(crate) struct Harden {
    pub(crate) keyring: bool,
    pub(crate) rlimits: Vec<(u32, libc::rlimit64)>,
    /// Drops supplementary groups.
    pub(crate) groups: bool,
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) no_new_privs: bool,
    /// The Landlock version to use; `None`: not used.
    pub(crate) landlock: Option<i32>,
    /// Landlock leaves devices outside `/dev` alone.
    pub(crate) devices_anywhere: bool,
    pub(crate) seccomp: Option<Cow<'static, [libc::sock_filter]>>,
    /// Capabilities that stay.
    pub(crate) capabilities: Option<Capabilities>,
    /// Raised into the ambient set, for a command that is not root.
    pub(crate) ambient: Capabilities,
    /// Descriptors that stay open, ascending; `None`: all.
    pub(crate) keep_fds: Option<Vec<u32>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_the_script_and_its_arguments() {
        let argv = CStrings::new(vec![c"name".into(), c"x".into(), c"y".into()]);
        let shell = ShellArgv::new(&argv);
        let found = shell.with_script(c"/bin/name");
        let [sh, path, x, y, end] = found else {
            panic!("{found:?}");
        };
        assert_eq!(sh.get(), ShellArgv::SHELL.as_ptr());
        assert_eq!(path.get(), c"/bin/name".as_ptr());
        assert_eq!([x.get(), y.get()], argv.pointers()[1..3]);
        assert!(end.get().is_null());
    }
}
