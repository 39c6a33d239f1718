//! Who owns what is on the host: a process by number, start time and boot. A number alone would be
//! somebody else's one day.

use std::fmt;
use std::fs;

/// A process of some boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    /// In clock ticks since boot (proc_pid_stat(5), field 22).
    pub(crate) start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    boot: String,
    /// The pid namespace that the number counts in, as `/proc/self/ns/pid` names it.
    namespace: String,
}

/// Does it live?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    Dead,
    Unknown(String),
}

impl Owner {
    /// The calling process. `None` without `/proc`.
    pub(crate) fn this() -> Option<Self> {
        let pid = std::process::id();
        Some(Self {
            pid,
            start_ticks: start_ticks(&fs::read_to_string("/proc/self/stat").ok()?)?,
            boot: boot()?,
            namespace: namespace()?,
        })
    }

    /// Reads what `to_string` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let owner = Self {
            pid: words.next()?.parse().ok()?,
            start_ticks: words.next()?.parse().ok()?,
            boot: words.next().filter(|b| !b.is_empty())?.to_owned(),
            namespace: words.next().filter(|n| n.starts_with("pid:"))?.to_owned(),
        };
        words.next().is_none().then_some(owner)
    }

    pub(crate) fn state(&self) -> State {
        match boot() {
            Some(boot) if boot != self.boot => return State::Dead,
            Some(_) => {}
            None => return State::Unknown("boot_id cannot be read".into()),
        }
        if namespace().as_ref() != Some(&self.namespace) {
            return State::Unknown(format!(
                "it counts in another namespace, {}",
                self.namespace
            ));
        }
        match fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => match start_ticks(&stat) {
                Some(ticks) if ticks == self.start_ticks && !is_zombie(&stat) => State::Alive,
                Some(_) => State::Dead,
                None => State::Unknown("its stat cannot be read".into()),
            },
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::ESRCH) => State::Dead,
                _ => State::Unknown(error.to_string()),
            },
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            start_ticks,
            boot,
            namespace,
        } = self;
        write!(f, "{pid} {start_ticks} {boot} {namespace}")
    }
}

fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

fn namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// Fields after the name, which may have blanks and parentheses in it.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
}

fn start_ticks(stat: &str) -> Option<u64> {
    fields(stat).nth(19)?.parse().ok()
}

fn is_zombie(stat: &str) -> bool {
    matches!(fields(stat).next(), Some("Z" | "X"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_back_and_lives() {
        let this = Owner::this().expect("proc");
        assert_eq!(Owner::parse(&this.to_string()), Some(this.clone()));
        assert_eq!(this.state(), State::Alive);
    }

    #[test]
    fn another_start_or_another_boot_is_another_process() {
        let this = Owner::this().expect("proc");
        let earlier = Owner {
            start_ticks: this.start_ticks + 1,
            ..this.clone()
        };
        assert_eq!(earlier.state(), State::Dead);
        let rebooted = Owner {
            boot: "other".into(),
            ..this.clone()
        };
        assert_eq!(rebooted.state(), State::Dead);
        let elsewhere = Owner {
            namespace: "pid:[1]".into(),
            ..this
        };
        assert!(matches!(elsewhere.state(), State::Unknown(_)));
    }

    #[test]
    fn other_marks_are_not_ours() {
        for text in [
            "",
            "1",
            "1 2 b",
            "1 2 3 4",
            "x 2 b pid:[1]",
            "1 2 b pid:[1] x",
            "memory pids",
        ] {
            assert_eq!(Owner::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_with_blanks_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1234 20";
        assert_eq!(start_ticks(stat), Some(1234));
    }
}
