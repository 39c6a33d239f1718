//! The supervisor's loop: it sleeps until a signal, news of PID 1, or the end of the grace.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde::Serialize;

use crate::blocked::Blocked;
use crate::error::Error;
use crate::facts;
use crate::jail::Jail;
use crate::job::Job;
use crate::listener::Listener;
use crate::page::LastSignal;
use crate::report::Report;
use crate::signals::{Signal, passed_on};
use crate::spec::{Signals, Spec};
use crate::status::{Status, writable};
use crate::step::Step;
use crate::sys::{self, Exit, RawInfo, SigSet};

/// What happens in a jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The command was executed.
    Started {
        /// PID 1 of the jail, in the caller's numbers.
        pid: i32,
        /// The command, in the jail's numbers.
        command: i32,
        /// Directories of the cgroup.
        cgroup: Vec<String>,
    },
    /// The command was stopped.
    Stopped {
        /// By which signal.
        signal: String,
    },
    /// The command goes on.
    Continued,
    /// The grace was over, and everything is being killed.
    GraceOver,
}

/// How long after a SIGCONT a stop may be older news: the signal goes by way of PID 1, and the news of
/// what it did comes by way of PID 1. One who stopped for what goes on again would never be continued.
const SETTLED: Duration = Duration::from_millis(50);

/// What the supervisor did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Supervision {
    /// The grace was over.
    pub(crate) killed: bool,
    /// The last signal that went in, as it came.
    pub(crate) last: Option<LastSignal>,
    pub(crate) forwarded: u64,
    pub(crate) without_value: u64,
}

/// Runs a command in a jail, and passes on to it every signal that the calling thread is sent.
///
/// # Errors
/// Whatever kept the command from running; nothing is left then.
pub fn run(
    spec: &Spec,
    blocked: &Blocked,
    wants_events: bool,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Report, Error> {
    supervise(spec, blocked, wants_events, &mut Listener::Caller(on_event))
}

/// The same with the events going to a descriptor, whose reader keeps nobody waiting. The last line is
/// the caller's to write.
///
/// # Errors
/// As [`run`].
pub fn run_with_status(
    spec: &Spec,
    blocked: &Blocked,
    status: &mut Status,
) -> Result<Report, Error> {
    supervise(spec, blocked, true, &mut Listener::Descriptor(status))
}

fn supervise(
    spec: &Spec,
    blocked: &Blocked,
    wants_events: bool,
    listener: &mut Listener,
) -> Result<Report, Error> {
    let jail = Jail::start(spec, blocked, wants_events)?;
    let mut supervisor = Supervisor {
        job: jail.prepared.job.as_ref(),
        jail: &jail,
        signals: &spec.signals,
        did: Supervision::default(),
        deadline: None,
        announced: false,
        stops: 0,
        stopped: None,
        to_stop: false,
        continued_at: None,
    };
    let ended = supervisor.until_the_end(listener);
    let did = supervisor.did;
    if let Some(job) = supervisor.job {
        job.ended(None);
    }
    let exit = ended?;
    jail.finish(&exit, &did)
}

struct Supervisor<'a> {
    jail: &'a Jail,
    signals: &'a Signals,
    did: Supervision,
    deadline: Option<Instant>,
    announced: bool,
    /// Changes of the command that were seen on the page.
    stops: u32,
    stopped: Option<i32>,
    /// A stop that was not yet answered.
    to_stop: bool,
    /// When SIGCONT was passed on last.
    continued_at: Option<Instant>,
    job: Option<&'a Job>,
}

