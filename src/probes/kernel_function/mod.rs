//! `kernel.function("NAME")`, `module("M").function("NAME")`, `kprobe.function("NAME")`: entries and returns of kernel
//! functions. langref "DWARF probes", "DWARF-less probing"; Documentation/bpf/btf.rst for what is known of them.
//!
//! Names and types come from BTF, so no debug information is needed. A few functions get a trampoline each (fentry,
//! fexit: the cheapest to hit and with typed arguments); many share one kprobe program, in one link where the kernel can.

mod by_dwarf;
mod listing;
mod wanted;

pub(super) use by_dwarf::nowhere;
use std::sync::Arc;

use self::wanted::{Form, Wanted};
use super::{
    Listed, NoMatch, Pattern, ProbeFamily, Resolved,
    attach_plan::{AttachPlan, FunctionHook, FunctionTarget},
    function_scope::{FunctionScope, Prototype},
    pattern::{glob_matches, is_wildcard, nearest},
    site::ProbeSite,
};
use crate::{
    debuginfo::{
        Btf, Image, Probing, TypeId, Types as _, World, by_name,
        model::{NotTraceable, Traceable},
    },
    language::ast::ProbePoint,
};

pub struct KernelFunction;

/// Up to so many functions of one point get a trampoline each: every one costs a program and its attachment.
const MAX_TRAMPOLINES: usize = 8;

impl ProbeFamily for KernelFunction {
    fn patterns(&self) -> &'static [Pattern] {
        const ENTRY: &str = "where a kernel function begins; its parameters are $variables; * matches any text";
        const RETURN: &str = "where a kernel function returns; $return is its result";
        const MODULE: &str = "the same in a kernel module";
        const PLAIN: &str = "the same by symbol: no $variables, but int_arg(1) and so on";
        &[
            Pattern { text: "kernel.function(STRING)", doc: ENTRY },
            Pattern { text: "kernel.function(STRING).call", doc: ENTRY },
            Pattern { text: "kernel.function(STRING).return", doc: RETURN },
            Pattern { text: "kernel.function(STRING).return.maxactive(NUMBER)", doc: RETURN },
            Pattern { text: "module(STRING).function(STRING)", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).call", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).return", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).return.maxactive(NUMBER)", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).inline", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).exported", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).callee(STRING)", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).callees", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).label(STRING)", doc: MODULE },
            Pattern { text: "module(STRING).function(STRING).callees(NUMBER)", doc: MODULE },
            Pattern { text: "kprobe.function(STRING)", doc: PLAIN },
            Pattern { text: "kprobe.function(STRING).call", doc: PLAIN },
            Pattern { text: "kprobe.function(STRING).return", doc: PLAIN },
            Pattern { text: "kprobe.function(STRING).return.maxactive(NUMBER)", doc: PLAIN },
            Pattern { text: "kprobe.module(STRING).function(STRING)", doc: PLAIN },
            Pattern { text: "kprobe.module(STRING).function(STRING).return", doc: PLAIN },
        ]
    }

    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved> {
        let wanted = Wanted::of(point)?;
        if let Some(found) = wanted.by_debug_information(world) {
            return Some(found);
        }
        Some(wanted.find(world).map_or_else(Resolved::from, |found| wanted.sites(found, world)))
    }

    fn list(&self, point: &ProbePoint, with_variables: bool, world: &World) -> Option<Vec<Listed>> {
        let wanted = Wanted::of(point)?;
        listing::list(&wanted, with_variables, world).or_else(|| wanted.list_by_types(with_variables, world))
    }
}

impl Wanted {
    /// `None`: there is none that knows such a function.
    fn by_debug_information(&self, world: &World) -> Option<Resolved> {
        if self.plain {
            return None;
        }
        let Some(module) = &self.module else { return by_dwarf::sites(self, world.kernel_image()?, world) };
        // Where one module of several has none, type information knows all of them.
        let (mut sites, mut refused) = (Vec::new(), None);
        for image in images(module, world)? {
            match by_dwarf::sites(self, &image, world) {
                Some(Resolved::Sites(found)) => sites.extend(found),
                Some(nothing) => refused = Some(nothing),
                None => {}
            }
        }
        if sites.is_empty() { refused } else { Some(Resolved::Sites(sites)) }
    }

