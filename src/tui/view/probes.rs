//! The probe browser: filter line, the rows of the tree that are on screen, and below what the selected probe offers.

use ratatui::layout::{Position, Rect};

use super::{
    frame,
    pen::{Pen, cut, text_width, wrapped},
    section,
};
use crate::tui::{
    action::{ACTIONS, Act},
    app::Model,
    engine::Holds,
    layout::Pane,
    model::browser::{BrowserRow, COUNT_OVER, Part, PartKind},
    shape,
    theme::Role,
};

/// Rows for the tree inside `area`: less the border, the filter line and the detail.
pub fn list_height(model: &Model, area: Rect) -> usize {
    let inside = area.height.saturating_sub(3);
    usize::from(inside.saturating_sub(detail_height(model, inside)))
}

/// From so many columns on a probe's rate and its cost stand beside it.
const ROOM_FOR_COST: u16 = 44;

/// A fixed share, so that the list does not jump with each selection.
fn detail_height(_: &Model, inside: u16) -> u16 {
    if inside < 12 { 0 } else { (inside * 54 / 100).min(20) }
}

pub fn draw(model: &Model, pen: &mut Pen) -> Option<Position> {
    let browser = &model.browser;
    let n = browser.n_entries();
    let said = match browser.indexed {
        Some(part) => format!("{n}, debug info {part} %"),
        None if browser.loading => format!("loading {n}"),
        None => n.to_string(),
    };
    let n_running = model.info().filter(|_| model.is_tracing()).map_or(0, |info| info.probes.len());
    let running = if n_running > 0 { format!(" {} {n_running} attached", model.glyphs.dot) } else { String::new() };
    let title = format!("Probes {} {said}{running}", model.glyphs.dot);
    let area = pen.area;
    let mut inner = frame(model, pen, Pane::Probes, &title, "");
    let width = inner.width();
    let height = list_height(model, area);
    // The filter line.
    let mut cursor = None;
    let key = model.theme.get(if browser.typing { Role::Key } else { Role::Dim });
    let x = inner.text(1, 0, "/ ", key);
    let filter = browser.filter.text();
    if filter.is_empty() {
        let hint = if browser.typing { "type to find a probe" } else { "press / to find a probe" };
        inner.text(x, 0, hint, model.theme.get(Role::Dim));
    } else {
        inner.text(x, 0, filter, model.theme.get(Role::Prompt));
    }
    if let Some(n) = browser.n_matches() {
        let s = if n == 1 { "" } else { "es" };
        let said = if browser.is_looking() { " looking ...".to_owned() } else { format!(" {n} match{s}") };
        inner.right(width.saturating_sub(1), 0, &said, model.theme.get(Role::Dim));
    }
    if browser.typing && model.focus == Pane::Probes && inner.height() > 0 {
        let at = (3 + text_width(browser.filter.before_cursor())).min(usize::from(width.saturating_sub(1)));
        cursor = Some(Position::new(inner.area.x + at as u16, inner.area.y));
    }
    for (n, row) in browser.rows().iter().enumerate().skip(browser.scroll).take(height) {
        let y = (n - browser.scroll) as u16 + 1;
        draw_row(model, &mut inner.inner(0, y, width, 1), row, n == browser.selected);
        if n == browser.selected {
            let focused = model.focus == Pane::Probes;
            inner.text(0, y, model.glyphs.pointer, model.theme.get(Role::Key));
            inner.paint(0, y, width, model.theme.get(if focused { Role::RowSelected } else { Role::RowBlur }));
        }
    }
    if browser.rows().is_empty() && !browser.loading {
        let text = if filter.is_empty() { "no probes can be listed here" } else { "no probe matches" };
        inner.text(2, 1, text, model.theme.get(Role::Dim));
    }
    let y = height as u16 + 1;
    let left = inner.height().saturating_sub(y);
    if left > 1 {
        detail(model, &mut inner.inner(0, y, width, left));
    }
    cursor
}

