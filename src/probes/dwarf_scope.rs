//! What a handler sees at an instruction of a kernel function, by debug information: parameters and locals where they
//! are just there, the unit's variables, and at a return the result.

use std::sync::Arc;

use tapdeck_ebpf::ir::{ContextField, Space};

use super::{
    access::{Access, AccessBase},
    browse::{self, Look},
    members::Walk,
    pretty,
    site::{ContextError, ContextScope, ContextVariable, Depth, PathStep, Pretty},
};
use crate::debuginfo::{
    Types as _, World,
    image::Image,
    location::{Absent, Expr, Location, Piece, Register, argument_registers},
    model::{Instance, InstanceKind, Variable},
    types::{Shape, TypeId},
};

/// At an address of a function or of a copy of one.
#[derive(Clone)]
pub struct DwarfScope {
    pub image: Arc<Image>,
    pub function: Arc<str>,
    pub instance: Instance,
    /// Where the probe is, as the file was linked.
    pub pc: u64,
    /// At an instruction inside: locals of the blocks around it are seen, too.
    pub is_statement: bool,
    /// At the function's return.
    pub exit: bool,
    /// At a return the arguments that came in registers are at hand.
    pub keeps_args: bool,
}

impl std::fmt::Debug for DwarfScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:#x}{}", self.function, self.pc, if self.exit { ", return" } else { "" })
    }
}

impl DwarfScope {
    /// Where a call of the function begins: arguments are in the registers of the calling convention.
    fn is_entry(&self) -> bool {
        self.instance.kind == InstanceKind::Call && self.instance.pc == Some(self.pc)
    }

    /// Where the call began whose code the probe is in, if a probe can be there: what registers were then is known from it.
    /// Not from parts of a function that are away from its beginning.
    fn probed_entry(&self) -> Option<u64> {
        let dwarf = &self.image.dwarf;
        let entry = dwarf.entry_of(&self.instance).filter(|_| !self.exit)?;
        let (start, _) = dwarf.symbol_at(self.pc, &self.function)?;
        (start == entry && !dwarf.is_barred(entry)).then_some(entry)
    }

    /// A location in the terms of the probe: where the kernel is, and arguments by number where a call begins.
    fn placed(&self, location: Location) -> Location {
        location.map_leaves(&mut |leaf| match leaf {
            // Where addresses are hidden nothing is attached either.
            Expr::Address(at) => Expr::Constant(self.image.address(at).unwrap_or(at) as i64),
            Expr::Register(register) | Expr::EntryRegister(register) if self.is_entry() => self.argument(register),
            leaf => leaf,
        })
    }

    fn argument(&self, register: Register) -> Expr {
        let registers = argument_registers(self.image.dwarf.arch());
        match registers.iter().position(|argument| *argument == register.0) {
            // Those behind the sixth are passed on nowhere.
            Some(idx @ ..6) => Expr::Argument(idx as u8),
            _ => Expr::Register(register),
        }
    }

    fn walk(&self, variable: &Variable) -> Option<Walk<'_>> {
        let mut location = self.placed(variable.location.clone());
        if knows_entry_only(&location) {
            // Nothing has happened to a register where the code begins.
            if self.probed_entry()? == self.pc {
                location = location.map_leaves(&mut |leaf| match leaf {
                    Expr::EntryRegister(register) => Expr::Register(register),
                    leaf => leaf,
                });
            }
        }
        Walk::located(&*self.image.dwarf, variable.ty, &location, Space::Kernel)
    }

    fn result(&self) -> Option<Walk<'_>> {
        let ty = self.exit.then(|| self.image.dwarf.result_type(&self.instance))??;
        let value = |base| Some(Walk::value(&*self.image.dwarf, ty, base, Space::Kernel));
        let whole = AccessBase::Field(ContextField::CallReturn);
        match (self.image.dwarf.base_shape(ty), self.image.dwarf.size_of(ty)) {
            (Shape::Void | Shape::Other, _) => None,
            // x86-64 psABI 3.2.3: up to two words come back in ax and dx, more at an address in ax.
            (Shape::Struct | Shape::Union, size @ 9..=16) => {
                let word = |register, bits| Piece {
                    size_bits: bits,
                    location: Location::Value(Expr::Register(Register(register))),
                };
                let rest = (size as u32 - 8) * 8;
                Walk::located(
                    &*self.image.dwarf,
                    ty,
                    &Location::Pieces(vec![word(0, 64), word(1, rest)]),
                    Space::Kernel,
                )
            }
            (Shape::Struct | Shape::Union, 17..) => Some(Walk::memory(&*self.image.dwarf, ty, whole, Space::Kernel)),
            _ => value(whole),
        }
    }

    /// Parameters and locals as summaries show them.
    fn declared(&self) -> Vec<Variable> {
        if self.is_statement {
            return self.image.dwarf.variables(&self.instance, self.pc);
        }
        self.image.dwarf.outermost_variables(&self.instance, self.pc)
    }

    fn find(&self, name: &str) -> Option<Variable> {
        let visible = self.image.dwarf.variables(&self.instance, self.pc);
        visible
            .into_iter()
            .find(|variable| &*variable.name == name)
            .or_else(|| self.image.dwarf.global(name, &self.instance))
    }

    fn walk_to(&self, name: &str, path: &[PathStep]) -> Result<Walk<'_>, ContextError> {
        let mut walk = match name {
            "return" if self.exit => self.result().ok_or_else(|| self.no_such(name))?,
            name => {
                let variable = self.find(name).ok_or_else(|| self.no_such(name))?;
                self.walk(&variable).ok_or_else(|| self.not_here(&variable))?
            }
        };
        walk.follow(path)?;
        Ok(walk)
    }

    fn no_such(&self, name: &str) -> ContextError {
        let visible = self.image.dwarf.variables(&self.instance, self.pc);
        let names = visible.iter().map(|variable| format!("${}", variable.name));
        let result = self.result().map(|_| "$return".to_owned());
        let special = ["$$vars", "$$parms", "$$locals"].map(str::to_owned);
        let alternatives = result.into_iter().chain(names).chain(special).collect();
        ContextError::NoSuchVariable { name: name.to_owned(), alternatives }
    }

    fn not_here(&self, variable: &Variable) -> ContextError {
        let why = match &variable.location {
            Location::Absent(Absent::OptimizedOut) => "it was optimised out".to_owned(),
            Location::Absent(Absent::NotHere) => "it has no value here".to_owned(),
            Location::Absent(absent @ Absent::Unsupported(_)) => format!("it is {absent}"),
            _ => "only its value at the function's entry is known".to_owned(),
        };
        let name = &variable.name;
        let lives = self.image.dwarf.lives_at(&self.instance, self.pc, name);
        ContextError::NotHere { name: format!("${name}"), pc: self.pc, why, lives, elsewhere: self.elsewhere(name) }
    }

    /// In which other instances of the function a variable has a value where they begin: how many have, of how many.
    fn elsewhere(&self, name: &str) -> (usize, usize) {
        let group = self.image.dwarf.siblings(&self.instance);
        let has = |instance: &&Instance| {
            let pc = instance.pc.unwrap_or(0);
            let mut variables = self.image.dwarf.outermost_variables(instance, pc).into_iter();
            variables.any(|variable| &*variable.name == name && !matches!(variable.location, Location::Absent(_)))
        };
        (group.iter().filter(has).count(), group.len())
    }

    fn summary_of(&self, variables: &[Variable], depth: Option<Depth>) -> Result<Pretty, ContextError> {
        let named = variables.iter().map(|variable| (variable.name.to_string(), self.walk(variable)));
        pretty::of_values(named, depth)
    }
}

