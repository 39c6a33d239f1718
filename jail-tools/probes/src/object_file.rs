//! The BPF object: where it came from, and whether it speaks our wire format.

use object::{Object, ObjectSection, ObjectSymbol};

/// An object that was found.
#[derive(Debug, Clone)]
pub struct ObjectFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// `rebuilt`, `prebuilt`, or a path.
    pub origin: String,
}

/// Reads the ABI number out of an object: the initial value of its global `ABI`.
///
/// # Errors
/// In words: not an ELF file, or it has no such global.
pub fn abi(bytes: &[u8]) -> Result<u32, String> {
    let elf = object::File::parse(bytes).map_err(|e| format!("not an ELF object: {e}"))?;
    let symbol = elf
        .symbols()
        .find(|s| s.name() == Ok("ABI"))
        .ok_or("it has no global ABI: was it built from probes-ebpf?")?;
    let section = symbol
        .section_index()
        .and_then(|i| elf.section_by_index(i).ok())
        .ok_or("its global ABI is in no section")?;
    let offset = symbol
        .address()
        .checked_sub(section.address())
        .ok_or("its global ABI lies outside its section")?;
    let data = section.data().map_err(|e| e.to_string())?;
    let value = usize::try_from(offset)
        .ok()
        .and_then(|o| data.get(o..o.checked_add(4)?))
        .ok_or("its global ABI lies outside its section")?;
    Ok(u32::from_le_bytes([value[0], value[1], value[2], value[3]]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_elf_is_refused_in_words() {
        assert!(super::abi(b"not an object").is_err());
        assert!(super::abi(&[]).is_err());
    }
}
