//! A screen as SVG: for screenshots that are drawn from recorded sessions and so cannot lie. The same buffer always gives
//! the same text.

use std::fmt::Write;

use ratatui::{
    buffer::Buffer,
    layout::Position,
    style::{Color, Modifier},
};
use unicode_width::UnicodeWidthStr;

use super::theme::{ANSI, indexed_rgb};

/// Size of a cell in SVG units.
const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 12.0;
const GROUND: &str = "#16181d";
const INK: &str = "#d4d8e0";

/// Draws the buffer; `cursor` becomes a block.
pub fn svg(buffer: &Buffer, cursor: Option<Position>) -> String {
    let area = buffer.area;
    let (width, height) =
        (f32::from(area.width) * CELL.0 + 2.0 * MARGIN, f32::from(area.height) * CELL.1 + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n\
         <g font-family=\"ui-monospace, 'JetBrains Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" \
         xml:space=\"preserve\">\n"
    );
    for y in 0..area.height {
        let top = MARGIN + f32::from(y) * CELL.1;
        let mut x = 0;
        while x < area.width {
            let first = &buffer[(area.x + x, area.y + y)];
            let (fg, bg, mods) = look(first);
            let start = x;
            let mut text = String::new();
            // Cells that look alike are one piece.
            while x < area.width {
                let cell = &buffer[(area.x + x, area.y + y)];
                if look(cell) != (fg.clone(), bg.clone(), mods) {
                    break;
                }
                text.push_str(cell.symbol());
                x += (cell.symbol().width() as u16).max(1);
            }
            let left = MARGIN + f32::from(start) * CELL.0;
            let wide = f32::from(x - start) * CELL.0;
            if bg != GROUND {
                let _ = writeln!(
                    out,
                    "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"{bg}\"/>",
                    CELL.1
                );
            }
            if text.trim().is_empty() {
                continue;
            }
            let blank = text.len() - text.trim_start().len();
            let left = left + blank as f32 * CELL.0;
            let text = text.trim();
            let mut style = String::new();
            if mods.contains(Modifier::BOLD) {
                style += " font-weight=\"bold\"";
            }
            if mods.contains(Modifier::ITALIC) {
                style += " font-style=\"italic\"";
            }
            if mods.contains(Modifier::UNDERLINED) {
                style += " text-decoration=\"underline\"";
            }
            if mods.contains(Modifier::DIM) {
                style += " opacity=\"0.6\"";
            }
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" fill=\"{fg}\" textLength=\"{:.1}\"{style}>{}</text>",
                top + 13.5,
                text.width() as f32 * CELL.0,
                escape(text)
            );
        }
    }
    if let Some(at) = cursor {
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{INK}\" opacity=\"0.6\"/>",
            MARGIN + f32::from(at.x) * CELL.0,
            MARGIN + f32::from(at.y) * CELL.1,
            CELL.0,
            CELL.1
        );
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn look(cell: &ratatui::buffer::Cell) -> (String, String, Modifier) {
    let (mut fg, mut bg) = (hex(cell.fg, INK), hex(cell.bg, GROUND));
    if cell.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    (fg, bg, cell.modifier - Modifier::REVERSED)
}

fn hex(colour: Color, reset: &str) -> String {
    let (r, g, b) = match colour {
        Color::Reset => return reset.to_owned(),
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Indexed(n) if n >= 16 => indexed_rgb(n),
        Color::Indexed(n) => ANSI[usize::from(n)].1,
        named => ANSI.iter().find(|(name, _)| *name == named).map_or((200, 200, 200), |(_, rgb)| *rgb),
    };
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What is in the cells of a screen, without its colours.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += (symbol.width() as u16).max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    #[test]
    fn pieces_of_one_look_are_one_element() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "a<b", Style::new().fg(Color::Red));
        buffer.set_string(4, 0, "ok", Style::new().add_modifier(Modifier::REVERSED));
        let text = svg(&buffer, None);
        assert_eq!(text.matches("<text").count(), 2);
        assert!(text.contains(">a&lt;b</text>") && text.contains("fill=\"#cd3131\""));
        assert_eq!(text, svg(&buffer, None));
    }
}
