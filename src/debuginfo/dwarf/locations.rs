//! Location expressions run with symbols instead of numbers: what is left is a [`Location`]. DWARF 5, 2.5 and 2.6.
//!
//! A branch is followed both ways, and what comes of them becomes a choice ([`Expr::Select`]); a loop is given up.

use gimli::{LittleEndian, Operation, constants as dw};

use super::{Dwarf, form::Value, frames::Cfa, unit::Unit};
use crate::debuginfo::location::{Absent, BinaryOp, Expr, Location, Piece, Register, UnaryOp};

type Bytes<'a> = gimli::EndianSlice<'a, LittleEndian>;

/// What an expression may ask for besides registers and memory.
pub struct Frame<'f> {
    /// What the function says its frame is based on, with the unit it says so in.
    pub base: Option<(&'f Unit<'f>, Value)>,
    pub pc: u64,
    /// The unit of the expression.
    pub unit: &'f Unit<'f>,
}

/// More operations than any compiler writes for one variable, on all ways through branches together.
const MAX_STEPS: usize = 512;
const MAX_STACK: usize = 64;
/// Expressions that ask for others: frame bases, entry values.
const MAX_NESTING: usize = 4;

/// A word on the stack. The type an operation gave it; `None` is the generic type, as wide as an address.
#[derive(Clone, Debug)]
struct Entry {
    expr: Expr,
    ty: Option<IntType>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IntType {
    bits: u8,
    signed: bool,
}

/// Where a computation came to.
enum Outcome {
    Memory(Expr),
    Value(Expr),
    Pieces(Vec<Piece>),
}

type Eval<T> = Result<T, Absent>;

fn unsupported<T>(operation: &'static str) -> Eval<T> {
    Err(Absent::Unsupported(operation))
}

impl Dwarf {
    /// Where the expression says a variable is.
    pub(super) fn locate(&self, expression: &[u8], frame: &Frame<'_>) -> Location {
        let mut machine = Machine { dwarf: self, frame, n_steps: 0, at_entry: false };
        match machine.run(expression, Vec::new(), 0) {
            Ok(Outcome::Memory(address)) => Location::Memory(address),
            Ok(Outcome::Value(value)) => Location::Value(value),
            Ok(Outcome::Pieces(pieces)) => Location::Pieces(pieces),
            Err(absent) => Location::Absent(absent),
        }
    }

    fn cfa(&self, frame: &Frame<'_>, nesting: usize) -> Eval<Expr> {
        let frames = self.frames.get_or_init(|| super::frames::Frames::read(&self.source.file));
        match frames.cfa_at(&self.source.file, frame.pc) {
            Some(Cfa::Register(register, offset)) => Ok(Expr::Register(Register(register)).plus(offset)),
            Some(Cfa::Expression(expression)) => {
                let mut machine = Machine { dwarf: self, frame, n_steps: 0, at_entry: false };
                match machine.run(&expression, Vec::new(), nesting + 1)? {
                    Outcome::Memory(address) | Outcome::Value(address) => Ok(address),
                    Outcome::Pieces(_) => unsupported("a frame in pieces"),
                }
            }
            None => unsupported("a frame that is not described"),
        }
    }
}

struct Machine<'m> {
    dwarf: &'m Dwarf,
    frame: &'m Frame<'m>,
    n_steps: usize,
    /// Registers are those at the entry of the function.
    at_entry: bool,
}

