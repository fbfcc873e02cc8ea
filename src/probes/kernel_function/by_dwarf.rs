//! Sites of `kernel.function` by debug information: every instance of the functions that a point names.

use std::sync::Arc;

use super::{
    MAX_TRAMPOLINES, Prototype,
    listing::{is_of_form, place_text},
    wanted::{Form, Wanted},
};
use crate::{
    debuginfo::{
        Btf, Image, World,
        dwarf::Dwarf,
        model::{Function, Instance, InstanceKind, Traceable},
    },
    probes::{
        NoMatch, Resolved,
        attach_plan::{AttachPlan, FunctionHook, FunctionTarget},
        dwarf_scope::DwarfScope,
        kernel_statement,
        pattern::nearest,
        site::ProbeSite,
    },
};

/// `None`: nothing of that name is known to the debug information.
pub(super) fn sites(wanted: &Wanted, image: &Arc<Image>, world: &World) -> Option<Resolved> {
    let dwarf = &*image.dwarf;
    let pattern = match wanted.pattern() {
        Ok(pattern) => pattern,
        Err(why) => return Some(NoMatch::new(why).at_part(wanted.part_idx).into()),
    };
    let mut functions = dwarf.functions(&pattern);
    if let Form::Label(name) = &wanted.form {
        return (!functions.is_empty()).then(|| labels(wanted, name, &functions, image, world));
    }
    let n_named = functions.len();
    let mut barred = Vec::new();
    for function in &mut functions {
        let external = function.external;
        function.instances.retain(|instance| is_of_form(&wanted.form, external, instance));
        function.instances.retain(|instance| match dwarf.traceable(instance) {
            Traceable::Not(why) => {
                barred.push(why);
                false
            }
            _ => true,
        });
    }
    let points = wanted.points(functions, image);
    if !points.is_empty() {
        return Some(Maker::new(wanted, image, world, &points).sites(points));
    }
    let text = &wanted.text;
    let no_match =
        match (n_named, &barred[..]) {
            (0, _) if pattern.file.is_none() => return None,
            (0, _) => nowhere(&wanted.text, dwarf),
            (_, []) => NoMatch::new(format!("\"{text}\" has no instance of that form")).help(match wanted.form {
                Form::Inline => "it was inlined nowhere; .call is where it is called",
                Form::Exported => "it is static",
                Form::Call | Form::Return => "it was inlined everywhere; .inline is where",
                _ => "nothing was inlined into it",
            }),
            (_, [why]) => NoMatch::new(format!("\"{text}\" cannot be probed")).help(why.in_words()),
            (_, all) => NoMatch::new(format!("the kernel refuses probes in all {} places of \"{text}\"", all.len()))
                .help(match all.iter().all(|why| *why == all[0]) {
                    true => all[0].in_words(),
                    false => "`tapdeck list --all` says why",
                }),
        };
    Some(no_match.at_part(wanted.part_idx).into())
}

fn labels(wanted: &Wanted, name: &str, functions: &[Function], image: &Arc<Image>, world: &World) -> Resolved {
    let (mut sites, mut n_barred) = (Vec::new(), 0);
    for (point, statement) in super::listing::labels(wanted, image, functions, name) {
        let (found, barred) = kernel_statement::sites_of(&statement, &point, image, world);
        sites.extend(found);
        n_barred += barred;
    }
    if !sites.is_empty() {
        return Resolved::Sites(sites);
    }
    let text = &wanted.text;
    let no_match = if n_barred > 0 {
        NoMatch::new(format!("the kernel refuses probes in all {n_barred} places of this label"))
    } else {
        let all = functions.iter().flat_map(|function| image.dwarf.labels(function, "*"));
        let names: Vec<Arc<str>> = all.map(|label| label.name).collect();
        let similar = nearest(name, names.iter().map(|name| &**name));
        NoMatch::new(format!("\"{text}\" has no label \"{name}\" with a place of its own")).similar(similar)
    };
    no_match.at_part(wanted.part_idx).into()
}

/// No function of that name is in such a file.
pub(in crate::probes) fn nowhere(text: &str, dwarf: &Dwarf) -> NoMatch {
    let name = text.split('@').next().unwrap_or(text);
    let elsewhere = dwarf.index().groups_named(name);
    let files: Vec<String> =
        elsewhere.map(|idx| dwarf.index().text(dwarf.index().group(idx).file).to_owned()).take(3).collect();
    let no_match = NoMatch::new(format!("no kernel function matches \"{text}\""));
    match files.is_empty() {
        true => no_match.similar(nearest(name, dwarf.index().group_names())),
        false => no_match.help(format!("\"{name}\" is in {}", files.join(", "))),
    }
}

