//! The walk through types: from a value of a known C type along `->member` and `[index]` to what is loaded.
//!
//! ```text
//! $next->mm->pgd            word of the context, Offset(mm), Deref, Offset(pgd), load 8 bytes
//! $next->comm               word of the context, Offset(comm); the value is the array's address
//! ```

use std::sync::Arc;

use tapdeck_ebpf::ir::{ContextField, Space};

use super::{
    access::{Access, AccessBase, AccessStep, Load},
    site::{ContextError, PathStep},
};
use crate::debuginfo::{
    location::{BinaryOp, Expr, Location, Piece, Register, UnaryOp},
    types::{FoundMember, Member, Shape, TypeId, Types},
};

/// Where the walk stands.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    types: &'a dyn Types,
    /// Qualifiers and typedefs kept, for texts.
    pub ty: TypeId,
    base: AccessBase,
    steps: Vec<AccessStep>,
    held: Held,
    /// `(bit offset in its bytes, bits)` when it stands at a bit field; in a word from the word's first bit.
    bitfield: Option<(u32, u8)>,
    space: Space,
}

/// What the steps so far give.
#[derive(Clone)]
enum Held {
    /// The address of the value.
    Memory,
    /// A word that has the value from this bit on: a member of a struct in a register.
    Word { shift: u32 },
    /// Nothing yet: the value is in parts, and begins at this bit of them.
    Pieces { pieces: Arc<[Piece]>, shift: u32 },
}

impl<'a> Walk<'a> {
    /// At a value of type `ty` that a register or a context word holds.
    pub fn value(types: &'a dyn Types, ty: TypeId, base: AccessBase, space: Space) -> Self {
        Self { types, ty, base, steps: Vec::new(), held: Held::Word { shift: 0 }, bitfield: None, space }
    }

    /// At something of type `ty` whose address is the base.
    pub fn memory(types: &'a dyn Types, ty: TypeId, base: AccessBase, space: Space) -> Self {
        Self { held: Held::Memory, ..Self::value(types, ty, base, space) }
    }

    /// At a variable of type `ty`, where debug information says it is. `None`: it is nowhere.
    pub fn located(types: &'a dyn Types, ty: TypeId, location: &Location, space: Space) -> Option<Self> {
        match location {
            Location::Memory(address) => Some(Self::memory(types, ty, computed(address), space)),
            Location::Value(value) => Some(Self::value(types, ty, computed(value), space)),
            Location::Pieces(pieces) => {
                let held = Held::Pieces { pieces: pieces.as_slice().into(), shift: 0 };
                Some(Self { held, ..Self::value(types, ty, AccessBase::Constant(0), space) })
            }
            Location::Absent(_) => None,
        }
    }

    fn in_memory(&self) -> bool {
        matches!(self.held, Held::Memory)
    }

    pub fn shape(&self) -> Shape {
        self.types.base_shape(self.ty)
    }

    pub fn is_bitfield(&self) -> bool {
        self.bitfield.is_some()
    }

    pub fn follow(&mut self, path: &[PathStep]) -> Result<(), ContextError> {
        path.iter().try_for_each(|step| self.step(step))
    }

    /// As [`Walk::follow`], where an index right behind the cast counts in whole casted types: `@cast(p, "long")[2]`.
    pub fn follow_cast(&mut self, path: &[PathStep]) -> Result<(), ContextError> {
        let is_indexable = matches!(self.shape(), Shape::Pointer(_) | Shape::Array { .. });
        let size = self.types.size_of(self.ty);
        match path {
            [PathStep::Index(index), rest @ ..] if self.in_memory() && !is_indexable && size > 0 => {
                self.offset(index.wrapping_mul(size as i64));
                self.follow(rest)
            }
            [PathStep::DynamicIndex, rest @ ..] if self.in_memory() && !is_indexable && size > 0 => {
                self.steps.push(AccessStep::Index { size });
                self.follow(rest)
            }
            path => self.follow(path),
        }
    }

