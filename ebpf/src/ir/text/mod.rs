//! The readable form: `-p3` prints it, tests write programs in it. [`Program`]'s `Display` writes, [`parse`] reads the
//! same program back.
//!
//! ```text
//! string s0 = "hi\n"
//! store g0 "hits" [long, str16] -> long max=2048 kernel
//! function f0 "twice" params=1 -> long pure {
//!   var v0: long "n"
//!   var v1: long
//! b0:
//!   v1 = mul v0, 2 @3            an instruction, and the position it came from
//!   return v1
//! }
//! handler h0 "begin" probe=0 {
//!   var v0: str512
//! b0: catch b1 v0                errors raised in this block go to b1, their message to v0
//!   v0 = concat $v0, s0          string operands: $v variable, s literal; &v is a packed text
//!   set g0[1, $v0] = 5
//!   next
//! ...
//! ```

mod parse;

use std::fmt::{self, Display, Formatter};

use super::*;

pub use parse::{ParseError, parse};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Limits { max_string_len, max_action, max_action_user, max_nesting } = &self.limits;
        writeln!(
            f,
            "limits string={max_string_len} action={max_action} action_user={max_action_user} nesting={max_nesting}"
        )?;
        for (idx, text) in self.strings.iter().enumerate() {
            writeln!(f, "string s{idx} = {}", Quoted(text))?;
        }
        for (idx, store) in self.stores.iter().enumerate() {
            writeln!(f, "store g{idx} {store}")?;
        }
        for (idx, site) in self.print_sites.iter().enumerate() {
            writeln!(f, "print p{idx} {site}")?;
        }
        for (idx, site) in self.sites.iter().enumerate() {
            let SiteData { pp, pn, func, name, way, number } = site;
            let [pp, pn, func, name] = [pp, pn, func, name].map(|text| Quoted(text));
            write!(f, "site site{idx} pp={pp} pn={pn} func={func} name={name}")?;
            if !way.is_empty() {
                write!(f, " way={}", Quoted(way))?;
            }
            writeln!(f, "{}", if *number == 0 { String::new() } else { format!(" number={number}") })?;
        }
        for (idx, function) in self.functions.iter().enumerate() {
            let Function { name, n_params, result, recursive, pure_, body } = function;
            write!(f, "function f{idx} {} params={n_params}", Quoted(name.as_bytes()))?;
            if let Some(ty) = result {
                write!(f, " -> {ty}")?;
            }
            f.write_str(if *recursive { " recursive" } else { "" })?;
            f.write_str(if *pure_ { " pure" } else { "" })?;
            writeln!(f, " {{\n{body}}}")?;
        }
        for (idx, handler) in self.handlers.iter().enumerate() {
            let Handler { name, probe, body, tag } = handler;
            writeln!(f, "handler h{idx} {} probe={probe}{} {{\n{body}}}", Quoted(name.as_bytes()), Tag(*tag))?;
        }
        self.entries.iter().try_for_each(|entry| writeln!(f, "entry {entry}"))
    }
}

/// A literal; bytes that are not plain ASCII as `\xNN`.
struct Quoted<'a>(&'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

struct Tag(SourceTag);

impl Display for Tag {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == SourceTag::NONE { Ok(()) } else { write!(f, " {}", self.0) }
    }
}

/// Items with `, ` between.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (idx, item) in self.0.iter().enumerate() {
            f.write_str(if idx > 0 { ", " } else { "" })?;
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// A key of a slice: `*` when it does not matter.
struct Key(Option<Arg>);

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(arg) => arg.fmt(f),
            None => f.write_str("*"),
        }
    }
}

/// A store and its keys: `g0`, `g0[1, *]`.
struct Element<'a>(StoreId, &'a [Option<Arg>]);

impl Display for Element<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        if self.1.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = self.1.iter().map(|key| Key(*key)).collect();
        write!(f, "[{}]", List(&keys))
    }
}

/// The same with keys that are all there.
fn element(store: StoreId, keys: &[Arg]) -> String {
    let keys: Vec<Option<Arg>> = keys.iter().copied().map(Some).collect();
    Element(store, &keys).to_string()
}

impl Display for Ty {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Ty::Long => f.write_str("long"),
            Ty::Str { cap } => write!(f, "str{cap}"),
            Ty::Packed { cap } => write!(f, "packed{cap}"),
        }
    }
}

impl Display for StoreDecl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let StoreDecl { name, keys, value, max_entries, sized, wrap, init, in_kernel } = self;
        write!(f, "{} [{}] -> {value} max={max_entries}", Quoted(name.as_bytes()), List(keys))?;
        if *sized {
            f.write_str(" sized")?;
        }
        match init {
            Some(Const::Long(n)) => write!(f, " init={n}")?,
            Some(Const::Str(text)) => write!(f, " init={}", Quoted(text))?,
            None => (),
        }
        f.write_str(if *wrap { " wrap" } else { "" })?;
        f.write_str(if *in_kernel { " kernel" } else { "" })
    }
}

