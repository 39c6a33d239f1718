//! The kernel's list format for CPUs: `0-3,8` (cpuset(7), "List format").

/// Highest CPU number that is accepted: far above any kernel's NR_CPUS (8192 on x86), and low
/// enough that a garbled range cannot eat the memory.
const CPU_MAX: u32 = 65_535;

/// Parses a list such as `0-3,8`. The empty string is the empty list. The result is sorted and
/// holds no number twice. `None` if it isn't such a list.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<u32>> {
    let text = text.trim();
    let mut cpus = Vec::new();
    if text.is_empty() {
        return Some(cpus);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// Digits only: `u32::from_str` would take `+3`, which the kernel does not.
fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| *n <= CPU_MAX)
}

/// Writes a list the way the kernel does, with runs as ranges. The order and repetitions of the
/// input don't matter.
#[must_use]
pub fn format(cpus: &[u32]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let runs = sorted.chunk_by(|a, b| a + 1 == *b);
    let parts: Vec<String> = runs
        .map(|run| match (run.first(), run.last()) {
            (Some(a), Some(b)) if a != b => format!("{a}-{b}"),
            (Some(a), _) => a.to_string(),
            _ => String::new(),
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_as_the_kernel_writes_them() {
        for (text, cpus) in [
            ("", vec![]),
            ("0\n", vec![0]),
            ("0-3,8", vec![0, 1, 2, 3, 8]),
            ("8,0-1", vec![0, 1, 8]),
            ("1,1-2", vec![1, 2]),
        ] {
            assert_eq!(parse(text), Some(cpus), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            ",",
            "1,",
            "3-1",
            "-1",
            "a",
            "+1",
            "0-",
            "1 2",
            "0-4294967295",
            "99999999999",
            "0-3:1/2",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_formatted_parses_back(mut cpus in proptest::collection::vec(0u32..4096, 0..40)) {
            let text = format(&cpus);
            cpus.sort_unstable();
            cpus.dedup();
            prop_assert_eq!(parse(&text), Some(cpus));
        }

        #[test]
        fn any_text_is_either_a_sorted_set_or_refused(text in "[0-9,\\- a]{0,20}") {
            if let Some(cpus) = parse(&text) {
                prop_assert!(cpus.is_sorted_by(|a, b| a < b));
                prop_assert_eq!(parse(&format(&cpus)), Some(cpus));
            }
        }
    }
}
