//! The index of a file's functions: what listing and searching need, in columns of numbers that are read where they lie.
//!
//! ```text
//! header   magic 8, version u32, n_columns u32, checksum u64 of all that follows, pc_base u64, n_units u32,
//!          n_skipped_units u32, n_unreadable_bytes u64, linked_at u64 (0: unknown), identity length u32, then
//!          (offset u32, length u32) of each column
//! identity whose index it is: build id of the file, or its stamp
//! columns  little-endian u32 each, but for the bytes of texts
//! ```
//!
//! Texts are sorted, so that a text's number is its rank; groups are sorted by name, file and line; the instances of a
//! group by the order of the debug information. Whatever the bytes say, reading them gives an answer and no panic.

use std::ops::Range;

use super::{barred, types::keyword_of};
use crate::{
    debuginfo::{model::NotTraceable, types::TypeId},
    host::Bytes,
};

/// Counts up when the layout or the meaning of a column changes.
pub const VERSION: u32 = 6;
const MAGIC: [u8; 8] = *b"tapdeck\x1a";
const HEADER_LEN: usize = 60;
const CHECKED_FROM: usize = 24;

/// What a column holds; its place in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Where each text ends in the bytes.
    TextEnds,
    TextBytes,
    GroupName,
    GroupFile,
    GroupLine,
    /// First instance of each group, and the end.
    GroupFirst,
    /// From `pc_base`.
    InstancePc,
    InstanceDie,
    /// Argument list << 2 | external << 1 | inline.
    InstanceInfo,
    /// First pair of each argument list, and the end.
    ListFirst,
    ListPairs,
    PairName,
    PairType,
    /// Texts of paths, ascending.
    FilePath,
    /// First unit of each file, and the end.
    FileFirst,
    FileUnits,
    /// Where each unit begins.
    UnitStart,
    BarredStart,
    BarredEnd,
    BarredReason,
    /// Where functions call the tracer, ascending.
    Fentry,
    /// Type definitions, by name: name, tag, position.
    TypeName,
    TypeTag,
    TypePosition,
    /// Code symbols by address: start from `pc_base`, bytes, name.
    SymbolStart,
    SymbolSize,
    SymbolName,
}

pub const N_COLUMNS: usize = Column::SymbolName as usize + 1;

pub struct Index {
    bytes: Bytes,
    columns: [Range<usize>; N_COLUMNS],
    pc_base: u64,
    pub n_units: u32,
    pub n_skipped_units: u32,
    pub n_unreadable_bytes: u64,
    linked_at: u64,
}

/// What is to become an index.
#[derive(Default)]
pub struct Draft {
    pub columns: [Vec<u8>; N_COLUMNS],
    pub pc_base: u64,
    pub n_units: u32,
    pub n_skipped_units: u32,
    pub n_unreadable_bytes: u64,
    /// Where a kernel's code begins; 0 for everything else.
    pub linked_at: u64,
}

impl Draft {
    pub fn put(&mut self, column: Column, numbers: impl IntoIterator<Item = u32>) {
        let bytes = &mut self.columns[column as usize];
        let numbers = numbers.into_iter();
        bytes.reserve(numbers.size_hint().0 * 4);
        numbers.for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    }

    pub fn push(&mut self, column: Column, number: u32) {
        self.columns[column as usize].extend_from_slice(&number.to_le_bytes());
    }

