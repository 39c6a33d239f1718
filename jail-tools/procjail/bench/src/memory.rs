//! What memory the processes of each subject have while its command sleeps. One subject at a time:
//! two that run the same file would share its pages, and neither would have them as its own.

use anyhow::Result;
use serde::Serialize;

use crate::procfs::{Memory, memory};
use crate::residents::{Role, end, settle, start};
use crate::session::Session;
use crate::subject::Subject;
use crate::taken::Taken;

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) role: Role,
    pub(crate) memory: Taken<Memory>,
}

/// Starts each, looks, and ends it.
///
/// # Errors
/// We were interrupted. What a subject fails at is in its row.
pub(crate) fn run(session: &Session<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for subject in Subject::RESIDENT {
        let row = |role, memory| Row {
            subject,
            role,
            memory,
        };
        let live = start(session, subject)?;
        match &live {
            Ok(live) => {
                settle(session)?;
                let processes = live.processes.iter();
                rows.extend(processes.map(|(role, pid)| row(*role, memory(*pid).into())));
            }
            Err(why) => rows.push(row(Role::Pid1, Taken::Unavailable(why.clone()))),
        }
        end(session, live)?;
    }
    Ok(rows)
}
