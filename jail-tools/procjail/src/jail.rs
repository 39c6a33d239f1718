//! A jail from its clone to its end, as the supervisor sees it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::errno::Errno;

use crate::blocked::Blocked;
use crate::cgroup::{self, Account, Cgroup, KernelLog, Layout, OomWatch};
use crate::error::{Error, errno_of};
use crate::facts;
use crate::ids::{self, Decision};
use crate::init::{Lines, first_process};
use crate::keeper::Keeper;
use crate::owner::Owner;
use crate::page::Page;
use crate::prepare::{Ready, prepare};
use crate::prepared::Prepared;
use crate::report::{Circumstances, Missing, OomVictim, Report, StepTime, Times, killed_by};
use crate::spec::{Mode, Protection, Spec};
use crate::step::Step;
use crate::supervise::Supervision;
use crate::sys::{self, CloneArgs, Exit, Side};

mod failure;

/// A jail that runs. Dropping it kills everything in it and removes what it had.
///
/// It must be waited for by the thread that made it: the kernel ends a jail when that thread ends.
#[derive(Debug)]
pub(crate) struct Jail {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) bell: OwnedFd,
    pub(crate) prepared: Prepared,
    pub(crate) as_pid1: bool,
    /// Ends when a command that is PID 1 itself has been executed: nobody in there can tell.
    pub(crate) exec_line: Option<OwnedFd>,
    missing: Vec<(Protection, String)>,
    cgroup: Option<Jailed>,
    // After the cgroup: what that could not remove the keeper may.
    keeper: Option<Keeper>,
    started: Instant,
    started_ns: u64,
    waited: bool,
}

/// A jail's cgroup, and what was seen before it filled.
#[derive(Debug)]
struct Jailed {
    cgroup: Cgroup,
    oom: Option<OomWatch>,
    log: Option<File>,
}

/// What is open in the supervisor and in the jail's first process.
struct Ends {
    supervisor: OwnedFd,
    bell: OwnedFd,
    /// The first process's end, and ours, if it has to wait. Its end is closed by an exec.
    go: Option<(OwnedFd, OwnedFd)>,
}

impl Jail {
    /// Makes a jail, and starts the command in it. Whether that could be executed is known at the end.
    ///
    /// With `announce` the bell rings when the command runs.
    ///
    /// # Errors
    /// Whatever made it impossible; nothing is left then.
    pub(crate) fn start(spec: &Spec, blocked: &Blocked, announce: bool) -> Result<Self, Error> {
        let (started, started_ns) = (Instant::now(), sys::monotonic_ns());
        let Ready {
            mut prepared,
            ids,
            missing,
        } = prepare(spec, blocked, announce)?;
        let ends = Ends::open(prepared.await_go)?;
        let (plan, layout) = match cgroup_plan(spec)? {
            Some((plan, layout)) => (Some(plan), Some(layout)),
            None => (None, None),
        };
        let as_pid1 = spec.mode == Mode::AsPid1;
        let leftover = plan
            .as_ref()
            .map(cgroup::Plan::leftover)
            .unwrap_or_default();
        let keeper = (as_pid1 || !leftover.is_empty())
            .then(|| Keeper::start(&leftover, &ends.supervisor))
            .transpose()?;
        let cgroup = match (plan, layout) {
            (Some(plan), Some(layout)) => Some(Jailed::make(plan, &layout)?),
            _ => None,
        };
        if let Some(jailed) = &cgroup {
            prepared.born_in = jailed.cgroup.open_v2()?;
            prepared.join = jailed.cgroup.open_v1_procs()?;
        }
        let (pid, pidfd) = clone(&prepared, &ends)?;
        let mut jail = Self {
            pid,
            pidfd,
            bell: ends.bell,
            prepared,
            as_pid1,
            exec_line: None,
            missing,
            cgroup,
            keeper,
            started,
            started_ns,
            waited: false,
        };
        if let Some((theirs, ours)) = ends.go {
            drop(theirs);
            jail.let_go(ids.as_ref(), &ours)?;
            jail.exec_line = (as_pid1 && announce).then_some(ours);
        }
        Ok(jail)
    }

    /// Does what the first process waits for.
    fn let_go(&self, ids: Option<&Decision>, go: &OwnedFd) -> Result<(), Error> {
        if let Some(ids) = ids {
            ids::write(ids, self.pid)?;
        }
        if let (true, Some(keeper)) = (self.as_pid1, &self.keeper) {
            keeper.watch(self.pid)?;
        }
        // A first process that is dead by now is found so by whoever waits for it.
        sys::write_all(go.as_raw_fd(), b"g");
        Ok(())
    }

