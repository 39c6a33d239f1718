//! Signals: names, rewriting, and what a signal says when it is passed on. Pure.

use std::fmt;
use std::str::FromStr;

use crate::sys::RawInfo;

/// Highest signal number (`_NSIG`, include/linux/signal.h).
const LAST: i32 = 64;

/// First real-time signal that the C library leaves to programs; it keeps 32 and 33.
const RTMIN: i32 = 34;

/// Names of the standard signals (signal(7), x86 and ARM).
const NAMES: [(i32, &str); 31] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (16, "STKFLT"),
    (17, "CHLD"),
    (18, "CONT"),
    (19, "STOP"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (23, "URG"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (26, "VTALRM"),
    (27, "PROF"),
    (28, "WINCH"),
    (29, "IO"),
    (30, "PWR"),
    (31, "SYS"),
];

/// A signal by number, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// The polite request to end.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// Ends without being asked.
    pub const KILL: Self = Self(libc::SIGKILL);

    /// The signal of this number, if there is one.
    #[must_use]
    pub fn new(number: i32) -> Option<Self> {
        (1..=LAST).contains(&number).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => write!(f, "SIG{name}"),
            None if self.0 >= RTMIN => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// A word that is no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no signal: a name like TERM or RTMIN+3, or a number from 1 to 64")]
pub struct NoSignal(String);

impl FromStr for Signal {
    type Err = NoSignal;

    /// `15`, `TERM`, `sigterm`, `RTMIN+3`, `RTMAX-1`.
    fn from_str(word: &str) -> Result<Self, NoSignal> {
        let upper = word.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let offset = |rest: &str, sign: char| match rest {
            "" => Some(0),
            _ => rest.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from),
        };
        let number = if let Ok(number) = name.parse::<i32>() {
            Some(number)
        } else if let Some(rest) = name.strip_prefix("RTMIN") {
            offset(rest, '+').map(|n| RTMIN + n).filter(|n| *n <= LAST)
        } else if let Some(rest) = name.strip_prefix("RTMAX") {
            offset(rest, '-').map(|n| LAST - n).filter(|n| *n >= RTMIN)
        } else {
            NAMES
                .iter()
                .find(|(_, known)| *known == name)
                .map(|(n, _)| *n)
        };
        number
            .and_then(Self::new)
            .ok_or_else(|| NoSignal(word.to_owned()))
    }
}

/// What becomes of each signal before it is passed on: itself, another, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrite {
    /// By number; 0 drops it. Entry 0 is not used.
    to: [u8; LAST as usize + 1],
}

impl Default for Rewrite {
    fn default() -> Self {
        let mut to = [0; LAST as usize + 1];
        for (number, to) in to.iter_mut().enumerate() {
            *to = number as u8;
        }
        Self { to }
    }
}

impl Rewrite {
    /// Has `from` passed on as `to`, or dropped.
    pub fn set(&mut self, from: Signal, to: Option<Signal>) {
        if let Some(entry) = self.to.get_mut(from.0 as usize) {
            *entry = to.map_or(0, |s| s.0 as u8);
        }
    }

    /// What is passed on for signal `number`; 0 for nothing, also for what is no signal.
    #[must_use]
    pub(crate) fn apply(&self, number: i32) -> i32 {
        usize::try_from(number)
            .ok()
            .and_then(|n| self.to.get(n))
            .map_or(0, |to| i32::from(*to))
    }
}

/// `A:B`: what `--rewrite` takes. `B` may be 0, for "drop".
///
/// # Errors
/// What is wrong with the word.
pub fn parse_rewrite(word: &str) -> Result<(Signal, Option<Signal>), String> {
    let (from, to) = word
        .split_once(':')
        .ok_or_else(|| format!("`{word}` is not FROM:TO, like TERM:QUIT or HUP:0"))?;
    let from: Signal = from.parse().map_err(|e: NoSignal| e.to_string())?;
    let to = match to {
        "0" => None,
        name => Some(name.parse().map_err(|e: NoSignal| e.to_string())?),
    };
    Ok((from, to))
}

