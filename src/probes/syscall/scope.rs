//! `$variables` of a system call: its parameters by the kernel's names and by the manual page's, `$return`, `$$vars`.
//!
//! The kernel's names and types come from the format of the call's event in tracefs; without tracefs the manual page's
//! names do.

use tapdeck_ebpf::ir::{ContextField, Space};

use super::{
    decode::{Cut, Kind, Show, find_kind},
    table::Row,
};
use crate::{
    debuginfo::{World, events},
    probes::{
        access::{Access, AccessBase, Load},
        browse::{self, Holds, Look},
        members::Walk,
        pretty,
        site::{ContextError, ContextScope, ContextVariable, Depth, PathStep, Pretty, PrettyArg},
    },
};

/// The scope of one call, at entry or return.
#[derive(Clone, Debug)]
pub struct SyscallScope {
    pub row: &'static Row,
    pub is_return: bool,
}

/// One parameter.
struct Param {
    /// What `-L` lists.
    name: String,
    /// What may be written as well.
    others: Vec<&'static str>,
    /// `char const*`
    type_text: String,
    kind: Kind,
}

impl SyscallScope {
    fn params(&self, world: &World) -> Vec<Param> {
        let from_tracefs = |name| events::syscall_params(&*world.host, world.tracefs().ok()?, name);
        let spellings = self.row.all_names().flat_map(|name| [kernel_name(name), name]);
        let from_kernel = spellings.into_iter().find_map(from_tracefs);
        let from_kernel = from_kernel.filter(|params| params.len() == self.row.args().count());
        let manual = self.row.args().enumerate().filter_map(|(idx, (names, kind))| {
            let (kind, others): (_, Vec<_>) = (find_kind(kind)?, names.collect());
            let (type_text, name) = match &from_kernel {
                Some(params) => (stap_type(&params[idx].0), params[idx].1.clone()),
                None => (plain_type(kind).to_owned(), others.last().copied().unwrap_or("arg").to_owned()),
            };
            Some(Param { name, others, type_text, kind })
        });
        manual.collect()
    }

    fn access(&self, idx: usize, param: &Param) -> Access {
        let load = match param.kind.cut {
            Cut::Int => Load::Word { width: 4, signed: true },
            Cut::Uint => Load::Word { width: 4, signed: false },
            Cut::Ushort => Load::Word { width: 2, signed: false },
            Cut::Long => Load::Word { width: 8, signed: true },
            Cut::Ulong | Cut::Pointer => Load::Word { width: 8, signed: false },
        };
        Access {
            base: AccessBase::Field(ContextField::CallArg(idx as u8)),
            steps: Vec::new(),
            load,
            space: Space::User,
            type_text: param.type_text.clone(),
        }
    }

    fn return_access() -> Access {
        Access {
            base: AccessBase::Field(ContextField::CallReturn),
            steps: Vec::new(),
            load: Load::Word { width: 8, signed: true },
            space: Space::User,
            type_text: "long int".to_owned(),
        }
    }

    fn find<'a>(&self, params: &'a [Param], name: &str) -> Result<(usize, &'a Param), ContextError> {
        let by_kernel = params.iter().position(|param| param.name == name);
        let by_manual = || params.iter().position(|param| param.others.contains(&name));
        match by_kernel.or_else(by_manual) {
            Some(idx) => Ok((idx, &params[idx])),
            None => {
                let mut alternatives: Vec<_> = params.iter().map(|param| format!("${}", param.name)).collect();
                if self.is_return {
                    alternatives.push("$return".to_owned());
                }
                alternatives.extend(["$$vars", "$$parms"].map(str::to_owned));
                Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives })
            }
        }
    }

    /// A walk into what a pointer parameter points to, by the kernel's type of that name.
    fn walk<'a>(&self, idx: usize, param: &Param, world: &'a World) -> Result<Walk<'a>, ContextError> {
        let btf = world.btf().map_err(|why| ContextError::NoTypes { message: why.to_owned() })?;
        let Some(pointee) = param.type_text.strip_suffix('*').map(|text| text.trim_end_matches(" const").trim()) else {
            return Err(ContextError::NotAggregate { of: param.type_text.clone() });
        };
        let bare = pointee.trim_end_matches('*').trim_end_matches(" const");
        let found = match bare.split_once(' ') {
            Some(("struct", tag)) => btf.struct_named(tag),
            Some(("union", tag)) => btf.union_named(tag),
            _ => btf.typedef_named(bare),
        };
        match found {
            Some(ty) if !pointee.contains('*') => {
                let base = AccessBase::Field(ContextField::CallArg(idx as u8));
                Ok(Walk::memory(&**btf, ty, base, Space::User))
            }
            _ => Err(ContextError::NoTypes { message: format!("what '{}' points to is not known", param.type_text) }),
        }
    }
}

