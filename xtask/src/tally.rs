//! Counting tests from what `cargo test` prints and from what the tests say they skipped.

use std::collections::BTreeMap;
use std::fmt;

/// Counts of tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Test to reason. Such a test returned early, so libtest called it passed.
    skipped: BTreeMap<String, String>,
    /// What did not run at all, to its reason: no count of libtest's includes it.
    not_run: BTreeMap<String, String>,
}

impl Tally {
    /// Adds the counts of one line, if it is a summary of libtest:
    /// `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; …`.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some(summary) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        // The first part is `ok. 5 passed`, the others `0 failed`, `1 ignored`, …
        for part in summary.split(';') {
            let mut words = part.split_whitespace().rev();
            let (Some(kind), Some(Ok(count))) = (words.next(), words.next().map(str::parse::<u64>))
            else {
                continue;
            };
            match kind {
                "passed" => self.passed = self.passed.saturating_add(count),
                "failed" => self.failed = self.failed.saturating_add(count),
                "ignored" => self.ignored = self.ignored.saturating_add(count),
                _ => {}
            }
        }
    }

    /// Adds the tests that noted themselves as skipped, one `test: reason` a line.
    pub(crate) fn add_skipped(&mut self, log: &str) {
        for line in log.lines().filter(|l| !l.trim().is_empty()) {
            let (test, reason) = line.split_once(": ").unwrap_or((line, "no reason given"));
            self.skipped
                .insert(test.trim().to_owned(), reason.trim().to_owned());
        }
    }

    /// Adds something that could not even be started.
    pub(crate) fn add_not_run(&mut self, what: &str, why: &str) {
        self.not_run.insert(what.to_owned(), why.to_owned());
    }

    /// The skipped tests, each with its reason, for people.
    pub(crate) fn skipped_lines(&self) -> Vec<String> {
        self.skipped
            .iter()
            .chain(&self.not_run)
            .map(|(test, reason)| format!("skipped: {test}: {reason}"))
            .collect()
    }

    /// Passed, failed and skipped: a test that skipped itself has not passed.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let noted = self.skipped.len() as u64;
        let passed = self.passed.saturating_sub(noted);
        let skipped = noted.saturating_add(self.not_run.len() as u64);
        (passed, self.failed, self.ignored.saturating_add(skipped))
    }

    /// Did a test fail, by libtest's own count?
    pub(crate) fn any_failed(&self) -> bool {
        self.failed > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, skipped) = self.counts();
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn summary(passed: u32, failed: u32, ignored: u32) -> String {
        let word = if failed == 0 { "ok" } else { "FAILED" };
        format!(
            "test result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; \
             3 filtered out; finished in 0.21s"
        )
    }

    #[test]
    fn a_test_that_skipped_itself_did_not_pass() {
        let mut tally = Tally::default();
        tally.add_line("running 6 tests");
        tally.add_line("test tests::it_passed ... ok");
        tally.add_line(&summary(5, 1, 1));
        tally.add_skipped("loads_on_this_kernel: not root\n\nloads_on_this_kernel: not root\nhits_are_hits: no BTF: x\n");
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 3 skipped");
        assert!(tally.any_failed());
        assert_eq!(
            tally.skipped_lines(),
            [
                "skipped: hits_are_hits: no BTF: x",
                "skipped: loads_on_this_kernel: not root"
            ]
        );
    }

    #[test]
    fn what_never_started_is_skipped_and_was_not_counted_as_passed() {
        let mut tally = Tally::default();
        tally.add_line(&summary(5, 0, 0));
        tally.add_not_run("queue under Miri", "no cargo miri");
        assert_eq!(tally.to_string(), "5 passed, 0 failed, 1 skipped");
        assert_eq!(
            tally.skipped_lines(),
            ["skipped: queue under Miri: no cargo miri"]
        );
    }

    proptest! {
        #[test]
        fn summaries_add_up(counts in proptest::collection::vec((0..1000_u32, 0..1000_u32, 0..1000_u32), 0..20)) {
            let mut tally = Tally::default();
            for (passed, failed, ignored) in &counts {
                tally.add_line(&summary(*passed, *failed, *ignored));
            }
            let sum = |pick: fn(&(u32, u32, u32)) -> u32| counts.iter().map(|c| u64::from(pick(c))).sum::<u64>();
            let expected = format!("{} passed, {} failed, {} skipped", sum(|c| c.0), sum(|c| c.1), sum(|c| c.2));
            prop_assert_eq!(tally.to_string(), expected);
        }

        #[test]
        fn no_line_makes_it_panic(line in ".*", prefix in any::<bool>()) {
            let mut tally = Tally::default();
            tally.add_line(&if prefix { format!("test result: {line}") } else { line.clone() });
            tally.add_skipped(&line);
            let _ = tally.to_string();
        }
    }
}
