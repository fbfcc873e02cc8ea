//! Which functions of the kernel can be probed and how: what its type information says was built in, what its code or
//! tracefs says is traceable, and where /proc/kallsyms says each function is. Documentation/trace/kprobes.rst, Documentation/trace/ftrace.rst.

use std::{collections::HashSet, ops::Range, path::Path};

use super::{Btf, by_name, traced};
use crate::host::Host;

/// What a kernel without [`Probing::any`] lacks, and what helps.
pub const MISSING: &str = "kernel functions cannot be probed here: this kernel was built without kprobes and fentry";
pub const WAY_OUT: &str =
    "use a kernel with CONFIG_KPROBES=y, as distributions build it; tracepoints and system calls work on this one";

/// Ways to probe functions that this kernel was built with: each has a function of its own that BTF then knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probing {
    /// Trampolines at function entries and returns (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS, 5.5).
    pub fentry: bool,
    /// Breakpoints anywhere (CONFIG_KPROBE_EVENTS).
    pub kprobes: bool,
    /// One link for many functions (CONFIG_FPROBE, 5.18).
    pub kprobe_multi: bool,
    /// Links tell programs which place they are at (5.15).
    pub cookies: bool,
}

impl Probing {
    pub fn of(btf: &Btf) -> Self {
        let [fentry, kprobes, fprobe] =
            btf.have_functions(["register_ftrace_direct", "register_kprobe", "register_fprobe_ips"]);
        let [multi, cookies] = btf.have_enumerators(["BPF_TRACE_KPROBE_MULTI", "BPF_FUNC_get_attach_cookie"]);
        Self { fentry, kprobes, kprobe_multi: fprobe && multi && cookies, cookies }
    }

    /// The same by the kernel's symbols, where it has no type information; trampolines need that.
    pub fn of_symbols(has: impl Fn(&str) -> bool) -> Self {
        Self {
            fentry: false,
            kprobes: has("register_kprobe"),
            kprobe_multi: has("bpf_kprobe_multi_link_attach") && has("register_fprobe_ips"),
            cookies: has("bpf_get_attach_cookie_pe"),
        }
    }

    /// Some way there is.
    pub fn any(self) -> bool {
        self.fentry || self.kprobes
    }
}

/// Functions ftrace can stop at.
#[derive(Debug)]
pub struct TraceableFunctions {
    /// By name.
    lines: Lines,
    name: fn(&str) -> &str,
    module: fn(&str) -> Option<&str>,
    /// 0: not said.
    address: fn(&str) -> u64,
}

