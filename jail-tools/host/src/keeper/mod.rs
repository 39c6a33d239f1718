//! The keeper: a process that outlives this one and puts the host back.
//!
//! It is started from this program's own binary, in a session of its own, deaf to signals that
//! can be blocked. Before each change its [`Undo`] is promised: the change is made only after the
//! keeper has answered that it has it. When this process closes the pipe, or dies in whatever
//! way, the keeper undoes everything in reverse order and exits.
//!
//! What it cannot survive: a SIGKILL of its own (then an orderly end still undoes, from this
//! process's copy), and the machine going down (which resets every setting that is changed here).
//!
//! A program that uses it must call [`main`] when its first argument is [`SUBCOMMAND`], before
//! anything else.

mod child;
mod undo;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::error::{Error, Result};

pub use child::main;
pub use undo::Undo;

/// The hidden subcommand under which a program runs as keeper.
pub const SUBCOMMAND: &str = "keeper";

/// First line of a keeper that is ready.
const READY: &str = "ready";
/// Answer to a promise.
const KEPT: &str = "kept";
/// Last line of a keeper that has undone what it could.
const DONE: &str = "done";

/// This process's end of the pipe to its keeper.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    promised: Vec<Undo>,
}

impl Keeper {
    /// Starts a keeper from this program's own binary.
    ///
    /// # Errors
    /// The process could not be started, or did not say that it is ready: a program that does
    /// not call [`main`] for [`SUBCOMMAND`].
    pub fn start() -> Result<Self> {
        // The link is followed by the child after the fork: it is the same binary even if the
        // file was replaced or removed meanwhile.
        Self::start_from(OsStr::new("/proc/self/exe"))
    }

    fn start_from(program: &OsStr) -> Result<Self> {
        let mut child = Command::new(program)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/")
            .spawn()
            .map_err(|e| Error::call("spawn keeper from", program.to_string_lossy(), e))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for as pipes");
        };
        let mut keeper = Self {
            child,
            to: Some(to),
            from: BufReader::new(from),
            promised: Vec::new(),
        };
        keeper.expect(READY, "starting")?;
        Ok(keeper)
    }

    /// Process id of the keeper.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hands over how a change will be undone. Make the change only after this has returned.
    ///
    /// # Errors
    /// The keeper does not answer. Then the change must not be made.
    pub fn promise(&mut self, undo: Undo) -> Result<()> {
        const STEP: &str = "taking a promise";
        let Some(to) = self.to.as_mut() else {
            return Err(Error::Keeper {
                step: STEP,
                why: "it is gone".into(),
            });
        };
        let mut line = serde_json::to_string(&undo).map_err(|e| Error::Keeper {
            step: STEP,
            why: e.to_string(),
        })?;
        line.push('\n');
        to.write_all(line.as_bytes()).map_err(|e| Error::Keeper {
            step: STEP,
            why: e.to_string(),
        })?;
        self.expect(KEPT, STEP)?;
        self.promised.push(undo);
        Ok(())
    }

    /// Ends it: everything promised is undone when this returns. Gives what could not be undone,
    /// in sentences that say how to do it by hand.
    #[must_use]
    pub fn finish(mut self) -> Vec<String> {
        self.close()
    }

    fn close(&mut self) -> Vec<String> {
        if self.to.take().is_none() {
            return Vec::new();
        }
        let mut failed = Vec::new();
        let mut done = false;
        while let Ok(Some(line)) = self.line() {
            if line == DONE {
                done = true;
            } else {
                failed.push(line);
            }
        }
        // Reaps it. Without its last word it was killed: undo here, from our copy. An undo of
        // what is already undone changes nothing.
        let _ = self.child.wait();
        if done {
            failed
        } else {
            undo::all(&self.promised)
        }
    }

    fn expect(&mut self, word: &str, step: &'static str) -> Result<()> {
        match self.line() {
            Ok(Some(line)) if line == word => Ok(()),
            Ok(Some(line)) => Err(Error::Keeper {
                step,
                why: format!("it said {line:?}, not {word:?}"),
            }),
            Ok(None) => Err(Error::Keeper {
                step,
                why: "it ended".into(),
            }),
            Err(e) => Err(Error::Keeper {
                step,
                why: e.to_string(),
            }),
        }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let bytes = self.from.read_line(&mut line)?;
        Ok((bytes > 0).then(|| line.trim_end().to_owned()))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Nobody is left to hand these to, and a host that was not put back must not be silent.
        for failure in self.close() {
            // Not with eprintln: nobody may be there to read it, and that must not end this.
            let _ = writeln!(std::io::stderr(), "not put back: {failure}");
        }
    }
}
