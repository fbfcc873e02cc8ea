//! Texts of which the kernel knows only the pieces: bytes of print records that are kept instead of sent.
//!
//! Only the first word says how much of one is valid, so what lies behind it is never cleared. They live in scratch
//! memory: their inner offsets vary, which the stack does not like.

use super::{GenerateError, emit::*, frame::*};
use crate::{
    ir::*,
    isa::*,
    layout::{record, ring},
};

impl Emitter<'_, '_> {
    /// Where a packed variable is; `None` when nobody uses it.
    fn packed(&self, v: Var) -> Option<Text> {
        match (self.loc(v), self.cx.body.vars[v.index()].ty) {
            (Loc::Mem(mem), Ty::Packed { cap }) => Some(Text { mem, cap: cap.into(), room: cap.into() }),
            _ => None,
        }
    }

    pub fn pack(&mut self, dst: Var, id: PrintId, inputs: &[Arg]) -> Result<(), GenerateError> {
        let program = self.shared.program;
        let Some(site) = program.print_sites.get(id.index()) else {
            return Err(self.error("a packed text without a site"));
        };
        let Some(dst) = self.packed(dst) else { return Ok(()) };
        let (fixed, variable) = record::fixed_size(site);
        self.append_inputs(dst.mem, site, inputs, fixed);
        if variable {
            self.asm.load(Size::DW, R1, R10, TMP1);
            self.asm.alu_imm(Alu::Lsh, R1, 8);
            self.asm.mov_imm(R2, ring::head(record::PRINT, 0, id.0) as i64);
            self.asm.alu(Alu::Or, R1, R2);
        } else {
            self.asm.mov_imm(R1, ring::head(record::PRINT, fixed, id.0) as i64);
        }
        let (base, off) = self.base(dst.mem, R2);
        self.asm.store(Size::DW, base, off, R1);
        Ok(())
    }

    pub fn pack_copy(&mut self, dst: Var, src: Option<Var>) {
        let Some(dst) = self.packed(dst) else { return };
        match src.and_then(|src| self.packed(src)) {
            Some(src) if src.mem != dst.mem => self.copy_bytes(dst.mem, src.mem, src.cap.min(dst.cap)),
            Some(_) => {}
            None => self.clear_packed(dst.mem),
        }
    }

    pub fn clear_packed(&mut self, mem: Mem) {
        let (base, off) = self.base(mem, R2);
        self.asm.store_imm(Size::DW, base, off, 0);
    }

    /// `dst` = the packed text of `cap` bytes at r0 + `off`, or "" when r0 is 0.
    pub fn get_packed(&mut self, dst: Var, off: u32, cap: u32) {
        let Some(dst) = self.packed(dst) else { return };
        let (missing, done) = (self.asm.label(), self.asm.label());
        self.asm.jump_if_imm(Cond::Eq, R0, 0, missing);
        self.take_packed_at_r0(dst, off, cap);
        self.asm.jump(done);
        self.asm.bind(missing);
        self.clear_packed(dst.mem);
        self.asm.bind(done);
    }

    /// The same where there surely is one.
    pub fn take_packed(&mut self, dst: Var, off: u32, cap: u32) {
        if let Some(dst) = self.packed(dst) {
            self.take_packed_at_r0(dst, off, cap);
        }
    }

    fn take_packed_at_r0(&mut self, dst: Text, off: u32, cap: u32) {
        self.asm.mov(R3, R0);
        self.asm.add_imm(R3, off as i32);
        self.address(R1, dst.mem);
        self.asm.mov_imm(R2, cap.min(dst.cap).into());
        self.asm.call(helpers::PROBE_READ_KERNEL);
    }

    /// Copies a packed text to r0 + `off`, `cap` bytes of a map value.
    pub fn put_packed_at_r0(&mut self, src: Var, off: u32, cap: u32) {
        self.asm.mov(R1, R0);
        self.asm.add_imm(R1, off as i32);
        match self.packed(src) {
            Some(src) => {
                self.asm.mov_imm(R2, src.cap.min(cap).into());
                self.address(R3, src.mem);
                self.asm.call(helpers::PROBE_READ_KERNEL);
            }
            None => self.asm.store_imm(Size::DW, R1, 0, 0),
        }
    }

    /// Copies a packed text to a place for `cap` bytes.
    pub fn put_packed(&mut self, src: Var, mem: Mem, cap: u32) {
        match self.packed(src) {
            Some(src) => self.copy_bytes(mem, src.mem, src.cap.min(cap)),
            None => self.clear_packed(mem),
        }
    }

    /// Appends the valid bytes of a packed text of at most `cap` to a record, which has so many in TMP1; its length goes
    /// to `at`.
    pub fn append_packed(&mut self, record: Mem, at: Mem, src: Var, cap: u16) {
        let Some(src) = self.packed(src) else {
            let (base, off) = self.base(at, R2);
            return self.asm.store_imm(Size::DW, base, off, 0);
        };
        let (some, fits) = (self.asm.label(), self.asm.label());
        let (base, off) = self.base(src.mem, R3);
        self.asm.load(Size::W, R2, base, off);
        self.asm.alu_imm(Alu::Rsh, R2, 8);
        // "" is its first word, too.
        self.asm.jump_if_imm(Cond::Ne, R2, 0, some);
        self.asm.mov_imm(R2, record::HEADER.into());
        self.asm.bind(some);
        let most = u32::from(cap).min(src.cap);
        self.asm.jump_if_imm(Cond::Le, R2, most as i32, fits);
        self.asm.mov_imm(R2, most.into());
        self.asm.bind(fits);
        // It is a multiple of 8; the verifier wants to see it, or it allows for more.
        self.asm.alu_imm(Alu::And, R2, -8);
        self.asm.store(Size::DW, R10, TMP0, R2);
        self.append_address(record);
        self.asm.load(Size::DW, R2, R10, TMP0);
        self.address(R3, src.mem);
        self.asm.call(helpers::PROBE_READ_KERNEL);
        self.asm.load(Size::DW, R0, R10, TMP0);
        let (base, off) = self.base(at, R2);
        self.asm.store(Size::DW, base, off, R0);
        self.asm.load(Size::DW, R1, R10, TMP1);
        self.asm.alu(Alu::Add, R1, R0);
        self.asm.store(Size::DW, R10, TMP1, R1);
    }
}
