//! From what is asked and what the caller is to what the kernel will be told. No change is made.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::blocked::Blocked;
use crate::capabilities::{self, Capabilities};
use crate::error::{Error, errno_of};
use crate::facts;
use crate::files;
use crate::ids::{self, Decision};
use crate::job::Job;
use crate::landlock;
use crate::page::Shared;
use crate::prepared::{Command, Harden, Pid1Plan, Prepared, Session};
use crate::program::{Variable, c_string, environment, program};
use crate::seccomp;
use crate::signals::{Rewrite, Signal};
use crate::spec::{Mode, Protection, Spec, User};
use crate::stack::Stack;
use crate::sys;

/// What is known once everything was decided.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) prepared: Prepared,
    pub(crate) ids: Option<Decision>,
    /// Protections that cannot be had here, and why.
    pub(crate) missing: Vec<(Protection, String)>,
}

/// Decides everything.
///
/// # Errors
/// What cannot be done, before anything was.
pub(crate) fn prepare(spec: &Spec, blocked: &Blocked, announce: bool) -> Result<Ready, Error> {
    check(spec)?;
    sys::occupy_standard().map_err(|errno| Error::call("open", "/dev/null", errno))?;
    let permitted = facts::permitted()?;
    let needs_user = !permitted.has_sys_admin();
    let ids = if spec.unshare.user || needs_user {
        let privileged = !needs_user && permitted.has(capabilities::SETUID);
        Some(ids::decide(&spec.maps, &facts::caller(privileged))?)
    } else if spec.maps.uids.is_empty() && spec.maps.gids.is_empty() {
        None
    } else {
        return Err(Error::Refused(
            "--uid-map and --gid-map need --unshare user".into(),
        ));
    };
    // A jail without a user namespace of its own may still be in somebody's.
    let initial = ids.is_none() && facts::is_root_of_the_host();
    let setgroups_denied = match &ids {
        Some(ids) if ids.writer == ids::Writer::Own => true,
        Some(_) => facts::setgroups_denied(),
        None => !initial && facts::setgroups_denied(),
    };
    let mut missing = Vec::new();
    let harden = harden(spec, setgroups_denied, &mut missing)?;
    let caller: Vec<Variable> = std::env::vars_os().collect();
    let variables = environment(
        &caller,
        &spec.environment,
        spec.hardening.has(Protection::Env),
    );
    let job = facts::terminal().map(Job::new);
    let as_pid1 = spec.mode == Mode::AsPid1;
    let pid1 = match spec.mode {
        Mode::AsPid1 => None,
        Mode::Init { group } => Some(Pid1Plan {
            group,
            rewrite: {
                // Also for a TERM that comes from inside.
                let mut rewrite = Rewrite::default();
                rewrite.set(Signal::TERM, Some(spec.signals.stop));
                rewrite
            },
            announce,
            capabilities: spec
                .hardening
                .has(Protection::Caps)
                .then_some(Capabilities(1 << capabilities::KILL)),
            continues_group: job.is_some(),
        }),
    };
    let mounted = facts::mount_points()?;
    let current = match &spec.files.workdir {
        None if spec.files.rootfs.is_none() => facts::current_directory()?,
        _ => "/".into(),
    };
    // A file system of a user namespace has no devices.
    let nodes = initial && permitted.has(capabilities::MKNOD);
    let host = files::Host {
        mounted: &mounted,
        current: &current,
        nodes,
        look: facts::look,
    };
    let prepared = Prepared {
        namespaces: namespaces(spec, ids.is_some()),
        born_in: None,
        join: Vec::new(),
        await_go: ids.is_some() || as_pid1,
        become_root: ids.as_ref().is_some_and(Decision::has_root),
        cgroup_namespace: spec.unshare.cgroup,
        time_offsets: time_offsets(spec)?,
        hostname: hostname(spec)?,
        mounts: files::plan(&spec.files, &spec.hardening, &host)?,
        pid1,
        command: Command {
            program: program(&spec.command, &variables)?,
            session: Session::Group,
            terminal: job.as_ref().and_then(Job::given_at_start),
            mask: blocked.before,
            ignore_child: blocked.child_was_ignored,
            stack: Stack::new().map_err(|errno| Error::call("mmap", "a stack", errno))?,
            death_signal: as_pid1.then_some(libc::SIGKILL),
            harden: Some(harden),
        },
        job,
        page: Shared::new().map_err(|errno| Error::call("mmap", "a page", errno))?,
    };
    Ok(Ready {
        prepared,
        ids,
        missing,
    })
}

