//! `kernel.function("a").{call,return}?`: components, brace expansion, optional and conditional points.

use super::{Parsed, Parser};
use crate::{
    diagnostics::{TokenLabel, catalogue::parse as say},
    language::{
        ast::{Expr, ProbePoint, ProbePointPart},
        token::{Kind, Token},
    },
};

/// Points one brace expansion may give.
const MAX_POINTS: usize = 10_000;

/// A path through the braces with its suffixes.
#[derive(Clone, Default)]
struct Path {
    parts: Vec<ProbePointPart>,
    optional: bool,
    sufficient: bool,
    condition: Option<Box<Expr>>,
}

impl Path {
    fn join(&self, next: &Path) -> Path {
        Path {
            parts: [&self.parts[..], &next.parts].concat(),
            optional: self.optional | next.optional,
            sufficient: self.sufficient | next.sufficient,
            condition: next.condition.clone(),
        }
    }

    fn has_suffix(&self) -> bool {
        self.optional || self.sufficient || self.condition.is_some()
    }
}

fn is_name_piece(token: &Token) -> bool {
    matches!(token.kind, Kind::Ident | Kind::Keyword(_) | Kind::Op("*"))
}

impl Parser<'_> {
    /// One point as written; several when braces multiply it.
    pub(super) fn probe_point(&mut self, points: &mut Vec<ProbePoint>) -> Parsed<()> {
        for Path { parts, optional, sufficient, condition } in self.suffixed_paths()? {
            let span = match (parts.first(), parts.last()) {
                (Some(first), Some(last)) => first.span.to(last.span),
                _ => self.consumed,
            };
            points.push(ProbePoint { parts, optional, sufficient, condition, span });
        }
        Ok(())
    }

    /// Paths with the `?`, `!` or condition behind them, which may also stand inside braces.
    fn suffixed_paths(&mut self) -> Parsed<Vec<Path>> {
        let mut paths = self.paths()?;
        let optional = self.accept_op("?")?.is_some();
        let sufficient = !optional && self.accept_op("!")?.is_some();
        for path in &mut paths {
            if (optional || sufficient) && (path.optional || path.sufficient) {
                return Err(self.fail(say::suffix_respecified()));
            }
            path.optional |= optional;
            path.sufficient |= sufficient;
        }
        if self.accept_keyword("if")? {
            if self.peek()?.is_none() {
                return Err(self.fail(say::expected_op("(")));
            }
            self.expect_op("(")?;
            let condition = Box::new(self.expression()?);
            if self.peek()?.is_none() {
                return Err(self.fail(say::expected_op(")")));
            }
            self.expect_op(")")?;
            if paths.iter().any(|path| path.condition.is_some()) {
                return Err(self.fail(say::condition_respecified()));
            }
            paths.iter_mut().for_each(|path| path.condition = Some(condition.clone()));
        }
        Ok(paths)
    }

    /// `comp {"." comp}` as the list of paths it stands for.
    fn paths(&mut self) -> Parsed<Vec<Path>> {
        let mut paths = vec![Path::default()];
        loop {
            let choices = self.nested(|parser| parser.probe_point_part())?;
            if paths.len().saturating_mul(choices.len()) > MAX_POINTS {
                return Err(self.fail(say::too_many_probe_points()));
            }
            paths = paths.iter().flat_map(|path| choices.iter().map(|choice| path.join(choice))).collect();
            if self.accept_op(".")?.is_none() {
                return Ok(paths);
            }
            if let Some(path) = paths.iter().find(|path| path.has_suffix()) {
                let at = path.parts[0].span;
                let token = format!("identifier '{}'", path.parts[0].name);
                let mut diagnostic = say::suffix_not_last().at(at).token(token);
                diagnostic.label = TokenLabel::At;
                return Err(Box::new(diagnostic));
            }
        }
    }

    fn probe_point_part(&mut self) -> Parsed<Vec<Path>> {
        // Only the very first part of a list is read without a look ahead.
        if self.consumed_op(&[".", "{", ","]) {
            self.peek()?;
        }
        let token = self.next()?;
        if token.is_op("{") {
            let mut choices = Vec::new();
            loop {
                choices.extend(self.suffixed_paths()?);
                if choices.len() > MAX_POINTS {
                    return Err(self.fail(say::too_many_probe_points()));
                }
                if self.accept_op("}")?.is_some() {
                    return Ok(choices);
                }
                if self.accept_op(",")?.is_some() {
                    continue;
                }
                let ends_list = self.peek_is(|t| t.is_op("{") || t.is_op("=") || t.is_op("+="))?;
                return Err(self.fail(if ends_list { say::expected_op("}") } else { say::expected_after_point() }));
            }
        }
        if !is_name_piece(token) {
            return Err(self.fail(say::expected_probe_point()));
        }
        let mut name = token.name().to_owned();
        while let Some(piece) = self.tokens.get(self.pos)
            && piece.glued
            && is_name_piece(piece)
        {
            name.push_str(piece.name());
            self.next()?;
        }
        let mut part = ProbePointPart { name: name.into(), arg: None, span: self.since(token.span) };
        if self.accept_op("(")?.is_some() {
            self.peek()?;
            let (arg, place) = self.literal()?;
            part.arg = Some(arg);
            self.expect_op(")")?;
            part.span = self.since(token.span);
            self.spell_as(place, part.span);
        }
        Ok(vec![Path { parts: vec![part], ..Path::default() }])
    }
}