impl Wanted {
    /// The points of functions: each with its text and its instances.
    fn points(&self, functions: Vec<Function>, image: &Image) -> Vec<(Arc<str>, Function)> {
        let mut points = Vec::new();
        for function in functions {
            let point = self.point(&place_text(&function), image.module.as_deref());
            match &self.form {
                Form::Callee(name) => super::listing::callees(self, image, &point, &function, name, 1, &mut points),
                Form::Callees(depth) => {
                    super::listing::callees(self, image, &point, &function, "*", *depth, &mut points)
                }
                _ => points.push((point, function)),
            }
        }
        points.retain(|(_, function)| !function.instances.is_empty());
        points.into_iter().map(|(point, function)| (point.into(), function)).collect()
    }
}

/// Makes sites of instances.
struct Maker<'m> {
    wanted: &'m Wanted,
    image: &'m Arc<Image>,
    world: &'m World,
    /// Few enough for a trampoline each.
    is_few: bool,
    is_alone: bool,
}

impl<'m> Maker<'m> {
    fn new(wanted: &'m Wanted, image: &'m Arc<Image>, world: &'m World, points: &[(Arc<str>, Function)]) -> Self {
        let n: usize = points.iter().map(|(_, function)| function.instances.len()).sum();
        let is_few = n <= MAX_TRAMPOLINES || !world.probing().kprobes;
        Self { wanted, image, world, is_few, is_alone: n == 1 }
    }

    fn sites(&self, points: Vec<(Arc<str>, Function)>) -> Resolved {
        let mut sites = Vec::new();
        for (point, function) in points {
            for instance in &function.instances {
                sites.extend(self.site(&point, &function, instance));
            }
        }
        if sites.is_empty() {
            let message = format!("no place of \"{}\" can be probed with what this kernel has", self.wanted.text);
            return NoMatch::new(message).at_part(self.wanted.part_idx).help("inlined copies need kprobes").into();
        }
        Resolved::Sites(sites)
    }

    fn site(&self, point: &Arc<str>, function: &Function, instance: &Instance) -> Option<ProbeSite> {
        let pc = instance.pc?;
        let (start, symbol) = self.image.dwarf.symbol_at(pc, &function.name)?;
        let target = FunctionTarget {
            name: symbol.to_owned(),
            module: self.image.module.as_deref().map(str::to_owned),
            address: self.image.address(start),
            offset: pc - start,
        };
        let hook = self.hook(function, instance, symbol)?;
        let exit = self.wanted.exit();
        let scope = DwarfScope {
            image: self.image.clone(),
            function: function.name.clone(),
            instance: instance.clone(),
            pc,
            is_statement: false,
            exit,
            keeps_args: matches!(hook, FunctionHook::Fentry { .. }),
        };
        Some(ProbeSite {
            point: point.clone(),
            attach: AttachPlan::Function { target, exit, hook },
            func: function.name.clone(),
            name: function.name.clone(),
            scope: Arc::new(scope),
            vars: Vec::new(),
        })
    }

    /// `None`: the kernel has nothing that stops there.
    fn hook(&self, function: &Function, instance: &Instance, symbol: &str) -> Option<FunctionHook> {
        let probing = self.world.probing();
        let is_traced = instance.kind == InstanceKind::Call && self.is_traced(instance, symbol);
        if is_traced
            && self.is_few
            && probing.fentry
            && *symbol == *function.name
            && let Some((btf_id, n_args)) = self.in_types(symbol)
        {
            return Some(FunctionHook::Fentry { btf_id, n_args, cookies: probing.cookies });
        }
        match (probing.kprobes, probing.any()) {
            (true, _) => {
                let multi = probing.kprobe_multi && is_traced && !self.is_alone;
                Some(FunctionHook::Kprobe { multi, cookies: probing.cookies })
            }
            (false, true) => None,
            (false, false) => Some(FunctionHook::Missing),
        }
    }

    /// It calls the tracer. Where the file does not say, the running kernel does.
    fn is_traced(&self, instance: &Instance, symbol: &str) -> bool {
        match self.image.dwarf.traceable(instance) {
            Traceable::Fentry => true,
            Traceable::Kprobe | Traceable::Not(_) => false,
            Traceable::Unknown => {
                self.world.traceable().map_or(true, |list| list.has(symbol, self.image.module.as_deref()))
            }
        }
    }

    /// Its number in the type information, and how many arguments a trampoline hands over. Types know functions by name
    /// alone, so the name has to be the function's own.
    fn in_types(&self, symbol: &str) -> Option<(u32, u8)> {
        let btf: &Arc<Btf> = match self.image.module.as_deref() {
            None => self.world.btf().ok()?,
            Some(module) => &self.world.module_btfs().iter().find(|(name, _)| name == module)?.1,
        };
        if self.image.dwarf.calls_named(symbol) != 1 {
            return None;
        }
        let (id, proto) = btf.function_named(symbol)?;
        let n_args = Prototype { btf: btf.clone(), id: proto }.trampoline_args()?;
        Some((id, n_args))
    }
}
