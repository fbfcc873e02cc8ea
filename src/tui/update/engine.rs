//! What the engine tells: compiling, diagnostics, the session's events. The screen keeps what ran until the new run has
//! started.

use std::sync::Arc;

use super::{question, warnings};
use crate::{
    diagnostics::Severity,
    runtime::session::{SessionCommand, SessionEvent},
    tui::{
        app::{Answer, Choice, Effect, Model},
        engine::{EngineEvent, Offer},
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
        EngineEvent::Attaching { run, places } => {
            if model.run.compiling.is_some_and(|(compiling, _)| compiling == run) {
                model.run.attaching = Some(places);
            }
        }
        EngineEvent::Asks { run, places, said } => {
            if model.run.compiling.take_if(|(compiling, _)| *compiling == run).is_some() {
                ask_to_run(model, places, said);
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
        EngineEvent::Failed { run, message, help, text: in_full } => {
            if model.run.compiling.is_some_and(|(compiling, _)| compiling == run) {
                model.run.compiling = None;
                model.run.attaching = None;
            }
            let text = match &help {
                Some(help) => format!("{message}; {help}"),
                None => message.clone(),
            };
            model.log.note_with(LineKind::Error, &text, &in_full, now);
            let old = if model.is_tracing() && !model.demo { "  the script before goes on" } else { "" };
            let next = if model.script.n_errors() > 0 { "   {next-error} next error" } else { "" };
            model.complain(format!("{text}{old}{next}"));
            model.run.failed = Some(message);
            if model.script.n_errors() > 0 {
                super::focus(model, Pane::Script);
            }
        }
        EngineEvent::Session { run, event } => session(model, run, event, effects),
        EngineEvent::Counted { point, result } => super::probes::counted(model, &point, result),
        EngineEvent::Offers(offer) => ask_to_fetch(model, offer),
        EngineEvent::Note(text) => model.log.note(LineKind::Note, &text, now),
    }
}

/// Functions, lines and variables of the kernel could be known better than they are.
fn ask_to_fetch(model: &mut Model, offer: Offer) {
    if model.settings.debuginfod == Some(false) {
        // Dropped, and that is no.
        return;
    }
    let text = vec![
        format!("There may be {}.", offer.text),
        "None is here. It may be hundreds of megabytes. Without it, functions are known by the kernel's own types: their \
         arguments, but no lines, no local variables and nothing of what is inlined."
            .into(),
        "debuginfod = false in the settings file keeps this question away.".into(),
    ];
    let options = vec![('f', "fetch it", Answer::Fetch), ('n', "go on without it", Answer::FetchNothing)];
    model.offer = Some(offer);
    question::ask(model, Choice { title: "Fetch debug information?".into(), text, options, came_up: None });
}

pub fn answer_offer(model: &mut Model, yes: bool) {
    let Some(offer) = model.offer.take() else { return };
    let _ = offer.answer.send(yes);
    if yes {
        model.log.note(LineKind::Note, &format!("fetching {}", offer.text), model.now);
        model.say("fetching debug information; functions and their lines come when it is here");
    }
}

/// The script would stop the kernel at very many places.
fn ask_to_run(model: &mut Model, places: usize, mut said: Vec<String>) {
    let old = if model.is_tracing() { " What runs now goes on until then." } else { "" };
    said.push(model.fill(&format!("The screen stays alive meanwhile, and {{stop}} takes all of it back.{old}")));
    let options = vec![('r', "run it", Answer::RunAnyway)];
    question::ask(model, Choice { title: format!("Arm {places} places?"), text: said, options, came_up: None });
}

fn session(model: &mut Model, run: u64, event: SessionEvent, effects: &mut Vec<Effect>) {
    let now = model.now;
    if let SessionEvent::Started(info) = event {
        let is_given_up = model.run.given_up.take_if(|given_up| *given_up == run).is_some();
        if is_given_up {
            effects.push(Effect::Command(SessionCommand::Stop));
        }
        let compiled = model.run.compiling.filter(|(compiling, _)| *compiling == run);
        let text = if model.demo {
            model.recorded.text.clone()
        } else if compiled.is_some() {
            model.run.pending.1.clone()
        } else {
            model.script.text()
        };
        if compiled.is_some() {
            model.run.compiling = None;
            model.run.attaching = None;
            model.run.version = model.run.pending.0;
        } else {
            model.run.version = model.script.name_text();
        }
        let in_kernel = info.probes.iter().filter(|p| p.in_kernel).map(|p| p.n_sites.max(1)).sum::<usize>();
        let swapped =
            if model.run.current.is_some_and(|current| current != run) { " (the script before has ended)" } else { "" };
        let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (probes, places) = (many(info.probes.len(), "probe"), many(in_kernel, "kernel site"));
        if !info.stap_line.is_empty() {
            model.log.note(LineKind::Note, &format!("$ {}", info.stap_line), now);
        }
        let mut verified = String::new();
        if info.program_bytes > 0 {
            verified += &format!(", {} of eBPF", shape::bytes(info.program_bytes));
        }
        if info.verified > 0 {
            verified += &format!(", {} instructions verified", info.verified);
        }
        let line = format!("running after {} ms: {probes}, {places}{verified}{swapped}", info.start_up.as_millis());
        model.log.note(LineKind::Note, &line, now);
        model.run.current = Some(run);
        model.run.stopping = is_given_up;
        model.run.ended = None;
        model.run.failed = None;
        model.run.has_warned_of_cost = false;
        model.run.has_warned_of_flood = false;
        model.run.found.clear();
        model.run.lost_at = None;
        model.run.output_seen = model.log.n_output;
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
            warnings::failed(model, &error);
            model.complain(format!("script error: {}", error.message));
        }
        SessionEvent::Snapshot(snapshot) => {
            model.history.push(snapshot, now);
            warnings::look(model);
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
            if std::mem::take(&mut model.run.stopping) {
                // What could still be stopped at once has ended.
                model.toast = None;
            }
            model.run.ended = Some(report);
            if model.quit_at.is_some() {
                model.quit_at = None;
                effects.push(Effect::Quit);
            }
        }
    }
}