/// What the kernel calls its function where that is not the call's name.
fn kernel_name(name: &'static str) -> &'static str {
    match name {
        "stat" => "newstat",
        "fstat" => "newfstat",
        "lstat" => "newlstat",
        "uname" => "newuname",
        "sendfile" => "sendfile64",
        "pread" => "pread64",
        "pwrite" => "pwrite64",
        "fstatat" => "newfstatat",
        other => other,
    }
}

/// `const char *` to `char const*`: as types print everywhere else.
fn stap_type(text: &str) -> String {
    let text = text.replace("const ", "\u{1}");
    let stars: String = text.matches('*').collect();
    let is_const = text.starts_with('\u{1}');
    let base = text.replace(['*', '\u{1}'], "");
    format!("{}{}{stars}", base.trim(), if is_const { " const" } else { "" })
}

fn plain_type(kind: Kind) -> &'static str {
    match (kind.show, kind.cut) {
        (Show::Text | Show::Data, _) => "char const*",
        (_, Cut::Int) => "int",
        (_, Cut::Uint) => "unsigned int",
        (_, Cut::Ushort) => "umode_t",
        (_, Cut::Long) => "long int",
        (_, Cut::Ulong) => "long unsigned int",
        (_, Cut::Pointer) => "void*",
    }
}

fn is_text(param: &Param) -> bool {
    matches!(param.kind.show, Show::Text) && param.type_text.contains("char")
}

impl ContextScope for SyscallScope {
    fn variables(&self, world: &World) -> Vec<ContextVariable> {
        let params = self.params(world).into_iter();
        let variable = |param: Param| ContextVariable { name: format!("${}", param.name), type_text: param.type_text };
        let mut variables: Vec<_> = params.map(variable).collect();
        if self.is_return {
            variables.push(ContextVariable { name: "$return".to_owned(), type_text: "long int".to_owned() });
        }
        variables
    }

    fn resolve(&self, name: &str, path: &[PathStep], address_of: bool, world: &World) -> Result<Access, ContextError> {
        if name == "return" && self.is_return && path.is_empty() && !address_of {
            return Ok(Self::return_access());
        }
        let params = self.params(world);
        let (idx, param) = self.find(&params, name)?;
        if path.is_empty() {
            return match address_of {
                false => Ok(self.access(idx, param)),
                true => {
                    let message = "cannot take address of object in register".to_owned();
                    Err(ContextError::Other { message })
                }
            };
        }
        let mut walk = self.walk(idx, param, world)?;
        // `$p[0]` is the struct pointed to itself.
        match path {
            [PathStep::Index(0), rest @ ..] => walk.follow(rest)?,
            path => walk.follow(path)?,
        }
        walk.finish(address_of)
    }

    fn look(&self, name: &str, path: &[PathStep], world: &World) -> Option<Look> {
        let number = Look { holds: Holds::Number, members: Vec::new() };
        if name == "return" {
            return self.is_return.then_some(number);
        }
        let params = self.params(world);
        let (idx, param) = self.find(&params, name).ok()?;
        if is_text(param) {
            return Some(Look { holds: Holds::UserText, ..number });
        }
        match self.walk(idx, param, world) {
            Ok(mut walk) => walk.follow(path).ok().map(|()| browse::look(&walk)),
            Err(_) if param.kind.cut == Cut::Pointer => Some(Look { holds: Holds::Other, ..number }),
            Err(_) => Some(number),
        }
    }

