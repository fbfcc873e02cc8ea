//! The status line (what runs, what it costs, what it lost), the key bar, and the line for messages and prompts.

use std::time::Duration;

use ratatui::{
    layout::{Position, Rect},
    style::Style,
};

use super::pen::{Pen, text_width, wrapped};
use crate::tui::{
    action::{ACTIONS, Act, Action},
    app::{Layer, Model, PickerKind, PromptKind},
    given,
    layout::Pane,
    model::history::Sample,
    shape,
    theme::Role,
};

/// From so many columns on the status line says more,
const WIDE: u16 = 100;
/// and from so many on all it knows.
const WIDEST: u16 = 160;

/// What the cost figures of two neighbouring samples say; every field is `None` when it cannot be known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub events: Option<f64>,
    pub ns_per_event: Option<f64>,
    /// Of one CPU, 0 to 1 and more.
    pub cpu: Option<f64>,
    pub drops: u64,
    pub missed: u64,
    pub overflows: u64,
    pub recent_loss: bool,
}

/// At the instant that is shown.
pub fn rates(model: &Model) -> Rates {
    rates_at(model, model.cursor)
}

fn rates_at(model: &Model, cursor: Option<u64>) -> Rates {
    let Some(now) = model.history.at(cursor) else { return Rates::default() };
    let cost = &now.snapshot.cost;
    let mut rates =
        Rates { drops: cost.ring_drops, missed: cost.missed, overflows: cost.overflows, ..Default::default() };
    if let Some(before) = model.history.before(cursor) {
        let old = &before.snapshot.cost;
        let seconds = seconds_between(before, now);
        if seconds > 0.0 {
            let events = cost.events.saturating_sub(old.events) as f64;
            rates.events = Some(events / seconds);
            if let (Some(new), Some(old)) = (cost.run_time_ns, old.run_time_ns) {
                let ns = new.saturating_sub(old) as f64;
                rates.ns_per_event = (events > 0.0).then(|| ns / events);
                rates.cpu = Some(ns / 1e9 / seconds);
            }
        }
    }
    let then = now.received.saturating_sub(Duration::from_secs(10));
    let ten_seconds_ago = model.history.at(model.history.until(then));
    rates.recent_loss = ten_seconds_ago.is_some_and(|old| {
        let old = &old.snapshot.cost;
        cost.ring_drops + cost.missed + cost.overflows > old.ring_drops + old.missed + old.overflows
    }) || (model.history.len() == 1 && rates.drops + rates.missed + rates.overflows > 0);
    rates
}

/// Hits per second of a running probe over the last sample.
pub fn hit_rate(model: &Model, probe: usize) -> Option<f64> {
    let (now, before) = (model.sample()?, model.history.before(model.cursor)?);
    let hits = |sample: &Sample| sample.snapshot.cost.probes.get(probe).map(|cost| cost.hits);
    let seconds = seconds_between(before, now);
    (seconds > 0.0).then(|| Some(hits(now)?.saturating_sub(hits(before)?) as f64 / seconds))?
}

fn seconds_between(a: &Sample, b: &Sample) -> f64 {
    b.snapshot.at.saturating_sub(a.snapshot.at).as_secs_f64()
}

/// Events per second over the last `n` samples, for sparklines.
pub fn event_rates(model: &Model, n: usize) -> Vec<f64> {
    let samples: Vec<&Sample> = model.history.window(model.cursor, n + 1).collect();
    samples
        .windows(2)
        .map(|pair| {
            let events = pair[1].snapshot.cost.events.saturating_sub(pair[0].snapshot.cost.events) as f64;
            let seconds = seconds_between(pair[0], pair[1]);
            if seconds > 0.0 { events / seconds } else { 0.0 }
        })
        .collect()
}

type Part = Vec<(String, Role)>;

