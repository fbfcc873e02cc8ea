//! Everything that can be probed on this machine, for the probe browser and completion: names at once, details on demand.

use std::{borrow::Cow, sync::Arc};

use rustc_hash::FxHashMap;

use super::{FAMILIES, kernel_trace, syscall};
use crate::{
    debuginfo::{Btf, Types as _, World, dwarf::index::Index, first_bytes},
    language::ast::{Literal, ProbePoint, ProbePointPart},
    source::Span,
};

/// One probe point, or one form of it with an argument to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// As a script writes it; a NUMBER, STRING or NAME in it is to be replaced.
    pub point: String,
    /// `syscall`, `kernel.trace sched`, `timer`: the branch of the tree it hangs on.
    pub group: Arc<str>,
    /// `point` + `.return` is a probe point too.
    pub has_return: bool,
    /// One line: what it is, or its arguments; of the kernel's functions nothing, as they are very many
    /// ([`function_arguments`]).
    pub doc: String,
    /// Words are to be replaced before it is a probe point.
    pub is_form: bool,
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
            group: if group == "syscall_any" { "syscall" } else { group }.into(),
            has_return,
            doc: pattern.doc.to_owned(),
            is_form: pattern.text.contains("NUMBER") || pattern.text.contains("STRING"),
        });
    }
    entries.extend(syscall::prototypes(world).map(|(name, doc)| CatalogueEntry {
        point: format!("syscall.{name}"),
        group: "syscall".into(),
        has_return: true,
        doc,
        is_form: false,
    }));
    entries.extend(kernel_trace::all(world).map(|tracepoint| CatalogueEntry {
        point: tracepoint.point(),
        group: if tracepoint.system.is_empty() {
            "kernel.trace".into()
        } else {
            format!("kernel.trace {}", tracepoint.system).into()
        },
        has_return: false,
        doc: tracepoint.prototype(),
        is_form: false,
    }));
    entries
}

/// A group of functions has at least so many; the rest go together.
const MIN_GROUP: usize = 8;

/// `kernel.function("vfs_read")`
pub fn function_point(name: &str) -> String {
    // Tens of thousands are made and kept: each in as much room as it needs.
    ["kernel.function(\"", name, "\")"].concat()
}

/// `(file, buf, count, pos)`: the arguments of a function of the kernel whose point this is, as far as its types know it.
pub fn function_arguments(point: &str, world: &World) -> Option<String> {
    let name = point.strip_prefix("kernel.function(\"")?.split(['@', '"']).next()?;
    let btf = world.btf().ok()?;
    let (_, prototype) = btf.function_named(name)?;
    Some(parameters(btf, prototype))
}

/// The group that the kernel's functions are in.
pub const FUNCTIONS: &str = "kernel.function";

/// The kernel's functions as debug information has them, tens of thousands, by the file they are in; that may have to be
/// indexed first. `None`: there is none. Each is made when it is asked for.
pub fn functions_by_source(world: &World) -> Option<impl Iterator<Item = CatalogueEntry> + '_> {
    world.dwarf().ok().map(|dwarf| by_source(dwarf.index()))
}

/// The kernel's functions without an index of debug information, by the first word of their names (`vfs` of `vfs_read`):
/// as type information has them, else by their symbols. Each is made when it is asked for.
pub fn functions_at_once(world: &World) -> impl Iterator<Item = CatalogueEntry> + '_ {
    let types = world.btf().into_iter().flat_map(|btf| btf.functions());
    let mut found: Vec<(u64, Cow<str>)> = types.map(|(name, ..)| (first_bytes(name), name.into())).collect();
    // Those of the running kernel take longer to read than types, and nothing but assembler is new in them.
    found.extend(world.symbols_of_file().into_iter().map(|name| (first_bytes(&name), name.into())));
    if found.is_empty()
        && let Ok(symbols) = world.symbols()
    {
        let names = symbols.names().filter(|(_, module)| module.is_none());
        found.extend(names.map(|(name, _)| (first_bytes(name), name.into())));
    }
    found.sort_unstable();
    found.dedup();
    // Names with the same first word mostly follow each other, so it is looked up where it changes.
    let mut sizes: FxHashMap<String, usize> = FxHashMap::default();
    for run in found.chunk_by(|(_, a), (_, b)| first_word(a) == first_word(b)) {
        *sizes.entry(first_word(&run[0].1).to_owned()).or_default() += run.len();
    }
    let group = move |word: &str| match sizes.get(word) {
        Some(n) if *n >= MIN_GROUP => format!("{FUNCTIONS} {word}").into(),
        _ => format!("{FUNCTIONS} other").into(),
    };
    let mut last: (String, Arc<str>) = (String::new(), group(""));
    found.into_iter().map(move |(_, name)| {
        let word = first_word(&name);
        if last.0 != word {
            last = (word.to_owned(), group(word));
        }
        CatalogueEntry {
            point: function_point(&name),
            group: last.1.clone(),
            has_return: true,
            doc: String::new(),
            is_form: false,
        }
    })
}

/// `vfs` of `__vfs_read`.
fn first_word(name: &str) -> &str {
    let name = name.trim_start_matches('_');
    &name[..name.find('_').unwrap_or(name.len())]
}

