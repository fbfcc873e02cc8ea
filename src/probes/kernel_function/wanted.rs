//! A point as it is written: `module("M").function("NAME@FILE").return`.

use crate::{
    debuginfo::FunctionPattern,
    language::ast::{Literal, ProbePoint},
    probes::pattern::{parts, point_text},
};

/// A point, read.
pub(super) struct Wanted {
    pub module: Option<String>,
    /// What stands in `function(…)`.
    pub text: String,
    pub form: Form,
    /// `kprobe.`: by symbol, without types.
    pub plain: bool,
    /// Behind the function's name in the point's text: `.return`.
    suffix: String,
    /// Which part of the point has the function's name.
    pub part_idx: usize,
}

/// What of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Its beginning, in every copy.
    Any,
    /// Its beginning where it is called.
    Call,
    Return,
    /// Its beginning in copies.
    Inline,
    /// Its beginning, when it is not static.
    Exported,
    /// Copies of others in it.
    Callee(String),
    /// The same to a depth.
    Callees(u32),
    /// Labels in every copy, by name.
    Label(String),
}

impl Wanted {
    pub fn of(point: &ProbePoint) -> Option<Self> {
        let parts = parts(point);
        let string = |arg: &Literal| match arg {
            Literal::Str(text) => Some(String::from_utf8_lossy(text).into_owned()),
            Literal::Long(_) => None,
        };
        let (plain, module, rest) = match parts.as_slice() {
            [("kernel", None), rest @ ..] => (false, None, rest),
            [("kprobe", None), ("module", Some(module)), rest @ ..] => (true, Some(string(module)?), rest),
            [("kprobe", None), rest @ ..] => (true, None, rest),
            [("module", Some(module)), rest @ ..] => (false, Some(string(module)?), rest),
            _ => return None,
        };
        let [("function", Some(text)), rest @ ..] = rest else { return None };
        let form = match rest {
            [] => Form::Any,
            [("call", None)] => Form::Call,
            [("return", None)] | [("return", None), ("maxactive", Some(Literal::Long(_)))] => Form::Return,
            _ if plain => return None,
            [("inline", None)] => Form::Inline,
            [("exported", None)] => Form::Exported,
            [("callee", Some(callee))] => Form::Callee(string(callee)?),
            [("label", Some(label))] => Form::Label(string(label)?),
            [("callees", None)] => Form::Callees(1),
            [("callees", Some(Literal::Long(depth)))] => Form::Callees(u32::try_from(*depth).ok()?),
            _ => return None,
        };
        let part_idx = parts.len() - rest.len() - 1;
        let suffix = match rest {
            [] => String::new(),
            _ if matches!(form, Form::Callee(_) | Form::Callees(_) | Form::Label(_)) => String::new(),
            rest => format!(".{}", point_text(&point.parts[point.parts.len() - rest.len()..])),
        };
        Some(Self { module, text: string(text)?, form, plain, suffix, part_idx })
    }

    /// The name as a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn pattern(&self) -> Result<FunctionPattern, String> {
        FunctionPattern::parse(&self.text)
    }

    pub fn exit(&self) -> bool {
        self.form == Form::Return
    }

    /// The point of one function, by its name or `NAME@FILE:LINE`.
    pub fn point(&self, function: &str, module: Option<&str>) -> String {
        let (before, module, behind) = match (module, self.plain) {
            (None, false) => ("kernel", "", ""),
            (None, true) => ("kprobe", "", ""),
            (Some(module), false) => ("module(\"", module, "\")"),
            (Some(module), true) => ("kprobe.module(\"", module, "\")"),
        };
        // Lists have tens of thousands of these.
        [before, module, behind, ".function(\"", function, "\")", &self.suffix].concat()
    }
}
