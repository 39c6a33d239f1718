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

/// How long a process that a step has started may outlive it: long enough to see that its parent
/// is gone.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs a step and tells everything about it.
pub(crate) fn run(
    number: usize,
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
    let left_behind = end_the_rest()?;
    teller.tell(&Event::End(Ended {
        step: number,
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
        // Nothing is waiting to be told.
        let mut quiet = false;
        match lines.recv_timeout(LOOK) {
            Ok(line) => pass_on(line, output, teller)?,
            Err(RecvTimeoutError::Timeout) => quiet = true,
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
            // Both pipes closed; or all is told, and whoever still holds them is not the test; or
            // that one prints for ever.
            Some((at, status))
                if closed || (quiet && at.elapsed() > TAIL) || since.elapsed() > limit + DEATH =>
            {
                return Ok(Some(judge(status)));
            }
            None if since.elapsed() > limit => {
                for line in crate::post_mortem::of_all_threads() {
                    teller.tell(&Event::Output(line))?;
                }
                end(child)?;
                let rest: Vec<String> = lines.try_iter().collect();
                rest.into_iter()
                    .try_for_each(|line| pass_on(line, output, teller))?;
                return Ok(None);
            }
            _ => {}
        }
    }
}

fn pass_on(line: String, output: &mut Vec<String>, teller: &mut Teller) -> anyhow::Result<()> {
    teller.tell(&Event::Output(line.clone()))?;
    output.push(line);
    Ok(())
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

/// Lets what is about to end do so, then ends every other process in user space but ourselves,
/// until none is left: the next step begins on a machine of its own. Names of those that had to
/// be ended.
fn end_the_rest() -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    let since = Instant::now();
    loop {
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(s) if s != WaitStatus::StillAlive)
        {
        }
        let alive = processes();
        if alive.is_empty() {
            return Ok(left);
        }
        if since.elapsed() > DEATH {
            let names = left.join(", ");
            anyhow::bail!(
                "killed, and still there after {} s: {names}",
                DEATH.as_secs()
            );
        }
        for (pid, name) in alive.iter().filter(|_| since.elapsed() > SETTLE) {
            // It may just have ended by itself.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            let named = format!("{name} ({pid})");
            if !left.contains(&named) {
                left.push(named);
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
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
