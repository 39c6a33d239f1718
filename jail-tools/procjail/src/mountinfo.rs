//! `/proc/self/mountinfo` (proc_pid_mountinfo(5)). Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// Which directory of the file system is mounted.
    pub(crate) root: PathBuf,
    /// Where.
    pub(crate) target: PathBuf,
    pub(crate) fstype: String,
    /// Options of the file system: for cgroup v1 its controllers.
    pub(crate) options: String,
}

/// All mounts of a mountinfo file. Lines that are none are left out.
pub(crate) fn parse(text: &[u8]) -> Vec<Mounted> {
    text.split(|b| *b == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mounted> {
    let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let separator = words.iter().skip(6).position(|w| *w == b"-")? + 6;
    let path = |n: usize| words.get(n).map(|w| PathBuf::from(unescaped(w)));
    let text = |n: usize| {
        words
            .get(n)
            .map(|w| String::from_utf8_lossy(w).into_owned())
    };
    Some(Mounted {
        root: path(3)?,
        target: path(4)?,
        fstype: text(separator + 1)?,
        options: text(separator + 3)?,
    })
}

/// Blanks, tabs, newlines and backslashes stand as three octal digits.
fn unescaped(word: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .filter(|d| d.iter().all(|b| (b'0'..=b'7').contains(b)));
        if let (b'\\', Some(digits)) = (first, digits) {
            let value = digits.iter().fold(0u32, |v, d| v * 8 + u32::from(d - b'0'));
            out.push(value as u8);
            rest = &after[3..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_read_with_and_without_optional_fields() {
        let text = b"36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
            21 1 0:19 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\nnonsense\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].target, PathBuf::from("/mnt 2"));
        assert_eq!(mounts[0].root, PathBuf::from("/mnt1"));
        assert_eq!(
            (mounts[1].fstype.as_str(), mounts[1].options.as_str()),
            ("cgroup", "rw,memory")
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(text: Vec<u8>) {
            parse(&text);
        }
    }
}
