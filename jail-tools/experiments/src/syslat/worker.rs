//! The measured code: one `pread` per operation.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use record::plan::Budget;
use record::trial::Precondition;
use record::{Class, Definition};

use super::definition::{self, WARM_SPAN};
use super::oracle::{Oracle, OracleKind};
use super::ranges;
use crate::error::ExperimentError;
use crate::interface::{
    Announce, Experiment, Found, Outcome, Pace, Report, Seen, Setup, Worker, level,
};

/// The experiment.
#[derive(Debug)]
pub struct Syslat;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Warm,
    Cold,
    Direct,
}

/// One reading thread.
#[derive(Debug)]
pub struct Reader {
    state: State,
    sequential: bool,
    size: u64,
    page_bytes: u64,
    span: u64,
    offsets: Vec<u64>,
    file: File,
    oracle: Option<(Oracle, OracleKind)>,
    buffer: Vec<u8>,
    /// Where in `buffer` the page-aligned part begins.
    aligned: usize,
    offset: u64,
    resident: Option<u64>,
    checked: u64,
    missed: u64,
    restored: u64,
}

impl Experiment for Syslat {
    type Worker = Reader;

    fn definition() -> Definition {
        definition::definition()
    }

    fn budget(pace: Pace) -> (u32, Budget) {
        definition::budget(pace)
    }

    fn subject_bytes(budget: &Budget) -> Option<u64> {
        // Cold ranges don't overlap, and the largest are 64 KiB.
        let cold = budget.ops.get("cold").copied().unwrap_or(0) + budget.warmup_ops;
        Some(
            (cold * (64 << 10))
                .max(2 * WARM_SPAN)
                .next_multiple_of(1 << 20),
        )
    }

    fn set_up(setup: &Setup<'_>) -> Result<Vec<Reader>, ExperimentError> {
        Reader::new(setup).map(|r| vec![r])
    }
}

impl Reader {
    fn new(setup: &Setup<'_>) -> Result<Self, ExperimentError> {
        let subject = setup
            .subject
            .ok_or_else(|| ExperimentError::Plan("syslat needs a file under test".into()))?;
        let size = match level(setup.cell, "size")? {
            "4k" => 4 << 10,
            "64k" => 64 << 10,
            other => return Err(ExperimentError::Plan(format!("syslat has no size {other}"))),
        };
        let state = match level(setup.cell, "state")? {
            "warm" => State::Warm,
            "cold" => State::Cold,
            "direct" => State::Direct,
            other => {
                return Err(ExperimentError::Plan(format!(
                    "syslat has no state {other}"
                )));
            }
        };
        let sequential = level(setup.cell, "access")? == "sequential";
        let file = subject.reopen(if state == State::Direct {
            libc::O_DIRECT
        } else {
            0
        })?;
        let page_bytes = page_bytes();
        let oracle = if state == State::Direct {
            None
        } else {
            let kind = OracleKind::of_this_kernel();
            let oracle =
                Oracle::new(kind, &file, subject.bytes, page_bytes).map_err(call("mmap"))?;
            Some((oracle, kind))
        };
        let span = if state == State::Warm {
            WARM_SPAN.min(subject.bytes)
        } else {
            subject.bytes
        };
        let offsets = offsets(setup, state, sequential, span, size);
        let mut buffer = vec![0u8; usize::try_from(size + page_bytes).unwrap_or(0)];
        // O_DIRECT wants its memory aligned as the device's blocks; a page always is.
        let aligned = buffer
            .as_mut_ptr()
            .align_offset(usize::try_from(page_bytes).unwrap_or(1));
        Ok(Self {
            state,
            sequential,
            size,
            page_bytes,
            span,
            offsets,
            file,
            oracle,
            buffer,
            aligned,
            offset: 0,
            resident: None,
            checked: 0,
            missed: 0,
            restored: 0,
        })
    }

    fn read(&mut self, offset: u64) -> io::Result<usize> {
        let end = self.aligned + usize::try_from(self.size).unwrap_or(0);
        self.file
            .read_at(&mut self.buffer[self.aligned..end], offset)
    }

    fn resident(&self, start: u64, bytes: u64) -> Result<Option<u64>, ExperimentError> {
        self.oracle
            .as_ref()
            .map(|(oracle, kind)| {
                oracle
                    .resident_pages(start, bytes)
                    .map_err(call(kind.name()))
            })
            .transpose()
    }

    fn evict(&self, start: u64, bytes: u64) -> Result<(), ExperimentError> {
        let [start, bytes] = [start, bytes].map(|v| i64::try_from(v).unwrap_or(i64::MAX));
        posix_fadvise(
            &self.file,
            start,
            bytes,
            PosixFadviseAdvice::POSIX_FADV_DONTNEED,
        )
        .map_err(|e| call("posix_fadvise(DONTNEED)")(e.into()))
    }