    /// The functions whose names match; at least one.
    fn find(&self, world: &World) -> Result<Vec<Found>, NoMatch> {
        self.refuse_what_needs_dwarf(world)?;
        let found: Vec<Found> = self.found(world).collect();
        if found.is_empty() { Err(self.explain(world)) } else { Ok(found) }
    }

    /// The functions whose names match, by type information.
    fn found<'w>(&'w self, world: &'w World) -> Box<dyn Iterator<Item = Found> + 'w> {
        match &self.module {
            None => in_kernel(&self.text, world),
            Some(module) => Box::new(in_modules(module, &self.text, world)),
        }
    }

    /// Type information knows names and nothing more.
    fn refuse_what_needs_dwarf(&self, world: &World) -> Result<(), NoMatch> {
        let problem = match &self.form {
            _ if self.text.contains('@') => "names a source file",
            Form::Any | Form::Call | Form::Return => return Ok(()),
            Form::Inline => "asks for inlined copies",
            Form::Exported => "asks whether functions are static",
            Form::Callee(_) | Form::Callees(_) => "asks for what is inlined into it",
            Form::Label(_) => "asks for labels",
        };
        let message = format!("\"{}\" {problem}, which type information does not know", self.text);
        let no_match = NoMatch::new(message).at_part(self.part_idx);
        let missing = match &self.module {
            None => world.dwarf().err().cloned(),
            Some(module) => world.module_image(module).err(),
        };
        Err(match missing {
            None => no_match.help("write the function's name alone"),
            Some(missing) => no_match.help(format!("{missing}; to get it: {}", missing.way_out)),
        })
    }

    fn explain(&self, world: &World) -> NoMatch {
        if let Some(module) = &self.module
            && !world.module_btfs().iter().any(|(name, _)| in_module(module, name))
        {
            return no_such_module(module, world).at_part(self.part_idx - 1);
        }
        let names: Vec<&str> = match (world.btf(), world.opened_dwarf(), &self.module) {
            (_, Some(dwarf), None) => dwarf.index().group_names().collect(),
            (Ok(btf), None, None) => btf.functions().map(|(name, ..)| name).collect(),
            _ => Vec::new(),
        };
        let no_match = NoMatch::new(format!("no kernel function is called \"{}\"", self.text));
        no_match.at_part(self.part_idx).similar(nearest(&self.text, names))
    }

    fn sites(&self, found: Vec<Found>, world: &World) -> Resolved {
        let probing = world.probing();
        let few = found.len() <= MAX_TRAMPOLINES || !probing.kprobes;
        let many = found.len() > 1;
        let mut sites = Vec::with_capacity(found.len());
        let (mut left_out, mut barred) = (0, 0);
        for mut function in found.into_iter().flat_map(|function| function.compiled(world)) {
            if world.barred().contains(function.symbol()) {
                barred += 1;
                continue;
            }
            let is_traceable = function.is_traceable(world);
            let Some(hook) = function.hook(probing, few && (!self.plain || !probing.kprobes), is_traceable) else {
                left_out += 1;
                continue;
            };
            if many && !is_traceable && probing.any() {
                left_out += 1;
                continue;
            }
            if matches!(hook, FunctionHook::Kprobe { multi: true, .. }) {
                function.address = function.address.or_else(|| function.traced_address(world));
            }
            sites.push(self.site(function, hook));
        }
        if sites.is_empty() && left_out == 0 {
            let message = format!("\"{}\" cannot be probed", self.text);
            return NoMatch::new(message).at_part(self.part_idx).help(NotTraceable::NoKprobe.in_words()).into();
        }
        left_out += barred;
        if sites.is_empty() {
            let message = format!("none of the {left_out} functions called \"{}\" may be probed", self.text);
            let help = "they are inlined, run before the kernel can be traced, or are part of tracing itself";
            return NoMatch::new(message).at_part(self.part_idx).help(help).into();
        }
        Resolved::Sites(sites)
    }

