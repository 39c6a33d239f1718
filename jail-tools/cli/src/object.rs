//! Which BPF object is used, and where it came from.

use std::path::PathBuf;

use anyhow::Context;
use probes::object_file::ObjectFile;

/// Set by `cargo xtask`: the object to load, and `rebuilt` or `prebuilt`.
const PATH: &str = "JAIL_TOOLS_BPF_OBJECT";
const ORIGIN: &str = "JAIL_TOOLS_BPF_ORIGIN";

/// The object that was committed, for a binary that runs by itself.
static PREBUILT: &[u8] = aya::include_bytes_aligned!("../../../probes-ebpf/prebuilt/probes.o");

/// The object that xtask chose, or else the one inside this binary.
///
/// # Errors
/// The chosen file cannot be read.
pub(crate) fn find() -> anyhow::Result<ObjectFile> {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else {
        return Ok(ObjectFile {
            bytes: PREBUILT.to_vec(),
            origin: "prebuilt (inside the binary)".into(),
        });
    };
    let bytes = std::fs::read(&path)
        .with_context(|| format!("read BPF object {} ({PATH})", path.display()))?;
    let path = path.display();
    let origin =
        std::env::var(ORIGIN).map_or(path.to_string(), |origin| format!("{origin}: {path}"));
    Ok(ObjectFile { bytes, origin })
}
