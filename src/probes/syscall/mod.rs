//! System calls: `syscall.NAME`, `syscall.NAME.return`, the same as `nd_syscall.…`, and `syscall_any`.
//!
//! All of them ride on the two raw tracepoints sys_enter and sys_exit, told apart by number. Which calls there are is the
//! table's to say; which of those the running kernel has, its BTF's (`__x64_sys_NAME`).

pub mod decode;
mod scope;
pub mod table;
mod vars;

use std::{collections::HashSet, sync::Arc};

use super::{
    NoMatch, Pattern, ProbeFamily, Resolved,
    attach_plan::AttachPlan,
    pattern::{glob_matches, is_wildcard, parts},
    site::{ProbeSite, SiteVar},
};
use crate::{
    debuginfo::World,
    language::{ast::ProbePoint, types::Type},
};
use scope::{AnyScope, SyscallScope};
use table::{ROWS, Row};

pub struct Syscall;

/// Spellings of the family; SystemTap has one for each way of attaching, all the same here.
const FAMILY_NAMES: [&str; 4] = ["syscall", "nd_syscall", "dw_syscall", "tp_syscall"];

impl ProbeFamily for Syscall {
    fn patterns(&self) -> &'static [Pattern] {
        &[
            Pattern {
                text: "syscall.NAME",
                doc: "a system call begins; its arguments are variables, argstr shows them",
            },
            Pattern { text: "syscall.NAME.return", doc: "it ends; retval and retstr tell how" },
            Pattern { text: "syscall.*", doc: "every system call begins" },
            Pattern { text: "syscall.*.return", doc: "every system call ends" },
            Pattern { text: "nd_syscall.NAME", doc: "the same as syscall.NAME" },
            Pattern { text: "nd_syscall.NAME.return", doc: "the same as syscall.NAME.return" },
            Pattern { text: "syscall_any", doc: "any system call begins: name and syscall_nr" },
            Pattern { text: "syscall_any.return", doc: "any system call ends: name, syscall_nr and retval" },
        ]
    }

    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved> {
        match parts(point)[..] {
            [("syscall_any", None)] => Some(any(false, world)),
            [("syscall_any", None), ("return", None)] => Some(any(true, world)),
            [(family, None), (name, None)] if FAMILY_NAMES.contains(&family) => named(family, name, false, world),
            [(family, None), (name, None), ("return", None)] if FAMILY_NAMES.contains(&family) => {
                named(family, name, true, world)
            }
            _ => None,
        }
    }
}

/// The spellings of the family with every name of a call the architecture has.
pub fn names(arch: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = ROWS.iter().filter(move |row| row.number(arch).is_some());
    rows.flat_map(Row::all_names).flat_map(|name| FAMILY_NAMES.map(|family| (family, name)))
}

/// Whether the running kernel has a call; where nothing can be told, it has.
struct Present<'a> {
    functions: &'a HashSet<String>,
    arch: String,
}

impl<'a> Present<'a> {
    fn new(world: &'a World) -> Self {
        Self { functions: world.syscall_functions(), arch: world.host.arch() }
    }

    fn number(&self, row: &Row) -> Option<u32> {
        let number = row.number(&self.arch)?;
        // Calls without an entry of their own name in the kernel: another spelling.
        let spelled = |name: &str| {
            self.functions.contains(name)
                || self.functions.contains(&format!("new{name}"))
                || self.functions.contains(&format!("{name}64"))
        };
        (self.functions.is_empty() || row.all_names().any(spelled)).then_some(number)
    }
}

/// `None`: no call has such a name.
fn named(family: &str, pattern: &str, is_return: bool, world: &World) -> Option<Resolved> {
    let present = Present::new(world);
    let suffix = if is_return { ".return" } else { "" };
    let mut sites = Vec::new();
    let mut absent = None;
    let wildcard = is_wildcard(pattern);
    let rows: Vec<&'static Row> = match wildcard {
        // `**` matches across dots as well, and there are none inside names.
        true => ROWS.iter().filter(|row| glob_matches(pattern.as_bytes(), row.name().as_bytes())).collect(),
        false => table::named(pattern).to_vec(),
    };
    for row in rows {
        let attach = match present.number(row) {
            Some(nr) => AttachPlan::Syscall { nr, exit: is_return },
            None if wildcard => continue,
            None if row.number(&present.arch).is_some() => {
                absent = Some(row.name());
                continue;
            }
            None => AttachPlan::Never,
        };
        let name: Arc<str> = row.name().into();
        sites.push(ProbeSite {
            point: format!("{family}.{name}{suffix}").into(),
            attach,
            func: name.clone(),
            name,
            scope: Arc::new(SyscallScope { row, is_return }),
            vars: vars::site_vars(row, is_return),
        });
    }
    // A name that some row has a number for needs no row that never happens.
    if sites.iter().any(|site| site.attach != AttachPlan::Never) {
        sites.retain(|site| site.attach != AttachPlan::Never);
    }
    if !sites.is_empty() {
        sites.sort_by(|a, b| a.point.cmp(&b.point));
        return Some(Resolved::Sites(sites));
    }
    let no_match = NoMatch::new(format!("this kernel has no system call '{}'", absent?)).at_part(1);
    Some(no_match.help("it is older than the call, or was built without it").into())
}