    /// What many functions are listed as without debug information; the running kernel may say which it can trace. `None`:
    /// the point names one function, whose site is its line.
    fn list_by_types(&self, with_variables: bool, world: &World) -> Option<Vec<Listed>> {
        if !is_wildcard(&self.text) || self.refuse_what_needs_dwarf(world).is_err() {
            return None;
        }
        let (probing, barred) = (world.probing(), world.barred());
        let list = probing.any().then(|| world.traceable().ok()).flatten();
        let listed = |function: Found| {
            let traceable = match list.map(|_| function.is_traceable(world)) {
                _ if barred.contains(function.symbol()) => Traceable::Not(NotTraceable::NoKprobe),
                Some(true) => Traceable::Fentry,
                Some(false) => Traceable::Not(NotTraceable::NotListed),
                None => function.hook(probing, !probing.kprobes, true).map(|_| Traceable::Unknown)?,
            };
            let point = self.point(&function.name, function.module.as_deref());
            let variables = || self.site(function, FunctionHook::Missing).scope.variables(world);
            let context = if with_variables { variables() } else { Vec::new() };
            Some(Listed { point, context, traceable })
        };
        // They are made and dropped one by one: all of them would take more time for their memory than for anything else.
        let lines: Vec<Listed> =
            self.found(world).flat_map(|function| function.compiled(world)).filter_map(listed).collect();
        (!lines.is_empty()).then_some(lines)
    }

    fn site(&self, function: Found, hook: FunctionHook) -> ProbeSite {
        let name: Arc<str> = function.name.as_str().into();
        let symbol = function.symbol().to_owned();
        let point: Arc<str> = self.point(&function.name, function.module.as_deref()).into();
        let scope = FunctionScope {
            function: name.clone(),
            prototype: function.prototype.filter(|_| !self.plain),
            exit: self.exit(),
            keeps_args: matches!(hook, FunctionHook::Fentry { .. }),
        };
        let target = FunctionTarget { name: symbol, module: function.module, address: function.address, offset: 0 };
        ProbeSite {
            point,
            attach: AttachPlan::Function { target, exit: self.exit(), hook },
            func: name.clone(),
            name,
            scope: Arc::new(scope),
            vars: Vec::new(),
        }
    }
}

/// Whether a pattern means a module. In memory names have no dashes.
pub(in crate::probes) fn in_module(pattern: &str, module: &str) -> bool {
    glob_matches(pattern.replace('-', "_").as_bytes(), module.as_bytes())
}

/// Nothing is known of any module that a pattern means.
pub(in crate::probes) fn no_such_module(pattern: &str, world: &World) -> NoMatch {
    let names = world.module_btfs().iter().map(|(name, _)| name.as_str());
    if !world.host.is_running() {
        let no_match = NoMatch::new(format!("nothing is known of module \"{pattern}\""));
        return match world.module_image(pattern) {
            Ok(_) => no_match.help("types alone do not say it, and this kernel does not run here"),
            Err(missing) => no_match.help(missing.to_string()),
        };
    }
    let no_match = NoMatch::new(format!("module \"{pattern}\" is not loaded, or has no type information"));
    no_match.similar(nearest(pattern, names))
}

/// Modules by a pattern, all with debug information. `None`: one has none, or there is no such module. Of a kernel that
/// does not run here those that have it.
pub(in crate::probes) fn images(pattern: &str, world: &World) -> Option<Vec<Arc<Image>>> {
    let names = if is_wildcard(pattern) {
        let matches = |name: &String| glob_matches(pattern.as_bytes(), name.as_bytes());
        world.module_names().into_iter().filter(matches).collect()
    } else {
        vec![pattern.replace('-', "_")]
    };
    let images = names.iter().map(|name| world.module_image(name).ok());
    let images: Option<Vec<_>> =
        if world.host.is_running() { images.collect() } else { Some(images.flatten().collect()) };
    images.filter(|images| !images.is_empty())
}

/// A function of that name.
#[derive(Clone)]
struct Found {
    name: String,
    module: Option<String>,
    /// Its id in the type information and its prototype.
    btf_id: Option<TypeId>,
    prototype: Option<Prototype>,
    address: Option<u64>,
    /// Its symbol, where the compiler gave it another name than the source has.
    copy: Option<String>,
}

impl Found {
    fn symbol(&self) -> &str {
        self.copy.as_deref().unwrap_or(&self.name)
    }

    /// The kernel lists it; without the list the kernel decides, one by one.
    fn is_traceable(&self, world: &World) -> bool {
        world.traceable().map_or(true, |list| list.has(self.symbol(), self.module.as_deref()))
    }

    /// Where it is, as far as the kernel's symbols were read to find out what it can trace: otherwise it looks through all
    /// of them itself.
    fn traced_address(&self, world: &World) -> Option<u64> {
        world.traceable().ok()?.address(self.symbol(), self.module.as_deref())
    }

