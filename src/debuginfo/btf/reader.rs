//! Bytes to types: header, type section, string section, and lookup by name.
//!
//! ```text
//! header  magic u16, version u8, flags u8, hdr_len u32, type_off u32, type_len u32, str_off u32, str_len u32
//! type    name_off u32, info u32 (vlen 0-15, kind 24-28, flag 31), size or type u32, then what the kind says
//! ```

use std::sync::{Arc, OnceLock};

use super::super::types::TypeId;
use crate::host::Bytes;

pub(super) const INT: u8 = 1;
pub(super) const PTR: u8 = 2;
pub(super) const ARRAY: u8 = 3;
pub(super) const STRUCT: u8 = 4;
pub(super) const UNION: u8 = 5;
pub(super) const ENUM: u8 = 6;
pub(super) const FWD: u8 = 7;
pub(super) const TYPEDEF: u8 = 8;
pub(super) const VOLATILE: u8 = 9;
pub(super) const CONST: u8 = 10;
pub(super) const RESTRICT: u8 = 11;
pub(super) const FUNC: u8 = 12;
pub(super) const FUNC_PROTO: u8 = 13;
pub(super) const VAR: u8 = 14;
pub(super) const DATASEC: u8 = 15;
pub(super) const FLOAT: u8 = 16;
pub(super) const DECL_TAG: u8 = 17;
pub(super) const TYPE_TAG: u8 = 18;
pub(super) const ENUM64: u8 = 19;

/// The types of a kernel or, on top of those, of a module.
pub struct Btf {
    bytes: Bytes,
    /// Where each of our types begins in `bytes`.
    starts: Vec<u32>,
    strings: std::ops::Range<usize>,
    base: Option<Arc<Btf>>,
    /// Id of our first type: 1, or one more than the base's last.
    first_id: TypeId,
    /// String offsets below this are the base's.
    first_string: u32,
    /// `(hash of name, id)` of structs, unions, enums and typedefs, sorted.
    named_types: OnceLock<Vec<(u32, TypeId)>>,
}

impl std::fmt::Debug for Btf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Btf({} types)", self.n_types())
    }
}

/// The fixed part of a type.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub name_off: u32,
    pub kind: u8,
    pub flag: bool,
    pub vlen: u16,
    /// A size in bytes or a type, by kind.
    pub word: u32,
    /// What follows the fixed part, by kind.
    pub rest: &'a [u8],
}

impl Record<'_> {
    /// The n-th little-endian word of the rest; 0 past its end.
    pub fn word_at(&self, idx: usize) -> u32 {
        u32_at(self.rest, idx * 4).unwrap_or(0)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Bytes after the fixed 12 of a kind; `None` for a kind nobody knows.
fn rest_len(kind: u8, vlen: u16) -> Option<usize> {
    let n = usize::from(vlen);
    Some(match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * n,
        ENUM | FUNC_PROTO => 8 * n,
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
        _ => return None,
    })
}

/// Types looked through before the index of names is made.
const EARLY_TYPES: TypeId = 4000;

/// FNV-1a: short names, no adversary.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |h, byte| (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

impl Btf {
    /// `base`: the kernel's types, when `bytes` are a module's.
    ///
    /// # Errors
    /// Not BTF, big endian, cut off, or a kind newer than this reader.
    pub fn parse(bytes: Bytes, base: Option<Arc<Btf>>) -> Result<Self, String> {
        if bytes.get(..2) != Some(&[0x9f, 0xeb]) {
            return Err("not little-endian BTF".to_owned());
        }
        let header = |at| u32_at(&bytes, at).map(|word| word as usize).ok_or("BTF header is cut off");
        let (header_len, type_off, type_len) = (header(4)?, header(8)?, header(12)?);
        let (str_off, str_len) = (header(16)?, header(20)?);
        let types = header_len + type_off..header_len + type_off + type_len;
        let strings = header_len + str_off..header_len + str_off + str_len;
        if types.end > bytes.len() || strings.end > bytes.len() {
            return Err("BTF is cut off".to_owned());
        }
        let mut starts = Vec::with_capacity(type_len / 24);
        let mut at = types.start;
        while at < types.end {
            starts.push(at as u32);
            let info = u32_at(&bytes, at + 4).ok_or("BTF is cut off")?;
            let kind = (info >> 24 & 0x1f) as u8;
            at += 12 + rest_len(kind, info as u16).ok_or_else(|| format!("BTF kind {kind} is not known"))?;
        }
        let (first_id, first_string) = match &base {
            Some(base) => (base.n_types(), base.first_string + base.strings.len() as u32),
            None => (1, 0),
        };
        Ok(Self { bytes, starts, strings, base, first_id, first_string, named_types: OnceLock::new() })
    }

