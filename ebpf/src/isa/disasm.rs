//! Code as text, in the pseudo-C of the kernel's verifier log.

use super::*;
use crate::object::{Object, ProgramDef};

/// A program with its maps by name, one instruction a line.
pub fn listing(object: &Object, program: &ProgramDef) -> String {
    let insns = decode_all(&program.code);
    let mut text = String::new();
    let mut at = 0;
    while let Some(insn) = insns.get(at) {
        let relocation = program.relocations.iter().find(|r| r.insn as usize == at);
        let line = match relocation {
            Some(r) => {
                let name = object.maps.get(r.map.0 as usize).map_or("?", |m| &m.name);
                match r.value_offset {
                    Some(offset) => format!("r{} = &{name}[0]+{offset}", insn.dst),
                    None => format!("r{} = map {name}", insn.dst),
                }
            }
            None => disassemble(*insn, insns.get(at + 1).copied(), at),
        };
        text.push_str(&format!("{at:4}: {line}\n"));
        at += if insn.code == LDDW { 2 } else { 1 };
    }
    text
}

/// One instruction; `next` is the second half of an `lddw`. Jump targets are instruction numbers when `at` is its own.
pub fn disassemble(insn: Insn, next: Option<Insn>, at: usize) -> String {
    let Insn { code, dst, src, off, imm } = insn;
    let target = |distance: i64| format!("goto {}", at as i64 + 1 + distance);
    let value = if code & X != 0 { format!("r{src}") } else { format!("{imm}") };
    match code & 7 {
        LD if code == LDDW => {
            let high = next.map_or(0, |n| n.imm);
            match src {
                PSEUDO_FUNC => format!("r{dst} = &function {}", at as i64 + 1 + i64::from(imm)),
                _ => format!("r{dst} = {:#x} ll", (i64::from(high) << 32) | i64::from(imm as u32)),
            }
        }
        LDX => {
            let sign = if code & 0xe0 == MEMSX { "s" } else { "u" };
            format!("r{dst} = *({sign}{} *)(r{src} {off:+})", bits(code))
        }
        ST => format!("*(u{} *)(r{dst} {off:+}) = {imm}", bits(code)),
        STX if code & 0xe0 == ATOMIC => match imm {
            0x00 => format!("lock *(u{} *)(r{dst} {off:+}) += r{src}", bits(code)),
            0x01 => format!("r{src} = fetch_add(r{dst} {off:+}, r{src})"),
            0xe1 => format!("r{src} = xchg(r{dst} {off:+}, r{src})"),
            _ => format!("atomic {imm:#x} (r{dst} {off:+}), r{src}"),
        },
        STX => format!("*(u{} *)(r{dst} {off:+}) = r{src}", bits(code)),
        ALU32 | ALU64 => alu(insn, &value),
        JMP if code == CALL => match (src, helpers::name(imm)) {
            (0, Some(name)) => format!("call {name}"),
            (0, None) => format!("call helper#{imm}"),
            (PSEUDO_KFUNC_CALL, _) => format!("call kernel#{imm}"),
            _ => format!("call {}", at as i64 + 1 + i64::from(imm)),
        },
        JMP if code == EXIT => "exit".to_owned(),
        JMP if code == JA => target(off.into()),
        JMP if code == MAY_GOTO => format!("may_{}", target(off.into())),
        JMP32 if code == JMP32 => target(imm.into()),
        JMP | JMP32 => {
            let width = if code & 7 == JMP32 { "w" } else { "r" };
            let symbol = match code & 0xf0 {
                0x10 => "==",
                0x20 => ">",
                0x30 => ">=",
                0x40 => "&",
                0x50 => "!=",
                0x60 => "s>",
                0x70 => "s>=",
                0xa0 => "<",
                0xb0 => "<=",
                0xc0 => "s<",
                0xd0 => "s<=",
                _ => "?",
            };
            format!("if {width}{dst} {symbol} {value} {}", target(off.into()))
        }
        _ => format!("{code:#04x} r{dst} r{src} {off} {imm}"),
    }
}

fn bits(code: u8) -> u8 {
    match code & 0x18 {
        0x00 => 32,
        0x08 => 16,
        0x10 => 8,
        _ => 64,
    }
}

fn alu(insn: Insn, value: &str) -> String {
    let Insn { code, dst, off, imm, .. } = insn;
    let reg = if code & 7 == ALU32 { "w" } else { "r" };
    let symbol = match code & 0xf0 {
        0x00 => "+=",
        0x10 => "-=",
        0x20 => "*=",
        0x30 if off == 1 => "s/=",
        0x30 => "/=",
        0x40 => "|=",
        0x50 => "&=",
        0x60 => "<<=",
        0x70 => ">>=",
        0x80 => return format!("{reg}{dst} = -{reg}{dst}"),
        0x90 if off == 1 => "s%=",
        0x90 => "%=",
        0xa0 => "^=",
        0xb0 => "=",
        0xc0 => "s>>=",
        _ => return format!("r{dst} = be{imm} r{dst}"),
    };
    format!("{reg}{dst} {symbol} {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_the_assembler_wrote() {
        let mut asm = Asm::default();
        let out = asm.label();
        asm.mov_imm(R1, 7);
        asm.mov_imm(R2, 0x1_0000_0000);
        asm.jump_if_imm(Cond::SLt, R1, -1, out);
        asm.load(Size::W, R0, R1, 4);
        asm.atomic(AtomicOp::Add, R10, -8, R0);
        asm.signed(Alu::Div, R1, R2);
        asm.call(helpers::MAP_LOOKUP_ELEM);
        asm.bind(out);
        asm.exit();
        let code = asm.finish(&[]).unwrap();
        let insns = decode_all(&code.bytes);
        let mut text = String::new();
        for (i, insn) in insns.iter().enumerate().filter(|(i, _)| *i != 2) {
            text += &format!("{}\n", disassemble(*insn, insns.get(i + 1).copied(), i));
        }
        expect_test::expect![[r#"
            r1 = 7
            r2 = 0x100000000 ll
            if r1 s< -1 goto 8
            r0 = *(u32 *)(r1 +4)
            lock *(u64 *)(r10 -8) += r0
            r1 s/= r2
            call map_lookup_elem
            exit
        "#]]
        .assert_eq(&text);
    }
}
