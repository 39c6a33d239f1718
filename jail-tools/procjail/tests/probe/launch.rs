//! Starts a program in a defined state, and tells what becomes of it.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, execv, getpgrp, setpgid, setsid, tcgetpgrp, tcsetpgrp};

use crate::common::processes::{Process, children, first_process_below, status};
use crate::common::wire::{
    BACKGROUND, EarlyTerm, End, FOREGROUND, Job, Launch, Report, Signals, Since, Terminal,
};
use crate::{LIFETIME_S, door};

/// `launch SPEC -- PROGRAM …`.
pub(crate) fn launch(arguments: &[OsString]) -> Result<i32> {
    // Whatever a test's other threads had open just now: none of it is for the program.
    door::close(3, u32::MAX)?;
    // Its parent is the thread of a test that drops it: neither outlives the other.
    set_pdeathsig(Signal::SIGKILL)?;
    // What an init that is killed leaves is ours, so that we can wait for its end.
    set_child_subreaper(true)?;
    let spec = arguments.first().and_then(|a| a.to_str());
    let spec: Launch = serde_json::from_str(spec.context("no spec")?)?;
    let command = arguments.get(2..).unwrap_or_default();
    let mut reports = Reports::open(&spec.report)?;
    match start(&spec, command, &mut reports) {
        Ok(()) => Ok(0),
        Err(error) => {
            reports.tell(&Report::Failed {
                why: format!("{error:#}"),
            })?;
            Ok(1)
        }
    }
}

struct Reports(File);

impl Reports {
    fn open(path: &str) -> Result<Self> {
        let file = File::options().write(true).open(path);
        Ok(Self(file.with_context(|| format!("open {path}"))?))
    }

    fn tell(&mut self, report: &Report) -> Result<()> {
        let line = serde_json::to_string(report)? + "\n";
        self.0.write_all(line.as_bytes()).context("write a report")
    }
}

fn start(spec: &Launch, command: &[OsString], reports: &mut Reports) -> Result<()> {
    if spec.terminal == Terminal::Script {
        lead_session()?;
    }
    // What a terminal sends to its foreground group ends the program, not who tells of it. The
    // child has it blocked too until it has its final mask.
    door::set_blocked(Signals(u64::MAX))?;
    if spec.first_process {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare of PIDs")?;
    }
    let Some(pid) = door::fork()? else {
        let error = become_program(spec, command);
        reports.tell(&Report::Failed {
            why: format!("{:#}", error.context("exec")),
        })?;
        door::leave(125);
    };
    let forked = Instant::now();
    // Before anything is told: whoever hears it may take the CPU.
    let termed = match &spec.term {
        Some(term) => term_early(term, pid, forked)?,
        None => None,
    };
    reports.tell(&Report::Started { pid })?;
    if let Some(pid) = termed {
        reports.tell(&Report::Term { pid })?;
    }
    let end = wait_as_shell(pid)?;
    reports.tell(&Report::Ended {
        end,
        foreground: tcgetpgrp(std::io::stdin()).ok().map(Pid::as_raw),
        own_group: getpgrp().as_raw(),
    })?;
    stay()
}

/// Waits for the program's end, and does meanwhile with the terminal what it is told.
fn wait_as_shell(program: i32) -> Result<End> {
    let told = [FOREGROUND, BACKGROUND, libc::SIGCHLD];
    loop {
        if let Some(end) = door::end_without_reaping(program)? {
            return Ok(end);
        }
        let group = match door::wait_for_signal(Signals::of(&told), LIFETIME_S)? {
            Some(FOREGROUND) => Pid::from_raw(program),
            Some(BACKGROUND) => getpgrp(),
            _ => continue,
        };
        tcsetpgrp(std::io::stdin(), group).context("tcsetpgrp")?;
    }
}

/// Until the test sends TERM: it still knows the program by its number. Nobody waits for more on
/// our side of the pipes. Whatever was left to us is reaped before we end.
fn stay() -> Result<()> {
    door::close(0, 2)?;
    door::wait_for_signal(Signals::of(&[libc::SIGTERM]), LIFETIME_S)?;
    while door::reap_any().is_ok() {}
    Ok(())
}

