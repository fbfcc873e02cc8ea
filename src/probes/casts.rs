//! Values that are of a type by the script's word, `@cast(p, "type", "module")`, and variables by name and file,
//! `@var("name@file", "module")`. langref "Typecasting", "@var"; man stap, "CONTEXT VARIABLES".

use std::sync::Arc;

use tapdeck_ebpf::ir::Space;

use super::{
    access::{Access, AccessBase},
    members::Walk,
    pattern::nearest,
    pretty,
    site::{ContextError, Depth, PathStep, Pretty},
};
use crate::debuginfo::{
    Btf, Dwarf, FunctionPattern, Missing, World,
    location::{Expr, Location},
    types::{Shape, TypeId, Types},
};

/// `@cast(value, "type")->path`. The type is as C writes it: `struct task_struct`, `task_struct`, `unsigned int*`; the
/// value is a pointer to it, unless the type itself is a pointer.
pub fn resolve_cast(
    world: &World,
    type_name: &str,
    module: Option<&str>,
    path: &[PathStep],
    address_of: bool,
) -> Result<Access, ContextError> {
    with_cast(world, type_name, module, path, |walk| walk.finish(address_of))
}

/// As [`resolve_cast`], shown as text.
pub fn pretty_cast(
    world: &World,
    type_name: &str,
    module: Option<&str>,
    path: &[PathStep],
    depth: Depth,
) -> Result<Pretty, ContextError> {
    with_cast(world, type_name, module, path, |walk| pretty::of_walk(walk, depth))
}

fn with_cast<T>(
    world: &World,
    type_name: &str,
    module: Option<&str>,
    path: &[PathStep],
    then: impl FnOnce(Walk<'_>) -> Result<T, ContextError>,
) -> Result<T, ContextError> {
    let space = if module.is_some_and(|module| module.starts_with('/')) { Space::User } else { Space::Kernel };
    let wanted = Wanted::of(type_name);
    let found = find_type(&wanted, world, module)?;
    let start = if found.in_memory { Walk::memory } else { Walk::value };
    let mut walk = start(found.source.types(), found.ty, AccessBase::Expr, space);
    walk.follow_cast(path)?;
    then(walk)
}

/// The value of an enumerator of the kernel or a module of it.
pub fn enumerator(world: &World, name: &str) -> Option<i64> {
    let kernel = world.btf().ok().and_then(|btf| btf.enumerator_value(name));
    kernel.or_else(|| world.module_btfs().iter().find_map(|(_, btf)| btf.enumerator_value(name)))
}

/// Names and values of an enumeration.
pub fn enumerators(world: &World, type_name: &str, module: Option<&str>) -> Option<Vec<(String, i64)>> {
    let found = find_type(&Wanted::of(type_name), world, module).ok()?;
    let types = found.source.types();
    let named = types.enumerators(types.strip(found.ty));
    let named: Vec<_> = named.into_iter().map(|each| (each.name.to_owned(), each.value)).collect();
    (!named.is_empty()).then_some(named)
}

/// A type's name, read.
struct Wanted<'t> {
    written: &'t str,
    /// Without qualifiers and stars.
    base: String,
    n_stars: usize,
}

impl<'t> Wanted<'t> {
    fn of(written: &'t str) -> Self {
        let words: Vec<&str> =
            written.split_whitespace().filter(|word| !matches!(*word, "const" | "volatile")).collect();
        let text = words.join(" ");
        let base = text.trim_end_matches([' ', '*']).to_owned();
        Self { written, base, n_stars: text.matches('*').count() }
    }

    fn find(&self, types: &dyn Types) -> Option<TypeId> {
        match self.base.split_once(' ') {
            Some((keyword @ ("struct" | "union" | "enum"), tag)) => types.named(keyword, tag),
            _ => {
                let tagged = ["struct", "union", "typedef", "enum"].into_iter();
                tagged.filter_map(|keyword| types.named(keyword, &self.base)).next()
            }
        }
    }
}

/// What describes the types.
enum Source<'w> {
    Btf(&'w Arc<Btf>),
    Dwarf(Arc<Dwarf>),
}

