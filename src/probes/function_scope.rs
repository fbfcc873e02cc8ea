//! What a handler sees at a kernel function: parameters and result by the function's prototype in BTF.
//!
//! At a return the parameters are those of the entry, as SystemTap has it. A trampoline still holds their values there;
//! what lies behind a pointer, and everything at a kretprobe, is taken at the entry by [`ContextScope::is_of_entry`].

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
    Btf, Types, World,
    types::{Shape, TypeId},
};

/// Arguments that come in registers.
const N_REGISTERS: usize = 6;

/// A function's prototype, with the types it is written in.
#[derive(Clone, Debug)]
pub struct Prototype {
    pub btf: Arc<Btf>,
    pub id: TypeId,
}

/// At an entry or return of a function.
#[derive(Clone, Debug)]
pub struct FunctionScope {
    pub function: Arc<str>,
    /// `None`: not in the type information.
    pub prototype: Option<Prototype>,
    pub exit: bool,
    /// At a return the arguments are at hand.
    pub keeps_args: bool,
}

impl Prototype {
    pub fn result(&self) -> TypeId {
        match self.btf.shape(self.id) {
            Shape::Function { result } => result,
            _ => 0,
        }
    }

    /// Parameters that can be read, with the number of their register: those in front of the first that is not in
    /// registers. A struct of up to 16 bytes takes two, and is passed over.
    fn params(&self) -> impl Iterator<Item = (u8, String, TypeId)> {
        let mut found = Vec::new();
        let mut register = 0;
        for (idx, param) in self.btf.params(self.id).into_iter().enumerate() {
            let is_wide = param.ty != 0 && self.is_pair(param.ty);
            let is_narrow = param.ty != 0 && self.fits(param.ty);
            if !is_narrow && !is_wide || register + usize::from(is_wide) >= N_REGISTERS {
                break;
            }
            if is_narrow {
                let name = if param.name.is_empty() { format!("arg{}", idx + 1) } else { param.name.to_owned() };
                found.push((register as u8, name, param.ty));
            }
            register += 1 + usize::from(is_wide);
        }
        found.into_iter()
    }

    /// Two general registers hold a value of the type.
    fn is_pair(&self, ty: TypeId) -> bool {
        matches!(self.btf.base_shape(ty), Shape::Struct | Shape::Union) && (9..=16).contains(&self.btf.size_of(ty))
    }

    /// One general register holds a value of the type.
    fn fits(&self, ty: TypeId) -> bool {
        self.is_word(ty).unwrap_or_else(|| (1..=8).contains(&self.btf.size_of(ty)))
    }

    /// Whether a register holds a value of the type, which is a word of its own; `None`: it consists of others.
    fn is_word(&self, ty: TypeId) -> Option<bool> {
        match self.btf.base_shape(ty) {
            Shape::Pointer(_) => Some(true),
            Shape::Int { width, .. } | Shape::Bool { width } | Shape::Enum { width, .. } => {
                Some((1..=8).contains(&width))
            }
            Shape::Struct | Shape::Union => None,
            _ => Some(false),
        }
    }

    /// How many words a trampoline hands over; `None` where it cannot: values wider than a register, or too many.
    pub fn trampoline_args(&self) -> Option<u8> {
        let is_word = |ty| self.is_word(ty) == Some(true);
        let n = self.btf.param_types(self.id).take_while(|ty| is_word(*ty)).count();
        let is_all = self.btf.param_types(self.id).nth(n).is_none();
        let result = self.result();
        (n <= N_REGISTERS && is_all && (self.btf.strip(result) == 0 || is_word(result))).then_some(n as u8)
    }
}

impl FunctionScope {
    fn prototype(&self) -> Result<&Prototype, ContextError> {
        self.prototype.as_ref().ok_or_else(|| ContextError::NoTypes {
            message: format!(
                "the types of '{}' are not known here; int_arg(1), pointer_arg(1) and so on read its arguments",
                self.function
            ),
        })
    }

