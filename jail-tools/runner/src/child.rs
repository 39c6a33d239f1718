//! The trial's own process.

use std::io::{self, Write};
use std::process::ExitCode;

use nix::sys::signal::Signal;

use crate::registry;
use crate::wire::{ChildReport, ChildSpec};

/// Entry of the hidden subcommand: reads the specification, runs the trial, writes the report.
///
/// The exit code is 0 if a report was written, even if it says that the trial failed.
#[must_use]
pub fn main() -> ExitCode {
    let report = trial();
    let encoded = postcard::to_stdvec(&report);
    let written = encoded
        .map_err(|e| e.to_string())
        .and_then(|bytes| io::stdout().write_all(&bytes).map_err(|e| e.to_string()));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Nobody reads it if the parent is gone; otherwise it is kept with the trial.
            let _ = writeln!(io::stderr(), "the report could not be written: {e}");
            ExitCode::FAILURE
        }
    }
}

fn trial() -> Result<ChildReport, String> {
    let spec: ChildSpec = serde_json::from_reader(io::stdin().lock())
        .map_err(|e| format!("specification of the trial: {e}"))?;
    end_with_parent(spec.parent_pid)?;
    let entry = registry::find(&spec.experiment)
        .ok_or_else(|| format!("no experiment {}", spec.experiment))?;
    // Everything that is not measured stays off the measured CPUs. Behind a shield that has no
    // others this is refused, and harmless.
    let _ = host::confine(&spec.housekeeping);
    (entry.run)(&spec).map_err(|e| e.to_string())
}

/// prctl(2), `PR_SET_PDEATHSIG`: not retroactive, so the parent is checked afterwards.
fn end_with_parent(parent_pid: i32) -> Result<(), String> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|e| format!("prctl(PR_SET_PDEATHSIG): {e}"))?;
    if nix::unistd::getppid().as_raw() == parent_pid {
        Ok(())
    } else {
        Err("the parent is gone".into())
    }
}
