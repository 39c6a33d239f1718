//! How an init is started.

use std::ffi::OsString;
use std::fs::File;
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use crate::common::wire::{self, EarlyTerm, Job, Launch, Signals};
use crate::lines::Lines;
use crate::subject::{Place, Subject, Wish};
use crate::terminal::Terminal;
use crate::verdict::Why;

pub(crate) const PROBE: &str = env!("CARGO_BIN_EXE_jail-probe");

/// What is to be started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    pub(crate) wishes: Vec<Wish>,
    pub(crate) command: Vec<OsString>,
    pub(crate) blocked: Signals,
    pub(crate) ignored: Signals,
    pub(crate) on_terminal: bool,
    pub(crate) job: Job,
    /// A shell script runs the init, in the same process group.
    pub(crate) in_a_script: bool,
    /// Standard input is `/dev/null`, whatever the others are.
    pub(crate) reads_nothing: bool,
    /// Instead of the test's own.
    pub(crate) environment: Option<Vec<(OsString, OsString)>>,
    pub(crate) term: Option<EarlyTerm>,
}

impl Setup {
    /// `jail-probe` with these words.
    pub(crate) fn probe(words: &[&str]) -> Self {
        let mut command = vec![PROBE.into()];
        command.extend(words.iter().map(OsString::from));
        Self {
            command,
            ..Self::default()
        }
    }

    pub(crate) fn wishing(mut self, wish: Wish) -> Self {
        self.wishes.push(wish);
        self
    }
}

pub(crate) enum Input {
    Pipe(ChildStdin),
    Terminal(File),
}

pub(crate) fn launch(subject: &Subject, setup: &Setup, report: String) -> Launch {
    let first_process = subject.place == Place::FirstProcess && !subject.makes_its_jail();
    let terminal = match (setup.on_terminal, first_process) {
        (false, _) => wire::Terminal::None,
        (true, true) => wire::Terminal::Program,
        (true, false) => wire::Terminal::Script,
    };
    Launch {
        report,
        first_process,
        own_proc: first_process && setup.term.is_none(),
        terminal,
        job: setup.job,
        reads_nothing: setup.reads_nothing,
        blocked: setup.blocked,
        ignored: setup.ignored,
        term: setup.term,
    }
}

pub(crate) fn launcher(subject: &Subject, setup: &Setup, launch: &Launch) -> Result<Command, Why> {
    let mut command = Command::new(PROBE);
    let spec = serde_json::to_string(launch).map_err(std::io::Error::from)?;
    command.args(["launch", &spec, "--"]);
    if setup.in_a_script {
        // It is not the script's last command: the shell does not become it.
        command.args(["/bin/sh", "-c", "\"$@\"; exit $?", "sh"]);
    }
    command.args(subject.around(&setup.wishes, &setup.command)?);
    if let Some(environment) = &setup.environment {
        command.env_clear().envs(environment.iter().cloned());
    }
    Ok(command)
}

pub(crate) struct Spawned {
    pub(crate) launcher: Child,
    pub(crate) events: Lines,
    pub(crate) input: Input,
}

/// With pipes, or with all three on a terminal of its own.
pub(crate) fn spawn(
    command: &mut Command,
    on_terminal: bool,
    folder: &TempDir,
) -> Result<Spawned, Why> {
    if on_terminal {
        let (terminal, program_side) = Terminal::open()?;
        command.stdin(program_side.try_clone()?);
        command.stdout(program_side.try_clone()?);
        command.stderr(program_side);
        return Ok(Spawned {
            launcher: command.spawn()?,
            events: terminal.reader,
            input: Input::Terminal(terminal.writer),
        });
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(File::create(folder.path().join("errors"))?);
    let mut launcher = command.spawn()?;
    let (Some(input), Some(output)) = (launcher.stdin.take(), launcher.stdout.take()) else {
        return Err(Why::Failed("no pipes".into()));
    };
    Ok(Spawned {
        events: Lines::new(output.into())?,
        input: Input::Pipe(input),
        launcher,
    })
}