    fn step(&mut self, step: &PathStep) -> Result<(), ContextError> {
        match step {
            PathStep::Member(name) => {
                if let Shape::Pointer(to) = self.shape() {
                    self.deref(to)?;
                }
                // `->` through a pointer to a pointer, as SystemTap does.
                while let Shape::Pointer(to) = self.shape() {
                    self.deref(to)?;
                }
                self.member(name)
            }
            PathStep::Index(index) => self.index(|size| {
                (*index).checked_mul(size as i64).map(AccessStep::Offset).unwrap_or(AccessStep::Offset(0))
            }),
            PathStep::DynamicIndex => self.index(|size| AccessStep::Index { size }),
        }
    }

    /// From a pointer to what it points to.
    pub fn deref(&mut self, to: TypeId) -> Result<(), ContextError> {
        if self.bitfield.is_some() {
            return Err(ContextError::NotAggregate { of: self.types.type_text(self.ty) });
        }
        self.settle(64)?;
        if self.in_memory() {
            self.steps.push(AccessStep::Deref);
        } else if let Held::Word { shift: shift @ 1.. } = self.held {
            let word = match &self.base {
                AccessBase::Computed(word) => (**word).clone(),
                AccessBase::Constant(n) => Expr::Constant(*n),
                AccessBase::Field(ContextField::CallArg(n)) => Expr::Argument(*n),
                AccessBase::Field(ContextField::Register(n)) => Expr::Register(Register(u16::from(*n))),
                _ => return Err(ContextError::NotAggregate { of: self.types.type_text(self.ty) }),
            };
            let shifted = Expr::binary(BinaryOp::Shr, word, Expr::Constant(shift.into()));
            self.base = AccessBase::Computed(Arc::new(shifted));
        }
        self.held = Held::Memory;
        self.ty = to;
        Ok(())
    }

    /// Of a value in parts, decides for the one that has the next `bits` bits, or puts them together.
    fn settle(&mut self, bits: u32) -> Result<(), ContextError> {
        let Held::Pieces { pieces, shift } = &self.held else { return Ok(()) };
        let (from, to) = (*shift, shift.saturating_add(bits));
        let (mut start, mut parts) = (0u32, Vec::new());
        for piece in pieces.iter() {
            let end = start.saturating_add(piece.size_bits);
            if start < to && from < end {
                parts.push((start, piece.clone()));
            }
            start = end;
        }
        let nowhere = |absent: &dyn std::fmt::Display| ContextError::Other { message: format!("this part {absent}") };
        if let [(start, piece)] = &parts[..] {
            let shift = from - start;
            match &piece.location {
                Location::Memory(address) if shift % 8 == 0 => {
                    self.base = computed(&address.clone().plus(i64::from(shift / 8)));
                    self.held = Held::Memory;
                    return Ok(());
                }
                Location::Value(value) => {
                    self.base = computed(value);
                    self.held = Held::Word { shift };
                    return Ok(());
                }
                Location::Absent(absent) => return Err(nowhere(absent)),
                _ => {}
            }
        }
        // Several parts, the lowest bits first.
        let mut whole = Expr::Constant(0);
        for (start, piece) in &parts {
            let size = piece.size_bits;
            let value = match &piece.location {
                Location::Value(value) if size < 64 => {
                    Expr::unary(UnaryOp::ZeroExtend { bits: size as u8 }, value.clone())
                }
                Location::Value(value) => value.clone(),
                Location::Memory(address) if matches!(size, 8 | 16 | 32 | 64) => {
                    Expr::Load { address: Box::new(address.clone()), size: (size / 8) as u8 }
                }
                Location::Absent(absent) => return Err(nowhere(absent)),
                _ => return Err(nowhere(&"is kept in a way that is not understood")),
            };
            // What comes before the wanted bits falls out below, what comes behind them above.
            let placed = match i64::from(*start) - i64::from(from) {
                by if by >= 0 => Expr::binary(BinaryOp::Shl, value, Expr::Constant(by)),
                by => Expr::binary(BinaryOp::Shr, value, Expr::Constant(-by)),
            };
            whole = match whole {
                Expr::Constant(0) => placed,
                whole => Expr::binary(BinaryOp::Or, whole, placed),
            };
        }
        if parts.is_empty() {
            return Err(nowhere(&"is described nowhere"));
        }
        self.base = computed(&whole);
        self.held = Held::Word { shift: 0 };
        Ok(())
    }

