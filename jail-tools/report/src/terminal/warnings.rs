//! Warnings, those with the same lesson together.

use analysis::Advice;

use super::layout::{Style, Tone};

pub(super) fn render(warnings: &[Advice], style: Style) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let mut lessons: Vec<Vec<&Advice>> = Vec::new();
    for advice in warnings {
        match lessons
            .iter_mut()
            .find(|l| l[0].why == advice.why && l[0].next == advice.next)
        {
            Some(lesson) => lesson.push(advice),
            None => lessons.push(vec![advice]),
        }
    }
    let mut out = style.heading("Before you believe it");
    for lesson in lessons {
        for advice in &lesson {
            out.push_str(&style.wrapped("  ! ", "    ", &advice.what));
        }
        let text = format!("{} → {}", lesson[0].why, lesson[0].next);
        let lines = style.wrapped("      ", "      ", &text);
        for line in lines.lines() {
            out.push_str(&style.paint(Tone::Dim, line));
            out.push('\n');
        }
    }
    out
}