fn draw_row(model: &Model, pen: &mut Pen, row: &BrowserRow, is_selected: bool) {
    let width = pen.width();
    match row {
        BrowserRow::Group { path, depth, open, count } => {
            let is_counting = model.browser.counting().is_some() && is_selected;
            let count = if is_counting { "counting ...".to_owned() } else { count.to_string() };
            let glyph = if *open { model.glyphs.open } else { model.glyphs.closed };
            let name = path.rsplit('/').next().unwrap_or(path);
            let x = pen.text(1 + 2 * *depth as u16, 0, glyph, model.theme.get(Role::Key)) + 1;
            let room = width.saturating_sub(x + text_width(&count) as u16 + 2);
            pen.cut(x, 0, room, name, model.theme.get(Role::TreeGroup), &model.glyphs);
            pen.right(width.saturating_sub(1), 0, &count, model.theme.get(Role::TreeCount));
        }
        BrowserRow::Running { probe, written } => {
            let cost = model.sample().and_then(|sample| sample.snapshot.cost.probes.get(*probe));
            let on = cost.is_none_or(|cost| cost.enabled);
            let (glyph, role) = if on { (model.glyphs.on, Role::ProbeOn) } else { (model.glyphs.off, Role::ProbeOff) };
            pen.text(3, 0, glyph, model.theme.get(role));
            let hits = match cost {
                Some(cost) if !cost.enabled => "off".to_owned(),
                Some(cost) if width >= ROOM_FOR_COST => {
                    let rate =
                        super::status::hit_rate(model, *probe).map_or(model.glyphs.none.to_owned(), shape::short);
                    let ns = cost.run_time_ns.filter(|_| cost.hits > 0).map(|ns| ns as f64 / cost.hits as f64);
                    let each = ns.map_or(String::new(), |ns| shape::sample(ns.round(), shape::Unit::Ns));
                    format!("{rate}/s {each:>6}")
                }
                Some(cost) => format!("{} hits", shape::short(cost.hits as f64)),
                None => String::new(),
            };
            let room = width.saturating_sub(7 + text_width(&hits) as u16);
            pen.cut(5, 0, room, written, model.theme.get(if on { Role::Text } else { Role::Dim }), &model.glyphs);
            pen.right(width.saturating_sub(1), 0, &hits, model.theme.get(Role::TreeCount));
        }
        BrowserRow::Entry { idx, depth } => {
            let entry = model.browser.entry(*idx);
            let filtered = model.browser.n_matches().is_some();
            // Functions are many, and their names long: where they are says more than what one writes around them.
            let file = entry.group.strip_prefix("kernel.function/").filter(|_| filtered);
            let name = if filtered && file.is_none() { &*entry.point } else { entry.label() };
            let x = if filtered { 3 } else { 3 + 2 * *depth as u16 };
            // That it opens is said where one stands.
            let open = model.browser.is_open(*idx);
            if open || is_selected {
                let glyph = if open { model.glyphs.open } else { model.glyphs.closed };
                pen.text(x.saturating_sub(2), 0, glyph, model.theme.get(if open { Role::Key } else { Role::Dim }));
            }
            let file = file.map(|file| if file.contains(['/', '.']) { file } else { "kernel.function" });
            let mark = file.unwrap_or(if entry.has_return { ".return" } else { "" });
            let hits = hits_text(model, &entry.point).or_else(|| running_text(model, &entry.point));
            let mark = hits.as_deref().unwrap_or(mark);
            let room = usize::from(width.saturating_sub(x + 1));
            let shown = cut(name, room, model.glyphs.ellipsis);
            let end = pen.text(x, 0, &shown, model.theme.get(Role::Text));
            let skipped = entry.point.find(name).unwrap_or(0);
            for at in model.browser.match_indices(entry) {
                if let Some(at) =
                    (at as usize).checked_sub(skipped).filter(|at| filtered && *at < shown.chars().count())
                {
                    pen.paint(x + at as u16, 0, 1, model.theme.get(Role::RowMatch));
                }
            }
            if end + 1 + (mark.len() as u16) < width {
                pen.right(width.saturating_sub(1), 0, mark, model.theme.get(Role::TreeCount));
            }
        }
        BrowserRow::Inside { depth, part, .. } => draw_part(model, pen, *depth, part),
    }
}

