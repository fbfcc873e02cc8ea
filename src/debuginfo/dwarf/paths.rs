//! Source files by number: the file tables of line programs, each path once. DWARF 5, 6.2.4.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::{form::TextPlace, unit::Unit};

/// Paths with numbers; 0 is no path.
pub struct Paths {
    numbers: HashMap<String, u32>,
    pub values: Vec<String>,
    /// Paths by the texts they are made of. The same few headers come in every unit; their texts are stored once.
    made: FxHashMap<(u64, u64), u32>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { numbers: HashMap::from([(String::new(), 0)]), values: vec![String::new()], made: FxHashMap::default() }
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
