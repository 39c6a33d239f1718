//! The initramfs: PID 1, the modules that it loads, and nothing else.

use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, Result};
use cpio::newc::{Builder, ModeFileType, trailer};

use crate::vm::modules::Module;

/// Writes it in the `newc` form (Documentation/driver-api/early-userspace/buffer-format.rst),
/// uncompressed: it is made and unpacked once.
pub(crate) fn write(file: &Path, init: &Path, modules: &[Module]) -> Result<()> {
    let init = std::fs::read(init).with_context(|| format!("read {}", init.display()))?;
    let bytes = archive(&init, modules).context("write the initramfs")?;
    std::fs::write(file, bytes).with_context(|| format!("write {}", file.display()))
}

fn archive(init: &[u8], modules: &[Module]) -> std::io::Result<Vec<u8>> {
    let path = |m: &Module| format!("/{}.ko", m.name);
    let list: String = modules.iter().map(|m| path(m) + "\n").collect();
    let mut out = Cursor::new(Vec::new());
    add(&mut out, "/init", init, 0o755)?;
    add(&mut out, guest::MODULES, list.as_bytes(), 0o644)?;
    for module in modules {
        add(&mut out, &path(module), &module.bytes, 0o644)?;
    }
    trailer(out).map(Cursor::into_inner)
}

fn add(out: &mut Cursor<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let size = u32::try_from(bytes.len())
        .map_err(|_| std::io::Error::other(format!("{path} is too large for an initramfs")))?;
    let name = path.trim_start_matches('/');
    let entry = Builder::new(name)
        .mode(mode)
        .set_mode_file_type(ModeFileType::Regular);
    let mut writer = entry.write(out, size);
    writer.write_all(bytes)?;
    writer.finish().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_init_the_list_and_the_modules_in_their_order() {
        let module = |name: &str| Module {
            name: name.into(),
            bytes: name.as_bytes().to_vec(),
        };
        let bytes =
            archive(b"#!", &[module("mbcache"), module("ext4")]).expect("written to memory");
        let mut left = bytes.as_slice();
        let mut found = Vec::new();
        loop {
            let mut reader = cpio::NewcReader::new(left).expect("an entry");
            if reader.entry().is_trailer() {
                break;
            }
            let name = reader.entry().name().to_owned();
            let mode = reader.entry().mode();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut reader, &mut text).expect("its bytes");
            found.push((name, mode & 0o777, text));
            left = reader.finish().expect("the next entry");
        }
        let entry = |name: &str, mode, text: &str| (name.to_owned(), mode, text.to_owned());
        assert_eq!(
            found,
            [
                entry("init", 0o755, "#!"),
                entry("modules.list", 0o644, "/mbcache.ko\n/ext4.ko\n"),
                entry("mbcache.ko", 0o644, "mbcache"),
                entry("ext4.ko", 0o644, "ext4"),
            ]
        );
    }
}
