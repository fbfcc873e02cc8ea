//! `$var`, `$$vars`, `@cast`, `@defined` and values with `->` behind them, to accesses of the site a handler runs at.

use std::sync::Arc;

use super::{
    body::{BodyBuilder, zero},
    fold,
    program::{Context, Expr, ExprKind, LocalId, Missing, Print},
};
use crate::{
    builtins,
    debuginfo::location::Register,
    diagnostics::{Diagnostic, catalogue::semantic as say},
    language::{
        ast::{self, ContextBase, ContextStep},
        format,
        similar::{by_similarity, similar},
        types::Type,
    },
    probes::{
        access::{Access, AccessBase},
        casts,
        site::{ContextError, ContextScope, Depth, PathStep, Pretty, PrettyArg, TextVariable},
    },
    source::Span,
};
use tapdeck_ebpf::ir::Space;

/// What a context variable comes to at a site: equal values mean that two sites can share a handler.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    Value(Access),
    Text(Pretty),
    Bad(ContextError),
}

impl Resolution {
    /// Registers of the function's entry that the value is made of.
    pub fn entry_registers(&self) -> Vec<Register> {
        match self {
            Resolution::Value(access) => access.entry_registers(),
            Resolution::Text(pretty) => {
                let of_arg = |arg: &PrettyArg| match arg {
                    PrettyArg::Long(access) | PrettyArg::QuotedString(access) => access.entry_registers(),
                    PrettyArg::Text(_) => Vec::new(),
                };
                pretty.args.iter().flat_map(of_arg).collect()
            }
            Resolution::Bad(_) => Vec::new(),
        }
    }
}

/// Looks a `$variable` up; `steps` is its path with the indices that are literals.
pub fn resolve_at(
    scope: &dyn ContextScope,
    context: &ast::ContextVar,
    steps: &[PathStep],
    world: &crate::debuginfo::World,
) -> Resolution {
    let ContextBase::Var(name) = &context.base else {
        return Resolution::Bad(ContextError::Other { message: "unresolved target-symbol expression".to_owned() });
    };
    let depth = context.pretty.map(depth);
    let text = match (name.starts_with('$'), depth) {
        (true, depth) => scope.summary(name, depth, world),
        (false, Some(depth)) => scope.pretty(name, steps, depth, world),
        (false, None) => {
            return match scope.resolve(name, steps, context.address_of, world) {
                Ok(access) => Resolution::Value(access),
                Err(error) => Resolution::Bad(error),
            };
        }
    };
    text.map_or_else(Resolution::Bad, Resolution::Text)
}

fn depth(pretty: ast::Pretty) -> Depth {
    match pretty {
        ast::Pretty::Shallow => Depth::Shallow,
        ast::Pretty::Deep => Depth::Deep,
    }
}

/// The path as far as it is known without running: indices that are literals, and others.
pub fn literal_steps(context: &ast::ContextVar) -> Vec<PathStep> {
    let step = |step: &ContextStep| match step {
        ContextStep::Member(name) => PathStep::Member(name.text.to_string()),
        ContextStep::Index(index) => match index.kind {
            ast::ExprKind::Long(value) => PathStep::Index(value),
            _ => PathStep::DynamicIndex,
        },
    };
    context.path.iter().map(step).collect()
}

impl BodyBuilder<'_, '_> {
    /// The value of a context expression.
    pub fn context(&mut self, context: &ast::ContextVar, expr: &ast::Expr) -> Expr {
        let span = expr.at;
        if let Some(variable) = self.text_variable(context) {
            return self.builtin(variable.get, Vec::new(), span);
        }
        let written: Arc<str> = String::from_utf8_lossy(self.cx.sources.snippet(expr.span)).into();
        let at = self.cx.spot(span);
        let (resolution, base) = match self.find(context) {
            Found::Is(resolution, base) => (resolution, base),
            Found::Refused(message) => {
                return self.missing(context, say::unresolved_context(&message, &at), None, written, span);
            }
            Found::Untyped(base) => {
                return self.missing(context, say::unknown_dereference(&at), Some(base), written, span);
            }
        };
        match resolution {
            Resolution::Value(access) => {
                let mut operands = self.indices(context);
                operands.extend(entry_values(&self.entry_registers, &access, span));
                let context = Context { access, base, operands, written, missing: None };
                Expr { kind: ExprKind::Context(Box::new(context)), ty: Type::Long, span }
            }
            Resolution::Text(pretty) => self.pretty(pretty, base, &written, span),
            Resolution::Bad(_) if self.cx.options.skip_badvars => {
                self.cx.report(say::bad_var_substituted(&at));
                Expr { ty: Type::Long, ..zero(span) }
            }
            Resolution::Bad(error) => {
                let finding = self.not_found(context, &error, at);
                self.missing(context, finding, base, written, span)
            }
        }
    }

