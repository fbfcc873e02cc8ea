//! Preprocessor conditionals, `%( cond %? tokens %: tokens %)`, decided against a [`Conditions`] value.

use std::{cmp::Ordering, collections::HashMap, fmt, sync::Arc};

use super::{
    lexer,
    macros::{Expander, Macro, junk},
    token::{Kind, Token},
};
use crate::diagnostics::catalogue::parse as say;

/// `systemtap_privilege`, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    Stapusr,
    Stapsys,
    Stapdev,
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Privilege::Stapusr => "stapusr",
            Privilege::Stapsys => "stapsys",
            Privilege::Stapdev => "stapdev",
        })
    }
}

/// Looks up a kernel configuration option: `CONFIG_SMP` to `y`.
pub type ConfigLookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What conditionals may ask.
#[derive(Clone)]
pub struct Conditions {
    /// `kernel_v`: the release up to the first `-`, `6.12.4`.
    pub kernel_v: String,
    /// `kernel_vr`: the release, `6.12.4-200.fc41.x86_64`.
    pub kernel_vr: String,
    /// `x86_64`, `arm64`.
    pub arch: String,
    pub systemtap_v: String,
    pub runtime: String,
    pub guru_mode: bool,
    pub privilege: Privilege,
    pub config: ConfigLookup,
}

impl Conditions {
    /// Whether a text means the same under the others.
    pub fn same_as(&self, other: &Conditions) -> bool {
        let Conditions { kernel_v, kernel_vr, arch, systemtap_v, runtime, guru_mode, privilege, config } = self;
        *kernel_v == other.kernel_v
            && *kernel_vr == other.kernel_vr
            && *arch == other.arch
            && *systemtap_v == other.systemtap_v
            && *runtime == other.runtime
            && *guru_mode == other.guru_mode
            && *privilege == other.privilege
            && Arc::ptr_eq(config, &other.config)
    }
}

impl Default for Conditions {
    /// A recent kernel on x86-64 without configuration.
    fn default() -> Self {
        Self {
            kernel_v: "6.12.0".to_owned(),
            kernel_vr: "6.12.0".to_owned(),
            arch: "x86_64".to_owned(),
            systemtap_v: "5.6".to_owned(),
            runtime: "bpf".to_owned(),
            guru_mode: false,
            privilege: Privilege::Stapdev,
            config: Arc::new(|_| None),
        }
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conditions")
            .field("kernel_vr", &self.kernel_vr)
            .field("arch", &self.arch)
            .finish_non_exhaustive()
    }
}

struct Open {
    at: Token,
    in_else: bool,
}

/// The last step before the parser: macros expanded, conditionals decided.
pub struct Preprocessor<'a> {
    expander: Expander<'a>,
    conditions: &'a Conditions,
    open: Vec<Open>,
    peeked: Option<Token>,
}

impl<'a> Preprocessor<'a> {
    pub fn new(expander: Expander<'a>, conditions: &'a Conditions) -> Self {
        Self { expander, conditions, open: Vec::new(), peeked: None }
    }

    pub fn into_definitions(self) -> HashMap<Arc<str>, Arc<Macro>> {
        self.expander.into_definitions()
    }

    pub fn take_warnings(&mut self) -> Vec<crate::diagnostics::Diagnostic> {
        std::mem::take(&mut self.expander.warnings)
    }

    fn pull(&mut self) -> Option<Token> {
        self.peeked.take().or_else(|| self.expander.next_token())
    }

    /// The next token for the parser; errors come as [`Kind::Junk`].
    pub fn next_token(&mut self) -> Option<Token> {
        loop {
            let Some(token) = self.pull() else {
                let open = self.open.pop()?;
                self.open.clear();
                return Some(*junk(&open.at, say::conditional_unterminated()));
            };
            match token.kind {
                Kind::Op("%(") => match self.condition(&token) {
                    Err(junk) => return Some(*junk),
                    Ok(true) => self.open.push(Open { at: token, in_else: false }),
                    Ok(false) => match self.skip_branch(&token) {
                        Err(junk) => return Some(*junk),
                        Ok(Some(_)) => self.open.push(Open { at: token, in_else: true }),
                        Ok(None) => {}
                    },
                },
                Kind::Op("%:") => match self.open.pop() {
                    None => return Some(*junk(&token, say::conditional_unopened("%:"))),
                    Some(open) if open.in_else => {
                        self.open.push(open);
                        return Some(*junk(&token, say::conditional_second_else()));
                    }
                    Some(open) => match self.skip_branch(&open.at) {
                        Err(junk) => return Some(*junk),
                        Ok(None) => {}
                        // The taken branch is over; a second `%:` has nothing to belong to, nor has what follows it.
                        Ok(Some(second)) => {
                            let _ = self.skip_branch(&open.at);
                            return Some(*junk(&second, say::conditional_second_else()));
                        }
                    },
                },
                Kind::Op("%)") if self.open.pop().is_some() => {}
                Kind::Op(op @ ("%)" | "%?")) => return Some(*junk(&token, say::conditional_unopened(op))),
                _ => return Some(token),
            }
        }
    }

