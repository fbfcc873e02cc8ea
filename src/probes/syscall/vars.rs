//! What a system call's probe sets before the handler: `name`, arguments by name, `argstr`, `retval`, `retstr`.
//!
//! Every value is script text over the call's argument words: numbers by `int_arg(n)` and its kin, texts by
//! `user_string_quoted`, decoded forms by pure `__tapdeck_…` functions. So what only flows to output costs the event
//! handler no more than the numbers it captures.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock, RwLock},
};

use super::{
    decode::{Cut, Kind, Show, find_kind},
    table::Row,
};
use crate::{language::types::Type, probes::site::SiteVar};

/// Bytes of written data that `argstr` shows, as strace does.
const DATA_SHOWN: u32 = 32;
/// Bytes of each argument of execve that `argstr` shows.
const ARG_SHOWN: u32 = 64;

/// The script text that gives argument `n` (counted from 1) as its C type has it.
pub fn word(cut: Cut, n: usize) -> String {
    match cut {
        Cut::Int => format!("int_arg({n})"),
        Cut::Uint => format!("uint_arg({n})"),
        Cut::Ushort => format!("(uint_arg({n}) & 0xffff)"),
        Cut::Long => format!("long_arg({n})"),
        Cut::Ulong => format!("ulong_arg({n})"),
        Cut::Pointer => format!("pointer_arg({n})"),
    }
}

/// An argument as it shows: a conversion of `argstr` and the text of its value.
struct Shown {
    conversion: &'static str,
    value: String,
}

fn words_at(pointer: &str, n_words: usize) -> String {
    let word = |idx: usize| {
        if idx == 0 { format!(", user_long({pointer})") } else { format!(", user_long({pointer} + {})", idx * 8) }
    };
    (0..n_words).map(word).collect()
}

/// The decoded form of argument `n`; `None` when it is shown as the number it is.
fn decoded(kind: Kind, n: usize) -> Option<String> {
    let this = word(kind.cut, n);
    let n_words = match kind.name {
        "timespec" | "timeval" | "rlimit_value" => 2,
        "timespecs" | "timevals" | "itimerval" | "itimerspec" => 4,
        "sockaddr" => {
            let (len, words) = (word(Cut::Int, n + 1), words_at(&this, 3));
            return Some(format!("__tapdeck_sockaddr({this}, {len}{words}, user_string_n({this} + 2, 108))"));
        }
        "argv" => {
            let pointer = |idx: usize| format!("user_ulong({this} + {})", idx * 8);
            let text = |idx: usize| format!(", user_string_n({}, {ARG_SHOWN})", pointer(idx));
            let texts: String = (0..4).map(text).collect();
            // How many come before the NULL, 5 standing for more: what lies behind the NULL must not be looked at.
            let count =
                (0..5).rev().fold("5".to_owned(), |more, idx| format!("({} != 0 ? {more} : {idx})", pointer(idx)));
            return Some(format!("__tapdeck_argv({this}, {count}{texts})"));
        }
        "sockopt_name" => return Some(format!("__tapdeck_sockopt_name(int_arg({}), {this})", n - 1)),
        "sock_protocol" => return Some(format!("__tapdeck_sock_protocol(int_arg({}), {this})", n - 2)),
        _ => 0,
    };
    match kind.show {
        Show::Struct => Some(format!("__tapdeck_{}({this}{})", kind.name, words_at(&this, n_words))),
        Show::Decoded => Some(format!("__tapdeck_{}({this})", kind.name)),
        Show::Text => Some(format!("user_string_quoted({this})")),
        Show::Data => Some(format!("user_buffer_quoted({this}, {}, {DATA_SHOWN})", word(Cut::Ulong, n + 1))),
        Show::CreateMode => Some(format!("sprintf(\"%#o\", {this})")),
        Show::Number("%#o") => Some(format!("sprintf(\"%#o\", {this})")),
        Show::Number(_) => None,
    }
}