    /// The function as the compiler left it: itself, or the copies with fewer parameters that took its place. Types know
    /// only copies that take their parameters as the function would.
    fn compiled(self, world: &World) -> Vec<Found> {
        if !world.probing().any() {
            return vec![self];
        }
        let Ok(list) = world.traceable() else { return vec![self] };
        let module = self.module.as_deref();
        if self.address.is_some() || list.has(&self.name, module) {
            return vec![self];
        }
        let of = |copy: &str| Found { copy: Some(copy.to_owned()), ..self.clone() };
        let copies: Vec<Found> = list.copies(&self.name, module).map(of).collect();
        if copies.is_empty() { vec![self] } else { copies }
    }

    fn hook(&self, probing: Probing, may_have_trampoline: bool, is_traceable: bool) -> Option<FunctionHook> {
        if probing.fentry
            && may_have_trampoline
            && is_traceable
            && self.copy.is_none()
            && let Some(btf_id) = self.btf_id
            && let Some(n_args) = self.prototype.as_ref().and_then(Prototype::trampoline_args)
        {
            return Some(FunctionHook::Fentry { btf_id, n_args, cookies: probing.cookies });
        }
        if probing.kprobes {
            let multi = probing.kprobe_multi && is_traceable;
            return Some(FunctionHook::Kprobe { multi, cookies: probing.cookies });
        }
        (!probing.any()).then_some(FunctionHook::Missing)
    }
}

fn in_kernel<'w>(pattern: &'w str, world: &'w World) -> Box<dyn Iterator<Item = Found> + 'w> {
    let mut found = world.btf().into_iter().flat_map(|btf| in_types(btf, pattern, None)).peekable();
    if found.peek().is_some() || is_wildcard(pattern) {
        return Box::new(found);
    }
    // What BTF leaves out has a symbol all the same: assembler, and functions whose prototypes disagree.
    let symbols = world.symbols().into_iter().flat_map(|symbols| symbols.addresses(pattern, None));
    Box::new(symbols.map(|address| Found {
        name: pattern.to_owned(),
        module: None,
        btf_id: None,
        prototype: None,
        address: (address != 0).then_some(address),
        copy: None,
    }))
}

fn in_modules<'w>(module: &'w str, pattern: &'w str, world: &'w World) -> impl Iterator<Item = Found> + 'w {
    let modules = world.module_btfs().iter().filter(move |(name, _)| in_module(module, name));
    modules.flat_map(move |(name, btf)| in_types(btf, pattern, Some(name)))
}

