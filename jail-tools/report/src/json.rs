//! The report for programs: the whole manifest, the whole analysis.

use analysis::Analysis;
use record::Manifest;
use serde::Serialize;

use crate::Report;

/// Raised when a field changes its meaning or goes away.
const REPORT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    report_version: u32,
    run: &'a str,
    manifest: &'a Manifest,
    analysis: &'a Analysis,
}

/// The report as indented JSON with a newline at its end. What is missing is `null`, with a grade
/// that says why.
///
/// # Errors
/// A value that JSON cannot hold. Our own types have none.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    let Report {
        run,
        manifest,
        analysis,
    } = report;
    let document = Document {
        report_version: REPORT_VERSION,
        run,
        manifest,
        analysis,
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}