    /// Moves on inside of what the walk stands at.
    fn offset_bits(&mut self, bits: u32) {
        match &mut self.held {
            Held::Memory => self.offset(i64::from(bits / 8)),
            Held::Word { shift } | Held::Pieces { shift, .. } => *shift = shift.saturating_add(bits),
        }
    }

    fn offset(&mut self, bytes: i64) {
        match self.steps.last_mut() {
            Some(AccessStep::Offset(before)) => *before += bytes,
            _ if bytes == 0 => {}
            _ => self.steps.push(AccessStep::Offset(bytes)),
        }
    }

    fn member(&mut self, name: &str) -> Result<(), ContextError> {
        let of = || self.types.type_text(self.types.strip(self.ty));
        match self.shape() {
            Shape::Struct | Shape::Union => {}
            Shape::Forward => {
                let message = format!("{} is only declared in this kernel's type information", of());
                return Err(ContextError::NoTypes { message });
            }
            _ => return Err(ContextError::NoMembers { name: name.to_owned(), of: of() }),
        }
        let Some(found) = self.types.find_member(self.ty, name) else {
            let alternatives = self.types.member_names(self.ty).into_iter().map(str::to_owned).collect();
            return Err(ContextError::NoSuchMember { name: name.to_owned(), of: of(), alternatives });
        };
        self.enter(found);
        Ok(())
    }

    /// The walk one step on, at a direct member of the struct it stands at.
    pub fn at_member(&self, member: &Member<'_>) -> Self {
        let mut inside = self.clone();
        let Member { ty, offset_bits, bitfield_bits, .. } = *member;
        inside.enter(FoundMember { ty, offset_bits, bitfield_bits });
        inside
    }

    fn enter(&mut self, found: FoundMember) {
        if !self.in_memory() {
            self.offset_bits(found.offset_bits);
            self.bitfield = (found.bitfield_bits > 0).then_some((0, found.bitfield_bits));
        } else if found.bitfield_bits == 0 {
            self.offset_bits(found.offset_bits);
        } else {
            // Reads whole units of the declared type where the field lies in one, else from its first byte on.
            let unit_bits = (self.types.size_of(found.ty) as u32 * 8).max(8);
            let start_bits = found.offset_bits / unit_bits * unit_bits;
            let fits = found.offset_bits + u32::from(found.bitfield_bits) <= start_bits + unit_bits;
            let start_bits = if fits { start_bits } else { found.offset_bits / 8 * 8 };
            self.offset(i64::from(start_bits / 8));
            self.bitfield = Some((found.offset_bits - start_bits, found.bitfield_bits));
        }
        self.ty = found.ty;
    }

    fn index(&mut self, step: impl Fn(u64) -> AccessStep) -> Result<(), ContextError> {
        let element = match self.shape() {
            Shape::Array { element, .. } => element,
            Shape::Pointer(to) => {
                self.deref(to)?;
                to
            }
            _ => return Err(ContextError::NotAggregate { of: self.types.type_text(self.ty) }),
        };
        let size = self.types.size_of(element);
        if size == 0 {
            let message =
                format!("the size of {} is not known, so it cannot be indexed", self.types.type_text(element));
            return Err(ContextError::NoTypes { message });
        }
        match step(size) {
            AccessStep::Offset(bytes) if self.in_memory() => self.offset(bytes),
            AccessStep::Offset(bytes) if bytes >= 0 => self.offset_bits(u32::try_from(bytes * 8).unwrap_or(u32::MAX)),
            step if self.in_memory() => self.steps.push(step),
            _ => {
                let message = "an array that is not in memory can be indexed by constants only".to_owned();
                return Err(ContextError::Other { message });
            }
        }
        self.ty = element;
        Ok(())
    }