impl Machine<'_> {
    fn run(&mut self, expression: &[u8], stack: Vec<Entry>, nesting: usize) -> Eval<Outcome> {
        if nesting > MAX_NESTING {
            return unsupported("expressions in expressions");
        }
        self.from(expression, 0, stack, nesting)
    }

    /// Runs from a byte of the expression on.
    fn from(&mut self, expression: &[u8], start: usize, mut stack: Vec<Entry>, nesting: usize) -> Eval<Outcome> {
        let whole = Bytes::new(expression, LittleEndian);
        let mut rest = Bytes::new(expression.get(start..).unwrap_or(&[]), LittleEndian);
        // What the last operation said, for the piece or the end that follows.
        let mut said: Option<Outcome> = None;
        let mut pieces: Vec<Piece> = Vec::new();
        while !rest.is_empty() {
            self.n_steps += 1;
            if self.n_steps > MAX_STEPS || stack.len() > MAX_STACK {
                return unsupported("a loop");
            }
            let operation = Operation::parse(&mut rest, self.encoding()).map_err(|_| Absent::Unsupported("garbage"))?;
            match operation {
                Operation::Register { register } => said = Some(Outcome::Value(self.register(register.0))),
                Operation::StackValue => said = Some(Outcome::Value(pop(&mut stack)?.expr)),
                Operation::ImplicitValue { data } => said = Some(implicit(data.slice())),
                Operation::ImplicitPointer { .. } => return unsupported("a pointer to what is in no memory"),
                Operation::Piece { size_in_bits, bit_offset } => {
                    let location = match said.take() {
                        Some(Outcome::Value(value)) => Location::Value(shifted(value, bit_offset.unwrap_or(0))),
                        Some(Outcome::Memory(address)) => Location::Memory(address),
                        Some(Outcome::Pieces(_)) => return unsupported("pieces in pieces"),
                        None => match stack.pop() {
                            Some(entry) => Location::Memory(entry.expr),
                            None => Location::Absent(Absent::OptimizedOut),
                        },
                    };
                    let size_bits = u32::try_from(size_in_bits).map_err(|_| Absent::Unsupported("a huge piece"))?;
                    pieces.push(Piece { size_bits, location });
                }
                Operation::Bra { target } => {
                    let condition = pop(&mut stack)?.expr;
                    let otherwise_at = whole.len() - rest.len();
                    let then_at = jump(otherwise_at, target, whole.len())?;
                    let then = self.from(expression, then_at, stack.clone(), nesting)?;
                    let otherwise = self.from(expression, otherwise_at, stack, nesting)?;
                    return select(condition, then, otherwise);
                }
                Operation::Skip { target } => {
                    let at = jump(whole.len() - rest.len(), target, whole.len())?;
                    rest = Bytes::new(&expression[at..], LittleEndian);
                }
                operation => self.step(operation, &mut stack, nesting)?,
            }
        }
        if !pieces.is_empty() {
            return Ok(Outcome::Pieces(pieces));
        }
        match said {
            Some(outcome) => Ok(outcome),
            None => Ok(Outcome::Memory(pop(&mut stack)?.expr)),
        }
    }

    fn encoding(&self) -> gimli::Encoding {
        let encoding = self.frame.unit.header.encoding;
        let format = if encoding.offset_size == 8 { gimli::Format::Dwarf64 } else { gimli::Format::Dwarf32 };
        gimli::Encoding { address_size: encoding.address_size, format, version: encoding.version }
    }

    fn register(&self, register: u16) -> Expr {
        let register = Register(register);
        if self.at_entry { Expr::EntryRegister(register) } else { Expr::Register(register) }
    }

    /// An operation that only works on the stack.
    fn step(&mut self, operation: Operation<Bytes<'_>>, stack: &mut Vec<Entry>, nesting: usize) -> Eval<()> {
        let generic = |expr| Entry { expr, ty: None };
        match operation {
            Operation::Nop | Operation::Uninitialized => {}
            Operation::Address { address } => stack.push(generic(Expr::Address(address))),
            Operation::AddressIndex { index } | Operation::ConstantIndex { index } => {
                let at = self.frame.unit.indexed_address(index.0 as u64);
                let at = at.ok_or(Absent::Unsupported("an address that is not listed"))?;
                let is_address = matches!(operation, Operation::AddressIndex { .. });
                stack.push(generic(if is_address { Expr::Address(at) } else { Expr::Constant(at as i64) }));
            }
            Operation::UnsignedConstant { value } => stack.push(generic(Expr::Constant(value as i64))),
            Operation::SignedConstant { value } => stack.push(generic(Expr::Constant(value))),
            Operation::RegisterOffset { register, offset, base_type } => {
                let value = self.register(register.0).plus(offset);
                stack.push(if base_type.0 == 0 { generic(value) } else { self.typed(value, base_type.0)? });
            }
            Operation::FrameOffset { offset } => {
                let base = self.frame_base(nesting)?;
                stack.push(generic(base.plus(offset)));
            }
            Operation::CallFrameCFA => stack.push(generic(self.dwarf.cfa(self.frame, nesting)?)),
            Operation::EntryValue { expression } => {
                let mut machine = Machine { at_entry: true, ..*self };
                match machine.run(expression.slice(), Vec::new(), nesting + 1)? {
                    Outcome::Value(value) | Outcome::Memory(value)
                        if value.any(&mut |part| matches!(part, Expr::Load { .. })) =>
                    {
                        return unsupported("memory as it was at the entry");
                    }
                    Outcome::Value(value) | Outcome::Memory(value) => stack.push(generic(value)),
                    Outcome::Pieces(_) => return unsupported("an entry value in pieces"),
                }
            }
            Operation::Drop => _ = pop(stack)?,
            Operation::Pick { index } => {
                let at =
                    stack.len().checked_sub(1 + usize::from(index)).ok_or(Absent::Unsupported("an empty stack"))?;
                stack.push(stack[at].clone());
            }
            Operation::Swap => {
                let (a, b) = (pop(stack)?, pop(stack)?);
                stack.extend([a, b]);
            }
            Operation::Rot => {
                let (a, b, c) = (pop(stack)?, pop(stack)?, pop(stack)?);
                stack.extend([a, c, b]);
            }
            Operation::Deref { size, base_type, space: false } => {
                let address = Box::new(pop(stack)?.expr);
                if !matches!(size, 1 | 2 | 4 | 8) {
                    return unsupported("memory of an odd size");
                }
                let value = Expr::Load { address, size };
                stack.push(if base_type.0 == 0 { generic(value) } else { self.typed(value, base_type.0)? });
            }
            Operation::PlusConstant { value } => {
                let Entry { expr, ty } = pop(stack)?;
                stack.push(wrap(expr.plus(value as i64), ty));
            }
            Operation::Abs => unary(stack, UnaryOp::Abs)?,
            Operation::Neg => unary(stack, UnaryOp::Negate)?,
            Operation::Not => unary(stack, UnaryOp::Not)?,
            Operation::And => binary(stack, BinaryOp::And)?,
            Operation::Or => binary(stack, BinaryOp::Or)?,
            Operation::Xor => binary(stack, BinaryOp::Xor)?,
            Operation::Plus => binary(stack, BinaryOp::Add)?,
            Operation::Minus => binary(stack, BinaryOp::Sub)?,
            Operation::Mul => binary(stack, BinaryOp::Mul)?,
            Operation::Div => binary(stack, BinaryOp::Div)?,
            Operation::Mod => binary(stack, BinaryOp::Mod)?,
            Operation::Shl => binary(stack, BinaryOp::Shl)?,
            Operation::Shr => shift_right(stack)?,
            Operation::Shra => binary(stack, BinaryOp::Sar)?,
            Operation::Eq => compare(stack, BinaryOp::Eq)?,
            Operation::Ne => compare(stack, BinaryOp::Ne)?,
            Operation::Lt => compare(stack, BinaryOp::Lt)?,
            Operation::Le => compare(stack, BinaryOp::Le)?,
            Operation::Gt => compare(stack, BinaryOp::Gt)?,
            Operation::Ge => compare(stack, BinaryOp::Ge)?,
            Operation::TypedLiteral { base_type, value } => {
                let bytes = value.slice();
                let Some(number) = number_of(bytes) else { return unsupported("a constant wider than a word") };
                stack.push(self.typed(Expr::Constant(number as i64), base_type.0)?);
            }
            Operation::Convert { base_type } | Operation::Reinterpret { base_type } => {
                let Entry { expr, .. } = pop(stack)?;
                stack.push(if base_type.0 == 0 { generic(expr) } else { self.typed(expr, base_type.0)? });
            }
            Operation::ParameterRef { .. } => return unsupported("a parameter of the caller"),
            Operation::TLS => return unsupported("memory of a thread"),
            Operation::Call { .. } | Operation::VariableValue { .. } => return unsupported("another's location"),
            _ => return unsupported("an operation"),
        }
        Ok(())
    }

    fn frame_base(&mut self, nesting: usize) -> Eval<Expr> {
        let (unit, base) = self.frame.base.ok_or(Absent::Unsupported("a frame without base"))?;
        let found = super::lists::expression_at(unit, base, self.frame.pc);
        let expression = found.ok().flatten().ok_or(Absent::Unsupported("a frame without base here"))?;
        let frame = Frame { unit, ..*self.frame };
        let mut machine = Machine { dwarf: self.dwarf, frame: &frame, n_steps: self.n_steps, at_entry: self.at_entry };
        match machine.run(expression, Vec::new(), nesting + 1)? {
            Outcome::Value(base) | Outcome::Memory(base) => Ok(base),
            Outcome::Pieces(_) => unsupported("a frame in pieces"),
        }
    }

    /// A value as one of a base type, a DIE by its offset in the unit.
    fn typed(&self, expr: Expr, base_type: usize) -> Eval<Entry> {
        let unit = self.frame.unit;
        let position = unit.header.start.wrapping_add(base_type as u64);
        let read = || {
            let die = unit.die_at(&unit.abbrevs, position).ok()??;
            let (mut size, mut encoding) = (None, None);
            unit.attributes(&unit.abbrevs, die, |name, value| {
                match gimli::DwAt(name) {
                    dw::DW_AT_byte_size => size = value.number(),
                    dw::DW_AT_encoding => encoding = value.number(),
                    _ => {}
                }
                true
            })
            .ok()?;
            Some((size?, gimli::DwAte(encoding? as u8)))
        };
        let Some((size @ 1..=8, encoding)) = read() else { return unsupported("a type wider than a word") };
        let signed = match encoding {
            dw::DW_ATE_signed | dw::DW_ATE_signed_char => true,
            dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_char | dw::DW_ATE_boolean | dw::DW_ATE_address => false,
            _ => return unsupported("a floating-point number"),
        };
        Ok(wrap(expr, Some(IntType { bits: size as u8 * 8, signed })))
    }
}

