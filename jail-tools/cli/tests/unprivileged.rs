//! Without privileges it runs with what there is, and nothing that it could not see is a 0.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::account::{COLUMNS_OF_PROBES, COLUMNS_OF_THE_ACCOUNT, OF_PROBES};
use common::{Csv, Said, Story, no_program, no_root, skip};
use record::CAUSES;
use record::manifest::RunEnd;

/// Nobody, by number: a system without the name has the number all the same.
const NOBODY: [&str; 6] = [
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
    "--no-new-privs",
];

/// The binary and a place to work in, for nobody.
fn may_be_entered(story: &Story) -> Result<(), String> {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    mode(&story.path(""), 0o777).map_err(|e| e.to_string())?;
    let closed = story
        .path("")
        .ancestors()
        .find(|d| fs::metadata(d).map_or(true, |m| m.permissions().mode() & 0o001 == 0))
        .map(Path::to_path_buf);
    match closed {
        Some(dir) => Err(format!("{} is closed to other users", dir.display())),
        None => Ok(()),
    }
}

fn nobody(story: &Story) -> Command {
    let mut command = story.through("setpriv", &NOBODY);
    // The object that xtask chose may be where nobody can read it, which is another story.
    command.env_remove("JAIL_TOOLS_BPF_OBJECT");
    command
}

#[test]
fn needs_root_a_user_without_privileges_gets_a_whole_run_and_no_invented_zero() {
    let test = "needs_root_a_user_without_privileges_gets_a_whole_run_and_no_invented_zero";
    if let Some(why) = no_root().or_else(|| no_program(&["setpriv"])) {
        return skip(test, &why);
    }
    let story = Story::begin();
    if let Err(why) = may_be_entered(&story) {
        return skip(test, &why);
    }
    let mut run = nobody(&story);
    run.args([
        "run", "syslat", "--quick", "--rounds", "3", "--only", "size=4k",
    ])
    .args(["--only", "access=random", "--out", "out", "--dir", "."]);
    let said = Said::by(&mut run);
    said.ended(0, &["degraded: no probes ("]);

    let run = story.recorded("out");
    let manifest = run.manifest().unwrap();
    assert_eq!(manifest.end, Some(RunEnd::Complete));
    assert!(manifest.bpf_object.is_none() && manifest.probes.is_empty());
    let of_probes: Vec<_> = manifest
        .degraded
        .iter()
        .filter(|d| d.starts_with("no probes ("))
        .collect();
    assert_eq!(of_probes.len(), 1);
    assert!(
        of_probes[0].contains("ermi") || of_probes[0].contains("(os error 13)"),
        "it names the refusal: {of_probes:?}"
    );
    // The observer's cost was asked for: what could not be armed has a reason, not a figure.
    let bare = manifest.observer.iter().find(|o| o.arm == "bare");
    assert!(bare.is_some_and(|o| o.p50_ns.value.is_some()));
    let page = manifest.observer.iter().find(|o| o.arm.contains("ledger"));
    assert!(page.is_some_and(|o| o.p50_ns.value.is_none() && o.ratio.is_none()));

    the_report_has_no_invented_figure(&story, run.path(), &said);
    the_export_has_empty_fields(&story, run.path());
}

fn the_report_has_no_invented_figure(story: &Story, run: &Path, said: &Said) {
    said.prints("none was loaded: causes that only probes see are unavailable");
    let lines = said.out.lines().map(str::trim);
    let tables = lines.skip_while(|l| !l.starts_with("Where the time went"));
    let rows: Vec<&str> = tables
        .take_while(|l| !l.starts_with("Counters"))
        .filter_map(|l| l.split("  ").next())
        .collect();
    for part in OF_PROBES {
        let label = CAUSES[part].label;
        assert!(!rows.contains(&label), "{label} has a row");
    }
    assert!(rows.contains(&"residual") && rows.contains(&"device"));
    said.prints("inferred, not counted: from getrusage");

    let json = Said::by(story.tool().arg("report").arg(run).arg("--json"))
        .ended(0, &[])
        .json();
    for cell in json["analysis"]["experiments"][0]["cells"]
        .as_array()
        .unwrap()
    {
        assert!(cell["summary"]["n"].as_u64().unwrap() > 0);
        assert!(cell["summary"]["probe_hit_ratio"].is_null());
        for share in cell["blame"]["all"]["shares"].as_array().unwrap() {
            let column = share["column"].as_str().unwrap();
            if OF_PROBES.iter().any(|p| CAUSES[*p].column == column) {
                assert!(share["total_ns"]["value"].is_null(), "{share}");
                assert!(share["per_op_ns"].is_null(), "{share}");
            }
        }
    }
}

fn the_export_has_empty_fields(story: &Story, run: &Path) {
    let said = Said::by(
        story
            .tool()
            .arg("export")
            .arg(run)
            .args(["--table", "samples"]),
    );
    let csv = Csv::parse(&said.ended(0, &[]).out);
    assert!(!csv.rows.is_empty());
    let causes = OF_PROBES.map(|p| CAUSES[p].column);
    for column in COLUMNS_OF_PROBES.into_iter().chain(causes) {
        assert!(csv.ints(column).iter().all(Option::is_none), "{column}");
    }
    for column in COLUMNS_OF_THE_ACCOUNT {
        assert!(csv.ints(column).iter().all(Option::is_some), "{column}");
    }
    let class = csv.column("class");
    assert!(csv.rows.iter().all(|r| r[class] == "unknown"));
}
