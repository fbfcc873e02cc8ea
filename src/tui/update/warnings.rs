//! What a sample says that a person should hear of, with what helps: records and inserts that were lost, a buffer that
//! fills, probes that cost much, output that floods the log. What a line of the script is the cause of is said there, too.

use crate::{
    diagnostics::Severity,
    runtime::session::{ScriptError, Snapshot},
    tui::{
        app::Model,
        engine::{EditorDiagnostic, TokenClass},
        model::log::LineKind,
        shape,
    },
};

/// Lines a second that nobody reads.
const FLOOD: f64 = 500.0;

/// Looks at the newest sample.
pub fn look(model: &mut Model) {
    let Some(latest) = model.history.latest().map(|sample| sample.snapshot.clone()) else { return };
    let before = model.history.before(None).map(|sample| sample.snapshot.clone());
    let n_lines = model.log.n_output - std::mem::replace(&mut model.run.output_seen, model.log.n_output);
    lost(model, &latest, before.as_deref());
    let Some(before) = before else { return };
    let seconds = latest.at.saturating_sub(before.at).as_secs_f64();
    if seconds > 0.0 {
        filling(model, &latest, &before);
        costly(model, &latest, &before, seconds);
        flood(model, &latest, &before, n_lines as f64 / seconds, seconds);
    }
}

fn lost(model: &mut Model, latest: &Snapshot, before: Option<&Snapshot>) {
    let over = before.map(|before| latest.at.saturating_sub(before.at));
    let during = over.map_or(String::new(), |over| format!(" in {}", shape::seconds(over)));
    let drops = latest.cost.ring_drops.saturating_sub(before.map_or(0, |before| before.cost.ring_drops));
    if drops > 0 {
        model.run.lost_at = Some(model.now);
        let n = shape::short(drops as f64);
        let text = format!(
            "{n} records lost{during}: the ring buffer was full; {{arguments}} -s MB gives the next run a larger one, \
             or narrow the probe"
        );
        warn(model, &text);
    }
    for table in 0..latest.tables.len() {
        let overflows = |snapshot: &Snapshot| snapshot.tables.get(table).map_or(0, |table| table.overflows);
        let refused = overflows(latest).saturating_sub(before.map_or(0, overflows));
        let Some(info) = model.info().and_then(|info| info.tables.get(table)).cloned().filter(|_| refused > 0) else {
            continue;
        };
        model.run.lost_at = Some(model.now);
        let (n, name, most) = (shape::short(refused as f64), &info.name, info.max_entries);
        warn(model, &format!("{n} inserts refused{during}: {name} is full at {most} keys"));
        if let Some((line, columns)) = declaration(model, name) {
            let message = format!("full at {most} keys: new ones are refused");
            let help = format!("{name}[{}] has room for more, {name}% forgets the oldest", most.saturating_mul(4));
            found(model, line, columns, message, Some(help));
        }
    }
}

/// A script error, where it happened: `near` ends with `FILE:LINE:COLUMN`.
pub fn failed(model: &mut Model, error: &ScriptError) {
    let line = error.line as usize;
    let Some(text) = line.checked_sub(1).and_then(|idx| model.script.lines().get(idx)) else { return };
    let end = text.len();
    let column = error.near.rsplit(':').next().and_then(|column| column.parse::<usize>().ok());
    let start = column.map_or(text.len() - text.trim_start().len(), |column| column.saturating_sub(1)).min(end);
    let is_full = error.message.starts_with("Array overflow");
    let help = is_full.then(|| "name[N] has room for N keys, name% forgets the oldest".to_owned());
    found(model, line, start..(start + 1).min(end).max(start), error.message.clone(), help);
}

/// The ring buffer before it overflows: said when it passes the half, and again when it has been below it.
fn filling(model: &mut Model, latest: &Snapshot, before: &Snapshot) {
    let part = |snapshot: &Snapshot| snapshot.cost.ring_used as f64 / snapshot.cost.ring_size.max(1) as f64;
    let (now, then) = (part(latest), part(before));
    if now > 0.5 && then <= 0.5 && latest.cost.ring_drops == before.cost.ring_drops {
        warn(model, &format!("the ring buffer is {:.0} % full; nothing is lost yet", now * 100.0));
    }
}