/// A value that only the function's entry would tell.
fn knows_entry_only(location: &Location) -> bool {
    let has = |expr: &Expr| expr.any(&mut |part| matches!(part, Expr::EntryRegister(_)));
    match location {
        Location::Memory(expr) | Location::Value(expr) => has(expr),
        Location::Pieces(pieces) => pieces.iter().any(|piece| knows_entry_only(&piece.location)),
        Location::Absent(_) => false,
    }
}

impl ContextScope for DwarfScope {
    fn variables(&self, _world: &World) -> Vec<ContextVariable> {
        let text = |ty: TypeId| self.image.dwarf.listed_type(ty);
        let result = self.result().map(|walk| ("$return".to_owned(), text(walk.ty)));
        let here = self.declared().into_iter().filter(|variable| !matches!(variable.location, Location::Absent(_)));
        let named = here.map(|variable| (format!("${}", variable.name), text(variable.ty)));
        let all = result.into_iter().chain(named);
        all.map(|(name, type_text)| ContextVariable { name, type_text }).collect()
    }

    fn resolve(&self, name: &str, path: &[PathStep], address_of: bool, _world: &World) -> Result<Access, ContextError> {
        self.walk_to(name, path)?.finish(address_of)
    }

    fn summary(&self, name: &str, depth: Option<Depth>, _world: &World) -> Result<Pretty, ContextError> {
        match name {
            "$name" => Ok(Pretty::text(&*self.function)),
            "$return" if self.exit => pretty::of_result(self.result(), depth),
            "$vars" => self.summary_of(&self.declared(), depth),
            "$parms" | "$locals" => {
                let mut variables = self.declared();
                variables.retain(|variable| variable.is_parameter == (name == "$parms"));
                self.summary_of(&variables, depth)
            }
            _ => Err(self.no_such(name)),
        }
    }

    fn pretty(&self, name: &str, path: &[PathStep], depth: Depth, _world: &World) -> Result<Pretty, ContextError> {
        pretty::of_walk(self.walk_to(name, path)?, depth)
    }

    fn look(&self, name: &str, path: &[PathStep], _world: &World) -> Option<Look> {
        self.walk_to(name, path).ok().map(|walk| browse::look(&walk))
    }

    fn absent(&self, _world: &World) -> Vec<(ContextVariable, String)> {
        let gone = self.declared().into_iter().filter(|variable| matches!(variable.location, Location::Absent(_)));
        let said = gone.map(|variable| {
            let type_text = self.image.dwarf.listed_type(variable.ty);
            let why = match self.not_here(&variable) {
                ContextError::NotHere { why, elsewhere: (0, _) | (_, 1), .. } => why,
                ContextError::NotHere { why, elsewhere: (n, of), .. } => format!("{why}; {n} of {of} copies have it"),
                _ => String::new(),
            };
            (ContextVariable { name: format!("${}", variable.name), type_text }, why)
        });
        said.collect()
    }

    fn is_of_entry(&self, name: &str, is_plain: bool) -> bool {
        if !self.exit || matches!(name, "return" | "$return" | "$name") {
            return false;
        }
        // A trampoline still holds what came in registers.
        let is_argument = || {
            let variable = self.find(name).map(|variable| self.placed(variable.location));
            matches!(variable, Some(Location::Value(Expr::Argument(_))))
        };
        !(self.keeps_args && is_plain && is_argument())
    }
}
