//! `kernel.statement("FUNCTION@FILE:LINE")` and its forms: instructions of source lines, by line tables, and addresses.
//! langref "DWARF probes".

use std::sync::Arc;

use super::{
    Listed, NoMatch, Pattern, ProbeFamily, Resolved,
    attach_plan::{AttachPlan, FunctionHook, FunctionTarget},
    dwarf_scope::DwarfScope,
    pattern::parts,
    site::{ContextScope as _, NoContext, ProbeSite},
};
use crate::{
    debuginfo::{
        FunctionPattern, Image, Missing, World,
        dwarf::statements::Statement,
        model::{Instance, Traceable},
    },
    language::ast::{Literal, ProbePoint},
};

pub struct KernelStatement;

impl ProbeFamily for KernelStatement {
    fn patterns(&self) -> &'static [Pattern] {
        const LINE: &str = "the first instruction of a source line: \"FUNCTION@FILE:LINE\", \":FIRST-LAST\", \":*\", \"+N\"; locals are $variables";
        const NEAREST: &str = "the same; a line without code means the nearest one with code";
        const ADDRESS: &str = "the instruction at an address of the kernel, as it was linked";
        const MODULE: &str = "the same in a kernel module";
        const ABSOLUTE: &str = "the instruction at an address of the running kernel, whatever it is";
        &[
            Pattern { text: "kernel.statement(STRING)", doc: LINE },
            Pattern { text: "kernel.statement(STRING).nearest", doc: NEAREST },
            Pattern { text: "kernel.statement(NUMBER)", doc: ADDRESS },
            Pattern { text: "module(STRING).statement(STRING)", doc: MODULE },
            Pattern { text: "module(STRING).statement(STRING).nearest", doc: MODULE },
            Pattern { text: "module(STRING).statement(NUMBER)", doc: MODULE },
            Pattern { text: "kernel.statement(NUMBER).absolute", doc: ABSOLUTE },
            Pattern { text: "kprobe.statement(NUMBER).absolute", doc: ABSOLUTE },
        ]
    }

    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved> {
        let wanted = Wanted::of(point)?;
        if let Wanted::Absolute { address, prefix } = wanted {
            return Some(absolute(address, prefix, world));
        }
        let images = match images(point, world) {
            Ok(images) => images,
            Err(missing) => {
                let no_match = NoMatch::new("source lines are known from debug information only").at_part(1);
                return Some(no_match.help(format!("{missing}; to get it: {}", missing.way_out)).into());
            }
        };
        let (mut sites, mut refused) = (Vec::new(), None);
        for image in &images {
            let resolved = match &wanted {
                Wanted::Lines { pattern, nearest } => by_lines(pattern, *nearest, image, world),
                Wanted::Address(address) => by_address(*address, image, world),
                Wanted::Absolute { .. } => unreachable!("handled above"),
                Wanted::Wrong(why) => NoMatch::new(why.as_str()).at_part(1).into(),
            };
            match resolved {
                Resolved::Sites(found) => sites.extend(found),
                nothing => refused = Some(nothing),
            }
        }
        if sites.is_empty() { refused } else { Some(Resolved::Sites(sites)) }
    }

    fn list(&self, point: &ProbePoint, with_variables: bool, world: &World) -> Option<Vec<Listed>> {
        let Wanted::Lines { pattern, nearest } = Wanted::of(point)? else { return None };
        let mut lines = Vec::new();
        for image in images(point, world).ok()? {
            let statements = image.dwarf.statements(&pattern, nearest).found;
            lines.extend(
                statements
                    .iter()
                    .filter_map(|found| line(found, point_text(found, nearest, &image), with_variables, &image, world)),
            );
        }
        Some(lines)
    }
}

/// The kernel, or the modules a point names.
fn images(point: &ProbePoint, world: &World) -> Result<Vec<Arc<Image>>, Missing> {
    let parts = parts(point);
    let Some(("module", Some(Literal::Str(name)))) = parts.first() else {
        world.dwarf().map_err(Clone::clone)?;
        return Ok(world.kernel_image().cloned().into_iter().collect());
    };
    let name = String::from_utf8_lossy(name);
    match super::kernel_function::images(&name, world) {
        Some(images) => Ok(images),
        None => world.module_image(&name).map(|image| vec![image]),
    }
}

