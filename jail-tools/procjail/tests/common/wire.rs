//! What is told between a test and `jail-probe`: a line of JSON each.

use serde::{Deserialize, Serialize};

/// Signals as the kernel keeps them: bit n − 1 is signal n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Signals(pub(crate) u64);

impl Signals {
    pub(crate) fn of(signals: &[i32]) -> Self {
        Self(signals.iter().fold(0, |set, s| set | 1 << (s - 1)))
    }
}

/// How the launcher starts a program. The program's own arguments stand on the command line,
/// since they need not be text.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// A FIFO for [`Report`]s.
    pub(crate) report: String,
    /// The program is PID 1 of a new PID namespace.
    pub(crate) first_process: bool,
    /// A /proc of that namespace. It takes time between fork and exec.
    pub(crate) own_proc: bool,
    pub(crate) terminal: Terminal,
    pub(crate) job: Job,
    pub(crate) reads_nothing: bool,
    /// What the program is started with; everything else is neither blocked nor ignored.
    pub(crate) blocked: Signals,
    pub(crate) ignored: Signals,
    pub(crate) term: Option<EarlyTerm>,
}

/// Whose controlling terminal standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Terminal {
    #[default]
    None,
    /// The launcher leads the session, and is a script that runs the program.
    Script,
    /// The program leads the session, as the first process of a container does.
    Program,
}

/// What the program is to the launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Of its own process group, as a script has it.
    #[default]
    None,
    /// In a group of its own, which has the terminal's foreground, as an interactive shell has it.
    Foreground,
    /// In one that does not have it.
    Background,
}

/// Makes the launcher give the terminal's foreground to the program's group.
pub(crate) const FOREGROUND: i32 = libc::SIGUSR1;

/// Makes the launcher take it back.
pub(crate) const BACKGROUND: i32 = libc::SIGUSR2;

/// A TERM that the launcher sends soon after it has forked.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EarlyTerm {
    pub(crate) after_us: u64,
    pub(crate) since: Since,
}

/// What an early TERM's delay begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Since {
    Fork,
    /// The program is executed, and does not leave TERM to the kernel any more.
    TermIsItsOwn,
    /// The PID 1 that the program makes is seen. It gets the TERM.
    FirstProcess,
}

/// What the launcher tells, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Report {
    Started {
        pid: i32,
    },
    /// It could not be started as asked.
    Failed {
        why: String,
    },
    /// The early TERM is sent, to this process.
    Term {
        pid: i32,
    },
    Ended {
        end: End,
        /// The terminal's foreground group afterwards, and the launcher's own.
        foreground: Option<i32>,
        own_group: i32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    Exited(i32),
    Killed(i32),
}

/// What the program under an init tells on its standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    /// What it found when it was started. It takes signals and lines from now on.
    Ready(Box<State>),
    Signal(Received),
    /// A line from standard input, before it is obeyed.
    Line(String),
    /// So many orphans were made, and each has seen its new parent before it ended.
    Orphans {
        count: u32,
        parent: i32,
    },
    /// A process of its own has this PID and sends to the init; it ends after that.
    Sender {
        pid: i32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Who {
    Child,
    Grandchild,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) who: Who,
    pub(crate) signal: i32,
    /// `si_code`, and so on.
    pub(crate) code: i32,
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    pub(crate) value: i64,
}

/// A process as it found itself before it changed anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) who: Who,
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// Of the terminal that is standard input.
    pub(crate) foreground: Option<i32>,
    pub(crate) blocked: Signals,
    pub(crate) ignored: Signals,
    pub(crate) pending: Signals,
    /// Open descriptors.
    pub(crate) open: Vec<i32>,
    /// In hexadecimal, as neither need be text.
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<String>,
    pub(crate) directory: String,
    pub(crate) umask: u32,
}

/// A byte as two digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    let pairs = bytes.iter().map(|b| [digit(b >> 4), digit(b & 15)]);
    pairs.flatten().collect()
}