    fn walk<'a>(&self, prototype: &'a Prototype, idx: u8, ty: TypeId) -> Walk<'a> {
        Walk::value(&*prototype.btf, ty, AccessBase::Field(ContextField::CallArg(idx)), Space::Kernel)
    }

    fn result<'a>(&self, prototype: &'a Prototype) -> Option<Walk<'a>> {
        let ty = prototype.result();
        if !self.exit || prototype.btf.strip(ty) == 0 {
            return None;
        }
        Some(Walk::value(&*prototype.btf, ty, AccessBase::Field(ContextField::CallReturn), Space::Kernel))
    }

    fn walk_to(&self, name: &str, path: &[PathStep]) -> Result<Walk<'_>, ContextError> {
        let prototype = self.prototype()?;
        let found = match name {
            "return" => self.result(prototype),
            name => {
                let mut params = prototype.params();
                params.find(|(_, param, _)| param == name).map(|(idx, _, ty)| self.walk(prototype, idx, ty))
            }
        };
        let Some(mut walk) = found else {
            let result = self.result(prototype).map(|_| "$return".to_owned());
            let params = prototype.params().map(|(_, name, _)| format!("${name}"));
            let special: &[&str] = if self.exit { &["$$parms", "$$vars", "$$return"] } else { &["$$parms", "$$vars"] };
            let special = special.iter().map(|name| (*name).to_owned());
            let alternatives = result.into_iter().chain(params).chain(special).collect();
            return Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives });
        };
        walk.follow(path)?;
        Ok(walk)
    }
}

impl ContextScope for FunctionScope {
    fn variables(&self, _world: &World) -> Vec<ContextVariable> {
        let Some(prototype) = &self.prototype else { return Vec::new() };
        let text = |ty| prototype.btf.type_text(ty);
        let result = self.result(prototype).map(|walk| ("$return".to_owned(), text(walk.ty)));
        let params = prototype.params().map(|(_, name, ty)| (format!("${name}"), text(ty)));
        let all = result.into_iter().chain(params);
        all.map(|(name, type_text)| ContextVariable { name, type_text }).collect()
    }

    fn resolve(&self, name: &str, path: &[PathStep], address_of: bool, _world: &World) -> Result<Access, ContextError> {
        self.walk_to(name, path)?.finish(address_of)
    }

    fn summary(&self, name: &str, depth: Option<Depth>, _world: &World) -> Result<Pretty, ContextError> {
        match name {
            "$name" => Ok(Pretty::text(&*self.function)),
            "$locals" => Ok(Pretty::default()),
            "$return" if self.exit => {
                pretty::of_result(self.prototype.as_ref().and_then(|prototype| self.result(prototype)), depth)
            }
            "$vars" | "$parms" => {
                let prototype = self.prototype()?;
                let params = prototype.params().map(|(idx, name, ty)| (name, Some(self.walk(prototype, idx, ty))));
                pretty::of_values(params, depth)
            }
            _ => {
                let special = ["$$vars", "$$parms", "$$name"].into_iter().chain(self.exit.then_some("$$return"));
                let alternatives = special.map(str::to_owned).collect();
                Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives })
            }
        }
    }

    fn pretty(&self, name: &str, path: &[PathStep], depth: Depth, _world: &World) -> Result<Pretty, ContextError> {
        pretty::of_walk(self.walk_to(name, path)?, depth)
    }

    fn look(&self, name: &str, path: &[PathStep], _world: &World) -> Option<Look> {
        self.walk_to(name, path).ok().map(|walk| browse::look(&walk))
    }

    fn is_of_entry(&self, name: &str, is_plain: bool) -> bool {
        let is_return = matches!(name, "return" | "$return" | "$name" | "$locals");
        self.exit && !is_return && !(self.keeps_args && is_plain && !name.starts_with('$'))
    }
}