/// A point, read.
enum Wanted {
    Lines {
        pattern: FunctionPattern,
        nearest: bool,
    },
    /// As the kernel was linked.
    Address(u64),
    /// As the kernel runs; `kernel` or `kprobe`.
    Absolute {
        address: u64,
        prefix: &'static str,
    },
    Wrong(String),
}

impl Wanted {
    fn of(point: &ProbePoint) -> Option<Self> {
        let parts = parts(point);
        let (prefix, statement, rest) = match parts.as_slice() {
            [("kernel", None), ("statement", Some(statement)), rest @ ..] => ("kernel", *statement, rest),
            [("kprobe", None), ("statement", Some(statement)), rest @ ..] => ("kprobe", *statement, rest),
            [("module", Some(Literal::Str(_))), ("statement", Some(statement)), rest @ ..] => {
                ("module", *statement, rest)
            }
            _ => return None,
        };
        match (prefix, statement, rest) {
            ("kernel" | "module", Literal::Str(text), [] | [("nearest", None)]) => {
                Some(match FunctionPattern::parse(&String::from_utf8_lossy(text)) {
                    Ok(pattern) => Wanted::Lines { pattern, nearest: !rest.is_empty() },
                    Err(why) => Wanted::Wrong(why),
                })
            }
            ("kernel" | "module", Literal::Long(address), [] | [("nearest", None)]) => {
                Some(Wanted::Address(*address as u64))
            }
            (prefix @ ("kernel" | "kprobe"), Literal::Long(address), [("absolute", None)]) => {
                Some(Wanted::Absolute { address: *address as u64, prefix })
            }
            _ => None,
        }
    }
}

/// `kernel`, `module("xfs")`
fn prefix(image: &Image) -> String {
    image.module.as_ref().map_or("kernel".to_owned(), |module| format!("module(\"{module}\")"))
}

/// `kernel.statement("vfs_read@fs/read_write.c:461")`
fn point_text(statement: &Statement, nearest: bool, image: &Image) -> String {
    let suffix = if nearest { ".nearest" } else { "" };
    let (file, line) = (&statement.place.file, statement.place.line);
    format!("{}.statement(\"{}@{file}:{line}\"){suffix}", prefix(image), statement.function)
}

fn by_lines(pattern: &FunctionPattern, nearest: bool, image: &Arc<Image>, world: &World) -> Resolved {
    let dwarf = &*image.dwarf;
    let statements = dwarf.statements(pattern, nearest);
    let mut sites = Vec::new();
    let mut n_barred = 0;
    for statement in &statements.found {
        let point = point_text(statement, nearest, image);
        let (found, barred) = sites_of(statement, &point, image, world);
        sites.extend(found);
        n_barred += barred;
    }
    if !sites.is_empty() {
        return Resolved::Sites(sites);
    }
    let no_match = match (statements.n_functions, n_barred) {
        (0, _) => {
            let file = pattern.file.as_ref().map_or(String::new(), |file| format!("@{file}"));
            super::kernel_function::nowhere(&format!("{}{file}", pattern.name), dwarf)
        }
        (_, 0) => {
            let lines: Vec<String> = statements.near.iter().map(|line| format!(":{line}")).collect();
            let hint = if lines.is_empty() { String::new() } else { format!(" (try {})", lines.join(" or ")) };
            let file = pattern.file.as_deref().unwrap_or("");
            NoMatch::new(format!("no line records for {file}{} [man error::dwarf]{hint}", pattern.lines))
        }
        (_, n) => NoMatch::new(format!("the kernel refuses probes in all {n} places of this statement")),
    };
    no_match.at_part(1).into()
}

