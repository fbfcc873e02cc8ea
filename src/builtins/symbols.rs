//! Stacks and the names of addresses. A stack is taken in the kernel as a number; what it says is made in user space, where
//! the symbols are. function::backtrace, function::print_stack, function::symdata and so on; tapsets/backtrace.stp puts
//! them together.

use Implementation::{Host, Intrinsic as Op};
use tapdeck_ebpf::ir::Intrinsic;

use super::{Builtin, HostContext, Implementation, Value, long, row, string};
use crate::language::types::Type::{Long, Str};

/// What addresses mean. Asked by one thread at a time.
pub trait Symbols: Send + Sync {
    /// The addresses of a stack that the kernel keeps, innermost first; none when it has no such.
    fn stack(&self, number: i64) -> Vec<u64>;
    fn in_kernel(&self, address: u64) -> Place;
    /// In a process that may be gone by now.
    fn in_process(&self, process: i64, address: u64) -> Place;
    /// File and line of a kernel address.
    fn line(&self, address: u64) -> Option<(String, u32)>;
    /// The same in a process.
    fn line_in_process(&self, process: i64, address: u64) -> Option<(String, u32)>;
}

/// Where an address is, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub symbol: Option<Part>,
    /// `kernel`, a module's name, or the path of a program or library.
    pub module: Option<Part>,
}

/// A named range of addresses and how far inside it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub offset: u64,
    pub size: u64,
}

/// Which process an address is in; -1: the kernel.
const KERNEL: i64 = -1;
/// Addresses in a text of a stack: SystemTap's MAXBACKTRACE, so that the text is not cut in the middle of one.
const MAX_ADDRESSES: usize = 20;
/// How many addresses `backtrace()` asks for.
const WHOLE: i64 = -2;
/// Lines in a text that is printed in parts.
const LINES_A_PART: usize = 5;

/// A function's call of the tracer and an `endbr64` in front of it.
const BEHIND_PROBE: u64 = 9;

