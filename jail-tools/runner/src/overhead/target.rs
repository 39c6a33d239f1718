//! The observed code: warm 4 KiB reads, and getppid as the canary for "every other system call".

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use experiments::subject::Provision;
use experiments::{Announce, ExperimentError, Outcome, Worker};
use record::overhead::Medians;

use crate::clock::now_ns;
use crate::lens::Lens;
use crate::self_model::median;

/// Bytes of the file: it stays in the page cache whatever else happens.
const FILE_BYTES: u64 = 1 << 20;
const READ_BYTES: u64 = 4096;
/// Reads per shot: their median has a resolution far below 1 %.
const READS: u64 = 4_000;
/// getppid is shorter than a clock read, so it is timed in batches.
const BATCH: u32 = 500;
const BATCHES: u32 = 21;

pub(super) struct Target {
    reader: Reader,
    _provision: Provision,
}

struct Reader {
    file: File,
    buffer: Vec<u8>,
    offset: u64,
}

impl Target {
    pub(super) fn new(dir: &Path, seed: u64) -> Result<Self, ExperimentError> {
        let provision = Provision::make(dir, FILE_BYTES, seed)?;
        let file = provision.subject().reopen(0)?;
        let reader = Reader {
            file,
            buffer: vec![1; READ_BYTES as usize],
            offset: 0,
        };
        Ok(Self {
            reader,
            _provision: provision,
        })
    }

    /// With nothing read around the operation.
    pub(super) fn bare(&mut self) -> Result<Medians, String> {
        self.measure(&mut Lens::bare())
    }

    /// Medians of a read and of a getppid, through this lens.
    pub(super) fn measure(&mut self, lens: &mut Lens) -> Result<Medians, String> {
        let mut reads = Vec::with_capacity(READS as usize);
        // The first quarter only warms what arming has cooled.
        for op in 0..READS + READS / 4 {
            self.reader.offset = (op * READ_BYTES) % FILE_BYTES;
            let range = Announce {
                start: self.reader.offset,
                end: self.reader.offset + READ_BYTES,
            };
            lens.announce(op, range);
            let look = lens.look(&mut self.reader);
            lens.retire();
            if look.outcome.result != READ_BYTES as i64 {
                return Err(format!("pread returned {}", look.outcome.result));
            }
            if op >= READS / 4 {
                reads.push((look.end_ns - look.start_ns).cast_signed());
            }
        }
        let getppid = (0..BATCHES).map(|_| batch_ns()).collect();
        match (median(reads), median(getppid)) {
            (Some(read), Some(getppid)) => Ok(Medians {
                pread_p50_ns: read as f64,
                getppid_p50_ns: getppid as f64 / f64::from(BATCH),
            }),
            _ => Err("nothing was measured".into()),
        }
    }
}

fn batch_ns() -> i64 {
    let start_ns = now_ns();
    for _ in 0..BATCH {
        // glibc has not cached it since 2.3.4 or so: each is a system call.
        std::hint::black_box(nix::unistd::getppid());
    }
    (now_ns() - start_ns).cast_signed()
}

impl Worker for Reader {
    fn before(&mut self, _: u64) -> Result<Option<Announce>, ExperimentError> {
        Ok(None)
    }
    #[inline]
    fn operate(&mut self) -> Outcome {
        let result = match self.file.read_at(&mut self.buffer, self.offset) {
            Ok(bytes) => bytes as i64,
            Err(e) => -i64::from(e.raw_os_error().unwrap_or(libc::EIO)),
        };
        Outcome {
            result,
            units: 1,
            started_ns: None,
        }
    }
}
