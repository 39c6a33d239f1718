//! Which kernels: series by Debian's package names, or files. Pure; `deb` carries it out.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The series that `all` stands for: Debian 12's own kernel, and that of its backports and of
/// Debian 13.
pub(crate) const SERIES: [&str; 2] = ["6.1", "6.12"];

/// A kernel as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of [`SERIES`].
    All,
    /// The newest package of this series (`6.1`).
    Series(String),
    /// A package, a folder that one was unpacked to, or a kernel image.
    Path(PathBuf),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let numbers: Vec<&str> = text.split('.').collect();
        let is_series = numbers.len() == 2 && numbers.iter().all(|n| n.parse::<u32>().is_ok());
        if is_series {
            return Ok(Self::Series(text.to_owned()));
        }
        let path = PathBuf::from(text);
        if path.exists() {
            return Ok(Self::Path(path));
        }
        Err(format!(
            "neither `all`, nor a series like {}, nor a file that is there: {text}",
            SERIES.join(" or ")
        ))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Series(series) => f.write_str(series),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// `all` spelled out, nothing twice.
pub(crate) fn spelled_out(wanted: &[Wanted]) -> Vec<Wanted> {
    let mut all = Vec::new();
    for one in wanted {
        let more = match one {
            Wanted::All => SERIES.iter().map(|s| Wanted::Series((*s).into())).collect(),
            other => vec![other.clone()],
        };
        for one in more {
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    all
}

/// The newest package of a series among the names that apt knows. Flavours (`cloud`, `rt`),
/// unsigned images and debug symbols are other packages of the same kernel.
pub(crate) fn newest_package<'a>(
    series: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let prefix = format!("linux-image-{series}.");
    names
        .into_iter()
        .filter_map(|name| {
            let release = name.strip_prefix(&prefix)?.strip_suffix("-amd64")?;
            let plain = release
                .split('-')
                .all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
            plain.then(|| (numbers(release), name))
        })
        .max()
        .map(|(_, name)| name)
}

/// The numbers in a release, for comparing: `117+deb12` after `113+deb12`, `0-56` after `0-9`.
fn numbers(release: &str) -> Vec<u64> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_plain_package_of_a_series_is_chosen() {
        let names = [
            "linux-image-6.1.0-9-amd64",
            "linux-image-6.1.0-56-amd64",
            "linux-image-6.1.0-57-cloud-amd64",
            "linux-image-6.1.0-58-amd64-unsigned",
            "linux-image-6.1.0-59-amd64-dbg",
            "linux-image-6.1.0-60-rt-amd64",
            "linux-image-6.12.107+deb12-amd64",
            "linux-image-6.12.117+deb12-amd64",
            "linux-image-6.12.9+deb12-amd64",
            "linux-image-6.12-amd64",
        ];
        assert_eq!(
            newest_package("6.1", names),
            Some("linux-image-6.1.0-56-amd64")
        );
        assert_eq!(
            newest_package("6.12", names),
            Some("linux-image-6.12.117+deb12-amd64")
        );
        assert_eq!(newest_package("6.6", names), None);
    }

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        assert_eq!("all".parse(), Ok(Wanted::All));
        assert_eq!("6.12".parse(), Ok(Wanted::Series("6.12".into())));
        assert_eq!("/".parse(), Ok(Wanted::Path("/".into())));
        let refused = "6.12.3".parse::<Wanted>().expect_err("no such file");
        assert!(refused.contains("6.1 or 6.12"), "{refused}");
        let series = |s: &str| Wanted::Series(s.into());
        assert_eq!(
            spelled_out(&[series("6.12"), Wanted::All]),
            [series("6.12"), series("6.1")]
        );
    }
}
