//! Names of resource limits. Pure.

use crate::spec::Rlimit;

/// By number (include/uapi/asm-generic/resource.h; C libraries disagree on their type).
const NAMES: [(u32, &str); 16] = [
    (0, "cpu"),
    (1, "fsize"),
    (2, "data"),
    (3, "stack"),
    (4, "core"),
    (5, "rss"),
    (6, "nproc"),
    (7, "nofile"),
    (8, "memlock"),
    (9, "as"),
    (10, "locks"),
    (11, "sigpending"),
    (12, "msgqueue"),
    (13, "nice"),
    (14, "rtprio"),
    (15, "rttime"),
];

/// The name of a limit.
pub(crate) fn name(resource: u32) -> &'static str {
    NAMES
        .iter()
        .find(|(number, _)| *number == resource)
        .map_or("an unknown limit", |(_, name)| name)
}

/// `nofile=1024`, `nofile=1024:4096`, `core=unlimited`.
///
/// # Errors
/// What is wrong with the word.
pub fn parse(word: &str) -> Result<Rlimit, String> {
    let bad =
        || format!("`{word}` is not NAME=SOFT[:HARD], like nofile=1024:4096 or core=unlimited");
    let (name, values) = word.split_once('=').ok_or_else(bad)?;
    let lower = name.to_ascii_lowercase();
    let lower = lower.strip_prefix("rlimit_").unwrap_or(&lower);
    let known = || {
        let names: Vec<&str> = NAMES.iter().map(|(_, n)| *n).collect();
        format!(
            "`{name}` is no resource limit; there are: {}",
            names.join(" ")
        )
    };
    let (resource, _) = NAMES.iter().find(|(_, n)| *n == lower).ok_or_else(known)?;
    let value = |word: &str| match word {
        "unlimited" => Ok(libc::RLIM64_INFINITY),
        number => number.parse().map_err(|_| bad()),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (value(soft)?, value(hard)?);
    if soft > hard {
        return Err(format!("`{word}`: the soft limit is above the hard one"));
    }
    Ok(Rlimit {
        resource: *resource,
        soft,
        hard,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_one_value_or_two() {
        let limit = parse("nofile=10:20").expect("a limit");
        assert_eq!((limit.resource, limit.soft, limit.hard), (7, 10, 20));
        let limit = parse("RLIMIT_CORE=unlimited").expect("a limit");
        assert_eq!((limit.soft, limit.hard), (u64::MAX, u64::MAX));
        for word in [
            "",
            "nofile",
            "nofile=",
            "nofile=x",
            "files=1",
            "nofile=2:1",
            "nofile=1:2:3",
        ] {
            assert!(parse(word).is_err(), "{word}");
        }
    }
}