/// What a received signal says when it is sent on as `signo`.
///
/// The kernel lets nobody claim that the kernel itself, `kill` or `tgkill` sent something
/// (kernel/signal.c, `do_rt_sigqueueinfo`: a code ≥ 0 or SI_TKILL is refused with EPERM): such a signal is
/// passed on as SI_QUEUE with the sender's pid and uid where it has one, and with value 0. All
/// others stay as they are.
pub(crate) fn passed_on(received: &RawInfo, signo: i32) -> RawInfo {
    if received.code < 0 && received.code != libc::SI_TKILL {
        return RawInfo { signo, ..*received };
    }
    let from_process = matches!(received.code, libc::SI_USER | libc::SI_TKILL);
    let (pid, uid) = if from_process {
        (received.pid, received.uid)
    } else {
        (0, 0)
    };
    RawInfo {
        signo,
        code: libc::SI_QUEUE,
        pid,
        uid,
        ..RawInfo::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_numbers_mean_the_same() {
        for (word, number) in [
            ("15", 15),
            ("TERM", 15),
            ("sigterm", 15),
            ("SIGRTMIN", 34),
            ("rtmin+3", 37),
            ("RTMAX", 64),
            ("RTMAX-30", 34),
            ("64", 64),
        ] {
            assert_eq!(
                word.parse::<Signal>().map(Signal::number),
                Ok(number),
                "{word}"
            );
        }
        for word in [
            "",
            "0",
            "65",
            "-1",
            "TERMS",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX-31",
            "RTMIN+999",
        ] {
            assert!(word.parse::<Signal>().is_err(), "{word}");
        }
    }

    #[test]
    fn a_rewrite_changes_or_drops_what_it_names_and_nothing_else() {
        let mut rewrite = Rewrite::default();
        let (from, to) = parse_rewrite("TERM:QUIT").expect("a rewrite");
        rewrite.set(from, to);
        let (from, to) = parse_rewrite("hup:0").expect("a rewrite");
        rewrite.set(from, to);
        assert_eq!([15, 1, 2, 64].map(|n| rewrite.apply(n)), [3, 0, 2, 64]);
        assert_eq!([-1, 0, 65, i32::MAX].map(|n| rewrite.apply(n)), [0; 4]);
    }

    #[test]
    fn what_kill_sent_is_passed_on_with_its_sender() {
        let received = RawInfo {
            signo: 15,
            code: libc::SI_USER,
            pid: 77,
            uid: 1000,
            ..RawInfo::EMPTY
        };
        let sent = passed_on(&received, 15);
        assert_eq!((sent.code, sent.pid, sent.uid), (libc::SI_QUEUE, 77, 1000));
    }

    #[test]
    fn what_the_kernel_sent_names_no_sender() {
        // Of a fault or a timer other fields stand where a sender's pid would.
        let received = RawInfo {
            signo: 2,
            code: libc::SI_KERNEL,
            pid: 77,
            uid: 5,
            value: 9,
            ..RawInfo::EMPTY
        };
        let sent = passed_on(&received, 2);
        assert_eq!(
            (sent.code, sent.pid, sent.uid, sent.value),
            (libc::SI_QUEUE, 0, 0, 0)
        );
    }

    proptest! {
        #[test]
        fn a_signal_reads_back_from_its_name(number in 1..=64i32) {
            let signal = Signal::new(number).expect("a signal");
            let name = signal.to_string();
            prop_assume!(!name.starts_with("signal"));
            prop_assert_eq!(name.parse::<Signal>(), Ok(signal));
        }

        #[test]
        fn no_word_panics(word in ".{0,12}") {
            let _ = word.parse::<Signal>();
            let _ = parse_rewrite(&word);
        }

        #[test]
        fn a_value_that_was_queued_is_kept(value: u64, pid: i32, uid: u32, code in -60..=-1i32) {
            prop_assume!(code != libc::SI_TKILL);
            let received = RawInfo { signo: 40, code, pid, uid, value, ..RawInfo::EMPTY };
            prop_assert_eq!(passed_on(&received, 41), RawInfo { signo: 41, ..received });
        }
    }
}