    fn pages(&self) -> u64 {
        self.size / self.page_bytes
    }

    /// Makes the whole span absent. Large folios go as a whole, so the whole file is evicted.
    fn arrive_cold(&mut self) -> Result<(), ExperimentError> {
        /// Pages that are locked or under writeback are skipped, so it may take more than one go.
        const TRIES: u32 = 5;
        for _ in 0..TRIES {
            self.evict(0, 0)?;
            if self.resident(0, self.span)? == Some(0) {
                return Ok(());
            }
            nix::unistd::sync();
        }
        Ok(())
    }

    fn arrive_warm(&mut self) -> Result<(), ExperimentError> {
        for start in (0..self.span).step_by(usize::try_from(self.size).unwrap_or(1)) {
            self.read(start).map_err(call("pread"))?;
        }
        Ok(())
    }
}

fn offsets(setup: &Setup<'_>, state: State, sequential: bool, span: u64, size: u64) -> Vec<u64> {
    let class = match (state, sequential) {
        (State::Warm, _) => "warm",
        (State::Cold, false) => "cold",
        (State::Cold, true) => "cold sequential",
        (State::Direct, _) => "direct",
    };
    let count = setup.budget.ops.get(class).copied().unwrap_or(0) + setup.budget.warmup_ops;
    if sequential {
        ranges::sequential(span, size, count, state != State::Cold)
    } else {
        ranges::random(setup.seed, span, size, count, state == State::Cold)
    }
}

impl Worker for Reader {
    fn arrive(&mut self) -> Result<(), ExperimentError> {
        // Fault the buffer in now: the copy must not fault in the timed window.
        self.buffer.fill(1);
        match self.state {
            State::Warm => self.arrive_warm(),
            State::Direct => Ok(()),
            State::Cold => {
                if !self.sequential {
                    // Under FADV_RANDOM each read brings in what it asks for and no more, in
                    // small folios: eviction fails inside large ones.
                    posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM)
                        .map_err(|e| call("posix_fadvise(RANDOM)")(e.into()))?;
                }
                self.arrive_cold()
            }
        }
    }

    fn before(&mut self, op: u64) -> Result<Option<Announce>, ExperimentError> {
        let Some(offset) = usize::try_from(op)
            .ok()
            .and_then(|i| self.offsets.get(i))
            .copied()
        else {
            return Ok(None);
        };
        self.offset = offset;
        self.resident = self.resident(offset, self.size)?;
        let wanted = match (self.state, self.sequential) {
            (State::Warm, _) => Some(self.pages()),
            (State::Cold, false) => Some(0),
            _ => None,
        };
        if let (Some(wanted), Some(mut found)) = (wanted, self.resident) {
            self.checked += 1;
            if found != wanted {
                // Readahead, reclaim or a balloon came in between: put it right, and look again.
                self.restored += 1;
                match self.state {
                    State::Cold => self.evict(offset, self.size)?,
                    _ => {
                        self.read(offset).map_err(call("pread"))?;
                    }
                }
                found = self.resident(offset, self.size)?.unwrap_or(found);
                self.resident = Some(found);
            }
            self.missed += u64::from(found != wanted);
        }
        Ok(Some(Announce {
            start: offset,
            end: offset + self.size,
        }))
    }

    #[inline]
    fn operate(&mut self) -> Outcome {
        let result = match self.read(self.offset) {
            Ok(bytes) => bytes as i64,
            Err(e) => -i64::from(e.raw_os_error().unwrap_or(libc::EIO)),
        };
        Outcome {
            result,
            units: 1,
            started_ns: None,
        }
    }

    fn after(&mut self) -> Result<Found, ExperimentError> {
        if self.state == State::Direct {
            return Ok(Found::default());
        }
        let small = |v: u64| u32::try_from(v).ok();
        Ok(Found {
            pages: small(self.pages()),
            oracle_resident_pages: self.resident.and_then(small),
        })
    }

    fn class(&self, seen: &Seen, found: &Found) -> Class {
        match found.pages {
            None if seen.requests > 0 => Class::Miss,
            None => Class::Unknown,
            Some(_) if seen.pages_missed == 0 && seen.slept => Class::Wait,
            Some(_) if seen.pages_missed == 0 => Class::Hit,
            Some(pages) if seen.pages_missed >= pages => Class::Miss,
            Some(_) => Class::Partial,
        }
    }

    fn finish(self) -> Report {
        let mut report = Report::default();
        if self.checked > 0 {
            let (what, oracle) = match self.state {
                State::Cold => ("absent", self.oracle.as_ref()),
                _ => ("resident", self.oracle.as_ref()),
            };
            report.preconditions.push(Precondition {
                name: "state".into(),
                checked: self.checked,
                missed: self.missed,
                detail: format!(
                    "every range {what} before its operation, by {}",
                    oracle.map_or("nothing", |(_, k)| k.name())
                ),
            });
        }
        if self.restored > 0 {
            let what = match self.state {
                State::Cold => "evicted",
                _ => "read in",
            };
            report.notes.push(format!(
                "{} ranges had to be {what} again just before their operation",
                self.restored
            ));
        }
        report
    }
}

