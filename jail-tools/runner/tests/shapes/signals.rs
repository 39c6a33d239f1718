//! The shape of procjail: each worker owns a real process, and an operation is a signal sent to
//! it and answered. The process is this test binary again.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use experiments::{
    Announce, Experiment, ExperimentError, Found, Outcome, Pace, Report, Seen, Setup, Worker,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use probes::Handles;
use record::plan::Budget;
use record::trial::Precondition;
use record::{Class, Definition};
use runner::wire::Sight;

use crate::support::{ledger, load, my_turn};
use crate::{definition, run, slept, sound};

/// Set in the process that answers.
const ANSWERS: &str = "JAIL_TOOLS_SHAPES_ANSWERS";
const WORKERS: usize = 2;
const SIGNALS: u64 = 200;
/// A child that does not answer at all must not hang the test.
const PATIENCE: Duration = Duration::from_mins(1);

/// Not a test unless asked: the process that answers. Each SIGUSR1 puts a byte into the socket
/// that is its standard input, until the other end is closed.
#[test]
fn answers_signals_if_asked() {
    if std::env::var_os(ANSWERS).is_none() {
        return;
    }
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let answers = socket.try_clone().unwrap();
    signal_hook::low_level::pipe::register(Signal::SIGUSR1 as i32, answers).unwrap();
    socket.write_all(b"R").unwrap();
    while !matches!(socket.read(&mut [0]), Ok(0)) {}
}

struct Signals;

/// A worker and its process. However the trial ends, the process is ended and reaped.
struct Sender {
    child: Child,
    socket: Option<UnixStream>,
    answered: u64,
}

impl Sender {
    fn new() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(PATIENCE))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", "signals::answers_signals_if_asked"])
            .env(ANSWERS, "1")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            socket: Some(ours),
            answered: 0,
        })
    }

    fn answer(&self) -> io::Result<()> {
        let mut socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        socket.read_exact(&mut [0])
    }

    fn signal(&self) -> io::Result<()> {
        // The child is not reaped before the end, so that its number is its own.
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGUSR1,
        )?;
        self.answer()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.socket = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn failed(call: &'static str) -> impl FnOnce(io::Error) -> ExperimentError {
    move |source| ExperimentError::Call {
        call,
        object: "of the process that answers".into(),
        source,
        advice: "",
    }
}

impl Experiment for Signals {
    type Worker = Sender;

    fn definition() -> Definition {
        definition("procjail")
    }

    fn budget(_: Pace) -> (u32, Budget) {
        unreachable!("the test has a budget of its own")
    }

    fn subject_bytes(_: &Budget) -> Option<u64> {
        None
    }

    fn set_up(_: &Setup<'_>) -> Result<Vec<Sender>, ExperimentError> {
        (0..WORKERS)
            .map(|_| Sender::new().map_err(failed("spawn")))
            .collect()
    }
}

impl Worker for Sender {
    fn arrive(&mut self) -> Result<(), ExperimentError> {
        self.answer().map_err(failed("read of the first word"))
    }

    fn before(&mut self, op: u64) -> Result<Option<Announce>, ExperimentError> {
        Ok((op < SIGNALS).then(Announce::default))
    }

    fn operate(&mut self) -> Outcome {
        let result = match self.signal() {
            Ok(()) => 1,
            Err(e) => -i64::from(e.raw_os_error().unwrap_or(libc::EIO)),
        };
        self.answered += u64::from(result == 1);
        Outcome {
            result,
            units: 1,
            started_ns: None,
        }
    }

    fn after(&mut self) -> Result<Found, ExperimentError> {
        Ok(Found::default())
    }

    fn class(&self, _: &Seen, _: &Found) -> Class {
        Class::Unknown
    }

    fn finish(mut self) -> Report {
        // It ends by itself when its socket is closed.
        self.socket = None;
        let ended = self.child.wait().is_ok_and(|status| status.success());
        let reaped = Precondition {
            name: "reaped".into(),
            checked: 1,
            missed: u64::from(!ended),
            detail: format!("{} answers", self.answered),
        };
        Report {
            preconditions: vec![reaped],
            notes: vec![self.child.id().to_string()],
        }
    }
}

fn answered(ledger: Option<&(Handles, Sight)>) {
    let report = run::<Signals>(&[], WORKERS, SIGNALS, 120_000, ledger.cloned()).unwrap();
    let rows = sound(&report, WORKERS, ledger.is_some());
    for rows in &rows {
        assert_eq!(rows.len() as u64, SIGNALS);
        assert!(rows.iter().all(|s| s.result == 1));
    }
    if ledger.is_some() {
        let sleeps: u64 = rows.iter().map(|r| slept(r)).sum();
        println!("{sleeps} sleeps in {} signals", report.samples.len());
        assert!(sleeps > 0, "nobody ever waited for an answer");
    }
    let reaped = report.preconditions.iter().filter(|p| p.name == "reaped");
    let reaped: Vec<_> = reaped.collect();
    assert_eq!(reaped.len(), WORKERS);
    assert!(reaped.iter().all(|p| p.missed == 0), "{reaped:?}");
    assert_eq!(report.notes.len(), WORKERS);
    for pid in &report.notes {
        let pid = Pid::from_raw(pid.parse().unwrap());
        let parent = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        assert!(parent.is_err(), "process {pid} is still there: {parent:?}");
    }
}

#[test]
fn each_signal_to_a_process_of_its_own_is_answered() {
    let _turn = my_turn();
    answered(None);
}

#[test]
fn needs_root_needs_bpf_each_signal_has_a_closed_ledger() {
    let test = testkit::begin!();
    let _turn = my_turn();
    if let Some(probes) = load(&test) {
        answered(Some(&ledger(&probes)));
    }
}
