//! The same under ThreadSanitizer, which does not wait for the processor to reorder anything.

use mutex_condvar::Fault;
use testkit::Test;

use crate::child;

/// Was this program made by `cargo xtask test`'s step for it? (`cfg(sanitize)` is not stable.)
pub(crate) fn is_here() -> bool {
    std::env::var_os("JAIL_TOOLS_THREAD_SANITIZER").is_some()
}

pub(crate) fn reports_a_race(test: &Test, fault: Fault) {
    let seen = child::run(test, "fault");
    let report = seen
        .race()
        .unwrap_or_else(|| panic!("{fault:?}: no race was reported: {seen}"));
    let what: Vec<&str> = report
        .lines()
        .map(str::trim)
        .filter(|line| {
            ["Write of", "Read of", "Previous", "SUMMARY", "#0 "]
                .iter()
                .any(|mark| line.contains(mark))
        })
        .take(6)
        .collect();
    println!(
        "caught: {fault:?} by ThreadSanitizer: data race: {}",
        what.join("; ")
    );
}
