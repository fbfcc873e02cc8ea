//! Call frames: where the frame of a function begins, at each of its instructions. DWARF 5, 6.4.

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, LittleEndian, SectionId, UnwindContext, UnwindSection,
};

use super::file::DebugFile;

/// What a section of frames says the canonical frame address is.
pub enum Cfa {
    /// A register by its DWARF number, and what is added to it.
    Register(u16, i64),
    /// An expression.
    Expression(Vec<u8>),
}

/// Where the description of each piece of code is, by address.
#[derive(Debug, Default)]
pub struct Frames {
    /// First and last address, and where it is in the section.
    in_debug_frame: Vec<(u64, u64, usize)>,
    in_eh_frame: Vec<(u64, u64, usize)>,
}

type Bytes<'f> = gimli::EndianSlice<'f, LittleEndian>;

impl Frames {
    pub fn read(file: &DebugFile) -> Self {
        Self {
            in_debug_frame: places(&debug_frame(file), &BaseAddresses::default()),
            in_eh_frame: places(&eh_frame(file), &bases(file)),
        }
    }

    pub fn cfa_at(&self, file: &DebugFile, pc: u64) -> Option<Cfa> {
        let in_debug_frame = place(&self.in_debug_frame, pc);
        let found = in_debug_frame.and_then(|at| cfa(&debug_frame(file), &BaseAddresses::default(), at, pc));
        found.or_else(|| cfa(&eh_frame(file), &bases(file), place(&self.in_eh_frame, pc)?, pc))
    }
}

fn debug_frame(file: &DebugFile) -> DebugFrame<Bytes<'_>> {
    let mut section = DebugFrame::new(file.section(SectionId::DebugFrame), LittleEndian);
    section.set_address_size(8);
    section
}

fn eh_frame(file: &DebugFile) -> EhFrame<Bytes<'_>> {
    let mut section = EhFrame::new(file.section(SectionId::EhFrame), LittleEndian);
    section.set_address_size(8);
    section
}

fn bases(file: &DebugFile) -> BaseAddresses {
    BaseAddresses::default().set_eh_frame(file.section_address(SectionId::EhFrame))
}

/// What can be read of the section, by address.
fn places<'f, S>(section: &S, bases: &BaseAddresses) -> Vec<(u64, u64, usize)>
where
    S: UnwindSection<Bytes<'f>>,
{
    let mut found = Vec::new();
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        if let Ok(fde) = partial.parse(S::cie_from_offset) {
            let start = fde.initial_address();
            found.push((start, start.wrapping_add(fde.len()), fde.offset()));
        }
    }
    found.sort_unstable();
    found
}

fn place(places: &[(u64, u64, usize)], pc: u64) -> Option<usize> {
    let idx = places.partition_point(|(start, ..)| *start <= pc).checked_sub(1)?;
    let (_, end, at) = places[idx];
    (pc < end).then_some(at)
}

fn cfa<'f, S>(section: &S, bases: &BaseAddresses, at: usize, pc: u64) -> Option<Cfa>
where
    S: UnwindSection<Bytes<'f>>,
{
    let fde = section.fde_from_offset(bases, at.into(), S::cie_from_offset).ok()?;
    let mut context = UnwindContext::new();
    let row = fde.unwind_info_for_address(section, bases, &mut context, pc).ok()?;
    match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => Some(Cfa::Register(register.0, *offset)),
        CfaRule::Expression(expression) => Some(Cfa::Expression(expression.get(section).ok()?.0.slice().to_vec())),
    }
}
