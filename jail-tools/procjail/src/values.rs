//! The values of options, read from one word each.

use std::ffi::OsString;
use std::time::Duration;

use procjail::{Bind, IdMap, IoLimit, Signal, TimeOffsets, Tmpfs, User};

pub(crate) fn within(low: u64, high: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |word| match word.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("`{word}` is no number from {low} to {high}")),
    }
}

/// A descriptor.
pub(crate) fn descriptor(word: &str) -> Result<i32, String> {
    within(0, i32::MAX as u64)(word).map(|n| n as i32)
}

pub(crate) fn signal(word: &str) -> Result<Signal, String> {
    word.parse().map_err(|e: procjail::NoSignal| e.to_string())
}

/// `SOURCE` or `SOURCE:TARGET`.
pub(crate) fn bind(word: &OsString, read_only: bool) -> Result<Bind, String> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let bytes = word.as_bytes();
    let (source, target) = match bytes.iter().position(|b| *b == b':') {
        Some(colon) => (&bytes[..colon], &bytes[colon + 1..]),
        None => (bytes, bytes),
    };
    if source.is_empty() || target.is_empty() {
        return Err(format!(
            "--bind: `{}` is not SOURCE[:TARGET]",
            word.display()
        ));
    }
    let path = |bytes: &[u8]| OsString::from_vec(bytes.to_vec()).into();
    Ok(Bind {
        source: path(source),
        target: path(target),
        read_only,
    })
}

pub(crate) fn bytes(word: &str) -> Result<u64, String> {
    let bad = || format!("`{word}` is no number of bytes, like 4096, 64M or 2G");
    let end = word.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = word.split_at(end.unwrap_or(word.len()));
    let shift = match unit {
        "" | "B" => 0,
        "k" | "K" | "kB" | "KB" | "Ki" | "KiB" => 10,
        "m" | "M" | "MB" | "Mi" | "MiB" => 20,
        "g" | "G" | "GB" | "Gi" | "GiB" => 30,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

pub(crate) fn cpus(word: &str) -> Result<f64, String> {
    // The shortest quota that the kernel takes is 1 ms of its period of 100 ms.
    match word.parse::<f64>() {
        Ok(cpus) if (0.01..=100_000.0).contains(&cpus) => Ok(cpus),
        _ => Err(format!("`{word}` is no number of processors, 0.01 or more")),
    }
}

pub(crate) fn seconds(word: &str) -> Result<Duration, String> {
    /// A year: whoever waits longer means for ever.
    const MOST_S: f64 = 366.0 * 86_400.0;
    match word.parse::<f64>() {
        Ok(seconds) if (0.0..=MOST_S).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!(
            "`{word}` is no time in seconds, like 0.5 or 10, of at most a year"
        )),
    }
}

pub(crate) fn id_map(word: &str) -> Result<IdMap, String> {
    let bad = || format!("`{word}` is not INSIDE:OUTSIDE:COUNT, like 0:100000:65536");
    let numbers: Vec<u32> = word
        .split(':')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| bad())?;
    let [inside, outside, count] = numbers.try_into().map_err(|_| bad())?;
    Ok(IdMap {
        inside,
        outside,
        count,
    })
}

pub(crate) fn user(word: &str) -> Result<User, String> {
    let bad = || format!("`{word}` is not UID[:GID], in numbers");
    let (uid, gid) = word.split_once(':').unwrap_or((word, word));
    let number = |word: &str| match word.parse() {
        Ok(User::NONE) => Err(format!(
            "`{word}` is no id: it is what \"unchanged\" is said by"
        )),
        Ok(number) => Ok(number),
        Err(_) => Err(bad()),
    };
    Ok(User {
        uid: number(uid)?,
        gid: number(gid)?,
    })
}

pub(crate) fn offsets(word: &str) -> Result<TimeOffsets, String> {
    let bad = || format!("`{word}` is not MONOTONIC:BOOTTIME, in seconds");
    let (monotonic, boottime) = word.split_once(':').ok_or_else(bad)?;
    let number = |word: &str| word.parse::<i64>().map_err(|_| bad());
    Ok(TimeOffsets {
        monotonic_s: number(monotonic)?,
        boottime_s: number(boottime)?,
    })
}

pub(crate) fn tmpfs(word: &str) -> Result<Tmpfs, String> {
    let (target, size) = match word.rsplit_once(':') {
        Some((target, size)) => (target, Some(bytes(size)?)),
        None => (word, None),
    };
    Ok(Tmpfs {
        target: target.into(),
        bytes: size,
    })
}

/// `NAME=VALUE`, whatever bytes the value has.
pub(crate) fn variable(word: &OsString) -> Result<(OsString, OsString), String> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let bytes = word.as_bytes();
    match bytes.iter().position(|b| *b == b'=') {
        Some(at) if at > 0 => {
            let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            Ok((part(&bytes[..at]), part(&bytes[at + 1..])))
        }
        _ => Err(format!("--env: `{}` is not NAME=VALUE", word.display())),
    }
}

pub(crate) fn io(word: &str) -> Result<IoLimit, String> {
    let bad = || format!("`{word}` is not MAJOR:MINOR:rbps=N,wbps=N,riops=N,wiops=N");
    let mut parts = word.splitn(3, ':');
    let (major, minor) = (parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?);
    let numeric = |w: &str| w.parse::<u32>().is_ok();
    if !numeric(major) || !numeric(minor) {
        return Err(bad());
    }
    let mut limit = IoLimit {
        device: format!("{major}:{minor}"),
        ..IoLimit::default()
    };
    for part in parts.next().ok_or_else(bad)?.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(bad)?;
        let value = Some(bytes(value)?);
        match name {
            "rbps" => limit.read_bps = value,
            "wbps" => limit.write_bps = value,
            "riops" => limit.read_iops = value,
            "wiops" => limit.write_iops = value,
            _ => return Err(bad()),
        }
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_one_suffix_at_most() {
        for (word, size) in [
            ("0", 0),
            ("4096", 4096),
            ("7B", 7),
            ("4k", 4 << 10),
            ("4KiB", 4 << 10),
            ("64M", 64 << 20),
            ("64MB", 64 << 20),
            ("2Gi", 2 << 30),
        ] {
            assert_eq!(bytes(word), Ok(size), "{word}");
        }
        for word in [
            "",
            "B",
            "M",
            "4iBB",
            "4BB",
            "4iB",
            "4i",
            "4MiBB",
            "4MM",
            "4 M",
            "+4",
            "-4",
            "4M4",
            "99999999999G",
        ] {
            assert!(bytes(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_time_can_be_added_to_any_other() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for word in ["1e19", "1e9", "inf", "NaN", "-1", "", "1s"] {
            assert!(seconds(word).is_err(), "{word}");
        }
    }

    #[test]
    fn the_number_for_nobody_is_no_user() {
        assert_eq!(user("7"), Ok(User { uid: 7, gid: 7 }));
        assert_eq!(user("4294967294:0").map(|u| u.uid), Ok(u32::MAX - 1));
        for word in [
            "4294967295",
            "4294967295:0",
            "0:4294967295",
            "-1",
            "1:2:3",
            "",
        ] {
            assert!(user(word).is_err(), "{word}");
        }
    }
}
