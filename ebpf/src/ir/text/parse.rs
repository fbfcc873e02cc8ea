//! Reading the text form back. One line of the text is one thing, so a line's tokens are all there is to look at.

use super::*;

/// What is wrong, and on which line (1-based).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    pub line: usize,
    pub message: String,
}

/// Reads a program. Empty lines and what follows a `;` do not count. Things must stand in the order of their numbers.
///
/// # Errors
/// At the first line that cannot be understood.
pub fn parse(text: &str) -> Result<Program, ParseError> {
    let mut reader = Reader { program: Program::default(), open: None };
    for (idx, line) in text.lines().enumerate() {
        let at_line = |message| ParseError { line: idx + 1, message };
        let tokens = tokens(line).map_err(at_line)?;
        if !tokens.is_empty() {
            let mut line = Line { tokens: &tokens, at: 0 };
            reader.line(&mut line).and_then(|()| line.end()).map_err(at_line)?;
        }
    }
    match reader.open {
        None => Ok(reader.program),
        Some(_) => Err(ParseError { line: text.lines().count(), message: "missing `}`".to_owned() }),
    }
}

type Result2<T> = Result<T, String>;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Number(i64),
    Text(Vec<u8>),
    Punct(char),
}

fn tokens(line: &str) -> Result2<Vec<Token>> {
    let mut chars = line.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&first) = chars.peek() {
        if first == ';' {
            break;
        } else if first.is_whitespace() {
            chars.next();
        } else if first == '"' {
            chars.next();
            tokens.push(Token::Text(text_token(&mut chars)?));
        } else if first.is_ascii_digit() || first == '-' {
            let mut digits = String::from(first);
            chars.next();
            while let Some(c) = chars.next_if(char::is_ascii_alphanumeric) {
                digits.push(c);
            }
            if digits == "-" && chars.next_if_eq(&'>').is_some() {
                tokens.push(Token::Word("->".to_owned()));
                continue;
            }
            tokens.push(Token::Number(digits.parse().map_err(|_| format!("bad number `{digits}`"))?));
        } else if first.is_ascii_alphabetic() {
            let mut word = String::new();
            while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                word.push(c);
            }
            tokens.push(Token::Word(word));
        } else {
            tokens.push(Token::Punct(first));
            chars.next();
        }
    }
    Ok(tokens)
}

/// After the opening quote; escapes as `u8::escape_ascii` writes them.
fn text_token(chars: &mut impl Iterator<Item = char>) -> Result2<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        match chars.next().ok_or("missing `\"`")? {
            '"' => return Ok(text),
            '\\' => text.push(match chars.next() {
                Some('n') => b'\n',
                Some('t') => b'\t',
                Some('r') => b'\r',
                Some('x') => {
                    let digits: String = chars.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16).map_err(|_| format!("bad escape \\x{digits}"))?
                }
                Some(c) if c.is_ascii() => c as u8,
                _ => return Err("bad escape".to_owned()),
            }),
            c => text.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
}

