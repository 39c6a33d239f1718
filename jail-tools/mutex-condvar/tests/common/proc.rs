//! What the kernel says about a thread of this process.

use std::fs;

/// The calling thread's id.
pub(crate) fn tid() -> u64 {
    u64::try_from(nix::unistd::gettid().as_raw()).expect("thread ids are positive")
}

/// Its state, and where it sleeps if it does.
pub(crate) fn thread(tid: u64) -> String {
    let read = |file: &str| match fs::read_to_string(format!("/proc/self/task/{tid}/{file}")) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => format!("({error})"),
    };
    let stat = read("stat");
    // The name before it is in brackets and may be anything (proc_pid_stat(5)).
    let state = stat.rsplit_once(") ").map_or("?", |(_, rest)| &rest[..1]);
    let (wchan, syscall) = (read("wchan"), read("syscall"));
    // Number and arguments; the stack and instruction pointers tell nothing.
    let call: Vec<&str> = syscall.split(' ').take(4).collect();
    format!(
        "thread {tid} state {state}, wchan {wchan}, system call {}",
        call.join(" ")
    )
}
