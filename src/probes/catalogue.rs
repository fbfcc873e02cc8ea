//! Everything that can be probed on this machine, for the probe browser and completion: names at once, details on demand.

use std::{collections::HashMap, sync::Arc};

use super::{
    FAMILIES, Resolved, kernel_trace,
    site::{ContextVariable, SiteVar},
    syscall,
};
use crate::{
    debuginfo::{Types as _, World},
    language::ast::{Literal, ProbePoint, ProbePointPart},
    source::Span,
};

/// One probe point, or one form of it with an argument to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// As a script writes it; a NUMBER, STRING or NAME in it is to be replaced.
    pub point: String,
    /// `syscall`, `kernel.trace sched`, `timer`: the branch of the tree it hangs on.
    pub group: String,
    /// `point` + `.return` is a probe point too.
    pub has_return: bool,
    /// One line: what it is, or its arguments.
    pub doc: String,
    /// Words are to be replaced before it is a probe point.
    pub is_form: bool,
}

/// What a handler at an entry sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Script variables.
    pub vars: Vec<SiteVar>,
    /// `$…` with their types.
    pub context: Vec<ContextVariable>,
}

/// Every entry but tapset aliases, grouped; groups in the order begin, timer, process, syscall, kernel.trace.
pub fn catalogue(world: &World) -> Vec<CatalogueEntry> {
    let mut entries = Vec::with_capacity(2400);
    for pattern in FAMILIES.iter().flat_map(|family| family.patterns()) {
        let group = pattern.text.split(['.', '(']).next().unwrap_or(pattern.text);
        let group = if matches!(group, "begin" | "end" | "error" | "never") { "begin and end" } else { group };
        if matches!(group, "kernel" | "kprobe" | "module" | "syscall" | "nd_syscall") {
            continue;
        }
        let has_return = FAMILIES
            .iter()
            .flat_map(|family| family.patterns())
            .any(|other| other.text.strip_suffix(".return") == Some(pattern.text));
        if pattern.text.ends_with(".return") {
            continue;
        }
        entries.push(CatalogueEntry {
            point: pattern.text.to_owned(),
            group: if group == "syscall_any" { "syscall".to_owned() } else { group.to_owned() },
            has_return,
            doc: pattern.doc.to_owned(),
            is_form: pattern.text.contains("NUMBER") || pattern.text.contains("STRING"),
        });
    }
    entries.extend(syscall::prototypes(world).map(|(name, doc)| CatalogueEntry {
        point: format!("syscall.{name}"),
        group: "syscall".to_owned(),
        has_return: true,
        doc,
        is_form: false,
    }));
    entries.extend(kernel_trace::all(world).map(|tracepoint| CatalogueEntry {
        point: tracepoint.point(),
        group: if tracepoint.system.is_empty() {
            "kernel.trace".to_owned()
        } else {
            format!("kernel.trace {}", tracepoint.system)
        },
        has_return: false,
        doc: tracepoint.prototype(),
        is_form: false,
    }));
    entries
}

/// A group of functions has at least so many; the rest go together.
const MIN_GROUP: usize = 8;

/// The kernel's functions, tens of thousands, by the first word of their names (`vfs` of `vfs_read`), with the names of
/// their parameters.
pub fn functions(world: &World) -> Vec<CatalogueEntry> {
    let Ok(btf) = world.btf() else { return Vec::new() };
    let mut found: Vec<(&str, u32)> = btf.functions().map(|(name, _, proto)| (name, proto)).collect();
    found.sort_unstable();
    found.dedup_by_key(|(name, _)| *name);
    let word = |name: &'_ str| -> usize {
        let start = name.len() - name.trim_start_matches('_').len();
        start + name[start..].find('_').unwrap_or(name.len() - start)
    };
    let first_word = |name: &str| name[..word(name)].trim_start_matches('_').to_owned();
    let mut sizes: HashMap<String, usize> = HashMap::new();
    found.iter().for_each(|(name, _)| *sizes.entry(first_word(name)).or_default() += 1);
    let entry = |(name, proto): &(&str, u32)| {
        let group = first_word(name);
        let group = if sizes[&group] < MIN_GROUP { "other".to_owned() } else { group };
        let params: Vec<&str> = btf.params(*proto).into_iter().map(|param| param.name).collect();
        CatalogueEntry {
            point: format!("kernel.function(\"{name}\")"),
            group: format!("kernel.function {group}"),
            has_return: true,
            doc: format!("({})", params.join(", ")),
            is_form: false,
        }
    };
    found.iter().map(entry).collect()
}