/// Combinations that are none.
fn check(spec: &Spec) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Refused(why.into()));
    if spec.command.is_empty() {
        return Err(Error::NoCommand);
    }
    if spec.mode == Mode::AsPid1 && spec.unshare.time.is_some() {
        return refuse(
            "a time namespace holds from the next child on, and --as-pid1 has none: leave out one of the two",
        );
    }
    spec.files
        .devices
        .iter()
        .try_for_each(|d| check_device(d))?;
    if spec
        .user
        .is_some_and(|user| user.uid == User::NONE || user.gid == User::NONE)
    {
        return refuse(
            "--user: 4294967295 is no id: it means \"unchanged\", and the command would stay who it is",
        );
    }
    match spec.signals.stop.number() {
        libc::SIGSTOP => {
            return refuse(
                "--stop-signal STOP would stop the jail's PID 1, which could pass on nothing more: give another",
            );
        }
        libc::SIGCHLD => {
            return refuse(
                "--stop-signal CHLD would not get to the command: PID 1 takes it for news of a child: give another",
            );
        }
        _ => {}
    }
    for fd in (0..3).chain(spec.pass_fds.iter().copied()) {
        match sys::file_kind(fd) {
            Ok(sys::FileKind::Directory) => {
                return Err(Error::Refused(format!(
                    "descriptor {fd} is a directory of the host, from which `..` leads out of the jail: --bind it"
                )));
            }
            Ok(_) => {}
            // Without 0, 1 or 2 the command is as its caller wants it.
            Err(_) if fd < 3 => {}
            Err(errno) => {
                return Err(Error::call(
                    "fstat",
                    format!("descriptor {fd} of --pass-fd"),
                    errno,
                ));
            }
        }
    }
    Ok(())
}

/// It is a device, and has a place in the jail's `/dev`.
fn check_device(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::FileTypeExt;
    let refuse = |why: &str| Error::Refused(format!("--device {}: {why}", path.display()));
    if !path.starts_with("/dev") {
        return Err(refuse("a device of a jail is below /dev"));
    }
    let kind = std::fs::metadata(path)
        .map_err(|e| Error::call("stat", path.display().to_string(), errno_of(&e)))?
        .file_type();
    if kind.is_char_device() || kind.is_block_device() {
        Ok(())
    } else {
        Err(refuse(
            "that is no device: --bind is for files and directories",
        ))
    }
}

fn namespaces(spec: &Spec, user: bool) -> u64 {
    let optional = [
        (spec.unshare.net, libc::CLONE_NEWNET),
        (user, libc::CLONE_NEWUSER),
    ];
    let always = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    let wanted = optional.into_iter().filter(|(wanted, _)| *wanted);
    wanted.fold(always, |flags, (_, flag)| flags | flag) as u64
}

fn time_offsets(spec: &Spec) -> Result<Option<CString>, Error> {
    let text = |time: crate::spec::TimeOffsets| {
        format!(
            "monotonic {} 0\nboottime {} 0\n",
            time.monotonic_s, time.boottime_s
        )
    };
    spec.unshare
        .time
        .map(|time| c_string(text(time).into_bytes()))
        .transpose()
}

fn hostname(spec: &Spec) -> Result<Option<CString>, Error> {
    /// `__NEW_UTS_LEN` (include/uapi/linux/utsname.h).
    const BYTES_MAX: usize = 64;
    let Some(name) = &spec.files.hostname else {
        return Ok(None);
    };
    if name.is_empty() || name.len() > BYTES_MAX {
        return Err(Error::Refused(format!(
            "a host name has 1 to {BYTES_MAX} bytes, and `{}` has {}",
            name.display(),
            name.len()
        )));
    }
    c_string(name.as_bytes().to_vec()).map(Some)
}

fn harden(
    spec: &Spec,
    setgroups_denied: bool,
    missing: &mut Vec<(Protection, String)>,
) -> Result<Harden, Error> {
    let hardening = &spec.hardening;
    let has = |protection| hardening.has(protection);
    let landlock = match (has(Protection::Landlock), facts::landlock_abi()) {
        (false, _) => None,
        (true, Some(abi)) if abi >= landlock::ABI_MIN => Some(abi),
        (true, Some(abi)) => {
            let why = format!(
                "the kernel's version {abi} would refuse every move of a file (Linux 5.19 has 2)"
            );
            missing.push((Protection::Landlock, why));
            None
        }
        (true, None) => {
            missing.push((
                Protection::Landlock,
                "this kernel has none, or it is off (lsm=)".into(),
            ));
            None
        }
    };
    let groups = has(Protection::Groups) && !setgroups_denied;
    if has(Protection::Groups) && setgroups_denied {
        let why = "setgroups(2) is given up where one maps only oneself: supplementary groups stay";
        missing.push((Protection::Groups, why.into()));
    }
    let seccomp = has(Protection::Seccomp)
        .then(|| seccomp::program(&hardening.seccomp_allow))
        .transpose()?;
    let keep = hardening.capabilities.with(hardening.added);
    let mut keep_fds: Vec<u32> = spec.pass_fds.iter().map(|fd| *fd as u32).collect();
    keep_fds.sort_unstable();
    keep_fds.dedup();
    let user = spec.user.map(|user| (user.uid, user.gid));
    Ok(Harden {
        keyring: has(Protection::Keyring),
        rlimits: spec
            .rlimits
            .iter()
            .map(|l| {
                (
                    l.resource,
                    libc::rlimit64 {
                        rlim_cur: l.soft,
                        rlim_max: l.hard,
                    },
                )
            })
            .collect(),
        groups,
        user,
        no_new_privs: has(Protection::NoNewPrivs),
        landlock,
        devices_anywhere: !has(Protection::Devices),
        seccomp,
        capabilities: has(Protection::Caps).then_some(keep),
        ambient: hardening.added,
        keep_fds: has(Protection::Fds).then_some(keep_fds),
    })
}
