//! Expressions. Binary operators are one loop over a table of precedences; the forms with rules of their own
//! (assignment, `?:`, `in`, regular expressions, concatenation) have a function each.

use std::sync::Arc;

use super::{
    MAX_OPERATORS, Parsed, Parser,
    declarations::name_of,
    statements::{node, stat_op},
};
use crate::{
    diagnostics::{Diagnostic, catalogue::parse as say},
    language::{
        ast::*,
        format,
        macros::BUILTIN_AT_WORDS,
        similar,
        token::{Kind, Token},
    },
};

/// Loosest first. `in`, comparison and `.` sit between these and have their own functions.
mod level {
    pub const LOGICAL_OR: u8 = 0;
    pub const IN: u8 = 5;
    pub const COMPARE: u8 = 6;
    pub const SHIFT: u8 = 7;
    pub const CONCAT: u8 = 8;
    pub const ADD: u8 = 9;
    pub const MULTIPLY: u8 = 10;
    pub const UNARY: u8 = 11;
}

enum Infix {
    Binary(BinaryOp),
    Logical(LogicalOp),
    Compare(CompareOp),
}

/// The left associative operators and their levels.
fn infix(op: &str) -> Option<(u8, Infix)> {
    use Infix::*;
    Some(match op {
        "||" => (level::LOGICAL_OR, Logical(LogicalOp::Or)),
        "&&" => (1, Logical(LogicalOp::And)),
        "|" => (2, Binary(BinaryOp::Or)),
        "^" => (3, Binary(BinaryOp::Xor)),
        "&" => (4, Binary(BinaryOp::And)),
        "==" => (level::COMPARE, Compare(CompareOp::Eq)),
        "!=" => (level::COMPARE, Compare(CompareOp::Ne)),
        "<" => (level::COMPARE, Compare(CompareOp::Lt)),
        "<=" => (level::COMPARE, Compare(CompareOp::Le)),
        ">" => (level::COMPARE, Compare(CompareOp::Gt)),
        ">=" => (level::COMPARE, Compare(CompareOp::Ge)),
        "<<" => (level::SHIFT, Binary(BinaryOp::Shl)),
        ">>" => (level::SHIFT, Binary(BinaryOp::Shr)),
        ">>>" => (level::SHIFT, Binary(BinaryOp::Lsr)),
        "+" => (level::ADD, Binary(BinaryOp::Add)),
        "-" => (level::ADD, Binary(BinaryOp::Sub)),
        "*" => (level::MULTIPLY, Binary(BinaryOp::Mul)),
        "/" => (level::MULTIPLY, Binary(BinaryOp::Div)),
        "%" => (level::MULTIPLY, Binary(BinaryOp::Rem)),
        _ => return None,
    })
}

fn assignment(op: &str) -> Option<AssignOp> {
    Some(match op {
        "=" => AssignOp::Set,
        "<<<" => AssignOp::Accumulate,
        ".=" => AssignOp::Concat,
        "+=" => AssignOp::Binary(BinaryOp::Add),
        "-=" => AssignOp::Binary(BinaryOp::Sub),
        "*=" => AssignOp::Binary(BinaryOp::Mul),
        "/=" => AssignOp::Binary(BinaryOp::Div),
        "%=" => AssignOp::Binary(BinaryOp::Rem),
        "<<=" => AssignOp::Binary(BinaryOp::Shl),
        ">>=" => AssignOp::Binary(BinaryOp::Shr),
        "&=" => AssignOp::Binary(BinaryOp::And),
        "^=" => AssignOp::Binary(BinaryOp::Xor),
        "|=" => AssignOp::Binary(BinaryOp::Or),
        _ => return None,
    })
}

/// What prints, or makes text as printing does: words of the language, not functions.
pub const PRINTS: [&str; 11] = [
    "print",
    "printf",
    "println",
    "printd",
    "printdln",
    "sprint",
    "sprintf",
    "sprintln",
    "sprintd",
    "sprintdln",
    "print_char",
];

