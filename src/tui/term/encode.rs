//! From the difference of two screens to bytes: as few as a plain terminal understands, none when nothing changed, all in
//! one piece between the marks of a synchronized update (DEC mode 2026), which others ignore.

use std::fmt::Write;

use ratatui::{
    buffer::{Buffer, Cell, CellWidth},
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
        let changes = differences(&self.shown, &next);
        if changes.is_empty() && cursor == self.cursor && !self.fresh {
            // What differs looks the same.
            self.shown = next;
            return Vec::new();
        }
        if self.cursor.is_some() && !changes.is_empty() {
            out.push_str("\x1b[?25l");
        }
        // Where the terminal's cursor is, if known.
        let mut at: Option<(u16, u16)> = None;
        let mut changes = changes.as_slice();
        while let [(x, y, cell), rest @ ..] = changes {
            let (x, y) = (*x, *y);
            go(at, (x, y), &self.shown, &pen, &mut out);
            if let Some(erased) = Erased::at(&next, changes) {
                pen.set(cell, &mut out);
                erased.write(&mut out);
                at = Some((x, y));
                changes = &changes[erased.n_changes..];
                continue;
            }
            pen.set(cell, &mut out);
            out.push_str(cell.symbol());
            let width = width_of(cell);
            // In the last column the cursor waits at the edge: where it is depends on the terminal.
            at = (x + width < next.area.width).then_some((x + width, y));
            changes = rest;
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

/// A cell and where it is.
type Change<'a> = (u16, u16, &'a Cell);

fn width_of(cell: &Cell) -> u16 {
    cell.cell_width().max(1)
}

/// What has to be written, in reading order.
fn differences<'a>(shown: &Buffer, next: &'a Buffer) -> Vec<Change<'a>> {
    let mut out = Vec::new();
    for y in 0..next.area.height {
        let mut x = 0;
        while x < next.area.width {
            let cell = &next[(x, y)];
            // Half of a wide character that is written over is what the terminal likes it to be.
            let is_torn = x > 0 && width_of(&shown[(x - 1, y)]) > 1 && shown[(x - 1, y)] != next[(x - 1, y)];
            if is_torn || !looks_the_same(&shown[(x, y)], cell) {
                out.push((x, y, cell));
            }
            x += width_of(cell);
        }
    }
    out
}

/// To the eye: a blank's letter has no colour.
fn looks_the_same(a: &Cell, b: &Cell) -> bool {
    a == b || (has_no_ink(a) && has_no_ink(b) && a.bg == b.bg)
}

/// Moves the cursor in as few bytes as there are ways to.
fn go(from: Option<(u16, u16)>, to: (u16, u16), shown: &Buffer, pen: &Pen, out: &mut String) {
    let (x, y) = to;
    match from {
        Some(from) if from == to => (),
        Some((from, row)) if row == y && x > from => {
            // Writing a few cells again may be shorter than moving.
            let forward = if x - from == 1 { "\x1b[C".to_owned() } else { format!("\x1b[{}C", x - from) };
            let gap: Option<String> = (from..x)
                .map(|x| &shown[(x, y)])
                .map(|cell| (pen.draws(cell) && cell.symbol().len() == 1).then(|| cell.symbol()))
                .collect();
            out.push_str(&gap.filter(|gap| gap.len() <= forward.len()).unwrap_or(forward));
        }
        Some((column, row)) if column == x && row < y => drop(write!(out, "\x1b[{}d", y + 1)),
        _ if x == 0 => drop(write!(out, "\x1b[{}H", y + 1)),
        _ => drop(write!(out, "\x1b[{};{}H", y + 1, x + 1)),
    }
}

/// A run of cells that become blank, where erasing them is shorter than writing blanks. Only cells without a background:
/// what terminals erase to a colour differs.
struct Erased {
    /// Columns up to the last that changes; `None` for all to the end of the line.
    columns: Option<u16>,
    n_changes: usize,
}

impl Erased {
    /// The run that begins with the first of the changes.
    fn at(next: &Buffer, changes: &[Change]) -> Option<Self> {
        let &(x, y, _) = changes.first()?;
        let blank = (x..next.area.width).take_while(|x| is_blank(&next[(*x, y)])).count() as u16;
        let inside = |change: &&Change| change.1 == y && change.0 - x < blank;
        let n_changes = changes.iter().take_while(inside).count();
        let columns = changes[..n_changes].last()?.0 - x + 1;
        let to_the_end = x + blank == next.area.width;
        let goes_on = changes.get(n_changes).is_some_and(|(_, row, _)| *row == y);
        let cost = match (to_the_end, goes_on) {
            (true, _) => 3,
            // And the way on from where the cursor stays.
            (false, true) => 8,
            (false, false) => 4,
        };
        (columns > cost).then_some(Self { columns: (!to_the_end).then_some(columns), n_changes })
    }