/// Functions of loaded modules, by module, as type information has them.
pub fn functions_of_modules(world: &World) -> Vec<CatalogueEntry> {
    let mut entries = Vec::new();
    for (module, btf) in world.module_btfs() {
        let mut found: Vec<(&str, u32)> = btf.functions().map(|(name, _, proto)| (name, proto)).collect();
        found.sort_unstable();
        found.dedup_by_key(|(name, _)| *name);
        let group: Arc<str> = format!("module.function {module}").into();
        entries.extend(found.into_iter().map(|(name, proto)| CatalogueEntry {
            point: format!("module(\"{module}\").function(\"{name}\")"),
            group: group.clone(),
            has_return: true,
            doc: parameters(btf, proto),
            is_form: false,
        }));
    }
    entries
}

/// `(file, buf, count, pos)`
fn parameters(btf: &Btf, proto: u32) -> String {
    let names: Vec<&str> = btf.params(proto).into_iter().map(|param| param.name).collect();
    format!("({})", names.join(", "))
}

/// The point of each group of an index, in its order: by name, with the file where others have the name too, with the line
/// where even that is not enough.
pub fn points_in(index: &Index) -> impl Iterator<Item = String> + '_ {
    // Groups of the same name follow each other.
    let group = |idx: usize| (idx < index.n_groups()).then(|| index.group(idx));
    let mut run = (0, 0);
    (0..index.n_groups()).map(move |idx| {
        let here = index.group(idx);
        if idx >= run.1 {
            let same = (idx..).take_while(|other| group(*other).is_some_and(|other| other.name == here.name));
            run = (idx, idx + same.count());
        }
        let name = index.text(here.name);
        if run.1 - run.0 == 1 || here.file == 0 {
            return function_point(name);
        }
        let file = index.text(here.file);
        let in_file = (run.0..run.1).filter(|other| group(*other).is_some_and(|other| other.file == here.file)).count();
        if in_file == 1 {
            function_point(&format!("{name}@{file}"))
        } else {
            function_point(&format!("{name}@{file}:{}", here.line))
        }
    })
}

/// Every function of an index, files in the order of their names.
fn by_source(index: &Index) -> impl Iterator<Item = CatalogueEntry> + '_ {
    let mut points: Vec<(usize, String)> = points_in(index).enumerate().collect();
    let place = move |idx: usize| match index.text(index.group(idx).file) {
        "" => "other",
        file => file,
    };
    points.sort_by(|(a, in_a), (b, in_b)| (place(*a), in_a).cmp(&(place(*b), in_b)));
    let mut last: Option<(&str, Arc<str>)> = None;
    points.into_iter().map(move |(idx, point)| {
        let file = place(idx);
        let group = match &last {
            Some((known, group)) if *known == file => group.clone(),
            _ => last.insert((file, format!("{FUNCTIONS} {file}").into())).1.clone(),
        };
        let mut instances = index.instances(idx).map(|instance| index.instance(instance));
        CatalogueEntry {
            point,
            group,
            has_return: instances.any(|instance| !instance.is_inline),
            doc: String::new(),
            is_form: false,
        }
    })
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
    use crate::probes::browse;

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
        assert!(entry("syscall_any").is_some_and(|entry| entry.has_return && &*entry.group == "syscall"));
        let switch = entries.iter().find(|entry| entry.point.contains("sched_switch")).expect("every kernel has it");
        assert!(switch.doc.contains("next"), "{}", switch.doc);
        let inside = browse::interior(&switch.point, &world).expect("resolves");
        let next = inside.variables.iter().find(|variable| variable.name == "$next").expect("the next task");
        assert_eq!(next.holds, browse::Holds::Members);
        let members = browse::members(&switch.point, "$next->mm", &world);
        assert!(members.iter().any(|member| member.name == "mm_users" && member.holds == browse::Holds::Members));
        assert!(members.iter().any(|member| member.name == "total_vm" && member.holds == browse::Holds::Number));
        let points = browse::with_type("sk_buff", &world);
        assert!(points.contains("kernel.function(\"netif_rx\")") && !points.contains("kernel.function(\"vfs_read\")"));
        assert!(points.contains("kernel.trace(\"net:netif_rx\")") && !points.contains(&switch.point));
        let started = std::time::Instant::now();
        let functions: Vec<_> = functions_at_once(&world).collect();
        println!("{} functions in {:?}", functions.len(), started.elapsed());
        let read = functions.iter().find(|entry| entry.point == "kernel.function(\"vfs_read\")").expect("every kernel");
        let arguments = function_arguments(&read.point, &world);
        assert_eq!((&*read.group, arguments.as_deref()), ("kernel.function vfs", Some("(file, buf, count, pos)")));
        assert_eq!(function_arguments("kernel.function(\"vfs_read@fs/read_write.c:552\")", &world), arguments);
        assert_eq!(function_arguments("syscall.read", &world), None);
        let mut points: Vec<_> = entries.iter().chain(&functions).map(|entry| &entry.point).collect();
        points.sort();
        points.dedup();
        assert_eq!(points.len(), entries.len() + functions.len(), "no point twice");
    }
}
