//! Records for user space: raw inputs, formatted there. Layout in [`crate::layout::record`].

use super::{GenerateError, emit::*, frame::*, sending::*};
use crate::{
    ir::*,
    isa::*,
    layout::{record, ring},
};

fn lost_as(site: &PrintSite) -> Loss {
    if site.runs.is_some() { Loss::Statements } else { Loss::Record }
}

impl Emitter<'_, '_> {
    pub fn print(&mut self, id: PrintId, inputs: &[Arg]) -> Result<(), GenerateError> {
        let program = self.shared.program;
        let Some(site) = program.print_sites.get(id.index()) else {
            return Err(self.error("a print without a site"));
        };
        let (fixed, variable) = record::fixed_size(site);
        if variable {
            self.print_variable(id, site, inputs, fixed)
        } else {
            self.print_fixed(id, site, inputs, fixed)
        }
        Ok(())
    }

    fn print_fixed(&mut self, id: PrintId, site: &PrintSite, inputs: &[Arg], size: u32) {
        let done = self.asm.label();
        let full = self.lost(lost_as(site), done);
        self.take_record(RecordSize::Fixed(size), full);
        let mut at = record::HEADER;
        for (input, arg) in site.inputs.iter().zip(inputs) {
            match (input, arg) {
                (InputTy::Str { cap }, Arg::Str(s)) => {
                    let src = self.text(*s);
                    self.copy_words_to(R0, at as i16, src, (*cap).into());
                    at += u32::from(*cap);
                }
                (_, Arg::Long(Operand::Imm(n))) if i32::try_from(*n).is_ok() => {
                    self.asm.store_imm(Size::DW, R0, at as i16, *n as i32);
                    at += 8;
                }
                (_, Arg::Long(o)) => {
                    let from = self.long_reg(*o, R1);
                    self.asm.store(Size::DW, R0, at as i16, from);
                    at += 8;
                }
                _ => at += 8,
            }
        }
        match self.print_of_line(id) {
            Some(at) => self.of_line(Size::DW, R1, at),
            None => self.asm.mov_imm(R1, ring::head(record::PRINT, size, id.0) as i64),
        }
        self.finish_record(Haste::None);
        self.asm.bind(done);
    }

    /// Where this call's line has what its record says of the site, if it is not this one.
    fn print_of_line(&self, id: PrintId) -> Option<u32> {
        self.cx.line.as_ref().and_then(|line| line.alike.prints.get(&id)).copied()
    }

    /// A string of at most 64 bytes to `base + off`, without calls. Uses r3 and r4.
    fn copy_words_to(&mut self, base: Reg, off: i16, src: Text, cap: u32) {
        let (from, from_off) = self.base(src.mem, R3);
        let n = src.cap.min(cap);
        for at in (0..n as i16).step_by(8) {
            self.asm.load(Size::DW, R4, from, from_off + at);
            self.asm.store(Size::DW, base, off + at, R4);
        }
        for at in (n as i16..cap as i16).step_by(8) {
            self.asm.store_imm(Size::DW, base, off + at, 0);
        }
        if src.cap > cap {
            self.asm.store_imm(Size::B, base, off + cap as i16 - 1, 0);
        }
    }

    /// Built in the temporary area, because its size is known only at the end.
    fn print_variable(&mut self, id: PrintId, site: &PrintSite, inputs: &[Arg], fixed: u32) {
        let temp = self.cx.frame.temp;
        let (base, off) = self.base(temp, R2);
        self.asm.store_imm(Size::W, base, off, record::PRINT.into());
        match self.print_of_line(id) {
            Some(at) => {
                self.of_line(Size::W, R1, at);
                self.asm.store(Size::W, base, off + 4, R1);
            }
            None => self.asm.store_imm(Size::W, base, off + 4, id.0 as i32),
        }
        self.append_inputs(temp, site, inputs, fixed);
        let size = RecordSize::InSlot { slot: TMP1, most: record::most_bytes(site) };
        self.send_or_count(temp, size, Haste::None, lost_as(site));
    }

    /// Writes the inputs of a record at `temp`, which leaves its size in TMP1.
    pub fn append_inputs(&mut self, temp: Mem, site: &PrintSite, inputs: &[Arg], fixed: u32) {
        self.asm.store_imm(Size::DW, R10, TMP1, fixed as i32);
        let mut at = record::HEADER as i32;
        let mut args = inputs.iter();
        for input in &site.inputs {
            match (input, args.next()) {
                (InputTy::Str { cap }, Some(Arg::Str(s))) if *cap <= record::INLINE_CAP => {
                    let src = self.text(*s);
                    let (base, off) = self.base(temp, R2);
                    self.copy_words_to(base, off + at as i16, src, (*cap).into());
                    at += i32::from(*cap);
                }
                (InputTy::Str { cap }, Some(Arg::Str(s))) => {
                    let src = self.text(*s);
                    let cap = u32::from(*cap).min(src.cap);
                    self.append_address(temp);
                    self.asm.mov_imm(R2, cap.into());
                    self.address(R3, src.mem);
                    self.asm.call(helpers::PROBE_READ_KERNEL_STR);
                    self.length_in_r0(cap);
                    self.appended(temp.at(at), 0);
                    at += 8;
                }
                (InputTy::Memory { cap, space }, Some(Arg::Long(address))) => {
                    let length = match args.next() {
                        Some(Arg::Long(length)) => *length,
                        _ => Operand::Imm(0),
                    };
                    self.append_memory(temp, at, *cap, *space, *address, length);
                    at += 8;
                }
                (InputTy::Packed { cap }, Some(Arg::Packed(v))) => {
                    self.append_packed(temp, temp.at(at), *v, *cap);
                    at += 8;
                }
                (_, Some(Arg::Long(o))) => {
                    let from = self.long_reg(*o, R1);
                    let (base, off) = self.base(temp.at(at), R2);
                    self.asm.store(Size::DW, base, off, from);
                    at += 8;
                }
                _ => at += 8,
            }
        }
    }