/// How often a point was hit while that was counted.
fn hits_text(model: &Model, point: &str) -> Option<String> {
    if model.browser.counting() == Some(point) {
        return Some("counting ...".to_owned());
    }
    let hits = model.browser.hits(point)?;
    Some(if hits == 1 { "1 hit".to_owned() } else { format!("{} hits", shape::short(hits as f64)) })
}

/// That the script on show probes a point, and how often it is hit.
fn running_text(model: &Model, point: &str) -> Option<String> {
    let probe = model.running_at(point)?;
    let cost = model.sample()?.snapshot.cost.probes.get(probe)?;
    if !cost.enabled {
        return Some(format!("{} off", model.glyphs.off));
    }
    Some(format!("{} {}/s", model.glyphs.on, shape::short(super::status::hit_rate(model, probe)?)))
}

/// What tracing a point costs: measured where it runs, reckoned from counted hits where it does not.
fn cost_of(model: &Model, point: &str) -> Option<String> {
    let of_cpu = |rate: f64, ns: f64| format!("{:.2} % cpu", rate * ns / 1e7);
    if let Some(probe) = model.running_at(point) {
        let cost = model.sample()?.snapshot.cost.probes.get(probe)?;
        let (rate, ns) = (super::status::hit_rate(model, probe)?, cost.run_time_ns.filter(|_| cost.hits > 0)?);
        let ns = ns as f64 / cost.hits as f64;
        let each = shape::sample(ns.round(), shape::Unit::Ns);
        return Some(format!("{each}/ev x {}/s = {}", shape::short(rate), of_cpu(rate, ns)));
    }
    let rate = model.browser.hits(point)? as f64 / COUNT_OVER.as_secs_f64();
    // A count, a sum or a bucket takes about so long.
    let ns = super::status::rates(model).ns_per_event.unwrap_or(USUAL_NS);
    let each = shape::sample(ns.round(), shape::Unit::Ns);
    Some(format!("traced, at ~{each}/ev x {}/s: {}", shape::short(rate), of_cpu(rate, ns)))
}

/// Of an event, where none has been measured yet.
const USUAL_NS: f64 = 350.0;

/// Something inside an entry: a variable with its type, a heading, a copy, a line.
fn draw_part(model: &Model, pen: &mut Pen, depth: usize, part: &Part) {
    let width = pen.width();
    let x = 3 + 2 * depth as u16;
    if let Some(open) = part.open {
        let glyph = if open { model.glyphs.open } else { model.glyphs.closed };
        pen.text(x.saturating_sub(2), 0, glyph, model.theme.get(Role::Key));
    }
    let mut cut = |x: u16, text: &str, role| {
        pen.cut(x, 0, width.saturating_sub(x + 1), text, model.theme.get(role), &model.glyphs)
    };
    match &part.kind {
        PartKind::Variable { at_return, variable, .. } => {
            let end = cut(x, &variable.name, if variable.note.is_empty() { Role::SynContext } else { Role::Dim });
            let end = cut(end + 1, &variable.ty, Role::SynProbe);
            let note = if variable.note.is_empty() && *at_return { "at return" } else { variable.note.as_str() };
            cut(end + 1, note, Role::Dim);
        }
        PartKind::Section { name, count } => {
            cut(x, name, Role::TreeGroup);
            pen.right(width.saturating_sub(1), 0, &count.to_string(), model.theme.get(Role::TreeCount));
        }
        PartKind::Copy(caller, note) => {
            let end = cut(x, &format!("in {caller}"), Role::Text);
            cut(end + 2, note, Role::Dim);
        }
        PartKind::Line(statement) => {
            let end = cut(x, &format!(":{}", statement.line), Role::Number);
            cut(end + 2, &statement.note, Role::Dim);
            if let Some(hits) = hits_text(model, &statement.point) {
                pen.right(width.saturating_sub(1), 0, &hits, model.theme.get(Role::TreeCount));
            }
        }
        PartKind::Said(text) => drop(cut(x, text, Role::Dim)),
    }
}

