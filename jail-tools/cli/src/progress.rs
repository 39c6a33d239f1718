//! Progress: a bar on a terminal, a plain line per round elsewhere. Always on standard error.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::note;

/// Progress of a run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    every: u64,
    done: u64,
    total: u64,
}

impl Progress {
    /// For this many steps; without a terminal, a line after every `every`.
    pub(crate) fn new(total: u64, every: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {pos}/{len} trials, {eta} left  {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            every: every.max(1),
            done: 0,
            total,
        }
    }

    /// One step further.
    pub(crate) fn step(&mut self, what: &str) {
        self.done += 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message(what.to_owned());
                bar.inc(1);
            }
            None if self.done.is_multiple_of(self.every) => {
                note(format_args!("{}/{} trials", self.done, self.total));
            }
            None => {}
        }
    }

    /// A line that must be seen now.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(format_args!("{line}"))),
            None => note(format_args!("{line}")),
        }
    }

    /// The end.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