impl Source<'_> {
    fn types(&self) -> &dyn Types {
        match self {
            Source::Btf(btf) => &***btf,
            Source::Dwarf(dwarf) => &**dwarf,
        }
    }

    fn find(&self, wanted: &Wanted<'_>) -> Option<TypeId> {
        let integer = || match self {
            Source::Btf(btf) => integer_named(btf, &wanted.base),
            Source::Dwarf(dwarf) => dwarf.named("", canonical(&wanted.base)),
        };
        wanted.find(self.types()).or_else(integer)
    }

    fn pointer_to(&self, to: TypeId) -> Option<TypeId> {
        match self {
            Source::Btf(btf) => (1..btf.n_types()).find(|id| btf.shape(*id) == Shape::Pointer(to)),
            // A definition by name has no pointer of its own.
            Source::Dwarf(_) => None,
        }
    }
}

struct Found<'w> {
    source: Source<'w>,
    ty: TypeId,
    /// The value is the address of one, rather than one itself.
    in_memory: bool,
}

fn find_type<'w>(wanted: &Wanted<'_>, world: &'w World, written: Option<&str>) -> Result<Found<'w>, ContextError> {
    for module in modules(written) {
        for source in sources(module, world) {
            if let Some(ty) = source.find(wanted) {
                return made(source, ty, wanted);
            }
        }
    }
    Err(not_found(wanted, world, written.unwrap_or_default()))
}

/// `"kernel:xfs:/bin/ls"`: where to look, in order. Header files that SystemTap would compile are what the kernel has anyway.
fn modules(module: Option<&str>) -> Vec<&str> {
    let named = module.unwrap_or("kernel").split(':');
    named.map(|name| if name.starts_with('<') || name.starts_with("kernel") { "kernel" } else { name }).collect()
}

/// Best first: type information has each type once, debug information thousands of times.
fn sources<'w>(module: &str, world: &'w World) -> Vec<Source<'w>> {
    if module.starts_with('/') {
        return world.program(module).map(Source::Dwarf).into_iter().collect();
    }
    let loaded = world.module_btfs().iter();
    let of_modules = loaded.filter(|(name, _)| module == "kernel" || name == module).map(|(_, btf)| Source::Btf(btf));
    let mut found: Vec<Source<'w>> = world.btf().ok().map(Source::Btf).into_iter().chain(of_modules).collect();
    if module != "kernel" {
        found.reverse();
    }
    found.extend(world.dwarf().ok().cloned().map(Source::Dwarf));
    found
}

fn made<'w>(source: Source<'w>, ty: TypeId, wanted: &Wanted<'_>) -> Result<Found<'w>, ContextError> {
    let types = source.types();
    // A value cast to `T*` or `T**` points to a T, or to a pointer to one.
    if wanted.n_stars > 1 {
        return match source.pointer_to(ty) {
            Some(pointer) => Ok(Found { source, ty: pointer, in_memory: true }),
            None => Err(ContextError::NoTypes {
                message: format!("type '{}' is not in the type information; cast to it in two steps", wanted.written),
            }),
        };
    }
    // A cast to a pointer typedef: the value is the pointer. SystemTap's idiom `&@cast(0, "int")[n]` treats the value as
    // the address of integers, so an integer type means memory.
    let is_pointer = matches!(types.base_shape(ty), Shape::Pointer(_));
    Ok(Found { in_memory: wanted.n_stars > 0 || !is_pointer, source, ty })
}

/// `module`: where it should be, as the script says.
fn not_found(wanted: &Wanted<'_>, world: &World, module: &str) -> ContextError {
    let tag = wanted.base.rsplit(' ').next().unwrap_or(&wanted.base);
    let similar = match (world.btf(), world.opened_dwarf()) {
        (Ok(btf), _) => nearest(tag, btf.type_names()),
        (Err(_), Some(dwarf)) => nearest(tag, dwarf.index().type_names()),
        (Err(why), None) => return ContextError::NoTypes { message: why.to_owned() },
    };
    let hint = if similar.is_empty() { String::new() } else { format!(" (alternatives: {})", similar.join(", ")) };
    ContextError::NoTypes { message: format!("type definition '{}' not found in '{module}'{hint}", wanted.written) }
}

