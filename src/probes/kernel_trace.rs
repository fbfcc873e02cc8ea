//! `kernel.trace("[system:]name")`: the kernel's tracepoints, with their arguments by name and type.
//!
//! Types come from BTF: every tracepoint has a function `__traceiter_NAME` whose parameters, after the first, are the
//! tracepoint's. The system comes from tracefs. Attached as a raw tracepoint: argument n is word n of the context.

use std::sync::Arc;

use tapdeck_ebpf::ir::{ContextField, Space};

use super::{
    NoMatch, Pattern, ProbeFamily, Resolved,
    access::{Access, AccessBase},
    attach_plan::AttachPlan,
    browse::{self, Look},
    members::Walk,
    pattern::{glob_matches, is_wildcard, nearest, parts},
    pretty,
    site::{ContextError, ContextScope, ContextVariable, Depth, PathStep, Pretty, ProbeSite},
};
use crate::{
    debuginfo::{
        Btf, World,
        types::{Shape, TypeId, Types},
    },
    language::ast::{Literal, ProbePoint},
};

pub struct KernelTrace;

impl ProbeFamily for KernelTrace {
    fn patterns(&self) -> &'static [Pattern] {
        &[
            Pattern {
                text: "kernel.trace(STRING)",
                doc: "a kernel tracepoint by name, or system:name; * matches any text; its arguments are $variables",
            },
            Pattern {
                text: "kernel.trace(STRING).task(STRING)",
                doc: "the same; pid(), execname() and so on tell of the task in that argument",
            },
        ]
    }

    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved> {
        let (pattern, task) = match parts(point)[..] {
            [("kernel", None), ("trace", Some(Literal::Str(pattern)))] => (pattern, None),
            [("kernel", None), ("trace", Some(Literal::Str(pattern))), ("task", Some(Literal::Str(task)))] => {
                (pattern, Some(String::from_utf8_lossy(task).into_owned()))
            }
            _ => return None,
        };
        let pattern = String::from_utf8_lossy(pattern).into_owned();
        let found = match find(&pattern, world) {
            Ok(found) => found,
            Err(no_match) => return Some(no_match.at_part(1).into()),
        };
        let sites = found.into_iter().map(|tracepoint| match &task {
            None => Ok(tracepoint.site()),
            Some(task) => tracepoint.site_of_task(task),
        });
        Some(match sites.collect::<Result<_, _>>() {
            Ok(sites) => Resolved::Sites(sites),
            Err(no_match) => no_match.at_part(2).into(),
        })
    }
}

/// A tracepoint with what BTF and tracefs say of it.
#[derive(Clone, Debug)]
pub struct Tracepoint {
    /// Empty when tracefs is not there or does not list it.
    pub system: String,
    pub name: String,
    btf: Arc<Btf>,
    /// Of `__traceiter_NAME`: a data pointer, then the arguments.
    proto: TypeId,
}

impl Tracepoint {
    /// As SystemTap prints it.
    pub fn point(&self) -> String {
        point_text(&self.system, &self.name)
    }

    /// `(name without $, type)` of each argument.
    fn args(&self) -> impl Iterator<Item = (String, TypeId)> {
        let params = self.btf.params(self.proto).into_iter().skip(1).enumerate();
        params.map(|(idx, param)| {
            let name = if param.name.is_empty() { format!("arg{}", idx + 1) } else { param.name.to_owned() };
            (name, param.ty)
        })
    }

    /// `(preempt, prev, next, prev_state)`
    pub fn prototype(&self) -> String {
        let names: Vec<_> = self.args().map(|(name, _)| name).collect();
        format!("({})", names.join(", "))
    }

    /// One of its arguments has a type with `part` in its name.
    pub fn has_type(&self, part: &str) -> bool {
        self.args().any(|(_, ty)| self.btf.type_text(ty).contains(part))
    }

    fn site(self) -> ProbeSite {
        let n_args = self.args().count() as u8;
        let attach = AttachPlan::Tracepoint { name: self.name.clone(), n_args, task_arg: None };
        let (point, name): (Arc<str>, Arc<str>) = (self.point().into(), self.name.as_str().into());
        ProbeSite { point, attach, func: name.clone(), name, scope: Arc::new(self), vars: Vec::new() }
    }

