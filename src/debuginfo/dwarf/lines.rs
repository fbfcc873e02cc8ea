//! Line programs: which line each instruction is of. DWARF 5, 6.2.

use gimli::{DebugLine, DebugLineOffset, LittleEndian, SectionId};

use super::unit::Unit;

/// A row of a unit's line program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub pc: u64,
    /// Index among the unit's files.
    pub file: u32,
    pub line: u32,
    /// A good place for a breakpoint.
    pub is_statement: bool,
    /// Behind the last instruction of a run of code.
    pub is_end: bool,
}

/// All rows of a unit, by address.
#[derive(Debug, Default)]
pub struct Rows {
    pub rows: Vec<Row>,
}

/// More rows than any unit has.
const MAX_ROWS: usize = 1 << 22;

impl Rows {
    /// What of the program can be read.
    pub fn of_unit(unit: &Unit<'_>) -> Self {
        let mut out = Self::default();
        let Some(offset) = unit.line_offset else { return out };
        let section = DebugLine::new(unit.file.section(SectionId::DebugLine), LittleEndian);
        let address_size = unit.header.encoding.address_size;
        let Ok(program) = section.program(DebugLineOffset(offset as usize), address_size, None, None) else {
            return out;
        };
        let mut rows = program.rows();
        while let Ok(Some((_, row))) = rows.next_row() {
            out.rows.push(Row {
                pc: row.address(),
                file: row.file_index() as u32,
                line: row.line().map_or(0, |line| line.get() as u32),
                is_statement: row.is_stmt(),
                is_end: row.end_sequence(),
            });
            if out.rows.len() >= MAX_ROWS {
                break;
            }
        }
        // Runs of code come in any order; inside of one, rows of the same address keep theirs. An end comes first, so that
        // a run that begins there is found behind it.
        out.rows.sort_by_key(|row| (row.pc, !row.is_end));
        out
    }

    /// File index and line of the instruction at `pc`.
    pub fn at(&self, pc: u64) -> Option<(u32, u32)> {
        let after = self.rows.partition_point(|row| row.pc <= pc);
        let row = self.rows[..after].last().filter(|row| !row.is_end)?;
        Some((row.file, row.line))
    }
}
