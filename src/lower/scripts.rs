//! Whole scripts through passes 1 to 3 on this machine: what comes out runs, and what is refused says why.

use std::sync::Arc;

use tapdeck_ebpf::ir::{self, HandlerId, Op, SiteId};

use super::{LowerOptions, lower, tests::Session};
use crate::{
    debuginfo::World,
    diagnostics::Diagnostics,
    elaborate::{ElaborateOptions, elaborate},
    language::{self, ParseOptions},
    runtime::{
        interpreter::{HeapStores, Interpreter, Outcome},
        plan::Lowered,
    },
    source::{Origin, SourceMap},
    tapset::Library,
};

/// The script lowered, or what stands against it.
pub(super) fn compile(text: &str) -> Result<Lowered, String> {
    let world = World::live();
    let (library, _) = Library::new(&*world.host, &[]);
    let mut sources = SourceMap::default();
    let file = sources.add("<input>", text, Origin::User);
    let mut options = ParseOptions::default();
    let (macros, _) = library.macros(&mut sources, &options.conditions);
    options.macros = macros;
    let errors = |diagnostics: Diagnostics| {
        let errors: Vec<String> = diagnostics.iter().filter(|d| d.is_error()).map(|d| d.message.clone()).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    };
    let (script, diagnostics) = language::parse(&mut sources, file, &options);
    errors(diagnostics)?;
    let elaborate_options = ElaborateOptions { parse: options, ..ElaborateOptions::default() };
    let (program, diagnostics) =
        elaborate(&library, &world, vec![(file, script.into())], &mut sources, &elaborate_options);
    errors(diagnostics)?;
    let options = LowerOptions { binprm_filename: Some(96), ..LowerOptions::default() };
    let (lowered, diagnostics) = lower(&program, &options);
    errors(diagnostics)?;
    Ok(lowered)
}

/// What `begin` and then `end` print.
fn run(text: &str) -> String {
    let lowered = match compile(text) {
        Ok(lowered) => Arc::new(lowered),
        Err(why) => return format!("refused: {why}"),
    };
    let interpreter = Interpreter::new(lowered.clone());
    let mut stores = HeapStores::new(&lowered.ir);
    let mut session = Session::default();
    for handler in 0..lowered.ir.handlers.len() {
        let handler = HandlerId(handler as u32);
        match interpreter.run_handler(handler, SiteId(handler.0), &mut stores, &mut session) {
            Outcome::Done | Outcome::Next => {}
            Outcome::Abort => break,
            Outcome::Error(error) => {
                session.out.extend_from_slice(b"ERROR: ");
                session.out.extend_from_slice(&error.message);
            }
        }
    }
    String::from_utf8_lossy(&session.out).into_owned()
}

/// Instructions no program for the kernel may have.
fn user_only(lowered: &Lowered) -> Vec<String> {
    let kernel = lowered.ir.entries.iter().filter(|entry| entry.kind.in_kernel()).flat_map(|entry| &entry.runs);
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for run in kernel {
        let handler = &lowered.ir.handlers[run.handler.index()];
        check(&lowered.ir, &handler.body, &mut seen, &mut found);
    }
    found
}

fn check(program: &ir::Program, body: &ir::Body, seen: &mut Vec<ir::FunctionId>, found: &mut Vec<String>) {
    for op in body.blocks.iter().flat_map(|block| &block.insts).map(|inst| &inst.op) {
        found.extend(op.user_only().map(str::to_owned));
        if let Op::Call { function, .. } = op
            && !seen.contains(function)
        {
            seen.push(*function);
            check(program, &program.functions[function.index()].body, seen, found);
        }
    }
}

