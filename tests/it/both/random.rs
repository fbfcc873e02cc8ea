//! Random scripts that mean something in either executor: well typed, with bounded loops, over a few globals of every
//! shape. A script is a tree of statements, so that one that fails can be made small.

use std::fmt::Write;

/// Numbers that look random and come again for the same seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// A statement: a line, or a head with statements in it and perhaps another such arm.
#[derive(Clone, Debug)]
pub enum Node {
    Line(String),
    Block { head: String, body: Vec<Node>, other: Option<(String, Vec<Node>)> },
}

/// A script without its probe points.
#[derive(Clone, Debug)]
pub struct Script {
    pub functions: Vec<Node>,
    pub body: Vec<Node>,
    /// Every other handler's, if there is one.
    other: Option<Vec<Node>>,
    /// What makes each handler's body differ from these.
    variations: Vec<u64>,
    /// System calls that handlers are at, in turn; 0: all are at one tracepoint.
    pub n_calls: usize,
}

const GLOBALS: &str = "\
global g0 = -3, g1, title = \"start\", n[5], w, t, m, m3, wr%[3], s, sm, x, y
";

const FUNCTIONS: &[&str] = &[
    "function fact:long (n:long) { if (n <= 1) return 1; return n * fact(n - 1) }",
    "function divide:long (a:long, b:long) { return a / b }",
    "function twice:string (t:string) { return t . t }",
    "function bump:long (by:long) { g1 += by; return g1 }",
    "function clip:string (t:string) { for (i = 0; i < 2; i++) { if (strlen(t) < 3) break; \
     t = substr(t, 0, strlen(t) - 1) } return t }",
    "function pick:long (a:long) { if (a < 0) next; return a }",
    "function pick:long (a:long) { return -1 }",
    "function is_word:long (t:string) { return t =~ \"^[a-z]+$\" }",
    "function first_digits:string (t:string) { if (t =~ \"([0-9]+)\") return matched(1); return \"-\" }",
];

/// So that every name has a type whatever is left of the rest.
const BEFORE: &[&str] = &[
    "a = 1; b = 2; c = 3",
    "p = \"x\"; q = \"yy\"",
    "g1 = 4",
    "n[1] = 5",
    "w[1] = \"one\"",
    "t[\"k\"] = 7",
    "m[\"k\", 2] = 9",
    "m3[1, \"z\", 2] = \"v\"",
    "wr[0] = 1",
    "s[1] <<< 4",
    "sm[\"k\"] <<< 6",
    "x <<< 8",
    "y <<< 15",
];

/// Lines of it that are about locals.
const LOCALS_BEFORE: usize = 2;

/// A picture is drawn when its record is read, so nothing may be added behind it.
const AFTER: &[&str] =
    &["println(a, b, c, p, q)", "if (@count(x)) print(@hist_log(x))", "print(@hist_linear(y, 0, 100, 10))"];

impl Script {
    pub fn n_handlers(&self) -> usize {
        self.variations.len()
    }

    /// The handlers of each event.
    pub fn events(&self) -> Vec<Vec<usize>> {
        let n_events = self.n_calls.max(1);
        let handlers = |event| (event..self.n_handlers()).step_by(n_events).collect::<Vec<_>>();
        (0..n_events).map(handlers).filter(|handlers| !handlers.is_empty()).collect()
    }

    /// The whole text, with a probe point for each handler.
    pub fn text(&self, points: &[&str]) -> String {
        let mut text = GLOBALS.to_owned();
        write_nodes(&self.functions, 0, &mut text);
        for (n, (point, seed)) in points.iter().zip(&self.variations).enumerate() {
            let mut body = String::new();
            let nodes = self.other.as_ref().filter(|_| n % 2 == 1).unwrap_or(&self.body);
            write_nodes(nodes, 1, &mut body);
            let lines = body.split_inclusive('\n').map(|line| varied(line, *seed));
            text.push_str(&format!("probe {point} {{\n{}}}\n", lines.collect::<String>()));
        }
        text
    }