    /// Where the current task is the one in an argument.
    fn site_of_task(self, arg: &str) -> Result<ProbeSite, NoMatch> {
        let is_task = |ty| self.btf.type_text(ty) == "struct task_struct*";
        let found = self.args().position(|(name, ty)| name == arg && is_task(ty));
        let Some(found) = found else {
            let tasks: Vec<_> = self.args().filter(|(_, ty)| is_task(*ty)).map(|(name, _)| name).collect();
            let no_match = NoMatch::new(format!("tracepoint \"{}\" has no task argument \"{arg}\"", self.name));
            return Err(no_match.similar(tasks));
        };
        let point = format!("{}.task(\"{arg}\")", self.point());
        let mut site = self.site();
        site.point = point.into();
        if let AttachPlan::Tracepoint { task_arg, .. } = &mut site.attach {
            *task_arg = Some(found as u8);
        }
        Ok(site)
    }

    fn walk(&self, idx: usize, ty: TypeId) -> Walk<'_> {
        Walk::value(&*self.btf, ty, AccessBase::Field(ContextField::TraceArg(idx as u8)), Space::Kernel)
    }

    fn walk_to(&self, name: &str, path: &[PathStep]) -> Result<Walk<'_>, ContextError> {
        let Some((idx, (_, ty))) = self.args().enumerate().find(|(_, (arg, _))| arg == name) else {
            let alternatives = self.args().map(|(name, _)| format!("${name}"));
            let alternatives = alternatives.chain(["$$name", "$$parms", "$$vars"].map(str::to_owned)).collect();
            return Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives });
        };
        let mut walk = self.walk(idx, ty);
        walk.follow(path)?;
        Ok(walk)
    }
}

fn point_text(system: &str, name: &str) -> String {
    if system.is_empty() { format!("kernel.trace(\"{name}\")") } else { format!("kernel.trace(\"{system}:{name}\")") }
}

impl ContextScope for Tracepoint {
    fn variables(&self, _world: &World) -> Vec<ContextVariable> {
        let args = self.args();
        args.map(|(name, ty)| ContextVariable { name: format!("${name}"), type_text: self.btf.type_text(ty) }).collect()
    }

    fn resolve(&self, name: &str, path: &[PathStep], address_of: bool, _world: &World) -> Result<Access, ContextError> {
        self.walk_to(name, path)?.finish(address_of)
    }

    fn summary(&self, name: &str, depth: Option<Depth>, _world: &World) -> Result<Pretty, ContextError> {
        match name {
            "$name" => return Ok(Pretty::text(&self.name)),
            "$system" => return Ok(Pretty::text(&self.system)),
            "$locals" | "$return" => return Ok(Pretty::default()),
            "$vars" | "$parms" => {}
            _ => {
                let alternatives = ["$$vars", "$$parms", "$$name", "$$system"].map(str::to_owned).into();
                return Err(ContextError::NoSuchVariable { name: name.to_owned(), alternatives });
            }
        }
        pretty::of_values(self.args().enumerate().map(|(idx, (name, ty))| (name, Some(self.walk(idx, ty)))), depth)
    }

    fn look(&self, name: &str, path: &[PathStep], _world: &World) -> Option<Look> {
        self.walk_to(name, path).ok().map(|walk| browse::look(&walk))
    }

    fn pretty(&self, name: &str, path: &[PathStep], depth: Depth, _world: &World) -> Result<Pretty, ContextError> {
        pretty::of_walk(self.walk_to(name, path)?, depth)
    }
}

/// Every tracepoint whose name matches; at least one.
fn find(pattern: &str, world: &World) -> Result<Vec<Tracepoint>, NoMatch> {
    let btf = world.btf().map_err(|why| {
        NoMatch::new(format!("tracepoints need type information: {why}"))
            .help("run a kernel built with CONFIG_DEBUG_INFO_BTF=y, as most distributions do")
    })?;
    let (system, name) = match pattern.split_once(':') {
        Some((system, name)) => (Some(system), name),
        None => (None, pattern),
    };
    let found = if is_wildcard(name) || system.is_some_and(is_wildcard) {
        all(world).filter(|tracepoint| matches(tracepoint, system, name)).collect()
    } else {
        let base = lookup(btf, name);
        let in_module = || world.module_btfs().iter().find_map(|(_, btf)| lookup(btf, name));
        let found = base.or_else(in_module).map(|found| with_system(found, system, world));
        found.into_iter().filter(|tracepoint| matches(tracepoint, system, name)).collect::<Vec<_>>()
    };
    if found.is_empty() { Err(explain(pattern, system, name, world)) } else { Ok(found) }
}