/// The tokens of a line, and how far it is read.
struct Line<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Line<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn end(&mut self) -> Result2<()> {
        match self.next() {
            None => Ok(()),
            Some(token) => Err(format!("unexpected {token:?}")),
        }
    }

    fn eat(&mut self, punct: char) -> bool {
        let found = self.peek() == Some(&Token::Punct(punct));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, punct: char) -> Result2<()> {
        if self.eat(punct) { Ok(()) } else { Err(format!("expected `{punct}`, found {:?}", self.peek())) }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> Result2<String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(format!("expected a word, found {other:?}")),
        }
    }

    fn number(&mut self) -> Result2<i64> {
        match self.next() {
            Some(Token::Number(n)) => Ok(n),
            other => Err(format!("expected a number, found {other:?}")),
        }
    }

    fn small<T: TryFrom<i64>>(&mut self) -> Result2<T> {
        let n = self.number()?;
        T::try_from(n).map_err(|_| format!("{n} is out of range"))
    }

    fn text(&mut self) -> Result2<Vec<u8>> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text),
            other => Err(format!("expected a text, found {other:?}")),
        }
    }

    fn string(&mut self) -> Result2<String> {
        String::from_utf8(self.text()?).map_err(|_| "a name must be UTF-8".to_owned())
    }

    /// `name=`.
    fn field(&mut self, name: &str) -> Result2<()> {
        if self.eat_word(name) { self.expect('=') } else { Err(format!("expected `{name}=`")) }
    }

    /// `v12` for the prefix `v`.
    fn entity(&mut self, prefix: &str) -> Result2<u32> {
        let word = self.word()?;
        let digits = word.strip_prefix(prefix).and_then(|digits| digits.parse().ok());
        digits.ok_or_else(|| format!("expected {prefix}N, found `{word}`"))
    }

    /// `by` before each item but the first, until `close`.
    fn list<T>(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Result2<T>) -> Result2<Vec<T>> {
        let mut items = Vec::new();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(close) {
                return Ok(items);
            }
            self.expect(',')?;
        }
    }

    fn var(&mut self) -> Result2<Var> {
        self.entity("v").map(Var)
    }

    fn block(&mut self) -> Result2<Block> {
        self.entity("b").map(Block)
    }

    fn operand(&mut self) -> Result2<Operand> {
        match self.peek() {
            Some(Token::Number(_)) => self.number().map(Operand::Imm),
            _ => self.var().map(Operand::Var),
        }
    }

    fn str_operand(&mut self) -> Result2<StrOperand> {
        if self.eat('$') {
            self.var().map(StrOperand::Var)
        } else {
            self.entity("s").map(|id| StrOperand::Const(StrId(id)))
        }
    }

    fn packed(&mut self) -> Result2<Var> {
        self.expect('&')?;
        self.var()
    }

    fn arg(&mut self) -> Result2<Arg> {
        match self.peek() {
            Some(Token::Punct('$')) => self.str_operand().map(Arg::Str),
            Some(Token::Word(word)) if word.starts_with('s') => self.str_operand().map(Arg::Str),
            Some(Token::Punct('&')) => self.packed().map(Arg::Packed),
            _ => self.operand().map(Arg::Long),
        }
    }

    fn key(&mut self) -> Result2<Option<Arg>> {
        if self.eat('*') { Ok(None) } else { self.arg().map(Some) }
    }

    fn slice(&mut self) -> Result2<(StoreId, Vec<Option<Arg>>)> {
        let store = StoreId(self.entity("g")?);
        let keys = if self.eat('[') { self.list(']', Self::key)? } else { Vec::new() };
        Ok((store, keys))
    }

    fn element(&mut self) -> Result2<(StoreId, Vec<Arg>)> {
        let (store, keys) = self.slice()?;
        let keys = keys.into_iter().collect::<Option<Vec<_>>>().ok_or("`*` is not possible here")?;
        Ok((store, keys))
    }

    fn args(&mut self) -> Result2<Vec<Arg>> {
        self.expect('(')?;
        self.list(')', Self::arg)
    }

    fn ty(&mut self) -> Result2<Ty> {
        let word = self.word()?;
        ty(&word).ok_or_else(|| format!("no such type `{word}`"))
    }

    fn tag(&mut self) -> Result2<SourceTag> {
        if self.eat('@') { self.small().map(SourceTag) } else { Ok(SourceTag::NONE) }
    }

    fn plain<T>(&mut self, from_word: impl Fn(&str) -> Option<T>) -> Result2<T> {
        let word = self.word()?;
        from_word(&word).ok_or_else(|| format!("unknown word `{word}`"))
    }
}

fn ty(word: &str) -> Option<Ty> {
    match word {
        "long" => Some(Ty::Long),
        _ if word.starts_with("packed") => Some(Ty::Packed { cap: word.strip_prefix("packed")?.parse().ok()? }),
        _ => Some(Ty::Str { cap: word.strip_prefix("str")?.parse().ok()? }),
    }
}

struct Reader {
    program: Program,
    open: Option<Open>,
}

/// The function or handler whose body is being read.
struct Open {
    body: Body,
    /// The last block has its terminator.
    ended: bool,
    owner: Owner,
}

enum Owner {
    Function(Function),
    Handler(Handler),
}