    pub fn finish(self, identity: &str) -> Vec<u8> {
        let mut at = (HEADER_LEN + N_COLUMNS * 8 + identity.len()).next_multiple_of(8);
        let mut out = Vec::with_capacity(at + self.columns.iter().map(|column| column.len() + 8).sum::<usize>());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(N_COLUMNS as u32).to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.pc_base.to_le_bytes());
        out.extend_from_slice(&self.n_units.to_le_bytes());
        out.extend_from_slice(&self.n_skipped_units.to_le_bytes());
        out.extend_from_slice(&self.n_unreadable_bytes.to_le_bytes());
        out.extend_from_slice(&self.linked_at.to_le_bytes());
        out.extend_from_slice(&(identity.len() as u32).to_le_bytes());
        for column in &self.columns {
            out.extend_from_slice(&(at as u32).to_le_bytes());
            out.extend_from_slice(&(column.len() as u32).to_le_bytes());
            at += column.len().next_multiple_of(8);
        }
        out.extend_from_slice(identity.as_bytes());
        for column in self.columns {
            out.resize(out.len().next_multiple_of(8), 0);
            out.extend_from_slice(&column);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let sum = checksum(&out[CHECKED_FROM..]);
        out[16..24].copy_from_slice(&sum.to_le_bytes());
        out
    }
}

/// Finds damage, not malice: four sums side by side, since one would wait for itself.
fn checksum(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sums = [1u64, 2, 3, 4];
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum = (*sum ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR).rotate_left(29);
        }
    }
    for byte in rest {
        sums[0] = (sums[0] ^ u64::from(*byte)).wrapping_mul(FACTOR).rotate_left(29);
    }
    sums.into_iter().fold(bytes.len() as u64, |all, sum| (all ^ sum).wrapping_mul(FACTOR).rotate_left(29))
}

/// A function by name and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: u32,
    /// 0: not known.
    pub file: u32,
    pub line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedInstance {
    pub pc: u64,
    /// 0: a symbol without debug information.
    pub die: u32,
    pub arguments: u32,
    pub is_inline: bool,
    pub is_external: bool,
}