/// `to_string`, `newline` and the shape of a print function; the format or delimiter is read later.
fn print_family(name: &str) -> Option<(bool, bool, &'static str)> {
    Some(match name {
        "print" => (false, false, "plain"),
        "println" => (false, true, "plain"),
        "printf" => (false, false, "format"),
        "printd" => (false, false, "delimited"),
        "printdln" => (false, true, "delimited"),
        "sprint" => (true, false, "plain"),
        "sprintln" => (true, true, "plain"),
        "sprintf" => (true, false, "format"),
        "sprintd" => (true, false, "delimited"),
        "sprintdln" => (true, true, "delimited"),
        "print_char" => (false, false, "char"),
        _ => return None,
    })
}

/// `x$` and `x$$`: the name and how to print it prettily.
fn split_pretty(name: &str) -> (&str, Option<Pretty>) {
    let bare = name.trim_end_matches('$');
    match name.len() - bare.len() {
        _ if bare.is_empty() => (name, None),
        0 => (name, None),
        1 => (bare, Some(Pretty::Shallow)),
        _ => (bare, Some(Pretty::Deep)),
    }
}

/// Whether a token makes the value before it one that is looked into: `->m`, `[e]`, `$`, `$$`.
fn looks_inside(token: &Token) -> bool {
    match token.kind {
        Kind::Op("->" | "[") => true,
        Kind::Ident => token.glued && matches!(token.name(), "$" | "$$"),
        _ => false,
    }
}

