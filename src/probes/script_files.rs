//! `procfs("PATH").read` and `.write`: files that a running script answers for. `input.char` and `input.line`: what comes
//! on standard input. stapprobes(3stap) "PROCFS", "INPUT". Handlers run in user space; `$value` is the text, in both
//! directions.

use std::sync::Arc;

use super::{
    NoMatch, Pattern, ProbeFamily, Resolved,
    attach_plan::AttachPlan,
    pattern::{Part, parts, point_text},
    site::{
        ContextError, ContextScope, ContextVariable, Depth, NoContext, PathStep, Pretty, ProbeSite, SiteVar,
        TextVariable,
    },
};
use crate::{
    debuginfo::World,
    language::{
        ast::{Literal, ProbePoint},
        types::Type,
    },
    probes::access::Access,
};

pub struct ScriptFiles;

/// The file of `procfs.read` without a path.
const DEFAULT_PATH: &str = "command";
/// Only who runs the script may.
const DEFAULT_UMASK: u32 = 0o077;

static VALUE: TextVariable =
    TextVariable { get: "__tapdeck_value", set: "__tapdeck_set_value", append: "__tapdeck_append_value" };

impl ProbeFamily for ScriptFiles {
    fn patterns(&self) -> &'static [Pattern] {
        const READ: &str = "a file of the script is read; $value becomes what is in it";
        const WRITE: &str = "a file of the script is written to; $value is the text";
        &[
            Pattern { text: "procfs(STRING).read", doc: READ },
            Pattern { text: "procfs(STRING).read.maxsize(NUMBER)", doc: "the same, of at most so many bytes" },
            Pattern { text: "procfs(STRING).umask(NUMBER).read", doc: "the same; these permissions are left out" },
            Pattern { text: "procfs(STRING).umask(NUMBER).read.maxsize(NUMBER)", doc: "both" },
            Pattern { text: "procfs(STRING).write", doc: WRITE },
            Pattern { text: "procfs(STRING).umask(NUMBER).write", doc: "the same; these permissions are left out" },
            Pattern { text: "procfs.read", doc: "the same for the file \"command\"" },
            Pattern { text: "procfs.write", doc: "the same for the file \"command\"" },
            Pattern { text: "input.char", doc: "a character comes on standard input; char is it" },
            Pattern { text: "input.line", doc: "a line comes on standard input; line is it, with its end" },
        ]
    }

    fn resolve(&self, point: &ProbePoint, _world: &World) -> Option<Resolved> {
        let parts = parts(point);
        let attach = match &parts[..] {
            [("input", None), (unit @ ("char" | "line"), None)] => AttachPlan::Input { lines: *unit == "line" },
            [("procfs", path), rest @ ..] if !rest.is_empty() => {
                let path = match path {
                    None => DEFAULT_PATH,
                    Some(Literal::Str(path)) => std::str::from_utf8(path).ok()?,
                    Some(Literal::Long(_)) => return None,
                };
                match file(path, rest)? {
                    Ok(plan) => plan,
                    Err(no_match) => return Some(no_match.into()),
                }
            }
            _ => return None,
        };
        let text = point_text(&point.parts);
        let site = match &attach {
            AttachPlan::Input { lines } => {
                let name = if *lines { "line" } else { "char" };
                let value = SiteVar { name: name.into(), expr: "__tapdeck_value()".into(), ty: Type::Str };
                ProbeSite { vars: vec![value], ..ProbeSite::plain(text, attach, Arc::new(NoContext)) }
            }
            _ => ProbeSite::plain(text, attach, Arc::new(FileScope)),
        };
        Some(Resolved::Sites(vec![site]))
    }
}

/// `None` when `rest` is no form of a file's probe.
fn file(path: &str, rest: &[Part<'_>]) -> Option<Result<AttachPlan, NoMatch>> {
    let (mut write, mut umask, mut max_bytes) = (None, None, None);
    for part in rest {
        match part {
            ("read", None) if write.is_none() => write = Some(false),
            ("write", None) if write.is_none() => write = Some(true),
            ("umask", Some(Literal::Long(mask))) if umask.is_none() => umask = Some(*mask),
            ("maxsize", Some(Literal::Long(bytes))) if max_bytes.is_none() => max_bytes = Some(*bytes),
            _ => return None,
        }
    }
    let write = write?;
    if write && max_bytes.is_some() {
        return None;
    }
    let is_inside = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_inside {
        let message = match path.starts_with('/') {
            true => "procfs path cannot start with a '/'".to_owned(),
            false => "procfs path cannot be relative (and contain '.' or '..')".to_owned(),
        };
        return Some(Err(NoMatch::new(message).at_part(0)));
    }
    let umask = match umask.map(u32::try_from) {
        None => DEFAULT_UMASK,
        Some(Ok(mask @ ..=0o777)) => mask,
        Some(_) => return Some(Err(NoMatch::new("umask must be between 0 and 0777"))),
    };
    let max_bytes = match max_bytes.map(u32::try_from) {
        None => None,
        Some(Ok(bytes @ 1..=0x0100_0000)) => Some(bytes),
        Some(_) => return Some(Err(NoMatch::new("maxsize must be between 1 and 16777216 bytes"))),
    };
    Some(Ok(AttachPlan::File { path: path.to_owned(), write, umask, max_bytes }))
}

/// `$value`.
#[derive(Clone, Copy, Debug)]
struct FileScope;

impl FileScope {
    fn refuse<T>(name: &str) -> Result<T, ContextError> {
        Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives: vec!["$value".to_owned()] })
    }
}

impl ContextScope for FileScope {
    fn variables(&self, _world: &World) -> Vec<ContextVariable> {
        vec![ContextVariable { name: "$value".to_owned(), type_text: "string".to_owned() }]
    }

    fn resolve(&self, name: &str, _: &[PathStep], _: bool, _: &World) -> Result<Access, ContextError> {
        Self::refuse(name)
    }

    fn summary(&self, name: &str, _: Option<Depth>, _: &World) -> Result<Pretty, ContextError> {
        Self::refuse(name)
    }

    fn pretty(&self, name: &str, _: &[PathStep], _: Depth, _: &World) -> Result<Pretty, ContextError> {
        Self::refuse(name)
    }

    fn text_variable(&self, name: &str) -> Option<&'static TextVariable> {
        (name == "value").then_some(&VALUE)
    }
}

#[cfg(test)]
mod tests {
    use crate::probes::testing::resolve_text;

    #[test]
    fn forms_and_refusals() {
        for (text, expected) in [
            (
                "procfs(\"a/b\").umask(64).read.maxsize(100)",
                "procfs(\"a/b\").umask(64).read.maxsize(100) \
                 File { path: \"a/b\", write: false, umask: 64, max_bytes: Some(100) }",
            ),
            ("procfs.write", "procfs.write File { path: \"command\", write: true, umask: 63, max_bytes: None }"),
            ("procfs(\"../x\").read", "procfs path cannot be relative (and contain '.' or '..') [] part Some(0)"),
            ("procfs(\"x\").read.maxsize(0)", "maxsize must be between 1 and 16777216 bytes [] part None"),
            ("input.line", "input.line Input { lines: true }"),
        ] {
            assert_eq!(resolve_text(text), expected);
        }
    }
}