pub fn draw(model: &Model, pen: &mut Pen) {
    let wide = pen.width() >= WIDE;
    let parts = parts(model, wide, pen.width() >= WIDEST);
    let separator = if wide { format!(" {} ", model.glyphs.bar_v) } else { "  ".to_owned() };
    let mut x = 1;
    pen.paint(0, 0, pen.width(), model.theme.get(Role::Status));
    for (n, part) in parts.iter().enumerate() {
        let width: usize = part.iter().map(|(text, _)| text_width(text)).sum();
        let gap = if n > 0 { text_width(&separator) } else { 0 };
        // Parts on the right drop out first; the line never wraps.
        if n > 0 && usize::from(x) + gap + width > pen.width().into() {
            break;
        }
        if n > 0 {
            x = pen.text(x, 0, &separator, model.theme.get(Role::Dim));
        }
        for (text, role) in part {
            x = pen.text(x, 0, text, model.theme.get(*role));
        }
    }
}

fn parts(model: &Model, wide: bool, widest: bool) -> Vec<Part> {
    let glyphs = &model.glyphs;
    let mut parts: Vec<Part> = Vec::new();
    if model.demo {
        let text = if wide { " RECORDING - not live " } else { " RECORDING " };
        parts.push(vec![(text.to_owned(), Role::StatusDemo)]);
    }
    let dirty = if model.script.is_modified() { "*" } else { "" };
    parts.push(vec![(format!("{}{dirty}", model.script.display_name()), Role::Title)]);
    parts.push(state(model));
    if let Some(frame) = model.slowed {
        let text = format!("slow line: {} s a frame", frame.as_secs_f64());
        parts.push(vec![(text, Role::StatusWarn)]);
    }
    let rates = rates(model);
    let none = glyphs.none;
    if let (Some(info), Some(sample)) = (model.info(), model.sample()) {
        let total = info.probes.len();
        let on = sample.snapshot.cost.probes.iter().filter(|p| p.enabled).count();
        let on = if sample.snapshot.cost.probes.is_empty() { total } else { on };
        let role = if on < total { Role::StatusWarn } else { Role::Status };
        let off = if widest && on < total { format!(" on ({} off)", total - on) } else { String::new() };
        parts.push(vec![(format!("probes {on}/{total}{off}"), role)]);
    }
    if model.info().is_some() {
        let events = rates.events.map_or(none.to_owned(), shape::short);
        let mut part = vec![(format!("{events:>5} ev/s"), Role::Status)];
        if wide {
            let recent = event_rates(model, 6);
            let top = recent.iter().copied().fold(1.0, f64::max);
            let mut line: String = recent.iter().map(|rate| super::spark(rate / top, glyphs)).collect();
            line.insert_str(0, &" ".repeat(6 - recent.len().min(6)));
            part.push((format!(" {line}"), Role::Spark));
        }
        parts.push(part);
        let mut loss: Part = Vec::new();
        let role = if rates.recent_loss {
            Role::StatusError
        } else if rates.drops > 0 {
            Role::StatusWarn
        } else {
            Role::Status
        };
        loss.push((format!("drop {}", shape::short(rates.drops as f64)), role));
        if rates.missed > 0 {
            loss.push((format!(" missed {}", shape::short(rates.missed as f64)), role));
        }
        if rates.overflows > 0 {
            loss.push((format!(" full {}", shape::short(rates.overflows as f64)), role));
        }
        parts.push(loss);
        let ns = rates.ns_per_event.map_or(none.to_owned(), |ns| shape::sample(ns.round(), shape::Unit::Ns));
        let cpu = rates.cpu.map_or(none.to_owned(), |cpu| format!("{:.1}%", cpu * 100.0));
        let text = if wide { format!("{ns:>5}/ev {cpu:>4} cpu") } else { format!("{ns}/ev {cpu}") };
        parts.push(vec![(text, Role::Status)]);
        if let Some(sample) = model.sample().filter(|_| wide) {
            let cost = &sample.snapshot.cost;
            if cost.ring_size > 0 {
                let part = cost.ring_used as f64 / cost.ring_size as f64;
                let role = if part > 0.5 { Role::StatusWarn } else { Role::Status };
                parts.push(vec![(format!("buf {:>2.0}%", part * 100.0), role)]);
            }
            parts.extend(keys_in_maps(model, sample, widest));
            if cost.map_bytes > 0 && widest {
                parts.push(vec![(format!("mem {}", shape::bytes(cost.map_bytes)), Role::Status)]);
            }
            if cost.errors > 0 {
                parts.push(vec![(format!("errors {}", shape::short(cost.errors as f64)), Role::StatusError)]);
            }
            if cost.truncated > 0 {
                parts.push(vec![(format!("cut {}", shape::short(cost.truncated as f64)), Role::StatusWarn)]);
            }
            if cost.unshown_bytes > 0 {
                parts.push(vec![(format!("unshown {}", shape::bytes(cost.unshown_bytes)), Role::StatusWarn)]);
            }
        }
    }
    if let Some(rate) = model.line_rate.filter(|_| model.is_tracing()) {
        let frames = 1.0 / model.slowed.unwrap_or(model.profile.frame()).as_secs_f64();
        let most = if widest { format!(" max {} fps", shape::short(frames.round())) } else { String::new() };
        parts.push(vec![(format!("out {}/s{most}", shape::bytes(rate as u64)), Role::Dim)]);
    }
    parts
}