impl Reader {
    fn line(&mut self, line: &mut Line<'_>) -> Result2<()> {
        if let Some(mut open) = self.open.take() {
            if line.eat('}') {
                self.close(open);
            } else {
                body_line(&mut open, line)?;
                self.open = Some(open);
            }
            return Ok(());
        }
        let word = line.word()?;
        match word.as_str() {
            "limits" => {
                line.field("string")?;
                self.program.limits.max_string_len = line.small()?;
                line.field("action")?;
                self.program.limits.max_action = line.small()?;
                line.field("action_user")?;
                self.program.limits.max_action_user = line.small()?;
                line.field("nesting")?;
                self.program.limits.max_nesting = line.small()?;
            }
            "string" => {
                numbered(line, "s", self.program.strings.len())?;
                line.expect('=')?;
                self.program.strings.push(line.text()?);
            }
            "store" => {
                numbered(line, "g", self.program.stores.len())?;
                self.program.stores.push(store(line)?);
            }
            "print" => {
                numbered(line, "p", self.program.print_sites.len())?;
                self.program.print_sites.push(print_site(line)?);
            }
            "site" => {
                numbered(line, "site", self.program.sites.len())?;
                let mut field = |name| {
                    line.field(name)?;
                    line.text()
                };
                let (pp, pn, func, name) = (field("pp")?, field("pn")?, field("func")?, field("name")?);
                let mut way = Vec::new();
                if line.eat_word("way") {
                    line.expect('=')?;
                    way = line.text()?;
                }
                let mut number = 0;
                if line.eat_word("number") {
                    line.expect('=')?;
                    number = line.number()?;
                }
                self.program.sites.push(SiteData { pp, pn, func, name, way, number });
            }
            "function" => {
                numbered(line, "f", self.program.functions.len())?;
                let name = line.string()?;
                line.field("params")?;
                let n_params = line.small()?;
                let result = if line.eat_word("->") { Some(line.ty()?) } else { None };
                let (recursive, pure_) = (line.eat_word("recursive"), line.eat_word("pure"));
                let function = Function { name, n_params, result, recursive, pure_, body: Body::default() };
                self.begin(line, Owner::Function(function))?;
            }
            "handler" => {
                numbered(line, "h", self.program.handlers.len())?;
                let name = line.string()?;
                line.field("probe")?;
                let probe = line.small()?;
                let tag = line.tag()?;
                self.begin(line, Owner::Handler(Handler { name, probe, body: Body::default(), tag }))?;
            }
            "entry" => self.program.entries.push(entry(line)?),
            _ => return Err(format!("unknown word `{word}`")),
        }
        Ok(())
    }

    fn begin(&mut self, line: &mut Line<'_>, owner: Owner) -> Result2<()> {
        line.expect('{')?;
        self.open = Some(Open { body: Body::default(), ended: true, owner });
        Ok(())
    }

    fn close(&mut self, open: Open) {
        match open.owner {
            Owner::Function(function) => self.program.functions.push(Function { body: open.body, ..function }),
            Owner::Handler(handler) => self.program.handlers.push(Handler { body: open.body, ..handler }),
        }
    }
}

fn numbered(line: &mut Line<'_>, prefix: &str, expected: usize) -> Result2<()> {
    let found = line.entity(prefix)?;
    if found as usize == expected { Ok(()) } else { Err(format!("expected {prefix}{expected}, found {prefix}{found}")) }
}

fn store(line: &mut Line<'_>) -> Result2<StoreDecl> {
    let name = line.string()?;
    line.expect('[')?;
    let keys = line.list(']', Line::ty)?;
    if !line.eat_word("->") {
        return Err("expected `->`".to_owned());
    }
    let value = match line.word()?.as_str() {
        "stat" => StoreTy::Stat(stat_shape(line)?),
        word => match ty(word).ok_or_else(|| format!("no such type `{word}`"))? {
            Ty::Long => StoreTy::Long,
            Ty::Str { cap } => StoreTy::Str { cap },
            Ty::Packed { cap } => {
                line.field("plain")?;
                StoreTy::Packed { cap, plain: PrintId(line.entity("p")?) }
            }
        },
    };
    line.field("max")?;
    let max_entries = line.small()?;
    let sized = line.eat_word("sized");
    let mut init = None;
    if line.eat_word("init") {
        line.expect('=')?;
        init = Some(match line.peek() {
            Some(Token::Text(_)) => Const::Str(line.text()?),
            _ => Const::Long(line.number()?),
        });
    }
    let (wrap, in_kernel) = (line.eat_word("wrap"), line.eat_word("kernel"));
    Ok(StoreDecl { name, keys, value, max_entries, sized, wrap, init, in_kernel })
}

