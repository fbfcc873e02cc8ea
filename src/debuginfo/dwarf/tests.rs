//! Reading what compilers, linkers and tools write: the programs of tests/programs/dwarf, and mutations of them.

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use super::{Dwarf, build, file::DebugFile, index::Index, source::Source};
use crate::{
    debuginfo::{
        function_pattern::FunctionPattern,
        model::InstanceKind,
        types::{Shape, Types},
    },
    host::Bytes,
};

pub fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/dwarf").join(name)
}

pub fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(program(name))
        .unwrap_or_else(|error| panic!("{name}: {error}; tests/programs/dwarf/build.sh makes it"))
}

/// A program's debug information, indexed by `n_workers` and with no cache.
pub fn dwarf_of(bytes: Vec<u8>, supplement: Option<Vec<u8>>, n_workers: usize) -> Result<Dwarf, String> {
    let mut file = DebugFile::parse(Bytes::Owned(bytes))?;
    if let Some(supplement) = supplement {
        file.supplement = Some(Box::new(DebugFile::parse(Bytes::Owned(supplement))?));
    }
    let source = Source::new(file);
    let index = build::build(&source, "test", n_workers, &build::Progress::default());
    let index = Index::open(Bytes::Owned(index), "test").ok_or("the index cannot be read")?;
    Ok(Dwarf::new(Path::new(""), source, index))
}

pub fn open(name: &str) -> Dwarf {
    let supplement = (name == "dwz.so").then(|| bytes_of("common.debug"));
    dwarf_of(bytes_of(name), supplement, 1).expect("is well formed")
}

/// Every function as a listing shows it, with its instances.
fn listing(dwarf: &Dwarf) -> String {
    let mut text = String::new();
    for function in dwarf.functions(&FunctionPattern::parse("*").expect("is a pattern")) {
        let place = function.source.as_ref().map_or(String::new(), |place| format!("@{}:{}", place.file, place.line));
        let n = |kind| function.instances.iter().filter(|instance| instance.kind == kind).count();
        let (calls, inlines) = (n(InstanceKind::Call), n(InstanceKind::Inline));
        let external = if function.external { ", external" } else { "" };
        text += &format!("{}{place} ({calls} own, {inlines} inlined{external})", function.name);
        for argument in dwarf.arguments(&function) {
            text += &format!(" ${}:{}", argument.name, argument.type_text);
        }
        text.push('\n');
    }
    text
}

fn check(name: &str, expected: &Expect) {
    expected.assert_eq(&listing(&open(name)));
}