fn shown(kind: Kind, n: usize) -> Shown {
    match kind.show {
        Show::Number(conversion) => Shown { conversion, value: word(kind.cut, n) },
        Show::CreateMode => {
            // Its decoder brings the comma, because there may be nothing to show.
            let value = format!("__tapdeck_create_mode({}, {})", word(Cut::Int, n - 1), word(kind.cut, n));
            Shown { conversion: "%s", value }
        }
        _ => Shown { conversion: "%s", value: decoded(kind, n).unwrap_or_default() },
    }
}

/// `argstr`: the arguments as strace prints them.
fn argstr(row: &Row) -> String {
    let (mut format, mut values) = (String::new(), String::new());
    for (idx, (_, kind)) in row.args().enumerate() {
        let Some(kind) = find_kind(kind) else { continue };
        let Shown { conversion, value } = shown(kind, idx + 1);
        if idx > 0 && kind.show != Show::CreateMode {
            format.push_str(", ");
        }
        format.push_str(conversion);
        values.push_str(", ");
        values.push_str(&value);
    }
    if format.is_empty() { "\"\"".to_owned() } else { format!("sprintf(\"{format}\"{values})") }
}

/// How `retstr` shows a success: 1 decimal, 2 hexadecimal (addresses), 3 octal.
fn return_style(row: &Row) -> u8 {
    match row.name() {
        "mmap" | "mremap" | "brk" | "shmat" => 2,
        "umask" => 3,
        _ => 1,
    }
}

