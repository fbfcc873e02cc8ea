//! Pass 2: `elaborate_ok` holds `-p2` text after the warnings, `elaborate_err` rendered diagnostics, each file there named
//! after the tag it shows. The machine is one of which nothing is known, so that answers are the same everywhere;
//! `//# unoptimized` is `-u`, `//# global: x=3` is `-G`.

use std::sync::Arc;

use tapdeck::{
    debuginfo::World,
    diagnostics::{Diagnostics, stap_form},
    elaborate::{self, ElaborateOptions, complete, list, program::Program},
    host::Recorded,
    language::{self, ParseOptions},
    source::{Origin, SourceMap},
    tapset::Library,
};

use crate::scripts::{Case, check};

/// Passes 1 and 2 over a text.
pub struct Run {
    pub sources: SourceMap,
    pub program: Program,
    pub diagnostics: Diagnostics,
}

fn run(name: &str, text: &[u8], world: &World, unoptimized: bool, global: Option<&str>) -> Run {
    run_with(name, text, world, unoptimized, global, ParseOptions::default())
}

fn run_with(
    name: &str,
    text: &[u8],
    world: &World,
    unoptimized: bool,
    global: Option<&str>,
    mut parse: ParseOptions,
) -> Run {
    let (library, _) = Library::new(&*world.host, &[]);
    let mut sources = SourceMap::default();
    let (macros, mut diagnostics) = library.macros(&mut sources, &parse.conditions);
    parse.macros = macros;
    let file = sources.add(name, text, Origin::User);
    let (script, found) = language::parse(&mut sources, file, &parse);
    diagnostics.extend(found);
    let globals = global.and_then(|text| text.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options =
        ElaborateOptions { parse, unoptimized, globals: globals.into_iter().collect(), ..ElaborateOptions::default() };
    let (program, found) = elaborate::elaborate(&library, world, vec![(file, script.into())], &mut sources, &options);
    diagnostics.extend(found);
    Run { sources, program, diagnostics }
}

fn nowhere() -> World {
    World::new(Arc::new(Recorded::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/nothing"))))
}

pub fn run_case(case: &Case) -> Run {
    let unoptimized = case.directive("unoptimized").is_some();
    let mut parse = ParseOptions::default();
    parse.conditions.guru_mode = case.directive("guru").is_some();
    run_with(&case.name, &case.text, &nowhere(), unoptimized, case.directive("global").as_deref(), parse)
}

fn rendered(run: &Run) -> String {
    rendered_with(run, &run.diagnostics)
}

/// The diagnostics of a later pass, with the sources of this one.
pub fn rendered_with(run: &Run, diagnostics: &Diagnostics) -> String {
    let mut state = stap_form::State::default();
    let text: String = diagnostics.iter().map(|d| stap_form::render(d, &run.sources, &mut state)).collect();
    text + &state.summary()
}

#[test]
fn elaborate_ok() {
    check("elaborate_ok", |case| {
        let run = run_case(case);
        let messages = rendered(&run);
        assert!(!run.diagnostics.has_errors(), "{}\n{messages}", case.name);
        messages + &elaborate::print::print(&run.program)
    });
}

#[test]
fn elaborate_err() {
    check("elaborate_err", |case| {
        let run = run_case(case);
        let tag = case.name.split('.').next().unwrap_or_default();
        let kinds: Vec<&str> = run.diagnostics.iter().map(|d| d.kind).collect();
        assert!(kinds.contains(&tag), "{}: {kinds:?}", case.name);
        rendered(&run)
    });
}

/// This machine, where it has type information.
fn here() -> Option<World> {
    let world = World::live();
    let has_types = world.btf().is_ok() && world.host.tracefs().is_ok();
    if !has_types {
        eprintln!("skipped: this machine has no BTF or no tracefs");
    }
    has_types.then_some(world)
}

fn fine(text: &str, world: &World) -> Program {
    let run = run("<input>", text.as_bytes(), world, false, None);
    assert!(!run.diagnostics.has_errors(), "{}", rendered(&run));
    run.program
}

#[test]
fn a_wildcard_is_one_handler() {
    let Some(world) = here() else { return };
    let program = fine("global n probe syscall.* { n[name] <<< 1 }", &world);
    assert_eq!(program.probes.len(), 1);
    assert!(program.probes[0].sites.len() > 200, "{}", program.probes[0].sites.len());
}

#[test]
fn entry_values_have_their_own_handlers() {
    let Some(world) = here() else { return };
    let program = fine(
        "global t probe syscall.read.return { t[@entry($fd)] <<< gettimeofday_us() - @entry(gettimeofday_us()) }",
        &world,
    );
    // Two entries and the return.
    assert_eq!(program.probes.len(), 3);
    assert_eq!(program.globals.iter().filter(|global| global.hidden).count(), 2);
}

#[test]
fn defined_chooses_before_names_are_looked_up() {
    let Some(world) = here() else { return };
    let text = "probe kernel.trace(\"sched_switch\") {
        if (@defined($no_such->thing)) println($no_such->thing) else println($next->pid)
        x = @choose_defined($nope, $prev->pid)
        println(x, @defined($next->comm) && 1)
    }";
    assert_eq!(fine(text, &world).probes.len(), 1);
}

#[test]
fn every_alias_of_the_library_elaborates_here() {
    let Some(world) = here() else { return };
    let (library, _) = Library::new(&*world.host, &[]);
    let mut failed = Vec::new();
    for (name, ..) in library.aliases() {
        let run = run("<input>", format!("probe {name} {{ exit() }}").as_bytes(), &world, true, None);
        let nowhere = run.diagnostics.iter().any(|d| d.kind == "probe-point-no-match");
        if run.diagnostics.has_errors() && !nowhere {
            failed.push(rendered(&run));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn listings_show_what_a_handler_sees() {
    let Some(world) = here() else { return };
    let (library, _) = Library::new(&*world.host, &[]);
    let options = ElaborateOptions::default();
    let list = |pattern: &str| {
        let mut sources = SourceMap::default();
        list::list(pattern, true, Vec::new(), &library, &world, &mut sources, &options).0
    };
    let lines: Vec<String> = list("syscall.open*").iter().map(|point| point.line()).collect();
    let openat = lines.iter().find(|line| line.starts_with("syscall.openat ")).expect("there is openat");
    assert!(openat.contains(" filename:string"), "{openat}");
    assert!(openat.contains(" name:string"), "{openat}");
    assert!(lines.is_sorted());
    let receive = &list("netdev.receive")[0].line();
    assert!(receive.starts_with("netdev.receive name:string dev_name:string length:long"), "{receive}");
    assert!(receive.contains("$skb:struct sk_buff*"), "{receive}");
    assert_eq!(list("no.such.point"), []);
}

#[test]
fn completion_knows_where_it_is() {
    let Some(world) = here() else { return };
    let (library, _) = Library::new(&*world.host, &[]);
    let options = ElaborateOptions::default();
    let catalogue = complete::Catalogue::new(&library, &world, &options);
    let at = |text: &str| -> Vec<String> {
        let cursor = text.find('|').expect("a cursor");
        let text = text.replacen('|', "", 1);
        let found = complete::complete(&text, cursor, &catalogue, &library, &world, &options);
        found.candidates.into_iter().map(|candidate| candidate.text).collect()
    };
    assert!(at("probe sysc|").contains(&"syscall.openat".to_owned()));
    assert!(at("probe begin, netdev.rec|").contains(&"netdev.receive".to_owned()));
    assert!(at("probe kernel.trace(\"sched:sched_sw|").contains(&"kernel.trace(\"sched:sched_switch\")".to_owned()));
    assert!(at("probe begin { gettimeofday_u| }").contains(&"gettimeofday_us".to_owned()));
    assert_eq!(at("global packets\nprobe begin { pack|"), ["packets"]);
    assert_eq!(at("probe kernel.trace(\"sched_switch\") { x = $ne|"), ["$next"]);
    assert!(at("probe kernel.trace(\"sched_switch\") { x = $next->pi|").contains(&"pid".to_owned()));
    assert_eq!(at("probe netdev.receive { dev_n| }"), ["dev_name"]);
    assert!(at("probe syscall.openat { filen| ").contains(&"filename".to_owned()));
    assert_eq!(at("probe begin { total = 1\n tot|"), ["total"]);
    assert_eq!(at("pro|"), ["probe"]);
    assert_eq!(at("probe begin { println(\"gett|"), [] as [&str; 0]);
    assert_eq!(at("// prob|"), [] as [&str; 0]);
}