const GCC: Expect = expect![[r#"
    choose@shapes.c:36 (1 own, 0 inlined, external) $callback:int (*) (shape_t*, void*)
    count@shapes.c:8 (1 own, 0 inlined) $shape:shape_t*
    measure@shapes.c:17 (1 own, 0 inlined, external) $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
    other@other.c:11 (1 own, 0 inlined, external) $at:struct point*
    scale@shapes.h:33 (0 own, 4 inlined) $factor:long int
    start@start.S:5 (1 own, 0 inlined, external)
    with_address@shapes.c:27 (1 own, 0 inlined, external) $depth:int $here:struct point $constant:int
"#]];

#[test]
fn gcc_writes_version_5() {
    check("gcc5.so", &GCC);
}

#[test]
fn gcc_writes_version_4() {
    check("gcc4.so", &GCC);
}

#[test]
fn sections_may_be_compressed() {
    check("zlib.so", &GCC);
    check("zstd.so", &GCC);
}

#[test]
fn common_parts_may_be_in_another_file() {
    // Its line table is nobody's, so paths are not relative to anything.
    let listed = listing(&open("dwz.so")).replace("@/src/", "@");
    GCC.assert_eq(&listed);
}

#[test]
fn debug_information_may_be_in_a_file_of_its_own() {
    check("apart.debug", &GCC);
}

#[test]
fn clang_writes_indexes_instead_of_offsets() {
    check(
        "clang5.so",
        &expect![[r#"
            choose@shapes.c:36 (1 own, 0 inlined, external) $callback:int (*) (shape_t*, void*)
            count@shapes.c:8 (1 own, 0 inlined) $calls:int $shape:shape_t*
            measure@shapes.c:17 (1 own, 0 inlined, external) $shape:shape_t* $factor:long
            other@other.c:11 (1 own, 0 inlined, external) $at:struct point*
            scale@./shapes.h:33 (0 own, 4 inlined) $factor:long
            with_address@shapes.c:27 (1 own, 0 inlined, external) $depth:int
        "#]],
    );
}

#[test]
fn link_time_optimisation_refers_across_units() {
    check(
        "lto.so",
        &expect![[r#"
        choose@shapes.c:36 (1 own, 0 inlined, external) $callback:int (*) (shape_t*, void*)
        count@shapes.c:8 (1 own, 0 inlined) $shape:shape_t*
        measure@shapes.c:17 (1 own, 0 inlined, external) $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
        other@other.c:11 (1 own, 0 inlined, external) $at:struct point*
        scale@shapes.h:33 (0 own, 4 inlined) $factor:long int
        with_address@shapes.c:27 (1 own, 0 inlined, external) $depth:int $here:struct point $constant:int
    "#]],
    );
}

#[test]
fn objects_are_relocated() {
    let expected = expect![[r#"
        choose@shapes.c:36 (1 own, 0 inlined, external) $callback:int (*) (shape_t*, void*)
        count@shapes.c:8 (1 own, 0 inlined) $shape:shape_t*
        measure@shapes.c:17 (1 own, 0 inlined, external) $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
        scale@shapes.h:33 (0 own, 3 inlined) $factor:long int
        with_address@shapes.c:27 (1 own, 0 inlined, external) $depth:int $here:struct point $constant:int
    "#]];
    check("object.o", &expected);
    check("zlib.o", &expected);
}

#[test]
fn how_many_workers_there_were_makes_no_difference() {
    for name in ["gcc5.so", "lto.so", "clang5.so"] {
        let build = |n_workers| {
            let source = Source::new(DebugFile::parse(Bytes::Owned(bytes_of(name))).expect("is well formed"));
            build::build(&source, "test", n_workers, &build::Progress::default())
        };
        assert!(build(1) == build(4), "{name}");
    }
}

#[test]
fn types_are_read_like_those_of_btf() {
    for name in ["gcc5.so", "gcc4.so", "clang5.so", "object.o"] {
        let dwarf = open(name);
        let shape = dwarf.named("struct", "shape").unwrap_or_else(|| panic!("{name}: the struct is defined"));
        let mut text = String::new();
        for member in dwarf.members(shape) {
            let (at, bits) = (member.offset_bits, member.bitfield_bits);
            // clang spells integers without the int.
            let ty = dwarf.type_text(member.ty).replace("long int", "long");
            text += &format!("{} {}: {ty} +{at}:{bits}\n", dwarf.size_of(member.ty), member.name);
        }
        let expected = expect![[r#"
            8 name: char const* +0:0
            64 corners: struct point[4] +64:0
            4 colour: enum colour +576:4
            4 filled: unsigned int +580:1
            8 : union {...} +640:0
            24 grid: int[2][3] +704:0
            8 number: union number volatile* +896:0
            8 unknown: struct elsewhere* +960:0
        "#]];
        expected.assert_eq(&text);
        let area = dwarf.find_member(shape, "area").expect("is in an anonymous union");
        assert_eq!((area.offset_bits, dwarf.size_of(area.ty)), (640, 8), "{name}");
        let typedef = dwarf.named("typedef", "shape_t").expect("is defined");
        assert_eq!(dwarf.base_shape(typedef), Shape::Struct, "{name}");
        let colour = dwarf.named("enum", "colour").expect("is defined");
        let values: Vec<_> = dwarf.enumerators(colour).iter().map(|e| (e.name, e.value)).collect();
        assert_eq!(values, [("RED", 1), ("GREEN", 2), ("BLUE", -3)], "{name}");
        assert_eq!(dwarf.shape(colour), Shape::Enum { width: 4, signed: true }, "{name}");
    }
}

#[test]
fn a_declaration_finds_its_definition_in_another_unit() {
    let dwarf = open("gcc5.so");
    let shape = dwarf.named("struct", "shape").expect("is defined");
    let unknown = dwarf.find_member(shape, "unknown").expect("is a member");
    let Shape::Pointer(to) = dwarf.shape(unknown.ty) else { panic!("is a pointer") };
    assert_eq!(dwarf.member_names(to), ["inside"]);
    let alone = open("object.o");
    let shape = alone.named("struct", "shape").expect("is defined");
    let unknown = alone.find_member(shape, "unknown").expect("is a member");
    let Shape::Pointer(to) = alone.shape(unknown.ty) else { panic!("is a pointer") };
    assert_eq!(alone.shape(to), Shape::Forward);
}

#[test]
fn an_index_is_believed_only_as_it_was_written() {
    let source = Source::new(DebugFile::parse(Bytes::Owned(bytes_of("gcc5.so"))).expect("is well formed"));
    let whole = build::build(&source, "mine", 1, &build::Progress::default());
    let opens = |bytes: &[u8]| Index::open(Bytes::Owned(bytes.to_vec()), "mine").is_some();
    assert!(opens(&whole));
    assert!(Index::open(Bytes::Owned(whole.clone()), "another's").is_none());
    assert!(!opens(&whole[..whole.len() - 8]) && !opens(&whole[..20]) && !opens(&[]));
    for at in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        assert!(!opens(&damaged), "byte {at}");
    }
}

/// Where the variables of a function are at its beginning, `bytes` behind it.
fn places(name: &str, function: &str, bytes: u64) -> String {
    let dwarf = open(name);
    let found = dwarf.functions(&FunctionPattern::parse(function).expect("is a pattern"));
    let mut text = String::new();
    for instance in found.iter().flat_map(|function| &function.instances) {
        let pc = instance.pc.expect("has an address");
        text += &format!("{:?} at {pc:#x}\n", instance.kind);
        for variable in dwarf.variables(instance, pc + bytes) {
            let kind = if variable.is_parameter { "parameter" } else { "local" };
            let ty = dwarf.type_text(variable.ty);
            text += &format!("  {kind} {}: {ty}: {}\n", variable.name, variable.location);
        }
    }
    text
}

#[test]
fn variables_are_in_registers_memory_or_computed() {
    let at_entry = expect![[r#"
        Call at 0x3d0
          parameter shape: shape_t*: r5
          parameter factor: long int: r4
          parameter unused: unsigned char: r1
          local first: struct point*: Add(r5, 8)
          local sum: long int: has no value here
    "#]];
    at_entry.assert_eq(&places("gcc5.so", "measure", 0));
    at_entry.assert_eq(&places("gcc4.so", "measure", 0));
    expect![[r#"
        Call at 0x3d0
          parameter shape: shape_t*: entry r5
          parameter factor: long int: entry r4
          parameter unused: unsigned char: entry r1
          local first: struct point*: Add(entry r5, 8)
          local sum: long int: r4
    "#]]
    .assert_eq(&places("gcc5.so", "measure", 40));
    expect![[r#"
        Call at 0x410
          parameter depth: int: r4
          local here: struct point: pieces [32 bits: r4] [32 bits: optimised out] [64 bits: r0]
          local constant: int: 42
    "#]]
    .assert_eq(&places("gcc5.so", "with_address", 24));
    expect![[r#"
        Inline at 0x410
          parameter factor: long int: 42
          parameter at: struct point const*: described by a pointer to what is in no memory, which is not understood
        Inline at 0x3d0
          local product: long int: has no value here
          parameter factor: long int: r4
          parameter at: struct point const*: Add(r5, 8)
        Inline at 0x3f9
          local product: long int: r1
          parameter factor: long int: 2
          parameter at: struct point const*: optimised out
        Inline at 0x450
          local product: long int: has no value here
          parameter factor: long int: 5
          parameter at: struct point const*: r5
    "#]]
    .assert_eq(&places("gcc5.so", "scale", 0));
    expect![[r#"
        Call at 0x3f0
          parameter depth: int: r5
          local here: struct point: pieces [32 bits: r5] [32 bits: optimised out] [64 bits: r0]
          local constant: int: 42
    "#]]
    .assert_eq(&places("clang5.so", "with_address", 12));
    expect![[r#"
        Call at 0x1000
          parameter shape: shape_t*: described by a parameter of the caller, which is not understood
    "#]]
    .assert_eq(&places("object.o", "count", 0));
}

#[test]
fn a_module_says_by_its_sections_what_may_not_be_probed() {
    let dwarf = open("module.o");
    let mut text = String::new();
    for function in dwarf.functions(&FunctionPattern::parse("*").expect("is a pattern")) {
        text += &format!("{}: {}", function.name, dwarf.traceable(&function.instances[0]));
        for argument in dwarf.arguments(&function) {
            text += &format!(" ${}:{}", argument.name, argument.type_text);
        }
        text.push('\n');
    }
    expect![[r#"
        choose: ? $table:int (**) (char*) $one:int (* const) (void) $n:int $kept:int (*[]) (char*)
        cleanup_module: ?
        enter: never: noinstr
        handle: never: NOKPROBE
        init_module: never: init only
        untouchable: never: NOKPROBE
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_does_not_live_here_says_where_it_does() {
    let dwarf = open("gcc5.so");
    let measure = dwarf.functions(&FunctionPattern::parse("measure").expect("is a pattern"));
    let instance = &measure[0].instances[0];
    let pc = instance.pc.expect("has an address");
    let lives: Vec<_> = dwarf.lives_at(instance, pc, "sum").iter().map(|(a, b)| (a - pc, b - pc)).collect();
    expect!["[(33, 41), (41, 47)]"].assert_eq(&format!("{lives:?}"));
    let calls = dwarf.global("sink", instance).expect("is declared");
    assert!(matches!(calls.location, crate::debuginfo::location::Location::Memory(_)), "{calls:?}");
    assert!(dwarf.global("nowhere", instance).is_none());
}