fn matches(tracepoint: &Tracepoint, system: Option<&str>, name: &str) -> bool {
    // Where tracefs cannot tell the system, a plain one is believed.
    let system_matches = match system {
        None => true,
        Some(system) => glob_matches(system.as_bytes(), tracepoint.system.as_bytes()),
    };
    system_matches && glob_matches(name.as_bytes(), tracepoint.name.as_bytes())
}

/// Functions made from every tracepoint, whose parameters (after the first) are the tracepoint's, best first. Which of
/// them BTF has depends on the kernel and on the tool that wrote it.
const NAMED_PROTOS: [&str; 5] =
    ["__traceiter_", "__probestub_", "__bpf_trace_", "trace_event_raw_event_", "perf_trace_"];
/// Every tracepoint has this typedef; its prototype has the types without the names.
const TYPEDEF: &str = "btf_trace_";

fn lookup(btf: &Arc<Btf>, name: &str) -> Option<Tracepoint> {
    let proto = NAMED_PROTOS
        .iter()
        .find_map(|prefix| btf.function_proto(prefix, name))
        .or_else(|| typedef_proto(btf, btf.typedef_named(&format!("{TYPEDEF}{name}"))?))?;
    Some(Tracepoint { system: String::new(), name: name.to_owned(), btf: btf.clone(), proto })
}

fn typedef_proto(btf: &Btf, typedef: TypeId) -> Option<TypeId> {
    match btf.base_shape(typedef) {
        Shape::Pointer(proto) => Some(proto),
        _ => None,
    }
}

fn with_system(mut tracepoint: Tracepoint, wanted: Option<&str>, world: &World) -> Tracepoint {
    tracepoint.system = match world.events() {
        Ok(events) => {
            let systems = events.systems_of(&tracepoint.name);
            let named = wanted.and_then(|wanted| systems.iter().find(|system| *system == wanted));
            named.or(systems.first()).cloned().unwrap_or_default()
        }
        Err(_) => wanted.unwrap_or_default().to_owned(),
    };
    tracepoint
}

/// Every tracepoint of kernel and modules, by system and name.
pub(super) fn all(world: &World) -> impl Iterator<Item = Tracepoint> {
    let mut list: Vec<Tracepoint> = Vec::new();
    let modules = world.module_btfs().iter().map(|(_, btf)| btf);
    for btf in world.btf().ok().into_iter().chain(modules) {
        let mut found: Vec<_> = btf.functions_with_prefix(NAMED_PROTOS[0]).collect();
        if found.is_empty() {
            let typedefs = btf.typedefs_with_prefix(TYPEDEF);
            found = typedefs.filter_map(|(name, typedef)| Some((name, typedef_proto(btf, typedef)?))).collect();
        }
        list.extend(found.into_iter().map(|(name, proto)| {
            let bare = Tracepoint { system: String::new(), name: name.to_owned(), btf: btf.clone(), proto };
            with_system(bare, None, world)
        }));
    }
    list.sort_by(|a, b| (&a.system, &a.name).cmp(&(&b.system, &b.name)));
    list.dedup_by(|a, b| a.name == b.name && a.system == b.system);
    list.into_iter()
}

