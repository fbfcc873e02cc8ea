//! One eBPF instruction and its 8 bytes. Source: RFC 9669.

/// A register. r0 is a call's result, r1-r5 its arguments (lost by it), r6-r9 survive, r10 is the frame pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u8);

pub const R0: Reg = Reg(0);
pub const R1: Reg = Reg(1);
pub const R2: Reg = Reg(2);
pub const R3: Reg = Reg(3);
pub const R4: Reg = Reg(4);
pub const R5: Reg = Reg(5);
pub const R6: Reg = Reg(6);
pub const R7: Reg = Reg(7);
pub const R8: Reg = Reg(8);
pub const R9: Reg = Reg(9);
pub const R10: Reg = Reg(10);

/// Instruction classes: the low three bits of the opcode.
pub const LD: u8 = 0x00;
pub const LDX: u8 = 0x01;
pub const ST: u8 = 0x02;
pub const STX: u8 = 0x03;
pub const ALU32: u8 = 0x04;
pub const JMP: u8 = 0x05;
pub const JMP32: u8 = 0x06;
pub const ALU64: u8 = 0x07;

/// The operand is a register rather than the immediate.
pub const X: u8 = 0x08;

pub const MEM: u8 = 0x60;
pub const MEMSX: u8 = 0x80;
pub const ATOMIC: u8 = 0xc0;

/// `lddw`, first half.
pub const LDDW: u8 = 0x18;
/// `src` of an `lddw`: what the immediate names.
pub const PSEUDO_MAP_FD: u8 = 1;
pub const PSEUDO_MAP_VALUE: u8 = 2;
pub const PSEUDO_FUNC: u8 = 4;
/// `src` of a `call` of a subprogram.
pub const PSEUDO_CALL: u8 = 1;
/// `src` of a `call` of a function of the kernel's own; the immediate is its id in the kernel's BTF.
pub const PSEUDO_KFUNC_CALL: u8 = 2;

pub const CALL: u8 = 0x85;
pub const EXIT: u8 = 0x95;
pub const JA: u8 = 0x05;
/// `may_goto`: falls through a bounded number of times, then jumps. Linux 6.9.
pub const MAY_GOTO: u8 = 0xe5;

/// Width of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    B,
    H,
    W,
    DW,
}

impl Size {
    pub fn code(self) -> u8 {
        match self {
            Size::W => 0x00,
            Size::H => 0x08,
            Size::B => 0x10,
            Size::DW => 0x18,
        }
    }

    pub fn bytes(self) -> u8 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::DW => 8,
        }
    }

    pub fn of_bytes(n: u8) -> Option<Size> {
        Some(match n {
            1 => Size::B,
            2 => Size::H,
            4 => Size::W,
            8 => Size::DW,
            _ => return None,
        })
    }
}

/// 64-bit arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alu {
    Add,
    Sub,
    Mul,
    /// Unsigned.
    Div,
    Or,
    And,
    Lsh,
    /// Logical.
    Rsh,
    /// Unsigned.
    Mod,
    Xor,
    Mov,
    /// Arithmetic.
    Arsh,
}

impl Alu {
    pub fn code(self) -> u8 {
        match self {
            Alu::Add => 0x00,
            Alu::Sub => 0x10,
            Alu::Mul => 0x20,
            Alu::Div => 0x30,
            Alu::Or => 0x40,
            Alu::And => 0x50,
            Alu::Lsh => 0x60,
            Alu::Rsh => 0x70,
            Alu::Mod => 0x90,
            Alu::Xor => 0xa0,
            Alu::Mov => 0xb0,
            Alu::Arsh => 0xc0,
        }
    }
}

/// 64-bit comparison of a conditional jump; `S` is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cond {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Set,
    SGt,
    SGe,
    SLt,
    SLe,
}

impl Cond {
    pub fn code(self) -> u8 {
        match self {
            Cond::Eq => 0x10,
            Cond::Gt => 0x20,
            Cond::Ge => 0x30,
            Cond::Set => 0x40,
            Cond::Ne => 0x50,
            Cond::SGt => 0x60,
            Cond::SGe => 0x70,
            Cond::Lt => 0xa0,
            Cond::Le => 0xb0,
            Cond::SLt => 0xc0,
            Cond::SLe => 0xd0,
        }
    }
}

/// Atomic operations on memory; `Fetch…` leave the old value in the source register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicOp {
    Add,
    FetchAdd,
    Xchg,
    /// Compares with r0, which gets the old value.
    CompareExchange,
}

impl AtomicOp {
    pub fn imm(self) -> i32 {
        match self {
            AtomicOp::Add => 0x00,
            AtomicOp::FetchAdd => 0x01,
            AtomicOp::Xchg => 0xe1,
            AtomicOp::CompareExchange => 0xf1,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insn {
    pub code: u8,
    pub dst: u8,
    pub src: u8,
    pub off: i16,
    pub imm: i32,
}

impl Insn {
    /// Little-endian, as both machines we generate for are.
    pub fn encode(self) -> [u8; 8] {
        let [o0, o1] = self.off.to_le_bytes();
        let [i0, i1, i2, i3] = self.imm.to_le_bytes();
        [self.code, self.dst | self.src << 4, o0, o1, i0, i1, i2, i3]
    }

    pub fn decode(bytes: [u8; 8]) -> Insn {
        let [code, regs, o0, o1, i0, i1, i2, i3] = bytes;
        Insn {
            code,
            dst: regs & 0xf,
            src: regs >> 4,
            off: i16::from_le_bytes([o0, o1]),
            imm: i32::from_le_bytes([i0, i1, i2, i3]),
        }
    }
}

/// All instructions of a program's bytes.
pub fn decode_all(code: &[u8]) -> Vec<Insn> {
    code.chunks_exact(8).map(|c| Insn::decode([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]])).collect()
}