/// How full the arrays are: the fullest one, or all of their keys. Statistics and scalars have none.
fn keys_in_maps(model: &Model, sample: &Sample, all: bool) -> Option<Part> {
    let tables = model.info()?.tables.iter().zip(&sample.snapshot.tables);
    let arrays = tables.filter(|(info, _)| !info.keys.is_empty() && info.max_entries > 0);
    let counts: Vec<(u64, u64)> =
        arrays.map(|(info, table)| (table.rows.len() as u64, u64::from(info.max_entries))).collect();
    let fullest = counts.iter().map(|(n, most)| n * 100 / most).max()?;
    let role = if fullest >= 80 { Role::StatusWarn } else { Role::Status };
    let (n, most) = counts.iter().fold((0, 0), |(n, most), (a, b)| (n + a, most + b));
    let text = if all { format!("maps {n}/{most} keys") } else { format!("maps {fullest:>2}%") };
    Some(vec![(text, role)])
}

/// How long the script has run, to what a change of the screen is worth.
fn run_clock(model: &Model) -> String {
    let seconds = model.sample().map_or(0, |sample| sample.snapshot.at.as_secs());
    if model.profile.shows_seconds() { shape::clock(seconds) } else { shape::clock_minutes(seconds) }
}

/// One word for what is going on.
fn state(model: &Model) -> Part {
    let glyphs = &model.glyphs;
    let n_errors = model.script.n_errors();
    if let Some((_, _)) = model.run.compiling {
        let note = if model.is_tracing() { " (old one runs on)" } else { "" };
        let work = match model.run.attaching {
            Some(places) if places > 1 => format!("ATTACHING {places}"),
            Some(_) => "ATTACHING".to_owned(),
            None => "COMPILING".to_owned(),
        };
        return vec![(format!("{} {work}{note}", glyphs.dot), Role::StatusBusy)];
    }
    if let Some(cursor) = model.cursor {
        let back = model
            .history
            .latest()
            .map_or(0, |s| s.snapshot.at.as_secs())
            .saturating_sub(model.history.at(Some(cursor)).map_or(0, |s| s.snapshot.at.as_secs()));
        let mut part = vec![(format!(" {} PAUSED -{} ", glyphs.pause, shape::clock(back)), Role::StatusPaused)];
        // What goes on meanwhile.
        if let Some(now) = rates_at(model, None).events.filter(|_| model.is_tracing() && model.size.0 >= WIDE) {
            part.push((format!(" live: {:>5} ev/s", shape::short(now)), Role::Status));
        }
        return part;
    }
    if model.run.stopping {
        return vec![(format!("{} STOPPING {}", glyphs.dot, run_clock(model)), Role::StatusBusy)];
    }
    if model.is_tracing() {
        let word = if model.demo { "REPLAY" } else { "RUN" };
        let mut part = vec![(format!("{} {word} {}", glyphs.on, run_clock(model)), Role::StatusRun)];
        if !model.shows_what_runs() && !model.demo {
            part.push((" edited".to_owned(), Role::StatusWarn));
        }
        return part;
    }
    if n_errors > 0 {
        let s = if n_errors == 1 { "" } else { "s" };
        let error = (format!("{} {n_errors} error{s}", glyphs.error), Role::StatusError);
        return vec![error, ("  not running".to_owned(), Role::StatusStop)];
    }
    if model.run.failed.is_some() {
        return vec![(format!("{} FAILED", glyphs.error), Role::StatusError)];
    }
    if let Some(report) = &model.run.ended {
        let role = if report.n_errors > 0 { Role::StatusError } else { Role::StatusStop };
        return vec![(format!("{} ENDED {}", glyphs.off, shape::clock(report.ran.as_secs())), role)];
    }
    vec![("not running".to_owned(), Role::StatusStop)]
}

