//! What each verb does, and its exit code.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;

use procjail::{Blocked, Error, Event, Found, InitOptions, Report, Spec};

use crate::args::{self, Output, Verb};

/// Our own errors.
const FAILED: i32 = 125;

/// Runs what the words say.
pub(crate) fn run(words: impl Iterator<Item = std::ffi::OsString>, blocked: &Blocked) -> i32 {
    match args::parse(words) {
        Ok(Verb::Run(spec, output)) => jail(&spec, &output, blocked),
        Ok(Verb::Init(options, remapped)) => init(&options, &remapped, blocked),
        Ok(Verb::Gc { dry_run, json }) => gc(dry_run, json),
        Ok(Verb::Help(text)) => {
            say_out(text.trim_end());
            0
        }
        Err(why) => {
            say(&format!("procjail: {}", why.trim_end()));
            FAILED
        }
    }
}

/// Says why, and returns the exit code that says it too.
pub(crate) fn failed(error: &Error) -> i32 {
    say(&format!("procjail: {error}"));
    error.exit_code()
}

fn jail(spec: &Spec, output: &Output, blocked: &Blocked) -> i32 {
    // Before we open anything: what is not the caller's must not be passed in.
    if let Some(fd) = spec.pass_fds.iter().find(|fd| !is_open(**fd)) {
        say(&format!(
            "procjail: descriptor {fd} of --pass-fd is not open"
        ));
        return FAILED;
    }
    let mut status = match output.status_fd.map(StatusFd::open).transpose() {
        Ok(status) => status,
        Err(why) => {
            say(&format!("procjail: {why}"));
            return FAILED;
        }
    };
    let wants_events = status.is_some();
    let mut tell = |event: &Event| {
        if let Some(status) = &mut status {
            status.line(event);
        }
    };
    let result = procjail::run(spec, blocked, wants_events, &mut tell);
    match result {
        Ok(report) => {
            if let Some(status) = &mut status {
                status.line(&Exited {
                    event: "exited",
                    report: &report,
                });
            }
            if output.json {
                say(&serde_json::to_string(&report).unwrap_or_default());
            }
            report.exit_code
        }
        Err(error) => {
            if let Some(status) = &mut status {
                status.line(&Failed {
                    event: "failed",
                    error: error.to_string(),
                    exit_code: error.exit_code(),
                });
            }
            failed(&error)
        }
    }
}

fn init(options: &InitOptions, remapped: &[i32], blocked: &Blocked) -> i32 {
    match procjail::init(options, blocked) {
        Ok(code) if remapped.contains(&code) => 0,
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn gc(dry_run: bool, json: bool) -> i32 {
    match procjail::collect(dry_run) {
        Ok(found) => {
            let stuck = found.iter().any(Found::is_stuck);
            for one in found {
                let line = if json {
                    serde_json::to_string(&one).unwrap_or_default()
                } else {
                    format!("{}: {} ({})", one.fate, one.path.display(), one.why)
                };
                say_out(&line);
            }
            if stuck { FAILED } else { 0 }
        }
        Err(error) => failed(&error),
    }
}

#[derive(serde::Serialize)]
struct Exited<'a> {
    event: &'static str,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(serde::Serialize)]
struct Failed {
    event: &'static str,
    error: String,
    exit_code: i32,
}

/// The descriptor that events go to.
struct StatusFd(File);

impl StatusFd {
    fn open(fd: i32) -> Result<Self, String> {
        // SAFETY: a copy of the caller's descriptor is made by the kernel, and it is ours alone; if
        // there is none the call says so. Close-on-exec: the jail does not get it.
        let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            let error = std::io::Error::last_os_error();
            return Err(format!(
                "--status-fd {fd}: {error}: open it, as in `3>status.json`"
            ));
        }
        // SAFETY: as above.
        Ok(Self(unsafe { File::from_raw_fd(copy) }))
    }

    fn line(&mut self, event: &impl serde::Serialize) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // A reader that is gone does not end the command.
            let _ = self.0.write_all(&line);
        }
    }
}

fn is_open(fd: i32) -> bool {
    // SAFETY: only asks for flags of a descriptor.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// A line on standard error; nobody is there to hear of a failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn say_out(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