    fn write(&self, out: &mut String) {
        match self.columns {
            Some(columns) => drop(write!(out, "\x1b[{columns}X")),
            None => out.push_str("\x1b[K"),
        }
    }
}

/// Modifiers that are seen where nothing is written; with them the colour is, too.
const SEEN_ON_BLANKS: Modifier = Modifier::UNDERLINED.union(Modifier::REVERSED).union(Modifier::CROSSED_OUT);

/// Nothing but the background is seen of the cell.
fn has_no_ink(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANKS)
}

/// The cell is as an erased one.
fn is_blank(cell: &Cell) -> bool {
    has_no_ink(cell) && cell.bg == Color::Reset
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

/// The modifiers used here with what switches them on, and off.
const MODIFIERS: [(Modifier, &str, &str); 5] = [
    (Modifier::BOLD, "1", "22"),
    (Modifier::DIM, "2", "22"),
    (Modifier::ITALIC, "3", "23"),
    (Modifier::UNDERLINED, "4", "24"),
    (Modifier::REVERSED, "7", "27"),
];

impl Pen {
    /// What the cell is written with, as like this pen as the eye allows.
    fn towards(&self, cell: &Cell) -> Self {
        if has_no_ink(cell) {
            return Self { bg: cell.bg, mods: self.mods - SEEN_ON_BLANKS, ..*self };
        }
        Self { fg: cell.fg, bg: cell.bg, mods: cell.modifier }
    }

    /// Whether the cell comes out right when it is written as the pen is.
    fn draws(&self, cell: &Cell) -> bool {
        self.towards(cell) == *self
    }

    fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    fn set(&mut self, cell: &Cell, out: &mut String) {
        let wanted = self.towards(cell);
        if wanted == *self {
            return;
        }
        let anew = {
            let mut codes = wanted.codes_from(&Self::default());
            codes.insert(0, "0".to_owned());
            // `ESC[m` does for a lone 0; a list that begins with it must keep it.
            if codes.len() == 1 { String::new() } else { codes.join(";") }
        };
        let changed = wanted.codes_from(self).join(";");
        let shorter = if changed.len() <= anew.len() { changed } else { anew };
        let _ = write!(out, "\x1b[{shorter}m");
        *self = wanted;
    }

    /// SGR parameters that turn `from` into this, changing only what differs.
    fn codes_from(&self, from: &Self) -> Vec<String> {
        let mut codes: Vec<String> = Vec::new();
        let mut mods = from.mods;
        for (flag, _, off) in MODIFIERS {
            if (mods - self.mods).contains(flag) {
                codes.push(off.into());
                // Bold and faint go together.
                mods -= if off == "22" { Modifier::BOLD | Modifier::DIM } else { flag };
            }
        }
        for (flag, on, _) in MODIFIERS {
            if (self.mods - mods).contains(flag) {
                codes.push(on.into());
            }
        }
        if self.fg != from.fg {
            codes.push(colour(self.fg, 30));
        }
        if self.bg != from.bg {
            codes.push(colour(self.bg, 40));
        }
        codes
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
                    assert!(has_no_ink(wanted) || cell.bold() == wanted.modifier.contains(Modifier::BOLD), "{x},{y}");
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

    /// What is written between the marks to turn one line into another.
    fn difference(from: &[(&str, Style)], to: &[(&str, Style)]) -> String {
        let mut screen = Screen::new((12, from.len() as u16));
        screen.frame(buffer(from), None);
        let bytes = String::from_utf8(screen.frame(buffer(to), None)).unwrap();
        bytes.trim_start_matches("\x1b[?2026h").trim_end_matches("\x1b[?2026l").to_owned()
    }

    #[test]
    fn blanks_are_erased_and_have_no_colour() {
        let (plain, red) = (Style::new(), Style::new().fg(Color::Red));
        let mark = Style::new().add_modifier(Modifier::REVERSED);
        assert_eq!(difference(&[("abcdefghij", plain)], &[("a", plain)]), "\x1b[1;2H\x1b[K");
        assert_eq!(difference(&[("abcdefghi k", plain)], &[("a         k", plain)]), "\x1b[1;2H\x1b[8X");
        assert_eq!(
            difference(&[("abcd", plain), ("abcd", plain)], &[("", plain), ("", plain)]),
            "\x1b[1H\x1b[K\x1b[2d\x1b[K"
        );
        assert_eq!(difference(&[("a b", plain)], &[("a b", red)]), "\x1b[1H\x1b[31ma b\x1b[m".replace("[m", "[0m"));
        assert_eq!(difference(&[("    ", plain)], &[("    ", red)]), "");
        assert_eq!(difference(&[("    ", plain)], &[("    ", mark)]), "\x1b[1H\x1b[7m    \x1b[0m");
        // A background is written: not every terminal erases to it.
        let blue = Style::new().bg(Color::Blue);
        assert_eq!(
            difference(&[("            ", plain)], &[("            ", blue)]),
            "\x1b[1H\x1b[44m            \x1b[0m"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_screen_turns_into_any_other(frames in proptest::collection::vec(proptest::collection::vec(any_cell(), 24), 1..6)) {
            let mut screen = Screen::new((12, 2));
            let mut parser = vt100::Parser::new(2, 12, 0);
            for cells in frames {
                let mut frame = Buffer::empty(Rect::new(0, 0, 12, 2));
                let mut x = 0;
                for (symbol, style) in cells {
                    let width = unicode_width::UnicodeWidthStr::width(symbol) as u16;
                    if x % 12 + width <= 12 && x < 24 {
                        frame.set_string(x % 12, x / 12, symbol, style);
                        x += width;
                    }
                }
                parser.process(&screen.frame(frame.clone(), None));
                for (y, x) in (0..2).flat_map(|y| (0..12).map(move |x| (y, x))) {
                    let (cell, wanted) = (parser.screen().cell(y, x).unwrap(), &frame[(x, y)]);
                    if cell.is_wide_continuation() {
                        continue;
                    }
                    let symbol = if cell.contents().is_empty() { " " } else { cell.contents() };
                    proptest::prop_assert_eq!(symbol, wanted.symbol());
                    proptest::prop_assert_eq!(cell.bgcolor(), of_vt100(wanted.bg));
                    proptest::prop_assert_eq!(cell.inverse(), wanted.modifier.contains(Modifier::REVERSED));
                    proptest::prop_assert_eq!(cell.underline(), wanted.modifier.contains(Modifier::UNDERLINED));
                    if !has_no_ink(wanted) {
                        proptest::prop_assert_eq!(cell.fgcolor(), of_vt100(wanted.fg));
                        proptest::prop_assert_eq!(cell.bold(), wanted.modifier.contains(Modifier::BOLD));
                        proptest::prop_assert_eq!(cell.dim(), wanted.modifier.contains(Modifier::DIM));
                        proptest::prop_assert_eq!(cell.italic(), wanted.modifier.contains(Modifier::ITALIC));
                    }
                }
            }
        }
    }

    fn any_cell() -> impl proptest::strategy::Strategy<Value = (&'static str, Style)> {
        use proptest::prelude::*;
        let symbol = prop_oneof![8 => Just(" "), 3 => Just("a"), 1 => Just("─"), 1 => Just("日")];
        let colour = || prop_oneof![4 => Just(Color::Reset), 1 => Just(Color::Red), 1 => Just(Color::Indexed(100))];
        let mods = prop_oneof![4 => Just(0_u16), 1 => any::<u16>()];
        (symbol, colour(), colour(), mods).prop_map(|(symbol, fg, bg, mods)| {
            let used = MODIFIERS.iter().fold(Modifier::empty(), |all, (flag, ..)| all | *flag);
            let mut mods = Modifier::from_bits_truncate(mods) & used;
            if mods.contains(Modifier::BOLD) {
                // The parser knows a cell as one of the two.
                mods -= Modifier::DIM;
            }
            let style = Style::new().fg(fg).bg(bg).add_modifier(mods);
            (symbol, style)
        })
    }

    fn of_vt100(colour: Color) -> vt100::Color {
        match colour {
            Color::Reset => vt100::Color::Default,
            Color::Red => vt100::Color::Idx(1),
            Color::Indexed(n) => vt100::Color::Idx(n),
            other => panic!("{other:?} is not drawn here"),
        }
    }
}
