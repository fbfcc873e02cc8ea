//! Where text came from: every file, `-e` argument and pasted piece a script is made of, and positions in them.
//!
//! A [`Span`] is two byte offsets into one file, cheap to copy and to carry through every pass. Lines and columns are
//! worked out only when something is shown.

use std::sync::Arc;

/// One text of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A half-open range of bytes `start..end` in `file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// A span over nothing, for what tapdeck itself makes up. Never shown with a caret.
    pub const NONE: Span = Span { file: FileId(u32::MAX), start: 0, end: 0 };

    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        Self { file, start: start as u32, end: end as u32 }
    }

    /// The smallest span over both; `self` when the files differ.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    pub fn is_none(self) -> bool {
        self.file.0 == u32::MAX
    }
}

/// Whose text it is; decides what warnings apply and which functions win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The script the user runs, `-e` and `-E` text included.
    User,
    /// A tapset file, ours or from `-I`.
    Tapset,
}

/// One text: its name as diagnostics print it (`<input>` for `-e`), its bytes and its line starts.
#[derive(Debug)]
pub struct SourceFile {
    pub name: String,
    /// The text, with bytes that are not UTF-8 kept as they are.
    pub text: Vec<u8>,
    pub origin: Origin,
    line_starts: Vec<u32>,
}

impl SourceFile {
    fn new(name: String, text: Vec<u8>, origin: Origin) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i as u32 + 1));
        Self { line_starts: line_starts.collect(), name, text, origin }
    }

    /// 1-based line and 1-based column in bytes, as SystemTap counts them (a tab is one column).
    pub fn line_col(&self, offset: u32) -> (u32, u32) {
        let line_idx = self.line_starts.partition_point(|start| *start <= offset) - 1;
        (line_idx as u32 + 1, offset - self.line_starts[line_idx] + 1)
    }

    /// The bytes of a 1-based line without its newline; empty past the end.
    pub fn line(&self, line_number: u32) -> &[u8] {
        let Some(start) = self.line_starts.get(line_number as usize - 1) else { return &[] };
        let rest = &self.text[*start as usize..];
        &rest[..rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())]
    }

    pub fn n_lines(&self) -> u32 {
        self.line_starts.len() as u32
    }
}

/// One call of a macro. The text of its body gets a [`FileId`] of its own for every call (sharing the bytes), so that a
/// span alone tells through which calls it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// With the `@`.
    pub name: Arc<str>,
    /// The `@name` that was replaced; may itself lie in an expansion.
    pub call: Span,
}

#[derive(Clone, Debug)]
struct Entry {
    file: Arc<SourceFile>,
    expansion: Option<Arc<Expansion>>,
}

/// All texts of one run. Cloning is cheap: files are shared.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Entry>,
    /// What `$1`, `@1` and so on in the user's texts stand for.
    pub script_args: Arc<[Vec<u8>]>,
}

impl SourceMap {
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Vec<u8>>, origin: Origin) -> FileId {
        self.push(Entry { file: Arc::new(SourceFile::new(name.into(), text.into(), origin)), expansion: None })
    }

    /// The text of `file` once more, as the body of a macro called at `call`.
    pub fn add_expansion(&mut self, file: FileId, name: &str, call: Span) -> FileId {
        let Some(entry) = self.files.get(file.0 as usize) else { return file };
        let expansion = Some(Arc::new(Expansion { name: name.into(), call }));
        let file = entry.file.clone();
        self.push(Entry { file, expansion })
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn push(&mut self, entry: Entry) -> FileId {
        self.files.push(entry);
        FileId(self.files.len() as u32 - 1)
    }

    /// The macro call this file is the body of, if it is one.
    pub fn expansion(&self, file: FileId) -> Option<&Expansion> {
        self.files.get(file.0 as usize)?.expansion.as_deref()
    }

    /// Where in a script or tapset file the text at `span` ended up: `span` itself, or its outermost macro call.
    pub fn outermost(&self, mut span: Span) -> Span {
        while let Some(expansion) = self.expansion(span.file) {
            span = expansion.call;
        }
        span
    }

    /// The file, or `None` for [`Span::NONE`].
    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(file.0 as usize).map(|entry| &*entry.file)
    }

    /// The bytes under a span; empty for [`Span::NONE`].
    pub fn snippet(&self, span: Span) -> &[u8] {
        self.get(span.file).and_then(|f| f.text.get(span.start as usize..span.end as usize)).unwrap_or(&[])
    }

    /// `file:line:col` as diagnostics print it.
    pub fn place(&self, span: Span) -> String {
        match self.get(span.file) {
            Some(file) => {
                let (line, col) = file.line_col(span.start);
                format!("{}:{line}:{col}", file.name)
            }
            None => "<tapdeck>".to_owned(),
        }
    }

    /// Whose text it is; that of a macro body belongs to its caller.
    pub fn origin(&self, span: Span) -> Origin {
        self.get(self.outermost(span).file).map_or(Origin::Tapset, |file| file.origin)
    }
}
