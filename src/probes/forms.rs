//! The forms probe points can have, as a tree of their parts, and what is wrong with a point that has none of them.
//! stapprobes(3stap) names the forms; those SystemTap has and tapdeck has not are in the tree as well, so that a
//! misspelt point is told of the same names.

use std::collections::BTreeMap;

use crate::{
    language::{
        ast::{Literal, ProbePoint},
        similar,
    },
    probes::pattern::is_wildcard,
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
    "process{,(string)}.data({number,string}).{rw!,write!,length(number).{rw!,write!}}",
    "procfs{,(string)}.{,umask(number).}{read!.maxsize(number)!,write!}",
    "tp_syscall(string)!.return!",
];

/// First names of aliases in SystemTap's library, which a misspelt first name may be near to.
const LIBRARY: &str = "__nfs __nfsd __scheduler __signal __syscall __tcpmib __vfs __vm _linuxmib _nfs _signal _sunrpc \
                       _vfs dw_kprocess dw_syscall generic init input ioblock ioblock_trace ioscheduler \
                       ioscheduler_trace ipmib irq_handler json_data kprocess linuxmib nd1_syscall nd2_syscall \
                       nd_syscall netdev netfilter nfs nfsd oneshot perf prometheus python scheduler scsi signal \
                       socket softirq stap staprun sunrpc syscall syscall_any tcp tcpmib timer tp_kprocess tp_syscall \
                       tty udp vfs vm workqueue";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arg {
    None,
    Number,
    Text,
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: BTreeMap<(String, Arg), Node>,
    /// A point may end here.
    ends: bool,
}

/// What is wrong with a point, and with which of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// No such part there; the nearest names that are.
    NoSuchPart { part_idx: usize, similar: Vec<String> },
    /// The same of a name with a wildcard.
    NoWildcardMatch { part_idx: usize, similar: Vec<String> },
    /// The point was whole before this part.
    InvalidSuffix { part_idx: usize },
    /// More must follow the last part: one of these, as `hz(number)`.
    Truncated { part_idx: usize, follow: Vec<String> },
}

/// The tree of all forms.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    root: Node,
}

impl Forms {
    /// SystemTap's forms, those of tapdeck's families, and aliases by their dotted names.
    pub fn new(aliases: impl IntoIterator<Item = String>) -> Self {
        let mut forms = Self::default();
        for form in FORMS {
            expand_braces(form, &mut |form| forms.add(form));
        }
        for family in super::FAMILIES {
            for pattern in family.patterns() {
                let is_template = pattern.text.contains("NAME") || is_wildcard(pattern.text);
                if !is_template {
                    forms.add(&format!("{}!", pattern.text.to_lowercase()));
                }
            }
        }
        // An alias of which nothing but the first name is known says nothing about what may follow.
        for name in LIBRARY.split_whitespace() {
            forms.root.next.entry((name.to_owned(), Arg::None)).or_default();
        }
        aliases.into_iter().for_each(|alias| forms.add(&format!("{alias}!")));
        forms
    }

    fn add(&mut self, form: &str) {
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
        }
    }

    /// Why `point`, which no alias and no family knows, is none. `None` when its form is right.
    pub fn mismatch(&self, point: &ProbePoint) -> Option<Mismatch> {
        let mut node = &self.root;
        for (part_idx, part) in point.parts.iter().enumerate() {
            let similar = || similar(&part.name, node.next.keys().map(|(name, _)| name));
            if is_wildcard(&part.name) {
                return Some(Mismatch::NoWildcardMatch { part_idx, similar: similar() });
            }
            let arg = match part.arg {
                None => Arg::None,
                Some(Literal::Long(_)) => Arg::Number,
                Some(Literal::Str(_)) => Arg::Text,
            };
            node = match node.next.get(&(part.name.to_string(), arg)) {
                Some(next) => next,
                None if node.ends => return Some(Mismatch::InvalidSuffix { part_idx }),
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
        let forms = Forms::new(["scheduler.cpu_on".to_owned()]);
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
            "scheduler.cpu",
            "process(\"x\").library(\"y\").plt.x",
        ] {
            table += &match forms.mismatch(&point(text)) {
                None => format!("{text}: fits\n"),
                Some(Mismatch::NoSuchPart { part_idx, similar }) => format!("{text}: {part_idx} like {similar:?}\n"),
                Some(Mismatch::NoWildcardMatch { part_idx, similar }) => format!("{text}: {part_idx} * {similar:?}\n"),
                Some(Mismatch::InvalidSuffix { part_idx }) => format!("{text}: {part_idx} too much\n"),
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
            begn: 0 like ["begin", "end", "perf", "vm", "nfs"]
            x*: 0 * ["vm", "xdp", "end", "nfs", "tcp"]
            process.thread: 1 then begin end
            kernel.function: 1 like ["function", "xdp", "data", "trace", "tracepoint"]
            scheduler.cpu: 1 like ["cpu_on"]
            process("x").library("y").plt.x: 3 too much
        "#]].assert_eq(&table);
    }
}
