//! Offsets from the kernel's BTF, checked against a live task: the calling thread, of which the
//! kernel says by other ways what stands in its `struct task_struct`.
//!
//! BTF that does not belong to the running kernel would make every program read other fields than
//! it means, and nothing else would notice.

use std::os::fd::BorrowedFd;

use probes_ebpf::layout::{FIELD, PID, TGID};
use serde::Serialize;

use crate::offsets::Offsets;
use crate::register::run_on_this_thread;

/// Bytes of `task_struct.comm`: `TASK_COMM_LEN` of linux/sched.h.
const COMM_BYTES: u64 = 16;

/// One field of the calling thread's `struct task_struct`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its offset, by the kernel's BTF.
    pub offset: u32,
    /// What stands there.
    pub read: String,
    /// What should, by a helper of the kernel's or a system call.
    pub known: String,
}

impl Field {
    /// Is it what it should be? What reads as nothing is not: no task has id 0 or no name.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.read == self.known && !["", "0"].contains(&self.read.as_str())
    }
}

/// Reads what is known otherwise too.
///
/// # Errors
/// In words: the BTF lacks a field that every kernel has, or bpf(2) or prctl(2) fails.
pub(crate) fn check(program: BorrowedFd<'_>, offsets: &Offsets) -> Result<Vec<Field>, String> {
    let run = |what: u64, offset: u64| {
        run_on_this_thread(program, &[what, offset])
            .map_err(|e| format!("bpf(PROG_TEST_RUN) of layout_of_task: {e}"))
    };
    let number = |name, offset: Option<u32>, helper| {
        let offset = offset.ok_or_else(|| format!("the kernel's BTF has no task_struct.{name}"))?;
        Ok::<_, String>(Field {
            name,
            offset,
            read: run(FIELD, u64::from(offset))?.to_string(),
            known: run(helper, 0)?.to_string(),
        })
    };
    let pid = number("pid", offsets.task_pid, PID)?;
    let tgid = number("tgid", offsets.task_tgid, TGID)?;
    let offset = offsets
        .task_comm
        .ok_or("the kernel's BTF has no task_struct.comm")?;
    let mut bytes = Vec::new();
    for at in (0..COMM_BYTES).step_by(4) {
        bytes.extend(run(FIELD, u64::from(offset) + at)?.to_ne_bytes());
    }
    let known = nix::sys::prctl::get_name().map_err(|e| format!("prctl(PR_GET_NAME): {e}"))?;
    let comm = Field {
        name: "comm",
        offset,
        read: text_of(&bytes),
        known: known.to_string_lossy().into_owned(),
    };
    Ok(vec![pid, tgid, comm])
}

/// Up to the first zero byte.
fn text_of(bytes: &[u8]) -> String {
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_its_first_zero() {
        assert_eq!(text_of(b"bash\0\0x"), "bash");
        assert_eq!(text_of(b"\0"), "");
        assert_eq!(text_of(b"fifteen-letters"), "fifteen-letters");
    }
}
