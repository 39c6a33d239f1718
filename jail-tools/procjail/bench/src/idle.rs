//! How often the processes of each subject wake while its command sleeps, all of them side by side.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::clock::monotonic_ns;
use crate::procfs::switches;
use crate::residents::{Live, Role, end, settle, start};
use crate::session::Session;
use crate::subject::Subject;
use crate::taken::Taken;

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) role: Role,
    pub(crate) wakeups: Taken<Wakeups>,
}

/// Context switches of an idle process, of either kind, all threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Wakeups {
    pub(crate) switches: u64,
    pub(crate) seconds: f64,
}

impl Wakeups {
    pub(crate) fn per_s(&self) -> f64 {
        self.switches as f64 / self.seconds
    }
}

/// Switches so far, and when.
type Look = Result<(u64, u64), String>;

/// Starts them all, and watches them.
///
/// # Errors
/// We were interrupted. What a subject fails at is in its row.
pub(crate) fn run(session: &Session<'_>) -> Result<Vec<Row>> {
    let mut lives = Vec::new();
    for subject in Subject::RESIDENT {
        lives.push((subject, start(session, subject)?));
    }
    settle(session)?;
    let before = looks(&lives);
    eprintln!("idle: {} s", session.plan.idle_s);
    let time = Duration::from_secs(session.plan.idle_s);
    session.interrupt.pause(time)?;
    let after = looks(&lives);
    let rows = rows(&lives, before, after);
    for (_, live) in lives {
        end(session, live)?;
    }
    Ok(rows)
}

fn looks(lives: &[(Subject, Result<Live, String>)]) -> Vec<Look> {
    let live = lives.iter().filter_map(|(_, live)| live.as_ref().ok());
    live.flat_map(|live| &live.processes)
        .map(|(_, pid)| Ok((switches(*pid)?, monotonic_ns())))
        .collect()
}

fn rows(
    lives: &[(Subject, Result<Live, String>)],
    before: Vec<Look>,
    after: Vec<Look>,
) -> Vec<Row> {
    let mut looks = before.into_iter().zip(after);
    let mut rows = Vec::new();
    for (subject, live) in lives {
        let row = |role, wakeups| Row {
            subject: *subject,
            role,
            wakeups,
        };
        match live {
            Err(why) => rows.push(row(Role::Pid1, Taken::Unavailable(why.clone()))),
            // The looks are of these processes, in this order.
            Ok(live) => {
                let here = live.processes.iter().zip(looks.by_ref());
                rows.extend(
                    here.map(|((role, _), (before, after))| {
                        row(*role, wakeups(before, after).into())
                    }),
                );
            }
        }
    }
    rows
}

fn wakeups(before: Look, after: Look) -> Result<Wakeups, String> {
    let ((before, from_ns), (after, to_ns)) = (before?, after?);
    // A thread that ended took its count along.
    let switches = after
        .checked_sub(before)
        .ok_or("one of its threads has ended")?;
    let seconds = to_ns.saturating_sub(from_ns) as f64 / 1e9;
    Ok(Wakeups { switches, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_counted_from_look_to_look() {
        let found = wakeups(Ok((7, 1_000_000_000)), Ok((12, 6_000_000_000)));
        assert!(found.is_ok_and(|w| w.switches == 5 && (w.per_s() - 1.0).abs() < 1e-9));
    }

    #[test]
    fn a_process_that_is_gone_has_no_figure() {
        assert!(wakeups(Ok((7, 0)), Err("gone".into())).is_err());
        assert!(wakeups(Ok((7, 0)), Ok((6, 1))).is_err());
    }
}