fn pop(stack: &mut Vec<Entry>) -> Eval<Entry> {
    stack.pop().ok_or(Absent::Unsupported("an empty stack"))
}

/// A jump's target, counted from behind the operation.
fn jump(from: usize, by: i16, len: usize) -> Eval<usize> {
    from.checked_add_signed(isize::from(by)).filter(|at| *at <= len).ok_or(Absent::Unsupported("garbage"))
}

/// A value as wide as its type.
fn wrap(expr: Expr, ty: Option<IntType>) -> Entry {
    let expr = match ty {
        Some(IntType { bits, signed: true }) if bits < 64 => Expr::unary(UnaryOp::SignExtend { bits }, expr),
        Some(IntType { bits, signed: false }) if bits < 64 => Expr::unary(UnaryOp::ZeroExtend { bits }, expr),
        _ => expr,
    };
    Entry { expr, ty }
}

fn unary(stack: &mut Vec<Entry>, op: UnaryOp) -> Eval<()> {
    let Entry { expr, ty } = pop(stack)?;
    stack.push(wrap(Expr::unary(op, expr), ty));
    Ok(())
}

fn binary(stack: &mut Vec<Entry>, op: BinaryOp) -> Eval<()> {
    let (b, a) = (pop(stack)?, pop(stack)?);
    let is_unsigned_word = a.ty == Some(IntType { bits: 64, signed: false });
    if op == BinaryOp::Div && is_unsigned_word || op == BinaryOp::Mod && a.ty.is_none_or(|ty| ty.bits == 64) {
        return unsupported("an unsigned division");
    }
    stack.push(wrap(Expr::binary(op, a.expr, b.expr), a.ty));
    Ok(())
}