/// Variables at a probe point out of [`catalogue`] (with or without `.return`); `None` when it does not resolve.
pub fn details(point: &str, world: &World) -> Option<Details> {
    let Resolved::Sites(sites) = super::resolve(&simple_point(point)?, world)? else { return None };
    let site = sites.into_iter().next()?;
    Some(Details { context: site.scope.variables(world), vars: site.vars })
}

/// A point out of plain text: names, whole numbers, strings without escapes. `None` for anything else.
pub fn simple_point(text: &str) -> Option<ProbePoint> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['.', '(']).unwrap_or(rest.len());
        let name: Arc<str> = rest[..end].into();
        rest = &rest[end..];
        let mut arg = None;
        if let Some(inside) = rest.strip_prefix('(') {
            if let Some(string) = inside.strip_prefix('"') {
                let close = string.find('"')?;
                arg = Some(Literal::Str(string.as_bytes()[..close].into()));
                rest = string[close + 1..].strip_prefix(')')?;
            } else {
                let close = inside.find(')')?;
                arg = Some(Literal::Long(inside[..close].trim().parse().ok()?));
                rest = &inside[close + 1..];
            }
        }
        if name.is_empty() {
            return None;
        }
        parts.push(ProbePointPart { name, arg, span: Span::NONE });
        match rest.strip_prefix('.') {
            Some(more) if !more.is_empty() => rest = more,
            Some(_) => return None,
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    let point = ProbePoint { parts, optional: false, sufficient: false, condition: None, span: Span::NONE };
    (!point.parts.is_empty()).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_points_parse() {
        let show = |text| simple_point(text).map(|point| super::super::pattern::point_text(&point.parts));
        for text in ["begin", "timer.s(1).randomize(2)", "kernel.trace(\"sched:*\")", "process(\"/bin/a.out\").end"] {
            assert_eq!(show(text).as_deref(), Some(text));
        }
        for text in ["", "timer.", "timer.s(", "timer.s(x)", "a..b", "f(\"x"] {
            assert_eq!(show(text), None, "{text}");
        }
    }

    #[test]
    fn this_machine_has_a_catalogue_and_details() {
        let world = World::live();
        if world.btf().is_err() {
            eprintln!("skipped: no BTF here");
            return;
        }
        let started = std::time::Instant::now();
        let entries = catalogue(&world);
        println!("{} entries in {:?}", entries.len(), started.elapsed());
        assert!(entries.len() > 1000);
        let entry = |point: &str| entries.iter().find(|entry| entry.point == point);
        assert!(entry("syscall.openat").is_some_and(|entry| entry.has_return && entry.doc.contains("pathname")));
        assert!(entry("timer.s(NUMBER)").is_some_and(|entry| entry.is_form));
        assert!(entry("syscall_any").is_some_and(|entry| entry.has_return && entry.group == "syscall"));
        let switch = entries.iter().find(|entry| entry.point.contains("sched_switch")).expect("every kernel has it");
        assert!(switch.doc.contains("next"), "{}", switch.doc);
        let details = details(&switch.point, &world).expect("resolves");
        assert!(details.context.iter().any(|variable| variable.name == "$next"));
        let started = std::time::Instant::now();
        let functions = functions(&world);
        println!("{} functions in {:?}", functions.len(), started.elapsed());
        let read = functions.iter().find(|entry| entry.point == "kernel.function(\"vfs_read\")").expect("every kernel");
        assert_eq!((&*read.group, &*read.doc), ("kernel.function vfs", "(file, buf, count, pos)"));
        let mut points: Vec<_> = entries.iter().chain(&functions).map(|entry| &entry.point).collect();
        points.sort();
        points.dedup();
        assert_eq!(points.len(), entries.len() + functions.len(), "no point twice");
    }
}