#[test]
fn user_side() {
    let check = |script: &str, expected: &str| assert_eq!(run(script), expected, "{script}");
    check("probe begin { printf(\"%d %s\\n\", 1 + 2 * 3, \"a\" . \"b\") }", "7 ab\n");
    check("global a probe begin { a[1,\"x\"] = 5; a[1,\"x\"]++; foreach ([i,s] in a) println(i, s, a[i,s]) }", "1x6\n");
    check("function f(n) { return n <= 1 ? 1 : n * f(n - 1) } probe begin { print(f(10)) }", "3628800");
    check("probe begin { try { error(\"oops\") } catch (m) { print(m) } }", "oops");
    check(
        "global s probe begin { for (i = 0; i < 5; i++) s <<< i; print(@count(s), @sum(s), @avg(s), @max(s)) }",
        "51024",
    );
    check("global a probe begin { a[3]=1; a[1]=2; a[2]=3; foreach (k+ in a limit 2) printf(\"%d \", k) }", "1 2 ");
    check("global s probe begin { s = \"a\"; s .= \"b\"; s = s . s; print(s) }", "abab");
    check("probe begin { print(1/0) }", "ERROR: division by 0");
    check("probe begin { if (\"abc\" =~ \"b(.)\") print(matched(1)) }", "c");
    check("probe begin { while (1) { if (i++ > 3) break; if (i == 2) continue; print(i) } }", "134");
    check(
        "global a, b probe begin { a[1]=1;a[2]=1; b[7]=1; foreach (i in a) foreach (j in b) { if (i==2) next; print(i,j) } }",
        "17",
    );
    check("global a probe begin { a[1,2]=1; a[1,3]=2; delete a[1,*]; print([1,2] in a, [*,3] in a) }", "00");
    check("probe begin { x = 3; y = x + x++ + x; print(y) }", "10");
    check("probe begin { print(tokenize(\"a b\", \" \"), tokenize(\" \")) }", "ab");
}

#[test]
fn kernel_side() {
    for script in [
        "probe syscall.* { printf(\"%s(%s) %s\\n\", name, argstr, execname()) }",
        "probe syscall.*.return { printf(\"%s %s = %s\\n\", name, argstr, retstr) }",
        "global n probe syscall.* { n[execname(), name] <<< 1 }",
        "global n probe syscall.open, syscall.openat { n[filename]++ }",
        "global t, h probe syscall.read { t[tid()] = gettimeofday_us() } probe syscall.read.return { if (tid() in t) \
         { h <<< gettimeofday_us() - t[tid()]; delete t[tid()] } } probe end { print(@hist_log(h)) }",
        "probe kernel.trace(\"sched_switch\") { printf(\"%s %d\\n\", execname(), $next->pid) }",
        "probe kernel.trace(\"sched_switch\") { printf(\"%s\\n\", $$vars) }",
        "probe timer.profile { if (user_mode()) u++; else k++ } global u, k probe end { print(u, k) }",
        "probe process(\"/bin/true\").begin, process.end { printf(\"%d %s\\n\", pid(), pp()) }",
        "probe scheduler.* { printf(\"%s\\n\", name) }",
        "probe netdev.receive { printf(\"%s %d\\n\", dev_name, length) }",
        "probe syscall.write { if (pid() == target() && isinstr(execname(), \"sh\")) { x = substr(execname(), 0, 3); \
         printf(\"%s %s\\n\", x, user_string_n(buf, count)) } }",
        "global a probe syscall.read { foreach (k in a) s += a[k]; printf(\"%d\\n\", s) } probe syscall.write { a[pid()]++ }",
        "function f(x) { if (x > 10) return 1; return 2 } probe syscall.read { printf(\"%d\", f(fd)) }",
        "probe syscall.read { try { printf(\"%s\", kernel_string(buf)) } catch (m) { log(m) } }",
        "probe syscall.openat { printf(\"%s -> %s\\n\", thread_indent(1), ppfunc()) }",
        "probe syscall.openat { x = thread_indent(1); for (i = 0; i < 3; i++) println(x . thread_indent(-1)) }",
        "global n probe syscall.*.return { n[name, retstr] <<< 1 }",
        "function report(what:string) { if (what == what) return 0; printf(\"%d %s\\n\", pid(), what) } \
         probe syscall.read { report(sprintf(\"%d\", fd)) }",
        "function report(what) { if (pid() == 1) return 0; printf(\"%d %s\\n\", pid(), what); return 1 } \
         probe syscall.read.return { x = report(sprintf(\"%o %s\", retval, errno_str(retval))); println(x) }",
        "global names probe signal.send { names[sig] = sig_name }",
        "probe syscall.read { log(sprintf(\"%s %d\", execname(), fd)); warn(\"w\"); ftrace(\"f\") }",
    ] {
        match compile(script) {
            Ok(lowered) => assert_eq!(user_only(&lowered), Vec::<String>::new(), "{script}"),
            Err(why) => panic!("{script}\n{why}"),
        }
    }
}
