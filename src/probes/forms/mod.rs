//! The forms probe points can have, as a tree of their parts, and what is wrong with a point that has none of them.
//! stapprobes(3stap) names the forms; those SystemTap has and tapdeck has not are in the tree as well, so that a
//! misspelt point is told of the same names.

mod library;

use std::collections::BTreeMap;

use crate::{
    language::{
        ast::{Literal, ProbePoint, ProbePointPart},
        similar,
    },
    probes::{
        pattern::{glob_matches, is_wildcard},
        syscall,
    },
};

/// SystemTap's own forms. `{a,b}` are alternatives, `!` stands where a point may end.
const FORMS: &[&str] = &[
    "{begin,end,error}!",
    "{begin,end,error}(number)!",
    "never!",
    "timer.{s,sec,ms,msec,us,usec,ns,nsec,jiffies}(number)!.randomize(number)!",
    "timer.hz(number)!",
    "timer.profile!.{tick!,freq!}",
    "{kernel,module(string)}.function({number,string})!.{call!,exported!,return!.maxactive(number)!}",
    "{kernel,module(string)}.function(string).{inline!,label(string)!,callees!,callees(number)!}",
    "{kernel,module(string)}.function(string).callee(string)!.{call!,return!}",
    "{kernel,module(string)}.statement({number,string})!.nearest!",
    "{kernel,module(string)}.tracepoint(string)!",
    "kernel.statement(number).absolute!",
    "kernel.trace(string)!",
    "kernel.data(number).{rw!,write!,length(number).{rw!,write!}}",
    "kernel.data(string).{rw!,write!}",
    "{,kernel.}xdp{,(string)}!",
    "kprobe.{,module(string).}function(string)!.{call!,return!.maxactive(number)!}",
    "kprobe.statement(number).absolute!",
    "netfilter.{hook(string).pf(string),pf(string).hook(string)}!.priority(string)!",
    "perf.type(number).config(number)!.{counter(string)!,hz(number)!,sample(number)!,process!,process(string)!.counter(string)!}",
    "process{,(number),(string)}.{begin!,end!,thread.{begin!,end!},syscall!.return!}",
    "process{,(number),(string),.library(string),(string).library(string)}.function({number,string})!.{call!,exported!,return!}",
    "process{,(number),(string),.library(string),(string).library(string)}.function(string).{inline!,label(string)!,callees!,callees(number)!}",
    "process{,(number),(string),.library(string),(string).library(string)}.function(string).callee(string)!.{call!,return!}",
    "process{,(number),(string),.library(string),(string).library(string)}.statement({number,string})!.nearest!",
    "process{,(number),(string),.library(string),(string).library(string)}.{mark(string)!,provider(string).mark(string)!}",
    "process{,(number),(string),.library(string),(string).library(string)}.plt{,(string)}!.return!",
    "process(number).statement(number).absolute!.return!",
    "process.data({number,string}).{rw!,write!,length(number).{rw!,write!}}",
    "procfs{,(string)}.{,umask(number).}{read!.maxsize(number)!,write!}",
    "tp_syscall(string)!.return!",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arg {
    None,
    Number,
    Text,
}

impl Arg {
    fn of(part: &ProbePointPart) -> Self {
        match part.arg {
            None => Arg::None,
            Some(Literal::Long(_)) => Arg::Number,
            Some(Literal::Str(_)) => Arg::Text,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: BTreeMap<(String, Arg), Node>,
    /// A point may end here.
    ends: bool,
    /// Its name is one of an alias, which `**` reaches.
    of_alias: bool,
}

impl Node {
    /// Calls `each` with the parts of every way through the tree that `asked` stands for, behind those gone already.
    fn expand(
        &self,
        asked: &[ProbePointPart],
        gone: &mut Vec<ProbePointPart>,
        each: &mut dyn FnMut(&[ProbePointPart]),
    ) {
        let Some((part, rest)) = asked.split_first() else {
            if self.ends {
                each(gone);
            }
            return;
        };
        if part.name.contains("**") {
            return self.expand_across(part, rest, "", gone, each);
        }
        for ((name, arg), next) in &self.next {
            if *arg == Arg::of(part) && glob_matches(part.name.as_bytes(), name.as_bytes()) {
                gone.push(ProbePointPart { name: name.as_str().into(), ..part.clone() });
                next.expand(rest, gone, each);
                gone.pop();
            }
        }
    }

    /// The same for a part with `**`, which matches whole names of aliases with their dots; `path` of them is gone already.
    fn expand_across(
        &self,
        part: &ProbePointPart,
        rest: &[ProbePointPart],
        path: &str,
        gone: &mut Vec<ProbePointPart>,
        each: &mut dyn FnMut(&[ProbePointPart]),
    ) {
        for ((name, arg), next) in &self.next {
            if *arg != Arg::None {
                continue;
            }
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            gone.push(ProbePointPart { name: name.as_str().into(), arg: None, ..part.clone() });
            if next.of_alias && part.arg.is_none() && glob_matches(part.name.as_bytes(), path.as_bytes()) {
                next.expand(rest, gone, each);
            }
            next.expand_across(part, rest, &path, gone, each);
            gone.pop();
        }
    }
}

/// What is wrong with a point, and with which of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// No such part there; the nearest names that are.
    NoSuchPart { part_idx: usize, similar: Vec<String> },
    /// The same of a name with a wildcard.
    NoWildcardMatch { part_idx: usize, similar: Vec<String> },
    /// The point was whole before this part; by the name of an alias?
    InvalidSuffix { part_idx: usize, behind_alias: bool },
    /// More must follow the last part: one of these, as `hz(number)`.
    Truncated { part_idx: usize, follow: Vec<String> },
}

/// The tree of all forms.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    root: Node,
}

impl Forms {
    /// SystemTap's forms, those of tapdeck's families, the system calls of `arch`, and aliases by their dotted names.
    pub fn new(arch: &str, aliases: impl IntoIterator<Item = String>) -> Self {
        let mut forms = Self::default();
        for form in FORMS {
            expand_braces(form, &mut |form| forms.add(form, false));
        }
        for family in super::FAMILIES {
            for pattern in family.patterns() {
                let is_template = pattern.text.contains("NAME") || is_wildcard(pattern.text);
                if !is_template {
                    forms.add(&format!("{}!", pattern.text.to_lowercase()), false);
                }
            }
        }
        for name in library::FIRST_NAMES.split_whitespace() {
            forms.root.next.entry((name.to_owned(), Arg::None)).or_default();
        }
        for form in library::LIBRARY {
            expand_braces(form, &mut |form| forms.add(form, true));
        }
        for (family, name) in syscall::names(arch) {
            forms.add(&format!("{family}.{name}!.return!"), true);
        }
        aliases.into_iter().for_each(|alias| forms.add(&format!("{alias}!"), true));
        forms
    }

    fn add(&mut self, form: &str, of_alias: bool) {
        let mut node = &mut self.root;
        for part in form.split('.') {
            let (part, ends) = part.strip_suffix('!').map_or((part, false), |part| (part, true));
            let (name, arg) = match part.split_once('(') {
                None => (part, Arg::None),
                Some((name, "number)")) => (name, Arg::Number),
                Some((name, _)) => (name, Arg::Text),
            };
            node = node.next.entry((name.to_owned(), arg)).or_default();
            node.ends |= ends;
            node.of_alias |= of_alias && ends;
        }
    }

    /// The points a point with wildcards in its names stands for, without any; in the order of their names.
    pub fn expand(&self, point: &ProbePoint) -> Vec<ProbePoint> {
        let mut found = Vec::new();
        self.root.expand(&point.parts, &mut Vec::new(), &mut |parts| {
            found.push(ProbePoint { parts: parts.to_vec(), ..point.clone() });
        });
        found
    }

    /// Why `point`, which no alias and no family knows, is none. `None` when its form is right.
    pub fn mismatch(&self, point: &ProbePoint) -> Option<Mismatch> {
        let mut node = &self.root;
        for (part_idx, part) in point.parts.iter().enumerate() {
            // What is below is not known.
            if node.next.is_empty() && !node.ends {
                return None;
            }
            let similar = || similar(&part.name.replace('*', ""), node.next.keys().map(|(name, _)| name));
            if is_wildcard(&part.name) {
                return Some(Mismatch::NoWildcardMatch { part_idx, similar: similar() });
            }
            node = match node.next.get(&(part.name.to_string(), Arg::of(part))) {
                Some(next) => next,
                None if node.ends => {
                    return Some(Mismatch::InvalidSuffix { part_idx, behind_alias: node.of_alias });
                }
                None => return Some(Mismatch::NoSuchPart { part_idx, similar: similar() }),
            };
        }
        if node.ends || node.next.is_empty() {
            return None;
        }
        let follow = node.next.keys().map(|(name, arg)| match arg {
            Arg::None => name.clone(),
            Arg::Number => format!("{name}(number)"),
            Arg::Text => format!("{name}(string)"),
        });
        Some(Mismatch::Truncated { part_idx: point.parts.len().saturating_sub(1), follow: follow.collect() })
    }
}

/// Every text without braces that `form` stands for.
fn expand_braces(form: &str, each: &mut dyn FnMut(&str)) {
    let Some(open) = form.find('{') else { return each(form) };
    let mut depth = 0;
    let mut commas = vec![open];
    let inside = form.bytes().enumerate().skip(open).find_map(|(at, byte)| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => commas.push(at),
            _ => {}
        }
        (depth == 0).then_some(at)
    });
    let Some(close) = inside else { return each(form) };
    commas.push(close);
    for pair in commas.windows(2) {
        let text = format!("{}{}{}", &form[..open], &form[pair[0] + 1..pair[1]], &form[close + 1..]);
        expand_braces(&text, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::testing::point;

    #[test]
    fn braces_multiply() {
        let mut all = Vec::new();
        expand_braces("a{,(b)}.{c,d.{e,f}}!", &mut |text| all.push(text.to_owned()));
        assert_eq!(all, ["a.c!", "a.d.e!", "a.d.f!", "a(b).c!", "a(b).d.e!", "a(b).d.f!"]);
    }

    #[test]
    fn a_wrong_point_is_told_where() {
        let forms = Forms::new("x86_64", ["here.a".to_owned(), "here.b.c".to_owned()]);
        let mut table = String::new();
        for text in [
            "begin.foo",
            "timer.s(1).randomize(1)",
            "timer.s(1).foo",
            "timer",
            "timer.s",
            "timer.foo(1)",
            "begn",
            "x*",
            "process.thread",
            "kernel.function",
            "here",
            "here.cc",
            "here.b*",
            "prometheus.x",
            "vm.pagefult",
            "vm.brk.foo",
            "syscall.opne",
            "syscall.open.foo",
            "syscall.zz*",
            "syscall.open.return",
            "perf.type(0)",
            "process(\"x\").data(1).rw",
            "process(\"x\").library(\"y\").plt.x",
        ] {
            table += &match forms.mismatch(&point(text)) {
                None => format!("{text}: fits\n"),
                Some(Mismatch::NoSuchPart { part_idx, similar }) => format!("{text}: {part_idx} like {similar:?}\n"),
                Some(Mismatch::NoWildcardMatch { part_idx, similar }) => format!("{text}: {part_idx} * {similar:?}\n"),
                Some(Mismatch::InvalidSuffix { part_idx, .. }) => format!("{text}: {part_idx} too much\n"),
                Some(Mismatch::Truncated { part_idx, follow }) => {
                    format!("{text}: {part_idx} then {}\n", follow.join(" "))
                }
            };
        }
        expect_test::expect![[r#"
            begin.foo: 1 too much
            timer.s(1).randomize(1): fits
            timer.s(1).foo: 2 too much
            timer: 0 then hz(number) jiffies(number) ms(number) msec(number) ns(number) nsec(number) profile s(number) sec(number) us(number) usec(number)
            timer.s: 1 like ["s", "ms", "ns", "us", "hz"]
            timer.foo(1): 1 like ["s", "hz", "ms", "ns", "us"]
            begn: 0 like ["begin", "end", "here", "perf", "vm"]
            x*: 0 * ["vm", "end", "nfs", "tcp", "tty"]
            process.thread: 1 then begin end
            kernel.function: 1 like ["function", "xdp", "data", "trace", "tracepoint"]
            here: 0 then a b
            here.cc: 1 like ["a", "b"]
            here.b*: 1 * ["b", "a"]
            prometheus.x: fits
            vm.pagefult: 1 like ["pagefault", "brk", "kfree", "mmap", "kmalloc"]
            vm.brk.foo: 2 too much
            syscall.opne: 1 like ["clone", "open", "iopl", "mount", "pipe"]
            syscall.open.foo: 2 too much
            syscall.zz*: 1 * ["bpf", "brk", "dup", "tee", "tux"]
            syscall.open.return: fits
            perf.type(0): 1 then config(number)
            process("x").data(1).rw: 1 like ["mark", "plt", "end", "begin", "library"]
            process("x").library("y").plt.x: 3 too much
        "#]].assert_eq(&table);
    }

    #[test]
    fn wildcards_stand_for_points() {
        let aliases = ["here.a", "here.b.c", "timer.profile.more"].map(str::to_owned);
        let forms = Forms::new("x86_64", aliases);
        let mut table = String::new();
        for text in [
            "e*(3)",
            "timer.*s(3)",
            "timer.s(3).rand*(1)",
            "process.*.begin",
            "procfs.[rw]*",
            "kernel.*(\"x\")",
            "here.*",
            "here.**",
            "timer**",
            "sys**openat",
            "sys**openat.r*",
            "begi**",
            "timer.s",
        ] {
            let found = forms.expand(&point(text));
            let found = found.iter().map(|point| crate::probes::pattern::point_text(&point.parts));
            table += &format!("{text}: {}\n", found.collect::<Vec<_>>().join(" "));
        }
        expect_test::expect![[r#"
            e*(3): end(3) error(3)
            timer.*s(3): timer.jiffies(3) timer.ms(3) timer.ns(3) timer.s(3) timer.us(3)
            timer.s(3).rand*(1): timer.s(3).randomize(1)
            process.*.begin: process.thread.begin
            procfs.[rw]*: procfs.read procfs.write
            kernel.*("x"): kernel.function("x") kernel.statement("x") kernel.trace("x") kernel.tracepoint("x") kernel.xdp("x")
            here.*: here.a
            here.**: here.a here.b.c
            timer**: timer.profile.more
            sys**openat: syscall.openat
            sys**openat.r*: syscall.openat.return
            begi**: 
            timer.s: 
        "#]].assert_eq(&table);
    }
}
