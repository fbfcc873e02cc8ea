//! `kernel.trace("[system:]name")`: the kernel's tracepoints, with their arguments by name and type;
//! `module("M").trace("[system:]name")`: those of a module.
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
    kernel_function::{in_module, no_such_module},
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
        const MODULE: &str = "the same of the tracepoints that a loaded kernel module has";
        &[
            Pattern { text: "module(STRING).trace(STRING)", doc: MODULE },
            Pattern { text: "module(STRING).trace(STRING).task(STRING)", doc: MODULE },
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
        let parts = parts(point);
        let (module, rest) = match parts.as_slice() {
            [("kernel", None), rest @ ..] => (None, rest),
            [("module", Some(Literal::Str(module))), rest @ ..] => (Some(String::from_utf8_lossy(module)), rest),
            _ => return None,
        };
        let (pattern, task) = match rest {
            [("trace", Some(Literal::Str(pattern)))] => (pattern, None),
            [("trace", Some(Literal::Str(pattern))), ("task", Some(Literal::Str(task)))] => (pattern, Some(task)),
            _ => return None,
        };
        let pattern = String::from_utf8_lossy(pattern);
        let wanted = Wanted::of(&pattern, module.as_deref());
        let found = match wanted.find(world) {
            Ok(found) => found,
            Err(no_match) => return Some(no_match.into()),
        };
        let sites = found.into_iter().map(|tracepoint| match task {
            None => Ok(tracepoint.site()),
            Some(task) => tracepoint.site_of_task(&String::from_utf8_lossy(task)),
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
    /// The module whose it is, where the point asks for modules.
    module: Option<String>,
    btf: Arc<Btf>,
    /// Of `__traceiter_NAME`: a data pointer, then the arguments.
    proto: TypeId,
}

impl Tracepoint {
    /// As SystemTap prints it.
    pub fn point(&self) -> String {
        let home = self.module.as_ref().map_or("kernel".to_owned(), |module| format!("module(\"{module}\")"));
        let (system, name) = (&self.system, &self.name);
        let colon = if system.is_empty() { "" } else { ":" };
        format!("{home}.trace(\"{system}{colon}{name}\")")
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

/// What a point asks for.
struct Wanted<'p> {
    system: Option<&'p str>,
    name: &'p str,
    module: Option<&'p str>,
}

impl<'p> Wanted<'p> {
    fn of(pattern: &'p str, module: Option<&'p str>) -> Self {
        match pattern.split_once(':') {
            Some((system, name)) => Self { system: Some(system), name, module },
            None => Self { system: None, name: pattern, module },
        }
    }

    /// Every tracepoint whose name matches; at least one.
    fn find(&self, world: &World) -> Result<Vec<Tracepoint>, NoMatch> {
        let btf = world.btf().map_err(|why| {
            NoMatch::new(format!("tracepoints need type information: {why}"))
                .help("run a kernel built with CONFIG_DEBUG_INFO_BTF=y, as most distributions do")
                .at_part(1)
        })?;
        let found: Vec<_> = if is_wildcard(self.name) || self.system.is_some_and(is_wildcard) {
            self.all(world)
        } else {
            let of_kernel = self.module.is_none().then(|| lookup(btf, self.name)).flatten();
            let in_modules =
                || self.modules(world).find_map(|(module, btf)| self.of_module(lookup(btf, self.name)?, module));
            of_kernel.or_else(in_modules).map(|found| with_system(found, self.system, world)).into_iter().collect()
        };
        let found: Vec<_> = found.into_iter().filter(|tracepoint| self.matches(tracepoint)).collect();
        if found.is_empty() { Err(self.explain(world)) } else { Ok(found) }
    }

    fn modules<'w>(&self, world: &'w World) -> impl Iterator<Item = (&'w str, &'w Arc<Btf>)> {
        let modules = world.module_btfs().iter().map(|(module, btf)| (&**module, btf));
        modules.filter(|(module, _)| self.module.is_none_or(|pattern| in_module(pattern, module)))
    }

    fn of_module(&self, tracepoint: Tracepoint, module: &str) -> Option<Tracepoint> {
        Some(Tracepoint { module: self.module.map(|_| module.to_owned()), ..tracepoint })
    }

    /// Every tracepoint of the modules, or of the kernel and them.
    fn all(&self, world: &World) -> Vec<Tracepoint> {
        if self.module.is_none() {
            return all(world).collect();
        }
        let of = |(module, btf)| {
            sorted(listed(btf, world)).into_iter().filter_map(move |found| self.of_module(found, module))
        };
        self.modules(world).flat_map(of).collect()
    }

    fn matches(&self, tracepoint: &Tracepoint) -> bool {
        // Where tracefs cannot tell the system, a plain one is believed.
        let system_matches = match self.system {
            None => true,
            Some(system) => glob_matches(system.as_bytes(), tracepoint.system.as_bytes()),
        };
        system_matches && glob_matches(self.name.as_bytes(), tracepoint.name.as_bytes())
    }

    fn explain(&self, world: &World) -> NoMatch {
        if let Some(module) = self.module
            && self.modules(world).next().is_none()
        {
            return no_such_module(module, world).at_part(0);
        }
        let (name, system) = (self.name, self.system);
        if let Some(call) = name.strip_prefix("sys_enter_").or_else(|| name.strip_prefix("sys_exit_")) {
            let suffix = if name.starts_with("sys_exit_") { ".return" } else { "" };
            let written = system.map_or(name.to_owned(), |system| format!("{system}:{name}"));
            let message = format!("\"{written}\" is not a tracepoint of its own");
            return NoMatch::new(message).help(format!("write syscall.{call}{suffix}")).at_part(1);
        }
        let known: Vec<_> = self.all(world).into_iter().map(|found| (found.system, found.name)).collect();
        let mut similar = nearest(name, known.iter().map(|(_, name)| &**name));
        for nearby in &mut similar {
            if let Some((system, name)) = known.iter().find(|(_, known)| known == nearby)
                && !system.is_empty()
            {
                *nearby = format!("{system}:{name}");
            }
        }
        let no_match = NoMatch::new("no match").similar(similar).at_part(1);
        let elsewhere =
            known.iter().find(|(other, known)| known == name && system.is_some_and(|system| system != other));
        match (elsewhere, world.events()) {
            (Some((system, name)), Ok(_)) => no_match.help(format!("it is \"{system}:{name}\"")),
            (_, Err(why)) if system.is_some_and(is_wildcard) => no_match.help(why.to_owned()),
            _ if no_match.similar.is_empty() => {
                let home = self.module.map_or("kernel".to_owned(), |module| format!("module(\"{module}\")"));
                no_match.help(format!("tapdeck run -l '{home}.trace(\"*\")' lists every tracepoint"))
            }
            _ => no_match,
        }
    }
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
    Some(Tracepoint { system: String::new(), name: name.to_owned(), module: None, btf: btf.clone(), proto })
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
    let modules = world.module_btfs().iter().map(|(_, btf)| btf);
    let of_each = world.btf().ok().into_iter().chain(modules);
    sorted(of_each.flat_map(|btf| listed(btf, world)).collect()).into_iter()
}

fn sorted(mut list: Vec<Tracepoint>) -> Vec<Tracepoint> {
    list.sort_by(|a, b| (&a.system, &a.name).cmp(&(&b.system, &b.name)));
    list.dedup_by(|a, b| a.name == b.name && a.system == b.system);
    list
}

/// Every tracepoint that these types are of.
fn listed(btf: &Arc<Btf>, world: &World) -> Vec<Tracepoint> {
    let mut found: Vec<_> = btf.functions_with_prefix(NAMED_PROTOS[0]).collect();
    if found.is_empty() {
        let typedefs = btf.typedefs_with_prefix(TYPEDEF);
        found = typedefs.filter_map(|(name, typedef)| Some((name, typedef_proto(btf, typedef)?))).collect();
    }
    let tracepoint = |(name, proto): (&str, TypeId)| {
        let bare = Tracepoint { system: String::new(), name: name.to_owned(), module: None, btf: btf.clone(), proto };
        with_system(bare, None, world)
    };
    found.into_iter().map(tracepoint).collect()
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
    fn a_module_that_is_not_there_is_named() {
        let Some((world, _)) = sites("kernel.trace(\"sched_switch\")") else { return };
        let wrong = resolve(&point("module(\"nowhere\").trace(\"*\")"), &world);
        let Some(Resolved::Nothing(no_match)) = wrong else { panic!("there is no such module") };
        assert_eq!(no_match.message, "module \"nowhere\" is not loaded, or has no type information");
        assert_eq!(no_match.part_idx, Some(0));
    }

    #[test]
    fn without_btf_there_is_a_way_out() {
        let text = crate::probes::testing::resolve_text("kernel.trace(\"sched_switch\")");
        assert!(text.contains("CONFIG_DEBUG_INFO_BTF"), "{text}");
    }
}