fn explain(pattern: &str, system: Option<&str>, name: &str, world: &World) -> NoMatch {
    if let Some(call) = name.strip_prefix("sys_enter_").or_else(|| name.strip_prefix("sys_exit_")) {
        let suffix = if name.starts_with("sys_exit_") { ".return" } else { "" };
        let message = format!("\"{pattern}\" is not a tracepoint of its own");
        return NoMatch::new(message).help(format!("write syscall.{call}{suffix}"));
    }
    let known: Vec<_> = all(world).map(|tracepoint| (tracepoint.system, tracepoint.name)).collect();
    let mut similar = nearest(name, known.iter().map(|(_, name)| &**name));
    for nearby in &mut similar {
        if let Some((system, name)) = known.iter().find(|(_, known)| known == nearby)
            && !system.is_empty()
        {
            *nearby = format!("{system}:{name}");
        }
    }
    let no_match = NoMatch::new("no match").similar(similar);
    let elsewhere = known.iter().find(|(other, known)| known == name && system.is_some_and(|system| system != other));
    match (elsewhere, world.events()) {
        (Some((system, name)), Ok(_)) => no_match.help(format!("it is \"{system}:{name}\"")),
        (_, Err(why)) if system.is_some_and(is_wildcard) => no_match.help(why.to_owned()),
        _ if no_match.similar.is_empty() => {
            no_match.help("tapdeck run -l 'kernel.trace(\"*\")' lists every tracepoint")
        }
        _ => no_match,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::{resolve, testing::point};

    fn sites(text: &str) -> Option<(World, Vec<ProbeSite>)> {
        let world = World::live();
        if world.btf().is_err() {
            eprintln!("skipped: no BTF here");
            return None;
        }
        match resolve(&point(text), &world)? {
            Resolved::Sites(sites) => Some((world, sites)),
            Resolved::Nothing(no_match) => panic!("{text}: {}", no_match.message),
        }
    }

    fn member(name: &str) -> PathStep {
        PathStep::Member(name.to_owned())
    }

    #[test]
    fn sched_switch_has_its_arguments() {
        let Some((world, sites)) = sites("kernel.trace(\"sched_switch\")") else { return };
        let [site] = &sites[..] else { panic!("one site") };
        assert!(site.point.contains("sched_switch"));
        assert!(matches!(&site.attach, AttachPlan::Tracepoint { n_args: 3 | 4, .. }));
        let variables = site.scope.variables(&world);
        let texts: Vec<_> = variables.iter().map(|v| format!("{}:{}", v.name, v.type_text)).collect();
        assert_eq!(texts[..3], ["$preempt:bool", "$prev:struct task_struct*", "$next:struct task_struct*"]);
        let pid = site.scope.resolve("next", &[member("pid")], false, &world).expect("resolves");
        assert_eq!(pid.load, super::super::access::Load::Memory { width: 4, signed: true });
        assert_eq!(pid.type_text, "pid_t");
        let comm = site.scope.resolve("next", &[member("comm")], false, &world).expect("resolves");
        assert_eq!(
            (comm.load, &*comm.type_text),
            (super::super::access::Load::Word { width: 8, signed: false }, "char[16]")
        );
        let deep = site.scope.resolve("prev", &[member("mm"), member("pgd")], false, &world).expect("resolves");
        assert!(deep.steps.contains(&super::super::access::AccessStep::Deref));
        let wrong = site.scope.resolve("next", &[member("pidd")], false, &world);
        assert!(matches!(wrong, Err(ContextError::NoSuchMember { of, alternatives, .. })
            if of == "struct task_struct" && alternatives.contains(&"pid".to_owned())));
        assert!(matches!(site.scope.resolve("nxt", &[], false, &world), Err(ContextError::NoSuchVariable { .. })));
        let vars = site.scope.summary("$vars", None, &world).expect("a summary");
        assert!(vars.format.starts_with("preempt=%#x prev=%p next=%p"), "{}", vars.format);
        let pretty = site.scope.pretty("next", &[member("cred")], Depth::Shallow, &world).expect("a text");
        assert!(pretty.format.starts_with('{') && pretty.format.contains(".uid="), "{}", pretty.format);
    }

    #[test]
    fn wildcards_and_systems() {
        let Some((world, found)) = sites("kernel.trace(\"*sched_process_*\")") else { return };
        assert!(found.len() > 3);
        if world.events().is_ok() {
            assert!(sites("kernel.trace(\"sched:*\")").is_some_and(|(_, found)| found.len() > 10));
            let wrong = resolve(&point("kernel.trace(\"irq:sched_switch\")"), &world);
            assert!(
                matches!(wrong, Some(Resolved::Nothing(NoMatch { help: Some(help), .. })) if help.contains("sched:"))
            );
        }
        let wrong = resolve(&point("kernel.trace(\"sched_swich\")"), &world);
        assert!(matches!(wrong, Some(Resolved::Nothing(no)) if no.similar.iter().any(|s| s.ends_with("sched_switch"))));
    }

    #[test]
    fn without_btf_there_is_a_way_out() {
        let text = crate::probes::testing::resolve_text("kernel.trace(\"sched_switch\")");
        assert!(text.contains("CONFIG_DEBUG_INFO_BTF"), "{text}");
    }
}
