//! The last results on each kernel, as files, and the table that README shows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use guest::Verified;
use serde::{Deserialize, Serialize};

use crate::shell::Cmd;
use crate::workspace::Workspace;

/// What was seen on one kernel, by the last whole run there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// uname release.
    pub(crate) kernel: String,
    /// `tcg`, `kvm`, or `host` for a run outside of any guest of ours.
    pub(crate) machine: String,
    /// UTC.
    pub(crate) date: String,
    /// What was tested: a commit, or one that was changed since.
    pub(crate) commit: String,
    /// Counts of tests.
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// What the tests that passed have verified.
    pub(crate) verified: BTreeSet<Verified>,
}

/// The commit of the checkout, and whether it is just that.
pub(crate) fn commit(workspace: &Workspace) -> Result<String> {
    let git = |args: &[&str]| Cmd::new("git").args(args).dir(&workspace.root).read();
    let head = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = !git(&["status", "--porcelain"])?.trim().is_empty();
    Ok(format!(
        "{}{}",
        head.trim(),
        if changed { CHANGED } else { "" }
    ))
}

/// After a commit: the checkout was not as it says.
const CHANGED: &str = "+changes";

/// Today, UTC.
pub(crate) fn today() -> Result<String> {
    Ok(Cmd::new("date")
        .args(["--utc", "+%F"])
        .read()?
        .trim()
        .to_owned())
}

/// Where the last results of this checkout stand until they are taken over.
pub(crate) fn fresh(workspace: &Workspace) -> PathBuf {
    workspace.vm().join("results")
}

/// Where those that README shows are kept.
pub(crate) fn kept(workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask/kernels")
}

impl Results {
    /// Writes it under the kernel's series and its machine: a later release of a series takes
    /// the place of an earlier one.
    pub(crate) fn store(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let series = self.kernel.split('.').take(2).collect::<Vec<_>>().join(".");
        let file = folder.join(format!("{series}-{}.json", self.machine));
        let mut text = serde_json::to_string_pretty(self).context("write results")?;
        text.push('\n');
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    }
}

/// All results in a folder, by kernel; none if it is not there.
pub(crate) fn load(folder: &Path) -> Result<Vec<Results>> {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => bail!("list {}: {error}", folder.display()),
    };
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    let mut all = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let results: Results =
            serde_json::from_str(&text).with_context(|| format!("parse {}", file.display()))?;
        all.push(results);
    }
    all.sort_by_key(|r| release_key(&r.kernel));
    Ok(all)
}

/// So that 6.1 comes before 6.12.
fn release_key(kernel: &str) -> (Vec<u64>, String) {
    let numbers = kernel
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok());
    (numbers.take(3).collect(), kernel.to_owned())
}

/// The table: a row for each feature that any kernel has verified, a column for each kernel.
pub(crate) fn table(all: &[Results]) -> String {
    if all.is_empty() {
        return "No results are kept.\n".into();
    }
    let mut rows: BTreeMap<&str, (BTreeSet<&str>, Vec<Vec<&str>>)> = BTreeMap::new();
    for (column, results) in all.iter().enumerate() {
        for verified in &results.verified {
            let (tests, cells) = rows
                .entry(&verified.feature)
                .or_insert_with(|| (BTreeSet::new(), vec![Vec::new(); all.len()]));
            tests.insert(short(&verified.test));
            cells[column].push(&verified.what);
        }
    }
    // A kernel on which no test has seen it: not verified, which is neither yes nor no.
    let cell = |texts: &Vec<&str>| match texts.as_slice() {
        [] => "not verified".to_owned(),
        texts => texts.join("; "),
    };
    let names = |tests: &BTreeSet<&str>| {
        let quoted: Vec<String> = tests.iter().map(|t| format!("`{t}`")).collect();
        quoted.join(", ")
    };
    let of_each = |of: fn(&Results) -> String| all.iter().map(of).collect();
    let mut lines = vec![
        row(
            "feature",
            of_each(|r| format!("{} ({})", r.kernel, r.machine)),
            "verified by",
        ),
        row("---", of_each(|_| "---".into()), "---"),
    ];
    for (feature, (tests, cells)) in &rows {
        lines.push(row(
            feature,
            cells.iter().map(cell).collect(),
            &names(tests),
        ));
    }
    let counts = |r: &Results| {
        format!(
            "{} passed, {} failed, {} skipped",
            r.passed, r.failed, r.skipped
        )
    };
    lines.push(row("tests", of_each(counts), ""));
    lines.push(row(
        "when",
        of_each(|r| format!("{}, at {}", r.date, r.commit)),
        "",
    ));
    lines.concat()
}

fn row(first: &str, middle: Vec<String>, last: &str) -> String {
    let cells: Vec<String> = [first.to_owned()]
        .into_iter()
        .chain(middle)
        .chain([last.to_owned()])
        .collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The test's own name, without its modules.
fn short(test: &str) -> &str {
    test.rsplit("::").next().unwrap_or(test)
}

const BEGIN: &str = "<!-- kernels: written by `cargo xtask kernels` -->";
const END: &str = "<!-- end of kernels -->";

/// README with the table between its two marks.
pub(crate) fn insert(readme: &str, table: &str) -> Result<String> {
    let begin = readme
        .find(BEGIN)
        .with_context(|| format!("README.md has no line {BEGIN}"))?
        + BEGIN.len();
    let length = readme[begin..]
        .find(END)
        .with_context(|| format!("README.md has no line {END}"))?;
    Ok(format!(
        "{}\n\n{table}\n{}",
        &readme[..begin],
        &readme[begin + length..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(kernel: &str, verified: &[(&str, &str)]) -> Results {
        let verified = verified.iter().map(|(feature, what)| Verified {
            feature: (*feature).into(),
            test: "m::needs_bpf_x".into(),
            what: (*what).into(),
        });
        Results {
            kernel: kernel.into(),
            machine: "tcg".into(),
            date: "2026-11-24".into(),
            commit: "0123456789".into(),
            passed: 3,
            failed: 0,
            skipped: 1,
            verified: verified.collect(),
        }
    }

    #[test]
    fn kernels_are_columns_in_their_order_and_what_was_not_seen_is_not_a_no() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(
            load(&folder.path().join("none")).expect("no folder, no results"),
            []
        );
        let old = results("6.1.0-56-amd64", &[("probes", "23 of 24")]);
        let new = results(
            "6.12.117+deb12-amd64",
            &[("probes", "24 of 24"), ("kprobes", "yes")],
        );
        for r in [&new, &old] {
            r.store(folder.path()).expect("written");
        }
        let all = load(folder.path()).expect("read back");
        assert_eq!(all, [old, new]);
        let table = table(&all);
        assert!(
            table.starts_with("| feature | 6.1.0-56-amd64 (tcg) | 6.12.117"),
            "{table}"
        );
        assert!(
            table.contains("| kprobes | not verified | yes | `needs_bpf_x` |"),
            "{table}"
        );
        assert!(
            table.contains("| probes | 23 of 24 | 24 of 24 |"),
            "{table}"
        );
    }

    #[test]
    fn the_table_replaces_what_stood_between_the_marks() {
        let readme = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = insert(&readme, "| new |\n").expect("both marks");
        assert_eq!(once, format!("a\n{BEGIN}\n\n| new |\n\n{END}\nb\n"));
        assert_eq!(insert(&once, "| new |\n").expect("again"), once);
        assert!(insert("no marks", "").is_err());
    }
}
