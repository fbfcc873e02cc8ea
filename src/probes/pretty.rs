//! `$x$` and `$x$$`: a value as text, `{.pid=%i, .comm="%s"}`, by its type.
//!
//! One `$` shows a struct's own members; nested structs and arrays as `{...}` and `[...]`. Two show those as well (of an
//! array the first element). Pointers are followed at the top only, texts always.

use super::{
    members::Walk,
    site::{ContextError, Depth, PathStep, Pretty, PrettyArg},
};
use crate::debuginfo::types::Shape;

/// Members shown before the text ends in `...`: each costs a read in the event handler.
const MAX_ARGS: usize = 48;
const MAX_DEPTH: usize = 6;

/// The value a walk came to, as text.
pub(super) fn of_walk(mut walk: Walk<'_>, depth: Depth) -> Result<Pretty, ContextError> {
    let mut out = Pretty::default();
    for _ in 0..MAX_DEPTH {
        let Shape::Pointer(to) = walk.shape() else { break };
        match walk.types().base_shape(to) {
            Shape::Int { char: true, .. } => {
                out.push("%s", PrettyArg::QuotedString(walk.load()?));
                return Ok(out);
            }
            Shape::Void | Shape::Forward | Shape::Float => {
                out.push("%p", PrettyArg::Long(walk.load()?));
                return Ok(out);
            }
            Shape::Function { .. } => {
                out.push("<function>:%p", PrettyArg::Long(walk.load()?));
                return Ok(out);
            }
            _ => walk.deref(to)?,
        }
    }
    value(&walk, depth, 0, true, &mut out)?;
    Ok(out)
}

/// `name=value name=value`, as `$$vars` and its like show variables; numbers in hexadecimal unless a depth asks for more, and
/// a question mark where there is no value.
pub(super) fn of_values<'a>(
    values: impl Iterator<Item = (String, Option<Walk<'a>>)>,
    depth: Option<Depth>,
) -> Result<Pretty, ContextError> {
    let mut out = Pretty::default();
    for (idx, (name, walk)) in values.enumerate() {
        if idx > 0 {
            out.format.push(' ');
        }
        out.format.push_str(&name);
        out.format.push('=');
        match (depth, walk) {
            (_, None) => out.format.push('?'),
            (Some(depth), Some(walk)) => {
                let shown = of_walk(walk, depth)?;
                out.format.push_str(&shown.format);
                out.args.extend(shown.args);
            }
            (None, Some(walk)) => match walk.load() {
                Ok(access) => {
                    let format = if matches!(walk.shape(), Shape::Pointer(_)) { "%p" } else { "%#x" };
                    out.push(format, PrettyArg::Long(access));
                }
                Err(_) => out.format.push('?'),
            },
        }
    }
    Ok(out)
}

/// `$$return`: nothing where there is no result.
pub(super) fn of_result(result: Option<Walk<'_>>, depth: Option<Depth>) -> Result<Pretty, ContextError> {
    of_values(result.map(|walk| ("return".to_owned(), Some(walk))).into_iter(), depth)
}

impl Pretty {
    /// A text known beforehand.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { format: "%s".to_owned(), args: vec![PrettyArg::Text(text.into())] }
    }

    fn push(&mut self, format: &str, arg: PrettyArg) {
        self.format.push_str(format);
        self.args.push(arg);
    }
}

fn value(walk: &Walk<'_>, depth: Depth, level: usize, top: bool, out: &mut Pretty) -> Result<(), ContextError> {
    let open = top || depth == Depth::Deep && level < MAX_DEPTH;
    match walk.shape() {
        Shape::Int { char: true, .. } if !walk.is_bitfield() => out.push("'%#c'", PrettyArg::Long(walk.load()?)),
        Shape::Int { signed: true, .. } | Shape::Bool { .. } => out.push("%i", PrettyArg::Long(walk.load()?)),
        Shape::Int { .. } | Shape::Enum { .. } => out.push("%u", PrettyArg::Long(walk.load()?)),
        Shape::Pointer(to) => match walk.types().base_shape(to) {
            Shape::Int { char: true, .. } => out.push("%s", PrettyArg::QuotedString(walk.load()?)),
            _ => out.push("%p", PrettyArg::Long(walk.load()?)),
        },
        Shape::Array { element, n } => match walk.types().base_shape(element) {
            _ if !open => out.format.push_str("[...]"),
            Shape::Int { char: true, .. } => out.push("%s", PrettyArg::QuotedString(walk.load()?)),
            _ if n == 0 => out.format.push_str("[]"),
            _ => {
                let mut first = walk.clone();
                first.follow(&[PathStep::Index(0)])?;
                out.format.push('[');
                value(&first, depth, level + 1, false, out)?;
                out.format.push_str(if n > 1 { ", ...]" } else { "]" });
            }
        },
        Shape::Struct | Shape::Union if !open => out.format.push_str("{...}"),
        Shape::Struct | Shape::Union => members(walk, depth, level, out)?,
        _ => out.format.push('?'),
    }
    Ok(())
}

fn members(walk: &Walk<'_>, depth: Depth, level: usize, out: &mut Pretty) -> Result<(), ContextError> {
    out.format.push('{');
    let types = walk.types();
    for (idx, member) in types.members(walk.ty).into_iter().enumerate() {
        if idx > 0 {
            out.format.push_str(", ");
        }
        if out.args.len() >= MAX_ARGS {
            out.format.push_str("...");
            break;
        }
        if member.name.is_empty() {
            // An anonymous member has no name to walk by; it lies at its offset.
            let label = if types.base_shape(member.ty) == Shape::Union { "<union>=" } else { "<class>=" };
            out.format.push_str(label);
            if depth == Depth::Deep && level < MAX_DEPTH {
                members(&walk.at_member(&member), depth, level + 1, out)?;
            } else {
                out.format.push_str("{...}");
            }
        } else {
            out.format.push_str(&format!(".{}=", member.name));
            value(&walk.at_member(&member), depth, level + 1, false, out)?;
        }
    }
    out.format.push('}');
    Ok(())
}