pub static ROWS: &[Builtin] = &[
    row("__kernel_stack", &[], Long, Op(Intrinsic::KernelStack), "The number of the kernel's stack."),
    row("__user_stack", &[], Long, Op(Intrinsic::UserStack), "The number of the user side's stack."),
    row(
        "addr",
        &[],
        Long,
        Op(Intrinsic::Address),
        "The address of the probed instruction, or of the interrupted one; 0 where the probe has none.",
    ),
    row("__returned_from", &[], Long, Op(Intrinsic::ReturnedFrom), "Where the function begins that a return is of."),
    row(
        "uaddr",
        &[],
        Long,
        Op(Intrinsic::UserAddress),
        "The address in user space the current task was at; 0 for threads of the kernel.",
    ),
    row(
        "__stack_text",
        &[long("stack"), long("addr"), long("n")],
        Str,
        Host(|args, context| Ok(stack_text(args, context))),
        "The addresses of a stack in hexadecimal: n of them, -1: all, -2: all and a blank behind.",
    )
    .pure(),
    row(
        "__stack_addr",
        &[long("stack"), long("addr"), long("n")],
        Long,
        Host(|args, context| {
            let stack = stack(long_at(args, 0), long_at(args, 1), context);
            let address = usize::try_from(long_at(args, 2)).ok().and_then(|n| stack.get(n).copied());
            Ok(Value::Long(address.unwrap_or(0) as i64))
        }),
        "The n-th address of a stack, from 0; 0 behind its end.",
    )
    .pure(),
    row(
        "__stack_lines",
        &[long("stack"), long("addr"), long("process"), string("style"), long("part"), long("function")],
        Str,
        Host(|args, context| {
            let (process, part, function) = (long_at(args, 2), long_at(args, 4), long_at(args, 5));
            let mut addresses = stack(long_at(args, 0), long_at(args, 1), context);
            let style = Style::named(text_at(args, 3));
            // A trampoline is called from the function that it waits for.
            let is_function = |first: &u64| function != 0 && first.wrapping_sub(function as u64) <= BEHIND_PROBE;
            if addresses.first().is_some_and(is_function) {
                addresses.remove(0);
            }
            let text = lines(&addresses, process, style, part, context);
            let Value::Str(text) = text else { return Ok(text) };
            if function == 0 || part > 0 || text.is_empty() {
                return Ok(Value::Str(text));
            }
            let mut from = String::from("Returning from: ");
            style.write(function as u64, process, context, &mut from);
            Ok(Value::Str([from.as_bytes(), b"\nReturning to  : ", &text].concat()))
        }),
        "Lines for addresses of a stack, a part of them or (-1) all; at a return with the function in front.",
    )
    .pure(),
    row(
        "__symbol_lines",
        &[string("callers"), long("process"), string("style"), long("part")],
        Str,
        Host(|args, context| {
            let addresses = addresses_in(text_at(args, 0));
            Ok(lines(&addresses, long_at(args, 1), Style::named(text_at(args, 2)), long_at(args, 3), context))
        }),
        "Lines for addresses in hexadecimal, a part of them or (-1) all.",
    )
    .pure(),
    row(
        "__symbol_text",
        &[long("addr"), long("process"), string("style")],
        Str,
        Host(|args, context| {
            let mut out = String::new();
            let style = Style::named(text_at(args, 2));
            style.write(long_at(args, 0) as u64, long_at(args, 1), context, &mut out);
            Ok(Value::Str(out.into_bytes()))
        }),
        "An address by its symbol.",
    )
    .pure(),
    row(
        "__module_of",
        &[long("addr"), long("process")],
        Str,
        Host(|args, context| {
            let address = long_at(args, 0) as u64;
            match place(address, long_at(args, 1), context).module {
                Some(module) => Ok(Value::Str(short(&module.name).into())),
                None => Err(format!("No module is associated with address {address:#x}")),
            }
        }),
        "The module an address is in, without folders; an error when there is none.",
    )
    .raises()
    .pure(),
    row(
        "__line_of",
        &[long("addr"), long("process"), string("what")],
        Str,
        Host(|args, context| {
            let (address, process) = (long_at(args, 0) as u64, long_at(args, 1));
            let symbols = context.symbols();
            let line = symbols.and_then(|symbols| match process {
                KERNEL => symbols.line(address),
                process => symbols.line_in_process(process, address),
            });
            let text = match (line, text_at(args, 2)) {
                (Some((file, _)), b"file") => file,
                (Some((_, line)), b"line") => line.to_string(),
                (Some((file, line)), _) => format!("{file}:{line}"),
                (None, _) => format!("{address:#x}"),
            };
            Ok(Value::Str(text.into_bytes()))
        }),
        "File, line, or both of an address; the address when they are not known.",
    )
    .pure(),
];

fn long_at(args: &[Value], idx: usize) -> i64 {
    match args.get(idx) {
        Some(Value::Long(n)) => *n,
        _ => 0,
    }
}

fn text_at(args: &[Value], idx: usize) -> &[u8] {
    match args.get(idx) {
        Some(Value::Str(text)) => text,
        _ => b"",
    }
}

/// How an address is shown.
#[derive(Clone, Copy)]
enum Style {
    /// ` 0xffffffff81234560 : vfs_read+0x0/0x150 [kernel]`
    Full,
    /// `vfs_read+0x0/0x150 [kernel]`
    Data,
    /// `vfs_read+0x0 [kernel]`
    Simple,
    /// `vfs_read+0x0`
    Brief,
    /// `vfs_read`
    Name,
    /// As [`Style::Full`], with ` at file:line` instead of the module.
    Lines,
}

impl Style {
    fn named(name: &[u8]) -> Self {
        match name {
            b"full" => Style::Full,
            b"data" => Style::Data,
            b"simple" => Style::Simple,
            b"brief" => Style::Brief,
            b"lines" => Style::Lines,
            _ => Style::Name,
        }
    }

