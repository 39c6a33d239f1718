//! What can go wrong before the command runs: all of it is exit code 125, but for a failed exec.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::command::exit_code_of;
use crate::page::Failure;
use crate::step::Step;

/// Why there is no jail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to run.
    #[error("no command: give one after `--`")]
    NoCommand,
    /// A word that cannot be passed to the kernel.
    #[error("{word:?} has a null byte in it, which no program can be given")]
    NullByte {
        /// The word.
        word: OsString,
    },
    /// A path in the jail that could lead elsewhere.
    #[error("{} is no path in a jail: it must be absolute and without `..`", path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// A bind of what a jail must not see.
    #[error("{} is masked in a jail ({fstype}): --without {without} lets it in", path.display())]
    Masked {
        /// On the host.
        path: PathBuf,
        /// Type of its file system.
        fstype: &'static str,
        /// The protection that masks it.
        without: &'static str,
    },
    /// More binds than descriptors are kept for.
    #[error("more than {most} binds, devices included: bind a common parent directory")]
    TooManyBinds {
        /// The limit.
        most: usize,
    },
    /// The filter could not be made.
    #[error(transparent)]
    Seccomp(#[from] crate::seccomp::Error),
    /// A system call of the supervisor failed.
    #[error("{call} {object}: {errno}{}", advice(hint))]
    Call {
        /// The call.
        call: &'static str,
        /// On what.
        object: String,
        /// How it failed.
        errno: Errno,
        /// What to do; empty if there is nothing to say.
        hint: &'static str,
    },
    /// A step inside the jail failed.
    #[error("could not {step}{}: {errno}{}", on(object), advice(hint))]
    Step {
        /// What was to be done.
        step: &'static str,
        /// On what; may be empty.
        object: String,
        /// How it failed.
        errno: Errno,
        /// What to do; empty if there is nothing to say.
        hint: &'static str,
        /// 125, 126 or 127.
        exit_code: i32,
    },
    /// The first process of the jail ended before the command ran, and not by itself.
    #[error(
        "the jail's first process was ended by signal {signal} while it was to {step}{}",
        advice(hint)
    )]
    Killed {
        /// Which signal.
        signal: i32,
        /// What was being done.
        step: &'static str,
        /// What to do; empty if there is nothing to say.
        hint: &'static str,
    },
    /// Limits or a cgroup that cannot be had.
    #[error(transparent)]
    Cgroup(#[from] crate::cgroup::Error),
    /// User and group maps that cannot be had.
    #[error(transparent)]
    Ids(#[from] crate::ids::Error),
    /// A combination of options that makes no sense, or no jail.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// A failed call of the supervisor.
    pub(crate) fn call(call: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        Self::Call {
            call,
            object: object.into(),
            errno,
            hint: "",
        }
    }

    /// A step that failed in the jail, or in the command's process.
    /// What to do is said by the object where it knows better than the step.
    pub(crate) fn step(failure: &Failure, object: String, of_object: Option<&'static str>) -> Self {
        Self::Step {
            step: failure.step.text(),
            object,
            errno: failure.errno,
            hint: of_object.unwrap_or_else(|| hint(failure)),
            exit_code: exit_code_of(failure.step, failure.errno),
        }
    }

    /// The exit code that says it: 126 and 127 for a command that could not be executed, else 125.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Step { exit_code, .. } => *exit_code,
            _ => crate::command::FAILED,
        }
    }
}

/// The number of an error of the standard library; EIO for one that it made up.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn on(object: &str) -> String {
    if object.is_empty() {
        String::new()
    } else {
        format!(" {object}")
    }
}

fn advice(hint: &str) -> String {
    if hint.is_empty() {
        String::new()
    } else {
        format!(" ({hint})")
    }
}

fn hint(failure: &Failure) -> &'static str {
    match (failure.step, failure.errno) {
        (Step::Spawn, Errno::EAGAIN) => {
            "no process can be had: the jail's --pids, RLIMIT_NPROC or the pid space is full"
        }
        (Step::Mount, Errno::ENOENT) => "there is nothing to mount on: make it in the rootfs",
        (Step::Private | Step::Source, Errno::ENOSYS) => "needs Linux 5.12",
        (Step::Root, Errno::ENOENT) => "there is no such directory",
        (Step::Workdir, _) => "--chdir DIR names another",
        (Step::Exec, Errno::ENOENT) => "not found, or its interpreter is not",
        (Step::Exec, Errno::ENOEXEC) => {
            "no program: of another architecture, or a script without #! where there is no /bin/sh"
        }
        (Step::User | Step::Groups, Errno::EINVAL) => {
            "the user namespace has no such id: --uid-map, --gid-map"
        }
        _ => "",
    }
}
