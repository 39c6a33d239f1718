//! Vendor, family and model: what decides which raw events exist.

/// A processor, as far as its events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuId {
    /// `GenuineIntel`, `AuthenticAMD`, …
    pub vendor: String,
    /// Family, decimal, as in /proc/cpuinfo.
    pub family: u32,
    /// Model, likewise.
    pub model: u32,
}

impl CpuId {
    /// Of the first processor in /proc/cpuinfo.
    #[must_use]
    pub fn of_this_machine() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/cpuinfo").ok()?)
    }

    /// From the text of /proc/cpuinfo; `None` where it has no such lines (not x86).
    #[must_use]
    pub fn parse(cpuinfo: &str) -> Option<Self> {
        let field = |name: &str| {
            cpuinfo.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then(|| value.trim())
            })
        };
        Some(Self {
            vendor: field("vendor_id")?.to_owned(),
            family: field("cpu family")?.parse().ok()?,
            model: field("model")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_processor_counts() {
        let text = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n";
        let id = CpuId::parse(text).unwrap();
        assert_eq!(
            (id.vendor.as_str(), id.family, id.model),
            ("AuthenticAMD", 25, 1)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,300}") {
            let _ = CpuId::parse(&text);
        }
    }
}