    fn write(self, address: u64, process: i64, context: &dyn HostContext, out: &mut String) {
        let place = place(address, process, context);
        let is_full = matches!(self, Style::Full | Style::Lines);
        if is_full {
            out.push_str(&format!(" {address:#x}"));
        }
        match (&place.symbol, &place.module) {
            (Some(symbol), module) => {
                if is_full {
                    out.push_str(" : ");
                }
                out.push_str(&symbol.name);
                if !matches!(self, Style::Name) {
                    out.push_str(&format!("+{:#x}", symbol.offset));
                }
                if matches!(self, Style::Full | Style::Data | Style::Lines) {
                    out.push_str(&format!("/{:#x}", symbol.size));
                }
                match (module, self) {
                    (Some(module), Style::Full | Style::Data) => out.push_str(&format!(" [{}]", module.name)),
                    (Some(module), Style::Simple) => out.push_str(&format!(" [{}]", short(&module.name))),
                    _ => {}
                }
            }
            (None, Some(module)) if !matches!(self, Style::Name | Style::Brief) => {
                if !is_full {
                    out.push_str(&format!("{address:#x}"));
                }
                match self {
                    Style::Simple => out.push_str(&format!(" [{}+{:#x}]", short(&module.name), module.offset)),
                    _ => out.push_str(&format!(" [{}+{:#x}/{:#x}]", module.name, module.offset, module.size)),
                }
            }
            _ if is_full => {}
            _ => out.push_str(&format!("{address:#x}")),
        }
        if matches!(self, Style::Lines)
            && let Some((file, line)) = context.symbols().and_then(|symbols| match process {
                KERNEL => symbols.line(address),
                process => symbols.line_in_process(process, address),
            })
        {
            out.push_str(&format!(" at {file}:{line}"));
        }
    }
}

/// A path without its folders.
fn short(module: &str) -> &str {
    module.rsplit('/').next().unwrap_or(module)
}

fn place(address: u64, process: i64, context: &dyn HostContext) -> Place {
    let Some(symbols) = context.symbols() else { return Place::default() };
    match process {
        KERNEL => symbols.in_kernel(address),
        process => symbols.in_process(process, address),
    }
}

/// A stack as the probe sees it: the kernel puts what serves the probe itself in front, and counts from behind the place of
/// the probe.
fn stack(number: i64, probed: i64, context: &dyn HostContext) -> Vec<u64> {
    /// Of a return the function itself is in front.
    const MAX_IN_FRONT: usize = 2;
    let Some(symbols) = context.symbols() else { return Vec::new() };
    let mut addresses = if number < 0 { Vec::new() } else { symbols.stack(number) };
    let probed = probed as u64;
    if probed != 0 && (number < 0 || !addresses.is_empty()) {
        let is_it = |address: &u64| address.wrapping_sub(probed) <= BEHIND_PROBE;
        match addresses.iter().take(MAX_IN_FRONT).position(is_it) {
            Some(at) => {
                addresses.drain(..at);
                addresses[0] = probed;
            }
            // A trampoline hides the function that it was called by, and for some stacks there is no room left.
            None => addresses.insert(0, probed),
        }
    }
    addresses
}

fn stack_text(args: &[Value], context: &dyn HostContext) -> Value {
    let addresses = stack(long_at(args, 0), long_at(args, 1), context);
    let n = usize::try_from(long_at(args, 2)).unwrap_or(usize::MAX).min(MAX_ADDRESSES);
    let shown: Vec<String> = addresses.iter().take(n).map(|address| format!("{address:#x}")).collect();
    let mut text = shown.join(" ");
    // What is a whole stack ends in a blank.
    if long_at(args, 2) == WHOLE && !text.is_empty() {
        text.push(' ');
    }
    Value::Str(text.into_bytes())
}

