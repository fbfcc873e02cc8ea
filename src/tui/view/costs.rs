//! What each probe costs: hits, time per hit, share of a CPU, and whether it is on.

use ratatui::style::Style;

use super::pen::{Pen, fit, text_width};
use crate::tui::{app::Model, layout::Pane, shape, theme::Role};

pub fn draw(model: &Model, pen: &mut Pen) {
    let (Some(info), Some(sample)) = (model.info(), model.sample()) else { return };
    let before = model.history.before(model.cursor);
    let seconds = before.map_or(0.0, |b| sample.snapshot.at.saturating_sub(b.snapshot.at).as_secs_f64());
    let width = pen.width();
    let wide = width >= 70;
    let name_width = usize::from(width.saturating_sub(if wide { 50 } else { 34 }));
    let header = model.theme.get(Role::TableHeader);
    let head = if wide {
        format!(
            "    {} {:>9} {:>9} {:>8} {:>7} {:>6}",
            fit("probe", name_width, "~"),
            "hits",
            "hits/s",
            "each",
            "cpu%",
            "where"
        )
    } else {
        format!("    {} {:>8} {:>8} {:>7}", fit("probe", name_width, "~"), "hits", "hits/s", "each")
    };
    pen.text(0, 0, &head, header);
    let height = usize::from(pen.height().saturating_sub(1));
    let top = (model.live.cost_selected + 1).saturating_sub(height);
    let none = model.glyphs.none;
    for (row, (idx, probe)) in info.probes.iter().enumerate().skip(top).take(height).enumerate() {
        let y = row as u16 + 1;
        let cost = sample.snapshot.cost.probes.get(idx);
        let old = before.and_then(|b| b.snapshot.cost.probes.get(idx));
        let on = cost.is_none_or(|c| c.enabled);
        let hits = cost.map_or(none.to_owned(), |c| shape::short(c.hits as f64));
        let delta = cost.zip(old).map(|(c, o)| c.hits.saturating_sub(o.hits) as f64).filter(|_| seconds > 0.0);
        let rate = delta.map_or(none.to_owned(), |d| shape::short(d / seconds));
        let per_hit = cost.and_then(|c| c.run_time_ns.filter(|_| c.hits > 0).map(|ns| ns as f64 / c.hits as f64));
        let ns = per_hit.map_or(none.to_owned(), |ns| shape::sample(ns.round(), shape::Unit::Ns));
        let spent = cost.zip(old).and_then(|(c, o)| Some(c.run_time_ns?.saturating_sub(o.run_time_ns?) as f64));
        let cpu = spent.filter(|_| seconds > 0.0).map_or(none.to_owned(), |ns| format!("{:.2}", ns / 1e7 / seconds));
        let selected = idx == model.live.cost_selected;
        let pointer = if selected { model.glyphs.pointer } else { " " };
        pen.text(1, y, pointer, Style::new());
        let (glyph, role) = if on { (model.glyphs.on, Role::ProbeOn) } else { (model.glyphs.off, Role::ProbeOff) };
        pen.text(2, y, glyph, model.theme.get(role));
        let sites = if probe.n_sites > 1 {
            format!("{}  ({} sites)", probe.written, probe.n_sites)
        } else {
            probe.written.clone()
        };
        let name = fit(&sites, name_width, model.glyphs.ellipsis);
        let text = if wide {
            let place = if probe.in_kernel { "kernel" } else { "user" };
            format!("{name} {hits:>9} {rate:>9} {ns:>8} {cpu:>7} {place:>6}")
        } else {
            format!("{name} {hits:>8} {rate:>8} {ns:>7}")
        };
        pen.text(4, y, &text, model.theme.get(if on { Role::Text } else { Role::Dim }));
        if selected {
            let role = if model.focus == Pane::Live { Role::RowSelected } else { Role::RowBlur };
            pen.paint(0, y, width, model.theme.get(role));
        }
    }
    let y = info.probes.len().saturating_sub(top).min(height) as u16 + 2;
    if y < pen.height() {
        let cost = &sample.snapshot.cost;
        let self_cpu = before
            .filter(|_| seconds > 0.0)
            .map(|b| cost.self_cpu_ns.saturating_sub(b.snapshot.cost.self_cpu_ns) as f64 / 1e7 / seconds);
        let total = super::status::rates(model);
        let kernel = total.cpu.map_or(none.to_owned(), |c| format!("{:.2}%", c * 100.0));
        let own = self_cpu.map_or(none.to_owned(), |c| format!("{c:.2}%"));
        let events = total.events.map_or(none.to_owned(), shape::short);
        let each = total.ns_per_event.map_or(none.to_owned(), |ns| shape::sample(ns.round(), shape::Unit::Ns));
        let dot = model.glyphs.dot;
        let spent = format!("total {events} ev/s {dot} {each}/ev {dot} {kernel} of one CPU, tapdeck itself {own}");
        let mut lost = format!("lost: {} records, {} inserts, {} runs", cost.ring_drops, cost.overflows, cost.missed);
        if let Some(at) = model.run.lost_at.filter(|at| model.until().is_none_or(|until| *at <= until)) {
            lost += &format!(", the last at {}", model.clock.time(at, false));
        }
        let width = width.saturating_sub(2);
        let line = model.line_rate.map(|rate| {
            let frame = model.slowed.unwrap_or(model.profile.frame()).as_millis();
            format!("the terminal gets {}/s, data at most every {frame} ms", shape::bytes(rate as u64))
        });
        let off = "time per hit is unknown: the kernel's BPF statistics are off";
        let lines = [Some(spent), budget(model, width), Some(lost)]
            .into_iter()
            .flatten()
            .chain(line)
            .chain(total.cpu.is_none().then(|| off.to_owned()));
        for (row, text) in lines.enumerate() {
            pen.cut(1, y + row as u16, width, &text, model.theme.get(Role::Dim), &model.glyphs);
        }
    }
}

/// What all probes take of what they may: `budget 25 % ▕██▍      ▏ 6.2 %`. `None` where that is not known, or is too wide.
pub fn budget(model: &Model, width: u16) -> Option<String> {
    const BAR: u16 = 12;
    let percent = super::status::rates(model).cpu? * 100.0;
    let budget = model.settings.budget();
    let filled = super::bar(percent / f64::from(budget), BAR, &model.glyphs);
    let [left, right] = if model.glyphs.unicode { ["▕", "▏"] } else { ["|", "|"] };
    let text = format!("budget {budget} % {left}{}{right} {percent:.1} %", fit(&filled, BAR.into(), ""));
    (text_width(&text) <= usize::from(width)).then_some(text)
}
