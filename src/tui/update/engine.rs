//! What the engine tells: compiling, diagnostics, the session's events. The screen keeps what ran until the new run has
//! started.

use std::sync::Arc;

use crate::{
    diagnostics::Severity,
    runtime::session::SessionEvent,
    tui::{
        app::{Effect, Model},
        engine::EngineEvent,
        layout::Pane,
        model::log::LineKind,
        shape,
    },
};

pub fn event(model: &mut Model, event: EngineEvent, effects: &mut Vec<Effect>) {
    let now = model.now;
    match event {
        EngineEvent::Compiling { run } => {
            if model.run.compiling.is_none() {
                model.run.compiling = Some((run, now));
            }
        }
        EngineEvent::Diagnostics { run, list } => {
            for diagnostic in &list {
                let kind = if diagnostic.severity == Severity::Error { LineKind::Error } else { LineKind::Warning };
                let what = if kind == LineKind::Error { "error" } else { "warning" };
                model.log.note(kind, &format!("{what}: {} (line {})", diagnostic.message, diagnostic.line), now);
            }
            let is_latest = run + 1 == model.run.next;
            if is_latest && model.run.pending.0 == model.script.version {
                super::set_findings(model, list);
                if model.script.n_errors() > 0 {
                    model.script.jump(0, 0);
                    let first = model.script.diagnostics.iter().find(|d| d.severity == Severity::Error).cloned();
                    if let Some(first) = first {
                        model.script.jump_byte(first.line.saturating_sub(1), first.columns.start);
                    }
                }
            }
        }
        EngineEvent::Failed { run, message, help } => {
            if model.run.compiling.is_some_and(|(compiling, _)| compiling == run) {
                model.run.compiling = None;
            }
            let text = match &help {
                Some(help) => format!("{message}; {help}"),
                None => message.clone(),
            };
            model.log.note(LineKind::Error, &text, now);
            let old = if model.is_tracing() { "  the script before goes on" } else { "" };
            model.complain(format!("{text}{old}"));
            model.run.failed = Some(message);
            if model.script.n_errors() > 0 {
                super::focus(model, Pane::Script);
            }
        }
        EngineEvent::Session { run, event } => session(model, run, event, effects),
        EngineEvent::Counted { point, result } => super::probes::counted(model, &point, result),
        EngineEvent::Note(text) => model.log.note(LineKind::Note, &text, now),
    }
}

fn session(model: &mut Model, run: u64, event: SessionEvent, effects: &mut Vec<Effect>) {
    let now = model.now;
    if let SessionEvent::Started(info) = event {
        let compiled = model.run.compiling.filter(|(compiling, _)| *compiling == run);
        let text = if compiled.is_some() { model.run.pending.1.clone() } else { model.script.text() };
        if compiled.is_some() {
            model.run.compiling = None;
            model.run.version = model.run.pending.0;
        } else {
            model.run.version = model.script.version;
        }
        let in_kernel = info.probes.iter().filter(|p| p.in_kernel).map(|p| p.n_sites.max(1)).sum::<usize>();
        let swapped =
            if model.run.current.is_some_and(|current| current != run) { " (the script before has ended)" } else { "" };
        let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (probes, places) = (many(info.probes.len(), "probe"), many(in_kernel, "kernel site"));
        if !info.stap_line.is_empty() {
            model.log.note(LineKind::Note, &format!("$ {}", info.stap_line), now);
        }
        let line = format!("running after {} ms: {probes}, {places}{swapped}", info.start_up.as_millis());
        model.log.note(LineKind::Note, &line, now);
        model.run.current = Some(run);
        model.run.stopping = false;
        model.run.ended = None;
        model.run.failed = None;
        model.history.clear();
        model.cursor = None;
        let first = model.run.shown.replace(model.script.id) != Some(model.script.id);
        model.browser.set_running(info.probes.iter().map(|probe| probe.written.clone()).collect());
        model.live.start(Arc::new(*info), &text);
        if first {
            super::block::apply(model);
        }
        model.live.refresh(&model.history, None, now);
        return;
    }
    if model.run.current != Some(run) {
        // The last words of the script that was swapped out; its tables are gone from the screen.
        match event {
            SessionEvent::Output(bytes) => model.log.output(&bytes, now),
            SessionEvent::Warning(text) => model.log.note(LineKind::Warning, &format!("WARNING: {text}"), now),
            _ => (),
        }
        return;
    }
    match event {
        SessionEvent::Started(_) => (),
        SessionEvent::Output(bytes) => model.log.output(&bytes, now),
        SessionEvent::Warning(text) => model.log.note(LineKind::Warning, &format!("WARNING: {text}"), now),
        SessionEvent::Error(error) => {
            let near = if error.near.is_empty() { String::new() } else { format!(" near {}", error.near) };
            model.log.note(LineKind::Error, &format!("ERROR: {}{near}", error.message), now);
            model.complain(format!("script error: {}", error.message));
        }
        SessionEvent::Snapshot(snapshot) => {
            let before = model.history.latest().map(|s| (s.snapshot.cost.ring_drops, s.snapshot.cost.overflows));
            let (drops, overflows) = before.unwrap_or_default();
            let cost = &snapshot.cost;
            if cost.ring_drops > drops {
                let n = shape::short((cost.ring_drops - drops) as f64);
                model.log.note(LineKind::Warning, &format!("{n} records lost: the ring buffer was full"), now);
            }
            if cost.overflows > overflows {
                let n = shape::short((cost.overflows - overflows) as f64);
                model.log.note(LineKind::Warning, &format!("{n} inserts refused: an array is full"), now);
            }
            model.history.push(snapshot, now);
            if model.cursor.is_none() {
                model.live.refresh(&model.history, None, now);
            }
        }
        SessionEvent::Ended(report) => {
            if let Some(last) = &report.last {
                model.history.push(last.clone(), now);
                if model.cursor.is_none() {
                    model.live.refresh(&model.history, None, now);
                }
            }
            model.log.note(LineKind::Note, &format!("ended after {}", shape::clock(report.ran.as_secs())), now);
            model.run.current = None;
            model.browser.set_running(Vec::new());
            model.run.stopping = false;
            model.run.ended = Some(report);
            if model.quit_at.is_some() {
                model.quit_at = None;
                effects.push(Effect::Quit);
            }
        }
    }
}