fn call(call: &'static str) -> impl FnOnce(io::Error) -> ExperimentError {
    move |source| ExperimentError::Call {
        call,
        object: "of the file under test".into(),
        source,
        advice: "",
    }
}

fn page_bytes() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|v| u64::try_from(v).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use record::Cell;

    use super::*;
    use crate::subject::Provision;

    fn cell(state: &str, access: &str) -> Cell {
        let levels = [("size", "4k"), ("state", state), ("access", access)];
        Cell {
            id: 0,
            experiment: "syslat".into(),
            levels: levels
                .iter()
                .map(|(f, l)| ((*f).into(), (*l).into()))
                .collect(),
        }
    }

    fn run(state: &str, access: &str) -> (Vec<Found>, Report) {
        let dir = tempfile::tempdir_in(".").unwrap();
        let provision = Provision::make(dir.path(), 32 << 20, 1).unwrap();
        let ops = ["warm", "cold", "cold sequential", "direct"]
            .map(|k| (k.to_owned(), 50))
            .into();
        let budget = Budget {
            ops,
            trial_ms: 1000,
            warmup_ops: 0,
        };
        let cell = cell(state, access);
        let setup = Setup {
            cell: &cell,
            seed: 3,
            budget: &budget,
            subject: Some(provision.subject()),
            cpus: &[],
        };
        let mut reader = Syslat::set_up(&setup).unwrap().remove(0);
        reader.arrive().unwrap();
        let mut found = Vec::new();
        while reader.before(found.len() as u64).unwrap().is_some() {
            assert_eq!(reader.operate().result, 4096);
            found.push(reader.after().unwrap());
        }
        (found, reader.finish())
    }

    #[test]
    fn every_operation_of_a_cold_random_cell_is_cold() {
        let (found, report) = run("cold", "random");
        assert_eq!(found.len(), 50);
        assert!(
            found.iter().all(|f| f.oracle_resident_pages == Some(0)),
            "{found:?}"
        );
        assert_eq!(report.preconditions[0].missed, 0);
    }

    #[test]
    fn every_operation_of_a_warm_cell_is_warm() {
        for access in ["random", "sequential"] {
            let (found, report) = run("warm", access);
            assert!(
                found.iter().all(|f| f.oracle_resident_pages == Some(1)),
                "{found:?}"
            );
            assert_eq!(
                (
                    report.preconditions[0].checked,
                    report.preconditions[0].missed
                ),
                (50, 0)
            );
        }
    }

    #[test]
    fn readahead_makes_most_of_a_cold_sequential_cell_resident() {
        let (found, _) = run("cold", "sequential");
        assert_eq!(
            found[0].oracle_resident_pages,
            Some(0),
            "the first read finds nothing"
        );
        assert!(
            found
                .iter()
                .filter(|f| f.oracle_resident_pages == Some(1))
                .count()
                > 25
        );
    }

    #[test]
    fn direct_reads_have_no_pages() {
        let (found, report) = run("direct", "random");
        assert!(found.iter().all(|f| f.pages.is_none()));
        assert!(report.preconditions.is_empty());
    }

    #[test]
    fn classes_follow_what_the_probes_saw() {
        let dir = tempfile::tempdir_in(".").unwrap();
        let provision = Provision::make(dir.path(), 32 << 20, 1).unwrap();
        let budget = Budget {
            ops: BTreeMap::new(),
            trial_ms: 1,
            warmup_ops: 0,
        };
        let cell = cell("warm", "random");
        let setup = Setup {
            cell: &cell,
            seed: 3,
            budget: &budget,
            subject: Some(provision.subject()),
            cpus: &[],
        };
        let reader = Syslat::set_up(&setup).unwrap().remove(0);
        let found = Found {
            pages: Some(16),
            oracle_resident_pages: Some(0),
        };
        let class = |pages_missed, slept| {
            reader.class(
                &Seen {
                    pages_missed,
                    requests: 0,
                    slept,
                },
                &found,
            )
        };
        assert_eq!(class(0, false), Class::Hit);
        assert_eq!(class(0, true), Class::Wait);
        assert_eq!(class(3, true), Class::Partial);
        assert_eq!(class(16, true), Class::Miss);
    }
}
