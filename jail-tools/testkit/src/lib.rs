//! For tests only: what a test needs of the machine stands in its name, is checked from there,
//! and a test that can't run says so and is counted.
//!
//! ```no_run
//! fn needs_root_needs_cgroup_v2_it_holds() {
//!     let test = testkit::begin!();
//!     // … what it is about …
//!     test.verified("what the table of kernels calls it", "as it was found");
//! }
//! ```
//!
//! The same marks choose the tests that `cargo xtask vm` runs on other kernels.

mod log;
mod machine;
mod need;
mod program;

pub use machine::{no_bpf, no_program, no_root};
pub use need::{Need, needs_of};
pub use program::install;

/// A test that may go on.
#[derive(Debug)]
pub struct Test {
    name: String,
}

impl Test {
    /// Begins a test that was named by [`begin!`]: checks what its name says that it needs.
    ///
    /// `None` after a note, if the machine does not have it.
    ///
    /// # Panics
    /// The name begins with `needs_` and no need is called so: a mark that nobody checks would be
    /// a lie. Or a guest of `cargo xtask vm` lacks what it was made to have: a set in which every
    /// test skips itself would look well.
    #[must_use]
    pub fn begin(inner: &str) -> Option<Self> {
        let name = test_of(inner);
        let test = Self {
            name: name.to_owned(),
        };
        let needs =
            needs_of(name).unwrap_or_else(|mark| panic!("{name}: nothing is called {mark}"));
        for need in needs {
            if let Some(why) = need.missing() {
                assert!(
                    !need.must_be_met_here(),
                    "{name}: this guest should have it: {why}"
                );
                test.skip(&why);
                return None;
            }
        }
        Some(test)
    }

    /// Path of the test in its program, as libtest shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes that the test cannot run here after all. Return after it.
    pub fn skip(&self, why: &str) {
        skip(&self.name, why);
    }

    /// Notes what the test has verified: a cell of the table of kernels.
    ///
    /// It counts only if the test passes.
    pub fn verified(&self, feature: &str, what: &str) {
        println!("verified: {feature}: {what}");
        log::append(
            "JAIL_TOOLS_VERIFIED_LOG",
            &format!("{feature}\t{}\t{what}", self.name),
        );
    }
}

/// Begins the test that it stands in, or leaves it with a note: the first line of every test
/// whose name says that it needs something.
#[macro_export]
macro_rules! begin {
    () => {{
        fn here() {}
        match $crate::Test::begin(::std::any::type_name_of_val(&here)) {
            Some(test) => test,
            None => return,
        }
    }};
}

/// Notes that a test could not run: one `test: reason` a line, for `cargo xtask test`.
pub fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    log::append("JAIL_TOOLS_SKIP_LOG", &format!("{test}: {why}"));
}

/// `tests::it_works` of `program::tests::it_works::here`, with or without a closure around it.
fn test_of(inner: &str) -> &str {
    let path = inner.strip_suffix("::here").unwrap_or(inner);
    let path = path.trim_end_matches("::{{closure}}");
    path.split_once("::").map_or(path, |(_program, test)| test)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_test_knows_its_own_name() {
        let test = crate::begin!();
        assert_eq!(test.name(), "tests::a_test_knows_its_own_name");
    }
}