impl Display for StoreTy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            StoreTy::Long => f.write_str("long"),
            StoreTy::Str { cap } => write!(f, "str{cap}"),
            StoreTy::Packed { cap, plain } => write!(f, "packed{cap} plain={plain}"),
            StoreTy::Stat(StatShape { sum, min, max, variance, hist }) => {
                let mut fields = vec!["count".to_owned()];
                for (kept, name) in [(sum, "sum"), (min, "min"), (max, "max")] {
                    fields.extend(kept.then(|| name.to_owned()));
                }
                fields.extend(variance.map(|shift| format!("variance {shift}")));
                fields.extend(hist.map(|hist| hist.to_string()));
                write!(f, "stat({})", List(&fields))
            }
        }
    }
}

impl Display for HistShape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            HistShape::Log => f.write_str("log"),
            HistShape::Linear { start, stop, step } => write!(f, "linear {start} {stop} {step}"),
        }
    }
}

impl Display for PrintSite {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let PrintSite { format, inputs, args, runs, kernel_format } = self;
        write!(f, "format={format} inputs=[{}] args=[{}]", List(inputs), List(args))?;
        if let Some(Rest { function, context }) = runs {
            let context: Vec<String> = context.iter().map(|(op, input)| format!("{op} in{input}")).collect();
            write!(f, " runs={function}[{}]", List(&context))?;
        }
        kernel_format.as_ref().map_or(Ok(()), |format| write!(f, " kernel={}", Quoted(format)))
    }
}

impl Display for InputTy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            InputTy::Long => f.write_str("long"),
            InputTy::Str { cap } => write!(f, "str{cap}"),
            InputTy::Memory { cap, space } => write!(f, "memory{cap} {space}"),
            InputTy::Packed { cap } => write!(f, "packed{cap}"),
        }
    }
}

impl Display for Recipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Recipe::Input(idx) => write!(f, "in{idx}"),
            Recipe::Apply { function, args } => write!(f, "{function}({})", List(args)),
            Recipe::Hist { store, keys, shape } => write!(f, "hist {store}[{}] {shape}", List(keys)),
        }
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            EntryKind::SysEnter => f.write_str("sys_enter")?,
            EntryKind::SysExit => f.write_str("sys_exit")?,
            EntryKind::RawTracepoint { name, n_args, task_arg } => {
                write!(f, "tracepoint {} args={n_args}", Quoted(name.as_bytes()))?;
                task_arg.map_or(Ok(()), |arg| write!(f, " task={arg}"))?;
            }
            EntryKind::Fentry { function, module, btf_id, n_args, exit } => {
                let word = if *exit { "fexit" } else { "fentry" };
                write!(f, "{word} {} args={n_args} btf={btf_id}", Quoted(function.as_bytes()))?;
                module.as_ref().map_or(Ok(()), |module| write!(f, " module {}", Quoted(module.as_bytes())))?;
            }
            EntryKind::Kprobe { group, multi, exit } => {
                let word = if *exit { "kretprobe" } else { "kprobe" };
                write!(f, "{word} group={group}{}", if *multi { " multi" } else { "" })?;
            }
            EntryKind::PerfEvent { name } => write!(f, "perf {}", Quoted(name.as_bytes()))?,
            EntryKind::User => f.write_str("user")?,
        }
        f.write_str(" {")?;
        for run in &self.runs {
            write!(f, " {} {}", run.handler, run.site)?;
            run.syscall.map_or(Ok(()), |nr| write!(f, " nr={nr}"))?;
        }
        f.write_str(" }")
    }
}

impl Display for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (idx, var) in self.vars.iter().enumerate() {
            write!(f, "  var v{idx}: {}", var.ty)?;
            var.name.as_ref().map_or(Ok(()), |name| write!(f, " {}", Quoted(name.as_bytes())))?;
            writeln!(f)?;
        }
        if self.n_iters > 0 {
            writeln!(f, "  iters {}", self.n_iters)?;
        }
        if self.has_loops {
            writeln!(f, "  loops")?;
        }
        for (idx, block) in self.blocks.iter().enumerate() {
            write!(f, "b{idx}:")?;
            if let Some(Catch { block, message }) = &block.catch {
                write!(f, " catch {block}")?;
                message.map_or(Ok(()), |var| write!(f, " {var}"))?;
            }
            writeln!(f)?;
            for inst in &block.insts {
                writeln!(f, "  {}{}", inst.op, Tag(inst.tag))?;
            }
            writeln!(f, "  {}{}", block.term, Tag(block.term_tag))?;
        }
        Ok(())
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Var(var) => var.fmt(f),
            Operand::Imm(n) => n.fmt(f),
        }
    }
}

