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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debuginfo::{FunctionPattern, World, catalog::tests::with_module, dwarf::tests::bytes_of};

    #[test]
    fn sections_that_follow_each_other_in_the_file_are_anywhere_in_memory() {
        let file = "/usr/lib/debug/lib/modules/6.1.0-9-amd64/kernel/lib/sha-pes.ko";
        let machine = with_module("image", file, &bytes_of("module.o"));
        machine.put("/sys/module/sha_pes/sections/.init.text", b"0xffffffffc0100000\n");
        machine.put("/sys/module/sha_pes/sections/.exit.text", b"0xffffffffc0400000\n");
        let world = World::new(Arc::new(machine.host()));
        let image = world.module_image("sha_pes").expect("is there");
        let all = image.dwarf.functions(&FunctionPattern::parse("*").expect("is a pattern"));
        let places = all.iter().map(|function| (&*function.name, function.instances[0].pc));
        let places: Vec<_> = places.filter_map(|(name, pc)| Some((name, image.address(pc?)?))).collect();
        let expected =
            [("choose", 0x10), ("cleanup_module", 0x20_0000), ("init_module", -0x10_0000), ("untouchable", 0)];
        assert_eq!(places, expected.map(|(name, offset)| (name, 0xffff_ffff_c020_0000u64.wrapping_add_signed(offset))));
    }
}
