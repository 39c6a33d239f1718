//! A terminal: who has it, and what is typed.

use crate::common::processes::status;
use crate::common::wire::{End, Event, Job, State};
use crate::running::{Running, is_in_state};
use crate::setup::Setup;
use crate::subject::{Place, Subject, Wish};
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

/// Where no shell would ever continue it, ^Z does what it does to a program that has no init above it:
/// nothing. One who has pressed it by mistake can still end the command by ^C.
pub(crate) fn ctrl_z_without_a_shell(subject: &Subject) -> Verdict {
    let tstp = libc::SIGTSTP.to_string();
    let (mut running, _) = at_terminal(subject, &["serve", &tstp])?;
    for _ in 0..3 {
        running.write(CTRL_Z)?;
        equal("what follows ^Z", &running.signal()?.signal, &libc::SIGCONT)?;
        running.say(TYPED)?;
        running.write(CTRL_C)?;
        equal("^C", &running.signal()?.signal, &libc::SIGINT)?;
    }
    Ok(())
}

/// A stop that somebody has sent is one, until CONT is sent; other signals get through meanwhile.
pub(crate) fn stopped_on_purpose(subject: &Subject) -> Verdict {
    let tstp = libc::SIGTSTP.to_string();
    let (mut running, state) = at_terminal(subject, &["serve", &tstp])?;
    let pid = running.child(state.pid)?;
    running.send(libc::SIGTSTP)?;
    running.wait_until("stopped", || is_in_state(pid, 'T'))?;
    running.send(libc::SIGUSR1)?;
    running.send(libc::SIGCONT)?;
    for signal in [libc::SIGUSR1, libc::SIGCONT] {
        equal("signal", &running.signal()?.signal, &signal)?;
    }
    running.say(TYPED)
}

/// A shell does job control for what it has started itself.
fn has_a_shell(subject: &Subject) -> Result<(), Why> {
    if subject.place == Place::FirstProcess && !subject.makes_its_jail() {
        return Err(Why::not_applicable("a PID 1 cannot stop"));
    }
    if subject.sends_to_first_process() {
        return Err(Why::not_applicable("a shell knows no PID 1 of a jail"));
    }
    Ok(())
}

/// The command as a shell's job, with the terminal or without.
fn as_job(subject: &Subject, job: Job) -> Result<(Running<'_>, State), Why> {
    has_a_shell(subject)?;
    let stops = [libc::SIGTSTP, libc::SIGTTIN].map(|s| s.to_string());
    let setup = Setup {
        on_terminal: true,
        job,
        ..Setup::probe(&["serve", &stops[0], &stops[1]])
    };
    Running::ready(subject, &setup)
}

/// The shell sees what it has started stop.
fn wait_for_stop(running: &Running<'_>) -> Result<(), Why> {
    running.wait_until("what was started is stopped", || {
        is_in_state(running.program_pid, 'T')
    })
}

/// `bg`.
fn background(running: &mut Running<'_>) -> Result<(), Why> {
    running.shell_takes_terminal()?;
    running.send(libc::SIGCONT)
}

/// `fg`.
fn foreground(running: &mut Running<'_>) -> Result<(), Why> {
    running.shell_gives_terminal()?;
    running.send(libc::SIGCONT)
}

const TYPED: &str = "something typed";

/// Stopped in the middle of reading, it goes on with that.
fn reads_on(running: &mut Running<'_>) -> Result<(), Why> {
    let (mut heard, mut continued) = (false, false);
    while !(heard && continued) {
        match running.event()? {
            Event::Line(line) if line == TYPED => heard = true,
            Event::Signal(received) if received.signal == libc::SIGCONT => continued = true,
            other => return Err(running.seen(&format!("{other:?} after `fg`"))),
        }
    }
    Ok(())
}