/// C's spellings of an integer type as compilers name it.
fn canonical(name: &str) -> &str {
    match name {
        "short" => "short int",
        "unsigned short" => "short unsigned int",
        "unsigned" | "uint" => "unsigned int",
        "long" => "long int",
        "unsigned long" | "ulong" => "long unsigned int",
        "long long" => "long long int",
        "unsigned long long" => "long long unsigned int",
        "bool" => "_Bool",
        other => other,
    }
}

fn integer_named(btf: &Btf, name: &str) -> Option<TypeId> {
    let canonical = canonical(name);
    let is_integer = |id: &TypeId| matches!(btf.shape(*id), Shape::Int { .. } | Shape::Bool { .. });
    (1..btf.n_types()).find(|id| is_integer(id) && btf.name(*id) == canonical)
}

/// `@var("name@file", "module")->path`: a variable of a file, wherever the probe is.
pub fn resolve_var(
    world: &World,
    written: &str,
    module: Option<&str>,
    path: &[PathStep],
    address_of: bool,
) -> Result<Access, ContextError> {
    with_var(world, written, module, path, address_of, |walk| walk.finish(address_of))
}

/// As [`resolve_var`], shown as text.
pub fn pretty_var(
    world: &World,
    written: &str,
    module: Option<&str>,
    path: &[PathStep],
    depth: Depth,
) -> Result<Pretty, ContextError> {
    with_var(world, written, module, path, false, |walk| pretty::of_walk(walk, depth))
}

