//! The inits that are put to the same test.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::verdict::Why;

/// An init, with the options that make it what it is called.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    program: PathBuf,
    options: &'static [&'static str],
    /// It is waited for as if it were ours.
    is_waited_for: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Init,
    /// Makes its own jail. Signals go to the command itself, or to the jail's PID 1.
    Run {
        to_first_process: bool,
    },
    Tini,
    DumbInit,
    Catatonit,
}

/// Where an init runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// PID 1 of a namespace of its own: it needs root.
    FirstProcess,
    /// A process like any other.
    Ordinary,
}

/// What a scenario asks of an init, in words that each of them says differently.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// The second may be 0: dropped.
    Rewrite(i32, i32),
    Session,
    Subreaper,
    /// This exit code becomes 0.
    Forgive(i32),
    /// It gets this signal when its parent dies.
    ParentDeath(i32),
}

const TABLE: [(&str, Kind, &[&str]); 10] = [
    ("procjail init", Kind::Init, &[]),
    ("procjail init -g", Kind::Init, &["-g"]),
    (
        "procjail run",
        Kind::Run {
            to_first_process: false,
        },
        &[],
    ),
    (
        "run's PID 1",
        Kind::Run {
            to_first_process: true,
        },
        &[],
    ),
    ("tini", Kind::Tini, &[]),
    ("tini -g", Kind::Tini, &["-g"]),
    // To the group is what it does by default.
    ("dumb-init -c", Kind::DumbInit, &["-c"]),
    ("dumb-init", Kind::DumbInit, &[]),
    ("catatonit", Kind::Catatonit, &[]),
    ("catatonit -g", Kind::Catatonit, &["-g"]),
];

/// All that are installed and can stand in this place.
pub(crate) fn subjects(place: Place) -> Vec<Subject> {
    TABLE
        .into_iter()
        .filter(|(_, kind, _)| place == Place::FirstProcess || !matches!(kind, Kind::Run { .. }))
        .filter_map(|(name, kind, options)| {
            Some(Subject {
                name,
                kind,
                place,
                program: program(kind)?,
                options,
                is_waited_for: matches!(kind, Kind::Init | Kind::Run { .. }),
            })
        })
        .collect()
}

fn program(kind: Kind) -> Option<PathBuf> {
    let name = match kind {
        Kind::Init | Kind::Run { .. } => return Some(env!("CARGO_BIN_EXE_procjail").into()),
        Kind::Tini => "tini",
        Kind::DumbInit => "dumb-init",
        Kind::Catatonit => "catatonit",
    };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
}

impl Subject {
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Init | Kind::Run { .. })
    }

    pub(crate) fn makes_its_jail(&self) -> bool {
        matches!(self.kind, Kind::Run { .. })
    }

    pub(crate) fn sends_to_first_process(&self) -> bool {
        let to_it = Kind::Run {
            to_first_process: true,
        };
        self.kind == to_it
    }

    pub(crate) fn is_to_group(&self) -> bool {
        match self.kind {
            Kind::DumbInit => self.options.is_empty(),
            _ => self.options.contains(&"-g"),
        }
    }

    /// The same, with more patience.
    pub(crate) fn waited_for(&self) -> Self {
        Self {
            is_waited_for: true,
            ..self.clone()
        }
    }

    /// How long is waited for what should happen. A peer that never does it would cost this each
    /// time, and is not judged.
    pub(crate) fn patience(&self) -> Duration {
        let is_guest = std::env::var_os("JAIL_TOOLS_GUEST").is_some();
        match (self.is_waited_for, is_guest) {
            (true, false) => Duration::from_secs(20),
            (true, true) => Duration::from_mins(1),
            (false, false) => Duration::from_secs(2),
            (false, true) => Duration::from_secs(4),
        }
    }

    /// The command line of this init around a command.
    pub(crate) fn around(
        &self,
        wishes: &[Wish],
        command: &[OsString],
    ) -> Result<Vec<OsString>, Why> {
        let mut line: Vec<OsString> = vec![self.program.clone().into()];
        match self.kind {
            Kind::Init => line.push("init".into()),
            Kind::Run { .. } => line.extend(["run".into(), "--init".into()]),
            _ => {}
        }
        line.extend(self.options.iter().map(OsString::from));
        for wish in wishes {
            line.extend(self.say(*wish)?.into_iter().map(OsString::from));
        }
        line.push("--".into());
        line.extend_from_slice(command);
        Ok(line)
    }

    fn say(&self, wish: Wish) -> Result<Vec<String>, Why> {
        let options = |words: &[&str]| Ok(words.iter().map(|w| (*w).to_owned()).collect());
        let not = |what| Err(Why::not_applicable(format!("it has no {what}")));
        match (self.kind, wish) {
            (Kind::Init, Wish::Rewrite(a, b)) => options(&["--rewrite", &format!("{a}:{b}")]),
            (Kind::DumbInit, Wish::Rewrite(a, b)) => options(&["-r", &format!("{a}:{b}")]),
            (Kind::Run { .. }, Wish::Rewrite(libc::SIGTERM, b)) if b != 0 => {
                options(&["--stop-signal", &b.to_string()])
            }
            (Kind::Init, Wish::Session) => options(&["--setsid"]),
            (Kind::DumbInit, Wish::Session) if self.is_to_group() => options(&[]),
            (Kind::Init | Kind::Tini, Wish::Subreaper) => options(&["-s"]),
            (Kind::Init | Kind::Tini, Wish::Forgive(code)) => options(&["-e", &code.to_string()]),
            (Kind::Init | Kind::Tini, Wish::ParentDeath(signal)) => {
                options(&["-p", name_of(signal)])
            }
            (_, Wish::Rewrite(_, 0)) => not("dropping of signals"),
            (_, Wish::Rewrite(..)) => not("rewriting of signals"),
            (_, Wish::Session) => not("session for its child"),
            (_, Wish::Subreaper) => not("subreaper"),
            (_, Wish::Forgive(_)) => not("exit code that becomes 0"),
            (_, Wish::ParentDeath(_)) => not("signal for its parent's death"),
        }
    }
}

/// tini takes names alone.
fn name_of(signal: i32) -> &'static str {
    nix::sys::signal::Signal::try_from(signal).map_or("SIGTERM", |s| s.as_str())
}
