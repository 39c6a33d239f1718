//! One guest from power-on to its end: events are read as they come, and a guest that says
//! nothing for too long, panics or dies is told apart from one whose tests fail.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guest::{Ended, Event, Step, Up, Verified};

use crate::vm::machine::Machine;

/// From power-on until PID 1 has its root. Emulation takes about ten seconds; a busy machine
/// several times that.
const BOOT_LIMIT: Duration = Duration::from_mins(3);

/// The same for a processor that virtualizes: "a few seconds", or it is not used. A nested one
/// can hang for ever.
const PROOF_LIMIT: Duration = Duration::from_secs(6);

/// What the guest may take beyond a step's own limit, which it keeps itself, before the host
/// calls it hung: more than PID 1 allows a killed test (15 s) and what it left behind (15 s) to
/// die.
const GRACE: Duration = Duration::from_secs(45);

/// What a silent guest's kernel may take to panic when it is told to.
const SHAKE_LIMIT: Duration = Duration::from_secs(10);

/// From the last event until the power is off: longer than the kernel takes to call a lock-up
/// one (twice `watchdog_thresh`, 20 s; Documentation/admin-guide/lockup-watchdogs.rst).
const OFF_LIMIT: Duration = Duration::from_secs(40);

/// Last lines of the console that are shown.
const CONSOLE_LINES: usize = 30;

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// All steps were done.
    Done,
    /// PID 1 could not do its work.
    Broken(String),
    /// The kernel panicked: from the first line of its trouble to the last.
    Panicked { trace: Vec<String> },
    /// Nothing came for this long.
    Hung {
        after: Duration,
        console: Vec<String>,
    },
    /// The machine ended by itself.
    Died {
        status: String,
        console: Vec<String>,
    },
}

/// What a guest did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) up: Option<Up>,
    /// By the step's number.
    pub(crate) ended: BTreeMap<usize, Ended>,
    pub(crate) verified: Vec<Verified>,
    pub(crate) end: End,
    /// Lines of the console that the kernel meant as a warning.
    pub(crate) kernel_warnings: Vec<String>,
}