/// What a group holds, for those who meet it first. `{action}` is its key.
const GROUPS: &[(&str, &str)] = &[
    ("running", "The probes of the script that runs, with their hits so far. {toggle} switches one off or on."),
    ("pinned", "Probes you keep at hand; {pin} pins one or lets it go."),
    ("begin and end", "Once, when a script starts, ends or fails: for headings and reports."),
    ("timer", "Again and again: every so many seconds, or at each tick of every CPU (timer.profile)."),
    ("process", "A process begins, ends, or comes by a line or a function of its program."),
    ("syscall", "Every system call of this kernel, with its arguments in words; .return has its result."),
    ("kernel.trace", "Tracepoints: places the kernel's own developers marked, cheap and with their arguments."),
    ("tapset", "Names for common events, with variables that stay the same from kernel to kernel."),
    (
        "kernel.function",
        "Functions of the kernel, with arguments and results: by source file where debug information says, \
                         else by the first word of their names.",
    ),
];

/// What one key does with the selected probe.
const QUICK: [Act; 7] =
    [Act::Latency, Act::CountBy, Act::ArgsToLog, Act::ErrorsBy, Act::StacksBy, Act::CountHits, Act::Insert];

/// What a variable is good for.
fn what_to_do(holds: Holds) -> &'static str {
    match holds {
        Holds::Number => {
            "A number: {latency} draws a histogram of its values, {count} counts by it, {insert} inserts it."
        }
        Holds::Text => "A text: {count} counts by it, {insert} inserts it.",
        Holds::KernelText => "A text of the kernel's: {count} counts by kernel_string() of it.",
        Holds::UserText => "A text of the process's: {count} counts by user_string() of it.",
        Holds::Members => "{right} shows its members.",
        Holds::Other => "",
    }
}

fn group_detail(model: &Model, pen: &mut Pen, path: &str) {
    let (top, rest) = path.split_once('/').unwrap_or((path, ""));
    section(pen, 0, if rest.is_empty() { top } else { rest }, "", model);
    let said = GROUPS.iter().find(|(name, _)| *name == top).map_or("", |(_, said)| *said);
    let most = model.browser.most_hit(path);
    if !most.is_empty() {
        let room = usize::from(pen.height().saturating_sub(1));
        for (n, (point, hits)) in most.into_iter().take(room).enumerate() {
            let y = n as u16 + 1;
            let x = pen.text(1, y, &format!("{:>7} ", shape::short(hits as f64)), model.theme.get(Role::Number));
            let width = pen.width().saturating_sub(x + 1);
            pen.cut(x, y, width, point, model.theme.get(Role::Text), &model.glyphs);
        }
        return;
    }
    let keys = "{hits} counts what is hit. {right} opens it, and a probe to what is inside it. On a probe {latency} {count} {args} {errors} {stacks} trace at once; \
                the script they write is in pane {script}. The filter also takes type:sk_buff and fs/ext4.";
    let mut y = 1;
    for (text, role) in [(said, Role::Text), ("", Role::Text), (keys, Role::Dim)] {
        y = paragraph(pen, y, &model.fill(text), model.theme.get(role)).max(y + 1);
    }
}

/// Words over as many lines as they take; gives the row after them.
fn paragraph(pen: &mut Pen, mut y: u16, text: &str, style: ratatui::style::Style) -> u16 {
    for line in wrapped(text, usize::from(pen.width().saturating_sub(2))).into_iter().filter(|line| !line.is_empty()) {
        pen.text(1, y, &line, style);
        y += 1;
    }
    y
}