fn stat_shape(line: &mut Line<'_>) -> Result2<StatShape> {
    line.expect('(')?;
    let mut shape = StatShape::default();
    line.list(')', |line| {
        match line.word()?.as_str() {
            "count" => (),
            "sum" => shape.sum = true,
            "min" => shape.min = true,
            "max" => shape.max = true,
            "variance" => shape.variance = Some(line.small()?),
            word => shape.hist = Some(hist_shape(word, line)?),
        }
        Ok(())
    })?;
    Ok(shape)
}

fn hist_shape(word: &str, line: &mut Line<'_>) -> Result2<HistShape> {
    match word {
        "log" => Ok(HistShape::Log),
        "linear" => Ok(HistShape::Linear { start: line.number()?, stop: line.number()?, step: line.number()? }),
        _ => Err(format!("unknown word `{word}`")),
    }
}

fn print_site(line: &mut Line<'_>) -> Result2<PrintSite> {
    line.field("format")?;
    let format = line.small()?;
    line.field("inputs")?;
    line.expect('[')?;
    let inputs = line.list(']', |line| {
        let word = line.word()?;
        if let Some(cap) = word.strip_prefix("memory") {
            let cap = cap.parse().map_err(|_| format!("bad size in `{word}`"))?;
            return Ok(InputTy::Memory { cap, space: line.plain(Space::from_word)? });
        }
        match ty(&word).ok_or_else(|| format!("no such type `{word}`"))? {
            Ty::Long => Ok(InputTy::Long),
            Ty::Str { cap } => Ok(InputTy::Str { cap }),
            Ty::Packed { cap } => Ok(InputTy::Packed { cap }),
        }
    })?;
    line.field("args")?;
    line.expect('[')?;
    let args = line.list(']', recipe)?;
    let mut runs = None;
    if line.eat_word("runs") {
        line.expect('=')?;
        let function = FunctionId(line.entity("f")?);
        line.expect('[')?;
        let context = line.list(']', |line| {
            let op = line.plain(Intrinsic::from_word)?;
            Ok((op, line.entity("in")? as usize))
        })?;
        runs = Some(Rest { function, context });
    }
    let mut kernel_format = None;
    if line.eat_word("kernel") {
        line.expect('=')?;
        kernel_format = Some(line.text()?);
    }
    Ok(PrintSite { format, inputs, args, runs, kernel_format })
}

fn recipe(line: &mut Line<'_>) -> Result2<Recipe> {
    if line.eat_word("hist") {
        let store = StoreId(line.entity("g")?);
        line.expect('[')?;
        let keys = line.list(']', recipe)?;
        let word = line.word()?;
        return Ok(Recipe::Hist { store, keys, shape: hist_shape(&word, line)? });
    }
    match line.peek() {
        Some(Token::Word(word)) if word.starts_with('f') => {
            let function = FunctionId(line.entity("f")?);
            line.expect('(')?;
            Ok(Recipe::Apply { function, args: line.list(')', recipe)? })
        }
        _ => Ok(Recipe::Input(line.entity("in")? as usize)),
    }
}

