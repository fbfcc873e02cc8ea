//! Names across files: what a script sees of the library, and what the library must not see of the script.

use std::sync::Arc;

use super::*;
use crate::{host::Recorded, language, source::Origin};

/// `-p2` text, or the messages of what is wrong.
fn elaborated(library: &[(&str, &str)], script: &str) -> String {
    let world = World::new(Arc::new(Recorded::new("tests/hosts/nothing")));
    let library = Library::of_texts(library);
    let mut sources = SourceMap::default();
    let mut options = ElaborateOptions::default();
    let (macros, _) = library.macros(&mut sources, &options.parse.conditions);
    options.parse.macros = macros;
    let file = sources.add("<input>", script, Origin::User);
    let (script, mut diagnostics) = language::parse(&mut sources, file, &options.parse);
    let (program, found) = elaborate(&library, &world, vec![(file, script.into())], &mut sources, &options);
    diagnostics.extend(found);
    let messages: String = diagnostics.iter().map(|d| format!("{}: {}\n", d.kind, d.message)).collect();
    if diagnostics.has_errors() { messages } else { messages + &print::print(&program) }
}

#[test]
fn a_private_name_stays_in_its_file() {
    let library = [("a.stp", "private function hidden() { return 1 }\nfunction open() { return hidden() }")];
    assert!(elaborated(&library, "probe begin { println(hidden()) }").starts_with("unresolved-function"));
    let text = elaborated(&library, "probe begin { println(open()) }");
    assert!(text.contains("hidden:long ()") && text.contains("open:long ()"), "{text}");
}

#[test]
fn the_library_does_not_see_the_scripts_globals() {
    let library = [("a.stp", "function twice(n) { count = n + n; return count }")];
    let text = elaborated(&library, "global count probe begin { count = \"text\"; println(twice(2), count) }");
    assert!(text.contains("count:string\n") && text.contains("  count:long"), "{text}");
}

#[test]
fn a_global_of_the_library_is_seen() {
    let library = [("a.stp", "global shared = 5")];
    let text = elaborated(&library, "probe begin { println(shared) }");
    assert!(!text.contains("cross-file") && text.contains("shared:long"), "{text}");
}

#[test]
fn the_scripts_function_wins_and_next_goes_on_to_the_librarys() {
    let library = [("a.stp", "function f:string() { return \"library\" }")];
    let text = elaborated(&library, "function f() { return 1 } probe begin { println(f()) }");
    assert!(text.contains("f:long ()") && !text.contains("f:string"), "{text}");
    let text = elaborated(&library, "function f() { if (pid()) next; return \"a\" } probe begin { println(f()) }");
    assert_eq!(text.matches("f:string ()").count(), 2, "{text}");
}

#[test]
fn the_scripts_function_takes_the_librarys_place_in_the_library_too() {
    let text = "function f() { return 1 }\nprivate function own() { return 2 }\nfunction g() { return own() + f() }";
    let script =
        "function f:long() { return 7 } function own:string() { return \"b\" } probe begin { println(g(), own()) }";
    let text = elaborated(&[("a.stp", text)], script);
    assert_eq!(text.matches("f:long ()").count(), 1, "{text}");
    assert!(text.contains("own:long ()") && text.contains("own:string ()"), "{text}");
}

#[test]
fn probes_of_a_file_come_in_with_it() {
    let library = [
        ("a.stp", "global n\nfunction count() { return n }\nprobe timer.s(1) { n++ }"),
        ("b.stp", "probe end { log(\"b\") }"),
    ];
    let text = elaborated(&library, "probe begin { println(count()) }");
    assert!(text.contains("timer.s(1)") && !text.contains("end /*"), "{text}");
}

#[test]
fn an_alias_of_the_library_shares_its_locals_with_the_handler() {
    let library = [("a.stp", "probe my.tick = timer.s(1) { name = \"tick\"; unread = 1 }, { done = name }")];
    let text = elaborated(&library, "probe my.* { println(name) }");
    assert_eq!(
        text,
        "# probes\ntimer.s(1) /*  <- my.tick = timer.s(1) /*  <- my.* */  <- my.* */ \n  # locals\n  name:string\n"
    );
}

#[test]
fn a_function_with_context_variables_means_something_only_where_it_is_called() {
    assert!(elaborated(&[], "function f() { return $x } probe begin { exit() }").starts_with("# functions\nexit"));
    assert!(
        elaborated(&[], "function f() { return $x } probe begin { println(f()) }").starts_with("unresolved-context")
    );
}

#[test]
fn half_written_and_odd_scripts_do_not_panic() {
    for script in [
        "",
        "probe begin { foreach (a in a) a[a] = a }",
        "global a probe begin { a[a] = 1 }",
        "global a probe begin { foreach ([a, a] in a) delete a[a, a] }",
        "function f(f) { return f(f) } probe begin { f(f) }",
        "probe begin { delete 3 }",
        "probe begin { @count(@count(x)) }",
        "probe x = x.y { } probe x { }",
        "probe x = y { } probe y = x { } probe x.* { }",
        "probe *.* { }",
        "probe * { exit() }",
        "probe begin.*.* { exit() }",
        "global x[99999999999] probe begin { x[1] = 1 }",
        "probe begin { print(@hist_linear(x, 0, 10, 1)) }",
        "probe begin { $$vars = 1; $x++; &$x }",
        "probe begin { x = x->y->z; 3->y }",
        "probe begin { break; continue }",
        "probe timer.s(1) if (a[1]) { } global a",
    ] {
        let _ = elaborated(&[], script);
    }
}