impl<'t> Parser<'t> {
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(|parser| parser.assignment())
    }

    fn assignment(&mut self) -> Parsed<Expr> {
        let target = self.ternary()?;
        let Some(token) = self.peek()? else { return Ok(target) };
        let Kind::Op(op) = token.kind else { return Ok(target) };
        let Some(op) = assignment(op) else { return Ok(target) };
        self.next()?;
        let value = self.expression()?;
        let span = target.span.to(self.consumed);
        Ok(node(ExprKind::Assign { op, target: Box::new(target), value: Box::new(value) }, span, token))
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let cond = self.binary(level::LOGICAL_OR)?;
        let Some(token) = self.accept_op("?")? else { return Ok(cond) };
        let then = self.expression()?;
        self.expect_op(":")?;
        let otherwise = match self.context.dialect.assigns_in_ternary {
            true => self.expression()?,
            false => self.nested(|parser| parser.ternary())?,
        };
        let span = cond.span.to(self.consumed);
        let kind = ExprKind::Ternary { cond: Box::new(cond), then: Box::new(then), otherwise: Box::new(otherwise) };
        Ok(node(kind, span, token))
    }

    /// Operators of `min` and tighter.
    fn binary(&mut self, min: u8) -> Parsed<Expr> {
        let has_list = min <= level::IN && self.peek_op("[")?;
        let mut left = if has_list { self.key_list()? } else { self.unary()? };
        // The level of what is in `left`: an operand of a tighter operator cannot be taken apart again.
        let is_membership = has_list && matches!(left.kind, ExprKind::In { .. });
        let mut have = if is_membership { level::IN } else { level::UNARY };
        loop {
            let Some(token) = self.peek()? else { return Ok(left) };
            let start = left.span;
            let op = match token.kind {
                Kind::Op(op) => op,
                Kind::Keyword("in") if min <= level::IN && have > level::IN => {
                    left = self.membership(vec![Some(left)])?;
                    left.span = start.to(self.consumed);
                    have = level::IN;
                    continue;
                }
                _ => return Ok(left),
            };
            match op {
                "." if min <= level::CONCAT && have >= level::CONCAT => {
                    left = self.concatenation(left)?;
                    have = level::CONCAT;
                    continue;
                }
                "=~" | "!~" if min <= level::COMPARE && have > level::COMPARE => {
                    left = self.regex(left, op == "!~")?;
                    // Nothing compares with it without parentheses.
                    have = level::IN + 1;
                    if self
                        .peek_is(|t| matches!(t.kind, Kind::Op("==" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~")))?
                    {
                        return Ok(left);
                    }
                    continue;
                }
                _ => {}
            }
            let Some((level, infix)) = infix(op) else { return Ok(left) };
            if level < min || level > have {
                return Ok(left);
            }
            self.count_operator()?;
            self.next()?;
            let right = self.binary(level + 1)?;
            let (left_box, right) = (Box::new(left), Box::new(right));
            let kind = match infix {
                Infix::Binary(op) => ExprKind::Binary { op, left: left_box, right },
                Infix::Logical(op) => ExprKind::Logical { op, left: left_box, right },
                Infix::Compare(op) => ExprKind::Compare { op, left: left_box, right },
            };
            left = node(kind, start.to(self.consumed), token);
            have = level;
        }
    }

    pub(super) fn count_operator(&mut self) -> Parsed<()> {
        self.n_operators += 1;
        if self.n_operators > MAX_OPERATORS { Err(self.fail(say::nested_too_deeply())) } else { Ok(()) }
    }

    /// `[a, *] in x`; a list of one without `in` is that one.
    fn key_list(&mut self) -> Parsed<Expr> {
        let open = self.next()?;
        let mut keys = self.index_list(say::expected_either)?;
        if self.peek_keyword("in")? {
            let mut expr = self.membership(keys)?;
            expr.span = open.span.to(self.consumed);
            return Ok(expr);
        }
        match keys.pop() {
            Some(Some(only)) if keys.is_empty() => Ok(only),
            _ => Err(self.fail(say::list_without_in())),
        }
    }

    fn membership(&mut self, keys: Vec<Option<Expr>>) -> Parsed<Expr> {
        let token = self.next()?;
        self.count_operator()?;
        let array = Box::new(self.indexable()?);
        Ok(node(ExprKind::In { keys, array }, self.consumed, token))
    }

    /// Keys up to the `]`, after the `[`; `*` alone is any key.
    pub(super) fn index_list(&mut self, expected: fn(&str, &str) -> Diagnostic) -> Parsed<Vec<Option<Expr>>> {
        let mut keys = Vec::new();
        loop {
            if self.accept_op("*")?.is_some() {
                keys.push(None);
            } else {
                keys.push(Some(self.expression()?));
            }
            let separator = self.next()?;
            match separator.kind {
                Kind::Op(",") => {}
                Kind::Op("]") => return Ok(keys),
                _ => return Err(self.fail(expected(",", "]"))),
            }
        }
    }

    fn concatenation(&mut self, first: Expr) -> Parsed<Expr> {
        let start = first.span;
        let mut parts = vec![first];
        let mut at = start;
        while let Some(token) = self.accept_op(".")? {
            at = token.span;
            parts.push(self.binary(level::CONCAT + 1)?);
        }
        Ok(Expr { kind: ExprKind::Concat(parts), span: self.since(start), at })
    }

    fn regex(&mut self, left: Expr, negated: bool) -> Parsed<Expr> {
        let token = self.next()?;
        let literal = self.next()?;
        if !matches!(literal.kind, Kind::Str) {
            return Err(self.fail(say::expected_literal_string()));
        }
        let pattern = self.glued_strings(literal)?;
        let pattern_span = self.since(literal.span);
        self.spell_as(literal.span, pattern_span);
        let span = left.span.to(self.consumed);
        Ok(node(ExprKind::Regex { negated, left: Box::new(left), pattern, pattern_span }, span, token))
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let Some(token) = self.peek()? else { return self.value() };
        let op = match token.kind {
            Kind::Op("+") => UnaryOp::Plus,
            Kind::Op("-") => UnaryOp::Neg,
            Kind::Op("!") => UnaryOp::Not,
            Kind::Op("~") => UnaryOp::BitNot,
            _ => return self.crement(),
        };
        self.next()?;
        let expr = Box::new(self.nested(|parser| parser.unary())?);
        Ok(node(ExprKind::Unary { op, expr }, self.since(token.span), token))
    }

    fn crement(&mut self) -> Parsed<Expr> {
        let is_crement = |t: &Token| t.is_op("++") || t.is_op("--");
        if let Some(token) = self.peek()?
            && is_crement(token)
        {
            self.next()?;
            let target = Box::new(self.context_value()?);
            let kind = ExprKind::Crement { increment: token.is_op("++"), prefix: true, target };
            return Ok(node(kind, self.since(token.span), token));
        }
        let target = self.context_value()?;
        if let Some(token) = self.peek()?
            && is_crement(token)
        {
            self.next()?;
            let span = target.span.to(self.consumed);
            let kind = ExprKind::Crement { increment: token.is_op("++"), prefix: false, target: Box::new(target) };
            return Ok(node(kind, span, token));
        }
        Ok(target)
    }

    /// A value with `&` in front and `->m`, `[e]`, `$` behind.
    fn context_value(&mut self) -> Parsed<Expr> {
        let ampersand = self.accept_op("&")?;
        let base = self.value()?;
        // Most values are only that.
        if ampersand.is_none()
            && self.context.dialect.autocast
            && !matches!(base.kind, ExprKind::Context(_))
            && !self.peek_is(looks_inside)?
        {
            return Ok(base);
        }
        let start = ampersand.map_or(base.span, |t| t.span);
        let mut at = base.at;
        // The name of `$x` may already carry its `$$`.
        let (mut context, bare) = match base.kind {
            // What has an `&` already stood in parentheses.
            ExprKind::Context(context) if !context.address_of => (*context, None),
            kind => {
                let empty = ContextVar {
                    base: ContextBase::Var(Arc::from("")),
                    path: Vec::new(),
                    address_of: false,
                    pretty: None,
                };
                (empty, Some(Expr { kind, ..base }))
            }
        };
        // What looks into a value without a type of its own is named by how it does.
        let operator = ampersand.or(self.tokens.get(self.pos));
        while context.pretty.is_none() && (bare.is_none() || self.context.dialect.autocast) {
            let Some(token) = self.peek()? else { break };
            match token.kind {
                Kind::Op("->") => {
                    self.next()?;
                    let member = self.next()?;
                    if !matches!(member.kind, Kind::Ident | Kind::Keyword(_)) {
                        return Err(self.fail(say::expected_member()));
                    }
                    let (name, pretty) = split_pretty(member.name());
                    context.path.push(ContextStep::Member(Name { text: name.into(), span: member.span }));
                    context.pretty = pretty;
                }
                Kind::Op("[") => {
                    self.next()?;
                    let index = self.expression()?;
                    self.expect_op("]")?;
                    context.path.push(ContextStep::Index(index));
                }
                Kind::Ident if token.glued && token.name() == "$" => {
                    self.next()?;
                    context.pretty = Some(Pretty::Shallow);
                }
                Kind::Ident if token.glued && token.name() == "$$" => {
                    self.next()?;
                    context.pretty = Some(Pretty::Deep);
                }
                _ => break,
            }
        }
        if context.pretty.is_some() && (self.peek_op("->")? || self.peek_op("[")?) {
            self.next()?;
            return Err(self.fail(say::pretty_goes_on()));
        }
        context.address_of = ampersand.is_some();
        if let Some(bare) = bare {
            if context.path.is_empty() && !context.address_of && context.pretty.is_none() {
                return Ok(bare);
            }
            at = operator.map_or(at, |operator| operator.span);
            context.base = ContextBase::Auto(Box::new(bare));
        }
        Ok(Expr { kind: ExprKind::Context(Box::new(context)), span: self.since(start), at })
    }

    fn value(&mut self) -> Parsed<Expr> {
        let Some(token) = self.peek()? else { return Err(self.fail(say::expected_value())) };
        match token.kind {
            Kind::Op("(") => {
                self.next()?;
                let mut expr = self.expression()?;
                let close = self.next()?;
                if !close.is_op(")") {
                    return Err(self.fail(say::expected_op(")")));
                }
                expr.span = self.since(token.span);
                Ok(expr)
            }
            Kind::Embedded => {
                if !self.context.guru {
                    self.goes_on = true;
                    return Err(self.fail(say::embedded_expr_needs_guru()));
                }
                self.next()?;
                Ok(node(ExprKind::Embedded(token.text.clone()), token.span, token))
            }
            Kind::Ident => self.name(),
            Kind::AtWord => self.at_word(),
            Kind::Op("@") => Err(self.fail(say::unknown_at_word("@", &[]))),
            _ => {
                let token = self.next()?;
                let kind = match token.kind {
                    Kind::Str => ExprKind::Str(self.glued_strings(token)?),
                    Kind::Number => ExprKind::Long(self.number(token, false)?),
                    _ => return Err(self.fail(say::expected_literal())),
                };
                Ok(node(kind, self.since(token.span), token))
            }
        }
    }

    /// `x`, `x[k]`, `f(…)`, `print…(…)`, `$x`.
    fn name(&mut self) -> Parsed<Expr> {
        let token = self.next()?;
        let text = token.name();
        if let Some(name) = text.strip_prefix('$')
            && !name.is_empty()
        {
            let (name, pretty) = split_pretty(name);
            let context =
                ContextVar { base: ContextBase::Var(name.into()), path: Vec::new(), address_of: false, pretty };
            return Ok(node(ExprKind::Context(Box::new(context)), token.span, token));
        }
        if let Some(family) = print_family(text) {
            return self.print(token, family);
        }
        if self.accept_op("(")?.is_some() {
            let args = self.call_args()?;
            return Ok(node(ExprKind::Call { name: name_of(token), args }, self.since(token.span), token));
        }
        let var = node(ExprKind::Var(text.into()), token.span, token);
        if self.accept_op("[")?.is_some() {
            let keys = self.index_list(|_, _| say::expected_index_separator())?;
            return Ok(node(ExprKind::Index { base: Box::new(var), keys }, self.since(token.span), token));
        }
        Ok(var)
    }

    /// Arguments up to the `)`, after the `(`.
    fn call_args(&mut self) -> Parsed<Vec<Expr>> {
        if self.accept_op(")")?.is_some() {
            return Ok(Vec::new());
        }
        self.separated_args(1, say::expected_call_separator)
    }

    /// So many arguments or more, up to the `)` behind them.
    fn separated_args(&mut self, at_least: usize, expected: fn() -> Diagnostic) -> Parsed<Vec<Expr>> {
        let mut args = Vec::new();
        loop {
            args.push(self.expression()?);
            let separator = self.next()?;
            match separator.kind {
                Kind::Op(")") if args.len() >= at_least => return Ok(args),
                // One that comes too early is passed over, as by SystemTap; what it complains of is what comes next.
                Kind::Op("," | ")") => {}
                _ => return Err(self.fail(expected())),
            }
        }
    }

    fn print(&mut self, token: &'t Token, (to_string, newline, shape): (bool, bool, &str)) -> Parsed<Expr> {
        self.expect_op("(")?;
        let shape = match shape {
            "plain" => PrintShape::Plain,
            "char" => PrintShape::Char,
            _ => {
                let literal = self.next()?;
                if !matches!(literal.kind, Kind::Str) {
                    return Err(self.fail(say::expected_literal_string()));
                }
                let bytes = self.glued_strings(literal)?;
                if shape == "format" {
                    let format = format::parse(&bytes).map_err(|message| {
                        // Named after what follows the literal, which has been looked at for gluing.
                        self.fail(say::format_invalid(message))
                    })?;
                    // Not all of a spelling is in a format.
                    let spelling = format.to_bytes() != *bytes;
                    if spelling && !self.script.spellings.contains_key(&literal.span) {
                        self.script.spellings.insert(literal.span, literal.spelled().into());
                    }
                    self.spell_as(literal.span, token.span);
                    PrintShape::Format(format)
                } else {
                    self.spell_as(literal.span, token.span);
                    PrintShape::Delimited(bytes)
                }
            }
        };
        let args = match shape {
            PrintShape::Format(_) | PrintShape::Delimited(_) => {
                let at_least = if matches!(shape, PrintShape::Delimited(_)) { 2 } else { 1 };
                let separator = self.next()?;
                match separator.kind {
                    Kind::Op(",") => self.separated_args(at_least, say::expected_print_separator)?,
                    Kind::Op(")") if at_least == 2 => self.separated_args(2, say::expected_print_separator)?,
                    Kind::Op(")") => Vec::new(),
                    _ => return Err(self.fail(say::expected_print_separator())),
                }
            }
            PrintShape::Plain if newline && self.accept_op(")")?.is_some() => Vec::new(),
            PrintShape::Plain if self.peek_is(|t| matches!(t.name(), "@hist_log" | "@hist_linear"))? => {
                self.histogram_to_print()?
            }
            PrintShape::Plain | PrintShape::Char => self.separated_args(1, say::expected_print_separator)?,
        };
        let print = Print { name: name_of(token), to_string, newline, shape, args };
        Ok(node(ExprKind::Print(Box::new(print)), self.since(token.span), token))
    }

    /// A histogram prints itself, and nothing stands beside it; a bucket of one is a value as others.
    fn histogram_to_print(&mut self) -> Parsed<Vec<Expr>> {
        let before = self.pos;
        let token = self.next()?;
        let hist = self.histogram(token)?;
        if self.peek_op("[")? {
            self.pos = before;
            return self.separated_args(1, say::expected_print_separator);
        }
        self.expect_op(")")?;
        Ok(vec![hist])
    }

    fn string_arg(&mut self) -> Parsed<Arc<[u8]>> {
        let token = self.next()?;
        if !matches!(token.kind, Kind::Str) {
            return Err(self.fail(say::expected_string()));
        }
        self.glued_strings(token)
    }

    fn optional_string_arg(&mut self) -> Parsed<Option<Arc<[u8]>>> {
        if self.accept_op(",")?.is_some() { self.string_arg().map(Some) } else { Ok(None) }
    }

    fn at_word(&mut self) -> Parsed<Expr> {
        let token = self.next()?;
        let word = token.name();
        if let Some(op) = stat_op(word) {
            return self.statistic(token, op);
        }
        if matches!(word, "@hist_log" | "@hist_linear") {
            let hist = self.histogram(token)?;
            if !self.peek_op("[")? {
                return Err(self.fail_at(token, say::bare_histogram()));
            }
            return self.bucket(hist, token);
        }
        if matches!(word, "@kregister" | "@uregister" | "@kderef" | "@uderef" | "@const") && !self.context.guru {
            self.goes_on = true;
            return Err(self.fail(say::needs_guru(word)));
        }
        let kind = match word {
            "@cast" => {
                self.expect_op("(")?;
                let expr = Box::new(self.expression()?);
                self.expect_op(",")?;
                let type_name = self.string_arg()?;
                let module = self.optional_string_arg()?;
                context(ContextBase::Cast { expr, type_name, module })
            }
            "@var" => {
                self.expect_op("(")?;
                let name = self.string_arg()?;
                let module = self.optional_string_arg()?;
                context(ContextBase::AtVar { name, module })
            }
            "@defined" => {
                self.expect_op("(")?;
                ExprKind::Defined(Box::new(self.expression()?))
            }
            "@entry" => {
                self.expect_op("(")?;
                ExprKind::Entry(Box::new(self.expression()?))
            }
            "@perf" => {
                self.expect_op("(")?;
                let literal = self.next()?;
                if !matches!(literal.kind, Kind::Str) {
                    return Err(self.fail(say::expected_literal_string()));
                }
                ExprKind::Perf(self.glued_strings(literal)?)
            }
            "@const" | "@enum" | "@enumname" | "@kregister" | "@uregister" | "@kderef" | "@uderef" | "@probewrite" => {
                self.expect_op("(")?;
                let args = self.at_args(word)?;
                ExprKind::At { name: name_of(token), args }
            }
            _ => {
                let known = BUILTIN_AT_WORDS.iter().copied().chain(self.context.macro_names.iter().map(|name| &**name));
                return Err(self.fail(say::unknown_at_word(word, &similar::similar(word, known)[..2])));
            }
        };
        self.expect_op(")")?;
        Ok(node(kind, self.since(token.span), token))
    }

    /// The arguments of the operators that ask for constants, registers and raw memory.
    fn at_args(&mut self, word: &str) -> Parsed<Vec<Expr>> {
        match word {
            "@const" => {
                let start = self.peek()?.map_or(self.consumed, |token| token.span);
                let kind = ExprKind::Str(self.string_arg()?);
                Ok(vec![Expr { kind, span: self.since(start), at: start }])
            }
            "@enum" => Ok(vec![self.literal_string()?]),
            "@enumname" => {
                let mut args = vec![self.expression()?];
                while args.len() < 3 && self.accept_op(",")?.is_some() {
                    args.push(self.literal_string()?);
                }
                Ok(args)
            }
            "@probewrite" => {
                let name = self.identifier()?;
                Ok(vec![Expr { kind: ExprKind::Var(name.text), span: name.span, at: name.span }])
            }
            "@kregister" | "@uregister" => Ok(vec![self.literal_number()?]),
            _ => {
                let size = self.literal_number()?;
                self.expect_op(",")?;
                Ok(vec![size, self.expression()?])
            }
        }
    }

    fn literal_number(&mut self) -> Parsed<Expr> {
        let start = self.peek()?.map_or(self.consumed, |token| token.span);
        let kind = ExprKind::Long(self.expect_number()?);
        Ok(Expr { kind, span: self.since(start), at: start })
    }

    fn literal_string(&mut self) -> Parsed<Expr> {
        let token = self.next()?;
        if !matches!(token.kind, Kind::Str) {
            return Err(self.fail(say::expected_literal_string()));
        }
        let kind = ExprKind::Str(self.glued_strings(token)?);
        Ok(node(kind, self.since(token.span), token))
    }

    /// `(x)`, `(x, shift)` behind an extractor.
    fn statistic(&mut self, token: &'t Token, op: StatOp) -> Parsed<Expr> {
        self.expect_op("(")?;
        let target = Box::new(self.expression()?);
        let mut params = Vec::new();
        loop {
            let separator = self.next()?;
            match separator.kind {
                Kind::Op(")") => break,
                Kind::Op(",") => {
                    let allowed = usize::from(op == StatOp::Variance);
                    if params.len() == allowed {
                        return Err(self.fail_at(separator, say::too_many_stat_params(allowed)));
                    }
                    params.push(self.expect_number()?);
                }
                // SystemTap passes over what has no place here.
                _ => {}
            }
        }
        Ok(node(ExprKind::Stat { op, target, params }, self.since(token.span), token))
    }

    /// The rest of `@hist_log(x)` or `@hist_linear(x, start, stop, step)` after its name.
    pub(super) fn histogram(&mut self, token: &'t Token) -> Parsed<Expr> {
        self.expect_op("(")?;
        let target = Box::new(self.expression()?);
        let hist = if token.name() == "@hist_log" {
            HistOp::Log
        } else {
            let mut bounds = [0i64; 3];
            for bound in &mut bounds {
                self.expect_op(",")?;
                *bound = self.expect_number()?;
            }
            let [start, stop, step] = bounds;
            HistOp::Linear { start, stop, step }
        };
        self.expect_op(")")?;
        Ok(node(ExprKind::Hist { hist, target, index: None }, self.since(token.span), token))
    }

    /// `[i]` behind a histogram.
    fn bucket(&mut self, hist: Expr, token: &Token) -> Parsed<Expr> {
        self.expect_op("[")?;
        let mut keys = self.index_list(|_, _| say::expected_index_separator())?.into_iter();
        let Some(bucket) = keys.next().flatten().map(Box::new) else { return Err(self.fail(say::expected_value())) };
        let ExprKind::Hist { hist, target, .. } = hist.kind else { return Ok(hist) };
        Ok(node(ExprKind::Hist { hist, target, index: Some(bucket) }, self.since(token.span), token))
    }
}

fn context(base: ContextBase) -> ExprKind {
    ExprKind::Context(Box::new(ContextVar { base, path: Vec::new(), address_of: false, pretty: None }))
}