    /// Directories of its cgroup; none without one.
    pub(crate) fn cgroup_dirs(&self) -> Vec<String> {
        let members = self.cgroup.iter().flat_map(|j| &j.cgroup.members);
        members.map(|m| m.dir.display().to_string()).collect()
    }

    pub(crate) fn page(&self) -> &Page {
        self.prepared.page.page()
    }

    /// Kills everything in it: by the cgroup, and by the death of PID 1.
    pub(crate) fn kill(&self) {
        if let Some(jailed) = &self.cgroup {
            let _ = jailed.cgroup.kill();
        }
        let _ = sys::pidfd_send(self.pidfd.as_raw_fd(), libc::SIGKILL, None);
    }

    /// Ends the account: the first process has been waited for.
    pub(crate) fn finish(
        mut self,
        exit: &Exit,
        supervision: &Supervision,
    ) -> Result<Report, Error> {
        self.waited = true;
        if let Some(failure) = self.page().failure() {
            return Err(self.explain(&failure));
        }
        let ended = self.page().ended();
        if ended.is_none() && !self.has_run() {
            return Err(self.died_early(exit));
        }
        let raw_status = match ended {
            Some(ended) => ended.raw_status,
            // PID 1 was killed, or is the command itself.
            None => exit.raw_status,
        };
        let cgroup_dirs = self.cgroup_dirs();
        let (mut account, mut oom, mut not_removed) = (None, None, None);
        if let Some(jailed) = self.cgroup.take() {
            let (of_cgroup, of_memory) = jailed.account();
            (account, oom) = (Some(of_cgroup), of_memory);
            // How the command ended is no less true for it.
            not_removed = jailed.cgroup.remove().err().map(|error| error.to_string());
        }
        let page = self.page();
        let (reaped, reaped_at_once) = page.reaped_so_far();
        let (forwarded, without_value) = page.forwarded_so_far();
        Ok(Report {
            exit_code: crate::pid1::exit_code(raw_status),
            raw_wait_status: raw_status,
            pid: self.pid,
            cgroup: cgroup_dirs,
            killed_by: killed_by(
                raw_status,
                Circumstances {
                    pid1_killed: ended.is_none() && !self.as_pid1,
                    oom: oom.as_ref().map(|oom| self.oom_victim(oom)),
                },
                supervision,
                page.last_signal(),
            ),
            oom,
            command: ended.map(Times::of_command),
            jail: Times::of_usage(&exit.usage),
            cgroup_account: account,
            not_removed,
            orphans_reaped: (!self.as_pid1).then(|| reaped.saturating_sub(1)),
            reaped_at_once: (!self.as_pid1).then_some(reaped_at_once),
            signals_forwarded: if self.as_pid1 {
                supervision.forwarded
            } else {
                forwarded
            },
            signals_without_value: if self.as_pid1 {
                supervision.without_value
            } else {
                without_value
            },
            missing: self.all_missing(),
            steps: self.steps(),
            wall_us: self.started.elapsed().as_micros() as u64,
        })
    }

    /// Did the command get as far as its exec, of which one that is PID 1 itself cannot tell more?
    fn has_run(&self) -> bool {
        let page = self.page();
        page.command().is_some() || (self.as_pid1 && page.step() == Some(Step::Exec))
    }

    /// Was it the command that the kernel killed for memory?
    fn oom_victim(&self, oom: &cgroup::Oom) -> OomVictim {
        // The log counts in the first pid namespace; of a command that is PID 1 we have a number.
        if self.as_pid1 && facts::in_first_pid_namespace() && oom.logged_pids.contains(&self.pid) {
            OomVictim::Logged
        } else if self.page().was_alone() {
            OomVictim::Alone
        } else {
            OomVictim::Somebody
        }
    }

    fn steps(&self) -> Vec<StepTime> {
        let since = |ns: u64| ns.saturating_sub(self.started_ns) / 1000;
        let step = |(step, ns): (Step, u64)| StepTime {
            step: step.name(),
            at_us: since(ns),
        };
        self.page().began().into_iter().map(step).collect()
    }

