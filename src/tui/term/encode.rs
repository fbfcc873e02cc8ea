//! From the difference of two screens to bytes: as few as a plain terminal understands, none when nothing changed, all in
//! one piece between the marks of a synchronized update (DEC mode 2026), which others ignore.

use std::fmt::Write;

use ratatui::{
    buffer::{Buffer, Cell},
    layout::Position,
    style::{Color, Modifier},
};

/// What the terminal shows.
pub struct Screen {
    shown: Buffer,
    cursor: Option<Position>,
    /// Nothing is known of what is shown: clear first.
    fresh: bool,
}

impl Screen {
    pub fn new(size: (u16, u16)) -> Self {
        Self { shown: Buffer::empty(ratatui::layout::Rect::new(0, 0, size.0, size.1)), cursor: None, fresh: true }
    }

    /// An empty buffer of the screen's size to draw on.
    pub fn blank(&self) -> Buffer {
        Buffer::empty(self.shown.area)
    }

    /// The next frame is written whole.
    pub fn forget(&mut self, size: (u16, u16)) {
        *self = Self::new(size);
    }

    /// The bytes that turn what is shown into `next`; empty when it is shown already.
    pub fn frame(&mut self, next: Buffer, cursor: Option<Position>) -> Vec<u8> {
        let mut out = String::new();
        if self.fresh {
            out.push_str("\x1b[0m\x1b[2J");
            self.shown = Buffer::empty(next.area);
        }
        let mut pen = Pen::default();
        let changes = self.shown.diff(&next);
        if changes.is_empty() && cursor == self.cursor && !self.fresh {
            return Vec::new();
        }
        if self.cursor.is_some() && !changes.is_empty() {
            out.push_str("\x1b[?25l");
        }
        // Where the terminal's cursor is, if known.
        let mut at: Option<(u16, u16)> = None;
        for (x, y, cell) in changes {
            if at != Some((x, y)) {
                match at {
                    Some((from, row))
                        if row == y && x > from && x - from <= 4 && plain_gap(&self.shown, from, x, y, &pen) =>
                    {
                        // Writing a few cells again is shorter than moving.
                        for gap in from..x {
                            out.push_str(next[(gap, y)].symbol());
                        }
                    }
                    Some((from, row)) if row == y && x > from => drop(write!(out, "\x1b[{}C", x - from)),
                    _ => drop(write!(out, "\x1b[{};{}H", y + 1, x + 1)),
                }
            }
            pen.set(cell, &mut out);
            out.push_str(cell.symbol());
            let width = unicode_width::UnicodeWidthStr::width(cell.symbol()).max(1) as u16;
            // In the last column the cursor waits at the edge: where it is depends on the terminal.
            at = (x + width < next.area.width).then_some((x + width, y));
        }
        if !pen.is_plain() {
            out.push_str("\x1b[0m");
        }
        match cursor {
            Some(position) => drop(write!(out, "\x1b[{};{}H\x1b[?25h", position.y + 1, position.x + 1)),
            None if self.cursor.is_some() || self.fresh => out.push_str("\x1b[?25l"),
            None => (),
        }
        self.shown = next;
        self.cursor = cursor;
        self.fresh = false;
        format!("\x1b[?2026h{out}\x1b[?2026l").into_bytes()
    }
}

/// Cells between two changes that look as the pen writes now, so that they may be written again.
fn plain_gap(shown: &Buffer, from: u16, to: u16, y: u16, pen: &Pen) -> bool {
    (from..to).all(|x| {
        let cell = &shown[(x, y)];
        pen.matches(cell) && cell.symbol().len() == 1
    })
}

/// The style the terminal writes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    mods: Modifier,
}

impl Default for Pen {
    fn default() -> Self {
        Self { fg: Color::Reset, bg: Color::Reset, mods: Modifier::empty() }
    }
}

impl Pen {
    fn matches(&self, cell: &Cell) -> bool {
        self.fg == cell.fg && self.bg == cell.bg && self.mods == cell.modifier
    }

    fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    fn set(&mut self, cell: &Cell, out: &mut String) {
        if self.matches(cell) {
            return;
        }
        let mut codes: Vec<String> = Vec::new();
        if !(self.mods - cell.modifier).is_empty() {
            codes.push("0".into());
            *self = Self::default();
        }
        for (flag, code) in [
            (Modifier::BOLD, "1"),
            (Modifier::DIM, "2"),
            (Modifier::ITALIC, "3"),
            (Modifier::UNDERLINED, "4"),
            (Modifier::REVERSED, "7"),
        ] {
            if (cell.modifier - self.mods).contains(flag) {
                codes.push(code.into());
            }
        }
        if self.fg != cell.fg {
            codes.push(colour(cell.fg, 30));
        }
        if self.bg != cell.bg {
            codes.push(colour(cell.bg, 40));
        }
        *self = Self { fg: cell.fg, bg: cell.bg, mods: cell.modifier };
        // `ESC[m` would do for a lone 0, and a list that begins with it must keep it.
        if codes == ["0"] {
            out.push_str("\x1b[m");
        } else {
            let _ = write!(out, "\x1b[{}m", codes.join(";"));
        }
    }
}

/// SGR parameters; `base` is 30 for the foreground and 40 for the background. The 16 names take the short form, which
/// old terminals know too.
fn colour(colour: Color, base: u8) -> String {
    let name = |n: u8| if n < 8 { (base + n).to_string() } else { (base + 60 + n - 8).to_string() };
    match colour {
        Color::Reset => (base + 9).to_string(),
        Color::Black => name(0),
        Color::Red => name(1),
        Color::Green => name(2),
        Color::Yellow => name(3),
        Color::Blue => name(4),
        Color::Magenta => name(5),
        Color::Cyan => name(6),
        Color::Gray => name(7),
        Color::DarkGray => name(8),
        Color::LightRed => name(9),
        Color::LightGreen => name(10),
        Color::LightYellow => name(11),
        Color::LightBlue => name(12),
        Color::LightMagenta => name(13),
        Color::LightCyan => name(14),
        Color::White => name(15),
        Color::Indexed(n) => format!("{};5;{n}", base + 8),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    /// What a terminal makes of the bytes.
    fn seen(parser: &vt100::Parser) -> Vec<String> {
        let (_, width) = parser.screen().size();
        parser.screen().rows(0, width).collect()
    }

    fn buffer(lines: &[(&str, Style)]) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, lines.len() as u16));
        for (y, (text, style)) in lines.iter().enumerate() {
            buffer.set_string(0, y as u16, text, *style);
        }
        buffer
    }

    #[test]
    fn the_terminal_shows_the_buffer_and_an_unchanged_one_costs_nothing() {
        let mut screen = Screen::new((12, 2));
        let mut parser = vt100::Parser::new(2, 12, 0);
        let red = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let frames = [
            buffer(&[("hello world", red), ("日本 wide", Style::new())]),
            buffer(&[("hellO World!", red), ("日 x wide", Style::new())]),
            buffer(&[("hellO World!", Style::new()), ("abcdefghijkl", Style::new().bg(Color::Rgb(1, 2, 3)))]),
        ];
        for frame in frames {
            parser.process(&screen.frame(frame.clone(), Some(Position::new(3, 1))));
            for y in 0..2 {
                for x in 0..12 {
                    let cell = parser.screen().cell(y, x).unwrap();
                    let wanted = &frame[(x, y)];
                    if !cell.is_wide_continuation() {
                        assert_eq!(if cell.contents().is_empty() { " " } else { cell.contents() }, wanted.symbol());
                    }
                    assert_eq!(cell.bold(), wanted.modifier.contains(Modifier::BOLD), "{x},{y}");
                }
            }
            assert_eq!(parser.screen().cursor_position(), (1, 3));
            assert!(screen.frame(frame, Some(Position::new(3, 1))).is_empty());
        }
        assert_eq!(seen(&parser)[1], "abcdefghijkl");
    }

    #[test]
    fn bytes_are_few() {
        let mut screen = Screen::new((12, 1));
        screen.frame(buffer(&[("count 12345", Style::new())]), None);
        let bytes = screen.frame(buffer(&[("count 12346", Style::new())]), None);
        assert_eq!(String::from_utf8(bytes).unwrap(), "\x1b[?2026h\x1b[1;11H6\x1b[?2026l");
    }
}
