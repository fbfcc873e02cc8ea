//! Top level: probes and aliases, globals, functions, embedded code.

use std::sync::Arc;

use super::{Parsed, Parser};
use crate::{
    diagnostics::{TokenLabel, catalogue::parse as say},
    language::{
        ast::*,
        docs, lexer,
        token::{Kind, Token},
        types::Type,
    },
    source::Span,
};

impl<'t> Parser<'t> {
    pub(super) fn script(&mut self) {
        loop {
            let before = self.pos;
            match self.declaration() {
                Ok(true) => {}
                Ok(false) => return,
                Err(diagnostic) => {
                    self.diagnostics.push(*diagnostic);
                    if !std::mem::take(&mut self.goes_on) {
                        self.resync();
                    }
                    // A declaration that fails on its own first token without consuming it would fail forever.
                    if self.pos == before && self.pos < self.tokens.len() {
                        self.pos += 1;
                    }
                }
            }
        }
    }

    /// One declaration; false at the end of the file.
    fn declaration(&mut self) -> Parsed<bool> {
        let token = match self.peek() {
            Ok(None) => return Ok(false),
            Ok(Some(token)) => token,
            Err(junk) => {
                self.script.has_text |= say::LEXER.contains(&junk.kind);
                return Err(junk);
            }
        };
        self.script.has_text = true;
        self.n_operators = 0;
        self.in_function = false;
        match token.kind {
            Kind::Keyword("probe") => self.probe()?,
            Kind::Keyword("global") => {
                self.next()?;
                self.globals(token.span, false)?;
            }
            Kind::Keyword("function") => self.function(token.span, false)?,
            Kind::Keyword("private") => {
                self.next()?;
                if self.peek_keyword("function")? {
                    self.function(token.span, true)?;
                } else if self.accept_keyword("global")? || self.peek_is(|t| matches!(t.kind, Kind::Ident))? {
                    self.globals(token.span, true)?;
                } else {
                    self.next()?;
                    return Err(self.fail(say::expected_private_declaration()));
                }
            }
            Kind::Embedded => {
                self.next()?;
                if !self.context.guru {
                    self.goes_on = true;
                    return Err(self.fail(say::embedded_needs_guru()));
                }
                self.script.embeds.push(EmbeddedCode { text: token.text.to_vec(), span: token.span });
            }
            _ => {
                self.next()?;
                return Err(self.fail(say::expected_declaration()));
            }
        }
        Ok(true)
    }

    fn probe(&mut self) -> Parsed<()> {
        let start = self.next()?.span;
        let mut points = Vec::new();
        let mut names: Vec<ProbePoint> = Vec::new();
        let mut style = None;
        loop {
            if !points.is_empty() && self.peek()?.is_none() {
                self.next()?;
                return Err(self.fail(say::expected_probe_point_specifier()));
            }
            let first = points.len();
            self.probe_point(&mut points)?;
            let token = self.peek()?;
            match token.map(|t| &t.kind) {
                Some(Kind::Op("=" | "+=")) if first == 0 && points.len() == 1 => {
                    if let Some(point) = points.iter().find(|p| p.optional || p.sufficient) {
                        let token = format!("identifier '{}'", point.parts[0].name);
                        let mut diagnostic = say::alias_not_plain().at(point.parts[0].span).token(token);
                        diagnostic.label = TokenLabel::At;
                        return Err(Box::new(diagnostic));
                    }
                    names.append(&mut points);
                    let op = self.next()?;
                    if op.is_op("+=") {
                        style = Some(AliasStyle::Epilogue);
                    } else {
                        style.get_or_insert(AliasStyle::Prologue);
                    }
                }
                Some(Kind::Op(",")) => {
                    self.next()?;
                }
                Some(Kind::Op("{")) => break,
                Some(Kind::Op("=" | "+=")) => {
                    self.next()?;
                    return Err(self.fail(say::expected_probe_point_specifier()));
                }
                _ => {
                    if token.is_some() {
                        self.next()?;
                    }
                    return Err(self.fail(say::expected_after_point()));
                }
            }
        }
        let doc = style.and_then(|_| docs::comment_above(self.context.text, start, self.context.file));
        let body = Arc::new(self.block()?);
        let Some(style) = style else {
            self.script.probes.push(Probe { points, body, span: self.since(start) });
            return Ok(());
        };
        let mut epilogue = None;
        if self.peek_op(",")? {
            self.next()?;
            if style == AliasStyle::Epilogue {
                return Err(self.fail(say::epilogue_of_epilogue()));
            }
            self.peek()?;
            epilogue = Some(Arc::new(self.block()?));
        }
        self.script.aliases.push(ProbeAlias { names, style, points, body, epilogue, doc, span: self.since(start) });
        Ok(())
    }

