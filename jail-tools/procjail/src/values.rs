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
    let (digits, shift) = match word.trim_end_matches('B').trim_end_matches('i') {
        w if w.ends_with(['k', 'K']) => (&w[..w.len() - 1], 10),
        w if w.ends_with(['m', 'M']) => (&w[..w.len() - 1], 20),
        w if w.ends_with(['g', 'G']) => (&w[..w.len() - 1], 30),
        w => (w, 0),
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
    let bad = || format!("`{word}` is no time in seconds, like 0.5 or 10");
    let seconds: f64 = word.parse().map_err(|_| bad())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
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
    let number = |word: &str| word.parse::<u32>().map_err(|_| bad());
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
