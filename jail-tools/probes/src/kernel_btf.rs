//! The kernel's own type information, as far as offsets need it.
//!
//! aya-ebpf emits no CO-RE relocations, so offsets of structure members are looked up here and
//! handed to the programs as constants. Format: Documentation/bpf/btf.rst. Every read is checked
//! against the length of the data: a damaged file gives an error, never a panic.

use std::collections::HashMap;
use std::path::Path;

/// What can be wrong with BTF data.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("read {path}: {source}; the kernel needs CONFIG_DEBUG_INFO_BTF")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not BTF, or cut off.
    #[error("kernel BTF is damaged: {0}")]
    Damaged(&'static str),
}

// Kinds of include/uapi/linux/btf.h.
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// Members of anonymous members are searched this deep. The kernel's deepest is below ten.
const NESTING_MAX: u32 = 16;

#[derive(Debug, Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    vlen: u32,
    kind_flag: bool,
    /// The union of `size` and `type` in `struct btf_type`, by kind.
    link: u32,
    /// Offset of what follows the common header.
    body: usize,
}

/// Parsed kernel BTF.
#[derive(Debug)]
pub struct KernelBtf {
    data: Vec<u8>,
    strings: usize,
    strings_end: usize,
    types: Vec<Type>,
    by_name: HashMap<(u32, String), u32>,
}

