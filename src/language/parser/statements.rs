//! Statements.

use super::{Parsed, Parser, Recovery, declarations::name_of, starts_declaration};
use crate::{
    diagnostics::catalogue::parse as say,
    language::{
        ast::*,
        token::{Kind, Token},
    },
    source::Span,
};

impl Parser<'_> {
    /// `{ … }`.
    pub(super) fn block(&mut self) -> Parsed<Stmt> {
        let start = self.expect_op("{")?.span;
        let mut list = Vec::new();
        loop {
            let before = self.pos;
            match self.block_step() {
                Ok(Some(statement)) => list.push(statement),
                Ok(None) => break,
                Err(diagnostic) if self.context.recovery == Recovery::Declarations => return Err(diagnostic),
                Err(diagnostic) => {
                    if self.diagnostics.iter().last() != Some(&*diagnostic) {
                        self.diagnostics.push(*diagnostic);
                    }
                    if !self.resync_statement(before) {
                        break;
                    }
                }
            }
        }
        Ok(Stmt { kind: StmtKind::Block(list), span: self.since(start) })
    }

    /// A statement of a block, `None` at its `}`.
    fn block_step(&mut self) -> Parsed<Option<Stmt>> {
        if self.accept_op("}")?.is_some() {
            return Ok(None);
        }
        // What nests in this statement shares its budget; the next one does not nest in it.
        let n_operators = self.n_operators;
        let result = self.nested(|parser| parser.statement()).map(Some);
        self.n_operators = n_operators;
        result
    }

    /// After an error in the statement that began at token `before`: skips what is left of it. False when the block
    /// is given up.
    fn resync_statement(&mut self, before: usize) -> bool {
        // The token that was wrong may be the one to go on at: in `x = ; y = 1` it is the `;`.
        match self.pos - before {
            0 => self.pos += 1,
            1 => {}
            _ => self.pos -= 1,
        }
        let mut depth = 0usize;
        while let Some(token) = self.tokens.get(self.pos) {
            match token.kind {
                Kind::Embedded => {}
                _ if starts_declaration(token) => return false,
                Kind::Op("{") => depth += 1,
                Kind::Op("}") if depth == 0 => return true,
                Kind::Op("}") => depth -= 1,
                Kind::Op(";") if depth == 0 => {
                    self.pos += 1;
                    return true;
                }
                Kind::Keyword("if" | "for" | "foreach" | "while" | "return" | "delete" | "try" | "next")
                    if depth == 0 =>
                {
                    return true;
                }
                _ => {}
            }
            self.pos += 1;
        }
        false
    }

    fn statement(&mut self) -> Parsed<Stmt> {
        let Some(token) = self.peek()? else { return Err(self.fail(say::expected_statement())) };
        let start = token.span;
        let kind = match token.kind {
            Kind::Op(";") => {
                self.next()?;
                StmtKind::Null
            }
            Kind::Op("{") => return self.block(),
            Kind::Keyword("try") => self.try_catch()?,
            Kind::Keyword("if") => self.if_else()?,
            Kind::Keyword("for") => self.for_loop()?,
            Kind::Keyword("while") => self.while_loop()?,
            Kind::Keyword("foreach") => self.foreach()?,
            Kind::Keyword("return") => {
                self.next()?;
                if !self.in_function {
                    return Err(self.fail(say::return_outside_function()));
                }
                let ends = self.peek_is(|t| t.is_op(";") || t.is_op("}"))?;
                StmtKind::Return(if ends { None } else { Some(self.expression()?) })
            }
            Kind::Keyword("delete") => {
                self.next()?;
                StmtKind::Delete(self.expression()?)
            }
            Kind::Keyword("break") => self.word(StmtKind::Break)?,
            Kind::Keyword("continue") => self.word(StmtKind::Continue)?,
            Kind::Keyword("next") => self.word(StmtKind::Next)?,
            Kind::Keyword(_) | Kind::Byte(_) => {
                return Err(self.fail(say::expected_statement()));
            }
            _ => match self.expression()? {
                Expr { kind: ExprKind::Embedded(text), .. } => StmtKind::Embedded(text),
                expr => StmtKind::Expr(expr),
            },
        };
        if !matches!(kind, StmtKind::Null) {
            self.statement_end(&kind)?;
        }
        Ok(Stmt { kind, span: self.since(start) })
    }

    /// A `;` behind a statement belongs to it.
    fn statement_end(&mut self, kind: &StmtKind) -> Parsed<()> {
        let compound = matches!(
            kind,
            StmtKind::If { .. }
                | StmtKind::For { .. }
                | StmtKind::While { .. }
                | StmtKind::Foreach(_)
                | StmtKind::Try { .. }
        );
        if !compound {
            self.accept_op(";")?;
        }
        Ok(())
    }

    fn word(&mut self, kind: StmtKind) -> Parsed<StmtKind> {
        self.next()?;
        Ok(kind)
    }

    fn body(&mut self) -> Parsed<Box<Stmt>> {
        self.nested(|parser| parser.statement()).map(Box::new)
    }

    /// A chain of `else if` is read in a loop: it is long more often than nesting is deep.
    fn if_else(&mut self) -> Parsed<StmtKind> {
        let mut chain = Vec::new();
        let mut tail = None;
        loop {
            let start = self.next()?.span;
            self.count_operator()?;
            self.expect_op("(")?;
            let cond = self.expression()?;
            self.expect_op(")")?;
            let then = self.body()?;
            chain.push((start, cond, then));
            if !self.accept_keyword("else")? {
                break;
            }
            if !self.peek_keyword("if")? {
                tail = Some(self.body()?);
                break;
            }
        }
        let end = self.consumed;
        let mut kind = StmtKind::Null;
        for (i, (start, cond, then)) in chain.into_iter().enumerate().rev() {
            kind = StmtKind::If { cond, then, otherwise: tail.take() };
            if i > 0 {
                tail = Some(Box::new(Stmt { kind, span: start.to(end) }));
                kind = StmtKind::Null;
            }
        }
        Ok(kind)
    }

    fn while_loop(&mut self) -> Parsed<StmtKind> {
        self.next()?;
        self.expect_op("(")?;
        let cond = self.expression()?;
        self.expect_op(")")?;
        Ok(StmtKind::While { cond, body: self.body()? })
    }

    fn for_loop(&mut self) -> Parsed<StmtKind> {
        self.next()?;
        self.expect_op("(")?;
        let init = self.for_part(";")?;
        let cond = self.for_part(";")?;
        let step = self.for_part(")")?;
        Ok(StmtKind::For { init, cond, step, body: self.body()? })
    }

    fn for_part(&mut self, end: &'static str) -> Parsed<Option<Expr>> {
        if self.accept_op(end)?.is_some() {
            return Ok(None);
        }
        if self.peek()?.is_none() {
            return Err(self.fail(say::expected_expression_statement()));
        }
        let expr = self.expression()?;
        self.expect_op(end)?;
        Ok(Some(expr))
    }

    fn try_catch(&mut self) -> Parsed<StmtKind> {
        self.next()?;
        let body = Box::new(self.nested(|parser| parser.block())?);
        if !self.accept_keyword("catch")? {
            if self.peek()?.is_some() {
                self.next()?;
            }
            return Err(self.fail(say::expected_catch()));
        }
        let mut var = None;
        if self.accept_op("(")?.is_some() {
            var = Some(self.identifier()?);
            self.expect_op(")")?;
        }
        let catch = Box::new(self.nested(|parser| parser.block())?);
        Ok(StmtKind::Try { body, var, catch })
    }

    pub(super) fn identifier(&mut self) -> Parsed<Name> {
        let token = self.next()?;
        if matches!(token.kind, Kind::Ident) { Ok(name_of(token)) } else { Err(self.fail(say::expected_identifier())) }
    }

    /// `+` or `-` behind what a foreach sorts by.
    fn direction(&mut self, sort: &mut Option<Sort>, by: SortBy) -> Parsed<bool> {
        let Some(token) = self.peek()? else { return Ok(false) };
        let descending = match token.kind {
            Kind::Op("+") => false,
            Kind::Op("-") => true,
            // `k++` and `k--` are no directions, but read like two of them.
            _ => return Ok(false),
        };
        if sort.is_some() {
            return Err(self.fail(say::several_sort_directives()));
        }
        self.next()?;
        *sort = Some(Sort { by, descending });
        Ok(true)
    }

    fn foreach(&mut self) -> Parsed<StmtKind> {
        self.next()?;
        self.expect_op("(")?;
        let mut sort = None;
        let mut value = None;
        let mut keys = Vec::new();
        let mut listed = self.peek_op("[")?;
        if !listed {
            let first = self.identifier()?;
            let mut first_sort = None;
            self.direction(&mut first_sort, SortBy::Key(0))?;
            if self.accept_op("=")?.is_some() {
                value = Some(first);
                sort = first_sort.map(|s: Sort| Sort { by: SortBy::Value, ..s });
                listed = self.peek_op("[")?;
                if !listed {
                    keys.push(self.identifier()?);
                    self.direction(&mut sort, SortBy::Key(0))?;
                }
            } else {
                keys.push(first);
                sort = first_sort;
            }
        }
        if listed {
            self.next()?;
            loop {
                keys.push(self.identifier()?);
                self.direction(&mut sort, SortBy::Key(keys.len() - 1))?;
                let separator = self.next()?;
                match separator.kind {
                    Kind::Op(",") => {}
                    Kind::Op("]") => break,
                    _ => return Err(self.fail(say::expected_either(",", "]"))),
                }
            }
        }
        let token = self.next()?;
        if !token.is_keyword("in") {
            return Err(self.fail(say::expected_in()));
        }
        let base = self.indexable()?;
        let mut slice = None;
        if self.accept_op("[")?.is_some() {
            slice = Some(self.index_list(say::expected_either)?);
        }
        if let Some(token) = self.peek()?
            && let Some(word) = token.at_word()
        {
            let Some(op) = stat_op(word) else {
                return Err(self.fail(say::expected_stat_op()));
            };
            self.next()?;
            if !self.direction(&mut sort, SortBy::Extractor(op))? {
                return Err(self.fail(say::expected_sort_direction()));
            }
        } else {
            self.direction(&mut sort, SortBy::Value)?;
        }
        let limit = if self.accept_keyword("limit")? { Some(self.expression()?) } else { None };
        self.expect_op(")")?;
        let body = *self.body()?;
        Ok(StmtKind::Foreach(Box::new(Foreach { value, keys, base, slice, sort, limit, body })))
    }

    /// The name of an array, or a histogram.
    pub(super) fn indexable(&mut self) -> Parsed<Expr> {
        let Some(token) = self.peek()? else { return Err(self.fail(say::expected_array())) };
        match token.kind {
            Kind::Ident => {
                self.next()?;
                Ok(Expr { kind: ExprKind::Var(token.name().into()), span: token.span, at: token.span })
            }
            Kind::AtWord if matches!(token.name(), "@hist_log" | "@hist_linear") => {
                self.next()?;
                self.histogram(token)
            }
            // Taken for a name; pass 2 finds no array of it.
            Kind::AtWord => {
                self.next()?;
                Ok(Expr { kind: ExprKind::Var(token.name().into()), span: token.span, at: token.span })
            }
            _ => Err(self.fail(say::expected_array())),
        }
    }
}

/// The statistic extractor spelled `word`, with its `@`.
pub(super) fn stat_op(word: &str) -> Option<StatOp> {
    Some(match word {
        "@count" => StatOp::Count,
        "@sum" => StatOp::Sum,
        "@min" => StatOp::Min,
        "@max" => StatOp::Max,
        "@avg" => StatOp::Avg,
        "@variance" => StatOp::Variance,
        _ => return None,
    })
}

/// Kept out of line: an expression as a node.
pub(super) fn node(kind: ExprKind, span: Span, at: &Token) -> Expr {
    Expr { kind, span, at: at.span }
}
