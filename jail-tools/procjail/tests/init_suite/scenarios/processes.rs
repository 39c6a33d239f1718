//! Processes that the init gets, and the one that it has made.

use crate::common::wire::{End, Event};
use crate::running::{Running, is_in_state};
use crate::setup::Setup;
use crate::subject::{Place, Subject, Wish};
use crate::sys::PidFd;
use crate::verdict::{Verdict, Why, equal};

const ORPHANS: u32 = 200;

/// Orphans become the init's, and none stays as a zombie while the command lives.
pub(crate) fn orphans(subject: &Subject) -> Verdict {
    if subject.place == Place::Ordinary {
        return Err(Why::not_applicable("orphans are the namespace's PID 1's"));
    }
    reaped(subject, &Setup::probe(&["serve"]))
}

/// Likewise outside a PID namespace, for an init that asks to get them.
pub(crate) fn subreaper(subject: &Subject) -> Verdict {
    reaped(subject, &Setup::probe(&["serve"]).wishing(Wish::Subreaper))
}

fn reaped(subject: &Subject, setup: &Setup) -> Verdict {
    let (mut running, state) = Running::ready(subject, setup)?;
    running.say(&format!("orphans {ORPHANS}"))?;
    let expected = Event::Orphans {
        count: ORPHANS,
        parent: state.parent,
    };
    equal("orphans", &running.event()?, &expected)?;
    running.wait_until("no zombies", || running.zombies() == 0)?;
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// Neither the signals nor the zombies are forgotten over the others.
pub(crate) fn orphans_and_signals(subject: &Subject) -> Verdict {
    let setup = match subject.place {
        Place::FirstProcess => Setup::probe(&["serve"]),
        Place::Ordinary => Setup::probe(&["serve"]).wishing(Wish::Subreaper),
    };
    let (mut running, _) = Running::ready(subject, &setup)?;
    running.say(&format!("orphans {ORPHANS}"))?;
    let mut all_are_made = false;
    let mut sent = 0;
    while !all_are_made || sent < 50 {
        running.send(libc::SIGUSR1)?;
        sent += 1;
        loop {
            match running.event()? {
                Event::Signal(received) => {
                    equal("the signal", &received.signal, &libc::SIGUSR1)?;
                    break;
                }
                Event::Orphans { .. } => all_are_made = true,
                other => return Err(running.seen(&format!("{other:?}"))),
            }
        }
    }
    running.wait_until("no zombies", || running.zombies() == 0)?;
    running.say("die 9")?;
    equal("its end", &running.ended()?.end, &End::Exited(137))
}

/// A stopped command is no ended one, and CONT reaches it.
pub(crate) fn stopped(subject: &Subject) -> Verdict {
    let (mut running, state) = Running::ready(subject, &Setup::probe(&["serve"]))?;
    let pid = running.child(state.pid)?;
    let child = PidFd::open(pid)?;
    for _ in 0..3 {
        child.send(libc::SIGSTOP)?;
        running.wait_until("stopped", || is_in_state(pid, 'T'))?;
        running.send(libc::SIGCONT)?;
        equal("CONT", &running.signal()?.signal, &libc::SIGCONT)?;
    }
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}