fn costly(model: &mut Model, latest: &Snapshot, before: &Snapshot, seconds: f64) {
    let (Some(ns), Some(old)) = (latest.cost.run_time_ns, before.cost.run_time_ns) else { return };
    let percent = ns.saturating_sub(old) as f64 / 1e7 / seconds;
    let budget = model.settings.budget();
    if percent > f64::from(budget) && !model.run.has_warned_of_cost {
        model.run.has_warned_of_cost = true;
        let text = format!("the probes take {percent:.0} % of one CPU; {{costs}} in pane {{live}} shows which");
        let text = model.fill(&text);
        model.complain(&text);
        model.log.note(LineKind::Warning, &text, model.now);
    }
}

/// Blames the busiest probe that prints, if it alone is busy enough.
fn flood(model: &mut Model, latest: &Snapshot, before: &Snapshot, lines: f64, seconds: f64) {
    if lines < FLOOD {
        return;
    }
    let message = format!("{} lines/s flood the log", shape::short(lines));
    if !std::mem::replace(&mut model.run.has_warned_of_flood, true) {
        warn(model, &format!("{message}; a count in an array shows the same without reading"));
    }
    if !model.shows_what_runs() {
        return;
    }
    let Some(info) = model.info().cloned() else { return };
    let hits = |snapshot: &Snapshot, probe: usize| snapshot.cost.probes.get(probe).map_or(0, |cost| cost.hits);
    let printing = info.probes.iter().enumerate().filter_map(|(idx, probe)| {
        let rate = hits(latest, idx).saturating_sub(hits(before, idx)) as f64 / seconds;
        Some((rate, print_in(model, probe.line as usize)?))
    });
    if let Some((rate, (line, columns))) = printing.max_by(|a, b| a.0.total_cmp(&b.0))
        && rate >= FLOOD / 2.0
    {
        let help = "count in an array instead, or print what is rare".to_owned();
        found(model, line, columns, message, Some(help));
    }
}

fn warn(model: &mut Model, text: &str) {
    let text = model.fill(text);
    model.log.note(LineKind::Warning, &text, model.now);
}

/// Says something at the script's text for as long as it is what runs; of a place only what was said first.
fn found(model: &mut Model, line: usize, columns: std::ops::Range<usize>, message: String, help: Option<String>) {
    let is_known = model.run.found.iter().any(|known| known.line == line && known.columns == columns);
    if is_known || !model.shows_what_runs() {
        return;
    }
    let finding = EditorDiagnostic { line, columns, severity: Severity::Warning, message, help, fix: None };
    model.run.found.push(finding.clone());
    let mut list = std::mem::take(&mut model.script.diagnostics);
    list.push(finding);
    model.script.set_diagnostics(list);
}

/// Where a global is first named: line from 1, and columns.
fn declaration(model: &Model, name: &str) -> Option<(usize, std::ops::Range<usize>)> {
    let text = model.script.text();
    let tokens = model.script.tokens.iter();
    let mut named = tokens.filter(|token| text.get(token.range.clone()) == Some(name));
    place(&text, named.next()?.range.clone())
}

/// The first call that prints in the handler of the probe that begins at this line (from 1).
fn print_in(model: &Model, line: usize) -> Option<(usize, std::ops::Range<usize>)> {
    let text = model.script.text();
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let word = |range: &std::ops::Range<usize>| text.get(range.clone()).unwrap_or("");
    let inside = model.script.tokens.iter().filter(|token| token.range.start >= start);
    // Up to the next probe or function.
    let inside = inside.enumerate().take_while(|(n, token)| {
        *n == 0 || token.class != TokenClass::Keyword || !["probe", "function"].contains(&word(&token.range))
    });
    let mut prints = inside.filter(|(_, token)| {
        let word = word(&token.range);
        token.class == TokenClass::Function && (word.starts_with("print") || word == "log")
    });
    place(&text, prints.next()?.1.range.clone())
}

fn place(text: &str, range: std::ops::Range<usize>) -> Option<(usize, std::ops::Range<usize>)> {
    let before = text.get(..range.start)?;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    Some((before.matches('\n').count() + 1, range.start - start..range.end - start))
}
