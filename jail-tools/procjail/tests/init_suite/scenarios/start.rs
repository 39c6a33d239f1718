//! What the command finds when it is started.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::common::processes::status;
use crate::common::wire::{End, Signals, hexadecimal};
use crate::running::Running;
use crate::setup::{PROBE, Setup};
use crate::subject::{Subject, Wish};
use crate::verdict::{Verdict, Why, equal};

/// Nothing blocked, and nothing ignored.
pub(crate) fn plain_signals(subject: &Subject) -> Verdict {
    given_back(subject, Signals::default(), Signals::default())
}

/// As a shell or a supervisor may have left them to us.
pub(crate) fn odd_signals(subject: &Subject) -> Verdict {
    let blocked = Signals::of(&[libc::SIGUSR1]);
    let ignored = Signals::of(&[libc::SIGPIPE, libc::SIGHUP]);
    given_back(subject, blocked, ignored)?;
    // Those that an init is likely to use itself.
    let blocked = Signals::of(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGRTMAX()]);
    let ignored = Signals::of(&[libc::SIGTTOU, libc::SIGTTIN, libc::SIGINT]);
    given_back(subject, blocked, ignored)
}

/// All that can be, the two that the C library keeps to itself among them.
pub(crate) fn everything_off(subject: &Subject) -> Verdict {
    let never = Signals::of(&[libc::SIGKILL, libc::SIGSTOP]).0;
    given_back(subject, Signals(!never), Signals(!never))
}

/// A command that is started with the init's own mask and dispositions finds them.
fn given_back(subject: &Subject, blocked: Signals, ignored: Signals) -> Verdict {
    let setup = Setup {
        blocked,
        ignored,
        ..Setup::probe(&["report"])
    };
    let mut running = Running::start(subject, &setup)?;
    let state = running.state()?;
    equal("blocked", &state.blocked, &blocked)?;
    equal("ignored", &state.ignored, &ignored)?;
    equal("pending", &state.pending, &Signals::default())
}

pub(crate) fn descriptors(subject: &Subject) -> Verdict {
    let mut running = Running::start(subject, &Setup::probe(&["report"]))?;
    equal("open", &running.state()?.open, &vec![0, 1, 2])
}

/// Words that are empty, look like options, or are no text.
pub(crate) fn arguments(subject: &Subject) -> Verdict {
    let words: [&[u8]; 8] = [b"", b"a b", b"\xff\xfe", b"--", b"-x", b"-g", b"", b"\n"];
    let mut setup = Setup::probe(&["report"]);
    setup
        .command
        .extend(words.iter().map(|w| OsStr::from_bytes(w).to_owned()));
    let mut running = Running::start(subject, &setup)?;
    let mut expected = vec![hexadecimal(PROBE.as_bytes()), hexadecimal(b"report")];
    expected.extend(words.iter().map(|w| hexadecimal(w)));
    equal("the arguments", &running.state()?.arguments, &expected)
}

pub(crate) fn surroundings(subject: &Subject) -> Verdict {
    if subject.makes_its_jail() {
        return Err(Why::not_applicable("a jail has its own environment"));
    }
    let variables: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
        ("EMPTY".into(), OsString::new()),
        ("NO_TEXT".into(), OsStr::from_bytes(b"\xff=\n").to_owned()),
        ("LD_LIBRARY_PATH".into(), "/nowhere".into()),
    ];
    let setup = Setup {
        environment: Some(variables.clone()),
        ..Setup::probe(&["report"])
    };
    let mut running = Running::start(subject, &setup)?;
    let mut found = running.state()?;
    let mut expected: Vec<String> = variables
        .iter()
        .map(|(name, value)| hexadecimal(&[name.as_bytes(), value.as_bytes()].join(&b'=')))
        .collect();
    found.environment.sort();
    expected.sort();
    equal("the environment", &found.environment, &expected)?;
    let folder = running.folder().display().to_string();
    equal("the directory", &found.directory, &folder)?;
    equal("the umask", &found.umask, &own_umask())
}

/// A name is looked for in PATH, and stays what the command is told to be called.
pub(crate) fn found_in_path(subject: &Subject) -> Verdict {
    if subject.makes_its_jail() {
        return Err(Why::not_applicable("a jail has its own environment"));
    }
    let Some((folder, name)) = PROBE.rsplit_once('/') else {
        return Err(Why::not_applicable("the probe has no folder"));
    };
    let path = format!("/nowhere:/etc/passwd:{folder}:/usr/bin");
    let setup = Setup {
        command: vec![name.into(), "report".into()],
        environment: Some(vec![("PATH".into(), path.into())]),
        ..Setup::default()
    };
    let mut running = Running::start(subject, &setup)?;
    let found = running.state()?.arguments;
    equal(
        "its name",
        &found.first(),
        &Some(&hexadecimal(name.as_bytes())),
    )
}

/// From /proc: to ask the kernel would change it for the tests beside this one.
fn own_umask() -> u32 {
    let digits = status(std::process::id().cast_signed(), "Umask");
    digits
        .and_then(|d| u32::from_str_radix(&d, 8).ok())
        .unwrap_or_default()
}

/// A signal to the command's group is not one to the init.
pub(crate) fn own_group(subject: &Subject) -> Verdict {
    let (_running, state) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    equal("its group", &state.group, &state.pid)
}

pub(crate) fn own_session(subject: &Subject) -> Verdict {
    let setup = Setup::probe(&["serve"]).wishing(Wish::Session);
    let (mut running, state) = Running::ready(subject, &setup)?;
    equal("its session", &state.session, &state.pid)?;
    // Signals still arrive, and so does the end.
    running.send(libc::SIGUSR1)?;
    equal("USR1", &running.signal()?.signal, &libc::SIGUSR1)?;
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}
