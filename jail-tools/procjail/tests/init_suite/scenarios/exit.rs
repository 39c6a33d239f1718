//! What the init ends with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::wire::{End, Event, Signals};
use crate::running::Running;
use crate::setup::Setup;
use crate::subject::{Place, Subject, Wish};
use crate::verdict::{Verdict, equal};

/// How the init ends around this command.
fn end_of(subject: &Subject, setup: &Setup) -> Result<End, crate::verdict::Why> {
    let mut running = Running::start(subject, setup)?;
    Ok(running.ended()?.end)
}

pub(crate) fn codes(subject: &Subject) -> Verdict {
    for code in [0, 1, 42, 255] {
        let end = end_of(subject, &Setup::probe(&["exit", &code.to_string()]))?;
        equal("its end", &end, &End::Exited(code))?;
    }
    Ok(())
}

pub(crate) fn deaths(subject: &Subject) -> Verdict {
    let signals = [
        libc::SIGTERM,
        libc::SIGKILL,
        libc::SIGSEGV,
        libc::SIGRTMIN() + 3,
    ];
    for signal in signals {
        let end = end_of(subject, &Setup::probe(&["die", &signal.to_string()]))?;
        equal(
            &format!("its end after signal {signal}"),
            &end,
            &End::Exited(128 + signal),
        )?;
    }
    Ok(())
}

/// A code that is asked to be taken for success, and another that isn't.
pub(crate) fn forgiven(subject: &Subject) -> Verdict {
    for (code, expected) in [(42, 0), (43, 43), (0, 0)] {
        let setup = Setup::probe(&["exit", &code.to_string()]).wishing(Wish::Forgive(42));
        equal("its end", &end_of(subject, &setup)?, &End::Exited(expected))?;
    }
    Ok(())
}

/// Started by somebody who ignores SIGCHLD: the kernel would reap for an init that leaves it so,
/// and nobody would know how the command ended.
pub(crate) fn children_ignored(subject: &Subject) -> Verdict {
    let ignored = Signals::of(&[libc::SIGCHLD]);
    for words in [["exit", "42"], ["die", "9"]] {
        let setup = Setup {
            ignored,
            ..Setup::probe(&words)
        };
        let expected = if words[0] == "exit" { 42 } else { 137 };
        equal("its end", &end_of(subject, &setup)?, &End::Exited(expected))?;
    }
    let setup = Setup {
        ignored,
        ..Setup::probe(&["report"])
    };
    let mut running = Running::start(subject, &setup)?;
    equal("ignored", &running.state()?.ignored, &ignored)
}

/// The command's end is the init's, whoever else is still there.
pub(crate) fn with_orphans_alive(subject: &Subject) -> Verdict {
    let mut setup = Setup::probe(&["serve"]);
    if subject.place == Place::Ordinary {
        setup = setup.wishing(Wish::Subreaper);
    }
    let (mut running, state) = Running::ready(subject, &setup)?;
    running.say("linger")?;
    let expected = Event::Orphans {
        count: 1,
        parent: state.parent,
    };
    equal("an orphan", &running.event()?, &expected)?;
    running.say("exit 42")?;
    equal("its end", &running.ended()?.end, &End::Exited(42))
}

/// Commands that can't be executed.
pub(crate) fn no_command(subject: &Subject) -> Verdict {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let file = |name: &str, mode: u32| -> std::io::Result<String> {
        let path = folder.path().join(name);
        // Neither a program nor text that a shell would understand.
        fs::write(&path, b"\x7fELF\x01\x02\x00\x00 no program\n")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(path.display().to_string())
    };
    let missing = folder.path().join("missing").display().to_string();
    let cases = [
        ("a path that is not there", missing, 127),
        ("a name that is in no PATH", "no-such-command".into(), 127),
        ("a file without permission", file("plain", 0o644)?, 126),
        ("a file of no format", file("garbage", 0o755)?, 126),
        ("a directory", directory(folder.path())?, 126),
    ];
    for (what, command, code) in cases {
        let setup = Setup {
            command: vec![command.into(), "word".into()],
            ..Setup::default()
        };
        equal(what, &end_of(subject, &setup)?, &End::Exited(code))?;
    }
    Ok(())
}

fn directory(within: &Path) -> std::io::Result<String> {
    let path = within.join("directory");
    fs::create_dir(&path)?;
    Ok(path.display().to_string())
}
