//! What could not be seen, and the one command that would change it.

use record::manifest::{Remedy, Unseen};

use super::layout::{Style, Tone};

pub(super) fn render(unseen: &[Unseen], style: Style) -> String {
    if unseen.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Not seen, and what would change it");
    for (remedy, of_it) in by_remedy(unseen) {
        for one in of_it {
            let text = format!("{} ({})", one.what.join(", "), one.why);
            out.push_str(&style.wrapped("  - ", "    ", &text));
        }
        match remedy {
            // On a line of its own, whole, so that it can be copied.
            Remedy::Command(command) => {
                out.push_str(&style.paint(Tone::Bold, &format!("      $ {command}")));
                out.push('\n');
            }
            Remedy::Nothing(needed) => {
                let text = format!("no command would: it takes {needed}");
                out.push_str(&style.wrapped("      ", "      ", &text));
            }
        }
    }
    out
}

/// What the same remedy changes together, in the order of the record.
fn by_remedy(unseen: &[Unseen]) -> Vec<(&Remedy, Vec<&Unseen>)> {
    let mut groups: Vec<(&Remedy, Vec<&Unseen>)> = Vec::new();
    for one in unseen {
        match groups.iter_mut().find(|(r, _)| **r == one.remedy) {
            Some((_, of_it)) => of_it.push(one),
            None => groups.push((&one.remedy, vec![one])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_whole_on_a_line_of_its_own_once() {
        let command = format!("sudo setcap cap_bpf+ep /{}/jail-tools", "long/".repeat(40));
        let one = |what: &str| Unseen {
            what: vec![what.into()],
            why: "EPERM".into(),
            remedy: Remedy::Command(command.clone()),
        };
        let nothing = Unseen {
            what: vec!["cycles".into()],
            why: "ENOENT".into(),
            remedy: Remedy::Nothing("a machine with a PMU".into()),
        };
        let text = render(&[one("steal"), nothing, one("gap")], Style::default());
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let wanted = format!("$ {command}");
        assert_eq!(lines.iter().filter(|l| **l == wanted).count(), 1);
        assert!(lines.contains(&"- steal (EPERM)") && lines.contains(&"- gap (EPERM)"));
        assert!(text.contains("no command would: it takes a machine with a PMU"));
        assert_eq!(render(&[], Style::default()), "");
    }
}