/// Zeros come in at the top of the type, not of the word.
fn shift_right(stack: &mut Vec<Entry>) -> Eval<()> {
    let (b, a) = (pop(stack)?, pop(stack)?);
    let value = match a.ty {
        Some(IntType { bits, .. }) if bits < 64 => Expr::unary(UnaryOp::ZeroExtend { bits }, a.expr),
        _ => a.expr,
    };
    stack.push(wrap(Expr::binary(BinaryOp::Shr, value, b.expr), a.ty));
    Ok(())
}

fn compare(stack: &mut Vec<Entry>, op: BinaryOp) -> Eval<()> {
    let (b, a) = (pop(stack)?, pop(stack)?);
    let is_ordering = !matches!(op, BinaryOp::Eq | BinaryOp::Ne);
    if is_ordering && a.ty == Some(IntType { bits: 64, signed: false }) {
        return unsupported("an unsigned comparison");
    }
    stack.push(Entry { expr: Expr::binary(op, a.expr, b.expr), ty: None });
    Ok(())
}

/// The number in up to eight bytes.
fn number_of(bytes: &[u8]) -> Option<u64> {
    let mut word = [0; 8];
    word.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(word))
}

/// A constant of any length.
fn implicit(bytes: &[u8]) -> Outcome {
    if let Some(number) = number_of(bytes) {
        return Outcome::Value(Expr::Constant(number as i64));
    }
    let piece = |chunk: &[u8]| Piece {
        size_bits: chunk.len() as u32 * 8,
        location: Location::Value(Expr::Constant(number_of(chunk).unwrap_or(0) as i64)),
    };
    Outcome::Pieces(bytes.chunks(8).map(piece).collect())
}

fn shifted(value: Expr, bits: u64) -> Expr {
    if bits == 0 { value } else { Expr::binary(BinaryOp::Shr, value, Expr::Constant(bits as i64)) }
}

fn select(condition: Expr, then: Outcome, otherwise: Outcome) -> Eval<Outcome> {
    let choice = |then, otherwise| Expr::Select {
        condition: Box::new(condition),
        then: Box::new(then),
        otherwise: Box::new(otherwise),
    };
    match (then, otherwise) {
        (Outcome::Value(then), Outcome::Value(otherwise)) => Ok(Outcome::Value(choice(then, otherwise))),
        (Outcome::Memory(then), Outcome::Memory(otherwise)) => Ok(Outcome::Memory(choice(then, otherwise))),
        _ => unsupported("a choice between memory and registers"),
    }
}
