//! Drawing that cannot leave its area: positions are relative to it, what does not fit is cut, wide characters are never
//! halved. Every view draws through a [`Pen`], so no size of the terminal can make one panic.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthChar;

use crate::tui::theme::Glyphs;

pub struct Pen<'a> {
    buf: &'a mut Buffer,
    pub area: Rect,
}

impl<'a> Pen<'a> {
    pub fn new(buf: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buf.area);
        Self { buf, area }
    }

    /// A pen for a part of this one's area, in this one's coordinates.
    pub fn inner(&mut self, x: u16, y: u16, width: u16, height: u16) -> Pen<'_> {
        let rect = Rect { x: self.area.x.saturating_add(x), y: self.area.y.saturating_add(y), width, height };
        let area = rect.intersection(self.area);
        Pen { buf: self.buf, area }
    }

    pub fn width(&self) -> u16 {
        self.area.width
    }

    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// Writes `text` from column `x` of row `y` and gives the column after it, written or not.
    pub fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let mut x = x;
        for c in text.chars() {
            x = self.char(x, y, c, style);
        }
        x
    }

    pub fn char(&mut self, x: u16, y: u16, c: char, style: Style) -> u16 {
        let c = if c.is_control() { '·' } else { c };
        let width = c.width().unwrap_or(0) as u16;
        if width == 0 {
            // A combining mark joins the cell before it.
            if x > 0 && y < self.area.height && x <= self.area.width {
                let cell = &mut self.buf[(self.area.x + x - 1, self.area.y + y)];
                let joined = format!("{}{c}", cell.symbol());
                cell.set_symbol(&joined);
            }
            return x;
        }
        let end = x.saturating_add(width);
        if y < self.area.height && end <= self.area.width {
            let (left, top) = (self.area.x + x, self.area.y + y);
            self.buf[(left, top)].set_char(c).set_style(style);
            for extra in 1..width {
                // The second half of a wide character: an empty symbol, as ratatui keeps it.
                self.buf[(left + extra, top)].set_symbol(" ").set_style(style);
            }
        }
        end
    }

    /// `text` cut to `width` columns with an ellipsis; gives the column after it.
    pub fn cut(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style, glyphs: &Glyphs) -> u16 {
        self.text(x, y, &cut(text, width as usize, glyphs.ellipsis), style)
    }

    /// `text` ending before column `end`; starts at 0 if it is longer.
    pub fn right(&mut self, end: u16, y: u16, text: &str, style: Style) {
        let width = text_width(text) as u16;
        self.text(end.saturating_sub(width), y, text, style);
    }

    /// Lays a style over cells that are already drawn.
    pub fn paint(&mut self, x: u16, y: u16, width: u16, style: Style) {
        for x in x..x.saturating_add(width).min(self.area.width) {
            if y < self.area.height {
                self.buf[(self.area.x + x, self.area.y + y)].set_style(style);
            }
        }
    }

    /// A horizontal rule.
    pub fn rule(&mut self, x: u16, y: u16, width: u16, symbol: &str, style: Style) {
        let mut at = x;
        while at < x.saturating_add(width) {
            at = self.text(at, y, symbol, style);
        }
    }

    /// Empties the area and fills it with a style.
    pub fn fill(&mut self, style: Style) {
        for y in 0..self.area.height {
            for x in 0..self.area.width {
                let cell = &mut self.buf[(self.area.x + x, self.area.y + y)];
                cell.reset();
                cell.set_style(style);
            }
        }
    }
}

/// Columns `text` takes.
pub fn text_width(text: &str) -> usize {
    text.chars().map(|c| if c.is_control() { 1 } else { c.width().unwrap_or(0) }).sum()
}

/// The longest start of `text` that fits in `width` columns, with `ellipsis` if something was cut.
pub fn cut(text: &str, width: usize, ellipsis: &str) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let room = width - 1;
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        let w = if c.is_control() { 1 } else { c.width().unwrap_or(0) };
        if used + w > room {
            break;
        }
        used += w;
        out.push(c);
    }
    out.push_str(ellipsis);
    out
}

/// Words over as many lines of at most `width` columns as they take; a longer word has a line of its own.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && text_width(&line) + 1 + text_width(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// `text` in exactly `width` columns, cut or filled on the right.
pub fn fit(text: &str, width: usize, ellipsis: &str) -> String {
    let mut out = cut(text, width, ellipsis);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(text_width(&out))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::UNICODE;

    #[test]
    fn stays_inside() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 5, 2));
        let mut pen = Pen::new(&mut buf, Rect::new(2, 0, 50, 50));
        pen.text(0, 0, "abcdef", Style::new());
        pen.text(0, 7, "below", Style::new());
        pen.text(2, 1, "日本", Style::new());
        pen.rule(0, 1, 2, "-", Style::new());
        assert_eq!(buf, Buffer::with_lines(["  abc", "  -- "]));
    }

    #[test]
    fn cuts_by_columns() {
        assert_eq!(cut("日本語", 5, "…"), "日本…");
        assert_eq!(cut("日本語", 4, "…"), "日…");
        assert_eq!(fit("ab", 4, "…"), "ab  ");
        assert_eq!(cut("abc", 0, "…"), "");
        assert_eq!(wrapped("日本 ab c 日本語の d", 7), ["日本 ab", "c", "日本語の", "d"]);
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 1));
        Pen::new(&mut buf, Rect::new(0, 0, 4, 1)).cut(0, 0, 4, "abcdef", Style::new(), &UNICODE);
        assert_eq!(buf, Buffer::with_lines(["abc…"]));
    }
}