    /// One more than the highest id.
    pub fn n_types(&self) -> TypeId {
        self.first_id + self.starts.len() as TypeId
    }

    /// Ids this file itself defines, without its base's.
    pub fn own_ids(&self) -> std::ops::Range<TypeId> {
        self.first_id..self.n_types()
    }

    pub(super) fn record(&self, id: TypeId) -> Option<Record<'_>> {
        if id < self.first_id {
            return self.base.as_ref()?.record(id);
        }
        let at = *self.starts.get((id - self.first_id) as usize)? as usize;
        // Whatever is asked of types comes through here, a million times for some questions.
        let (head, rest) = self.bytes.get(at..)?.split_first_chunk::<12>()?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let info = word(4);
        let (kind, vlen) = ((info >> 24 & 0x1f) as u8, info as u16);
        let rest = rest.get(..rest_len(kind, vlen)?)?;
        Some(Record { name_off: word(0), kind, flag: info >> 31 == 1, vlen, word: word(8), rest })
    }

    pub(super) fn string(&self, offset: u32) -> &str {
        if offset < self.first_string {
            return self.base.as_ref().map_or("", |base| base.string(offset));
        }
        let text = self.own_string(offset);
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(0);
        std::str::from_utf8(&text[..end]).unwrap_or("")
    }

    /// The bytes from one of our own strings on, beyond its end.
    fn own_string(&self, offset: u32) -> &[u8] {
        let start = self.strings.start + (offset - self.first_string) as usize;
        self.bytes.get(start..self.strings.end).unwrap_or(&[])
    }

    fn lookup(&self, name: &str, kinds: &[u8]) -> Option<TypeId> {
        if let Some(found) = self.base.as_ref().and_then(|base| base.lookup(name, kinds)) {
            return Some(found);
        }
        // What everything includes comes first: task_struct and its kin are found without an index over all names, which
        // takes some milliseconds to make.
        let is_it = |id: &TypeId| {
            let record = self.record(*id);
            record.is_some_and(|record| kinds.contains(&record.kind) && self.string(record.name_off) == name)
        };
        let early = self.first_id..self.n_types().min(self.first_id + EARLY_TYPES);
        if self.named_types.get().is_none()
            && let Some(found) = early.into_iter().find(is_it)
        {
            return Some(found);
        }
        let index = self.named_types.get_or_init(|| {
            let mut index = Vec::with_capacity(self.starts.len() / 6);
            for id in self.own_ids() {
                let Some(record) = self.record(id) else { continue };
                if matches!(record.kind, STRUCT | UNION | ENUM | ENUM64 | TYPEDEF) && record.name_off != 0 {
                    index.push((hash(self.string(record.name_off).as_bytes()), id));
                }
            }
            index.sort_unstable();
            index
        });
        let wanted = hash(name.as_bytes());
        let from = index.partition_point(|(hash, _)| *hash < wanted);
        let same_hash = index[from..].iter().take_while(|(hash, _)| *hash == wanted);
        same_hash.map(|(_, id)| *id).find(is_it)
    }

    /// A struct with members, by its tag.
    pub fn struct_named(&self, name: &str) -> Option<TypeId> {
        self.lookup(name, &[STRUCT])
    }

    pub fn union_named(&self, name: &str) -> Option<TypeId> {
        self.lookup(name, &[UNION])
    }

    pub fn enum_named(&self, name: &str) -> Option<TypeId> {
        self.lookup(name, &[ENUM, ENUM64])
    }

    pub fn typedef_named(&self, name: &str) -> Option<TypeId> {
        self.lookup(name, &[TYPEDEF])
    }

    /// Structs, unions, enums and typedefs by name, for "did you mean"; in id order.
    pub fn type_names(&self) -> impl Iterator<Item = &str> {
        self.own_ids().filter_map(|id| {
            let record = self.record(id)?;
            let named = matches!(record.kind, STRUCT | UNION | ENUM | ENUM64 | TYPEDEF) && record.name_off != 0;
            named.then(|| self.string(record.name_off))
        })
    }

    /// Functions this file defines whose name begins with `prefix`: `(rest of the name, prototype)`.
    pub fn functions_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, TypeId)> {
        self.of_kind_with_prefix(FUNC, prefix).map(|(name, _, word)| (name, word))
    }

    /// Typedefs this file defines whose name begins with `prefix`: `(rest of the name, the typedef)`.
    pub fn typedefs_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, TypeId)> {
        self.of_kind_with_prefix(TYPEDEF, prefix).map(|(name, id, _)| (name, id))
    }

    fn of_kind_with_prefix<'a>(&'a self, kind: u8, prefix: &'a str) -> impl Iterator<Item = (&'a str, TypeId, TypeId)> {
        self.own_ids().filter_map(move |id| {
            let record = self.record(id)?;
            if record.kind != kind {
                return None;
            }
            // Compare raw bytes first: most names are not it, and validating UTF-8 of all of them costs a millisecond.
            if record.name_off >= self.first_string && !self.own_string(record.name_off).starts_with(prefix.as_bytes())
            {
                return None;
            }
            Some((self.string(record.name_off).strip_prefix(prefix)?, id, record.word))
        })
    }

    /// Every function this file defines: name, id and prototype.
    pub fn functions(&self) -> impl Iterator<Item = (&str, TypeId, TypeId)> {
        self.of_kind_with_prefix(FUNC, "")
    }

    /// A function this file defines: its id and prototype.
    pub fn function_named(&self, name: &str) -> Option<(TypeId, TypeId)> {
        let found = self.of_kind_with_prefix(FUNC, name).find(|(rest, ..)| rest.is_empty());
        found.map(|(_, id, proto)| (id, proto))
    }

    /// Which of these functions the file defines; one look through all of them.
    pub fn have_functions<const N: usize>(&self, names: [&str; N]) -> [bool; N] {
        let mut found = [false; N];
        let functions = self.own_ids().filter_map(|id| self.record(id)).filter(|record| record.kind == FUNC);
        for name_off in functions.map(|record| record.name_off).filter(|name_off| *name_off >= self.first_string) {
            // Where a name ends is looked for in the few that begin as one of these.
            let text = self.own_string(name_off);
            let is_it =
                |wanted: &&str| text.strip_prefix(wanted.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
            if let Some(idx) = names.iter().position(is_it) {
                found[idx] = true;
            }
        }
        found
    }

    /// A variable this file describes: its type, and whether every processor has one of its own.
    pub fn variable_named(&self, name: &str) -> Option<(TypeId, bool)> {
        let (_, id, ty) = self.of_kind_with_prefix(VAR, name).find(|(rest, ..)| rest.is_empty())?;
        let has_it = |record: &Record<'_>| (0..usize::from(record.vlen)).any(|idx| record.word_at(idx * 3) == id);
        let of_processors = self
            .of_kind_with_prefix(DATASEC, ".data..percpu")
            .any(|(_, section, _)| self.record(section).is_some_and(|record| has_it(&record)));
        Some((ty, of_processors))
    }

    /// The prototype of the function called `prefix` + `name`.
    pub fn function_proto(&self, prefix: &str, name: &str) -> Option<TypeId> {
        self.functions_with_prefix(prefix).find(|(rest, _)| *rest == name).map(|(_, proto)| proto)
    }
}