    /// Scripts with a little less in them.
    pub fn smaller(&self) -> Vec<Script> {
        let bodies = smaller_lists(&self.body);
        let less = bodies.into_iter().map(|body| Script { body, ..self.clone() });
        let functions = smaller_lists(&self.functions);
        let functions = functions.into_iter().map(|functions| Script { functions, ..self.clone() });
        let handlers = (1..self.variations.len()).map(|n| {
            let mut variations = self.variations.clone();
            variations.remove(n);
            Script { variations, ..self.clone() }
        });
        let others = self.other.iter().flat_map(|other| {
            let others = smaller_lists(other).into_iter().map(Some).chain([None]);
            others.map(|other| Script { other, ..self.clone() })
        });
        less.chain(functions).chain(handlers).chain(others).collect()
    }
}

/// Numbers that stand for each other in the handlers of a script, and texts.
const NUMBERS: &[&str] = &["7", "100", "63", "1000003", "0x7fffffffffffffff", "2", "8"];
const TEXTS: &[&str] = &["k", "ab", "b12", "-42x", "abab", "yy", "a text that is longer than sixteen bytes"];

/// A line with others of these numbers and texts, always the same for a seed; as it is for 0. Numbers that decide how
/// often something runs, and what has to be a literal of its own, stay.
fn varied(line: &str, seed: u64) -> String {
    let stays = ["for (", "while (", "foreach (", "@hist", "matched", "strtol", "=~", "!~", "str_replace"];
    if seed == 0 || stays.iter().any(|part| line.contains(part)) {
        return line.to_owned();
    }
    let pick = |from: &[&str], word: &str| {
        let mut sum = seed;
        word.bytes().for_each(|byte| sum = sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Rng::new(sum).pick(from).to_owned()
    };
    // What is between quotes is every other part.
    let parts = line.split('"').enumerate().map(|(n, part)| match n % 2 {
        0 => words(part)
            .map(|word| if NUMBERS.contains(&word) { pick(NUMBERS, word) } else { word.to_owned() })
            .collect(),
        _ if TEXTS.contains(&part) => pick(TEXTS, part),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<String>>().join("\"")
}

/// Names and numbers, and what is between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split_inclusive(move |c| !is_word(c)).flat_map(move |part| {
        let (word, rest) = part.split_at(part.trim_end_matches(|c| !is_word(c)).len());
        [word, rest]
    })
}

/// Texts of a line in which something in parentheses, with what is called, is a literal or only a part of it.
fn smaller_texts(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, _) in line.match_indices('(') {
        let name = line[..open].trim_end_matches(|c: char| c.is_alphanumeric() || "_@".contains(c)).len();
        let (mut depth, mut quoted, mut cuts) = (0, false, vec![open]);
        for (at, c) in line[open..].char_indices() {
            match c {
                '"' => quoted = !quoted,
                _ if quoted => (),
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                ',' | ' ' if depth == 1 => cuts.push(open + at),
                _ => (),
            }
            if depth == 0 {
                cuts.push(open + at);
                break;
            }
        }
        let Some(close) = cuts.last().copied().filter(|_| depth == 0) else { continue };
        let mut with = |part: &str| {
            if !part.is_empty() && line[name..=close] != *part {
                found.push(format!("{}{part}{}", &line[..name], &line[close + 1..]));
            }
        };
        ["1", "\"k\""].into_iter().for_each(&mut with);
        cuts.windows(2).for_each(|cut| with(line[cut[0] + 1..cut[1]].trim()));
    }
    found
}