    fn access(&self, load: Load, type_text: String) -> Access {
        let steps = self.steps.iter().copied().filter(|step| *step != AccessStep::Offset(0)).collect();
        Access { base: self.base.clone(), steps, load, space: self.space, type_text }
    }

    /// The address the walk came to.
    pub fn address(&self) -> Result<Access, ContextError> {
        let refuse = |message: &str| Err(ContextError::Other { message: message.to_owned() });
        if self.bitfield.is_some() {
            return refuse("cannot take the address of a bit field");
        }
        if !self.in_memory() {
            return refuse("cannot take address of object in register");
        }
        let type_text = self.types.type_text(self.ty) + "*";
        Ok(self.access(Load::Word { width: 8, signed: false }, type_text))
    }

    /// The value the walk came to: a number, a pointer, or the address of an array.
    pub fn load(&self) -> Result<Access, ContextError> {
        let type_text = self.types.type_text(self.ty);
        let (width, signed) = match self.shape() {
            Shape::Int { width, signed, .. } | Shape::Enum { width, signed } => (width, signed),
            Shape::Bool { width } => (width, false),
            Shape::Pointer(_) => (8, false),
            Shape::Array { .. } | Shape::Function { .. } if self.in_memory() => {
                return Ok(self.access(Load::Word { width: 8, signed: false }, type_text));
            }
            Shape::Struct | Shape::Union => {
                let first = self.types.member_names(self.ty).into_iter().min();
                let such_as = first.map_or(String::new(), |name| format!(" such as '->{name}'"));
                let of = self.types.type_text(self.types.strip(self.ty));
                let message = format!("'{of}' is being accessed instead of a member{such_as}");
                return Err(ContextError::Whole { message });
            }
            Shape::Float => {
                let message = "floating-point values cannot be read".to_owned();
                return Err(ContextError::Other { message });
            }
            _ => return Err(ContextError::NoTypes { message: format!("'{type_text}' has no value to read") }),
        };
        if !matches!(width, 1 | 2 | 4 | 8) {
            let message = format!("'{type_text}' is {width} bytes wide; only 1, 2, 4 and 8 can be read");
            return Err(ContextError::Other { message });
        }
        let bits = self.bitfield.map_or(u32::from(width) * 8, |(_, bits)| bits.into());
        let mut at = self.clone();
        at.settle(bits)?;
        let load = match (&at.held, at.bitfield) {
            (Held::Memory, Some((shift, bits))) => {
                let needed = (shift + u32::from(bits)).div_ceil(8).next_power_of_two() as u8;
                Load::BitField { width: width.max(needed).min(8), shift: shift as u8, bits, signed }
            }
            (Held::Memory, None) => Load::Memory { width, signed },
            (Held::Word { shift: 0 }, None) => Load::Word { width, signed },
            (Held::Word { shift }, _) if shift + bits <= 64 => {
                Load::Part { shift: *shift as u8, bits: bits as u8, signed }
            }
            _ => {
                let message = format!("'{type_text}' is kept in a way that is not understood");
                return Err(ContextError::Other { message });
            }
        };
        Ok(at.access(load, type_text))
    }

    pub fn finish(&self, address_of: bool) -> Result<Access, ContextError> {
        if address_of { self.address() } else { self.load() }
    }

    /// Whose memory it is in.
    pub fn space(&self) -> Space {
        self.space
    }

    pub fn types(&self) -> &'a dyn Types {
        self.types
    }
}

/// The base an expression comes to.
fn computed(expr: &Expr) -> AccessBase {
    match expr {
        Expr::Constant(n) => AccessBase::Constant(*n),
        Expr::Argument(n) => AccessBase::Field(ContextField::CallArg(*n)),
        Expr::Register(Register(n)) if u8::try_from(*n).is_ok() => AccessBase::Field(ContextField::Register(*n as u8)),
        expr => AccessBase::Computed(Arc::new(expr.clone())),
    }
}