    fn all_missing(&self) -> Vec<Missing> {
        let mut missing: Vec<Missing> = self
            .missing
            .iter()
            .map(|(protection, why)| Missing {
                protection: protection.name(),
                why: why.clone(),
            })
            .collect();
        if let Some(errno) = self.page().missed(crate::command::MISSED_KEYRING) {
            missing.push(Missing {
                protection: Protection::Keyring.name(),
                why: format!("keyctl: {errno}"),
            });
        }
        missing
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        if !self.waited {
            self.kill();
            let _ = sys::wait_pid(self.pid, 0);
        }
    }
}

impl Ends {
    fn open(with_go: bool) -> Result<Self, Error> {
        let this = std::process::id();
        let supervisor = sys::pidfd_open(this as i32)
            .map_err(|errno| Error::call("pidfd_open", "of the supervisor", errno))?;
        let bell =
            sys::event_fd().map_err(|errno| Error::call("eventfd", "for news of PID 1", errno))?;
        let go = with_go
            .then(UnixStream::pair)
            .transpose()
            .map_err(|e| Error::call("socketpair", "to PID 1", errno_of(&e)))?
            .map(|(theirs, ours)| (theirs.into(), ours.into()));
        Ok(Self {
            supervisor,
            bell,
            go,
        })
    }
}

impl Jailed {
    fn make(plan: cgroup::Plan, layout: &Layout) -> Result<Self, Error> {
        let owner = Owner::this()
            .map(|o| o.to_string())
            .ok_or_else(|| Error::call("read", "/proc/self/stat", Errno::ENOENT))?;
        let cgroup = plan.make(&owner)?;
        let oom = cgroup
            .with("memory")
            .and_then(|memory| OomWatch::begin(memory, layout));
        Ok(Self {
            log: oom.as_ref().and_then(|_| KernelLog::open()),
            oom,
            cgroup,
        })
    }

    fn account(&self) -> (Account, Option<cgroup::Oom>) {
        let account = Account::read(&self.cgroup);
        let log = self.log.as_ref().and_then(|f| f.try_clone().ok());
        let log = log.map(|mut file| KernelLog::since(&mut file));
        let kills = account.oom_kills.unwrap_or(0);
        let oom = self
            .oom
            .as_ref()
            .and_then(|watch| watch.end(kills, log.as_ref()));
        (account, oom)
    }
}

fn cgroup_plan(spec: &Spec) -> Result<Option<(cgroup::Plan, Layout)>, Error> {
    if !spec.limits.wants_cgroup() {
        return Ok(None);
    }
    let layout = facts::layout()?;
    let parent = cgroup::asked_parent(&spec.limits, &layout)?;
    let parent = parent.as_deref();
    let v2 = cgroup::V2Facts::observe(&layout, parent);
    let owner =
        Owner::this().ok_or_else(|| Error::call("read", "/proc/self/stat", Errno::ENOENT))?;
    let name = cgroup::name(owner.pid, owner.start_ticks);
    Ok(Some((
        cgroup::plan(&spec.limits, parent, &layout, &v2, &name)?,
        layout,
    )))
}

fn clone(prepared: &Prepared, ends: &Ends) -> Result<(i32, OwnedFd), Error> {
    let args = CloneArgs {
        flags: prepared.namespaces,
        cgroup: prepared.born_in.as_ref().map(AsRawFd::as_raw_fd),
    };
    prepared.page.page().at(Step::Clone, 0);
    match sys::clone3(&args) {
        Ok(Side::Child) => first_process(
            prepared,
            Lines {
                supervisor: ends.supervisor.as_raw_fd(),
                go: ends
                    .go
                    .as_ref()
                    .map(|(theirs, ours)| (theirs.as_raw_fd(), ours.as_raw_fd())),
                bell: ends.bell.as_raw_fd(),
            },
        ),
        Ok(Side::Parent { pid, pidfd }) => Ok((pid, pidfd)),
        Err(errno) => Err(Error::Call {
            call: "clone3",
            object: "the jail's first process".into(),
            errno,
            hint: match errno {
                Errno::EAGAIN => {
                    "no process can be had: a pids limit, RLIMIT_NPROC or the pid space is full"
                }
                Errno::EPERM => {
                    "namespaces are refused here: not root, and user namespaces are off (user.max_user_namespaces, kernel.unprivileged_userns_clone, AppArmor, or a seccomp filter around us)"
                }
                Errno::ENOSPC => {
                    "namespaces are nested too deep, or their number is limited (user.max_*_namespaces)"
                }
                Errno::ENOSYS => "clone3 needs Linux 5.5, or a seccomp filter around us refuses it",
                _ => "",
            },
        }),
    }
}
