//! A program part that is in memory: the kernel proper or one of its modules, by its debug information and by where it was
//! loaded.

use std::{ops::Range, path::PathBuf, sync::Arc};

use super::dwarf::Dwarf;
use crate::host::Host;

#[derive(Clone)]
pub struct Image {
    pub dwarf: Arc<Dwarf>,
    /// `None`: the kernel proper.
    pub module: Option<Arc<str>>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// By so much from where it was linked; `None`: addresses are hidden.
    Moved(Option<u64>),
    /// Each section somewhere: its addresses in the file's layout, and where it begins.
    Sections(Vec<(Range<u64>, u64)>),
}

impl Image {
    pub fn of_kernel(dwarf: Arc<Dwarf>, moved_by: Option<u64>) -> Self {
        Self { dwarf, module: None, place: Place::Moved(moved_by) }
    }

    /// Sections that cannot be read, or were freed after the start, have no addresses.
    pub fn of_module(dwarf: Arc<Dwarf>, name: &str, host: &dyn Host) -> Self {
        let start = |section: &str| {
            let path = PathBuf::from(format!("/sys/module/{name}/sections/{section}"));
            let text = String::from_utf8(host.read(&path).ok()?).ok()?;
            let digits = text.trim().trim_start_matches("0x").to_owned();
            u64::from_str_radix(&digits, 16).ok().filter(|start| *start != 0)
        };
        let in_memory = dwarf.layout().iter().filter(|section| !section.name.is_empty());
        let places = in_memory.filter_map(|section| Some((section.addresses.clone(), start(&section.name)?)));
        let place = Place::Sections(places.collect());
        Self { dwarf, module: Some(name.into()), place }
    }

    /// Where an address of the file is in memory; `None`: that is not known.
    pub fn address(&self, linked: u64) -> Option<u64> {
        match &self.place {
            Place::Moved(by) => Some(linked.wrapping_add((*by)?)),
            Place::Sections(sections) => {
                // What stands right behind a section belongs to it: ends of arrays.
                let has = |(addresses, _): &&(Range<u64>, u64)| addresses.start <= linked && linked <= addresses.end;
                let (addresses, start) = sections.iter().find(has)?;
                Some(linked - addresses.start + start)
            }
        }
    }
}
