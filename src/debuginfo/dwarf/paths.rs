//! Source files by number: the file tables of line programs, each path once. DWARF 5, 6.2.4.

use std::collections::HashMap;

use gimli::constants as dw;
use rustc_hash::FxHashMap;

use super::{
    form::{Cursor, Malformed, Read, TextPlace},
    unit::Unit,
};

/// Paths with numbers; 0 is no path.
pub struct Paths {
    numbers: HashMap<String, u32>,
    pub values: Vec<String>,
    /// Paths by the texts they are made of. The same few headers come in every unit; their texts are stored once.
    made: FxHashMap<(u64, u64), u32>,
    /// Those of folders and names in .debug_line_str, by both offsets.
    made_of_line_texts: FxHashMap<u64, u32>,
    /// Folders of the unit that is being read.
    folders: Vec<u32>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            numbers: HashMap::from([(String::new(), 0)]),
            values: vec![String::new()],
            made: FxHashMap::default(),
            made_of_line_texts: FxHashMap::default(),
            folders: Vec::new(),
        }
    }
}

impl Paths {
    pub fn number(&mut self, path: &str) -> u32 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        let number = self.values.len() as u32;
        self.values.push(path.to_owned());
        self.numbers.insert(path.to_owned(), number);
        number
    }

    /// The numbers of a unit's files, by their index there. Empty when the unit has no line program or it cannot be read.
    pub fn of_unit(&mut self, unit: &Unit<'_>) -> Vec<u32> {
        let Some(offset) = unit.line_offset else { return Vec::new() };
        if let Ok(files) = self.of_usual_table(unit, offset) {
            return files;
        }
        let lines = gimli::DebugLine::new(unit.file.section(gimli::SectionId::DebugLine), gimli::LittleEndian);
        let offset = gimli::DebugLineOffset(offset as usize);
        let Ok(program) = lines.program(offset, unit.header.encoding.address_size, None, None) else {
            return Vec::new();
        };
        let header = program.header();
        // Indexes count from 1 before version 5.
        let mut files = if header.version() < 5 { vec![0] } else { Vec::new() };
        for file in header.file_names() {
            let folder = file.directory_index();
            // Folder 0 is where the compiler ran; what is relative to it is what people write.
            let folder_text = if folder == 0 { None } else { header.directory(folder) };
            let number = match (place(&file.path_name()), folder_text.as_ref().map(place)) {
                (Some(name), Some(Some(folder))) => self.made_of(unit, folder, Some(name)),
                (Some(name), None) => self.made_of(unit, name, None),
                _ => {
                    let name = text(unit, &file.path_name()).unwrap_or_default();
                    let folder = folder_text.and_then(|folder| text(unit, &folder)).unwrap_or_default();
                    let path = joined(&folder, &name);
                    self.number(&path)
                }
            };
            files.push(number);
        }
        files
    }

    /// The same of a table as compilers write it for version 5: each entry a text in .debug_line_str, with the folder's
    /// number for files. Whatever else comes is left to a more patient reader.
    fn of_usual_table(&mut self, unit: &Unit<'_>, offset: u64) -> Read<Vec<u32>> {
        let section = unit.file.section(gimli::SectionId::DebugLine);
        let mut cursor = Cursor::new(section, usize::try_from(offset).map_err(|_| Malformed)?);
        let len = u64::from(cursor.u32()?);
        let end = cursor.position() as u64 + len;
        let (version, _address_size, segment_size) = (cursor.u16()?, cursor.u8()?, cursor.u8()?);
        let header_len = u64::from(cursor.u32()?);
        let header_end = cursor.position() as u64 + header_len;
        if len >= 0xffff_fff0 || version != 5 || segment_size != 0 || end > section.len() as u64 || header_end > end {
            return Err(Malformed);
        }
        let mut cursor = Cursor::new(&section[..header_end as usize], cursor.position());
        let (_min_len, max_operations, _is_statement, _line_base) =
            (cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let (line_range, opcode_base) = (cursor.u8()?, cursor.u8()?);
        if max_operations == 0 || line_range == 0 || opcode_base == 0 {
            return Err(Malformed);
        }
        cursor.skip(usize::from(opcode_base) - 1)?;
        const PATH: (u64, u64) = (dw::DW_LNCT_path.0 as u64, dw::DW_FORM_line_strp.0 as u64);
        if cursor.u8()? != 1 || cursor.two_ulebs()? != PATH {
            return Err(Malformed);
        }
        self.folders.clear();
        for _ in 0..cursor.uleb()? {
            self.folders.push(cursor.u32()?);
        }
        if cursor.u8()? != 2
            || cursor.two_ulebs()? != PATH
            || cursor.uleb()? != u64::from(dw::DW_LNCT_directory_index.0)
        {
            return Err(Malformed);
        }
        let form = cursor.uleb()?;
        let is_short = form == u64::from(dw::DW_FORM_data1.0);
        if !is_short && form != u64::from(dw::DW_FORM_udata.0) {
            return Err(Malformed);
        }
        let n_files = cursor.uleb()?;
        // Each takes five bytes or more.
        let mut files = Vec::with_capacity(n_files.min(len / 5) as usize);
        for _ in 0..n_files {
            let name = cursor.u32()?;
            let folder = if is_short { u64::from(cursor.u8()?) } else { cursor.uleb()? };
            // Folder 0 is where the compiler ran; what is relative to it is what people write.
            let folder = if folder == 0 { None } else { self.folders.get(folder as usize).copied() };
            files.push(self.made_of_line_texts(unit, folder, name));
        }
        Ok(files)
    }

    fn made_of_line_texts(&mut self, unit: &Unit<'_>, folder: Option<u32>, name: u32) -> u32 {
        let place = |at: u32| TextPlace::LineStr(at.into());
        let (first, second) = match folder {
            Some(folder) => (place(folder), Some(place(name))),
            None => (place(name), None),
        };
        // Without a folder there is no second text; offsets of folders end before.
        let key = u64::from(folder.unwrap_or(u32::MAX)) << 32 | u64::from(name);
        if unit.header.is_supplementary || folder == Some(u32::MAX) {
            return self.made_of(unit, first, second);
        }
        if let Some(number) = self.made_of_line_texts.get(&key) {
            return *number;
        }
        let number = self.made_of(unit, first, second);
        self.made_of_line_texts.insert(key, number);
        number
    }

    /// The paths of a unit's files, by their index there.
    pub fn texts_of_unit(mut self, unit: &Unit<'_>) -> Vec<String> {
        let numbers = self.of_unit(unit);
        numbers.into_iter().map(|number| self.values[number as usize].clone()).collect()
    }

    /// `first/second`, by places of texts.
    fn made_of(&mut self, unit: &Unit<'_>, first: TextPlace, second: Option<TextPlace>) -> u32 {
        let key = |place: TextPlace| match place {
            TextPlace::LineStr(at) => at << 2 | 1,
            TextPlace::Str(at) => at << 2 | 2,
            _ => 0,
        };
        // Both files have texts of their own.
        let own = u64::from(unit.header.is_supplementary) << 63;
        let key = (key(first) | own, second.map_or(0, key));
        if let Some(number) = self.made.get(&key) {
            return *number;
        }
        let of = |place| unit.file.text(place).unwrap_or_default();
        let path = match second {
            Some(second) => joined(of(first), of(second)),
            None => of(first).to_owned(),
        };
        let number = self.number(&path);
        self.made.insert(key, number);
        number
    }
}

type AttributeValue<'a> = gimli::AttributeValue<gimli::EndianSlice<'a, gimli::LittleEndian>>;

fn place(value: &AttributeValue<'_>) -> Option<TextPlace> {
    match value {
        gimli::AttributeValue::DebugLineStrRef(at) => Some(TextPlace::LineStr(at.0 as u64)),
        gimli::AttributeValue::DebugStrRef(at) => Some(TextPlace::Str(at.0 as u64)),
        _ => None,
    }
}

fn text(unit: &Unit<'_>, value: &AttributeValue<'_>) -> Option<String> {
    match value {
        gimli::AttributeValue::String(bytes) => Some(String::from_utf8_lossy(bytes.slice()).into_owned()),
        value => unit.file.text(place(value)?).map(str::to_owned),
    }
}

/// As the compiler wrote it: `./a`, `a/./b` and `a/../b` stay what they are, as in SystemTap's listings.
pub fn joined(folder: &str, name: &str) -> String {
    if name.starts_with('/') || folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
