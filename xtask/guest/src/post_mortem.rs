//! Where every thread is when a test hangs: its state, and its stack in the kernel.

use std::fs;

use crate::steps::processes;

/// Frames of a stack that are shown.
const FRAMES: usize = 8;

/// A few lines for each thread of each process in user space but our own.
pub(crate) fn of_all_threads() -> Vec<String> {
    let mut lines = vec!["it hangs; every thread in the guest:".to_owned()];
    for (pid, name) in processes() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        for task in tasks {
            lines.extend(of_thread(
                &format!("/proc/{pid}/task/{}", task.file_name().display()),
                pid,
                &name,
            ));
        }
    }
    lines
}

/// What can't be read is said in its place: the thread may just have ended.
fn of_thread(dir: &str, pid: i32, name: &str) -> Vec<String> {
    let read = |file: &str| {
        fs::read_to_string(format!("{dir}/{file}")).unwrap_or_else(|e| format!("({e})"))
    };
    let status = read("status");
    let field = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        line.map_or("?", str::trim).to_owned()
    };
    let mut lines = vec![format!(
        "  {name} ({pid}), thread {} {}: {}",
        field("Pid:"),
        field("Name:"),
        field("State:")
    )];
    lines.extend(
        read("stack")
            .lines()
            .take(FRAMES)
            .map(|frame| format!("    {frame}")),
    );
    lines
}
