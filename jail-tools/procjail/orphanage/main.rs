//! `jail-orphanage`: makes orphans by the thousand, for the tests of PID 1, and watches how many of
//! them are zombies. It runs in the jail, where /proc shows nothing else.
//!
//! `jail-orphanage N`: in batches, each as soon as the one before is made. `jail-orphanage burst N`:
//! all of them while PID 1 stands still; a line on standard input says that it does.
#![allow(unsafe_code, reason = "fork has no safe interface")]

use std::fs;
use std::io::{Error, Result, stdin};
use std::time::{Duration, Instant};

/// Orphans of one mother.
const BATCH: u32 = 100;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse().map_err(Error::other);
    match words[..] {
        ["burst", count] => burst(number(count)?),
        [count] => stream(number(count)?),
        _ => Err(Error::other("usage: jail-orphanage [burst] N")),
    }
}

/// Lets them come as fast as they can be made.
fn stream(count: u32) -> Result<()> {
    let since = Instant::now();
    let mut peak = 0;
    for begun in (0..count).step_by(BATCH as usize) {
        mother(BATCH.min(count - begun))?;
        peak = peak.max(zombies()?);
    }
    let made = since.elapsed();
    until_none_is_left()?;
    let all = since.elapsed();
    println!("orphans {count}, peak zombies {peak}, made in {made:.2?}, none left after {all:.2?}");
    Ok(())
}

/// Makes them while nobody reaps, and lets go then.
fn burst(count: u32) -> Result<()> {
    println!("ready");
    stdin().read_line(&mut String::new())?;
    for begun in (0..count).step_by(BATCH as usize) {
        mother(BATCH.min(count - begun))?;
    }
    while zombies()? < count {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("piled {}", zombies()?);
    let since = Instant::now();
    until_none_is_left()?;
    println!("drained in {:.2?}", since.elapsed());
    Ok(())
}

/// A process that has children, and ends before them or just after: nobody waits for them but PID 1.
fn mother(children: u32) -> Result<()> {
    let Some(mother) = fork()? else {
        for _ in 0..children {
            match fork() {
                Ok(Some(_)) => {}
                Ok(None) => leave(0),
                Err(_) => leave(1),
            }
        }
        leave(0)
    };
    let mut status = 0;
    // SAFETY: the status is written to an integer on this stack.
    if unsafe { libc::waitpid(mother, &raw mut status, 0) } != mother || status != 0 {
        return Err(Error::other(format!("a batch was not made: {status}")));
    }
    Ok(())
}

fn until_none_is_left() -> Result<()> {
    // PID 1 and we.
    while processes()?.len() > 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn zombies() -> Result<u32> {
    let is_zombie = |pid: &String| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    };
    Ok(processes()?.iter().filter(|p| is_zombie(p)).count() as u32)
}

/// Everything in the jail, by number.
fn processes() -> Result<Vec<String>> {
    let names =
        fs::read_dir("/proc")?.map(|e| Ok(e?.file_name().into_string().unwrap_or_default()));
    let names: Result<Vec<String>> = names.collect();
    let is_number = |n: &String| n.starts_with(|c: char| c.is_ascii_digit());
    Ok(names?.into_iter().filter(is_number).collect())
}

/// `None` in the child.
fn fork() -> Result<Option<i32>> {
    // SAFETY: this program has one thread, so that the child finds no lock taken.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Ends at once, without what a forked process has inherited of its parent's buffers.
fn leave(code: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(code) }
}