/// The sites of a statement, and how many of its places the kernel refuses probes in.
pub(super) fn sites_of(
    statement: &Statement,
    point: &str,
    image: &Arc<Image>,
    world: &World,
) -> (Vec<ProbeSite>, usize) {
    let point: Arc<str> = point.into();
    let (mut sites, mut n_barred) = (Vec::new(), 0);
    for (instance, pc) in &statement.places {
        if matches!(image.dwarf.traceable_at(instance, *pc), Traceable::Not(_)) {
            n_barred += 1;
        } else {
            sites.extend(site(&point, statement.function.clone(), instance, *pc, image, world));
        }
    }
    (sites, n_barred)
}

fn by_address(address: u64, image: &Arc<Image>, world: &World) -> Resolved {
    let Some((function, instance, _)) = image.dwarf.statement_at(address) else {
        let message = format!("no statement begins at {address:#x}");
        return NoMatch::new(message)
            .at_part(1)
            .help("addresses are those of the file, not of the running kernel")
            .into();
    };
    let point: Arc<str> = format!("{}.statement({address:#x})", prefix(image)).into();
    let sites = site(&point, function.name, &instance, address, image, world);
    Resolved::Sites(sites.into_iter().collect())
}

fn absolute(address: u64, prefix: &str, world: &World) -> Resolved {
    let point = format!("{prefix}.statement({address:#x}).absolute");
    let target = FunctionTarget { name: String::new(), module: None, address: Some(address), offset: 0 };
    let attach = AttachPlan::Function { target, exit: false, hook: hook(world) };
    Resolved::Sites(vec![ProbeSite::plain(point, attach, Arc::new(NoContext))])
}

fn hook(world: &World) -> FunctionHook {
    let probing = world.probing();
    if probing.kprobes {
        FunctionHook::Kprobe { multi: false, cookies: probing.cookies }
    } else {
        FunctionHook::Missing
    }
}

/// `None`: no symbol says where the place is.
fn site(
    point: &Arc<str>,
    function: Arc<str>,
    instance: &Instance,
    pc: u64,
    image: &Arc<Image>,
    world: &World,
) -> Option<ProbeSite> {
    let (start, symbol) = image.dwarf.symbol_at(pc, &function)?;
    let target = FunctionTarget {
        name: symbol.to_owned(),
        module: image.module.as_deref().map(str::to_owned),
        address: image.address(start),
        offset: pc - start,
    };
    let scope = DwarfScope {
        image: image.clone(),
        function: function.clone(),
        instance: instance.clone(),
        pc,
        is_statement: true,
        exit: false,
        keeps_args: false,
    };
    Some(ProbeSite {
        point: point.clone(),
        attach: AttachPlan::Function { target, exit: false, hook: hook(world) },
        func: function.clone(),
        name: function,
        scope: Arc::new(scope),
        vars: Vec::new(),
    })
}

/// A line of a listing, with the variables that every place of it has.
pub(super) fn line(
    statement: &Statement,
    point: String,
    with_variables: bool,
    image: &Arc<Image>,
    world: &World,
) -> Option<Listed> {
    let dwarf = &*image.dwarf;
    let may_be = |(instance, pc): &&(Instance, u64)| !matches!(dwarf.traceable_at(instance, *pc), Traceable::Not(_));
    let mut places: Vec<&(Instance, u64)> = statement.places.iter().filter(may_be).collect();
    let traceable = match places.first() {
        Some((instance, pc)) => dwarf.traceable_at(instance, *pc),
        None => statement.places.first().map(|(instance, pc)| dwarf.traceable_at(instance, *pc))?,
    };
    if places.is_empty() {
        places = statement.places.iter().collect();
    }
    let mut context = None;
    if with_variables {
        // In the order of the first unit that has the function, and there of its own code.
        places.sort_by_key(|(instance, _)| dwarf.rank(instance));
        for (instance, pc) in places {
            let scope = DwarfScope {
                image: image.clone(),
                function: statement.function.clone(),
                instance: instance.clone(),
                pc: *pc,
                is_statement: true,
                exit: false,
                keeps_args: false,
            };
            let here = scope.variables(world);
            context = Some(match context.take() {
                None => here,
                Some(before) => {
                    let before: Vec<super::site::ContextVariable> = before;
                    before.into_iter().filter(|variable| here.contains(variable)).collect()
                }
            });
        }
    }
    Some(Listed { point, context: context.unwrap_or_default(), traceable })
}