/// Sends a TERM, unless the program ends before there is somebody to send it to. Returns to whom.
fn term_early(term: &EarlyTerm, program: i32, forked: Instant) -> Result<Option<i32>> {
    let (target, since) = match term.since {
        Since::Fork => (Some(program), forked),
        Since::TermIsItsOwn => (wait_for_its_own_term(program), Instant::now()),
        Since::FirstProcess => (first_process_of(program), Instant::now()),
    };
    // Spun: a sleep is longer than asked for.
    let delay = Duration::from_micros(term.after_us);
    while since.elapsed() < delay {
        std::hint::spin_loop();
    }
    if let Some(pid) = target {
        // The program is a child that nobody has waited for. What it has made was there an instant
        // ago, and numbers do not come round so soon.
        door::kill(pid, libc::SIGTERM).context("TERM")?;
    }
    Ok(target)
}

fn is_running(program: i32) -> bool {
    Process::of(program).is_some_and(|p| p.state != 'Z')
}

/// Waits until the program has blocked TERM, or has a handler; or has made a process, as it may be
/// in `sigtimedwait` by then, which hides what is blocked.
fn wait_for_its_own_term(program: i32) -> Option<i32> {
    let own_name = status(std::process::id().cast_signed(), "Name");
    let has = |set: &str| {
        let set = status(program, set)?;
        let set = u64::from_str_radix(&set, 16).ok()?;
        Some(set & Signals::of(&[libc::SIGTERM]).0 != 0)
    };
    while is_running(program) {
        // Before it is executed it has our name, and what it blocks is not its own doing.
        let is_executed = status(program, "Name") != own_name;
        if !is_executed {
            continue;
        }
        let is_set = has("SigBlk") == Some(true) || has("SigCgt") == Some(true);
        if is_set || !children(program).is_empty() {
            return Some(program);
        }
    }
    None
}

/// Looks for it until it is there, or the program has ended.
fn first_process_of(program: i32) -> Option<i32> {
    loop {
        let found = first_process_below(program);
        if found.is_some() || !is_running(program) {
            return found;
        }
    }
}

fn lead_session() -> Result<()> {
    setsid().context("setsid")?;
    door::take_terminal().context("TIOCSCTTY")
}

/// Returns why not.
fn become_program(spec: &Launch, command: &[OsString]) -> anyhow::Error {
    match prepare(spec, command) {
        Ok((program, arguments)) => match execv(&program, &arguments) {
            Err(errno) => errno.into(),
            Ok(never) => match never {},
        },
        Err(error) => error,
    }
}

fn prepare(spec: &Launch, command: &[OsString]) -> Result<(CString, Vec<CString>)> {
    let arguments: Vec<CString> = command
        .iter()
        .map(|a| CString::new(a.as_bytes()))
        .collect::<Result<_, _>>()?;
    let program = arguments.first().context("no program")?.clone();
    set_pdeathsig(Signal::SIGKILL)?;
    if spec.terminal == Terminal::Program {
        lead_session()?;
    }
    if spec.job != Job::None {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).context("setpgid")?;
    }
    if spec.job == Job::Foreground {
        tcsetpgrp(std::io::stdin(), getpgrp()).context("tcsetpgrp")?;
    }
    if spec.reads_nothing {
        let nothing = File::open("/dev/null").context("/dev/null")?;
        nix::unistd::dup2_stdin(nothing).context("dup2")?;
    }
    if spec.own_proc {
        mount_proc()?;
    }
    // No file of a program that dies as it should.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    for signal in 1..=64 {
        let ignored = spec.ignored.0 & Signals::of(&[signal]).0 != 0;
        match door::set_ignored(signal, ignored) {
            Err(e) if e.raw_os_error() == Some(Errno::EINVAL as i32) => {}
            other => other?,
        }
    }
    door::set_blocked(spec.blocked)?;
    Ok((program, arguments))
}

/// Over the old one, in a mount namespace of its own.
fn mount_proc() -> Result<()> {
    let none = None::<&Path>;
    unshare(CloneFlags::CLONE_NEWNS).context("unshare of mounts")?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("private mounts")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).context("mount of /proc")
}