fn lines(addresses: &[u64], process: i64, style: Style, part: i64, context: &dyn HostContext) -> Value {
    let (from, n) = match usize::try_from(part) {
        Ok(part) => (part.saturating_mul(LINES_A_PART), LINES_A_PART),
        Err(_) => (0, usize::MAX),
    };
    let mut out = String::new();
    for address in addresses.iter().skip(from).take(n) {
        style.write(*address, process, context, &mut out);
        out.push('\n');
    }
    Value::Str(out.into_bytes())
}

/// Addresses in hexadecimal with blanks between.
fn addresses_in(text: &[u8]) -> Vec<u64> {
    let words = text.split(|byte| byte.is_ascii_whitespace());
    let address = |word: &[u8]| {
        let word = std::str::from_utf8(word).ok()?;
        u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
    };
    words.filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::builtins::{find, get};

    /// Knows one stack, a function of the kernel at 0x1000, one of a program at 0x2000, and a program without symbols.
    #[derive(Default)]
    struct Known {
        state: HashMap<String, Value>,
    }

    impl HostContext for Known {
        fn realtime_ns(&self) -> i64 {
            0
        }
        fn target(&self) -> i64 {
            0
        }
        fn state(&mut self) -> &mut HashMap<String, Value> {
            &mut self.state
        }
        fn warn(&mut self, _: &[u8]) {}
        fn symbols(&self) -> Option<&dyn Symbols> {
            Some(self)
        }
    }

    impl Symbols for Known {
        fn stack(&self, number: i64) -> Vec<u64> {
            if number == 7 { (0..30).map(|n| 0x1001 + n * 0x10).collect() } else { Vec::new() }
        }

        fn in_kernel(&self, address: u64) -> Place {
            if !(0x1000..0x1200).contains(&address) {
                return Place::default();
            }
            let symbol = Part { name: "f".to_owned(), offset: address - 0x1000, size: 0x200 };
            Place { symbol: Some(symbol), module: Some(Part { name: "kernel".to_owned(), ..Part::default() }) }
        }

        fn in_process(&self, _: i64, address: u64) -> Place {
            let part = |name: &str, start| Part { name: name.to_owned(), offset: address - start, size: 0x100 };
            match address {
                0x2000..0x2100 => Place { symbol: Some(part("main", 0x2000)), module: Some(part("/bin/a", 0x2000)) },
                0x3000..0x3100 => Place { symbol: None, module: Some(part("/lib/b.so", 0x3000)) },
                _ => Place::default(),
            }
        }

        fn line(&self, address: u64) -> Option<(String, u32)> {
            (address == 0x1000).then(|| ("fs/f.c".to_owned(), 12))
        }

        fn line_in_process(&self, _: i64, _: u64) -> Option<(String, u32)> {
            None
        }
    }

    fn call(name: &str, args: &[Value]) -> Result<String, String> {
        let row = get(find(name, args.len()).unwrap_or_else(|| panic!("{name} with {} arguments", args.len())));
        let Implementation::Host(function) = row.implementation else { panic!("{name} is not a host function") };
        match function(args, &mut Known::default())? {
            Value::Str(text) => Ok(String::from_utf8(text).unwrap()),
            Value::Long(n) => Ok(n.to_string()),
        }
    }

    fn n(number: i64) -> Value {
        Value::Long(number)
    }

    fn s(text: &str) -> Value {
        Value::Str(text.into())
    }

    #[test]
    fn stacks_begin_at_the_probe() {
        let text = |args: [i64; 3]| call("__stack_text", &args.map(n)).unwrap();
        assert_eq!(text([7, 0x1000, 2]), "0x1000 0x1011");
        assert_eq!(text([7, 0, 2]), "0x1001 0x1011");
        assert_eq!(text([7, 0x1011, 2]), "0x1011 0x1021", "at a return, where the function is in front");
        assert_eq!(text([7, 0x5000, 2]), "0x5000 0x1001", "a probe that the kernel's unwinder does not see");
        assert_eq!(text([7, 0x1000, -1]).split(' ').count(), MAX_ADDRESSES);
        assert!(text([7, 0x1000, -2]).ends_with("0x1131 "), "{}", text([7, 0x1000, -2]));
        assert_eq!(text([-17, 0x1000, -1]), "0x1000", "there was no room for it");
        assert_eq!(text([3, 0, -2]), "");
        assert_eq!(call("__stack_addr", &[n(7), n(0x1000), n(1)]).unwrap(), 0x1011.to_string());
        assert_eq!(call("__stack_addr", &[n(7), n(0x1000), n(30)]).unwrap(), "0");
        assert_eq!(call("__stack_addr", &[n(7), n(0x1000), n(-1)]).unwrap(), "0");
    }

    #[test]
    fn lines_come_in_parts_that_are_not_cut() {
        let part = |part| call("__stack_lines", &[n(7), n(0x1000), n(-1), s("full"), n(part), n(0)]).unwrap();
        let returned = call("__stack_lines", &[n(7), n(0x1011), n(-1), s("full"), n(0), n(0x1000)]).unwrap();
        let first = " 0x1000 : f+0x0/0x200 [kernel]\nReturning to  :  0x1011 : f+0x11/0x200 [kernel]\n 0x1021";
        assert!(returned.starts_with(&format!("Returning from: {first}")), "{returned}");
        let by_trampoline = call("__stack_lines", &[n(7), n(0), n(-1), s("full"), n(0), n(0x1000)]).unwrap();
        assert!(by_trampoline.starts_with(&format!("Returning from: {first}")), "{by_trampoline}");
        assert!(
            part(0).starts_with(" 0x1000 : f+0x0/0x200 [kernel]\n 0x1011 : f+0x11/0x200 [kernel]\n"),
            "{}",
            part(0)
        );
        assert_eq!((part(0).lines().count(), part(5).lines().count(), part(6).as_str()), (5, 5, ""));
        let all = call("__symbol_lines", &[s("0x1000 what 0x2000 "), n(-1), s("data"), n(-1)]).unwrap();
        assert_eq!(all, "f+0x0/0x200 [kernel]\n0x2000\n");
    }

    #[test]
    fn addresses_are_shown_as_far_as_they_are_known() {
        let text = |address, process, style| call("__symbol_text", &[n(address), n(process), s(style)]).unwrap();
        assert_eq!(text(0x1004, -1, "name"), "f");
        assert_eq!(text(0x1004, -1, "data"), "f+0x4/0x200 [kernel]");
        assert_eq!(text(0x9000, -1, "data"), "0x9000");
        assert_eq!(text(0x9000, -1, "full"), " 0x9000");
        assert_eq!(text(0x2004, 1, "simple"), "main+0x4 [a]");
        assert_eq!(text(0x2004, 1, "brief"), "main+0x4");
        assert_eq!(text(0x3004, 1, "brief"), "0x3004");
        assert_eq!(text(0x3004, 1, "data"), "0x3004 [/lib/b.so+0x4/0x100]");
        assert_eq!(text(0x3004, 1, "simple"), "0x3004 [b.so+0x4]");
        assert_eq!(text(0x3004, 1, "full"), " 0x3004 [/lib/b.so+0x4/0x100]");
        assert_eq!(text(0x1000, -1, "lines"), " 0x1000 : f+0x0/0x200 at fs/f.c:12");
        assert_eq!(call("__module_of", &[n(0x3000), n(1)]).unwrap(), "b.so");
        assert_eq!(call("__module_of", &[n(1), n(-1)]), Err("No module is associated with address 0x1".to_owned()));
        let line = |address, what| call("__line_of", &[n(address), n(-1), s(what)]).unwrap();
        assert_eq!([line(0x1000, "file"), line(0x1000, "line"), line(0x1000, "both")], ["fs/f.c", "12", "fs/f.c:12"]);
        assert_eq!(line(0x1001, "both"), "0x1001");
    }
}