/// From this place in the key bar on: help, palette.
const LEADS_ON: u8 = 95;

/// A key of the key bar, and what it does.
struct Hint {
    key: String,
    label: String,
    enabled: bool,
    /// `None`: a key of what is in front of the panes.
    act: Option<Act>,
}

impl Hint {
    fn width(&self) -> u16 {
        (text_width(&self.key) + 1 + text_width(&self.label)) as u16
    }
}

/// The live bindings of the focused pane, the likeliest first.
pub fn keys(model: &Model, pen: &mut Pen) {
    for (x, Hint { key, label, enabled, .. }) in placed(model, pen.width()) {
        let (key_role, label_role) = if enabled { (Role::Key, Role::KeyLabel) } else { (Role::KeyOff, Role::KeyOff) };
        let x = pen.text(x, 0, &key, model.theme.get(key_role));
        pen.text(x + 1, 0, &label, model.theme.get(label_role));
    }
}

/// What the key bar offers at column `x`.
pub fn act_at(model: &Model, x: u16) -> Option<Act> {
    let hints = placed(model, model.size.0).into_iter();
    hints.filter(|(start, hint)| (*start..start + hint.width()).contains(&x)).find_map(|(_, hint)| hint.act)
}

/// What of the hints there is room for, and where.
fn placed(model: &Model, width: u16) -> Vec<(u16, Hint)> {
    let hints = hints(model);
    let mut x = 1;
    // The last two lead to all others: they stay, whatever else there is no room for.
    let last = hints.len().saturating_sub(if model.layers.is_empty() && hints.len() > 4 { 2 } else { 0 });
    let kept: u16 = hints[last..].iter().map(|hint| hint.width() + 2).sum();
    let mut out = Vec::new();
    for (n, hint) in hints.into_iter().enumerate() {
        let room = if n < last { width.saturating_sub(kept) } else { width };
        let end = x + hint.width();
        if end <= room {
            out.push((x, hint));
            x = end + 2;
        } else if n >= last {
            break;
        }
    }
    out
}

