//! The editor's completion over the real library and machine.

use crate::{
    elaborate::complete::{CandidateKind, Completions},
    tui::engine::{Completion, CompletionKind, CompletionList},
};

pub fn list(found: Completions) -> CompletionList {
    let items = found.candidates.into_iter().map(|candidate| Completion {
        label: candidate.text.clone(),
        insert: candidate.text,
        signature: candidate.signature,
        doc: candidate.doc,
        kind: match candidate.kind {
            CandidateKind::Probe => CompletionKind::Probe,
            CandidateKind::Function => CompletionKind::Function,
            CandidateKind::Global => CompletionKind::Global,
            CandidateKind::Local => CompletionKind::Local,
            CandidateKind::ContextVar | CandidateKind::Member => CompletionKind::ContextVar,
            CandidateKind::Keyword => CompletionKind::Keyword,
            CandidateKind::Macro => CompletionKind::Macro,
        },
    });
    CompletionList { start: found.start, items: items.collect() }
}
