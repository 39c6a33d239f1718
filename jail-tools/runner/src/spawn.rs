//! The parent's side of one trial: spawn, wait, collect.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::personality::{self, Persona};
use record::TrialStatus;

use crate::wire::{ChildReport, ChildSpec};

/// Between two looks at the stop flag, ms.
const LOOK_MS: u16 = 50;

/// The end of a crashed child's standard error that is kept, bytes.
const STDERR_KEPT: usize = 4096;

/// How a child ended.
#[derive(Debug)]
pub enum Ended {
    /// With a report.
    Reported(Box<ChildReport>),
    /// Without one.
    Lost(TrialStatus),
    /// It was ended because the run is being stopped.
    Stopped,
}

/// Runs one trial in a fresh process of this binary. Call it from the main thread: the child asks
/// to be killed when the *thread* that made it ends.
///
/// # Errors
/// The process cannot be made at all.
pub fn run(spec: &ChildSpec, limit: Duration, stop: &AtomicBool) -> io::Result<Ended> {
    let mut child = start(spec)?;
    let mut stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let tail = std::thread::spawn(move || stderr.map_or_else(String::new, tail_of));
    let sent = serde_json::to_vec(spec)
        .map_err(io::Error::other)
        .and_then(|json| stdin.as_mut().map_or(Ok(()), |to| to.write_all(&json)));
    drop(stdin);
    let collected = collect(&mut child, limit, stop);
    if !matches!(collected, Collected::All(_)) {
        // By its handle: the pid cannot be another process's before it is reaped.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let stderr = tail.join().unwrap_or_default();
    Ok(match collected {
        Collected::Stopped => Ended::Stopped,
        Collected::TimedOut => Ended::Lost(TrialStatus::TimedOut {
            after_ms: limit.as_millis() as u64,
        }),
        Collected::All(bytes) => match (
            status.success(),
            postcard::from_bytes::<Result<ChildReport, String>>(&bytes),
        ) {
            (true, Ok(Ok(report))) => Ended::Reported(Box::new(report)),
            (true, Ok(Err(error))) => Ended::Lost(TrialStatus::Failed { error }),
            (_, _) => {
                let sent = sent
                    .err()
                    .map(|e| format!(" (its specification could not be sent: {e})"));
                let how = format!("{}{}", describe(status), sent.unwrap_or_default());
                Ended::Lost(TrialStatus::Crashed { how, stderr })
            }
        },
    })
}

fn start(spec: &ChildSpec) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("trial")
        // A process group of its own: ^C at the terminal reaches the parent, which decides.
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env(
            "JAIL_TOOLS_PADDING",
            "x".repeat(spec.conditions.env_bytes as usize),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    if spec.conditions.aslr {
        return command.spawn();
    }
    // personality(2) is inherited across fork and exec and belongs to the thread: set for the
    // moment of the spawn, and put back.
    let before = personality::get()?;
    personality::set(before | Persona::ADDR_NO_RANDOMIZE)?;
    let child = command.spawn();
    personality::set(before)?;
    child
}

enum Collected {
    All(Vec<u8>),
    TimedOut,
    Stopped,
}

fn collect(child: &mut Child, limit: Duration, stop: &AtomicBool) -> Collected {
    let mut bytes = Vec::new();
    let Some(stdout) = child.stdout.as_mut() else {
        return Collected::All(bytes);
    };
    let since = Instant::now();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        if stop.load(Ordering::Acquire) {
            return Collected::Stopped;
        }
        if since.elapsed() > limit {
            return Collected::TimedOut;
        }
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        // EINTR and a time-out alike: look again.
        if poll(&mut fds, PollTimeout::from(LOOK_MS)).unwrap_or(0) == 0 {
            continue;
        }
        match stdout.read(&mut buffer) {
            Ok(0) => return Collected::All(bytes),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Collected::All(bytes),
        }
    }
}

fn tail_of(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    let start = bytes.len().saturating_sub(STDERR_KEPT);
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code} without a report"),
        (None, Some(signal)) => match nix::sys::signal::Signal::try_from(signal) {
            Ok(signal) => format!("killed by {signal}"),
            Err(_) => format!("killed by signal {signal}"),
        },
        (None, None) => "ended in an unknown way".into(),
    }
}