fn entry(line: &mut Line<'_>) -> Result2<Entry> {
    let kind = match line.word()?.as_str() {
        "sys_enter" => EntryKind::SysEnter,
        "sys_exit" => EntryKind::SysExit,
        "user" => EntryKind::User,
        "perf" => EntryKind::PerfEvent { name: line.string()? },
        word @ ("fentry" | "fexit") => {
            let exit = word == "fexit";
            let function = line.string()?;
            line.field("args")?;
            let n_args = line.small()?;
            line.field("btf")?;
            let btf_id = line.small()?;
            let module = if line.eat_word("module") { Some(line.string()?) } else { None };
            EntryKind::Fentry { function, module, btf_id, n_args, exit }
        }
        word @ ("kprobe" | "kretprobe") => {
            let exit = word == "kretprobe";
            line.field("group")?;
            let group = line.small()?;
            EntryKind::Kprobe { group, multi: line.eat_word("multi"), exit }
        }
        "tracepoint" => {
            let name = line.string()?;
            line.field("args")?;
            let n_args = line.small()?;
            let task_arg = if line.eat_word("task") {
                line.expect('=')?;
                Some(line.small()?)
            } else {
                None
            };
            EntryKind::RawTracepoint { name, n_args, task_arg }
        }
        word => return Err(format!("unknown word `{word}`")),
    };
    line.expect('{')?;
    let mut runs = Vec::new();
    while !line.eat('}') {
        let handler = HandlerId(line.entity("h")?);
        let site = SiteId(line.entity("site")?);
        let mut syscall = None;
        if line.eat_word("nr") {
            line.expect('=')?;
            syscall = Some(line.small()?);
        }
        runs.push(Run { handler, site, syscall });
    }
    Ok(Entry { kind, runs })
}

fn body_line(open: &mut Open, line: &mut Line<'_>) -> Result2<()> {
    let body = &mut open.body;
    if line.eat_word("var") {
        numbered(line, "v", body.vars.len())?;
        line.expect(':')?;
        let ty = line.ty()?;
        let name = if line.peek().is_some() { Some(line.string()?) } else { None };
        body.vars.push(VarDecl { ty, name });
    } else if line.eat_word("iters") {
        body.n_iters = line.small()?;
    } else if line.eat_word("loops") {
        body.has_loops = true;
    } else if matches!(line.tokens.get(1), Some(Token::Punct(':'))) {
        numbered(line, "b", body.blocks.len())?;
        line.expect(':')?;
        if !open.ended {
            return Err("the block before has no end".to_owned());
        }
        let mut catch = None;
        if line.eat_word("catch") {
            let block = line.block()?;
            let message = if line.peek().is_some() { Some(line.var()?) } else { None };
            catch = Some(Catch { block, message });
        }
        open.ended = false;
        let (term, term_tag) = (Term::Return(None), SourceTag::NONE);
        body.blocks.push(BlockData { insts: Vec::new(), term, term_tag, catch });
    } else {
        let block = body.blocks.last_mut().filter(|_| !open.ended).ok_or("an instruction outside a block")?;
        if let Some(term) = term(line)? {
            open.ended = true;
            block.term = term;
            block.term_tag = line.tag()?;
        } else {
            let op = op(line)?;
            block.insts.push(Inst { op, tag: line.tag()? });
        }
    }
    Ok(())
}

/// `None`, and nothing read, when the line is no terminator.
fn term(line: &mut Line<'_>) -> Result2<Option<Term>> {
    let Some(Token::Word(word)) = line.peek().cloned() else { return Ok(None) };
    let start = line.at;
    line.at += 1;
    Ok(Some(match word.as_str() {
        "jump" => Term::Jump(line.block()?),
        "branch" => {
            let cond = line.operand()?;
            line.expect(',')?;
            let (then, otherwise) = two_blocks(line)?;
            Term::Branch { cond, then, otherwise }
        }
        "step" => {
            let iter = Iter(line.entity("it")?);
            line.expect('[')?;
            let keys = line.list(']', Line::var)?;
            let value = if line.eat_word("value") { Some(line.var()?) } else { None };
            let (body, done) = two_blocks(line)?;
            Term::IterNext { iter, keys, value, body, done }
        }
        "return" => {
            let ends = matches!(line.peek(), None | Some(Token::Punct('@')));
            Term::Return(if ends { None } else { Some(line.arg()?) })
        }
        "next" => Term::Next,
        "raise" => Term::Raise { message: line.str_operand()? },
        "abort" => Term::Abort,
        _ => match word.strip_prefix("branch_").and_then(CmpOp::from_word) {
            Some(op) => {
                let a = line.operand()?;
                line.expect(',')?;
                let b = line.operand()?;
                line.expect(',')?;
                let (then, otherwise) = two_blocks(line)?;
                Term::BranchCompare { op, a, b, then, otherwise }
            }
            None => {
                line.at = start;
                return Ok(None);
            }
        },
    }))
}