impl TraceableFunctions {
    /// Those of the running kernel, by its code where that may be read and is of a known kind, else by its list.
    ///
    /// # Errors
    /// Why neither can be had.
    pub fn read<'a>(host: &dyn Host, tracefs: impl Fn() -> Result<&'a Path, &'a str>) -> Result<Self, String> {
        Self::by_code(host).map_or_else(|| Self::by_list(host, tracefs()?), Ok)
    }

    /// Those of which the kernel's symbols and code tell.
    pub fn by_code(host: &dyn Host) -> Option<Self> {
        if host.arch() != "x86_64" {
            return None;
        }
        let memory = host.kernel_memory()?;
        let text = String::from_utf8(host.read(Path::new("/proc/kallsyms")).ok()?).ok()?;
        let lines = traced::functions(&text, &memory).filter(|lines| !lines.is_empty())?;
        let lines = Lines::of(text, lines, symbol_name);
        Some(Self { lines, name: symbol_name, module: symbol_module, address: symbol_address })
    }

    /// Those that the kernel lists: `name`, or `name [module]`.
    ///
    /// # Errors
    /// Why there is no list.
    pub fn by_list(host: &dyn Host, tracefs: &Path) -> Result<Self, String> {
        let text = String::from_utf8(host.read(&tracefs.join("available_filter_functions"))?)
            .map_err(|_| "available_filter_functions is no text".to_owned())?;
        Ok(Self::listed(text))
    }

    fn listed(text: String) -> Self {
        fn name(line: &str) -> &str {
            line.split(' ').next().unwrap_or(line)
        }
        fn module(line: &str) -> Option<&str> {
            line.rsplit_once(" [")?.1.strip_suffix(']')
        }
        Self { lines: Lines::sorted_where(text, name, |_| true), name, module, address: |_| 0 }
    }

    pub fn has(&self, function: &str, module: Option<&str>) -> bool {
        self.line(function, module).is_some()
    }

    /// Where a function is, if these came of the kernel's symbols; the first of that name, as the kernel itself takes it.
    pub fn address(&self, function: &str, module: Option<&str>) -> Option<u64> {
        self.line(function, module).map(self.address).filter(|address| *address != 0)
    }

    fn line<'a>(&'a self, function: &'a str, module: Option<&str>) -> Option<&'a str> {
        self.lines.equal(function, self.name).find(|line| (self.module)(line) == module)
    }

    /// Names with their module, sorted by name.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.lines.iter().map(|line| ((self.name)(line), (self.module)(line)))
    }

    /// The whole copies of a function that the compiler made under names of its own: `NAME.constprop.0`, `NAME.isra.0`.
    /// What begins in the middle (`.part.0`, `.cold`) is none.
    pub fn copies<'a>(&'a self, function: &str, module: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let prefix = format!("{function}.");
        let lines = self.lines.from(&prefix, self.name).filter(move |line| (self.module)(line) == module);
        lines.map(self.name).take_while(move |name| name.starts_with(&prefix)).filter(|name| {
            let suffixes = name.split('.').skip(1).filter(|word| !word.bytes().all(|b| b.is_ascii_digit()));
            suffixes.into_iter().all(|suffix| matches!(suffix, "constprop" | "isra"))
        })
    }
}

/// Names of the functions that the running kernel refuses kprobes in: `0xaddress-0xaddress\tname`, in debugfs.
pub fn barred_functions(host: &dyn Host) -> HashSet<String> {
    let text = host.read(Path::new("/sys/kernel/debug/kprobes/blacklist")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

/// Symbols of the kernel and its modules: those of code, or those of variables.
#[derive(Debug)]
pub struct KernelSymbols {
    /// By name.
    lines: Lines,
}

impl KernelSymbols {
    /// # Errors
    /// Why there are none.
    pub fn read(host: &dyn Host) -> Result<Self, String> {
        Self::read_kinds(host, b"tTwW")
    }

    /// # Errors
    /// Why there are none.
    pub fn read_variables(host: &dyn Host) -> Result<Self, String> {
        Self::read_kinds(host, b"bBdDrRvV")
    }

    fn read_kinds(host: &dyn Host, kinds: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8(host.read(Path::new("/proc/kallsyms"))?)
            .map_err(|_| "/proc/kallsyms is no text".to_owned())?;
        let is_wanted = |line: &str| line.as_bytes().get(17).is_some_and(|kind| kinds.contains(kind));
        Ok(Self { lines: Lines::sorted_where(text, symbol_name, is_wanted) })
    }

    /// Every place of that name in the kernel proper (`None`) or a module; address 0 when addresses are hidden.
    pub fn addresses<'a>(&'a self, name: &'a str, module: Option<&'a str>) -> impl Iterator<Item = u64> + 'a {
        self.lines.equal(name, symbol_name).filter(move |line| symbol_module(line) == module).map(symbol_address)
    }

    /// Names with their module, sorted by name.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.lines.iter().map(|line| (symbol_name(line), symbol_module(line)))
    }
}

/// `ffffffff81000000 T name\t[module]`: the name.
pub(super) fn symbol_name(line: &str) -> &str {
    line.get(19..).unwrap_or("").split('\t').next().unwrap_or("")
}

pub(super) fn symbol_module(line: &str) -> Option<&str> {
    line.rsplit_once("\t[")?.1.strip_suffix(']')
}