fn hints(model: &Model) -> Vec<Hint> {
    let unicode = model.glyphs.unicode;
    let hint = |key: &str, label: &str| Hint { key: key.to_owned(), label: label.to_owned(), enabled: true, act: None };
    let plain = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, label)| hint(key, label)).collect();
    match model.layers.last() {
        Some(Layer::Picker(picker)) if picker.kind == PickerKind::Sort => {
            return plain(&[("Enter", "sort"), ("j k s", "choose"), ("r", "reverse"), ("Esc", "close")]);
        }
        Some(Layer::Picker(_)) => return plain(&[("Space", "show or hide"), ("j k", "choose"), ("Enter", "done")]),
        Some(Layer::Text { .. }) => return plain(&[("j k", "scroll"), ("Esc", "close")]),
        Some(Layer::Help { .. }) => return plain(&[("j k", "scroll"), ("Esc", "close")]),
        Some(Layer::Palette { .. }) => return plain(&[("Enter", "do it"), ("Up Down", "choose"), ("Esc", "close")]),
        Some(Layer::Prompt { kind: PromptKind::Find, .. }) => {
            return plain(&[("Enter", "next"), ("Up", "previous"), ("Esc", "close")]);
        }
        Some(Layer::Prompt { .. }) => return plain(&[("Enter", "done"), ("Esc", "cancel")]),
        Some(Layer::Choice(choice)) => {
            let mut hints: Vec<_> =
                choice.options.iter().map(|(key, label, _)| hint(&key.to_string(), label)).collect();
            hints.push(hint("Esc", "back"));
            return hints;
        }
        None => (),
    }
    if model.focus == Pane::Probes && model.browser.typing {
        return plain(&[("Enter", "to the list"), ("Up Down", "choose"), ("Esc", "clear")]);
    }
    if model.focus == Pane::Script && model.script.popup.is_some() {
        return plain(&[("Tab", "accept"), ("Up Down", "choose"), ("Esc", "close")]);
    }
    let mut rows: Vec<(&Action, String)> = Vec::new();
    for place in model.places() {
        for row in ACTIONS.iter().filter(|row| row.bar > 0 && row.places.contains(place)) {
            let key = model.keymap.shown(row, unicode);
            if !key.is_empty() && !rows.iter().any(|(other, _)| other.act == row.act) {
                rows.push((row, key));
            }
        }
    }
    // What leads to all others stays last; before it, what can be done comes before what cannot.
    let mut hints: Vec<(u8, Hint)> = rows
        .into_iter()
        .map(|(row, key)| {
            let enabled = (row.enabled)(model).is_ok();
            (row.bar, Hint { key, label: row.short.to_owned(), enabled, act: Some(row.act) })
        })
        .collect();
    hints.sort_by_key(|(bar, hint)| (*bar >= LEADS_ON, !hint.enabled, *bar));
    hints.into_iter().map(|(_, hint)| hint).collect()
}

/// A long message takes so many lines, over what is above it.
const MESSAGE_LINES: usize = 6;

/// The line of messages, and those above it that what is to be said takes beside.
pub fn room_of_message(model: &Model, line: Rect) -> Rect {
    let n = toast(model, line.width).map_or(1, |(lines, _)| lines.len()) as u16;
    let above = n.saturating_sub(1).min(line.y);
    Rect::new(line.x, line.y - above, line.width, line.height + above)
}

/// The lines of what is said or complained of just now, and how they look.
fn toast(model: &Model, width: u16) -> Option<(Vec<String>, Role)> {
    let toast = model.toast.as_ref().filter(|_| model.pending.is_none())?;
    if matches!(model.layers.last(), Some(Layer::Prompt { .. })) {
        return None;
    }
    let (glyph, role) =
        if toast.error { (model.glyphs.error, Role::ToastError) } else { (model.glyphs.ok, Role::ToastInfo) };
    let indent = text_width(glyph) + 1;
    let mut lines = wrapped(&toast.text, usize::from(width).saturating_sub(2 + indent));
    if lines.len() > MESSAGE_LINES {
        let rest = lines.split_off(MESSAGE_LINES - 1);
        lines.push(rest.join(" "));
    }
    let begins = |n: usize| if n == 0 { format!("{glyph} ") } else { " ".repeat(indent) };
    Some((lines.into_iter().enumerate().map(|(n, line)| begins(n) + &line).collect(), role))
}