    fn summary(&self, name: &str, depth: Option<Depth>, world: &World) -> Result<Pretty, ContextError> {
        let mut out = Pretty::default();
        if matches!(name, "$vars" | "$parms") {
            for (idx, param) in self.params(world).iter().enumerate() {
                let space = if idx > 0 { " " } else { "" };
                let access = self.access(idx, param);
                if depth.is_some() && is_text(param) {
                    out.format.push_str(&format!("{space}{}=%s", param.name));
                    out.args.push(PrettyArg::QuotedString(access));
                    continue;
                }
                let conversion = match (param.kind.cut, depth) {
                    (Cut::Pointer, _) => "%p",
                    (Cut::Int | Cut::Long, Some(_)) => "%i",
                    (_, Some(_)) => "%u",
                    (_, None) => "%#x",
                };
                out.format.push_str(&format!("{space}{}={conversion}", param.name));
                out.args.push(PrettyArg::Long(access));
            }
        } else if !matches!(name, "$locals" | "$return") {
            let alternatives = ["$$vars", "$$parms", "$$return"].map(str::to_owned).into();
            return Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives });
        }
        if self.is_return && matches!(name, "$vars" | "$return") {
            if !out.format.is_empty() {
                out.format.push(' ');
            }
            out.format.push_str(if depth.is_some() { "return=%i" } else { "return=%#x" });
            out.args.push(PrettyArg::Long(Self::return_access()));
        }
        Ok(out)
    }

    fn pretty(&self, name: &str, path: &[PathStep], depth: Depth, world: &World) -> Result<Pretty, ContextError> {
        let number =
            |conversion: &str, access| Pretty { format: conversion.to_owned(), args: vec![PrettyArg::Long(access)] };
        if name == "return" && self.is_return && path.is_empty() {
            return Ok(number("%i", Self::return_access()));
        }
        let params = self.params(world);
        let (idx, param) = self.find(&params, name)?;
        if path.is_empty() {
            let access = self.access(idx, param);
            if is_text(param) {
                return Ok(Pretty { format: "%s".to_owned(), args: vec![PrettyArg::QuotedString(access)] });
            }
            return match param.kind.cut {
                Cut::Pointer => match self.walk(idx, param, world) {
                    Ok(walk) => pretty::of_walk(walk, depth),
                    Err(_) => Ok(number("%p", access)),
                },
                Cut::Int | Cut::Long => Ok(number("%i", access)),
                _ => Ok(number("%u", access)),
            };
        }
        let mut walk = self.walk(idx, param, world)?;
        walk.follow(path)?;
        pretty::of_walk(walk, depth)
    }
}

/// What `syscall_any` sees: the call's number and, at return, its result.
#[derive(Clone, Copy, Debug)]
pub struct AnyScope {
    pub is_return: bool,
}

impl AnyScope {
    fn word(&self, name: &str) -> Option<Access> {
        let (field, width, type_text) = match name {
            "id" | "syscall_nr" => (ContextField::SyscallNr, 8, "long int"),
            "return" | "ret" if self.is_return => (ContextField::CallReturn, 8, "long int"),
            "regs" => (ContextField::Regs, 8, "struct pt_regs*"),
            _ => return None,
        };
        let (steps, load) = (Vec::new(), Load::Word { width, signed: name != "regs" });
        Some(Access {
            base: AccessBase::Field(field),
            steps,
            load,
            space: Space::Kernel,
            type_text: type_text.to_owned(),
        })
    }

    fn names(&self) -> Vec<&'static str> {
        if self.is_return { vec!["id", "return"] } else { vec!["id"] }
    }
}

impl ContextScope for AnyScope {
    fn variables(&self, _world: &World) -> Vec<ContextVariable> {
        let names = self.names().into_iter();
        names.map(|name| ContextVariable { name: format!("${name}"), type_text: "long int".to_owned() }).collect()
    }

    fn resolve(&self, name: &str, path: &[PathStep], address_of: bool, _: &World) -> Result<Access, ContextError> {
        match self.word(name) {
            Some(access) if path.is_empty() && !address_of => Ok(access),
            Some(access) => Err(ContextError::NotAggregate { of: access.type_text }),
            None => {
                let alternatives = self.names().into_iter().map(|name| format!("${name}")).collect();
                Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives })
            }
        }
    }

    fn summary(&self, name: &str, _: Option<Depth>, _: &World) -> Result<Pretty, ContextError> {
        if !matches!(name, "$vars" | "$parms") {
            return Err(ContextError::NoSuchVariable {
                name: name.to_owned(),
                alternatives: vec!["$$vars".to_owned()],
            });
        }
        let names = self.names();
        let format = names.iter().map(|name| format!("{name}=%#x")).collect::<Vec<_>>().join(" ");
        let args = names.iter().filter_map(|name| self.word(name)).map(PrettyArg::Long).collect();
        Ok(Pretty { format, args })
    }

    fn pretty(&self, name: &str, path: &[PathStep], _: Depth, world: &World) -> Result<Pretty, ContextError> {
        let access = self.resolve(name, path, false, world)?;
        Ok(Pretty { format: "%i".to_owned(), args: vec![PrettyArg::Long(access)] })
    }
}