/// Runs the plan's steps in a guest. `told` hears each event as it comes.
pub(crate) fn run(
    machine: &Machine,
    steps: &[Step],
    console: &Path,
    told: &mut dyn FnMut(&Event),
) -> Result<Ran> {
    let mut power = Power::on(machine, console)?;
    let mut ran = Ran {
        up: None,
        ended: BTreeMap::new(),
        verified: Vec::new(),
        end: End::Done,
        kernel_warnings: Vec::new(),
    };
    let mut silence = BOOT_LIMIT;
    let mut since = Instant::now();
    let end = loop {
        let left = silence.saturating_sub(since.elapsed());
        match power.events.recv_timeout(left) {
            Ok(event) => {
                told(&event);
                match event {
                    Event::Up(up) => ran.up = Some(up),
                    Event::Begin(number) => {
                        let limit_s = steps.get(number).map_or(0, |s| s.limit_s);
                        silence = Duration::from_secs(limit_s) + GRACE;
                        since = Instant::now();
                    }
                    Event::End(ended) => {
                        ran.ended.insert(ended.step, ended);
                        // The next step begins, or the power goes.
                        (silence, since) = (GRACE, Instant::now());
                    }
                    Event::Verified(verified) => ran.verified.push(verified),
                    Event::Output(_) => {}
                    Event::Done => break End::Done,
                    Event::Broken(why) => break End::Broken(why),
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                break End::Hung {
                    after: since.elapsed(),
                    console: shaken(machine, &mut power)?,
                };
            }
            Err(RecvTimeoutError::Disconnected) => break died(&mut power)?,
        }
    };
    let end = match end {
        End::Done if !power.ends_within(OFF_LIMIT)? => End::Hung {
            after: OFF_LIMIT,
            console: shaken(machine, &mut power)?,
        },
        end => end,
    };
    power.off()?;
    let console = power.console();
    ran.kernel_warnings = warnings(&console);
    ran.end = match (end, panic_trace(&console)) {
        // That panic was asked for.
        (end @ End::Hung { .. }, _) | (end, None) => end,
        (_, Some(trace)) => End::Panicked { trace },
    };
    Ok(ran)
}

/// The last lines of the console after the guest was made to say where it is.
fn shaken(machine: &Machine, power: &mut Power) -> Result<Vec<String>> {
    let mut lines = last_lines(&power.console(), CONSOLE_LINES);
    let before = power.console().len();
    match machine.shake() {
        Ok(()) => {
            power.ends_within(SHAKE_LIMIT)?;
            lines.push("(asked where it is, by a non-maskable interrupt:)".into());
            let said = power.console();
            lines.extend(
                said.get(before..)
                    .unwrap_or_default()
                    .lines()
                    .map(str::to_owned),
            );
        }
        Err(error) => lines.push(format!("(it could not be asked where it is: {error})")),
    }
    Ok(lines)
}

fn died(power: &mut Power) -> Result<End> {
    let status = power.child.wait().context("wait for the guest")?;
    Ok(End::Died {
        status: status.to_string(),
        console: last_lines(&power.console(), CONSOLE_LINES),
    })
}

/// Does this machine virtualize? Only a guest that really comes up proves it.
pub(crate) fn proven(machine: &Machine, console: &Path) -> Result<bool> {
    let mut power = Power::on(machine, console)?;
    let since = Instant::now();
    let up = loop {
        match power
            .events
            .recv_timeout(PROOF_LIMIT.saturating_sub(since.elapsed()))
        {
            Ok(Event::Up(_)) => break true,
            Ok(_) => {}
            Err(_) => break false,
        }
    };
    power.off()?;
    Ok(up)
}

/// A machine that is on. Dropping it switches it off.
struct Power {
    child: Child,
    events: Receiver<Event>,
    console: PathBuf,
}

impl Power {
    fn on(machine: &Machine, console: &Path) -> Result<Self> {
        std::fs::write(console, "").with_context(|| format!("create {}", console.display()))?;
        let (mut child, stdout) = machine.tested(console).spawn_reading()?;
        let (send, events) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut bytes = Vec::new();
            let mut up = false;
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
                let line = String::from_utf8_lossy(&bytes).into_owned();
                bytes.clear();
                let event = match guest::parse(&line) {
                    Some(event) => event,
                    // The firmware prints on every port before there is a kernel.
                    None if !up => continue,
                    None => Event::Broken(format!("this is no event: {}", line.trim())),
                };
                up = true;
                if send.send(event).is_err() {
                    return;
                }
            }
        });
        // Fails at once where the image or the accelerator cannot be used.
        let _ = child.try_wait();
        Ok(Self {
            child,
            events,
            console: console.to_owned(),
        })
    }

    fn console(&self) -> String {
        std::fs::read(&self.console)
            .map(|b| String::from_utf8_lossy(&b).replace('\r', ""))
            .unwrap_or_default()
    }

    /// Does it end by itself?
    fn ends_within(&mut self, limit: Duration) -> Result<bool> {
        let since = Instant::now();
        while self
            .child
            .try_wait()
            .context("wait for the guest")?
            .is_none()
        {
            if since.elapsed() > limit {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    fn off(&mut self) -> Result<()> {
        // Through its handle: not reaped, so that the number is its own. Ended already is fine.
        let _ = self.child.kill();
        self.child.wait().context("wait for the guest")?;
        Ok(())
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        let _ = self.off();
    }
}

fn last_lines(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|l| (*l).to_owned())
        .collect()
}

/// What the kernel begins its last words with.
const PANIC: &str = "Kernel panic - not syncing";

/// How the trouble before a panic begins.
const TROUBLE: [&str; 5] = [
    "BUG:",
    "Oops:",
    "general protection fault",
    "kernel BUG at",
    "sysrq: Trigger a crash",
];

/// From the first sign of trouble to the end of the console, if the kernel panicked.
fn panic_trace(console: &str) -> Option<Vec<String>> {
    let lines: Vec<&str> = console.lines().collect();
    let panic = lines.iter().position(|l| l.contains(PANIC))?;
    let first = lines
        .iter()
        .position(|l| TROUBLE.iter().any(|t| l.contains(t)));
    let from = first.filter(|f| *f < panic).unwrap_or(panic);
    Some(
        lines[from..]
            .iter()
            .map(|l| (*l).to_owned())
            .filter(|l| !l.trim().is_empty())
            .collect(),
    )
}

/// Lines in which the kernel itself says that something is wrong with it.
fn warnings(console: &str) -> Vec<String> {
    let signs = [
        "WARNING:",
        "BUG:",
        "INFO: task ",
        "rcu: INFO:",
        "soft lockup",
    ];
    console
        .lines()
        .filter(|l| signs.iter().any(|s| l.contains(s)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONSOLE: &str = "[ 1.0] quiet\n[ 2.0] sysrq: Trigger a crash\n[ 2.1] Kernel panic - not syncing: sysrq\n\
        [ 2.2] Call Trace:\n[ 2.3]  panic+0x1\n";

    #[test]
    fn a_panic_is_shown_from_its_cause_to_its_end() {
        let trace = panic_trace(CONSOLE).expect("it panicked");
        assert_eq!(trace.len(), 4);
        assert!(trace[0].contains("sysrq"));
        assert_eq!(panic_trace("[ 1.0] all is well\n"), None);
    }

    #[test]
    fn the_kernels_own_warnings_are_found() {
        assert_eq!(
            warnings("a\n[ 3.1] WARNING: CPU: 1 at kernel/x.c\nb\n").len(),
            1
        );
        assert!(warnings(CONSOLE).is_empty());
    }

    proptest! {
        #[test]
        fn no_console_makes_it_panic(text in ".*", count in 0_usize..5) {
            prop_assert!(last_lines(&text, count).len() <= count);
            let _ = (panic_trace(&text), warnings(&text));
        }
    }
}