impl KernelBtf {
    /// Reads the running kernel's BTF.
    ///
    /// # Errors
    /// `/sys/kernel/btf/vmlinux` is missing, unreadable or damaged.
    pub fn of_running_kernel() -> Result<Self, BtfError> {
        let path = Path::new("/sys/kernel/btf/vmlinux");
        let data = std::fs::read(path).map_err(|source| BtfError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(data)
    }

    /// Parses BTF in the byte order of this machine.
    ///
    /// # Errors
    /// The data is not BTF, or is cut off.
    pub fn parse(data: Vec<u8>) -> Result<Self, BtfError> {
        const MAGIC: u16 = 0xeb9f;
        let magic = data.get(..2).map(|b| u16::from_ne_bytes([b[0], b[1]]));
        if magic != Some(MAGIC) {
            return Err(BtfError::Damaged("no magic number"));
        }
        let at = |offset| word(&data, offset).ok_or(BtfError::Damaged("header cut off"));
        let header = at(4)? as usize;
        let (types_from, types_len) = (header + at(8)? as usize, at(12)? as usize);
        let (strings, strings_len) = (header + at(16)? as usize, at(20)? as usize);
        let (types_end, strings_end) = (types_from + types_len, strings + strings_len);
        if types_end > data.len() || strings_end > data.len() {
            return Err(BtfError::Damaged("sections reach beyond the end"));
        }
        let mut btf = Self {
            data,
            strings,
            strings_end,
            types: Vec::new(),
            by_name: HashMap::new(),
        };
        btf.read_types(types_from, types_end)?;
        Ok(btf)
    }

    fn read_types(&mut self, from: usize, end: usize) -> Result<(), BtfError> {
        // Type 0 is void.
        self.types.push(Type {
            name: 0,
            kind: 0,
            vlen: 0,
            kind_flag: false,
            link: 0,
            body: 0,
        });
        let mut at = from;
        while at < end {
            let field =
                |offset| word(&self.data, at + offset).ok_or(BtfError::Damaged("types cut off"));
            let info = field(4)?;
            let t = Type {
                name: field(0)?,
                kind: (info >> 24) & 0x1f,
                vlen: info & 0xffff,
                kind_flag: info >> 31 != 0,
                link: field(8)?,
                body: at + 12,
            };
            let id = self.types.len() as u32;
            if matches!(t.kind, STRUCT | UNION | TYPEDEF | ENUM | ENUM64 | VAR)
                && let Some(name) = self.string(t.name).filter(|n| !n.is_empty())
            {
                let name = name.to_owned();
                self.by_name.entry((t.kind, name)).or_insert(id);
            }
            at = t.body + body_len(&t).ok_or(BtfError::Damaged("unknown kind of type"))?;
            self.types.push(t);
        }
        Ok(())
    }

    fn string(&self, offset: u32) -> Option<&str> {
        let rest = self
            .data
            .get(self.strings + offset as usize..self.strings_end)?;
        let end = rest.iter().position(|b| *b == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    fn find(&self, kind: u32, name: &str) -> Option<u32> {
        self.by_name.get(&(kind, name.to_owned())).copied()
    }

    fn get(&self, id: u32) -> Option<&Type> {
        self.types.get(id as usize)
    }

    /// Follows typedefs and qualifiers.
    fn strip(&self, mut id: u32) -> Option<u32> {
        for _ in 0..NESTING_MAX {
            let t = self.get(id)?;
            match t.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = t.link,
                _ => return Some(id),
            }
        }
        None
    }

    /// Bit offset and type of a member, anonymous members included.
    fn member(&self, id: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        let t = *self.get(self.strip(id)?)?;
        if depth == 0 || !matches!(t.kind, STRUCT | UNION) {
            return None;
        }
        for i in 0..t.vlen as usize {
            let at = t.body + 12 * i;
            let (member_name, member_type, offset) = (
                word(&self.data, at)?,
                word(&self.data, at + 4)?,
                word(&self.data, at + 8)?,
            );
            // With the kind flag the upper byte is a bit-field's size.
            let bits = if t.kind_flag {
                offset & 0x00ff_ffff
            } else {
                offset
            };
            match self.string(member_name)? {
                n if n == name => return Some((bits, member_type)),
                "" => {
                    if let Some((inner, found)) = self.member(member_type, name, depth - 1) {
                        return Some((bits + inner, found));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Byte offset of `path` (`se.cfs_rq`) in a structure or union.
    #[must_use]
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut id = self
            .find(STRUCT, structure)
            .or_else(|| self.find(UNION, structure))?;
        let mut bits = 0;
        for name in path.split('.') {
            let (offset, member) = self.member(id, name, NESTING_MAX)?;
            bits += offset;
            id = member;
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Value of an enumerator.
    #[must_use]
    pub fn enumerator(&self, enumeration: &str, name: &str) -> Option<i64> {
        let t = self.get(self.find(ENUM, enumeration)?)?;
        (0..t.vlen as usize).find_map(|i| {
            let at = t.body + 8 * i;
            let found = self.string(word(&self.data, at)?)? == name;
            found.then(|| word(&self.data, at + 4).map(|v| i64::from(v.cast_signed())))?
        })
    }

    /// Arguments of a tracepoint's prototype, or `None` if this kernel has no such tracepoint.
    #[must_use]
    pub fn tracepoint_args(&self, name: &str) -> Option<u32> {
        let typedef = self.get(self.find(TYPEDEF, &format!("btf_trace_{name}"))?)?;
        let pointer = self.get(typedef.link)?;
        let proto = self.get(pointer.link)?;
        // The first parameter is the tracepoint's private data.
        (pointer.kind == PTR && proto.kind == FUNC_PROTO).then(|| proto.vlen.saturating_sub(1))
    }

    /// Offset of a per-CPU variable within the per-CPU section.
    #[must_use]
    pub fn percpu_offset(&self, name: &str) -> Option<u32> {
        let wanted = self.find(VAR, name)?;
        let section = self.types.iter().find(|t| {
            t.kind == DATASEC && self.string(t.name).is_some_and(|n| n == ".data..percpu")
        })?;
        (0..section.vlen as usize).find_map(|i| {
            let at = section.body + 12 * i;
            (word(&self.data, at)? == wanted).then(|| word(&self.data, at + 4))?
        })
    }
}

/// Length of what follows a type's common header, by Documentation/bpf/btf.rst.
fn body_len(t: &Type) -> Option<usize> {
    let n = t.vlen as usize;
    Some(match t.kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * n,
        ENUM | FUNC_PROTO => 8 * n,
        k if k <= ENUM64 => 0,
        _ => return None,
    })
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `struct outer { int a; struct { union { long b; }; int c; }; }` and an enum, by hand.
    fn sample() -> Vec<u8> {
        let mut strings = vec![0u8];
        let mut name = |s: &str| {
            let at = strings.len() as u32;
            strings.extend(s.as_bytes());
            strings.push(0);
            at
        };
        let (outer, a, b, c) = (name("outer"), name("a"), name("b"), name("c"));
        let (flags, head, int, long) = (
            name("pageflags"),
            name("PG_head"),
            name("int"),
            name("long"),
        );
        let mut types: Vec<u32> = Vec::new();
        types.extend([int, INT << 24, 4, 32]); // 1
        types.extend([long, INT << 24, 8, 64]); // 2
        types.extend([0, UNION << 24 | 1, 8, b, 2, 0]); // 3: anonymous union
        types.extend([0, STRUCT << 24 | 2, 16, 0, 3, 0, c, 1, 64]); // 4: anonymous struct
        types.extend([outer, STRUCT << 24 | 2, 24, a, 1, 0, 0, 4, 64]); // 5
        types.extend([flags, ENUM << 24 | 1, 4, head, 6]); // 6
        let types: Vec<u8> = types.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let mut out = Vec::new();
        out.extend(0xeb9f_u16.to_ne_bytes());
        out.extend([1, 0]);
        for w in [
            24,
            0,
            types.len() as u32,
            types.len() as u32,
            strings.len() as u32,
        ] {
            out.extend(w.to_ne_bytes());
        }
        out.extend(types);
        out.extend(strings);
        out
    }

    #[test]
    fn members_are_found_through_anonymous_structures() {
        let btf = KernelBtf::parse(sample()).unwrap();
        assert_eq!(btf.offset("outer", "a"), Some(0));
        assert_eq!(btf.offset("outer", "b"), Some(8));
        assert_eq!(btf.offset("outer", "c"), Some(16));
        assert_eq!(btf.offset("outer", "d"), None);
        assert_eq!(btf.enumerator("pageflags", "PG_head"), Some(6));
        assert_eq!(btf.tracepoint_args("sched_switch"), None);
    }

    proptest! {
        #[test]
        fn damaged_data_never_panics(cut in 0usize..400, at in 0usize..400, byte: u8) {
            let mut data = sample();
            data.truncate(cut.max(1).min(data.len()));
            let at = at % data.len();
            data[at] = byte;
            if let Ok(btf) = KernelBtf::parse(data) {
                let _ = (btf.offset("outer", "c"), btf.enumerator("pageflags", "PG_head"));
                let _ = (btf.tracepoint_args("sched_switch"), btf.percpu_offset("runqueues"));
            }
        }
    }

    #[test]
    fn the_running_kernels_layout_is_plausible() {
        let Ok(btf) = KernelBtf::of_running_kernel() else {
            println!("skipped: the running kernel has no BTF");
            return;
        };
        assert!(btf.offset("task_struct", "pid").is_some_and(|o| o > 0));
        assert!(btf.tracepoint_args("sched_switch").is_some_and(|n| n >= 3));
        assert!(btf.offset("folio", "index").is_some());
    }
}