impl Display for StrOperand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            StrOperand::Var(var) => write!(f, "${var}"),
            StrOperand::Const(id) => id.fmt(f),
        }
    }
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Long(operand) => operand.fmt(f),
            Arg::Str(operand) => operand.fmt(f),
            Arg::Packed(var) => write!(f, "&{var}"),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let (Some(dst), false) = (self.dst(), matches!(self, Op::Add { .. })) {
            write!(f, "{dst} = ")?;
        }
        match self {
            Op::Copy { src, .. } => write!(f, "copy {src}"),
            Op::Binary { op, a, b, .. } => write!(f, "{op} {a}, {b}"),
            Op::Compare { op, a, b, .. } => write!(f, "{op} {a}, {b}"),
            Op::Unary { op, a, .. } => write!(f, "{op} {a}"),
            Op::StrCopy { src, .. } => write!(f, "text {src}"),
            Op::StrConcat { a, b, .. } => write!(f, "concat {a}, {b}"),
            Op::StrCompare { op, a, b, .. } => write!(f, "text_{op} {a}, {b}"),
            Op::Pack { site, inputs, .. } => write!(f, "pack {site}({})", List(inputs)),
            Op::PackCopy { src: Some(src), .. } => write!(f, "packed &{src}"),
            Op::PackCopy { src: None, .. } => f.write_str("packed"),
            Op::Regex { subject, pattern, negated, .. } => {
                write!(f, "{} {subject}, {pattern}", if *negated { "no_match" } else { "match" })
            }
            Op::Intrinsic { op, args, .. } => write!(f, "intrinsic {op}({})", List(args)),
            Op::Host { function, args, .. } => write!(f, "host {function}({})", List(args)),
            Op::Call { function, args, .. } => write!(f, "call {function}({})", List(args)),
            Op::Read { space, addr, width, signed, on_fault, .. } => {
                write!(f, "read {space} {}{width} {addr} {on_fault}", if *signed { "signed" } else { "unsigned" })
            }
            Op::ReadStr { space, addr, max, on_fault, .. } => {
                write!(f, "read_text {space} {addr} ")?;
                max.map_or(Ok(()), |max| write!(f, "max {max} "))?;
                on_fault.fmt(f)
            }
            Op::Context { field, .. } => write!(f, "context {field}"),
            Op::Site { field, .. } => write!(f, "site {field}"),
            Op::Get { store, keys, .. } => write!(f, "get {}", element(*store, keys)),
            Op::Set { store, keys, value } => write!(f, "set {} = {value}", element(*store, keys)),
            Op::Add { store, keys, delta, result } => {
                write!(f, "increase {} {delta}", element(*store, keys))?;
                match result {
                    Some((var, When::Before)) => write!(f, " before {var}"),
                    Some((var, When::After)) => write!(f, " after {var}"),
                    None => Ok(()),
                }
            }
            Op::Contains { store, keys, .. } => write!(f, "contains {}", Element(*store, keys)),
            Op::Delete { store, keys } => write!(f, "delete {}", Element(*store, keys)),
            Op::Clear { store } => write!(f, "clear {store}"),
            Op::Accumulate { store, keys, value } => write!(f, "accumulate {} {value}", element(*store, keys)),
            Op::Extract { store, keys, op, .. } => write!(f, "extract {op} {}", element(*store, keys)),
            Op::Bucket { store, keys, index, .. } => write!(f, "bucket {index} {}", element(*store, keys)),
            Op::Print { site, inputs } => write!(f, "print {site}({})", List(inputs)),
            Op::Sprint { site, inputs, .. } => write!(f, "sprint {site}({})", List(inputs)),
            Op::Exit => f.write_str("exit"),
            Op::Actions { n } => write!(f, "actions {n}"),
            Op::IterBegin { iter, source, sort, limit } => {
                match source {
                    IterSource::Array { store, slice } => write!(f, "begin {iter} {}", Element(*store, slice))?,
                    IterSource::Histogram { store, keys } => write!(f, "begin {iter} hist {}", element(*store, keys))?,
                }
                if let Some(IterSort { by, descending }) = sort {
                    write!(f, " {} ", if *descending { "falling" } else { "rising" })?;
                    match by {
                        IterSortBy::Key(idx) => write!(f, "key {idx}")?,
                        IterSortBy::Value => f.write_str("value")?,
                        IterSortBy::Extractor(op) => op.fmt(f)?,
                    }
                }
                limit.map_or(Ok(()), |limit| write!(f, " limit {limit}"))
            }
            Op::IterEnd { iter } => write!(f, "end {iter}"),
        }
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::Jump(to) => write!(f, "jump {to}"),
            Term::Branch { cond, then, otherwise } => write!(f, "branch {cond}, {then}, {otherwise}"),
            Term::BranchCompare { op, a, b, then, otherwise } => {
                write!(f, "branch_{op} {a}, {b}, {then}, {otherwise}")
            }
            Term::IterNext { iter, keys, value, body, done } => {
                write!(f, "step {iter} [{}]", List(keys))?;
                value.map_or(Ok(()), |value| write!(f, " value {value}"))?;
                write!(f, " {body}, {done}")
            }
            Term::Return(None) => f.write_str("return"),
            Term::Return(Some(value)) => write!(f, "return {value}"),
            Term::Next => f.write_str("next"),
            Term::Raise { message } => write!(f, "raise {message}"),
            Term::Abort => f.write_str("abort"),
        }
    }
}