/// In the order of their names, each once.
fn in_types<'w>(btf: &'w Arc<Btf>, pattern: &str, module: Option<&'w str>) -> impl Iterator<Item = Found> + use<'w> {
    let is_it = |(name, ..): &(&str, TypeId, TypeId)| glob_matches(pattern.as_bytes(), name.as_bytes());
    let mut all: Vec<_> = if is_wildcard(pattern) {
        btf.functions().filter(is_it).collect()
    } else {
        btf.function_named(pattern).map(|(id, proto)| (btf.name(id), id, proto)).into_iter().collect()
    };
    all.sort_by_cached_key(|(name, ..)| by_name(name));
    all.dedup_by_key(|(name, ..)| *name);
    all.into_iter().map(move |(name, id, proto)| Found {
        name: name.to_owned(),
        module: module.map(str::to_owned),
        btf_id: Some(id),
        prototype: Some(Prototype { btf: btf.clone(), id: proto }),
        address: None,
        copy: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::testing::point;

    fn sites(text: &str) -> Option<Vec<ProbeSite>> {
        let world = World::live();
        if world.btf().is_err() {
            eprintln!("skipped: no BTF here");
            return None;
        }
        match KernelFunction.resolve(&point(text), &world) {
            Some(Resolved::Sites(sites)) => Some(sites),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn functions_are_known_from_their_types() {
        let world = World::live();
        let Some(read) = sites("kernel.function(\"vfs_read\")") else { return };
        let vars = read[0].scope.variables(&world);
        let shown: Vec<_> = vars.iter().map(|var| format!("{}:{}", var.name, var.type_text)).collect();
        assert_eq!(shown, ["$file:struct file*", "$buf:char*", "$count:size_t", "$pos:loff_t*"]);
        assert_eq!(&*read[0].point, "kernel.function(\"vfs_read\")");
        let Some(returns) = sites("kernel.function(\"vfs_read\").return") else { return };
        assert_eq!(returns[0].scope.variables(&world)[0].name, "$return");
        let Some(plain) = sites("kprobe.function(\"vfs_read\")") else { return };
        assert!(plain[0].scope.variables(&world).is_empty());
        let Some(many) = sites("kernel.function(\"vfs_*\").call") else { return };
        assert!(many.len() > 20 && many.iter().all(|site| site.point.ends_with(".call")), "{}", many.len());
    }

    #[test]
    fn what_is_not_there_has_near_names() {
        let world = World::live();
        if world.btf().is_err() {
            return;
        }
        let Some(Resolved::Nothing(no_match)) = KernelFunction.resolve(&point("kernel.function(\"vfs_raed\")"), &world)
        else {
            panic!("there is no such function")
        };
        assert_eq!(no_match.part_idx, Some(1));
        assert!(no_match.similar.contains(&"vfs_read".to_owned()), "{:?}", no_match.similar);
    }

    #[test]
    fn modules_are_known_from_debug_information() {
        use crate::{
            debuginfo::{catalog::tests::with_module, dwarf::tests::bytes_of},
            probes::kernel_statement::KernelStatement,
        };
        let file = "/usr/lib/debug/lib/modules/6.1.0-9-amd64/kernel/lib/sha-pes.ko";
        let machine = with_module("sites", file, &bytes_of("object.o"));
        let world = World::new(Arc::new(machine.host()));
        let shown = |family: &dyn ProbeFamily, text: &str| match family.resolve(&point(text), &world) {
            Some(Resolved::Sites(sites)) => sites
                .iter()
                .map(|site| {
                    let AttachPlan::Function { target, .. } = &site.attach else { panic!("{:?}", site.attach) };
                    let vars: Vec<_> = site.scope.variables(&world).into_iter().map(|var| var.name).collect();
                    let FunctionTarget { name, module, address, offset } = target;
                    let module = module.as_deref().unwrap_or("");
                    format!("{} {module}:{name}@{:x}+{offset} {}\n", site.point, address.unwrap_or(0), vars.join(" "))
                })
                .collect(),
            Some(Resolved::Nothing(no_match)) => format!("{}\n", no_match.message),
            None => "none\n".to_owned(),
        };
        let mut text = shown(&KernelFunction, "module(\"sha_pes\").function(\"measure\")");
        text += &shown(&KernelFunction, "module(\"sha-pes\").function(\"measure@shapes.c\").return");
        text += &shown(&KernelFunction, "module(\"sha_pes\").function(\"scale\").inline");
        text += &shown(&KernelFunction, "module(\"sha_pes\").function(\"nothing@shapes.c\")");
        text += &shown(&KernelStatement, "module(\"sha_pes\").statement(\"measure@shapes.c+2\")");
        text += &shown(&KernelStatement, "module(\"nothing\").statement(\"measure@shapes.c+2\")");
        expect_test::expect![[r#"
            module("sha_pes").function("measure@shapes.c:17") sha_pes:measure@ffffffffc0200020+0 $shape $factor $unused $first
            module("sha_pes").function("measure@shapes.c:17").return sha_pes:measure@ffffffffc0200020+0 $return $shape $factor $unused $first
            module("sha_pes").function("scale@shapes.h:33").inline sha_pes:with_address@ffffffffc0200060+0 $factor
            module("sha_pes").function("scale@shapes.h:33").inline sha_pes:measure@ffffffffc0200020+0 $factor $at
            module("sha_pes").function("scale@shapes.h:33").inline sha_pes:measure@ffffffffc0200020+41 $factor
            no kernel function matches "nothing@shapes.c"
            module("sha_pes").statement("measure@shapes.c:19") sha_pes:measure@ffffffffc0200020+0 $shape $factor $unused $first
            source lines are known from debug information only
        "#]].assert_eq(&text);
        let listed = KernelFunction.list(&point("module(\"sha_pes\").function(\"m*\")"), true, &world);
        let listed: Vec<_> = listed.expect("is known").into_iter().map(|line| line.point).collect();
        assert_eq!(listed, ["module(\"sha_pes\").function(\"measure@shapes.c:17\")"]);
    }
}