/// One site for each call, so that `name` comes from the site and the handler stays the same for all.
fn any(is_return: bool, world: &World) -> Resolved {
    let present = Present::new(world);
    let var = |name: &str, expr: &str, ty| SiteVar { name: name.into(), expr: expr.into(), ty };
    let mut vars = vec![var("syscall_nr", "__syscall_nr()", Type::Long), var("name", "__site_name()", Type::Str)];
    if is_return {
        vars.push(var("retval", "returnval()", Type::Long));
    }
    let point: Arc<str> = if is_return { "syscall_any.return" } else { "syscall_any" }.into();
    let scope = Arc::new(AnyScope { is_return });
    let site = |row: &Row| {
        let nr = present.number(row)?;
        let name: Arc<str> = row.name().into();
        Some(ProbeSite {
            point: point.clone(),
            attach: AttachPlan::Syscall { nr, exit: is_return },
            func: name.clone(),
            name,
            scope: scope.clone(),
            vars: vars.clone(),
        })
    };
    Resolved::Sites(ROWS.iter().filter_map(site).collect())
}

/// The name of a call by its number on an architecture, as `name` shows it.
pub fn name_of(nr: u32, arch: &str) -> Option<&'static str> {
    table::by_number(nr, arch).map(Row::name)
}

/// Every call the running kernel has, by name, with its arguments: `(dirfd, pathname, flags, mode)`.
pub fn prototypes(world: &World) -> impl Iterator<Item = (&'static str, String)> {
    let present = Present::new(world);
    let mut rows: Vec<_> = ROWS.iter().filter(|row| present.number(row).is_some()).collect();
    rows.sort_unstable_by_key(|row| row.name());
    rows.into_iter().map(|row| {
        let args: Vec<_> = row.args().filter_map(|(names, _)| names.last()).collect();
        (row.name(), format!("({})", args.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::{
        resolve,
        site::{Depth, PathStep},
        testing::{point, resolve_text},
    };

    #[test]
    fn names_aliases_and_refusals() {
        let mut table = String::new();
        for text in [
            "syscall.openat",
            "syscall.openat.return",
            "nd_syscall.read",
            "syscall.pread64",
            "syscall.newstat",
            "syscall.pipe",
            "syscall.umount2",
            "syscall.send",
            "syscall.*execve",
            "syscall.?oll",
            "syscall.opn",
            "syscall.open.retrun",
            "syscall.zzz*",
        ] {
            table += &format!("{text}: {}\n", resolve_text(text));
        }
        expect_test::expect![[r#"
            syscall.openat: syscall.openat Syscall { nr: 257, exit: false }
            syscall.openat.return: syscall.openat.return Syscall { nr: 257, exit: true }
            nd_syscall.read: nd_syscall.read Syscall { nr: 0, exit: false }
            syscall.pread64: syscall.pread Syscall { nr: 17, exit: false }
            syscall.newstat: syscall.stat Syscall { nr: 4, exit: false }
            syscall.pipe: syscall.pipe Syscall { nr: 22, exit: false }; syscall.pipe2 Syscall { nr: 293, exit: false }
            syscall.umount2: syscall.umount Syscall { nr: 166, exit: false }
            syscall.send: syscall.send Never
            syscall.*execve: syscall.execve Syscall { nr: 59, exit: false }
            syscall.?oll: syscall.poll Syscall { nr: 7, exit: false }
            syscall.opn: unknown
            syscall.open.retrun: unknown
            syscall.zzz*: unknown
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn the_running_kernel_has_most_of_the_table() {
        let world = World::live();
        if world.syscall_functions().is_empty() {
            eprintln!("skipped: no BTF here");
            return;
        }
        let present = Present::new(&world);
        let missing: Vec<_> =
            ROWS.iter().filter(|row| row.number(&present.arch).is_some() && present.number(row).is_none()).collect();
        let missing: Vec<_> = missing.into_iter().map(Row::name).collect();
        println!("not in this kernel: {missing:?}");
        assert!(prototypes(&world).count() > 300);
        for common in ["read", "openat", "fstatat", "pread", "uname", "clone", "umount"] {
            assert!(!missing.contains(&common), "{common}");
        }
        let Some(Resolved::Sites(sites)) = resolve(&point("syscall.*"), &world) else { panic!("sites") };
        assert!(sites.len() > 300);
        let Some(Resolved::Sites(any)) = resolve(&point("syscall_any.return"), &world) else { panic!("sites") };
        assert_eq!(any.len(), sites.len());
    }

    #[test]
    fn context_variables_by_either_name() {
        let world = World::live();
        let Some(Resolved::Sites(sites)) = resolve(&point("syscall.openat.return"), &world) else { panic!("sites") };
        let scope = &sites[0].scope;
        for name in ["filename", "pathname", "flags", "return"] {
            assert!(scope.resolve(name, &[], false, &world).is_ok(), "{name}");
        }
        assert!(scope.resolve("nope", &[], false, &world).is_err());
        let vars = scope.summary("$vars", Some(Depth::Shallow), &world).expect("a summary");
        assert!(vars.format.contains("filename=%s") || vars.format.contains("pathname=%s"), "{}", vars.format);
        if world.host.tracefs().is_ok() {
            let texts: Vec<_> =
                scope.variables(&world).into_iter().map(|v| format!("{}:{}", v.name, v.type_text)).collect();
            assert_eq!(texts[..2], ["$dfd:int", "$filename:char const*"]);
        }
        if world.btf().is_ok() && world.host.tracefs().is_ok() {
            let Some(Resolved::Sites(sites)) = resolve(&point("syscall.nanosleep"), &world) else { panic!("sites") };
            let seconds = [PathStep::Member("tv_sec".to_owned())];
            let access = sites[0].scope.resolve("rqtp", &seconds, false, &world).expect("resolves");
            assert_eq!(access.space, tapdeck_ebpf::ir::Space::User);
        }
    }
}