/// It stops at ^Z, and gets the terminal again with `fg`.
pub(crate) fn job_stops(subject: &Subject) -> Verdict {
    let (mut running, _) = as_job(subject, Job::Foreground)?;
    running.say(TYPED)?;
    for _ in 0..3 {
        running.write(CTRL_Z)?;
        wait_for_stop(&running)?;
        let job = Some(running.program_pid);
        equal("the foreground group at ^Z", &running.foreground().0, &job)?;
        running.shell_takes_terminal()?;
        foreground(&mut running)?;
        equal("CONT", &running.signal()?.signal, &libc::SIGCONT)?;
        running.say(TYPED)?;
    }
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// After `bg` the shell keeps its terminal: the job runs until it reads, stops for that, and each
/// time again, until `fg`.
pub(crate) fn job_goes_on_in_background(subject: &Subject) -> Verdict {
    let (mut running, _) = as_job(subject, Job::Foreground)?;
    running.write(CTRL_Z)?;
    wait_for_stop(&running)?;
    background(&mut running)?;
    equal("CONT", &running.signal()?.signal, &libc::SIGCONT)?;
    running.write(format!("{TYPED}\n").as_bytes())?;
    for _ in 0..3 {
        wait_for_stop(&running)?;
        let (foreground, of_shell) = running.foreground();
        equal("the foreground group after `bg`", &foreground, &of_shell)?;
        let before = switches(running.program_pid);
        background(&mut running)?;
        running.wait_until("it runs on", || switches(running.program_pid) > before)?;
    }
    wait_for_stop(&running)?;
    foreground(&mut running)?;
    reads_on(&mut running)?;
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// What was started with `&` stops when it reads, and has the terminal with `fg`.
pub(crate) fn job_comes_from_background(subject: &Subject) -> Verdict {
    let (mut running, _) = as_job(subject, Job::Background)?;
    running.write(format!("{TYPED}\n").as_bytes())?;
    wait_for_stop(&running)?;
    foreground(&mut running)?;
    reads_on(&mut running)?;
    running.write(CTRL_Z)?;
    wait_for_stop(&running)?;
    running.shell_takes_terminal()?;
    foreground(&mut running)?;
    equal("CONT", &running.signal()?.signal, &libc::SIGCONT)?;
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// `fg` of a job that runs: a shell need not send CONT for that. It has the terminal when it reads.
pub(crate) fn running_job_gets_terminal(subject: &Subject) -> Verdict {
    let (mut running, _) = as_job(subject, Job::Background)?;
    running.shell_gives_terminal()?;
    running.write(format!("{TYPED}\n").as_bytes())?;
    match running.event()? {
        Event::Line(line) => equal("what it reads", &line.as_str(), &TYPED)?,
        // If it was continued for that.
        Event::Signal(received) => {
            equal("CONT", &received.signal, &libc::SIGCONT)?;
            running.event().map(drop)?;
        }
        other => return Err(running.seen(&format!("{other:?} after `fg`"))),
    }
    running.write(b"exit 3\n")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// The shell's job is a script, and the init is in it: the whole job stops at ^Z, so that the shell
/// has its prompt, and goes on with `fg`.
pub(crate) fn job_is_a_script(subject: &Subject) -> Verdict {
    has_a_shell(subject)?;
    let tstp = libc::SIGTSTP.to_string();
    let setup = Setup {
        on_terminal: true,
        job: Job::Foreground,
        in_a_script: true,
        ..Setup::probe(&["serve", &tstp])
    };
    let (mut running, _) = Running::ready(subject, &setup)?;
    for _ in 0..3 {
        running.write(CTRL_Z)?;
        wait_for_stop(&running)?;
        running.shell_takes_terminal()?;
        running.shell_gives_terminal()?;
        running.continue_job()?;
        equal("CONT", &running.signal()?.signal, &libc::SIGCONT)?;
        running.say(TYPED)?;
    }
    running.say("exit 3")?;
    equal("its end", &running.ended()?.end, &End::Exited(3))
}

/// A script in the terminal's foreground has put it into the background: it gets `/dev/null` to read,
/// and the script keeps the terminal.
pub(crate) fn redirected(subject: &Subject) -> Verdict {
    if subject.place == Place::FirstProcess && !subject.makes_its_jail() {
        return Err(Why::not_applicable("it leads the terminal's session"));
    }
    let setup = Setup {
        on_terminal: true,
        reads_nothing: true,
        ..Setup::probe(&["serve"])
    };
    let (running, _) = Running::ready(subject, &setup)?;
    let (foreground, of_script) = running.foreground();
    equal("the foreground group", &foreground, &of_script)
}

/// How often a process has left the CPU.
fn switches(pid: i32) -> u64 {
    let of = |name| status(pid, name).and_then(|n| n.parse::<u64>().ok());
    of("voluntary_ctxt_switches").unwrap_or(0) + of("nonvoluntary_ctxt_switches").unwrap_or(0)
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
        job: Job::Background,
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

/// A session of its own takes along the terminal of a container; what a shell has, stays there.
pub(crate) fn own_session(subject: &Subject) -> Verdict {
    let setup = Setup {
        on_terminal: true,
        ..Setup::probe(&["serve"])
    };
    let (mut running, state) = Running::ready(subject, &setup.wishing(Wish::Session))?;
    equal("its session", &state.session, &state.pid)?;
    if subject.place == Place::FirstProcess {
        let group = Some(state.group);
        equal("the foreground group", &state.foreground, &group)?;
        running.write(CTRL_C)?;
        equal("^C", &running.signal()?.signal, &libc::SIGINT)?;
    } else {
        equal("its foreground group", &state.foreground, &None)?;
    }
    // The terminal is not gone: the next signal is this one.
    running.send(libc::SIGUSR1)?;
    equal("USR1", &running.signal()?.signal, &libc::SIGUSR1)
}
