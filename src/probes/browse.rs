//! What is inside a probe point, for those who look around: its variables and the members behind them, the copies and the
//! lines of a function, how it is probed and why not.

use std::collections::{HashMap, HashSet};

use tapdeck_ebpf::ir::Space;

use super::{
    Resolved,
    attach_plan::{AttachPlan, FunctionHook},
    catalogue::{function_point, simple_point},
    kernel_trace,
    members::Walk,
    site::{PathStep, ProbeSite},
    syscall,
};
use crate::{
    debuginfo::{
        Dwarf, FunctionPattern, Types, World,
        function_pattern::Lines,
        model::{Function, Instance, InstanceKind, Traceable},
        probing::{MISSING, WAY_OUT},
        types::{Shape, TypeId},
    },
    language::{ast::Literal, types::Type},
};

/// What a value is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A statistic can take it.
    Number,
    /// A script's text.
    Text,
    /// The address of a text of the kernel's, or of the process's.
    KernelText,
    UserText,
    /// A struct, a union, or the address of one: there is more behind it.
    Members,
    Other,
}

/// A variable, or a member behind one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// As it is written: `$file`, `retval`, `f_pos`.
    pub name: String,
    pub type_text: String,
    pub holds: Holds,
    /// Why it has no value there; empty where it has.
    pub absent: String,
}

/// What is known of a point: of every site it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interior {
    pub variables: Vec<Inside>,
    /// How it is probed, or why not; empty where nothing is to be said.
    pub how: String,
    /// It cannot be probed here.
    pub is_refused: bool,
    pub copies: Vec<Copy>,
    pub lines: Vec<Line>,
}

/// A place where the compiler put a function's body instead of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The function whose code it is in.
    pub caller: String,
    pub how: Traceable,
}

/// A line of a function that has code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `kernel.statement("…")`
    pub point: String,
    pub line: u32,
    /// In how many places the code is.
    pub n_places: usize,
}

/// What a point out of the catalogue has inside, with or without `.return`; `None` when it is no point of any kind.
pub fn interior(point: &str, world: &World) -> Option<Interior> {
    let mut interior = Interior::default();
    match super::resolve(&simple_point(point)?, world)? {
        Resolved::Sites(sites) => {
            // A function's own code tells more than a copy of it.
            let is_called =
                |site: &&ProbeSite| matches!(&site.attach, AttachPlan::Function { target, .. } if target.offset == 0);
            let site = sites.iter().find(is_called).or(sites.first())?;
            interior.variables = variables(site, world);
            (interior.how, interior.is_refused) = how(&sites);
        }
        Resolved::Nothing(why) => {
            interior.how = why.help.map_or(why.message.clone(), |help| format!("{}; {help}", why.message));
            interior.is_refused = true;
        }
    }
    by_dwarf(point, world, &mut interior);
    Some(interior)
}

/// A function in more places than this has no list of lines: each copy would be looked through.
const MAX_PLACES: usize = 64;

