//! Why a jail did not come to be, in words: the step that failed, its object, and what to do.

use nix::errno::Errno;

use super::Jail;
use crate::cgroup::Account;
use crate::error::Error;
use crate::page::Failure;
use crate::prepared::Op;
use crate::step::Step;
use crate::sys::Exit;

impl Jail {
    /// A failed step, with its object's name.
    pub(super) fn explain(&self, failure: &Failure) -> Error {
        let op = (failure.step == Step::Mount)
            .then(|| self.prepared.mounts.ops.get(failure.object))
            .flatten();
        let hint = op.and_then(|op| mount_hint(op, failure.errno));
        Error::step(failure, self.object_of(failure), hint)
    }

    fn object_of(&self, failure: &Failure) -> String {
        let text = |s: &std::ffi::CString| s.to_string_lossy().into_owned();
        let mounts = &self.prepared.mounts;
        match failure.step {
            Step::JoinCgroup => Some(self.cgroup_dirs().join(" or ")),
            Step::Source => mounts.sources.get(failure.object).map(|s| text(&s.path)),
            Step::Mount => mounts.ops.get(failure.object).map(describe),
            Step::Root => mounts.root.as_ref().map(text),
            Step::Workdir => Some(text(&mounts.workdir)),
            Step::Exec => Some(self.prepared.command.program.shown()),
            Step::User => {
                let harden = self.prepared.command.harden.as_ref();
                let user = harden.and_then(|h| h.user);
                user.map(|(uid, gid)| format!("user {uid}, group {gid}"))
            }
            Step::Rlimit => {
                let harden = self.prepared.command.harden.as_ref();
                harden
                    .and_then(|h| h.rlimits.get(failure.object))
                    .map(|(resource, _)| crate::rlimits::name(*resource).to_owned())
            }
            _ => None,
        }
        .unwrap_or_default()
    }

    pub(super) fn died_early(&self, exit: &Exit) -> Error {
        let step = self.page().step().map_or("be started", Step::text);
        if libc::WIFSIGNALED(exit.raw_status) {
            Error::Killed {
                signal: libc::WTERMSIG(exit.raw_status),
                step,
                hint: self.why_killed(libc::WTERMSIG(exit.raw_status)),
            }
        } else {
            Error::Step {
                step,
                object: String::new(),
                errno: Errno::ECANCELED,
                hint: "the supervisor was about to end",
                exit_code: crate::command::FAILED,
            }
        }
    }

    fn why_killed(&self, signo: i32) -> &'static str {
        let account = self.cgroup.as_ref().map(|j| Account::read(&j.cgroup));
        let for_memory = account.and_then(|a| a.oom_kills).is_some_and(|n| n > 0);
        if signo == libc::SIGKILL && for_memory {
            "by the kernel, for memory: the limit, --memory or one above the jail's cgroup, is too small for the jail's own processes"
        } else {
            ""
        }
    }
}

/// What to do about a mount, where it depends on what was mounted.
fn mount_hint(op: &Op, errno: Errno) -> Option<&'static str> {
    match (op, errno) {
        // fs/namespace.c, `mnt_already_visible`.
        (Op::New { fstype, .. }, Errno::EPERM) if fstype.as_c_str() == c"proc" => Some(
            "in a user namespace /proc can be mounted only where the caller's own is not masked",
        ),
        (Op::Node { .. }, Errno::EPERM) => Some("a devices cgroup around us may refuse it"),
        _ => None,
    }
}

fn describe(op: &Op) -> String {
    let path = op.path().to_string_lossy();
    match op {
        Op::Directory { .. } => format!("(make the directory) {path}"),
        Op::Remove { .. } => format!("(remove) {path}"),
        Op::Node { .. } => format!("(make the device) {path}"),
        Op::File { .. } => format!("(make the file) {path}"),
        Op::Symlink { .. } => format!("(make the link) {path}"),
        Op::New { fstype, .. } => format!("{} on {path}", fstype.to_string_lossy()),
        Op::Attach { .. } => format!("(move_mount) on {path}"),
        Op::Cover { with, .. } => format!("{} over {path}", with.to_string_lossy()),
        Op::Writable { .. } => format!("(to be written) {path}"),
        Op::ReadOnly { .. } => format!("(read-only) {path}"),
    }
}
