//! A model that must fail, in a process of its own: a checker that found something unwinds
//! through threads that are in the middle of theirs, which may end in an abort.

use std::process::Command;

/// Set in the child.
const ROLE: &str = "MUTEX_CONDVAR_MODEL_MUST_FAIL";

/// Is this a process that runs a model that must fail?
pub(crate) fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Runs `model` in a child, as the test of this name does that calls this; the first line of
/// its first panic.
///
/// In the child itself it runs the model and does not come back from it, if that fails.
pub(crate) fn failure_of(test: &str, model: impl FnOnce()) -> Option<String> {
    if is_child() {
        model();
        std::process::exit(0);
    }
    let output = Command::new(std::env::current_exe().expect("the path of this program"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, "1")
        .output()
        .expect("run this program again");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let panic = first_panic(&stderr);
    assert_eq!(panic.is_none(), output.status.success(), "{stderr}");
    panic
}

/// The message stands in the line after the one that says where it was.
fn first_panic(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines();
    lines.find(|line| line.contains("panicked at"))?;
    lines.next().map(str::to_owned)
}

/// Runs a model that must fail, with `expected` in the first line of the panic, which it gives.
pub(crate) fn must_fail(test: &str, expected: &str, model: impl FnOnce()) -> String {
    let failure = failure_of(test, model);
    let failure = failure.unwrap_or_else(|| panic!("{test}: the model passed"));
    assert!(
        failure.contains(expected),
        "{test}: failed by something else than `{expected}`: {failure}"
    );
    failure
}