impl Supervisor<'_> {
    fn until_the_end(&mut self, listener: &mut Listener) -> Result<Exit, Error> {
        let signals = sys::signal_fd(SigSet::ALL)
            .map_err(|errno| Error::call("signalfd4", "of the supervisor", errno))?;
        loop {
            let exec_line = self.jail.exec_line.as_ref().filter(|_| !self.announced);
            let of = |fd: Option<&OwnedFd>| libc::pollfd {
                // poll(2) leaves out a negative number.
                fd: fd.map_or(-1, AsRawFd::as_raw_fd),
                events: libc::POLLIN,
                revents: 0,
            };
            let (ended, bell) = (Some(&self.jail.pidfd), Some(&self.jail.bell));
            let room = writable(listener.waits_for());
            let mut fds = [of(Some(&signals)), of(ended), of(bell), of(exec_line), room];
            sys::poll(&mut fds, self.timeout_ms())
                .map_err(|errno| Error::call("poll", "of the supervisor", errno))?;
            if fds[0].revents != 0 {
                while let Ok(Some(info)) = sys::take_info(SigSet::ALL) {
                    listener.signalled(info.signo);
                    self.received(&info);
                }
            }
            if fds[4].revents != 0 {
                listener.write();
            }
            let on_event = &mut |event: &Event| listener.tell(event);
            if fds[2].revents != 0 {
                let _ = sys::read_once(self.jail.bell.as_raw_fd(), &mut [0; 8]);
                self.news(on_event);
            }
            if fds[3].revents != 0 {
                self.executed(on_event);
            }
            // Its end, of which the descriptor tells; of stops SIGCHLD did.
            if let Some(exit) = self.look(on_event)? {
                self.last_news(on_event);
                return Ok(exit);
            }
            self.stop_with_command();
            if self.deadline.is_some_and(|at| at <= Instant::now()) {
                self.deadline = None;
                self.did.killed = true;
                on_event(&Event::GraceOver);
                self.jail.kill();
            }
        }
    }

    /// −1 is for ever; a time that is begun is waited for.
    fn timeout_ms(&self) -> i32 {
        let settled = self.continued_at.filter(|_| self.to_stop);
        let settled = settled.map(|at| at + SETTLED);
        let Some(at) = [self.deadline, settled].into_iter().flatten().min() else {
            return -1;
        };
        let left = at.saturating_duration_since(Instant::now());
        i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    }

    fn received(&mut self, info: &RawInfo) {
        if info.signo == libc::SIGCHLD {
            return;
        }
        if matches!(info.signo, libc::SIGTERM | libc::SIGINT | libc::SIGHUP)
            && self.deadline.is_none()
            && !self.did.killed
        {
            // One beyond what the clock can say is never.
            let grace = self.signals.grace;
            self.deadline = grace.and_then(|grace| Instant::now().checked_add(grace));
        }
        if let (libc::SIGCONT, Some(job)) = (info.signo, self.job) {
            self.continued_at = Some(Instant::now());
            job.continued(|| self.command_group());
        }
        let signo = if info.signo == libc::SIGTERM {
            self.signals.stop.number()
        } else {
            info.signo
        };
        self.pass_on(info, signo);
    }

    fn pass_on(&mut self, received: &RawInfo, signo: i32) {
        let info = passed_on(received, signo);
        let sent = match self.send(signo, Some(&info)) {
            // The value is lost, the signal is not.
            Err(Errno::EAGAIN | Errno::EPERM | Errno::EINVAL) => {
                self.did.without_value += 1;
                self.send(signo, None)
            }
            other => other,
        };
        if sent.is_ok() {
            self.did.forwarded += 1;
            self.did.last = Some(LastSignal {
                signo,
                pid: info.pid,
                uid: info.uid,
            });
        }
    }

    /// To PID 1. What continues a command that is PID 1 and has a terminal continues its group, as the
    /// terminal's stops stop that; other PID 1s see to it themselves.
    fn send(&self, signo: i32, info: Option<&RawInfo>) -> Result<(), Errno> {
        let pidfd = self.jail.pidfd.as_raw_fd();
        if !(signo == libc::SIGCONT && self.jail.as_pid1 && self.job.is_some()) {
            return sys::pidfd_send(pidfd, signo, info);
        }
        // Before Linux 6.9 a descriptor names no group; the number is our child's, not reaped yet.
        let to_number = || sys::kill(-self.jail.pid, signo);
        info.map_or_else(to_number, |info| sys::pidfd_send_group(pidfd, signo, info))
    }

    /// The line to a command that is PID 1 itself has ended: by its exec, or with it.
    fn executed(&mut self, on_event: &mut dyn FnMut(&Event)) {
        /// Its number in the jail.
        const PID_1: i32 = 1;
        self.announced = true;
        let page = self.jail.page();
        if page.failure().is_none() && page.step() == Some(Step::Exec) {
            on_event(&Event::Started {
                pid: self.jail.pid,
                command: PID_1,
                cgroup: self.jail.cgroup_dirs(),
            });
        }
    }

    fn news(&mut self, on_event: &mut dyn FnMut(&Event)) {
        let page = self.jail.page();
        if let (false, Some(command), None) = (self.announced, page.command(), page.failure()) {
            self.announced = true;
            on_event(&Event::Started {
                pid: self.jail.pid,
                command,
                cgroup: self.jail.cgroup_dirs(),
            });
        }
        let (stops, stopped) = page.stopped();
        if stops != self.stops {
            self.stops = stops;
            self.set_stopped(stopped, on_event);
        }
    }

    /// Going on and ending are one change for whoever waits, if they come soon after each other; but
    /// what is stopped can end by SIGKILL alone.
    fn last_news(&mut self, on_event: &mut dyn FnMut(&Event)) {
        self.news(on_event);
        let ended = self.jail.page().ended().map(|e| e.raw_status);
        let killed =
            ended.is_none_or(|s| libc::WIFSIGNALED(s) && libc::WTERMSIG(s) == libc::SIGKILL);
        if !killed {
            self.set_stopped(None, on_event);
        }
    }

    fn set_stopped(&mut self, stopped: Option<i32>, on_event: &mut dyn FnMut(&Event)) {
        // Between two stops it went on, too soon to be seen.
        if self.stopped.is_some() {
            on_event(&Event::Continued);
        }
        self.stopped = stopped;
        let Some(signo) = stopped else {
            return;
        };
        let signal = Signal::new(signo).map_or_else(|| signo.to_string(), |s| s.to_string());
        on_event(&Event::Stopped { signal });
        self.to_stop = true;
    }

    /// Job control, once everything else has been seen to: what has ended is no job any more, and what
    /// goes on again has not stopped.
    fn stop_with_command(&mut self) {
        let (Some(job), Some(signo), true) = (self.job, self.stopped, self.to_stop) else {
            self.to_stop = false;
            return;
        };
        if self.continued_at.is_some_and(|at| at.elapsed() < SETTLED) {
            return;
        }
        self.to_stop = false;
        let page = self.jail.page();
        let goes_on = !self.jail.as_pid1 && page.stopped().1.is_none();
        if goes_on || page.ended().is_some() {
            return;
        }
        // By us, or by PID 1.
        let passed_on = [self.did.last, page.last_signal()];
        let asked = passed_on.iter().flatten().any(|last| last.signo == signo);
        if job.stopped(signo, asked, || self.command_group()) {
            let _ = self.send(libc::SIGCONT, None);
        }
    }

    /// The command's process group, in our numbers: it leads it.
    fn command_group(&self) -> Option<i32> {
        if self.jail.as_pid1 {
            return Some(self.jail.pid);
        }
        facts::child_of_pid1(self.jail.pid, self.jail.page().command()?)
    }

    /// Has PID 1 changed its state? Its end is returned.
    fn look(&mut self, on_event: &mut dyn FnMut(&Event)) -> Result<Option<Exit>, Error> {
        loop {
            let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
            let changed = sys::wait_pid(self.jail.pid, options)
                .map_err(|errno| Error::call("wait4", "the jail's first process", errno))?;
            let Some(exit) = changed else {
                return Ok(None);
            };
            if libc::WIFEXITED(exit.raw_status) || libc::WIFSIGNALED(exit.raw_status) {
                return Ok(Some(exit));
            }
            if self.jail.as_pid1 {
                let stopped =
                    libc::WIFSTOPPED(exit.raw_status).then(|| libc::WSTOPSIG(exit.raw_status));
                self.set_stopped(stopped, on_event);
            }
        }
    }
}