/// The variables of a call's probe, in the order `-L` lists them.
pub fn site_vars(row: &'static Row, is_return: bool) -> Vec<SiteVar> {
    // Wildcards ask for hundreds and editing asks again with every key: made once, shared.
    type Cache = RwLock<std::collections::HashMap<(&'static str, bool), Arc<Vec<SiteVar>>>>;
    static CACHE: LazyLock<Cache> = LazyLock::new(Cache::default);
    let key = (row.name(), is_return);
    if let Ok(cache) = CACHE.read()
        && let Some(vars) = cache.get(&key)
    {
        return vars.to_vec();
    }
    let vars = make_vars(row, is_return);
    if let Ok(mut cache) = CACHE.write() {
        cache.insert(key, Arc::new(vars.clone()));
    }
    vars
}

fn make_vars(row: &Row, is_return: bool) -> Vec<SiteVar> {
    let mut vars = Vars { list: Vec::new(), seen: HashSet::new() };
    vars.add("name", "__site_name()", Type::Str);
    for (idx, (names, kind)) in row.args().enumerate() {
        let Some(kind) = find_kind(kind) else { continue };
        let n = idx + 1;
        for arg in names {
            vars.argument(arg, kind, n);
        }
    }
    if is_return {
        vars.add("retval", "returnval()", Type::Long);
        let retstr = format!("__tapdeck_returnstr(returnval(), {})", return_style(row));
        vars.add("retstr", &retstr, Type::Str);
    }
    vars.add("argstr", &argstr(row), Type::Str);
    vars.list
}

struct Vars {
    list: Vec<SiteVar>,
    seen: HashSet<String>,
}

impl Vars {
    /// The first of a name stays: an argument called `name` does not hide the call's.
    fn add(&mut self, name: &str, expr: &str, ty: Type) {
        if self.seen.insert(name.to_owned()) {
            self.list.push(SiteVar { name: name.into(), expr: expr.into(), ty });
        }
    }

    fn argument(&mut self, arg: &str, kind: Kind, n: usize) {
        let this = word(kind.cut, n);
        let text = decoded(kind, n);
        match kind.show {
            Show::Text => {
                let quoted = text.unwrap_or_default();
                self.add(arg, &quoted, Type::Str);
                self.add(&format!("{arg}_uaddr"), &this, Type::Long);
                self.add(&format!("{arg}_str"), &quoted, Type::Str);
                self.add(&format!("{arg}_unquoted"), &format!("user_string_nofault({this})"), Type::Str);
                if arg == "name" {
                    self.add("name2", &quoted, Type::Str);
                }
            }
            _ => {
                self.add(arg, &this, Type::Long);
                if kind.cut == Cut::Pointer {
                    self.add(&format!("{arg}_uaddr"), &this, Type::Long);
                }
                if let Some(text) = text {
                    self.add(&format!("{arg}_str"), &text, Type::Str);
                    match kind.name {
                        "argv" => self.add("args", &text, Type::Str),
                        "signal" => self.add(&format!("{arg}_name"), &text, Type::Str),
                        "sockaddr" => self.socket_address(&this),
                        _ => {}
                    }
                }
            }
        }
    }

    /// `uaddr_af`, `uaddr_ip`, `uaddr_ip_port`: the family, address and port of an internet socket address. The functions
    /// are in tapsets/inet_sock.stp, so that handlers can decide by what they say.
    fn socket_address(&mut self, pointer: &str) {
        let family = format!("({pointer} ? __tapdeck_sock_domain(user_long({pointer}) & 0xffff) : \"\")");
        self.add("uaddr_af", &family, Type::Str);
        self.add("uaddr_ip", &format!("__tapdeck_uaddr_ip({pointer}{})", words_at(pointer, 3)), Type::Str);
        self.add("uaddr_ip_port", &format!("__tapdeck_uaddr_ip_port({pointer}{})", words_at(pointer, 1)), Type::Str);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::table::ROWS, *};

    fn show(name: &str, is_return: bool) -> String {
        let row = ROWS.iter().find(|row| row.name() == name).expect("a row");
        site_vars(row, is_return).iter().map(|var| format!("{}:{} = {}\n", var.name, var.ty, var.expr)).collect()
    }

    /// Every expression is a script expression, and every function in it a builtin with that many parameters, or one of
    /// tapsets/inet_sock.stp.
    #[test]
    fn expressions_parse_and_call_what_there_is() {
        use crate::{
            builtins, embedded,
            language::{self, ast, visit},
            source::{Origin, SourceMap},
        };
        struct Calls(Vec<(String, usize)>);
        impl visit::Visitor for Calls {
            fn expr(&mut self, expr: &ast::Expr) {
                if let ast::ExprKind::Call { name, args } = &expr.kind {
                    self.0.push((name.text.to_string(), args.len()));
                }
                visit::walk_expr(self, expr);
            }
        }
        let mut texts: Vec<String> = Vec::new();
        for row in ROWS {
            for is_return in [false, true] {
                let vars = site_vars(row, is_return).into_iter();
                texts.extend(vars.map(|var| format!("probe begin {{ println({}) }} // {}", var.expr, row.name())));
            }
        }
        texts.sort();
        texts.dedup();
        let (_, own) = embedded::TAPSETS.iter().find(|(name, _)| *name == "inet_sock.stp").unwrap();
        let own = String::from_utf8_lossy(own);
        for text in texts {
            let mut sources = SourceMap::default();
            let file = sources.add("<var>", text.clone(), Origin::User);
            let (script, diagnostics) = language::parse(&mut sources, file, &language::ParseOptions::default());
            assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
            let mut calls = Calls(Vec::new());
            visit::walk_stmt(&mut calls, &script.probes[0].body);
            for (name, n_args) in calls.0 {
                let is_known =
                    builtins::find(&name, n_args).is_some() || own.contains(&format!("function {name}:string ("));
                assert!(is_known, "{name} of {n_args} in {text}");
            }
        }
    }

    #[test]
    fn variables_of_usual_calls() {
        expect_test::expect![[r#"
            name:string = __site_name()
            dfd:long = int_arg(1)
            dfd_str:string = __tapdeck_dirfd(int_arg(1))
            dirfd:long = int_arg(1)
            dirfd_str:string = __tapdeck_dirfd(int_arg(1))
            filename:string = user_string_quoted(pointer_arg(2))
            filename_uaddr:long = pointer_arg(2)
            filename_str:string = user_string_quoted(pointer_arg(2))
            filename_unquoted:string = user_string_nofault(pointer_arg(2))
            pathname:string = user_string_quoted(pointer_arg(2))
            pathname_uaddr:long = pointer_arg(2)
            pathname_str:string = user_string_quoted(pointer_arg(2))
            pathname_unquoted:string = user_string_nofault(pointer_arg(2))
            flags:long = int_arg(3)
            flags_str:string = __tapdeck_open_flags(int_arg(3))
            mode:long = (uint_arg(4) & 0xffff)
            mode_str:string = sprintf("%#o", (uint_arg(4) & 0xffff))
            argstr:string = sprintf("%s, %s, %s%s", __tapdeck_dirfd(int_arg(1)), user_string_quoted(pointer_arg(2)), __tapdeck_open_flags(int_arg(3)), __tapdeck_create_mode(int_arg(3), (uint_arg(4) & 0xffff)))
        "#]].assert_eq(&show("openat", false));
        expect_test::expect![[r#"
            name:string = __site_name()
            fd:long = int_arg(1)
            buf:long = pointer_arg(2)
            buf_uaddr:long = pointer_arg(2)
            count:long = ulong_arg(3)
            retval:long = returnval()
            retstr:string = __tapdeck_returnstr(returnval(), 1)
            argstr:string = sprintf("%d, %p, %u", int_arg(1), pointer_arg(2), ulong_arg(3))
        "#]]
        .assert_eq(&show("read", true));
        expect_test::expect![[r#"
            name:string = __site_name()
            sockfd:long = int_arg(1)
            serv_addr:long = pointer_arg(2)
            serv_addr_uaddr:long = pointer_arg(2)
            serv_addr_str:string = __tapdeck_sockaddr(pointer_arg(2), int_arg(3), user_long(pointer_arg(2)), user_long(pointer_arg(2) + 8), user_long(pointer_arg(2) + 16), user_string_n(pointer_arg(2) + 2, 108))
            uaddr_af:string = (pointer_arg(2) ? __tapdeck_sock_domain(user_long(pointer_arg(2)) & 0xffff) : "")
            uaddr_ip:string = __tapdeck_uaddr_ip(pointer_arg(2), user_long(pointer_arg(2)), user_long(pointer_arg(2) + 8), user_long(pointer_arg(2) + 16))
            uaddr_ip_port:string = __tapdeck_uaddr_ip_port(pointer_arg(2), user_long(pointer_arg(2)))
            addr:long = pointer_arg(2)
            addr_uaddr:long = pointer_arg(2)
            addr_str:string = __tapdeck_sockaddr(pointer_arg(2), int_arg(3), user_long(pointer_arg(2)), user_long(pointer_arg(2) + 8), user_long(pointer_arg(2) + 16), user_string_n(pointer_arg(2) + 2, 108))
            addrlen:long = int_arg(3)
            argstr:string = sprintf("%d, %s, %d", int_arg(1), __tapdeck_sockaddr(pointer_arg(2), int_arg(3), user_long(pointer_arg(2)), user_long(pointer_arg(2) + 8), user_long(pointer_arg(2) + 16), user_string_n(pointer_arg(2) + 2, 108)), int_arg(3))
        "#]].assert_eq(&show("connect", false));
        expect_test::expect![[r#"
            name:string = __site_name()
            path:string = user_string_quoted(pointer_arg(1))
            path_uaddr:long = pointer_arg(1)
            path_str:string = user_string_quoted(pointer_arg(1))
            path_unquoted:string = user_string_nofault(pointer_arg(1))
            name_uaddr:long = pointer_arg(2)
            name_str:string = user_string_quoted(pointer_arg(2))
            name_unquoted:string = user_string_nofault(pointer_arg(2))
            name2:string = user_string_quoted(pointer_arg(2))
            value:long = pointer_arg(3)
            value_uaddr:long = pointer_arg(3)
            size:long = ulong_arg(4)
            flags:long = int_arg(5)
            flags_str:string = __tapdeck_xattr_flags(int_arg(5))
            argstr:string = sprintf("%s, %s, %p, %u, %s", user_string_quoted(pointer_arg(1)), user_string_quoted(pointer_arg(2)), pointer_arg(3), ulong_arg(4), __tapdeck_xattr_flags(int_arg(5)))
        "#]].assert_eq(&show("setxattr", false));
        expect_test::expect![[r#"
            name:string = __site_name()
            retval:long = returnval()
            retstr:string = __tapdeck_returnstr(returnval(), 1)
            argstr:string = ""
        "#]]
        .assert_eq(&show("getpid", true));
    }
}