    /// Skips to the `%:` that ends the branch, which is returned, or its `%)`. Whatever is in there is not looked at.
    fn skip_branch(&mut self, open: &Token) -> Result<Option<Token>, Box<Token>> {
        let mut depth = 0usize;
        loop {
            let token = self
                .peeked
                .take()
                .or_else(|| self.expander.next_raw())
                .ok_or_else(|| junk(open, say::conditional_unterminated()))?;
            match token.kind {
                Kind::Op("%(") => depth += 1,
                Kind::Op("%)") if depth == 0 => return Ok(None),
                Kind::Op("%)") => depth -= 1,
                Kind::Op("%:") if depth == 0 => return Ok(Some(token)),
                _ => {}
            }
        }
    }

    /// `L OP R {&& L OP R} {|| …} %?`, after its `%(`.
    fn condition(&mut self, open: &Token) -> Result<bool, Box<Token>> {
        let mut any = false;
        let mut all = true;
        loop {
            let mut operand = || -> Result<Token, Box<Token>> {
                let token = self.pull().ok_or_else(|| junk(open, say::condition_incomplete()))?;
                if matches!(token.kind, Kind::Junk(_)) {
                    return Err(Box::new(token));
                }
                Ok(token)
            };
            let (left, op, right) = (operand()?, operand()?, operand()?);
            all &= self.compare(&left, &op, &right)?;
            let next = self.pull().ok_or_else(|| junk(open, say::expected_conditional_marker()))?;
            match next.kind {
                Kind::Op("&&") => {}
                Kind::Op("||") => {
                    any |= all;
                    all = true;
                }
                Kind::Op("%?") => return Ok(any | all),
                _ => return Err(junk(open, say::expected_conditional_marker())),
            }
        }
    }

    fn compare(&self, left: &Token, op: &Token, right: &Token) -> Result<bool, Box<Token>> {
        let c = self.conditions;
        let equality = || match op.kind {
            Kind::Op("==") => Ok(true),
            Kind::Op("!=") => Ok(false),
            _ => Err(junk(op, say::expected_equality())),
        };
        let string = || match right.kind {
            Kind::Str => Ok(String::from_utf8_lossy(&right.text).into_owned()),
            _ => Err(junk(right, say::expected_string_literal())),
        };
        match (&left.kind, left.name()) {
            (Kind::Ident, name @ ("kernel_v" | "kernel_vr" | "systemtap_v")) => {
                let ours = match name {
                    "kernel_v" => &c.kernel_v,
                    "kernel_vr" => &c.kernel_vr,
                    _ => &c.systemtap_v,
                };
                let wanted = string()?;
                let has_wildcard = wanted.contains(['*', '?', '[']);
                match op.kind {
                    Kind::Op("==") if has_wildcard => Ok(glob(wanted.as_bytes(), ours.as_bytes())),
                    Kind::Op("!=") if has_wildcard => Ok(!glob(wanted.as_bytes(), ours.as_bytes())),
                    Kind::Op("<" | "<=" | ">" | ">=") if has_wildcard => Err(junk(op, say::wildcard_with_order())),
                    _ => ordered(op, version_cmp(ours, &wanted)),
                }
            }
            (Kind::Ident, "systemtap_privilege") => {
                let ours = c.privilege.to_string();
                Ok((string()? == ours) == equality()?)
            }
            (Kind::Ident, "guru_mode") => {
                let wanted = match (&right.kind, right.name()) {
                    (Kind::Number, "0") => false,
                    (Kind::Number, "1") => true,
                    (Kind::Number, _) => return Err(junk(op, say::expected_zero_or_one())),
                    _ => return Err(junk(right, say::expected_number())),
                };
                Ok((c.guru_mode == wanted) == equality()?)
            }
            (Kind::Ident, name @ ("arch" | "runtime")) => {
                let ours = if name == "arch" { &c.arch } else { &c.runtime };
                let wanted = string()?;
                Ok(glob(wanted.as_bytes(), ours.as_bytes()) == equality()?)
            }
            (Kind::Ident, name) if name.starts_with("CONFIG_") => {
                let ours = (c.config)(name).unwrap_or_default();
                match right.kind {
                    Kind::Str => Ok(glob(&right.text, ours.as_bytes()) == equality()?),
                    Kind::Number => {
                        let wanted = lexer::number(right.name()).ok_or_else(|| junk(right, say::number_invalid()))?;
                        // An option that is not set, or no number, is 0.
                        ordered(op, lexer::number(&ours).unwrap_or(0).cmp(&wanted))
                    }
                    Kind::Ident if right.name().starts_with("CONFIG_") => {
                        let theirs = (c.config)(right.name()).unwrap_or_default();
                        match (lexer::number(&ours), lexer::number(&theirs)) {
                            (Some(a), Some(b)) => ordered(op, a.cmp(&b)),
                            _ => ordered(op, ours.cmp(&theirs)),
                        }
                    }
                    _ => Err(junk(right, say::expected_config_operand())),
                }
            }
            (Kind::Str, _) => match right.kind {
                Kind::Str => ordered(op, left.text.cmp(&right.text)),
                Kind::Number => Err(junk(right, say::expected_string_right())),
                _ => Err(junk(left, say::unknown_condition())),
            },
            (Kind::Number, _) => {
                match right.kind {
                    Kind::Number => {}
                    Kind::Str => return Err(junk(right, say::expected_number_right())),
                    _ => return Err(junk(left, say::unknown_condition())),
                }
                let value = |t: &Token| lexer::number(t.name()).ok_or_else(|| junk(t, say::number_invalid()));
                ordered(op, (value(left)? as i64).cmp(&(value(right)? as i64)))
            }
            _ => Err(junk(left, say::unknown_condition())),
        }
    }
}

