//! The tree as `stap -p1` dumps it: every operand in parentheses, types and priorities of declarations left out.
//!
//! This form is for comparing with SystemTap's; [`print`](super::print) writes scripts people read.

use std::{borrow::Cow, collections::HashMap, fmt::Write, sync::Arc};

use super::{ast::*, print, token::escape};
use crate::source::Span;

/// The script of one file, its name in front.
pub fn file(name: &str, script: &Script) -> String {
    let mut dump = Dump { spellings: &script.spellings, prefix: "", out: format!("# file {name}\n") };
    dump.script(script);
    dump.out
}

/// A probe point; `resolved` as pass 2 shows one whose condition it has been through, its globals under their C names.
pub fn point(point: &ProbePoint, resolved: bool, spellings: &Spellings) -> String {
    let prefix = if resolved { "__global_" } else { "" };
    let mut dump = Dump { spellings, prefix, out: String::new() };
    dump.point(point);
    dump.out
}

/// What stands behind the names of a point: `?`, `!`, and the conditions of the point and of the aliases it came by,
/// innermost first.
pub fn suffix(point: &ProbePoint, conditions: &[&Expr], spellings: &Spellings) -> String {
    let mut dump = Dump { spellings, prefix: "__global_", out: String::new() };
    dump.mark(point);
    if let Some((first, others)) = conditions.split_first() {
        dump.put(" if (");
        dump.both(first, others);
        dump.put(")");
    }
    dump.out
}

type Spellings = HashMap<Span, Arc<[u8]>>;

struct Dump<'s> {
    spellings: &'s Spellings,
    /// In front of every variable.
    prefix: &'static str,
    out: String,
}