/// A probe that runs: where it stands, how often it is hit and what that costs.
fn running_detail(model: &Model, pen: &mut Pen, probe: usize) {
    let Some(state) = model.info().and_then(|info| info.probes.get(probe)) else { return };
    section(pen, 0, &state.written, "", model);
    let mut lines = Vec::new();
    let place = if state.in_kernel { "in the kernel" } else { "in user space" };
    lines.push(match state.n_sites {
        0 | 1 => format!("line {} of the script, runs {place}", state.line),
        n => format!("line {} of the script, {n} sites, runs {place}", state.line),
    });
    if let Some(cost) = model.sample().and_then(|sample| sample.snapshot.cost.probes.get(probe)) {
        let rate = super::status::hit_rate(model, probe);
        let per_s = rate.map_or(String::new(), |rate| format!(", {}/s now", shape::short(rate)));
        lines.push(format!("{} hits{per_s}", shape::short(cost.hits as f64)));
        if let Some(ns) = cost.run_time_ns.filter(|_| cost.hits > 0).map(|ns| ns as f64 / cost.hits as f64) {
            let share = rate.map_or(String::new(), |rate| format!(" = {:.2} % cpu", rate * ns / 1e7));
            lines.push(format!("{} each{share}", shape::sample(ns.round(), shape::Unit::Ns)));
        }
        lines.extend(super::costs::budget(model, pen.width().saturating_sub(2)));
        lines.push(model.fill(if cost.enabled {
            "on; {toggle} switches it off"
        } else {
            "off; {toggle} switches it on"
        }));
    }
    for (n, line) in lines.iter().enumerate() {
        let width = pen.width().saturating_sub(2);
        pen.cut(1, n as u16 + 1, width, line, model.theme.get(Role::Text), &model.glyphs);
    }
}