fn with_var<T>(
    world: &World,
    written: &str,
    module: Option<&str>,
    path: &[PathStep],
    address_of: bool,
    then: impl FnOnce(Walk<'_>) -> Result<T, ContextError>,
) -> Result<T, ContextError> {
    let refuse = |message: String| ContextError::Other { message };
    let pattern = FunctionPattern::parse(written).map_err(refuse)?;
    let module = module.filter(|module| !module.starts_with("kernel"));
    let image = match module {
        None => {
            let missing = |missing: &Missing| missing.clone();
            world.dwarf().map_err(missing).map(|_| world.kernel_image().cloned())
        }
        Some(module) if module.starts_with('/') => {
            return Err(refuse("variables of programs can be seen in probes of programs only".to_owned()));
        }
        Some(module) => world.module_image(module).map(Some),
    };
    let image = match image {
        Ok(Some(image)) => image,
        Ok(None) => return Err(refuse("there is no debug information".to_owned())),
        Err(missing) => {
            let mut walk = by_symbol(world, &pattern.name, module, address_of && path.is_empty())
                .map_err(|why| ContextError::NoTypes { message: format!("{why} ({missing})") })?;
            walk.follow(path)?;
            return then(walk);
        }
    };
    let dwarf = &*image.dwarf;
    let Some(variable) = dwarf.variable_named(&pattern) else {
        let place = pattern.file.as_ref().map_or(String::new(), |file| format!(" in \"{file}\""));
        return Err(refuse(format!("unable to find global '{}'{place}", pattern.name)));
    };
    let Location::Memory(address) = variable.location else {
        return Err(refuse(format!("'{}' is {}", pattern.name, variable.location)));
    };
    let mut is_known = true;
    let address = address.map_leaves(&mut |leaf| match leaf {
        Expr::Address(at) => {
            let address = image.address(at);
            is_known &= address.is_some();
            Expr::Constant(address.unwrap_or(at) as i64)
        }
        leaf => leaf,
    });
    if !is_known {
        let why = "its address is not known: it is hidden (kernel.kptr_restrict), or the module is not loaded";
        return Err(refuse(format!("'{}': {why}", pattern.name)));
    }
    let location = Location::Memory(address);
    let mut walk = Walk::located(dwarf, variable.ty, &location, Space::Kernel)
        .ok_or_else(|| refuse(format!("'{}' is nowhere", pattern.name)))?;
    walk.follow(path)?;
    then(walk)
}

/// A variable without debug information: its address is that of its symbol, its type what type information says, which
/// knows few. The address alone needs no type. Which file it is in is not known: there has to be one of that name.
///
/// # Errors
/// A sentence why it cannot be told.
fn by_symbol<'w>(world: &'w World, name: &str, module: Option<&str>, is_address: bool) -> Result<Walk<'w>, String> {
    let needs = |what: &str| format!("@var(\"{name}\") needs debug information: {what}");
    let types = match module {
        None => world.btf().ok(),
        Some(module) => world.module_btfs().iter().find(|(loaded, _)| loaded == module).map(|(_, btf)| btf),
    };
    let types: &Arc<Btf> = types.ok_or("@var needs debug information")?;
    let (ty, of_processors) = match types.variable_named(name) {
        Some((ty, of_processors)) => (Some(ty), of_processors),
        None => (None, false),
    };
    if of_processors {
        return Err(format!("'{name}' is a variable that every processor has one of"));
    }
    let symbols = world.variables().map_err(needs)?;
    let addresses: Vec<u64> = symbols.addresses(name, module).collect();
    let address = match addresses[..] {
        [0, ..] => return Err(needs("addresses are hidden (kernel.kptr_restrict)")),
        [address] => address,
        [] if symbols.names().next().is_none() => {
            return Err(needs("the kernel lists no variables (CONFIG_KALLSYMS_ALL)"));
        }
        [] => return Err(needs("no variable's symbol has that name")),
        _ => return Err(needs(&format!("there are {} of that name", addresses.len()))),
    };
    let ty = match ty {
        Some(ty) => ty,
        None if is_address => 0,
        None => {
            let way_out = format!("@cast(&@var(\"{name}\"), \"TYPE\") says it");
            return Err(needs(&format!("type information does not have its type; {way_out}")));
        }
    };
    Ok(Walk::memory(&**types, ty, AccessBase::Constant(address as i64), Space::Kernel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::access::{AccessStep, Load};

    #[test]
    fn casts_resolve_on_this_kernel() {
        let world = World::live();
        if world.btf().is_err() {
            eprintln!("skipped: no BTF here");
            return;
        }
        let member = |name: &str| PathStep::Member(name.to_owned());
        let cast = |ty: &str, path: &[PathStep]| resolve_cast(&world, ty, None, path, false);
        let pid = cast("struct task_struct", &[member("pid")]).expect("resolves");
        assert_eq!(cast("task_struct", &[member("pid")]), Ok(pid.clone()));
        assert_eq!(cast("struct task_struct *", &[member("pid")]), Ok(pid.clone()));
        assert_eq!((pid.base, pid.load), (AccessBase::Expr, Load::Memory { width: 4, signed: true }));
        let third = cast("unsigned long", &[PathStep::Index(2)]).expect("resolves");
        assert_eq!((third.steps, third.load), (vec![AccessStep::Offset(16)], Load::Memory { width: 8, signed: false }));
        let dynamic = cast("struct list_head", &[PathStep::DynamicIndex, member("prev")]).expect("resolves");
        assert_eq!(dynamic.steps, [AccessStep::Index { size: 16 }, AccessStep::Offset(8)]);
        let address = resolve_cast(&world, "struct task_struct", None, &[member("comm")], true).expect("resolves");
        assert_eq!(address.load, Load::Word { width: 8, signed: false });
        assert!(matches!(cast("struct task_strukt", &[]), Err(ContextError::NoTypes { message })
            if message.contains("task_struct")));
        assert!(matches!(cast("struct task_struct", &[]), Err(ContextError::Whole { message })
            if message.contains("instead of a member such as")));
        // A bit field reads its unit and is not addressable.
        let bit = cast("struct task_struct", &[member("in_execve")]).expect("resolves");
        assert!(matches!(bit.load, Load::BitField { bits: 1, width: 4, .. }), "{:?}", bit.load);
        assert!(resolve_cast(&world, "struct task_struct", None, &[member("in_execve")], true).is_err());
    }
}