fn write_nodes(nodes: &[Node], depth: usize, text: &mut String) {
    for node in nodes {
        let indent = "  ".repeat(depth);
        match node {
            Node::Line(line) => {
                let _ = writeln!(text, "{indent}{line}");
            }
            Node::Block { head, body, other } => {
                let _ = writeln!(text, "{indent}{head} {{");
                write_nodes(body, depth + 1, text);
                if let Some((head, body)) = other {
                    let _ = writeln!(text, "{indent}}} {head} {{");
                    write_nodes(body, depth + 1, text);
                }
                let _ = writeln!(text, "{indent}}}");
            }
        }
    }
}

fn smaller_lists(nodes: &[Node]) -> Vec<Vec<Node>> {
    let mut found = Vec::new();
    for idx in 0..nodes.len() {
        let mut with = |replacement: Vec<Node>| {
            let mut list = nodes.to_vec();
            list.splice(idx..=idx, replacement);
            found.push(list);
        };
        with(Vec::new());
        if let Node::Line(line) = &nodes[idx] {
            smaller_texts(line).into_iter().for_each(|line| with(vec![Node::Line(line)]));
        }
        if let Node::Block { head, body, other } = &nodes[idx] {
            for head in smaller_texts(head).into_iter().filter(|head| head.starts_with(char::is_alphabetic)) {
                with(vec![Node::Block { head, body: body.clone(), other: other.clone() }]);
            }
            with(body.clone());
            if let Some((keyword, arm)) = other {
                with(arm.clone());
                if keyword == "else" {
                    with(vec![Node::Block { head: head.clone(), body: body.clone(), other: None }]);
                }
                for arm in smaller_lists(arm) {
                    let other = Some((keyword.clone(), arm));
                    with(vec![Node::Block { head: head.clone(), body: body.clone(), other }]);
                }
            }
            for body in smaller_lists(body) {
                with(vec![Node::Block { head: head.clone(), body, other: other.clone() }]);
            }
        }
    }
    found
}

/// What may stand in a place.
#[derive(Clone, Copy)]
struct Place {
    /// Around it.
    depth: usize,
    in_loop: bool,
    /// Globals that an array walked over must not share with what is written.
    may_write: bool,
}

/// Makes scripts.
pub struct Maker {
    pub rng: Rng,
    n_loops: usize,
}