pub(super) fn symbol_address(line: &str) -> u64 {
    line.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// Where the running kernel's code begins: `_text` is the first of its symbols that have addresses of code. `None`: hidden.
pub fn text_address(host: &dyn Host) -> Option<u64> {
    // What is in front of it are the data of each processor, a few hundred lines.
    const BYTES: usize = 1 << 18;
    let start = host.read_start(Path::new("/proc/kallsyms"), BYTES).ok()?;
    let text = String::from_utf8_lossy(&start);
    let line = text.lines().find(|line| symbol_name(line) == "_text" && symbol_module(line).is_none())?;
    Some(symbol_address(line)).filter(|address| *address != 0)
}

/// A text's lines in the order of some part of them, without copies.
#[derive(Debug)]
struct Lines {
    text: String,
    lines: Vec<Range<u32>>,
}

impl Lines {
    fn sorted_where(text: String, key: impl Fn(&str) -> &str, keep: impl Fn(&str) -> bool) -> Self {
        let mut lines = Vec::with_capacity(text.len() / 32);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.trim_end_matches('\n').len();
            if keep(&text[start..end]) {
                lines.push(start as u32..end as u32);
            }
            start += line.len();
        }
        Self::of(text, lines, key)
    }

    /// Some lines of a text.
    fn of(text: String, mut lines: Vec<Range<u32>>, key: impl Fn(&str) -> &str) -> Self {
        let of = |range: &Range<u32>| &text[range.start as usize..range.end as usize];
        lines.sort_by_cached_key(|range| by_name(key(of(range))));
        Self { text, lines }
    }

    fn line(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|range| self.line(range))
    }

    /// Lines from the first whose key is not before `wanted`; `key` as they were sorted by.
    fn from<'a>(&'a self, wanted: &str, key: fn(&str) -> &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let from = self.lines.partition_point(|range| key(self.line(range)) < wanted);
        self.lines[from..].iter().map(|range| self.line(range))
    }

    /// Lines whose key is `wanted`; `key` as they were sorted by.
    fn equal<'a>(&'a self, wanted: &'a str, key: fn(&str) -> &str) -> impl Iterator<Item = &'a str> + 'a {
        self.from(wanted, key).take_while(move |line| key(line) == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_found_by_name_and_module() {
        let text = "0000000000000000 D data\n\
                    ffffffff81000010 T b\n\
                    ffffffff81000000 t a\n\
                    ffffffff81000020 t a\n\
                    ffffffffc0000000 t a\t[m]\n";
        let code = |line: &str| line.as_bytes().get(17).is_some_and(|kind| matches!(kind, b't' | b'T'));
        let symbols = KernelSymbols { lines: Lines::sorted_where(text.to_owned(), symbol_name, code) };
        let of = |name, module| symbols.addresses(name, module).collect::<Vec<_>>();
        assert_eq!(of("a", None), [0xffff_ffff_8100_0000, 0xffff_ffff_8100_0020]);
        assert_eq!(of("a", Some("m")), [0xffff_ffff_c000_0000]);
        assert!(of("data", None).is_empty());
        assert_eq!(symbols.names().collect::<Vec<_>>(), [("a", None), ("a", None), ("a", Some("m")), ("b", None)]);
    }

    #[test]
    fn functions_of_modules_are_listed_with_them() {
        let list = TraceableFunctions::listed("vfs_read\nopen [m]\nvfs_write\n".to_owned());
        assert!(list.has("vfs_read", None) && list.has("open", Some("m")));
        assert!(!list.has("open", None) && !list.has("vfs", None));
    }

    #[test]
    fn copies_of_a_function_are_those_that_begin_where_it_does() {
        let text =
            "f.cold\nf.constprop.0\nf.isra.0\nf.isra.0.cold\nf.part.0\nf.part.0.isra.0\ng\nf.isra.0 [m]\nfg.isra.0\n";
        let list = TraceableFunctions::listed(text.to_owned());
        let of = |name, module| list.copies(name, module).collect::<Vec<_>>();
        assert_eq!(of("f", None), ["f.constprop.0", "f.isra.0"]);
        assert_eq!(of("f", Some("m")), ["f.isra.0"]);
        assert!(of("f", Some("other")).is_empty() && of("g", None).is_empty());
    }
}