fn detail(model: &Model, pen: &mut Pen) {
    let width = pen.width();
    let row = model.browser.described.row();
    let entry = match row {
        Some(BrowserRow::Entry { idx, .. } | BrowserRow::Inside { idx, .. }) => model.browser.entry(*idx),
        Some(BrowserRow::Group { path, .. }) => return group_detail(model, pen, path),
        Some(BrowserRow::Running { probe, .. }) => return running_detail(model, pen, *probe),
        None => return,
    };
    let part = match row {
        Some(BrowserRow::Inside { part, .. }) => Some(&**part),
        _ => None,
    };
    let title = match part.map(|part| &part.kind) {
        Some(PartKind::Line(statement)) => &statement.point,
        _ => &*entry.point,
    };
    section(pen, 0, title, "", model);
    let known = model.browser.detail(&entry.point);
    let quick: Vec<_> = QUICK.iter().filter_map(|act| ACTIONS.iter().find(|row| row.act == *act)).collect();
    // Several quick-trace keys a line when there is room.
    let per_line = (width / 17).clamp(1, 4);
    let quick_height = (quick.len() as u16).div_ceil(per_line) + 1;
    let mut bottom = pen.height().saturating_sub(quick_height);
    if let Some(cost) = cost_of(model, &entry.point).filter(|_| bottom >= 6) {
        bottom -= 1;
        pen.cut(1, bottom, width.saturating_sub(2), &cost, model.theme.get(Role::Rate), &model.glyphs);
    }
    let mut y = 1;
    let room = width.saturating_sub(2);
    let doc = known.map(|d| d.doc.as_str()).filter(|doc| !doc.is_empty()).unwrap_or(&entry.doc);
    if !doc.is_empty() && y < bottom {
        let doc = doc.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
        pen.cut(1, y, room, doc, model.theme.get(Role::Text), &model.glyphs);
        y += 1;
    }
    // Why nothing can be traced here is worth more room than what could be seen.
    if let Some(known) = known.filter(|known| !known.how.is_empty()) {
        let role = if known.is_refused { Role::DiagWarning } else { Role::Dim };
        y = paragraph(&mut pen.inner(0, 0, width, bottom), y, &known.how, model.theme.get(role));
    }
    match known {
        Some(_) if let Some(PartKind::Variable { expression, variable, .. }) = part.map(|part| &part.kind) => {
            let type_text = format!("{expression}  {}", variable.ty);
            let lines = [
                (type_text.as_str(), Role::SynContext),
                (variable.note.as_str(), Role::DiagWarning),
                (what_to_do(variable.holds), Role::Dim),
            ];
            for (text, role) in lines.into_iter().filter(|(text, _)| !text.is_empty()) {
                y = paragraph(&mut pen.inner(0, 0, width, bottom), y, &model.fill(text), model.theme.get(role));
            }
        }
        None if y < bottom => {
            pen.text(1, y, "...", model.theme.get(Role::Dim));
        }
        None => (),
        Some(known) => {
            if !known.origin.is_empty() && y < bottom {
                pen.cut(1, y, room, &known.origin, model.theme.get(Role::Dim), &model.glyphs);
                y += 1;
            }
            let all: Vec<_> = known
                .variables
                .iter()
                .map(|v| (v, ""))
                .chain(known.return_variables.iter().map(|v| (v, "(.return)")))
                .collect();
            let name_width = all.iter().map(|(v, _)| v.name.len()).max().unwrap_or(0).clamp(4, 16) as u16;
            let n = all.len();
            for (at, (variable, only)) in all.into_iter().enumerate() {
                if y >= bottom {
                    break;
                }
                if y + 1 == bottom && at + 1 < n {
                    pen.text(2, y, &format!("{} {} more", model.glyphs.ellipsis, n - at), model.theme.get(Role::Dim));
                    y = bottom;
                    break;
                }
                pen.cut(2, y, name_width, &variable.name, model.theme.get(Role::SynContext), &model.glyphs);
                let x = pen.text(2 + name_width + 1, y, &variable.ty, model.theme.get(Role::SynProbe));
                let note = if variable.note.is_empty() { only.to_owned() } else { variable.note.clone() };
                let left = width.saturating_sub(x + 2);
                if left > 4 {
                    pen.cut(x + 1, y, left, &note, model.theme.get(Role::Dim), &model.glyphs);
                }
                y += 1;
            }
            if !known.return_variables.is_empty() && y < bottom {
                let hint = format!("@entry({}) evaluates at the call", model.glyphs.ellipsis);
                pen.cut(2, y, room, &hint, model.theme.get(Role::Dim), &model.glyphs);
            }
        }
    }
    let bottom = pen.height().saturating_sub(quick_height);
    if bottom > 0 {
        section(pen, bottom, "quick trace", "", model);
        for (n, row) in quick.iter().enumerate() {
            let ok = (row.enabled)(model).is_ok();
            let column = n as u16 % per_line * (width / per_line);
            let y = bottom + 1 + n as u16 / per_line;
            let on_variable = matches!(part.map(|part| &part.kind), Some(PartKind::Variable { .. }));
            let label = match row.act {
                Act::Latency if on_variable => "its values",
                Act::CountBy if on_variable => "count by it",
                Act::Latency => "latency hist",
                Act::CountBy => "count table",
                Act::ArgsToLog => "args to log",
                Act::ErrorsBy => "errors table",
                Act::StacksBy => "stacks",
                Act::CountHits => "hits in 2 s",
                _ => "insert",
            };
            let key = model.keymap.shown(row, model.glyphs.unicode);
            let x = pen.text(column + 2, y, &key, model.theme.get(if ok { Role::Key } else { Role::KeyOff }));
            pen.text(x + 1, y, label, model.theme.get(if ok { Role::KeyLabel } else { Role::KeyOff }));
        }
    }
}
