//! What each verb does, and its exit code.

use std::io::Write;

use procjail::{Blocked, Error, Found, InitOptions, Report, Spec, Status};

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
    let mut status = match output.status_fd.map(Status::open).transpose() {
        Ok(status) => status,
        Err(error) => return failed(&error),
    };
    let result = match &mut status {
        Some(status) => procjail::run_with_status(spec, blocked, status),
        None => procjail::run(spec, blocked, false, &mut |_event| {}),
    };
    match result {
        Ok(report) => {
            if let Some(left) = &report.not_removed {
                say(&format!(
                    "procjail: warning: {left} (procjail gc tries again)"
                ));
            }
            if output.json {
                say(&serde_json::to_string(&report).unwrap_or_default());
            }
            if let Some(status) = status {
                let events_lost = status.lost();
                status.last(&Exited {
                    event: "exited",
                    events_lost,
                    report: &report,
                });
            }
            report.exit_code
        }
        Err(error) => {
            let code = failed(&error);
            if let Some(status) = status {
                status.last(&Failed {
                    event: "failed",
                    error: error.to_string(),
                    exit_code: code,
                });
            }
            code
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
    /// Events that nobody read in time.
    events_lost: u64,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(serde::Serialize)]
struct Failed {
    event: &'static str,
    error: String,
    exit_code: i32,
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