impl Display for OnFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            OnFault::Raise(what) => write!(f, "or_raise {what}"),
            OnFault::Default(text) => write!(f, "or_text {text}"),
            OnFault::Zero => f.write_str("or_zero"),
        }
    }
}

impl Display for ContextField {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ContextField::TraceArg(n) => write!(f, "trace_arg {n}"),
            ContextField::CallArg(n) => write!(f, "call_arg {n}"),
            ContextField::SyscallNr => f.write_str("syscall_nr"),
            ContextField::CallReturn => f.write_str("call_return"),
            ContextField::Regs => f.write_str("regs"),
            ContextField::InstructionPointer => f.write_str("instruction_pointer"),
            ContextField::SiteNumber => f.write_str("site_number"),
            ContextField::Register(n) => write!(f, "register {n}"),
        }
    }
}

/// Words for plain enums, written and read from one table.
macro_rules! words {
    ($($ty:ident { $($variant:ident $word:literal),* $(,)? })*) => { $(
        impl Display for $ty {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($ty::$variant => $word),* })
            }
        }

        impl $ty {
            /// By the word of the text form.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($ty::$variant),)*
                    _ => None,
                }
            }
        }
    )* };
}

words! {
    Space { Kernel "kernel", User "user" }
    BinOp {
        Add "add", Sub "sub", Mul "mul", Div "div", Rem "rem", And "and", Or "or", Xor "xor", Shl "shl", Shr "shr",
        Lsr "lsr",
    }
    CmpOp { Eq "eq", Ne "ne", Lt "lt", Le "le", Gt "gt", Ge "ge" }
    UnOp { Neg "neg", BitNot "bit_not", Not "not" }
    Extractor { Count "count", Sum "sum", Min "min", Max "max", Avg "avg", Variance "variance" }
    SiteField { Pp "pp", Pn "pn", Func "func", Name "name", Way "way" }
    Intrinsic {
        Pid "pid", Tid "tid", Ppid "ppid", Uid "uid", Euid "euid", Gid "gid", Egid "egid", Cpu "cpu",
        Execname "execname", Pexecname "pexecname", TaskCurrent "task_current", UserMode "user_mode",
        RealtimeNs "realtime_ns", MonotonicNs "monotonic_ns", BoottimeNs "boottime_ns", Cycles "cycles",
        Jiffies "jiffies", Random "random", Target "target", CgroupId "cgroup_id", KernelStack "kernel_stack",
        UserStack "user_stack", Address "address", UserAddress "user_address",
        ReturnedFrom "returned_from",
        IsReturn "is_return", HasRegisters "has_registers", StrLen "strlen", Substr "substr",
        IsInStr "isinstr", StringAt "stringat", Strtol "strtol", CharStr "char_str", Matched "matched",
        NGroups "n_groups",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of everything.
    const EVERYTHING: &str = include_str!("../../../tests/ir/everything.ir");

    #[test]
    fn reads_what_it_prints() {
        let program = parse(EVERYTHING).unwrap_or_else(|error| panic!("{error}"));
        let printed = program.to_string();
        assert_eq!(parse(&printed).as_ref(), Ok(&program), "{printed}");
        assert_eq!(printed, EVERYTHING);
    }

    #[test]
    fn says_where_it_stops() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(error("string s1 = \"\""), "line 1: expected s0, found s1");
        assert_eq!(error("handler h0 \"x\" probe=0 {\n  jump b0"), "line 2: an instruction outside a block");
        assert_eq!(error("handler h0 \"x\" probe=0 {\nb0:\n  v0 = frob 1"), "line 3: unknown instruction `frob`");
        assert_eq!(error("handler h0 \"x\" probe=0 {\nb0:\n  return"), "line 3: missing `}`");
    }
}
