//! Tree back to text: valid source that parses to the same tree. Parentheses stand only where they are needed.

use std::fmt::Write;

use super::{ast::*, token::escape};

/// The whole script, as `-p1` prints it.
pub fn script(script: &Script) -> String {
    let mut p = Printer::default();
    for embedded in &script.embeds {
        p.embedded(&embedded.text);
        p.line("");
    }
    for global in &script.globals {
        p.global(global);
    }
    for function in &script.functions {
        p.function(function);
    }
    for alias in &script.aliases {
        p.alias(alias);
    }
    for probe in &script.probes {
        p.probe(probe);
    }
    p.out
}

/// `kernel.function("x").return?`, its condition included.
pub fn probe_point(point: &ProbePoint) -> String {
    let mut p = Printer::default();
    p.point(point);
    p.out
}

/// One expression on one line.
pub fn expr(expr: &Expr) -> String {
    let mut p = Printer::default();
    p.expr(expr, Prec::Assign);
    p.out
}

/// A statement, indented by `depth` steps.
pub fn stmt(stmt: &Stmt, depth: usize) -> String {
    let mut p = Printer { depth, ..Printer::default() };
    p.stmt(stmt);
    p.out
}

/// How tightly an expression holds together, loosest first; one that is looser than its place wants gets parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prec {
    Assign,
    Ternary,
    LogicalOr,
    LogicalAnd,
    BitOr,
    BitXor,
    BitAnd,
    In,
    Compare,
    Shift,
    Concat,
    Add,
    Multiply,
    Unary,
    Crement,
    Value,
}

impl Prec {
    fn tighter(self) -> Prec {
        use Prec::*;
        const ORDER: [Prec; 16] = [
            Assign, Ternary, LogicalOr, LogicalAnd, BitOr, BitXor, BitAnd, In, Compare, Shift, Concat, Add, Multiply,
            Unary, Crement, Value,
        ];
        ORDER[(self as usize + 1).min(ORDER.len() - 1)]
    }

    fn of(expr: &Expr) -> Prec {
        match &expr.kind {
            ExprKind::Assign { .. } => Prec::Assign,
            ExprKind::Ternary { .. } => Prec::Ternary,
            ExprKind::Logical { op: LogicalOp::Or, .. } => Prec::LogicalOr,
            ExprKind::Logical { op: LogicalOp::And, .. } => Prec::LogicalAnd,
            ExprKind::Binary { op, .. } => Prec::of_binary(*op),
            ExprKind::In { .. } => Prec::In,
            ExprKind::Compare { .. } | ExprKind::Regex { .. } => Prec::Compare,
            ExprKind::Concat(_) => Prec::Concat,
            ExprKind::Unary { .. } => Prec::Unary,
            ExprKind::Crement { .. } => Prec::Crement,
            _ => Prec::Value,
        }
    }

    fn of_binary(op: BinaryOp) -> Prec {
        match op {
            BinaryOp::Add | BinaryOp::Sub => Prec::Add,
            BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => Prec::Multiply,
            BinaryOp::And => Prec::BitAnd,
            BinaryOp::Or => Prec::BitOr,
            BinaryOp::Xor => Prec::BitXor,
            BinaryOp::Shl | BinaryOp::Shr | BinaryOp::Lsr => Prec::Shift,
        }
    }
}

/// The spelling of a binary operator.
pub fn binary_op(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
        BinaryOp::And => "&",
        BinaryOp::Or => "|",
        BinaryOp::Xor => "^",
        BinaryOp::Shl => "<<",
        BinaryOp::Shr => ">>",
        BinaryOp::Lsr => ">>>",
    }
}

pub fn compare_op(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    }
}

pub fn logical_op(op: LogicalOp) -> &'static str {
    match op {
        LogicalOp::And => "&&",
        LogicalOp::Or => "||",
    }
}

pub fn unary_op(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Plus => "+",
        UnaryOp::Neg => "-",
        UnaryOp::Not => "!",
        UnaryOp::BitNot => "~",
    }
}