    fn globals(&mut self, start: Span, private: bool) -> Parsed<()> {
        loop {
            self.peek()?;
            let token = self.next()?;
            if !matches!(token.kind, Kind::Ident) {
                return Err(self.fail(say::expected_identifier()));
            }
            let name = name_of(token);
            if self.script.globals.iter().any(|g| g.name.text == name.text) {
                return Err(self.fail(say::duplicate_global()));
            }
            let mut global = Global { name, private, wrap: false, size: None, init: None, span: start };
            if self.accept_op("%")?.is_some() {
                global.wrap = true;
            }
            if self.accept_op("[")?.is_some() {
                let size_token = self.peek()?;
                let size = self.expect_number()?;
                self.expect_op("]")?;
                if !(1..=i64::from(i32::MAX)).contains(&size) {
                    return Err(self.fail_at_end(say::array_size_invalid()));
                }
                global.size = Some((size, size_token.map_or(start, |t| t.span)));
            }
            if self.peek_op("=")? {
                self.next()?;
                if global.size.is_some() {
                    return Err(self.fail(say::initialized_array()));
                }
                let (init, place) = self.literal()?;
                global.init = Some(init);
                self.spell_as(place, global.name.span);
            }
            global.span = self.since(token.span);
            self.script.globals.push(global);
            if self.accept_op(",")?.is_none() {
                break;
            }
        }
        self.accept_op(";")?;
        Ok(())
    }

    fn function(&mut self, start: Span, private: bool) -> Parsed<()> {
        self.next()?;
        self.peek()?;
        let token = self.next()?;
        if !matches!(token.kind, Kind::Ident | Kind::Keyword("string" | "long")) {
            return Err(self.fail(say::expected_identifier()));
        }
        let name = name_of(token);
        let ret = self.optional_type()?;
        self.expect_op("(")?;
        let mut params: Vec<Param> = Vec::new();
        if self.accept_op(")")?.is_none() {
            loop {
                if !params.is_empty() && self.accept_op(")")?.is_some() {
                    break;
                }
                let token = self.next()?;
                if !matches!(token.kind, Kind::Ident) {
                    return Err(self.fail(say::expected_identifier()));
                }
                let name = name_of(token);
                if params.iter().any(|p| p.name.text == name.text) {
                    return Err(self.fail(say::duplicate_parameter()));
                }
                let ty = self.optional_type()?;
                params.push(Param { name, ty });
                let separator = self.next()?;
                match separator.kind {
                    Kind::Op(",") => {}
                    Kind::Op(")") => break,
                    _ => return Err(self.fail(say::expected_either(",", ")"))),
                }
            }
        }
        let mut priority = None;
        if self.accept_op(":")?.is_some() {
            let Literal::Long(value) = self.literal()?.0 else {
                return Err(self.fail(say::expected_literal_number()));
            };
            if value <= 0 {
                return Err(self.fail(say::priority_invalid()));
            }
            priority = Some(value);
        } else if self.peek()?.is_none() {
            return Err(self.fail(say::expected_op("{")));
        }
        let body = match self.peek()?.map(|t| (t, &t.kind)) {
            Some((token, Kind::Embedded)) => {
                self.next()?;
                if !self.context.guru {
                    self.goes_on = true;
                    return Err(self.fail(say::embedded_needs_guru()));
                }
                FunctionBody::Embedded(EmbeddedCode { text: token.text.to_vec(), span: token.span })
            }
            _ => {
                self.in_function = true;
                let body = self.block()?;
                self.in_function = false;
                FunctionBody::Block(body)
            }
        };
        let doc = docs::comment_above(self.context.text, start, self.context.file);
        let span = self.since(start);
        self.script.functions.push(Function { name, private, ret, params, priority, body, doc, span });
        Ok(())
    }