impl Maker {
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), n_loops: 0 }
    }

    /// One with so many handlers, of which some do the same.
    pub fn script(&mut self, n_handlers: usize) -> Script {
        self.n_loops = 0;
        let n = 2 + self.rng.below(6);
        let lines = |lines: &[&str]| lines.iter().map(|line| Node::Line((*line).to_owned())).collect::<Vec<_>>();
        let made = self.stmts(n, Place { depth: 0, in_loop: false, may_write: true });
        let mut script = Script {
            functions: lines(FUNCTIONS),
            body: [lines(BEFORE), made, lines(AFTER)].concat(),
            other: None,
            variations: vec![0; n_handlers],
            n_calls: 0,
        };
        if n_handlers > 1 {
            script.variations.iter_mut().skip(1).for_each(|seed| *seed = self.rng.next() % 10);
            script.n_calls = [n_handlers, n_handlers / 2, n_handlers / 4, 0][self.rng.below(4)];
            // A picture is drawn when its event is over.
            let pictures = if script.n_calls == n_handlers { AFTER.len() - 1 } else { 0 };
            script.body.truncate(script.body.len() - (AFTER.len() - 1) + pictures);
            if self.rng.one_in(3) {
                let n = 1 + self.rng.below(4);
                let made = self.stmts(n, Place { depth: 0, in_loop: false, may_write: true });
                script.other = Some([lines(&BEFORE[..LOCALS_BEFORE]), made, lines(&AFTER[..1])].concat());
            }
        }
        script
    }

    fn stmts(&mut self, n: usize, place: Place) -> Vec<Node> {
        (0..n).map(|_| self.stmt(place)).collect()
    }

    fn inner(&mut self, place: Place) -> Vec<Node> {
        let n = 1 + self.rng.below(3);
        self.stmts(n, Place { depth: place.depth + 1, ..place })
    }

    fn stmt(&mut self, place: Place) -> Node {
        if place.depth < 3 && self.rng.one_in(3) {
            return self.block(place);
        }
        Node::Line(if place.may_write { self.line(place) } else { self.quiet_line(place) })
    }

    fn block(&mut self, place: Place) -> Node {
        let block = |head, body, other| Node::Block { head, body, other };
        match self.rng.below(10) {
            0..=3 => {
                let head = format!("if ({})", self.cond());
                let body = self.inner(place);
                let other = self.rng.one_in(2).then(|| ("else".to_owned(), self.inner(place)));
                block(head, body, other)
            }
            4 => {
                let body = self.inner(place);
                let mut catch = self.inner(place);
                catch.insert(0, Node::Line("println(\"caught \", e)".to_owned()));
                block("try".to_owned(), body, Some(("catch (e)".to_owned(), catch)))
            }
            5 | 6 => {
                let var = self.loop_var();
                let inside = Place { in_loop: true, ..place };
                let times = self.rng.below(4);
                let head = match self.rng.below(3) {
                    0 => format!("for ({var} = 0; {var} < {times}; {var}++)"),
                    1 => format!("while ({var}++ < {times})"),
                    _ => format!("for ({var} = {times}; {var} > 0; {var} -= 2)"),
                };
                block(head, self.inner(inside), None)
            }
            7 => {
                let (head, mut body) = (self.group_of_matches(), self.inner(place));
                body.insert(0, Node::Line("println(matched(0), \"/\", matched(1), \"/\", ngroups())".to_owned()));
                block(head, body, None)
            }
            _ => self.foreach(place),
        }
    }

    fn group_of_matches(&mut self) -> String {
        let pattern = self.rng.pick(&["([a-z]+)", "(a|ab)(b*)", "^(.)", "([0-9]*)$", "x(y|z)?"]);
        format!("if ({} =~ \"{pattern}\")", self.text(1))
    }

    fn loop_var(&mut self) -> String {
        self.n_loops += 1;
        format!("i{}", self.n_loops)
    }

    fn foreach(&mut self, place: Place) -> Node {
        let (k, v, u) = (self.loop_var(), self.loop_var(), self.loop_var());
        let limit = if self.rng.one_in(3) { format!(" limit {}", self.num(1)) } else { String::new() };
        let sort = self.rng.pick(&["", "", "+", "-"]);
        let mut by_value = self.rng.pick(&["", "", "", "+", "-"]);
        if !sort.is_empty() {
            by_value = "";
        }
        let show = |text: String| Node::Line(text);
        let (head, first) = match self.rng.below(8) {
            0 | 1 => {
                (format!("foreach ({k}{sort} in n{by_value}{limit})"), show(format!("printf(\"%d=%d \", {k}, n[{k}])")))
            }
            2 => (
                format!("foreach ({v} = {k}{sort} in t{by_value}{limit})"),
                show(format!("printf(\"%s=%d \", {k}, {v})")),
            ),
            3 => (
                format!("foreach ([{k}, {u}{sort}] in m{by_value}{limit})"),
                show(format!("printf(\"%s,%d \", {k}, {u})")),
            ),
            4 => {
                let text = self.text(0);
                (
                    format!("foreach ([{k}{sort}, {u}] in m[{text}, *]{limit})"),
                    show(format!("printf(\"%s:%d \", {k}, {u})")),
                )
            }
            5 => (format!("foreach ({k} in w{limit})"), show(format!("printf(\"%d=%s \", {k}, w[{k}])"))),
            // Aggregates come in no order of their own.
            6 => {
                let op = self.rng.pick(&["", "@count ", "@sum "]);
                let dir = self.rng.pick(&["+", "-"]);
                match op {
                    "" => (format!("foreach ({k}{dir} in s)"), show(format!("printf(\"%d:%d \", {k}, @sum(s[{k}]))"))),
                    op => (
                        // Equal ones may come in either order.
                        format!("foreach ({k} in s {op}{dir} limit 1)"),
                        show(format!("c = {k} * 0 + @count(s[{k}]) * 0")),
                    ),
                }
            }
            _ => (format!("foreach ({k} in wr)"), show(format!("printf(\"%d>%d \", {k}, wr[{k}])"))),
        };
        let inside = Place { in_loop: true, may_write: false, depth: place.depth + 1 };
        let mut body = vec![first];
        if self.rng.one_in(2) {
            let n = 1 + self.rng.below(2);
            body.extend(self.stmts(n, Place { depth: 3, ..inside }));
        }
        Node::Block { head, body, other: None }
    }

    /// Writes no array and calls nothing that does.
    fn quiet_line(&mut self, place: Place) -> String {
        match self.rng.below(6) {
            0 => format!("{} = {}", self.number_name(), self.num(1)),
            1 => format!("{} = {}", self.text_name(), self.text(1)),
            2 => self.print(1),
            3 if place.in_loop => format!("if ({}) {}", self.cond(), self.rng.pick(&["break", "continue"])),
            _ => format!("g0 += {}", self.num(1)),
        }
    }

    fn line(&mut self, place: Place) -> String {
        match self.rng.below(32) {
            0 | 1 => format!(
                "{} {} {}",
                self.number_name(),
                self.rng.pick(&["=", "+=", "-=", "*=", "&=", "|=", "^=", "<<=", ">>="]),
                self.num(2)
            ),
            2 | 3 => format!("{} {} {}", self.text_name(), self.rng.pick(&["=", ".="]), self.text(2)),
            4 => format!("g1 {} {}", self.rng.pick(&["=", "+=", "-="]), self.num(2)),
            5 => format!("title {} {}", self.rng.pick(&["=", ".="]), self.text(1)),
            6 | 7 => format!("n[{}] {} {}", self.key(), self.rng.pick(&["=", "+=", "-=", "|="]), self.num(2)),
            8 => format!("w[{}] {} {}", self.key(), self.rng.pick(&["=", ".="]), self.text(2)),
            9 => format!("t[{}] {} {}", self.text(1), self.rng.pick(&["=", "+="]), self.num(1)),
            10 | 11 => format!("m[{}, {}] {} {}", self.text(1), self.key(), self.rng.pick(&["=", "+="]), self.num(1)),
            12 => format!("m3[{}, {}, {}] = {}", self.key(), self.text(0), self.key(), self.text(1)),
            13 => format!("wr[{}] = {}", self.key(), self.num(1)),
            14 | 15 => format!("s[{}] <<< {}", self.key(), self.num(1)),
            16 => format!("sm[{}] <<< {}", self.text(1), self.num(1)),
            17 => format!("{} <<< {}", self.rng.pick(&["x", "y"]), self.num(1)),
            18 => {
                let what = self.rng.below(9);
                match what {
                    0 => format!("delete n[{}]", self.key()),
                    1 => format!("delete m[{}, {}]", self.text(0), self.key()),
                    2 => format!("delete s[{}]", self.key()),
                    3 => format!("delete m[*, {}]", self.key()),
                    _ => format!("delete {}", ["n", "g1", "title", "x", "t"][what - 4]),
                }
            }
            19 => format!("{}n[{}]{}", self.rng.pick(&["", "++", "--"]), self.key(), self.rng.pick(&["++", "--"]))
                .replace("++n", "n")
                .replace("--n", "n"),
            20 if place.depth > 0 && self.rng.one_in(3) => self.rng.pick(&["next", "error(\"on purpose\")"]).to_owned(),
            21 if place.in_loop => format!("if ({}) {}", self.cond(), self.rng.pick(&["break", "continue"])),
            22 => format!("println(bump({}))", self.num(1)),
            24 => format!("g0 = {} ? {} : {}", self.cond(), self.num(1), self.num(1)),
            _ => self.print(2),
        }
    }

    fn print(&mut self, depth: usize) -> String {
        match self.rng.below(9) {
            0 => format!("println({}, \" \", {})", self.num(depth), self.text(depth)),
            1 => format!("printd(\"|\", {}, {}, {})", self.num(depth), self.text(depth), self.num(0)),
            2 => format!("printdln({}, {}, {})", "\", \"", self.text(depth), self.num(depth)),
            3 => format!("print({})", self.text(depth)),
            4 => format!(
                "printf(\"%*d|%-*s|\\n\", {} & 15, {}, {} & 7, {})",
                self.num(0),
                self.num(1),
                self.num(0),
                self.text(1)
            ),
            5 => format!("printf(\"%.*s|%c|\\n\", {} & 7, {}, 65 + ({} & 15))", self.num(0), self.text(1), self.num(0)),
            _ => {
                let (mut format, mut args) = (String::new(), String::new());
                for _ in 0..1 + self.rng.below(3) {
                    if self.rng.one_in(2) {
                        let conversion = self.rng.pick(&["%s", "%10s", "%-6s", "%.3s", "%7.2s"]);
                        let _ = write!(format, "{conversion}|");
                        let _ = write!(args, ", {}", self.text(depth));
                    } else {
                        let conversion = self.rng.pick(&[
                            "%d", "%5d", "%-6d", "%06d", "%+d", "% d", "%x", "%#x", "%o", "%#o", "%u", "%p", "%X",
                            "%.4d", "%8.3d", "%i", "%ld",
                        ]);
                        let _ = write!(format, "{conversion}|");
                        let _ = write!(args, ", {}", self.num(depth));
                    }
                }
                format!("printf(\"{format}\\n\"{args})")
            }
        }
    }

    fn number_name(&mut self) -> &'static str {
        self.rng.pick(&["a", "b", "c"])
    }

    fn text_name(&mut self) -> &'static str {
        self.rng.pick(&["p", "q"])
    }

    fn key(&mut self) -> String {
        match self.rng.below(3) {
            0 => self.rng.below(4).to_string(),
            _ => format!("({} & 7)", self.num(1)),
        }
    }

    fn cond(&mut self) -> String {
        self.num(1)
    }

    fn num(&mut self, depth: usize) -> String {
        if depth == 0 || self.rng.one_in(4) {
            return match self.rng.below(8) {
                0 => self.rng.pick(&["0", "1", "-1", "7", "-9", "100", "63"]).to_owned(),
                1 => self
                    .rng
                    .pick(&["0x7fffffffffffffff", "-9223372036854775808", "0xffffffffffffffff", "1000003"])
                    .to_owned(),
                2 => "g0".to_owned(),
                3 => "g1".to_owned(),
                4 => format!("n[{}]", self.rng.below(4)),
                _ => self.number_name().to_owned(),
            };
        }
        let depth = depth - 1;
        match self.rng.below(30) {
            0..=4 => {
                let op = self.rng.pick(&["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>"]);
                format!("({} {op} {})", self.num(depth), self.num(depth))
            }
            5 | 6 => {
                let op = self.rng.pick(&["<", ">", "==", "!=", "<=", ">="]);
                format!("({} {op} {})", self.num(depth), self.num(depth))
            }
            7 | 8 => {
                let op = self.rng.pick(&["<", ">", "==", "!=", "<=", ">="]);
                format!("({} {op} {})", self.text(depth), self.text(depth))
            }
            9 => format!("{}({})", self.rng.pick(&["-", "!", "~", "+"]), self.num(depth)),
            10 => format!("({} ? {} : {})", self.num(depth), self.num(depth), self.num(depth)),
            11 => format!("({} {} {})", self.num(depth), self.rng.pick(&["&&", "||"]), self.num(depth)),
            12 => format!("strlen({})", self.text(depth)),
            13 => format!("stringat({}, {} & 3)", self.text(depth), self.num(depth)),
            14 => format!("strtol({}, {})", self.text(depth), self.rng.pick(&["10", "16", "8", "0"])),
            15 => format!("isinstr({}, {})", self.text(depth), self.text(0)),
            16 | 17 => {
                let pattern =
                    self.rng.pick(&["a", "^x", "b$", "[0-9]+", "^(a|yy)*$", "x.?y", "[^a-z]", "^$", "(ab|b1){2}"]);
                format!("({} {} \"{pattern}\")", self.text(depth), self.rng.pick(&["=~", "!~"]))
            }
            18 => format!("n[{}]", self.key()),
            19 => format!("t[{}]", self.text(depth)),
            20 => format!("m[{}, {}]", self.text(0), self.key()),
            21 => match self.rng.below(4) {
                0 => format!("({} in n)", self.num(depth)),
                1 => format!("([{}, {}] in m)", self.text(0), self.key()),
                2 => format!("([*, {}] in m)", self.key()),
                _ => format!("({} in t)", self.text(depth)),
            },
            22 => {
                let op = self.rng.pick(&["@count", "@sum", "@min", "@max", "@avg"]);
                format!("{op}({})", self.stat())
            }
            23 => self.rng.pick(&["@variance(s[1])", "@hist_log(x)[67]", "@hist_linear(y, 0, 100, 10)[2]"]).to_owned(),
            24 => format!("fact({} & 7)", self.num(depth)),
            25 => format!("divide({}, {})", self.num(depth), self.num(0)),
            26 => format!("pick({})", self.num(depth)),
            27 => format!("is_word({})", self.text(depth)),
            28 => match self.rng.below(4) {
                0 => format!("({} = {})", self.number_name(), self.num(depth)),
                1 => format!("{}++", self.number_name()),
                2 => format!("--{}", self.number_name()),
                _ => format!("strpos({}, {})", self.text(depth), self.text(0)),
            },
            _ => self.num(depth),
        }
    }

    fn stat(&mut self) -> String {
        match self.rng.below(4) {
            0 => "x".to_owned(),
            1 => "y".to_owned(),
            2 => format!("s[{}]", self.key()),
            _ => format!("sm[{}]", self.text(0)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 || self.rng.one_in(4) {
            return match self.rng.below(6) {
                0 | 1 => {
                    let text = self.rng.pick(&[
                        "",
                        "a",
                        "ab",
                        "b12",
                        "-42x",
                        "0x1f",
                        "k",
                        "abab",
                        "a text that is longer than sixteen bytes",
                    ]);
                    format!("\"{text}\"")
                }
                2 => "title".to_owned(),
                3 => format!("w[{}]", self.rng.below(4)),
                _ => self.text_name().to_owned(),
            };
        }
        let depth = depth - 1;
        match self.rng.below(16) {
            0..=2 => format!("({} . {})", self.text(depth), self.text(depth)),
            3 => format!("substr({}, {} & 3, {} & 7)", self.text(depth), self.num(0), self.num(0)),
            4 => format!("sprintf(\"%d:%s\", {}, {})", self.num(depth), self.text(depth)),
            5 => format!("sprintf(\"%5d|%x\", {}, {})", self.num(depth), self.num(0)),
            6 => format!("sprint({}, {})", self.text(depth), self.num(depth)),
            7 => format!("({} ? {} : {})", self.num(depth), self.text(depth), self.text(depth)),
            8 => format!("twice({})", self.text(depth)),
            9 => format!("clip({})", self.text(depth)),
            10 => format!("w[{}]", self.key()),
            11 => format!("m3[{}, {}, {}]", self.key(), self.text(0), self.key()),
            12 => format!("str_replace({}, {}, \"<>\")", self.text(depth), self.text(0)),
            13 => format!("text_strn({}, 5, 1)", self.text(depth)),
            14 => format!("errno_str({} & 31)", self.num(depth)),
            _ => format!("first_digits({})", self.text(depth)),
        }
    }
}