fn two_blocks(line: &mut Line<'_>) -> Result2<(Block, Block)> {
    let first = line.block()?;
    line.expect(',')?;
    Ok((first, line.block()?))
}

fn op(line: &mut Line<'_>) -> Result2<Op> {
    let has_dst = line.tokens.get(line.at + 1) == Some(&Token::Punct('='));
    let dst = if has_dst { Some(line.var()?) } else { None };
    if has_dst {
        line.expect('=')?;
    }
    let word = line.word()?;
    let need = || dst.ok_or_else(|| format!("`{word}` needs a variable for its result"));
    Ok(match word.as_str() {
        "copy" => Op::Copy { dst: need()?, src: line.operand()? },
        "text" => Op::StrCopy { dst: need()?, src: line.str_operand()? },
        "concat" => {
            let (a, b) = two_texts(line)?;
            Op::StrConcat { dst: need()?, a, b }
        }
        "pack" => Op::Pack { dst: need()?, site: PrintId(line.entity("p")?), inputs: line.args()? },
        "packed" => {
            let src = if line.peek() == Some(&Token::Punct('&')) { Some(line.packed()?) } else { None };
            Op::PackCopy { dst: need()?, src }
        }
        "match" | "no_match" => {
            let subject = line.str_operand()?;
            line.expect(',')?;
            let pattern = StrId(line.entity("s")?);
            Op::Regex { dst: need()?, subject, pattern, negated: word == "no_match" }
        }
        "intrinsic" => Op::Intrinsic { op: line.plain(Intrinsic::from_word)?, dst, args: line.args()? },
        "host" => Op::Host { function: line.small()?, dst, args: line.args()? },
        "call" => Op::Call { function: FunctionId(line.entity("f")?), dst, args: line.args()? },
        "read" => {
            let space = line.plain(Space::from_word)?;
            let kind = line.word()?;
            let (signed, width) = match kind.strip_prefix("unsigned") {
                Some(width) => (false, width),
                None => (true, kind.strip_prefix("signed").ok_or("expected signedN or unsignedN")?),
            };
            let width = width.parse().map_err(|_| format!("bad width in `{kind}`"))?;
            let addr = line.operand()?;
            Op::Read { dst: need()?, space, addr, width, signed, on_fault: on_fault(line)? }
        }
        "read_text" => {
            let space = line.plain(Space::from_word)?;
            let addr = line.operand()?;
            let max = if line.eat_word("max") { Some(line.operand()?) } else { None };
            Op::ReadStr { dst: need()?, space, addr, max, on_fault: on_fault(line)? }
        }
        "context" => Op::Context { dst: need()?, field: context_field(line)? },
        "site" => Op::Site { dst: need()?, field: line.plain(SiteField::from_word)? },
        "get" => {
            let (store, keys) = line.element()?;
            Op::Get { dst: need()?, store, keys }
        }
        "set" => {
            let (store, keys) = line.element()?;
            line.expect('=')?;
            Op::Set { store, keys, value: line.arg()? }
        }
        "increase" => {
            let (store, keys) = line.element()?;
            let delta = line.operand()?;
            let result = if line.eat_word("before") {
                Some((line.var()?, When::Before))
            } else if line.eat_word("after") {
                Some((line.var()?, When::After))
            } else {
                None
            };
            Op::Add { store, keys, delta, result }
        }
        "contains" => {
            let (store, keys) = line.slice()?;
            Op::Contains { dst: need()?, store, keys }
        }
        "delete" => {
            let (store, keys) = line.slice()?;
            Op::Delete { store, keys }
        }
        "clear" => Op::Clear { store: StoreId(line.entity("g")?) },
        "accumulate" => {
            let (store, keys) = line.element()?;
            Op::Accumulate { store, keys, value: line.operand()? }
        }
        "extract" => {
            let op = line.plain(Extractor::from_word)?;
            let (store, keys) = line.element()?;
            Op::Extract { dst: need()?, store, keys, op }
        }
        "bucket" => {
            let index = line.operand()?;
            let (store, keys) = line.element()?;
            Op::Bucket { dst: need()?, store, keys, index }
        }
        "print" => Op::Print { site: PrintId(line.entity("p")?), inputs: line.args()? },
        "sprint" => Op::Sprint { dst: need()?, site: PrintId(line.entity("p")?), inputs: line.args()? },
        "exit" => Op::Exit,
        "actions" => Op::Actions { n: line.small()? },
        "begin" => iter_begin(line)?,
        "end" => Op::IterEnd { iter: Iter(line.entity("it")?) },
        _ => computed(&word, need()?, line)?,
    })
}