fn by_dwarf(point: &str, world: &World, interior: &mut Interior) {
    let Some(point) = simple_point(point) else { return };
    let text = match point.parts.as_slice() {
        [kernel, function] if &*kernel.name == "kernel" && &*function.name == "function" => match &function.arg {
            Some(Literal::Str(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => return,
        },
        _ => return,
    };
    let (Ok(pattern), Ok(dwarf)) = (FunctionPattern::parse(&text), world.dwarf()) else { return };
    let functions = dwarf.functions(&pattern);
    let instances = || functions.iter().flat_map(|function| &function.instances);
    let refused = |instance: &Instance| matches!(dwarf.traceable(instance), Traceable::Not(_));
    if let Some(instance) = instances().find(|instance| refused(instance))
        && instances().all(refused)
    {
        interior.how = match dwarf.traceable(instance) {
            Traceable::Not(reason) => reason.in_words().to_owned(),
            _ => String::new(),
        };
        interior.is_refused = true;
    }
    let copies = instances().filter(|instance| instance.kind == InstanceKind::Inline);
    interior.copies = copies.map(|instance| copy(instance, dwarf)).collect();
    let few = functions.iter().filter(|function| function.instances.len() <= MAX_PLACES && function.source.is_some());
    interior.lines = few.flat_map(|function| lines(function, dwarf)).collect();
}

fn copy(instance: &Instance, dwarf: &Dwarf) -> Copy {
    let caller = instance.pc.and_then(|pc| dwarf.symbol_at(pc, "")).map_or("?", |(_, symbol)| symbol);
    Copy { caller: caller.to_owned(), how: dwarf.traceable(instance) }
}

fn lines(function: &Function, dwarf: &Dwarf) -> Vec<Line> {
    let file = function.source.as_ref().map(|place| place.file.to_string());
    let pattern = FunctionPattern { name: function.name.to_string(), file, lines: Lines::Every };
    let found = dwarf.statements(&pattern, false).found.into_iter();
    let line = |place: crate::debuginfo::model::SourcePlace, n_places| Line {
        point: format!("kernel.statement(\"{}@{}:{}\")", function.name, place.file, place.line),
        line: place.line,
        n_places,
    };
    found.map(|statement| line(statement.place, statement.places.len())).collect()
}

/// Points with a parameter, a result or an argument of a type whose name has `part` in it.
pub fn with_type(part: &str, world: &World) -> HashSet<String> {
    let mut found = HashSet::new();
    let calls = syscall::prototypes(world).map(|(name, _)| format!("syscall.{name}"));
    found.extend(calls.filter(|point| {
        let site = simple_point(point).and_then(|point| super::resolve(&point, world));
        let Some(Resolved::Sites(sites)) = site else { return false };
        let variables = sites.first().map(|site| site.scope.variables(world)).unwrap_or_default();
        variables.iter().any(|variable| variable.type_text.contains(part))
    }));
    found.extend(kernel_trace::all(world).filter(|point| point.has_type(part)).map(|point| point.point()));
    match (world.dwarf(), world.btf()) {
        (Ok(dwarf), _) => in_index(part, dwarf, &mut found),
        (Err(_), Ok(btf)) => {
            let mut known: HashMap<TypeId, bool> = HashMap::new();
            let mut named = |ty: TypeId| *known.entry(ty).or_insert_with(|| btf.type_text(ty).contains(part));
            for (name, _, proto) in btf.functions() {
                let result = matches!(btf.shape(proto), Shape::Function { result } if named(result));
                if result || btf.params(proto).iter().any(|param| named(param.ty)) {
                    found.insert(function_point(name));
                }
            }
        }
        (Err(_), Err(_)) => {}
    }
    found
}

/// The index knows the arguments of every function as texts.
fn in_index(part: &str, dwarf: &Dwarf, found: &mut HashSet<String>) {
    let index = dwarf.index();
    let (mut pairs, mut lists): (HashMap<u32, bool>, HashMap<u32, bool>) = (HashMap::new(), HashMap::new());
    let points = super::catalogue::points_in(index);
    for (group, point) in points.enumerate() {
        let has = index.instances(group).any(|instance| {
            let list = index.instance(instance).arguments;
            *lists.entry(list).or_insert_with(|| {
                index
                    .arguments(list)
                    .any(|pair| *pairs.entry(pair).or_insert_with(|| index.argument(pair).1.contains(part)))
            })
        });
        if has {
            found.insert(point);
        }
    }
}

fn variables(site: &ProbeSite, world: &World) -> Vec<Inside> {
    let of_script = site.vars.iter().map(|var| Inside {
        name: var.name.to_string(),
        type_text: var.ty.to_string(),
        holds: if var.ty == Type::Str { Holds::Text } else { Holds::Number },
        absent: String::new(),
    });
    let of_context = site.scope.variables(world).into_iter().map(|variable| {
        let look = variable.name.strip_prefix('$').and_then(|name| site.scope.look(name, &[], world));
        Inside {
            holds: look.map_or(Holds::Other, |look| look.holds),
            name: variable.name,
            type_text: variable.type_text,
            absent: String::new(),
        }
    });
    let absent = site.scope.absent(world).into_iter().map(|(variable, why)| Inside {
        name: variable.name,
        type_text: variable.type_text,
        holds: Holds::Other,
        absent: why,
    });
    of_script.chain(of_context).chain(absent).collect()
}

/// The members behind an expression `$file->f_path` at a point.
pub fn members(point: &str, expression: &str, world: &World) -> Vec<Inside> {
    let site = simple_point(point).and_then(|point| super::resolve(&point, world));
    let Some(Resolved::Sites(sites)) = site else { return Vec::new() };
    let mut parts = expression.split("->");
    let Some(name) = parts.next().and_then(|name| name.strip_prefix('$')) else { return Vec::new() };
    let path: Vec<PathStep> = parts.map(|member| PathStep::Member(member.to_owned())).collect();
    let look = sites.first().and_then(|site| site.scope.look(name, &path, world));
    look.map_or(Vec::new(), |look| look.members)
}

/// What stands at the end of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub holds: Holds,
    pub members: Vec<Inside>,
}

pub(super) fn look(walk: &Walk<'_>) -> Look {
    let (types, space) = (walk.types(), walk.space());
    let holds = if walk.is_bitfield() { Holds::Number } else { holds(types, walk.ty, space) };
    let mut members = Vec::new();
    if holds == Holds::Members {
        let mut ty = walk.ty;
        while let Shape::Pointer(to) = types.base_shape(ty) {
            ty = to;
        }
        collect(types, ty, space, &mut members, 0);
    }
    Look { holds, members }
}

/// Structs nest anonymous ones; malformed data could nest them forever.
const MAX_DEPTH: usize = 16;

fn collect(types: &dyn Types, ty: TypeId, space: Space, out: &mut Vec<Inside>, depth: usize) {
    for member in types.members(ty) {
        if !member.name.is_empty() {
            let bits = member.bitfield_bits;
            let bits = if bits > 0 { format!(":{bits}") } else { String::new() };
            out.push(Inside {
                name: member.name.to_owned(),
                type_text: types.type_text(member.ty) + &bits,
                holds: holds(types, member.ty, space),
                absent: String::new(),
            });
        } else if depth < MAX_DEPTH {
            collect(types, member.ty, space, out, depth + 1);
        }
    }
}

fn holds(types: &dyn Types, ty: TypeId, space: Space) -> Holds {
    let is_char = |ty| matches!(types.base_shape(ty), Shape::Int { char: true, .. });
    let text = if space == Space::User { Holds::UserText } else { Holds::KernelText };
    match types.base_shape(ty) {
        Shape::Int { .. } | Shape::Bool { .. } | Shape::Enum { .. } => Holds::Number,
        Shape::Struct | Shape::Union => Holds::Members,
        Shape::Array { element, .. } if is_char(element) => text,
        Shape::Pointer(to) if is_char(to) => text,
        Shape::Pointer(mut to) => {
            while let Shape::Pointer(further) = types.base_shape(to) {
                to = further;
            }
            if matches!(types.base_shape(to), Shape::Struct | Shape::Union) { Holds::Members } else { Holds::Other }
        }
        _ => Holds::Other,
    }
}

/// How the sites of a point are probed, and whether they cannot be.
fn how(sites: &[ProbeSite]) -> (String, bool) {
    let hook = sites.iter().find_map(|site| match &site.attach {
        AttachPlan::Function { hook, .. } => Some(hook),
        _ => None,
    });
    match hook {
        None => (String::new(), false),
        Some(FunctionHook::Missing) => (format!("{MISSING}; {WAY_OUT}"), true),
        Some(FunctionHook::Fentry { .. }) => ("probed by a trampoline (fentry): some 20 ns a hit".to_owned(), false),
        Some(FunctionHook::Kprobe { multi: true, .. }) => ("probed by ftrace (kprobe.multi)".to_owned(), false),
        Some(FunctionHook::Kprobe { .. }) => ("probed by a breakpoint (kprobe)".to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_quickly() {
        let world = World::live();
        if world.btf().is_err() {
            eprintln!("skipped: no BTF here");
            return;
        }
        let started = std::time::Instant::now();
        let found = with_type("sk_buff", &world);
        println!("{} points in {:?}", found.len(), started.elapsed());
        assert!(found.len() > 100);
        // A debug build on a busy machine; it is some 30 ms in a release build.
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}
