//! `@enum("NAME")` and `@enumname(value, "type")`: the kernel's enumerations, by its type information. NEWS of SystemTap 5.5
//! and 5.6.

use super::{
    body::BodyBuilder,
    program::{Expr, ExprKind, Print, Target},
    resolve_context::comes_to_nothing,
};
use crate::{
    diagnostics::catalogue::semantic as say,
    language::{
        ast::{self, AssignOp, CompareOp},
        format::{Conversion, ConversionKind, Format, Piece, Size},
        types::Type,
    },
    probes::casts,
    source::Span,
};

/// Names chosen among, one inside the other.
const MAX_NAMES: usize = 300;

impl BodyBuilder<'_, '_> {
    pub(super) fn enum_value(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let name = args.first().and_then(text).unwrap_or_default();
        let Some(value) = casts::enumerator(self.cx.world, &name) else {
            let at = self.cx.spot(span);
            return comes_to_nothing(say::no_such_enumerator(&name, &at), Vec::new(), span);
        };
        Expr { kind: ExprKind::Long(value), ty: Type::Long, span }
    }

    /// The name of a value, or its digits where it has none.
    pub(super) fn enum_name(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let [value, of @ ..] = args else { return zero(span) };
        let value = self.expr(value);
        let [ty, module] = [of.first(), of.get(1)].map(|arg| arg.and_then(text));
        // A variable has a type of its own.
        let own = match &value.kind {
            ExprKind::Context(context) if context.missing.is_some() => return value,
            ExprKind::Context(context) => Some((context.written.clone(), context.access.type_text.clone())),
            _ => None,
        };
        let named = ty.as_deref().or(own.as_ref().map(|(_, ty)| ty.as_str()));
        let names = named.and_then(|ty| casts::enumerators(self.cx.world, ty, module.as_deref()));
        let Some(names) = names.filter(|names| names.len() <= MAX_NAMES) else {
            let at = self.cx.spot(span);
            let finding = match (&ty, &own) {
                (None, Some((name, has))) => say::not_an_enumeration(name.trim_start_matches('$'), has, &at),
                _ => say::no_enumeration(&at),
            };
            return comes_to_nothing(finding, vec![value], span);
        };
        let local = self.new_hidden_local("__enum", span);
        let read = || Expr { kind: ExprKind::Local(local), ty: Type::Unknown, span };
        let number =
            Conversion { flag: None, width: Size::Default, precision: Size::Default, kind: ConversionKind::Signed };
        let format = Format { pieces: vec![Piece::Conversion(number)] };
        let digits = ExprKind::Print(Box::new(Print { to_string: true, format, args: vec![read()] }));
        let mut chosen = Expr { kind: digits, ty: Type::Str, span };
        for (idx, (name, of_name)) in names.iter().enumerate().rev() {
            // The first question takes the value.
            let left = match idx {
                0 => {
                    let (op, target, value) = (AssignOp::Set, Target::Local(local), Box::new(value.clone()));
                    Expr { kind: ExprKind::Assign { op, target, value }, ty: Type::Unknown, span }
                }
                _ => read(),
            };
            let right = Expr { kind: ExprKind::Long(*of_name), ty: Type::Long, span };
            let compare = ExprKind::Compare { op: CompareOp::Eq, left: Box::new(left), right: Box::new(right) };
            let cond = Box::new(Expr { kind: compare, ty: Type::Unknown, span });
            let then = Box::new(Expr { kind: ExprKind::Str(name.as_bytes().into()), ty: Type::Str, span });
            let kind = ExprKind::Ternary { cond, then, otherwise: Box::new(chosen) };
            chosen = Expr { kind, ty: Type::Unknown, span };
        }
        chosen
    }
}

fn text(arg: &ast::Expr) -> Option<String> {
    match &arg.kind {
        ast::ExprKind::Str(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

fn zero(span: Span) -> Expr {
    Expr { kind: ExprKind::Long(0), ty: Type::Unknown, span }
}
