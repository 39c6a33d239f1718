//! /proc/self/mountinfo, by proc_pid_mountinfo(5).

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// `st_dev` of its files: major, minor.
    pub(crate) device: (u32, u32),
    /// Mount point, octal escapes undone.
    pub(crate) point: String,
    /// Filesystem type.
    pub(crate) filesystem: String,
    /// What is mounted (`/dev/vda1`, `tmpfs`).
    pub(crate) source: String,
    /// Options of the superblock.
    pub(crate) super_options: Vec<String>,
}

/// All mounts, in the kernel's order. A line that has another form is left out.
pub(crate) fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    // 36 35 98:0 /root /point rw,noatime shared:1 - ext3 /dev/root rw,errors=continue
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (major, minor) = left.next()?.split_once(':')?;
    let point = unescape(left.nth(1)?);
    let mut right = right.split(' ');
    Some(Mount {
        device: (major.parse().ok()?, minor.parse().ok()?),
        point,
        filesystem: unescape(right.next()?),
        source: unescape(right.next()?),
        super_options: right
            .next()
            .unwrap_or("")
            .split(',')
            .map(str::to_owned)
            .collect(),
    })
}

/// Undoes the octal escapes that the kernel writes for space, tab, newline, backslash and `#`.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if let (
            b'\\',
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ],
        ) = (first, tail)
        {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The mount that holds `path` (absolute, links resolved): the longest mount point that leads to
/// it and has its `st_dev`; of several at one place the last, which hides the others. A mount
/// with another device is taken only if none has this one: btrfs shows files under a device
/// number that is in no mountinfo line.
pub(crate) fn holding<'a>(
    mounts: &'a [Mount],
    path: &str,
    device: (u32, u32),
) -> Option<&'a Mount> {
    let longest = |same_device: bool| {
        mounts
            .iter()
            .filter(|m| is_below(path, &m.point) && (!same_device || m.device == device))
            .max_by_key(|m| m.point.len())
    };
    longest(true).or_else(|| longest(false))
}

fn is_below(path: &str, point: &str) -> bool {
    if point == "/" {
        return path.starts_with('/');
    }
    path.strip_prefix(point)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
28 27 254:1 / /data rw - xfs /dev/vdb rw
29 27 0:40 / /data/my\\040dir rw master:3 propagate_from:2 - tmpfs tmp\\134fs rw,size=4k
30 27 254:2 / /data rw - ext4 /dev/vdc rw
not a mount
";

    #[test]
    fn optional_fields_and_escapes() {
        let mounts = parse(TEXT);
        assert_eq!(mounts.len(), 5);
        assert_eq!(mounts[3].point, "/data/my dir");
        assert_eq!(mounts[3].source, "tmp\\fs");
        assert_eq!(mounts[1].super_options, ["rw", "discard"]);
    }

    #[test]
    fn the_longest_point_with_the_files_device_wins() {
        let mounts = parse(TEXT);
        for (path, device, source) in [
            ("/home/x", (254, 0), "/dev/vda"),
            ("/database", (254, 0), "/dev/vda"),
            ("/data/x", (254, 2), "/dev/vdc"),
            ("/data/x", (254, 1), "/dev/vdb"),
            ("/data/my dir/x", (0, 40), "tmp\\fs"),
            // btrfs: a device number that no line has
            ("/data/x", (0, 99), "/dev/vdc"),
        ] {
            assert_eq!(
                holding(&mounts, path, device).map(|m| m.source.as_str()),
                Some(source),
                "{path}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "[ -~\\n]{0,200}") {
            parse(&text);
        }

        #[test]
        fn escapes_are_undone(point in "/[a-z \\\\\\t#]{0,20}") {
            let escaped: String = point.bytes().map(|b| match b {
                b' ' | b'\t' | b'\\' | b'#' => format!("\\{b:03o}"),
                b => char::from(b).to_string(),
            }).collect();
            prop_assert_eq!(unescape(&escaped), point);
        }
    }
}