    /// r1 = where the next variable part goes.
    pub fn append_address(&mut self, temp: Mem) {
        self.address(R1, temp);
        self.asm.load(Size::DW, R2, R10, TMP1);
        self.asm.alu(Alu::Add, R1, R2);
    }

    /// r0 bytes were appended: writes that (and the fault) and moves on.
    fn appended(&mut self, at: Mem, fault: i32) {
        let (base, off) = self.base(at, R2);
        self.asm.store(Size::W, base, off, R0);
        if fault >= 0 {
            self.asm.store_imm(Size::W, base, off + 4, fault);
        }
        self.asm.add_imm(R0, 7);
        self.asm.alu_imm(Alu::And, R0, -8);
        self.asm.load(Size::DW, R1, R10, TMP1);
        self.asm.alu(Alu::Add, R1, R0);
        self.asm.store(Size::DW, R10, TMP1, R1);
    }

    fn append_memory(&mut self, temp: Mem, at: i32, cap: u16, space: Space, address: Operand, length: Operand) {
        let (some, fits, readable) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.long(R2, length);
        self.asm.jump_if_imm(Cond::SGe, R2, 0, some);
        self.asm.mov_imm(R2, 0);
        self.asm.bind(some);
        self.asm.jump_if_imm(Cond::Le, R2, cap.into(), fits);
        self.asm.mov_imm(R2, cap.into());
        self.asm.bind(fits);
        self.asm.store(Size::DW, R10, TMP0, R2);
        self.append_address(temp);
        self.asm.load(Size::DW, R2, R10, TMP0);
        self.long(R3, address);
        self.asm.call(match space {
            Space::Kernel => helpers::PROBE_READ_KERNEL,
            Space::User => helpers::PROBE_READ_USER,
        });
        // r1 = 1 after a fault.
        self.asm.mov(R1, R0);
        self.asm.alu_imm(Alu::Rsh, R1, 63);
        self.asm.bind(readable);
        let (base, off) = self.base(temp.at(at), R2);
        self.asm.store(Size::W, base, off + 4, R1);
        self.asm.load(Size::DW, R0, R10, TMP0);
        self.appended(temp.at(at), -1);
    }

    /// `sprintf` here and now.
    pub fn sprint(&mut self, dst: Var, id: PrintId, inputs: &[Arg]) -> Result<(), GenerateError> {
        let program = self.shared.program;
        let site = program.print_sites.get(id.index());
        let Some((site, format)) = site.and_then(|site| Some((site, site.kernel_format.as_ref()?))) else {
            return Err(self.error("this format cannot be used for a string inside a kernel handler"));
        };
        // An input may be the argument of several conversions.
        let args: Option<Vec<Arg>> = site
            .args
            .iter()
            .map(|recipe| match recipe {
                Recipe::Input(idx) => inputs.get(*idx).copied(),
                Recipe::Apply { .. } | Recipe::Hist { .. } => None,
            })
            .collect();
        let Some(args) = args else { return Err(self.error("this text is not known inside a kernel handler")) };
        if !self.shared.target.snprintf {
            return Err(self.error("this kernel has no bpf_snprintf (Linux 5.13) for sprintf in a kernel handler"));
        }
        if args.len() > 12 {
            return Err(self.error("sprintf in a kernel handler takes at most 12 arguments"));
        }
        let (work, temp) = (self.cx.frame.work, self.cx.frame.temp);
        for (i, arg) in args.iter().enumerate() {
            let from = match arg {
                Arg::Long(o) => self.long_reg(*o, R1),
                Arg::Str(s) => {
                    let text = self.text(*s);
                    self.address(R1, text.mem);
                    R1
                }
                Arg::Packed(_) => return Err(self.error("this text is not known inside a kernel handler")),
            };
            let (base, off) = self.base(work, R2);
            self.asm.store(Size::DW, base, off + 8 * i as i16, from);
        }
        let dst = self.var_text(dst);
        let is_input = inputs.iter().any(|arg| match arg {
            Arg::Str(s) => self.text(*s).mem == dst.mem,
            _ => false,
        });
        if is_input {
            let built = Text { mem: temp, ..dst };
            self.snprintf(built, format, args.len() as u32);
            self.copy_text(dst, built);
        } else {
            self.snprintf(dst, format, args.len() as u32);
        }
        Ok(())
    }
}