/// Arithmetic and comparisons, whose words are their operators'.
fn computed(word: &str, dst: Var, line: &mut Line<'_>) -> Result2<Op> {
    if let Some(op) = UnOp::from_word(word) {
        return Ok(Op::Unary { op, dst, a: line.operand()? });
    }
    if let Some(op) = word.strip_prefix("text_").and_then(CmpOp::from_word) {
        let (a, b) = two_texts(line)?;
        return Ok(Op::StrCompare { op, dst, a, b });
    }
    let mut operands = || {
        let a = line.operand()?;
        line.expect(',')?;
        Ok::<_, String>((a, line.operand()?))
    };
    if let Some(op) = BinOp::from_word(word) {
        let (a, b) = operands()?;
        return Ok(Op::Binary { op, dst, a, b });
    }
    if let Some(op) = CmpOp::from_word(word) {
        let (a, b) = operands()?;
        return Ok(Op::Compare { op, dst, a, b });
    }
    Err(format!("unknown instruction `{word}`"))
}

fn two_texts(line: &mut Line<'_>) -> Result2<(StrOperand, StrOperand)> {
    let a = line.str_operand()?;
    line.expect(',')?;
    Ok((a, line.str_operand()?))
}

fn on_fault(line: &mut Line<'_>) -> Result2<OnFault> {
    match line.word()?.as_str() {
        "or_raise" => Ok(OnFault::Raise(StrId(line.entity("s")?))),
        "or_text" => Ok(OnFault::Default(StrId(line.entity("s")?))),
        "or_zero" => Ok(OnFault::Zero),
        word => Err(format!("unknown word `{word}`")),
    }
}

fn context_field(line: &mut Line<'_>) -> Result2<ContextField> {
    Ok(match line.word()?.as_str() {
        "trace_arg" => ContextField::TraceArg(line.small()?),
        "call_arg" => ContextField::CallArg(line.small()?),
        "syscall_nr" => ContextField::SyscallNr,
        "call_return" => ContextField::CallReturn,
        "regs" => ContextField::Regs,
        "instruction_pointer" => ContextField::InstructionPointer,
        "site_number" => ContextField::SiteNumber,
        "register" => ContextField::Register(line.small()?),
        word => return Err(format!("unknown word `{word}`")),
    })
}

fn iter_begin(line: &mut Line<'_>) -> Result2<Op> {
    let iter = Iter(line.entity("it")?);
    let source = if line.eat_word("hist") {
        let (store, keys) = line.element()?;
        IterSource::Histogram { store, keys }
    } else {
        let (store, slice) = line.slice()?;
        IterSource::Array { store, slice }
    };
    let descending = line.eat_word("falling");
    let sort = if descending || line.eat_word("rising") {
        let by = match line.word()?.as_str() {
            "key" => IterSortBy::Key(line.small()?),
            "value" => IterSortBy::Value,
            word => IterSortBy::Extractor(Extractor::from_word(word).ok_or("unknown sort")?),
        };
        Some(IterSort { by, descending })
    } else {
        None
    };
    let limit = if line.eat_word("limit") { Some(line.operand()?) } else { None };
    Ok(Op::IterBegin { iter, source, sort, limit })
}