impl Dump<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn list<T>(&mut self, items: &[T], separator: &str, mut each: impl FnMut(&mut Self, &T)) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.put(separator);
            }
            each(self, item);
        }
    }

    fn script(&mut self, script: &Script) {
        for embedded in &script.embeds {
            self.embedded(&embedded.text);
        }
        for global in &script.globals {
            self.global(global);
        }
        for alias in &script.aliases {
            self.alias(alias);
        }
        for probe in &script.probes {
            self.put("probe ");
            self.list(&probe.points, ",", Self::point);
            self.stmt(&probe.body);
            self.put("\n");
        }
        for function in &script.functions {
            self.function(function);
        }
    }

    fn embedded(&mut self, code: &[u8]) {
        let _ = write!(self.out, "%{{{}%}}", String::from_utf8_lossy(code));
    }

    /// A literal's text between quotes, as it was spelt at `place`.
    fn string(&mut self, bytes: &[u8], place: Span) {
        let spelling = match self.spellings.get(&place) {
            Some(spelling) => String::from_utf8_lossy(spelling).replace('"', "\\\""),
            None => escape(bytes),
        };
        let _ = write!(self.out, "\"{spelling}\"");
    }

    fn global(&mut self, global: &Global) {
        let _ = write!(self.out, "global {}", global.name.text);
        if global.wrap {
            self.put("%");
        }
        if let Some((size, _)) = global.size {
            let _ = write!(self.out, "[{size}]");
        }
        if let Some(init) = &global.init {
            self.put(" = ");
            self.literal(init, global.name.span);
        }
        self.put("\n");
    }

    fn literal(&mut self, literal: &Literal, place: Span) {
        match literal {
            Literal::Long(value) => {
                let _ = write!(self.out, "{value}");
            }
            Literal::Str(bytes) => self.string(bytes, place),
        }
    }

    fn alias(&mut self, alias: &ProbeAlias) {
        self.put("probe ");
        self.list(&alias.names, " = ", Self::point);
        self.put(match alias.style {
            AliasStyle::Prologue => " = ",
            AliasStyle::Epilogue => " += ",
        });
        self.list(&alias.points, ", ", Self::point);
        self.stmt(&alias.body);
        self.put("\n");
    }

    fn function(&mut self, function: &Function) {
        let _ = write!(self.out, "function {} (", function.name.text);
        self.list(&function.params, ", ", |dump, param| dump.put(&param.name.text));
        self.put(")\n");
        match &function.body {
            FunctionBody::Block(body) => self.stmt(body),
            FunctionBody::Embedded(code) => self.embedded(&code.text),
        }
        self.put("\n");
    }

    fn point(&mut self, point: &ProbePoint) {
        self.list(&point.parts, ".", |dump, part| {
            dump.put(&part.name);
            if let Some(arg) = &part.arg {
                dump.put("(");
                dump.literal(arg, part.span);
                dump.put(")");
            }
        });
        self.mark(point);
        if let Some(condition) = &point.condition {
            self.put(" if (");
            self.expr(condition);
            self.put(")");
        }
    }

    fn mark(&mut self, point: &ProbePoint) {
        if point.sufficient {
            self.put("!");
        } else if point.optional {
            self.put("?");
        }
    }

    /// `(first) && (the others)`.
    fn both(&mut self, first: &Expr, others: &[&Expr]) {
        let Some((second, others)) = others.split_first() else { return self.expr(first) };
        self.operand(first);
        self.put(" && (");
        self.both(second, others);
        self.put(")");
    }

    /// Without the `;` a block puts behind each of its statements.
    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Null => self.put(";"),
            StmtKind::Block(stmts) => {
                self.put("{\n");
                for stmt in stmts {
                    self.stmt(stmt);
                    self.put(";\n");
                }
                self.put("}");
            }
            StmtKind::Expr(expr) => self.expr(expr),
            StmtKind::If { cond, then, otherwise } => {
                self.put("if (");
                self.expr(cond);
                self.put(") ");
                self.stmt(then);
                self.put("\n");
                if let Some(otherwise) = otherwise {
                    self.put("else ");
                    self.stmt(otherwise);
                    self.put("\n");
                }
            }
            StmtKind::While { cond, body } => self.r#for(None, Some(cond), None, body),
            StmtKind::For { init, cond, step, body } => self.r#for(init.as_ref(), cond.as_ref(), step.as_ref(), body),
            StmtKind::Foreach(foreach) => self.foreach(foreach),
            StmtKind::Return(value) => self.word("return", value.as_ref()),
            StmtKind::Delete(target) => self.word("delete", Some(target)),
            StmtKind::Break => self.put("break"),
            StmtKind::Continue => self.put("continue"),
            StmtKind::Next => self.put("next"),
            StmtKind::Try { body, var, catch } => {
                self.put("try {\n");
                self.stmt(body);
                self.put("\n} catch ");
                if let Some(var) = var {
                    let _ = write!(self.out, "({}) ", var.text);
                }
                self.put("{\n");
                self.stmt(catch);
                self.put("\n}\n");
            }
            StmtKind::Embedded(code) => self.embedded_value(code),
        }
    }

    fn word(&mut self, word: &str, expr: Option<&Expr>) {
        self.put(word);
        if let Some(expr) = expr {
            self.put(" ");
            self.expr(expr);
        }
    }

    fn r#for(&mut self, init: Option<&Expr>, cond: Option<&Expr>, step: Option<&Expr>, body: &Stmt) {
        self.put("for (");
        if let Some(init) = init {
            self.expr(init);
        }
        self.put("; ");
        match cond {
            Some(cond) => self.expr(cond),
            None => self.put("1"),
        }
        self.put("; ");
        if let Some(step) = step {
            self.expr(step);
        }
        self.put(") ");
        self.stmt(body);
    }

    fn foreach(&mut self, foreach: &Foreach) {
        let sign = |by: SortBy| match foreach.sort {
            Some(sort) if sort.by == by => {
                if sort.descending {
                    "-"
                } else {
                    "+"
                }
            }
            _ => "",
        };
        self.put("foreach (");
        if let Some(value) = &foreach.value {
            let _ = write!(self.out, "{} = ", value.text);
        }
        self.put("[");
        for (i, key) in foreach.keys.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            let _ = write!(self.out, "{separator}{}{}", key.text, sign(SortBy::Key(i)));
        }
        self.put("] in ");
        self.expr(&foreach.base);
        if let Some(slice) = &foreach.slice {
            self.keys(slice);
        }
        if let Some(Sort { by: by @ SortBy::Extractor(op), .. }) = foreach.sort {
            let _ = write!(self.out, " {}{}", print::stat_op(op), sign(by));
        }
        self.put(sign(SortBy::Value));
        if let Some(limit) = &foreach.limit {
            self.put(" limit ");
            self.expr(limit);
        }
        self.put(") ");
        self.stmt(&foreach.body);
    }

    fn keys(&mut self, keys: &[Option<Expr>]) {
        self.put("[");
        self.list(keys, ", ", |dump, key| match key {
            Some(key) => dump.expr(key),
            None => dump.put("*"),
        });
        self.put("]");
    }

    fn args(&mut self, args: &[Expr]) {
        self.list(args, ", ", Self::expr);
        self.put(")");
    }

    /// An operand: in parentheses, whatever it is.
    fn operand(&mut self, expr: &Expr) {
        self.put("(");
        self.expr(expr);
        self.put(")");
    }

    fn infix(&mut self, left: &Expr, op: &str, right: &Expr) {
        self.operand(left);
        let _ = write!(self.out, " {op} ");
        self.operand(right);
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Long(value) => {
                let _ = write!(self.out, "{value}");
            }
            ExprKind::Str(bytes) => self.string(bytes, expr.at),
            ExprKind::Var(name) => {
                self.put(self.prefix);
                self.put(name);
            }
            ExprKind::Index { base, keys } => {
                // Only a name is an array as it stands.
                if matches!(base.kind, ExprKind::Var(_)) {
                    self.expr(base)
                } else {
                    self.operand(base)
                }
                self.keys(keys);
            }
            ExprKind::Call { name, args } => {
                let _ = write!(self.out, "{}(", name.text);
                self.args(args);
            }
            ExprKind::At { name, args } => self.at(name, args),
            ExprKind::Unary { op, expr } => {
                self.put(print::unary_op(*op));
                self.operand(expr);
            }
            ExprKind::Binary { op, left, right } => self.infix(left, print::binary_op(*op), right),
            ExprKind::Logical { op, left, right } => self.infix(left, print::logical_op(*op), right),
            ExprKind::Compare { op, left, right } => self.infix(left, print::compare_op(*op), right),
            ExprKind::Assign { op, target, value } => self.infix(target, &print::assign_op(*op), value),
            ExprKind::Concat(parts) => {
                self.put("(");
                self.list(parts, " . ", Self::expr);
                self.put(")");
            }
            ExprKind::Regex { negated, left, pattern, pattern_span } => {
                self.operand(left);
                self.put(if *negated { " !~ " } else { " =~ " });
                self.string(pattern, *pattern_span);
            }
            ExprKind::In { keys, array } => {
                self.keys(keys);
                self.put(" in ");
                self.expr(array);
            }
            ExprKind::Ternary { cond, then, otherwise } => {
                self.operand(cond);
                self.put("?");
                self.operand(then);
                self.put(":");
                self.operand(otherwise);
            }
            ExprKind::Crement { increment, prefix, target } => {
                let op = if *increment { "++" } else { "--" };
                self.put(if *prefix { op } else { "" });
                self.operand(target);
                self.put(if *prefix { "" } else { op });
            }
            ExprKind::Print(print) => self.print(print),
            ExprKind::Stat { op, target, params } => {
                let _ = write!(self.out, "{}(", print::stat_op(*op));
                self.expr(target);
                for param in params {
                    let _ = write!(self.out, ", {param}");
                }
                self.put(")");
            }
            ExprKind::Hist { hist, target, index } => {
                self.put(if *hist == HistOp::Log { "@hist_log(" } else { "@hist_linear(" });
                self.expr(target);
                if let HistOp::Linear { start, stop, step } = hist {
                    let _ = write!(self.out, ", {start}, {stop}, {step}");
                }
                self.put(")");
                if let Some(index) = index {
                    self.put("[");
                    self.expr(index);
                    self.put("]");
                }
            }
            ExprKind::Context(context) => self.context(context),
            ExprKind::Defined(inner) | ExprKind::Entry(inner) => {
                self.put(if matches!(expr.kind, ExprKind::Defined(_)) { "@defined(" } else { "@entry(" });
                self.expr(inner);
                self.put(")");
            }
            ExprKind::Perf(name) => {
                let _ = write!(self.out, "@perf(\"{}\")", escape(name));
            }
            ExprKind::Embedded(code) => self.embedded_value(code),
        }
    }

    /// Embedded code in the place of a value stands a blank apart.
    fn embedded_value(&mut self, code: &[u8]) {
        let _ = write!(self.out, "%{{ {} %}}", String::from_utf8_lossy(code));
    }

    fn at(&mut self, name: &Name, args: &[Expr]) {
        if let ("@const", Some(Expr { kind: ExprKind::Str(text), .. })) = (&*name.text, args.first()) {
            // What it is for SystemTap: a C expression that promises something.
            let text = String::from_utf8_lossy(text);
            let _ = write!(self.out, "%{{ /* pure */ /* unprivileged */ /* stable */ {text} %}}");
            return;
        }
        let _ = write!(self.out, "{}(", name.text);
        self.args(args);
    }

    fn print(&mut self, print: &Print) {
        let _ = write!(self.out, "{}(", print.name.text);
        let literal: Option<Cow<[u8]>> = match &print.shape {
            PrintShape::Plain | PrintShape::Char => None,
            PrintShape::Format(format) => Some(format.to_bytes().into()),
            PrintShape::Delimited(bytes) => Some((&**bytes).into()),
        };
        if let Some(bytes) = literal {
            // SystemTap escapes the escapes of a format once more.
            let spelling = match self.spellings.get(&print.name.span) {
                Some(spelling) => spelling.to_vec(),
                None => escape(&bytes).replace("\\\"", "\"").into_bytes(),
            };
            let _ = write!(self.out, "\"{}\"", escaped_twice(&spelling));
            if !print.args.is_empty() {
                self.put(", ");
            }
        }
        self.args(&print.args);
    }

    fn context(&mut self, context: &ContextVar) {
        if context.address_of {
            self.put("&");
        }
        match &context.base {
            ContextBase::Var(name) => {
                let _ = write!(self.out, "${name}");
            }
            ContextBase::AtVar { name, module } => {
                let _ = write!(self.out, "@var(\"{}\"", escape(name));
                self.module(module.as_deref());
            }
            ContextBase::Cast { expr, type_name, module } => {
                self.put("@cast(");
                self.expr(expr);
                let _ = write!(self.out, ", \"{}\"", escape(type_name));
                self.module(module.as_deref());
            }
            ContextBase::Auto(expr) => self.operand(expr),
        }
        for step in &context.path {
            match step {
                ContextStep::Member(name) => {
                    let _ = write!(self.out, "->{}", name.text);
                }
                ContextStep::Index(index) => {
                    self.put("[");
                    self.expr(index);
                    self.put("]");
                }
            }
        }
        self.put(match context.pretty {
            None => "",
            Some(Pretty::Shallow) => "->$",
            Some(Pretty::Deep) => "->$$",
        });
    }

    fn module(&mut self, module: Option<&[u8]>) {
        if let Some(module) = module {
            let _ = write!(self.out, ", \"{}\"", escape(module));
        }
        self.put(")");
    }
}

/// A spelling inside a literal again: backslashes and quotes escaped, bytes that are not ASCII text in octal.
fn escaped_twice(spelling: &[u8]) -> String {
    let mut out = String::new();
    for &byte in spelling {
        match byte {
            b'"' | b'\\' => out.extend(['\\', byte as char]),
            b' '..=b'~' => out.push(byte as char),
            _ => {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
    out
}