/// What the line for messages says when there is none: what is kept, and since when.
fn idle(model: &Model) -> String {
    let mut said = Vec::new();
    let seconds = model.profile.shows_seconds();
    if let (Some(oldest), Some(latest)) = (model.history.oldest(), model.history.latest()) {
        said.push(match model.until() {
            Some(at) => format!("{} paused at {}", model.glyphs.pause, model.clock.time(at, false)),
            None => format!("{} nothing paused", model.glyphs.pause),
        });
        let length = latest.received.saturating_sub(oldest.received).as_secs();
        let length = if seconds { shape::clock(length) } else { shape::clock_minutes(length) };
        let (bytes, most) = (model.history.bytes() as f64, model.history.budget() as f64);
        let mega = |bytes: f64| bytes / f64::from(1 << 20);
        let used = if seconds { format!("{:.1}", mega(bytes)) } else { format!("{:.0}", mega(bytes)) };
        said.push(format!("history {length} ({used} of {:.0} MB)", mega(most)));
    }
    if let Some(at) = model.kept_at.filter(|_| model.script.is_unsaved() && model.script.kept.is_some()) {
        said.push(format!("autosaved {}", model.clock.shown(at, seconds)));
    }
    said.join(&format!(" {} ", model.glyphs.dot))
}

/// Prompt or message; gives the cursor's place in a prompt.
pub fn message(model: &Model, pen: &mut Pen) -> Option<Position> {
    let bottom = pen.width();
    if let Some(Layer::Prompt { kind, input }) = model.layers.last() {
        let wanted = given::wanted(&model.script.text(), &model.script.tokens);
        let wants = format!("this script wants {wanted} argument{}", if wanted == 1 { "" } else { "s" });
        let label = match kind {
            PromptKind::Find => "find",
            PromptKind::GoToLine => "go to line",
            PromptKind::SaveAs(_) => "save as",
            PromptKind::Open => "open",
            PromptKind::LiveFilter => "filter",
            PromptKind::Grep => "grep",
            PromptKind::GoToTime => "go to time",
            PromptKind::Given { run: false } => "arguments, -x PID, -c COMMAND, -s MB",
            PromptKind::Given { run: true } => wants.as_str(),
        };
        pen.fill(model.theme.get(Role::Text));
        let x = pen.text(1, 0, &format!("{label}: "), model.theme.get(Role::Key));
        pen.text(x, 0, input.text(), model.theme.get(Role::Prompt));
        let at = (x as usize + text_width(input.before_cursor())).min(usize::from(bottom.saturating_sub(1)));
        return Some(Position::new(pen.area.x + at as u16, pen.area.y));
    }
    let line = |pen: &mut Pen, text: &str, style: Style| {
        pen.fill(model.theme.get(Role::Text));
        let width = pen.width().saturating_sub(2);
        pen.cut(1, 0, width, text, style, &model.glyphs);
    };
    if let Some((chord, _)) = &model.pending {
        line(pen, &format!("{} …", chord.shown(model.glyphs.unicode)), model.theme.get(Role::Key));
    } else if let Some((lines, role)) = toast(model, pen.width()) {
        pen.fill(model.theme.get(Role::Text));
        for (y, line) in lines.iter().enumerate() {
            let width = pen.width().saturating_sub(2);
            pen.cut(1, y as u16, width, line, model.theme.get(role), &model.glyphs);
        }
    } else if model.focus == Pane::Script
        && let Some(diagnostic) = model.script.diagnostics_on(model.script.cursor().0).next()
        && model.areas().timeline.is_some()
    {
        let text = format!("line {}: {}", diagnostic.line, diagnostic.message);
        line(pen, &text, model.theme.get(Role::DiagWarning));
    } else if model.areas().timeline.is_some() {
        line(pen, &idle(model), model.theme.get(Role::Dim));
    }
    None
}