/// The spelling of an assignment operator.
pub fn assign_op(op: AssignOp) -> String {
    match op {
        AssignOp::Set => "=".to_owned(),
        AssignOp::Accumulate => "<<<".to_owned(),
        AssignOp::Concat => ".=".to_owned(),
        AssignOp::Binary(op) => format!("{}=", binary_op(op)),
    }
}

/// `@count` and so on.
pub fn stat_op(op: StatOp) -> &'static str {
    match op {
        StatOp::Count => "@count",
        StatOp::Sum => "@sum",
        StatOp::Min => "@min",
        StatOp::Max => "@max",
        StatOp::Avg => "@avg",
        StatOp::Variance => "@variance",
    }
}

pub fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Long(value) => value.to_string(),
        Literal::Str(bytes) => format!("\"{}\"", escape(bytes)),
    }
}

#[derive(Default)]
struct Printer {
    out: String,
    depth: usize,
}

impl Printer {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn list<T>(&mut self, items: &[T], separator: &str, mut each: impl FnMut(&mut Self, &T)) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.put(separator);
            }
            each(self, item);
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        let _ = write!(self.out, "\"{}\"", escape(bytes));
    }

    fn embedded(&mut self, text: &[u8]) {
        let _ = write!(self.out, "%{{{}%}}", String::from_utf8_lossy(text));
    }

    fn global(&mut self, global: &Global) {
        self.put(if global.private { "private global " } else { "global " });
        self.put(&global.name.text);
        if global.wrap {
            self.put("%");
        }
        if let Some((size, _)) = global.size {
            let _ = write!(self.out, "[{size}]");
        }
        if let Some(init) = &global.init {
            let _ = write!(self.out, " = {}", literal(init));
        }
        self.line("");
    }

    fn function(&mut self, function: &Function) {
        self.put(if function.private { "private function " } else { "function " });
        self.put(&function.name.text);
        if let Some(ty) = function.ret {
            let _ = write!(self.out, ":{ty}");
        }
        self.put("(");
        self.list(&function.params, ", ", |p, param| {
            p.put(&param.name.text);
            if let Some(ty) = param.ty {
                let _ = write!(p.out, ":{ty}");
            }
        });
        self.put(")");
        if let Some(priority) = function.priority {
            let _ = write!(self.out, ":{priority}");
        }
        self.put(" ");
        match &function.body {
            FunctionBody::Block(body) => self.block(body),
            FunctionBody::Embedded(code) => self.embedded(&code.text),
        }
        self.line("");
    }

    fn alias(&mut self, alias: &ProbeAlias) {
        self.put("probe ");
        let op = match alias.style {
            AliasStyle::Prologue => " = ",
            AliasStyle::Epilogue => " += ",
        };
        self.list(&alias.names, " = ", |p, name| p.point(name));
        self.put(op);
        self.list(&alias.points, ", ", |p, point| p.point(point));
        self.put(" ");
        self.block(&alias.body);
        if let Some(epilogue) = &alias.epilogue {
            self.put(", ");
            self.block(epilogue);
        }
        self.line("");
    }

    fn probe(&mut self, probe: &Probe) {
        self.put("probe ");
        self.list(&probe.points, ", ", |p, point| p.point(point));
        self.put(" ");
        self.block(&probe.body);
        self.line("");
    }

    fn point(&mut self, point: &ProbePoint) {
        self.list(&point.parts, ".", |p, part| {
            p.put(&part.name);
            if let Some(arg) = &part.arg {
                let _ = write!(p.out, "({})", literal(arg));
            }
        });
        if point.optional {
            self.put("?");
        }
        if point.sufficient {
            self.put("!");
        }
        if let Some(condition) = &point.condition {
            self.put(" if (");
            self.expr(condition, Prec::Assign);
            self.put(")");
        }
    }

    /// A block, or a statement in braces, without a newline behind.
    fn block(&mut self, stmt: &Stmt) {
        let StmtKind::Block(list) = &stmt.kind else {
            self.line("{");
            self.depth += 1;
            self.stmt(stmt);
            self.depth -= 1;
            self.indent();
            self.put("}");
            return;
        };
        if list.is_empty() {
            self.put("{}");
            return;
        }
        self.line("{");
        self.depth += 1;
        list.iter().for_each(|s| self.stmt(s));
        self.depth -= 1;
        self.indent();
        self.put("}");
    }

    /// What stands behind `if (…)` and the like: a block on the same line, or one statement on the next.
    fn body(&mut self, stmt: &Stmt) {
        if matches!(stmt.kind, StmtKind::Block(_)) {
            self.put(" ");
            self.block(stmt);
            self.line("");
        } else {
            self.line("");
            self.depth += 1;
            self.stmt(stmt);
            self.depth -= 1;
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        self.indent();
        match &stmt.kind {
            StmtKind::Null => self.line(";"),
            StmtKind::Block(_) => {
                self.block(stmt);
                self.line("");
            }
            StmtKind::Expr(expr) => self.simple("", Some(expr)),
            StmtKind::If { cond, then, otherwise } => {
                self.head("if (", cond);
                let Some(otherwise) = otherwise else {
                    self.body(then);
                    return;
                };
                // Braces keep an `else` from going to an inner `if`.
                if matches!(then.kind, StmtKind::Block(_)) || ends_in_open_if(then) {
                    self.put(" ");
                    self.block(then);
                    self.put(" ");
                } else {
                    self.body(then);
                    self.indent();
                }
                if let StmtKind::If { .. } = otherwise.kind {
                    self.put("else ");
                    let text = self.out.len();
                    self.stmt(otherwise);
                    // `else if` on one line: take the inner indentation out again.
                    let indent = 2 * self.depth;
                    self.out.replace_range(text..text + indent, "");
                } else {
                    self.put("else");
                    self.body(otherwise);
                }
            }
            StmtKind::While { cond, body } => {
                self.head("while (", cond);
                self.body(body);
            }
            StmtKind::For { init, cond, step, body } => {
                self.put("for (");
                for (part, end) in [(init, "; "), (cond, "; "), (step, ")")] {
                    if let Some(expr) = part {
                        self.expr(expr, Prec::Assign);
                    }
                    self.put(end);
                }
                self.body(body);
            }
            StmtKind::Foreach(foreach) => self.foreach(foreach),
            StmtKind::Return(value) => self.simple("return", value.as_ref()),
            StmtKind::Delete(target) => self.simple("delete", Some(target)),
            StmtKind::Break => self.simple("break", None),
            StmtKind::Continue => self.simple("continue", None),
            StmtKind::Next => self.simple("next", None),
            StmtKind::Try { body, var, catch } => {
                self.put("try ");
                self.block(body);
                self.put(" catch ");
                if let Some(var) = var {
                    let _ = write!(self.out, "({}) ", var.text);
                }
                self.block(catch);
                self.line("");
            }
            StmtKind::Embedded(text) => {
                self.embedded(text);
                self.line("");
            }
        }
    }

    fn head(&mut self, start: &str, cond: &Expr) {
        self.put(start);
        self.expr(cond, Prec::Assign);
        self.put(")");
    }

    fn simple(&mut self, word: &str, expr: Option<&Expr>) {
        self.put(word);
        if let Some(expr) = expr {
            if !word.is_empty() {
                self.put(" ");
            }
            self.expr(expr, Prec::Assign);
        }
        self.line(";");
    }

    fn foreach(&mut self, foreach: &Foreach) {
        let mark = |p: &mut Self, by: SortBy| {
            if let Some(sort) = foreach.sort
                && sort.by == by
            {
                p.put(if sort.descending { "-" } else { "+" });
            }
        };
        self.put("foreach (");
        if let Some(value) = &foreach.value {
            let _ = write!(self.out, "{} = ", value.text);
        }
        self.put("[");
        for (i, key) in foreach.keys.iter().enumerate() {
            if i > 0 {
                self.put(", ");
            }
            self.put(&key.text);
            mark(self, SortBy::Key(i));
        }
        self.put("] in ");
        self.expr(&foreach.base, Prec::Value);
        if let Some(slice) = &foreach.slice {
            self.keys(slice);
        }
        if let Some(Sort { by: SortBy::Extractor(op), .. }) = foreach.sort {
            let _ = write!(self.out, " {}", stat_op(op));
            mark(self, SortBy::Extractor(op));
        }
        mark(self, SortBy::Value);
        if let Some(limit) = &foreach.limit {
            self.put(" limit ");
            self.expr(limit, Prec::Assign);
        }
        self.put(")");
        self.body(&foreach.body);
    }

    fn keys(&mut self, keys: &[Option<Expr>]) {
        self.put("[");
        self.list(keys, ", ", |p, key| match key {
            Some(key) => p.expr(key, Prec::Assign),
            None => p.put("*"),
        });
        self.put("]");
    }

    fn args(&mut self, args: &[Expr]) {
        self.put("(");
        self.list(args, ", ", |p, arg| p.expr(arg, Prec::Assign));
        self.put(")");
    }

    /// `expr` in a place that wants at least `min`.
    fn expr(&mut self, expr: &Expr, min: Prec) {
        let prec = Prec::of(expr);
        if prec < min {
            self.put("(");
            self.bare(expr, prec);
            self.put(")");
        } else {
            self.bare(expr, prec);
        }
    }

    fn infix(&mut self, left: &Expr, op: &str, right: &Expr, prec: Prec) {
        self.expr(left, prec);
        let _ = write!(self.out, " {op} ");
        self.expr(right, prec.tighter());
    }

    fn bare(&mut self, expr: &Expr, prec: Prec) {
        match &expr.kind {
            // Hexadecimal numbers wrap to negative ones; `-1` would be an operator and a number.
            ExprKind::Long(value) if *value < 0 => {
                let _ = write!(self.out, "{value:#x}");
            }
            ExprKind::Long(value) => {
                let _ = write!(self.out, "{value}");
            }
            ExprKind::Str(bytes) => self.string(bytes),
            ExprKind::Var(name) => self.put(name),
            ExprKind::Index { base, keys } => {
                self.expr(base, Prec::Value);
                self.keys(keys);
            }
            ExprKind::Call { name, args } | ExprKind::At { name, args } => {
                self.put(&name.text);
                self.args(args);
            }
            ExprKind::Unary { op, expr } => {
                self.put(unary_op(*op));
                let text = self.out.len();
                self.expr(expr, Prec::Unary);
                // `- -x`, not `--x`.
                let spelling = unary_op(*op);
                if self.out[text..].starts_with(spelling) && matches!(op, UnaryOp::Neg | UnaryOp::Plus) {
                    self.out.insert(text, ' ');
                }
            }
            ExprKind::Binary { op, left, right } => self.infix(left, binary_op(*op), right, prec),
            ExprKind::Logical { op, left, right } => self.infix(left, logical_op(*op), right, prec),
            ExprKind::Compare { op, left, right } => {
                // A regex match cannot be compared without parentheses.
                let left_min = if matches!(left.kind, ExprKind::Regex { .. }) { Prec::Shift } else { prec };
                self.expr(left, left_min);
                let _ = write!(self.out, " {} ", compare_op(*op));
                self.expr(right, prec.tighter());
            }
            ExprKind::Concat(parts) => self.list(parts, " . ", |p, part| p.expr(part, Prec::Add)),
            ExprKind::Regex { negated, left, pattern, .. } => {
                self.expr(left, Prec::Shift);
                self.put(if *negated { " !~ " } else { " =~ " });
                self.string(pattern);
            }
            ExprKind::In { keys, array } => {
                self.keys(keys);
                self.put(" in ");
                self.expr(array, Prec::Value);
            }
            ExprKind::Ternary { cond, then, otherwise } => {
                self.expr(cond, Prec::LogicalOr);
                self.put(" ? ");
                self.expr(then, Prec::Assign);
                self.put(" : ");
                self.expr(otherwise, Prec::Ternary);
            }
            ExprKind::Assign { op, target, value } => {
                self.expr(target, Prec::Ternary);
                let _ = write!(self.out, " {} ", assign_op(*op));
                self.expr(value, Prec::Assign);
            }
            ExprKind::Crement { increment, prefix, target } => {
                let op = if *increment { "++" } else { "--" };
                if *prefix {
                    self.put(op);
                }
                self.expr(target, Prec::Value);
                if !*prefix {
                    self.put(op);
                }
            }
            ExprKind::Print(print) => self.print(print),
            ExprKind::Stat { op, target, params } => {
                let _ = write!(self.out, "{}(", stat_op(*op));
                self.expr(target, Prec::Assign);
                for param in params {
                    let _ = write!(self.out, ", {param}");
                }
                self.put(")");
            }
            ExprKind::Hist { hist, target, index } => {
                self.put(if *hist == HistOp::Log { "@hist_log(" } else { "@hist_linear(" });
                self.expr(target, Prec::Assign);
                if let HistOp::Linear { start, stop, step } = hist {
                    let _ = write!(self.out, ", {start}, {stop}, {step}");
                }
                self.put(")");
                if let Some(index) = index {
                    self.put("[");
                    self.expr(index, Prec::Assign);
                    self.put("]");
                }
            }
            ExprKind::Context(context) => self.context(context),
            ExprKind::Defined(inner) | ExprKind::Entry(inner) => {
                self.put(if matches!(expr.kind, ExprKind::Defined(_)) { "@defined(" } else { "@entry(" });
                self.expr(inner, Prec::Assign);
                self.put(")");
            }
            ExprKind::Perf(name) => {
                self.put("@perf(");
                self.string(name);
                self.put(")");
            }
            ExprKind::Embedded(text) => self.embedded(text),
        }
    }

    fn print(&mut self, print: &Print) {
        self.put(&print.name.text);
        self.put("(");
        match &print.shape {
            PrintShape::Plain | PrintShape::Char => {}
            PrintShape::Format(format) => self.string(&format.to_bytes()),
            PrintShape::Delimited(bytes) => self.string(bytes),
        }
        if !print.args.is_empty() {
            if matches!(print.shape, PrintShape::Format(_) | PrintShape::Delimited(_)) {
                self.put(", ");
            }
            self.list(&print.args, ", ", |p, arg| p.expr(arg, Prec::Assign));
        }
        self.put(")");
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
                self.put("@var(");
                self.string(name);
                self.module(module.as_deref());
            }
            ContextBase::Cast { expr, type_name, module } => {
                self.put("@cast(");
                self.expr(expr, Prec::Assign);
                self.put(", ");
                self.string(type_name);
                self.module(module.as_deref());
            }
            ContextBase::Auto(expr) => {
                // The printed form must not read as something longer: `(x)->y` is safe for everything but names.
                let simple = matches!(
                    expr.kind,
                    ExprKind::Var(_) | ExprKind::Index { .. } | ExprKind::Call { .. } | ExprKind::Entry(_)
                );
                let looks_like_array = matches!(expr.kind, ExprKind::Var(_))
                    && matches!(context.path.first(), Some(ContextStep::Index(_)));
                if simple && !looks_like_array {
                    self.expr(expr, Prec::Value);
                } else {
                    self.put("(");
                    self.expr(expr, Prec::Assign);
                    self.put(")");
                }
            }
        }
        for step in &context.path {
            match step {
                ContextStep::Member(name) => {
                    let _ = write!(self.out, "->{}", name.text);
                }
                ContextStep::Index(index) => {
                    self.put("[");
                    self.expr(index, Prec::Assign);
                    self.put("]");
                }
            }
        }
        match context.pretty {
            None => {}
            Some(Pretty::Shallow) => self.put("$"),
            Some(Pretty::Deep) => self.put("$$"),
        }
    }

    fn module(&mut self, module: Option<&[u8]>) {
        if let Some(module) = module {
            self.put(", ");
            self.string(module);
        }
        self.put(")");
    }
}

/// Whether an `else` behind this statement would belong to an `if` inside it.
fn ends_in_open_if(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::If { otherwise, .. } => otherwise.as_ref().is_none_or(|s| ends_in_open_if(s)),
        StmtKind::While { body, .. } | StmtKind::For { body, .. } => ends_in_open_if(body),
        StmtKind::Foreach(foreach) => ends_in_open_if(&foreach.body),
        _ => false,
    }
}
