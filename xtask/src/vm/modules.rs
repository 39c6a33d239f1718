//! Which kernel modules a guest needs before it has a root, and in which order.
//!
//! A package carries no `modules.dep` (depmod makes it at installation), but each module names
//! what it depends on in its section `.modinfo` (scripts/mod/modpost.c).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

use crate::shell::Cmd;

/// The drivers of the disk and its filesystem. ext4 checksums with crc32c, which it asks the
/// crypto layer for by name (a soft dependency), so that no symbol leads to it.
const WANTED: [&str; 4] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"];

/// Gone where crc32c is a library of the kernel itself (Linux 6.14, commit
/// "crypto: crc32c - Use modern library").
const MAY_BE_MISSING: [&str; 1] = ["crc32c_generic"];

/// A module, uncompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// As the kernel spells it: with `_` for `-`.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The modules that the guest loads, each after those that it depends on.
pub(crate) fn needed(folder: &Path) -> Result<Vec<Module>> {
    let files = files(&folder.join("kernel"))?;
    let builtin_list = folder.join("modules.builtin");
    let builtin = std::fs::read_to_string(&builtin_list)
        .with_context(|| format!("read {}", builtin_list.display()))?;
    let builtin: Vec<String> = builtin
        .lines()
        .filter_map(|l| module_name(Path::new(l)))
        .collect();
    let mut found = Vec::new();
    let mut bytes_of = |name: &str| -> Result<Option<Vec<u8>>> {
        match files.get(name) {
            Some(path) => read_module(path).map(Some),
            None if builtin.iter().any(|b| b == name) || MAY_BE_MISSING.contains(&name) => Ok(None),
            None => bail!(
                "{} has no module {name}, and it is not built in",
                folder.display()
            ),
        }
    };
    for name in WANTED {
        add(name, &mut bytes_of, &mut found, 0)?;
    }
    Ok(found)
}

/// Adds a module after those that it depends on; nothing twice.
fn add(
    name: &str,
    bytes_of: &mut dyn FnMut(&str) -> Result<Option<Vec<u8>>>,
    found: &mut Vec<Module>,
    depth: u32,
) -> Result<()> {
    /// The kernel's own chains are below ten: more is a circle.
    const DEPTH_MAX: u32 = 32;
    if depth > DEPTH_MAX {
        bail!("module {name} depends on itself");
    }
    if found.iter().any(|m| m.name == name) {
        return Ok(());
    }
    let Some(bytes) = bytes_of(name)? else {
        return Ok(());
    };
    for dependency in depends(&bytes).with_context(|| format!("module {name}"))? {
        add(&dependency, bytes_of, found, depth + 1)?;
    }
    found.push(Module {
        name: name.to_owned(),
        bytes,
    });
    Ok(())
}

/// `depends=` of a module's `.modinfo`: strings that end with a zero byte.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let elf = object::File::parse(module).context("not an ELF file")?;
    let info = elf
        .section_by_name(".modinfo")
        .context("no section .modinfo")?;
    let info = info.data().context("section .modinfo")?;
    let lists = info
        .split(|b| *b == 0)
        .filter_map(|s| s.strip_prefix(b"depends="));
    let names = lists.flat_map(|list| list.split(|b| *b == b','));
    Ok(names
        .map(|n| String::from_utf8_lossy(n).replace('-', "_"))
        .filter(|n| !n.is_empty())
        .collect())
}

/// All modules below a folder, by name.
fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("list {}", folder.display()))?
                .path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = module_name(&path) {
                found.insert(name, path);
            }
        }
    }
    Ok(found)
}

/// `crc32c_intel` of `…/crc32c-intel.ko.xz`.
fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let stem = ["", ".xz", ".zst", ".gz"]
        .iter()
        .find_map(|packed| file.strip_suffix(packed)?.strip_suffix(".ko"))?;
    Some(stem.replace('-', "_"))
}

fn read_module(path: &Path) -> Result<Vec<u8>> {
    let unpack = match path.extension().and_then(|e| e.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return std::fs::read(path).with_context(|| format!("read {}", path.display())),
    };
    Cmd::new(unpack)
        .args(["--decompress", "--stdout"])
        .arg(path)
        .read_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels_whatever_the_file_is_called() {
        for (file, name) in [
            ("a/virtio_blk.ko", Some("virtio_blk")),
            ("a/crc32c-intel.ko.xz", Some("crc32c_intel")),
            ("a/b.ko.zst", Some("b")),
            ("a/modules.order", None),
            ("a/ko", None),
        ] {
            assert_eq!(module_name(Path::new(file)).as_deref(), name, "{file}");
        }
    }

    /// The smallest ELF file with a `.modinfo`: a header, that section, its names.
    fn module(info: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let info_at = 64_u64;
        let names_at = info_at + info.len() as u64;
        let table_at = (names_at + names.len() as u64).next_multiple_of(8);
        let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend(1_u16.to_le_bytes());
        out.extend(62_u16.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        for v in [0_u64, 0, table_at] {
            out.extend(v.to_le_bytes());
        }
        out.extend(0_u32.to_le_bytes());
        for v in [64_u16, 0, 0, 64, 3, 2] {
            out.extend(v.to_le_bytes());
        }
        out.extend(info);
        out.extend(names);
        out.resize(table_at as usize, 0);
        let mut section = |name: u32, kind: u32, at: u64, len: u64| {
            out.extend(name.to_le_bytes());
            out.extend(kind.to_le_bytes());
            for v in [0, 0, at, len, 0, 1, 0] {
                out.extend(v.to_le_bytes());
            }
        };
        // The last two fields of each are its alignment and entry size.
        section(0, 0, 0, 0);
        section(1, 1, info_at, info.len() as u64);
        section(10, 3, names_at, names.len() as u64);
        out
    }

    #[test]
    fn a_module_comes_after_what_it_depends_on_and_only_once() {
        let known: BTreeMap<&str, Vec<u8>> = [
            ("ext4", module(b"license=GPL\0depends=jbd2,mbcache\0")),
            ("jbd2", module(b"depends=mbcache\0")),
            ("mbcache", module(b"depends=\0")),
        ]
        .into();
        let mut bytes_of = |name: &str| Ok(known.get(name).cloned());
        let mut found = Vec::new();
        for name in ["ext4", "jbd2"] {
            add(name, &mut bytes_of, &mut found, 0).expect("all are there");
        }
        let names: Vec<&str> = found.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["mbcache", "jbd2", "ext4"]);
    }

    #[test]
    fn a_circle_is_an_error_and_so_is_what_is_no_module() {
        let mut circle = |name: &str| {
            let other = if name == "a" { "b" } else { "a" };
            Ok(Some(module(format!("depends={other}\0").as_bytes())))
        };
        assert!(add("a", &mut circle, &mut Vec::new(), 0).is_err());
        assert!(depends(b"not a module").is_err());
    }
}