    /// `: long`, `: string`. A `:` before a number is a priority and stays.
    fn optional_type(&mut self) -> Parsed<Option<Type>> {
        // A text that ends here is said to end at the name.
        let is_there = self.tokens.get(self.pos).is_some_and(|token| token.is_op(":"));
        if !is_there || self.tokens.get(self.pos + 1).is_some_and(|t| matches!(t.kind, Kind::Number)) {
            return Ok(None);
        }
        self.next()?;
        self.peek()?;
        match self.next()?.kind {
            Kind::Keyword("string") => Ok(Some(Type::Str)),
            Kind::Keyword("long") => Ok(Some(Type::Long)),
            _ => Err(self.fail(say::expected_type())),
        }
    }

    /// A number, possibly with `-`.
    pub(super) fn expect_number(&mut self) -> Parsed<i64> {
        let negative = self.accept_op("-")?.is_some();
        let token = self.next()?;
        if !matches!(token.kind, Kind::Number) {
            return Err(self.fail(say::expected_number()));
        }
        self.number(token, negative)
    }

    pub(super) fn number(&self, token: &Token, negative: bool) -> Parsed<i64> {
        match lexer::number(token.name()) {
            Some(value) if negative && value > 1 << 63 => Err(self.fail(say::number_invalid())),
            Some(value) if negative => Ok((value as i64).wrapping_neg()),
            Some(value) => Ok(value as i64),
            None => Err(self.fail(say::number_invalid())),
        }
    }

    /// A string or number literal with its span; strings side by side are one.
    pub(super) fn literal(&mut self) -> Parsed<(Literal, Span)> {
        let mut token = self.next()?;
        let negative = token.is_op("-");
        if negative {
            self.peek()?;
            token = self.next()?;
        }
        match token.kind {
            Kind::Str if !negative => {
                let bytes = self.glued_strings(token)?;
                let span = self.since(token.span);
                self.spell_as(token.span, span);
                Ok((Literal::Str(bytes), span))
            }
            Kind::Number => Ok((Literal::Long(self.number(token, negative)?), token.span)),
            _ => Err(self.fail(say::expected_literal())),
        }
    }

    /// The bytes of `first` and of the string literals right behind it.
    pub(super) fn glued_strings(&mut self, first: &Token) -> Parsed<Arc<[u8]>> {
        if !self.is_glued_string()? {
            if let Some(spelling) = &first.spelling {
                self.script.spellings.insert(first.span, spelling.clone());
            }
            return Ok(first.text.clone());
        }
        let mut bytes = first.text.to_vec();
        let mut spelling = first.spelled().into_owned();
        while self.is_glued_string()? {
            let token = self.next()?;
            bytes.extend_from_slice(&token.text);
            spelling.extend_from_slice(&token.spelled());
        }
        self.script.spellings.insert(first.span, spelling.into());
        Ok(bytes.into())
    }

    /// A string literal that is the next part of the one before.
    fn is_glued_string(&mut self) -> Parsed<bool> {
        let (end, dialect, text) = (self.consumed.end as usize, self.context.dialect, self.context.text);
        self.peek_is(|token| {
            let between = text.get(end..token.span.start as usize).unwrap_or(b"");
            matches!(token.kind, Kind::Str) && (dialect.comments_between_strings || between.trim_ascii().is_empty())
        })
    }

    /// The literal that began at `literal` is also the one of `owner`.
    pub(super) fn spell_as(&mut self, literal: Span, owner: Span) {
        if let Some(spelling) = self.script.spellings.get(&literal).cloned() {
            self.script.spellings.insert(owner, spelling);
        }
    }
}

pub(super) fn name_of(token: &Token) -> Name {
    Name { text: token.name().into(), span: token.span }
}
