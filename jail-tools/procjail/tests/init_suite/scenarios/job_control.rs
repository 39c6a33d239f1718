//! A terminal: who has it, and what is typed.

use crate::common::wire::{End, Event, State};
use crate::running::{Running, is_in_state};
use crate::setup::Setup;
use crate::subject::{Place, Subject};
use crate::verdict::{Verdict, Why, equal};

const CTRL_C: &[u8] = b"\x03";
const CTRL_Z: &[u8] = b"\x1a";

/// The command with the terminal, of which it has to have the foreground.
fn at_terminal<'a>(subject: &'a Subject, words: &[&str]) -> Result<(Running<'a>, State), Why> {
    let setup = Setup {
        on_terminal: true,
        ..Setup::probe(words)
    };
    let (running, state) = Running::ready(subject, &setup)?;
    equal(
        "the foreground group",
        &state.foreground,
        &Some(state.group),
    )?;
    Ok((running, state))
}

/// Who is not in the foreground is stopped, or gets an error.
pub(crate) fn reads(subject: &Subject) -> Verdict {
    let (mut running, _) = at_terminal(subject, &["serve"])?;
    running.say("something typed")?;
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// From the terminal, or from the init, but not from both.
pub(crate) fn ctrl_c(subject: &Subject) -> Verdict {
    let (mut running, _) = at_terminal(subject, &["serve"])?;
    for _ in 0..5 {
        running.write(CTRL_C)?;
        equal("^C", &running.signal()?.signal, &libc::SIGINT)?;
        // An INT that the init had got too would have been forwarded before this.
        running.send(libc::SIGUSR1)?;
        equal("after ^C", &running.signal()?.signal, &libc::SIGUSR1)?;
    }
    Ok(())
}

/// It stops, and goes on when the init gets CONT.
pub(crate) fn ctrl_z(subject: &Subject) -> Verdict {
    let tstp = libc::SIGTSTP.to_string();
    let (mut running, state) = at_terminal(subject, &["serve", &tstp])?;
    let pid = running.child(state.pid)?;
    running.write(CTRL_Z)?;
    running.wait_until("stopped", || is_in_state(pid, 'T'))?;
    running.send(libc::SIGCONT)?;
    loop {
        match running.event()? {
            Event::Signal(received) if received.signal == libc::SIGCONT => break,
            // An init that had stopped too has more to pass on.
            Event::Signal(_) => {}
            other => return Err(running.seen(&format!("{other:?} after CONT"))),
        }
    }
    Ok(())
}

/// A shell learns that its job has stopped from what it has started itself, and has the terminal
/// then; `fg` sends CONT there.
pub(crate) fn job_stops(subject: &Subject) -> Verdict {
    if subject.place == Place::FirstProcess && !subject.makes_its_jail() {
        return Err(Why::not_applicable("a PID 1 cannot stop"));
    }
    if subject.sends_to_first_process() {
        return Err(Why::not_applicable("a shell knows no PID 1 of a jail"));
    }
    let tstp = libc::SIGTSTP.to_string();
    let (mut running, _) = at_terminal(subject, &["serve", &tstp])?;
    for _ in 0..3 {
        running.write(CTRL_Z)?;
        running.wait_until("what was started is stopped", || {
            is_in_state(running.program_pid, 'T')
        })?;
        let (foreground, of_shell) = running.foreground();
        equal("the foreground group at ^Z", &foreground, &of_shell)?;
        running.send(libc::SIGCONT)?;
        equal("CONT", &running.signal()?.signal, &libc::SIGCONT)?;
        running.wait_until("the command has the terminal", || {
            let (foreground, of_shell) = running.foreground();
            foreground != of_shell
        })?;
        running.say("something typed")?;
    }
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// So that the script which ran it can go on.
pub(crate) fn given_back(subject: &Subject) -> Verdict {
    if subject.place == Place::FirstProcess && !subject.makes_its_jail() {
        return Err(Why::not_applicable("the session ends with its leader"));
    }
    let (mut running, _) = at_terminal(subject, &["serve"])?;
    running.say("exit 0")?;
    let ended = running.ended()?;
    equal("its end", &ended.end, &End::Exited(0))?;
    equal(
        "the foreground group afterwards",
        &ended.foreground,
        &Some(ended.own_group),
    )
}

/// A job in the background is no reason for its script to lose the terminal.
pub(crate) fn not_taken(subject: &Subject) -> Verdict {
    if subject.place == Place::FirstProcess && !subject.makes_its_jail() {
        return Err(Why::not_applicable("it leads the terminal's session"));
    }
    let setup = Setup {
        on_terminal: true,
        in_background: true,
        ..Setup::probe(&["report"])
    };
    let mut running = Running::start(subject, &setup)?;
    let state = running.state()?;
    let has_it = state.foreground == Some(state.group);
    equal("the background job has the terminal", &has_it, &false)?;
    let ended = running.ended()?;
    equal("its end", &ended.end, &End::Exited(0))?;
    equal(
        "the foreground group",
        &ended.foreground,
        &Some(ended.own_group),
    )
}
