//! What it says of itself and of this host: `list`, `doctor`, help, in words and as JSON.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::process::Stdio;

use common::{Said, Story};

#[test]
fn list_names_every_experiment_with_its_factors_and_expectations() {
    let story = Story::begin();
    let text = story.run(&["list"]);
    let json = story.run(&["list", "--json"]).ended(0, &[]).json();
    let experiments = json.as_array().unwrap();
    assert!(experiments.iter().any(|e| e["name"] == "syslat"));
    for experiment in experiments {
        let words = |key: &str| experiment[key].as_str().unwrap();
        text.ended(0, &[]).prints(words("name"));
        text.prints(words("question"));
        for factor in experiment["factors"].as_array().unwrap() {
            text.prints(factor["name"].as_str().unwrap());
            for level in factor["levels"].as_array().unwrap() {
                text.prints(level.as_str().unwrap());
            }
        }
        for expectation in experiment["expectations"].as_array().unwrap() {
            text.prints(expectation["id"].as_str().unwrap());
        }
    }
}

#[test]
fn doctor_knows_this_kernel_and_what_each_fact_means() {
    let story = Story::begin();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let text = story.run(&["doctor"]);
    text.ended(0, &[]).prints(release.trim());

    let json = story.run(&["doctor", "--json"]).ended(0, &[]).json();
    assert!(json["facts"].to_string().contains(release.trim()));
    // Tried, or the reason why not: for any user.
    let bpf = &json["bpf"];
    assert!(bpf["Ok"].is_object() != bpf["Err"].is_string(), "{bpf}");
    text.prints("what this kernel takes of BPF, tried just now:");
    let meaning = json["meaning"].as_array().unwrap();
    assert!(!meaning.is_empty());
    for fact in meaning {
        text.prints(fact["fact"].as_str().unwrap());
        // Known, or else there is a reason.
        assert!(
            fact["value"].is_string() != fact["missing"].is_string(),
            "{fact}"
        );
    }
    for warning in json["warnings"].as_array().unwrap() {
        for part in ["what", "why", "next"] {
            assert!(!warning[part].as_str().unwrap().is_empty(), "{warning}");
        }
    }
}

#[test]
fn help_and_version_are_there_for_every_verb() {
    let story = Story::begin();
    story
        .run(&["--version"])
        .ended(0, &[])
        .prints("jail-tools ");
    let help = story.run(&["--help"]);
    help.ended(0, &[]).prints("Exit status: 0 done; 1 failed");
    for verb in ["run", "list", "doctor", "overhead", "report", "export"] {
        help.prints(verb);
        let of_verb = story.run(&[verb, "--help"]);
        of_verb.ended(0, &[]).prints("Usage:");
    }
    for hidden in ["keeper", "victim"] {
        assert!(
            !help.words().contains(hidden),
            "{hidden} is for itself only"
        );
    }
}

/// `jail-tools list | head -0`, and the same for standard error: a reader that has gone away is
/// no reason to panic.
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let story = Story::begin();
    let nobody = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for verb in [
        &["list"][..],
        &["list", "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let tool = story
            .tool()
            .args(verb)
            .stdout(nobody())
            .stderr(Stdio::piped())
            .spawn();
        Said::from(tool.unwrap()).ended(0, &[]);
    }
    let refused = story
        .tool()
        .args(["run", "sislat"])
        .stderr(nobody())
        .status();
    assert_eq!(refused.unwrap().code(), Some(2));
}

/// `jail-tools run … 2>&1 | head -1` loses the progress, but not the run.
#[test]
fn a_run_outlives_the_reader_of_its_progress() {
    let story = Story::begin();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut run = story.tool();
    run.args(common::ONE_CELL)
        .args(["--rounds", "2", "--no-overhead", "--no-probes"])
        .args(["--out", "out", "--dir", "."])
        .stdout(Stdio::from(writer.try_clone().unwrap()))
        .stderr(Stdio::from(writer));
    assert_eq!(run.status().unwrap().code(), Some(0));
    let run = story.recorded("out");
    assert_eq!(
        run.manifest().unwrap().end,
        Some(record::manifest::RunEnd::Complete)
    );
    assert_eq!(run.trials().unwrap().len(), 2);
}