    /// What is not there stays in the program until it is known whether anybody needs it.
    fn missing(
        &mut self,
        context: &ast::ContextVar,
        finding: Diagnostic,
        base: Option<Expr>,
        written: Arc<str>,
        span: Span,
    ) -> Expr {
        let is_cast = matches!(context.base, ContextBase::Cast { .. } | ContextBase::AtVar { .. });
        let missing = Some(Box::new(Missing { finding, is_cast }));
        let operands = self.indices(context);
        let context = Context { access: Access::nowhere(), base, operands, written, missing };
        Expr { kind: ExprKind::Context(Box::new(context)), ty: Type::Unknown, span }
    }

    /// A text variable of the site's own.
    pub fn text_variable(&self, context: &ast::ContextVar) -> Option<&'static TextVariable> {
        let ContextBase::Var(name) = &context.base else { return None };
        let is_plain = context.path.is_empty() && context.pretty.is_none() && !context.address_of;
        self.site.as_ref().filter(|_| is_plain)?.scope.text_variable(name)
    }

    /// Every context expression inside resolves.
    pub fn is_defined(&mut self, expr: &ast::Expr) -> bool {
        let mut mentions = super::mentions::Mentions::default();
        mentions.add_expr(expr);
        let contexts = mentions.contexts;
        contexts.iter().all(|context| match self.find(context) {
            _ if self.text_variable(context).is_some() => true,
            Found::Is(Resolution::Bad(_), _) | Found::Refused(_) | Found::Untyped(_) => false,
            Found::Is(..) => true,
        })
    }

    fn find(&mut self, context: &ast::ContextVar) -> Found {
        let found = self.find_anywhere(context);
        match &found {
            Found::Is(resolution, _)
                if resolution.entry_registers().iter().any(|wanted| self.entry_value(*wanted).is_none()) =>
            {
                Found::Refused("only its value at the function's entry is known, which this place has not".to_owned())
            }
            _ => found,
        }
    }

    fn entry_value(&self, wanted: Register) -> Option<LocalId> {
        self.entry_registers.iter().find(|(register, _)| *register == wanted).map(|(_, local)| *local)
    }

    fn find_anywhere(&mut self, context: &ast::ContextVar) -> Found {
        let steps = literal_steps(context);
        match &context.base {
            ContextBase::Var(_) => match &self.site {
                Some(site) => Found::Is(resolve_at(&*site.scope, context, &steps, self.cx.world), None),
                None => Found::Refused("unresolved target-symbol expression".to_owned()),
            },
            ContextBase::AtVar { name, module } => {
                let text = |bytes: &Arc<[u8]>| String::from_utf8_lossy(bytes).into_owned();
                Found::Is(self.variable(context, &text(name), module.as_ref().map(text).as_deref(), &steps), None)
            }
            ContextBase::Cast { expr, type_name, module } => {
                let module = module.as_ref().map(|module| String::from_utf8_lossy(module).into_owned());
                let type_name = String::from_utf8_lossy(type_name).into_owned();
                let base = self.expr(expr);
                Found::Is(self.cast(context, &type_name, module.as_deref(), &steps), Some(base))
            }
            ContextBase::Auto(inner) => {
                let base = self.expr(inner);
                match self.c_type(&base) {
                    Some(type_name) => Found::Is(self.cast(context, &type_name, None, &steps), Some(base)),
                    None => Found::Untyped(base),
                }
            }
        }
    }

    /// Without a file it is what `$name` is at the site, or else the one there is.
    fn variable(&self, context: &ast::ContextVar, name: &str, module: Option<&str>, steps: &[PathStep]) -> Resolution {
        let world = self.cx.world;
        if let (Some(site), None, false) = (&self.site, module, name.contains('@')) {
            let here = match context.pretty {
                Some(pretty) => site.scope.pretty(name, steps, depth(pretty), world).map(Resolution::Text),
                None => site.scope.resolve(name, steps, context.address_of, world).map(Resolution::Value),
            };
            if let Ok(here) = here {
                return here;
            }
        }
        match context.pretty {
            Some(pretty) => casts::pretty_var(world, name, module, steps, depth(pretty))
                .map_or_else(Resolution::Bad, Resolution::Text),
            None => casts::resolve_var(world, name, module, steps, context.address_of)
                .map_or_else(Resolution::Bad, Resolution::Value),
        }
    }

    fn cast(&self, context: &ast::ContextVar, type_name: &str, module: Option<&str>, steps: &[PathStep]) -> Resolution {
        let world = self.cx.world;
        match context.pretty {
            Some(pretty) => casts::pretty_cast(world, type_name, module, steps, depth(pretty))
                .map_or_else(Resolution::Bad, Resolution::Text),
            None => casts::resolve_cast(world, type_name, module, steps, context.address_of)
                .map_or_else(Resolution::Bad, Resolution::Value),
        }
    }

    /// The values of the indices that are not literals.
    fn indices(&mut self, context: &ast::ContextVar) -> Vec<Expr> {
        let mut indices = Vec::new();
        for step in &context.path {
            match step {
                ContextStep::Index(index) if !matches!(index.kind, ast::ExprKind::Long(_)) => {
                    let mut index = self.expr(index);
                    fold::fold_expr(&mut index);
                    indices.push(index);
                }
                _ => {}
            }
        }
        indices
    }

    /// A text like `{.pid=%i}` becomes a `sprintf`.
    fn pretty(&mut self, pretty: Pretty, base: Option<Expr>, written: &Arc<str>, span: Span) -> Expr {
        let Ok(format) = format::parse(pretty.format.as_bytes()) else { return zero(span) };
        let of_entry = self.entry_registers.clone();
        let access_value = |access: Access| {
            let base = if access.base == AccessBase::Expr { base.clone() } else { None };
            let operands = entry_values(&of_entry, &access, span);
            let context = Context { access, base, operands, written: written.clone(), missing: None };
            Expr { kind: ExprKind::Context(Box::new(context)), ty: Type::Long, span }
        };
        let mut args = Vec::new();
        for arg in pretty.args {
            args.push(match arg {
                PrettyArg::Long(access) => access_value(access),
                PrettyArg::QuotedString(access) => {
                    let name = if access.space == Space::User { "user_string_quoted" } else { "kernel_string_quoted" };
                    self.builtin(name, vec![access_value(access)], span)
                }
                PrettyArg::Text(text) => Expr { kind: ExprKind::Str(text.into_bytes().into()), ty: Type::Str, span },
            });
        }
        let print = Print { to_string: true, format, args };
        Expr { kind: ExprKind::Print(Box::new(print)), ty: Type::Str, span }
    }

    /// Remembers what a local points to when a context pointer is assigned to it.
    pub fn note_c_type(&mut self, local: LocalId, value: &Expr) {
        match self.c_type(value) {
            Some(c_type) => self.c_types.insert(local, c_type),
            None => self.c_types.remove(&local),
        };
    }

    /// The C type a value points to, when that is known: `struct task_struct`.
    fn c_type(&self, value: &Expr) -> Option<Arc<str>> {
        match &value.kind {
            ExprKind::Context(context) => {
                let pointee = context.access.type_text.trim_end().strip_suffix('*')?.trim_end();
                (!pointee.is_empty()).then(|| pointee.into())
            }
            ExprKind::Local(local) => self.c_types.get(local).cloned(),
            ExprKind::Builtin { builtin, .. } => {
                (builtins::get(*builtin).name == "task_current").then(|| "struct task_struct".into())
            }
            _ => None,
        }
    }

    /// Why there is no such thing; `at` is what was asked for.
    fn not_found(&self, context: &ast::ContextVar, error: &ContextError, at: say::Spot) -> Diagnostic {
        match error {
            ContextError::NoSuchVariable { name, alternatives } => {
                // The closest first; `$$…` only to whom asked for one.
                let others = alternatives.iter().filter_map(|other| other.strip_prefix('$'));
                let others = others.filter(|other| name.starts_with('$') || !other.starts_with('$'));
                let others = by_similarity(name, others).into_iter().map(|other| format!("${other}"));
                let near = similar(&format!("${name}"), alternatives);
                say::no_such_variable(name, &others.collect::<Vec<_>>(), near.first().map(String::as_str), &at)
            }
            ContextError::NoSuchMember { name, of, alternatives } => {
                // All members of a big struct would bury the message.
                const MAX_SHOWN: usize = 10;
                let mut near = by_similarity(name, alternatives);
                near.truncate(MAX_SHOWN);
                let at = self.arrow_of(context, name).unwrap_or(at);
                say::no_such_member(name, of, &near, near.first().map(String::as_str), &at)
            }
            ContextError::NotHere { name, pc, why, lives, elsewhere } => {
                say::not_accessible(name, *pc, why, lives, *elsewhere, &at)
            }
            ContextError::NotAggregate { of } => {
                say::unresolved_context(&format!("'{of}' has no members or elements"), &at)
            }
            ContextError::NoMembers { name, of } => {
                let at = self.arrow_of(context, name).unwrap_or(at);
                say::unresolved_context(&format!("invalid access '->{name}' vs. {of}"), &at)
            }
            ContextError::Whole { message } => {
                let last = context.path.last().map(|step| match step {
                    ContextStep::Member(member) => self.operator_before(member.span, b"->"),
                    ContextStep::Index(index) => self.operator_before(index.span, b"["),
                });
                say::unresolved_context(message, &last.unwrap_or(at))
            }
            ContextError::NoTypes { message } | ContextError::Other { message } => {
                say::unresolved_context(message, &at)
            }
        }
    }

    /// The `->` before the member of that name, which is what messages about it point at.
    fn arrow_of(&self, context: &ast::ContextVar, name: &str) -> Option<say::Spot> {
        context.path.iter().find_map(|step| match step {
            ContextStep::Member(member) if *member.text == *name => Some(self.operator_before(member.span, b"->")),
            _ => None,
        })
    }

    /// The operator in front of `span`, or else that itself.
    fn operator_before(&self, span: Span, operator: &[u8]) -> say::Spot {
        let file = self.cx.sources.get(span.file);
        let before = file.and_then(|file| file.text.get(..span.start as usize)).unwrap_or_default();
        let len = operator.len();
        let found = before.windows(len).rposition(|part| part == operator);
        let found = found.filter(|at| before[at + len..].iter().all(u8::is_ascii_whitespace));
        self.cx.spot(found.map_or(span, |at| Span::new(span.file, at, at + len)))
    }
}

/// An operator over these values that comes to nothing here, which matters where somebody needs it.
pub(super) fn comes_to_nothing(finding: Diagnostic, values: Vec<Expr>, span: Span) -> Expr {
    let missing = Some(Box::new(Missing { finding, is_cast: false }));
    let context = Context { access: Access::nowhere(), base: None, operands: values, written: Arc::default(), missing };
    Expr { kind: ExprKind::Context(Box::new(context)), ty: Type::Unknown, span }
}

/// What an access needs of the function's entry, out of the locals that hold it.
fn entry_values(known: &[(Register, LocalId)], access: &Access, span: Span) -> Vec<Expr> {
    let value = |wanted: Register| {
        let local = known.iter().find(|(register, _)| *register == wanted)?.1;
        Some(Expr { kind: ExprKind::Local(local), ty: Type::Long, span })
    };
    access.entry_registers().into_iter().filter_map(value).collect()
}

enum Found {
    /// With the base value of a cast.
    Is(Resolution, Option<Expr>),
    Refused(String),
    /// What is looked into, this value, has no type.
    Untyped(Expr),
}
