//! One step: a process group of its own, its output told line by line, ended at its limit, and
//! whatever it left behind found and ended.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use guest::{Ended, Event, Outcome, Step, Verified};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::teller::Teller;

/// Where a step notes that it was skipped, and what it has verified.
const SKIP_LOG: &str = "/run/skipped";
const VERIFIED_LOG: &str = "/run/verified";

/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(50);

/// How long output may still come after the process has ended: a process that it left behind
/// can hold the pipe open for ever.
const TAIL: Duration = Duration::from_millis(500);

/// How long a killed process may take to die: its memory has to be given back, by a slow machine.
const DEATH: Duration = Duration::from_secs(15);

/// Runs a step and tells everything about it.
pub(crate) fn run(
    step: &Step,
    env: &[(String, String)],
    teller: &mut Teller,
) -> anyhow::Result<()> {
    while step.command.first().is_some_and(|c| c == guest::SILENCE) {
        std::thread::sleep(TAIL);
    }
    for log in [SKIP_LOG, VERIFIED_LOG] {
        fs::write(log, "").with_context(|| format!("create {log}"))?;
    }
    let since = Instant::now();
    let mut output = Vec::new();
    let status = match start(step, env) {
        Ok(mut child) => attend(&mut child, step, since, &mut output, teller)?,
        Err(error) => Some(Err(format!("{error:#}"))),
    };
    let took_ms = since.elapsed().as_millis() as u64;
    let skipped = fs::read_to_string(SKIP_LOG).with_context(|| format!("read {SKIP_LOG}"))?;
    let outcome = Outcome::of(step, status, &output, &skipped);
    if outcome == Outcome::Passed {
        let log =
            fs::read_to_string(VERIFIED_LOG).with_context(|| format!("read {VERIFIED_LOG}"))?;
        for verified in log.lines().filter_map(Verified::from_line) {
            teller.tell(&Event::Verified(verified))?;
        }
    }
    let left_behind = end_the_rest();
    teller.tell(&Event::End(Ended {
        outcome,
        took_ms,
        left_behind,
    }))
}

fn start(step: &Step, env: &[(String, String)]) -> anyhow::Result<Child> {
    let (program, args) = step
        .command
        .split_first()
        .context("the step has no command")?;
    Command::new(program)
        .args(args)
        .current_dir(&step.dir)
        .env_clear()
        .envs(env.iter().map(|(n, v)| (n, v)))
        .env("JAIL_TOOLS_SKIP_LOG", SKIP_LOG)
        .env("JAIL_TOOLS_VERIFIED_LOG", VERIFIED_LOG)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {program} in {}", step.dir))
}

/// Waits for the end or the limit; `None` is the limit.
fn attend(
    child: &mut Child,
    step: &Step,
    since: Instant,
    output: &mut Vec<String>,
    teller: &mut Teller,
) -> anyhow::Result<Option<Result<(), String>>> {
    let lines = read_both(child);
    let limit = Duration::from_secs(step.limit_s);
    let (mut closed, mut ended) = (false, None::<(Instant, ExitStatus)>);
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => {
                teller.tell(&Event::Output(line.clone()))?;
                output.push(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                closed = true;
                std::thread::sleep(LOOK);
            }
        }
        if ended.is_none() {
            let status = child.try_wait().context("waitpid of a step")?;
            ended = status.map(|s| (Instant::now(), s));
        }
        match ended {
            // Both pipes closed, or whoever still holds them is not the test.
            Some((at, status)) if closed || at.elapsed() > TAIL => return Ok(Some(judge(status))),
            None if since.elapsed() > limit => {
                for line in crate::post_mortem::of_all_threads() {
                    teller.tell(&Event::Output(line))?;
                }
                end(child)?;
                return Ok(None);
            }
            _ => {}
        }
    }
}

/// Ends a step that went on beyond its limit. One that can't even be killed sits in the kernel:
/// nothing that comes after it would mean anything.
fn end(child: &mut Child) -> anyhow::Result<()> {
    // The leader was not reaped yet, so that the group's number is still its own.
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    let since = Instant::now();
    while since.elapsed() < DEATH {
        if child
            .try_wait()
            .context("waitpid of a step that was ended")?
            .is_some()
        {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    anyhow::bail!(
        "a test was killed at its limit and did not die within {} s",
        DEATH.as_secs()
    )
}

fn judge(status: ExitStatus) -> Result<(), String> {
    match (status.success(), status.signal()) {
        (true, _) => Ok(()),
        (false, Some(signal)) => Err(Signal::try_from(signal).map_or_else(
            |_| format!("killed by signal {signal}"),
            |s| format!("killed by {s}"),
        )),
        (false, None) => Err(status.to_string()),
    }
}

fn read_both(child: &mut Child) -> Receiver<String> {
    let (send, lines) = channel();
    if let Some(out) = child.stdout.take() {
        forward(out, send.clone());
    }
    if let Some(err) = child.stderr.take() {
        forward(err, send);
    }
    lines
}

fn forward(from: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
            let line = String::from_utf8_lossy(&bytes)
                .trim_end_matches('\n')
                .to_owned();
            if to.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// Ends every process in user space but ourselves, and reaps what came to PID 1. Their names.
fn end_the_rest() -> Vec<String> {
    let mut left = Vec::new();
    for (pid, name) in processes() {
        let group = kill(Pid::from_raw(pid), Signal::SIGKILL);
        if group.is_ok() {
            left.push(format!("{name} ({pid})"));
        }
    }
    // Killed ones become ours, or their parents' that were killed too; then ours.
    let since = Instant::now();
    while since.elapsed() < TAIL {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(5)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    left
}

/// Live processes other than PID 1 that have a memory map of their own: neither kernel threads
/// nor zombies.
pub(crate) fn processes() -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid > 1)
        .filter_map(|pid| {
            let has_map = fs::read_to_string(format!("/proc/{pid}/statm"))
                .is_ok_and(|s| !s.starts_with("0 "));
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            has_map.then(|| (pid, name.trim().to_owned()))
        })
        .collect()
}
