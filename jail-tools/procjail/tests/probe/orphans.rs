//! Orphans: processes whose parent ends before them, so that the init gets them.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};

use crate::common::wire::Event;
use crate::{LIFETIME_S, door, tell};

/// How often an orphan looks for its new parent.
const LOOK: Duration = Duration::from_micros(200);

/// Makes many from a process of its own, which tells when all have come to their end. They are
/// the init's to reap: none of them is a child of the caller's.
pub(crate) fn make(count: u32) -> Result<()> {
    if door::fork()?.is_none() {
        let code = match breed(count) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("jail-probe: orphans: {error:#}");
                1
            }
        };
        door::leave(code);
    }
    Ok(())
}

fn breed(count: u32) -> Result<()> {
    let (mut reader, writer) = std::io::pipe().context("pipe")?;
    for _ in 0..count {
        let Some(middle) = door::fork()? else {
            middle_of_three(&writer)
        };
        door::wait(middle)?;
    }
    drop(writer);
    let mut told = Vec::new();
    reader.read_to_end(&mut told).context("read of parents")?;
    let parents: Vec<i32> = told
        .as_chunks::<4>()
        .0
        .iter()
        .map(|p| i32::from_ne_bytes(*p))
        .collect();
    let parent = parents.first().copied().unwrap_or_default();
    let adopted = parents.iter().filter(|p| **p == parent).count();
    tell(&Event::Orphans {
        count: adopted.try_into().unwrap_or_default(),
        parent,
    })
}

/// Ends at once, and so leaves an orphan.
fn middle_of_three(writer: &std::io::PipeWriter) -> ! {
    let middle = getpid();
    if let Ok(None) = door::fork() {
        wait_for_another_parent(middle);
        let mut writer = writer;
        let told = std::io::Write::write_all(&mut writer, &getppid().as_raw().to_ne_bytes());
        door::leave(i32::from(told.is_err()));
    }
    door::leave(0)
}

fn wait_for_another_parent(parent: Pid) {
    while getppid() == parent {
        std::thread::sleep(LOOK);
    }
}

/// Makes one that stays until its new parent ends.
pub(crate) fn linger() -> Result<()> {
    let Some(middle) = door::fork()? else {
        let middle = getpid();
        if let Ok(None) = door::fork() {
            wait_for_another_parent(middle);
            let told = set_pdeathsig(Signal::SIGKILL).is_ok()
                && tell(&Event::Orphans {
                    count: 1,
                    parent: getppid().as_raw(),
                })
                .is_ok();
            if told {
                std::thread::sleep(Duration::from_secs(LIFETIME_S as u64));
            }
            door::leave(0);
        }
        door::leave(0)
    };
    door::wait(middle)?;
    Ok(())
}
