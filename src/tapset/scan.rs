//! What a tapset file defines at its top level, found without parsing it: comments, strings and bodies are skipped.
//! Both sides of a `%( … %)` conditional count; the parser decides later which one is there.

/// One name a file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub kind: DefinitionKind,
    /// Of an alias: its parts joined by dots.
    pub name: String,
    pub private: bool,
    /// Byte offset of the keyword that opens the definition.
    pub at: usize,
    /// Of an alias: the points it stands for, as written. Of a function: its head from name to the opening brace.
    pub head: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionKind {
    Function,
    Global,
    Alias,
}

/// Lists the definitions of a file in order.
pub fn scan(text: &[u8]) -> Vec<Definition> {
    Scanner { text, at: 0, found: Vec::new() }.run()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    found: Vec<Definition>,
}

impl Scanner<'_> {
    fn run(mut self) -> Vec<Definition> {
        let mut depth = 0usize;
        let mut private_at = None;
        loop {
            self.skip_blank();
            let start = self.at;
            let Some(byte) = self.text.get(self.at).copied() else { return self.found };
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if !(byte.is_ascii_alphabetic() || byte == b'_') {
                self.at += 1;
                continue;
            }
            let word = self.word();
            if depth > 0 {
                continue;
            }
            match word.as_str() {
                "private" => {
                    private_at = Some(start);
                    continue;
                }
                "function" => self.function(private_at.unwrap_or(start), private_at.is_some()),
                "global" => self.globals(private_at.unwrap_or(start), private_at.is_some()),
                "probe" => self.alias(start),
                // `private x` without `global`.
                _ if private_at.is_some() => {
                    self.at = start;
                    self.globals(private_at.unwrap_or(start), true);
                }
                _ => {}
            }
            private_at = None;
        }
    }

    fn function(&mut self, at: usize, private: bool) {
        self.skip_blank();
        let start = self.at;
        let name = self.word();
        while self.text.get(self.at).is_some_and(|byte| *byte != b'{' && *byte != b'%') {
            self.at += 1;
        }
        let head = squeeze(&self.text[start..self.at]);
        self.push(DefinitionKind::Function, name, private, at, head);
    }

    fn globals(&mut self, at: usize, private: bool) {
        loop {
            self.skip_blank();
            let name = self.word();
            if name.is_empty() {
                return;
            }
            self.push(DefinitionKind::Global, name, private, at, String::new());
            // `%`, `[N]`, `= literal` up to a comma or to something that starts the next definition.
            loop {
                self.skip_blank();
                match self.text.get(self.at) {
                    Some(b'%') if self.text.get(self.at + 1).is_some_and(|b| b"{(:?)".contains(b)) => return,
                    Some(b'%' | b'=' | b'-') => self.at += 1,
                    Some(b'[') => {
                        while self.text.get(self.at).is_some_and(|byte| *byte != b']') {
                            self.at += 1;
                        }
                        self.at += 1;
                    }
                    Some(b'"') => self.skip_string(),
                    Some(byte) if byte.is_ascii_digit() => {
                        self.word();
                    }
                    Some(b',') => {
                        self.at += 1;
                        break;
                    }
                    _ => return,
                }
            }
        }
    }

    /// `probe a.b = points {` or `+=`; a plain probe defines nothing.
    fn alias(&mut self, at: usize) {
        let start = self.at;
        let mut equals = Vec::new();
        let mut parens = 0usize;
        loop {
            self.skip_blank();
            match self.text.get(self.at) {
                None | Some(b'}') => return,
                Some(b'{') if equals.is_empty() => return,
                Some(b'{') => break,
                Some(b'"') => {
                    self.skip_string();
                    continue;
                }
                Some(b'(') => parens += 1,
                Some(b')') => parens = parens.saturating_sub(1),
                Some(b'=') if parens == 0 => equals.push(self.at),
                _ => {}
            }
            self.at += 1;
        }
        let head = squeeze(&self.text[equals[equals.len() - 1] + 1..self.at]);
        let mut name_start = start;
        for equal in equals {
            let name: String =
                squeeze(&self.text[name_start..equal]).trim_end_matches('+').chars().filter(|c| *c != ' ').collect();
            self.push(DefinitionKind::Alias, name, false, at, head.clone());
            name_start = equal + 1;
        }
    }

    fn push(&mut self, kind: DefinitionKind, name: String, private: bool, at: usize, head: String) {
        if !name.is_empty() {
            self.found.push(Definition { kind, name, private, at, head });
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$')) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            if rest.first().is_some_and(u8::is_ascii_whitespace) {
                self.at += 1;
            } else if rest.starts_with(b"/*") {
                self.at += find(rest, b"*/").map_or(rest.len(), |end| end + 2);
            } else if rest.starts_with(b"//") || rest.starts_with(b"#") {
                self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            } else if rest.starts_with(b"%{") {
                self.at += find(rest, b"%}").map_or(rest.len(), |end| end + 2);
            } else if rest.starts_with(b"\"") {
                self.skip_string();
            } else {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' || *byte == b'\n' {
                break;
            }
        }
        self.at = self.at.min(self.text.len());
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

/// White space runs become one space.
fn squeeze(text: &[u8]) -> String {
    String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        scan(text.as_bytes())
            .into_iter()
            .map(|d| format!("{:?}{} {} <{}>", d.kind, if d.private { " private" } else { "" }, d.name, d.head))
            .collect()
    }

    #[test]
    fn finds_definitions_and_skips_bodies() {
        let text = r#"
            // function not(this)
            function f:long (x, y) { function_like = "}" ; global_like = 1 }
            private function g() %{ } function no() %}
            global a, b[10], c% = 3, d = "x,y"
            private e = 4
            probe x.y = begin, kernel.trace("a:b") if (a == 1) { name = "x" }, { done = 1 }
            probe p = q = timer.s(1) { }
            probe r += end { }
            probe begin { z = 1 }
        "#;
        assert_eq!(
            names(text),
            [
                "Function f <f:long (x, y)>",
                "Function private g <g()>",
                "Global a <>",
                "Global b <>",
                "Global c <>",
                "Global d <>",
                "Global private e <>",
                "Alias x.y <begin, kernel.trace(\"a:b\") if (a == 1)>",
                "Alias p <timer.s(1)>",
                "Alias q <timer.s(1)>",
                "Alias r <end>",
            ]
        );
    }

    #[test]
    fn never_runs_past_the_end() {
        for text in ["probe", "probe a", "probe a =", "function", "global", "global a =", "\"", "/*", "%{", "private"] {
            let _ = scan(text.as_bytes());
        }
    }
}