fn ordered(op: &Token, ordering: Ordering) -> Result<bool, Box<Token>> {
    Ok(match op.kind {
        Kind::Op("==") => ordering.is_eq(),
        Kind::Op("!=") => ordering.is_ne(),
        Kind::Op("<") => ordering.is_lt(),
        Kind::Op("<=") => ordering.is_le(),
        Kind::Op(">") => ordering.is_gt(),
        Kind::Op(">=") => ordering.is_ge(),
        _ => return Err(junk(op, say::expected_comparison())),
    })
}

/// Versions compared as glibc's `strverscmp` does: runs of digits as numbers, the rest as bytes.
pub fn version_cmp(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    // A difference inside a run of digits is a difference of that number.
    while i > 0 && a[i - 1].is_ascii_digit() {
        i -= 1;
    }
    let digits = |s: &[u8]| s[i..].iter().take_while(|c| c.is_ascii_digit()).count();
    let (n, m) = (digits(a), digits(b));
    if n == 0 || m == 0 {
        return a[i..].cmp(&b[i..]);
    }
    let (x, y) = (&a[i..i + n], &b[i..i + m]);
    if x[0] == b'0' || y[0] == b'0' {
        // Leading zeros are read as a fraction: more of them sort first.
        let zeros = |s: &[u8]| s.iter().take_while(|c| **c == b'0').count();
        return zeros(y).cmp(&zeros(x)).then_with(|| x.cmp(y)).then_with(|| a[i + n..].cmp(&b[i + m..]));
    }
    n.cmp(&m).then_with(|| x.cmp(y)).then_with(|| a[i + n..].cmp(&b[i + m..]))
}

/// Shell pattern matching as `fnmatch` without flags: `*`, `?`, `[a-z]`, `[!x]`, backslash.
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let matched = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(_) if t == text.len() => None,
            Some(b'?') => Some(p + 1),
            Some(b'[') => match_class(&pattern[p..], text[t]).and_then(|(len, hit)| hit.then_some(p + len)),
            Some(b'\\') if p + 1 < pattern.len() => (pattern[p + 1] == text[t]).then_some(p + 2),
            Some(byte) => (*byte == text[t]).then_some(p + 1),
        };
        match (matched, retry) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((star, from))) if from < text.len() => {
                retry = Some((star, from + 1));
                p = star;
                t = from + 1;
            }
            _ => return false,
        }
    }
}

/// Length of the bracket expression at the start of `pattern` and whether `byte` is in it; a `[` without end is itself.
fn match_class(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = 1 + usize::from(negated);
    let Some(len) = pattern.iter().skip(first + 1).position(|c| *c == b']') else { return Some((1, byte == b'[')) };
    let inside = &pattern[first..first + 1 + len];
    let mut hit = false;
    let mut i = 0;
    while i < inside.len() {
        if i + 2 < inside.len() && inside[i + 1] == b'-' {
            hit |= (inside[i]..=inside[i + 2]).contains(&byte);
            i += 3;
        } else {
            hit |= inside[i] == byte;
            i += 1;
        }
    }
    Some((first + len + 2, hit != negated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (a, b, wanted) in [
            ("6.12", "6.9", Ordering::Greater),
            ("6.12", "6.12", Ordering::Equal),
            ("6.12.1", "6.12", Ordering::Greater),
            ("2.6.9", "2.6.10", Ordering::Less),
            ("4.1", "4.01", Ordering::Greater),
            ("6.1-rc1", "6.1-rc2", Ordering::Less),
        ] {
            assert_eq!(version_cmp(a, b), wanted, "{a} {b}");
            assert_eq!(version_cmp(b, a), wanted.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, wanted) in [
            ("", "", true),
            ("*", "", true),
            ("a*b", "axxb", true),
            ("a*b", "axxc", false),
            ("x86*", "x86_64", true),
            ("[ab]?", "bz", true),
            ("[!ab]", "a", false),
            ("[a-c]*", "c1", true),
            ("a**a*", "abca", true),
            ("[", "[", true),
            ("*.fc[12]*", "6.1.fc2", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), wanted, "{pattern} {text}");
        }
    }
}