impl Index {
    /// `None`: not an index of this version, of something else, cut off or damaged.
    pub fn open(bytes: Bytes, identity: &str) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let is_ours = bytes.get(..8)? == MAGIC && word(8)? == VERSION && word(12)? == N_COLUMNS as u32;
        if !is_ours || long(16)? != checksum(bytes.get(CHECKED_FROM..)?) {
            return None;
        }
        let (pc_base, n_units, n_skipped_units) = (long(24)?, word(32)?, word(36)?);
        let (n_unreadable_bytes, linked_at, identity_len) = (long(40)?, long(48)?, word(56)? as usize);
        let identity_at = HEADER_LEN + N_COLUMNS * 8;
        if bytes.get(identity_at..identity_at.checked_add(identity_len)?)? != identity.as_bytes() {
            return None;
        }
        let mut columns = [const { 0..0 }; N_COLUMNS];
        for (idx, column) in columns.iter_mut().enumerate() {
            let at = HEADER_LEN + idx * 8;
            let (start, len) = (word(at)? as usize, word(at + 4)? as usize);
            *column = start..start.checked_add(len).filter(|end| *end <= bytes.len())?;
        }
        Some(Self { bytes, columns, pc_base, n_units, n_skipped_units, n_unreadable_bytes, linked_at })
    }

    fn len(&self, column: Column) -> usize {
        self.columns[column as usize].len() / 4
    }

    #[inline]
    fn number(&self, column: Column, idx: usize) -> u32 {
        let range = &self.columns[column as usize];
        let at = range.start + idx * 4;
        match self.bytes.get(at..at + 4) {
            Some(bytes) if at + 4 <= range.end => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            _ => 0,
        }
    }

    /// The elements that belong to the `idx`-th of a column of first elements, inside a column of `n`.
    fn range(&self, first: Column, idx: usize, n: usize) -> Range<usize> {
        let (start, end) = (self.number(first, idx) as usize, self.number(first, idx + 1) as usize);
        start.min(n)..end.clamp(start.min(n), n)
    }

    /// The first index in `0..n` for which `is_before` is false.
    fn partition(n: usize, is_before: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, n);
        while low < high {
            let middle = low.midpoint(high);
            if is_before(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub fn text(&self, number: u32) -> &str {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.number(Column::TextEnds, number - 1) as usize };
        let end = self.number(Column::TextEnds, number) as usize;
        let bytes = self.bytes.get(self.columns[Column::TextBytes as usize].clone()).unwrap_or(&[]);
        std::str::from_utf8(bytes.get(start..end).unwrap_or(&[])).unwrap_or("")
    }

    pub fn n_texts(&self) -> usize {
        self.len(Column::TextEnds)
    }

    /// The number of a text, if anything is called that.
    pub fn text_number(&self, text: &str) -> Option<u32> {
        let n = self.n_texts();
        let at = Self::partition(n, |idx| self.text(idx as u32) < text);
        (at < n && self.text(at as u32) == text).then_some(at as u32)
    }

    pub fn n_groups(&self) -> usize {
        self.len(Column::GroupName)
    }

    pub fn n_instances(&self) -> usize {
        self.len(Column::InstancePc)
    }

    pub fn group(&self, idx: usize) -> Group {
        let number = |column| self.number(column, idx);
        Group { name: number(Column::GroupName), file: number(Column::GroupFile), line: number(Column::GroupLine) }
    }

    /// Names of functions, each once.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        let mut before = None;
        let numbers = (0..self.n_groups()).map(|idx| self.number(Column::GroupName, idx));
        numbers.filter(move |number| before.replace(*number) != Some(*number)).map(|number| self.text(number))
    }

    /// Groups of that name.
    pub fn groups_named(&self, name: &str) -> Range<usize> {
        let Some(number) = self.text_number(name) else { return 0..0 };
        let n = self.n_groups();
        let first = Self::partition(n, |idx| self.number(Column::GroupName, idx) < number);
        first..Self::partition(n, |idx| self.number(Column::GroupName, idx) <= number)
    }

    /// Groups whose names begin with that.
    pub fn groups_with_prefix(&self, prefix: &str) -> Range<usize> {
        let n = self.n_groups();
        let name = |idx: usize| self.text(self.number(Column::GroupName, idx));
        let first = Self::partition(n, |idx| name(idx) < prefix);
        first..Self::partition(n, |idx| name(idx) < prefix || name(idx).starts_with(prefix))
    }

    pub fn instances(&self, group: usize) -> Range<usize> {
        self.range(Column::GroupFirst, group, self.n_instances())
    }

    pub fn instance(&self, idx: usize) -> IndexedInstance {
        let info = self.number(Column::InstanceInfo, idx);
        IndexedInstance {
            pc: self.pc_base.wrapping_add(u64::from(self.number(Column::InstancePc, idx))),
            die: self.number(Column::InstanceDie, idx),
            arguments: info >> 2,
            is_inline: info & 1 != 0,
            is_external: info & 2 != 0,
        }
    }

    /// 0: a symbol without debug information.
    #[inline]
    pub fn instance_die(&self, idx: usize) -> u32 {
        self.number(Column::InstanceDie, idx)
    }

    /// The group an instance is of.
    pub fn group_of(&self, instance: usize) -> usize {
        let starts_before = |idx| self.number(Column::GroupFirst, idx) as usize <= instance;
        Self::partition(self.n_groups(), starts_before).saturating_sub(1)
    }

    /// The arguments of a list, as numbers for [`Index::argument`].
    pub fn arguments(&self, list: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        let range = self.range(Column::ListFirst, list as usize, self.len(Column::ListPairs));
        range.map(|idx| self.number(Column::ListPairs, idx))
    }

    /// Name and type of an argument.
    pub fn argument(&self, pair: u32) -> (&str, &str) {
        let text = |column| self.text(self.number(column, pair as usize));
        (text(Column::PairName), text(Column::PairType))
    }

    /// Every source file: number of its text, and its units.
    pub fn files(&self) -> impl Iterator<Item = (u32, Range<usize>)> + '_ {
        let n = self.len(Column::FileUnits);
        (0..self.len(Column::FilePath))
            .map(move |idx| (self.number(Column::FilePath, idx), self.range(Column::FileFirst, idx, n)))
    }

    pub fn file_unit(&self, idx: usize) -> u32 {
        self.number(Column::FileUnits, idx)
    }

    /// Where a kernel's code begins in the file.
    pub fn linked_at(&self) -> Option<u64> {
        (self.linked_at != 0).then_some(self.linked_at)
    }

    /// Where each unit begins, ascending.
    pub fn unit_starts(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len(Column::UnitStart)).map(|idx| self.number(Column::UnitStart, idx))
    }

    /// The unit a DIE is in.
    pub fn unit_of(&self, die: u32) -> usize {
        Self::partition(self.len(Column::UnitStart), |idx| self.number(Column::UnitStart, idx) <= die)
    }

    /// The symbols whose code an address is in: names of one piece of code, with where that begins.
    pub fn symbols_at(&self, pc: u64) -> (u64, impl Iterator<Item = &str>) {
        let n = self.len(Column::SymbolStart);
        let start_of = |idx| self.number(Column::SymbolStart, idx);
        let from_base = u32::try_from(pc.wrapping_sub(self.pc_base));
        let after = from_base.map_or(0, |pc| Self::partition(n, |idx| start_of(idx) <= pc));
        let start = after.checked_sub(1).map_or(0, start_of);
        let first = Self::partition(after, |idx| start_of(idx) < start);
        let is_inside = move |idx: &usize| {
            let size = self.number(Column::SymbolSize, *idx);
            from_base.is_ok_and(|pc| pc - start < size.max(1))
        };
        let names = (first..after).filter(is_inside).map(|idx| self.text(self.number(Column::SymbolName, idx)));
        (self.pc_base.wrapping_add(start.into()), names)
    }

    /// Why a place may not be probed.
    pub fn barred(&self, pc: u64) -> Option<NotTraceable> {
        let pc = u32::try_from(pc.wrapping_sub(self.pc_base)).ok()?;
        let after = Self::partition(self.len(Column::BarredStart), |idx| self.number(Column::BarredStart, idx) <= pc);
        let idx = after.checked_sub(1)?;
        if pc >= self.number(Column::BarredEnd, idx) {
            return None;
        }
        match self.number(Column::BarredReason, idx) {
            barred::NO_KPROBE => Some(NotTraceable::NoKprobe),
            barred::NO_INSTRUMENTATION => Some(NotTraceable::NoInstrumentation),
            barred::INIT_TEXT => Some(NotTraceable::InitText),
            _ => None,
        }
    }

    /// Whether a function that begins at `pc` calls the tracer; `None` when the file does not list calls.
    pub fn has_fentry(&self, pc: u64) -> Option<bool> {
        let n = self.len(Column::Fentry);
        if n == 0 {
            return None;
        }
        let pc = u32::try_from(pc.wrapping_sub(self.pc_base)).ok()?;
        let at = Self::partition(n, |idx| self.number(Column::Fentry, idx) < pc);
        // An endbr64 may stand in front of the call.
        Some(at < n && self.number(Column::Fentry, at) - pc <= 4)
    }

    pub fn type_named(&self, keyword: &str, name: &str) -> Option<TypeId> {
        let number = self.text_number(name)?;
        let n = self.len(Column::TypeName);
        let first = Self::partition(n, |idx| self.number(Column::TypeName, idx) < number);
        let same_name = (first..n).take_while(|idx| self.number(Column::TypeName, *idx) == number);
        // C++ has no tags of its own for classes.
        let wanted = |tag: u32| {
            let found = keyword_of(tag as u16);
            found == keyword || keyword == "struct" && found == "class"
        };
        let mut found = same_name.filter(|idx| wanted(self.number(Column::TypeTag, *idx)));
        found.next().map(|idx| self.number(Column::TypePosition, idx))
    }

    /// Names of defined types with their tags, by name.
    pub fn type_names(&self) -> impl Iterator<Item = &str> {
        (0..self.len(Column::TypeName)).map(|idx| self.text(self.number(Column::TypeName, idx)))
    }
}
