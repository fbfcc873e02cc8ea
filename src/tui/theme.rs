//! Roles, not colours: views ask for [`Role`]s, a theme file says what they look like, and the ladder of what the
//! terminal can show (truecolor, 256, 16, mono) is climbed once, here, when a theme is loaded.
//!
//! A theme is TOML: `inherits`, a `[palette]` of names (`accent = "#5fafff"` or `{ rgb = "#5fafff", ansi = "blue" }`, the
//! second for terminals of 16 colours), and `[roles]` (`"table.header" = { fg = "accent", mods = ["bold"] }`). A role
//! that is not named comes from the theme it inherits; everything ends in `default`, which names every role.

use std::{collections::HashMap, sync::Arc};

use ratatui::style::{Color, Modifier, Style};

/// Names of the themes inside the binary.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    crate::embedded::THEMES.iter().filter_map(|(file, _)| file.strip_suffix(".toml"))
}

macro_rules! roles {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// What a piece of the screen is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Role { $($name),* }
        /// Every role with its name in theme files.
        pub const ROLES: &[(Role, &str)] = &[$((Role::$name, $text)),*];
    };
}

roles! {
    Text = "text", Dim = "dim", Title = "title", TitleFocus = "title.focus", Border = "border", BorderFocus = "border.focus",
    Tab = "tab", TabActive = "tab.active", Status = "status", StatusRun = "status.run", StatusBusy = "status.busy",
    StatusStop = "status.stop", StatusWarn = "status.warn", StatusError = "status.error", StatusDemo = "status.demo",
    StatusPaused = "status.paused", Key = "key", KeyLabel = "key.label", KeyOff = "key.off", RowSelected = "row.selected",
    RowBlur = "row.selected.blur", RowMatch = "row.match", RowNew = "row.new", TableHeader = "table.header",
    TableSort = "table.sort", Number = "number", Rate = "rate", Spark = "spark", HistBar = "hist.bar", HistLabel = "hist.label",
    HistMark = "hist.mark", Heat0 = "heat.0", Heat1 = "heat.1", Heat2 = "heat.2", Heat3 = "heat.3", Heat4 = "heat.4",
    HeatCursor = "heat.cursor", DiagError = "diag.error", DiagWarning = "diag.warning", DiagHelp = "diag.help",
    DiagUnderline = "diag.underline", Gutter = "gutter", GutterCurrent = "gutter.current", Selection = "selection",
    FindMatch = "find.match", FindCurrent = "find.current", Popup = "popup", PopupBorder = "popup.border",
    PopupSelected = "popup.selected", TreeGroup = "tree.group", TreeCount = "tree.count", Section = "section",
    ProbeOn = "probe.on", ProbeOff = "probe.off", Prompt = "prompt", ToastInfo = "toast.info", ToastError = "toast.error",
    LogTime = "log.time", LogWarning = "log.warning", LogError = "log.error", LogNote = "log.note", Timeline = "timeline",
    TimelineCursor = "timeline.cursor", TimelineLive = "timeline.live", SynKeyword = "syntax.keyword",
    SynFunction = "syntax.function", SynProbe = "syntax.probe", SynString = "syntax.string", SynNumber = "syntax.number",
    SynComment = "syntax.comment", SynContext = "syntax.context", SynMacro = "syntax.macro", SynOperator = "syntax.operator",
    SynName = "syntax.name",
}

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    Mono,
    Sixteen,
    Indexed,
    True,
}

impl Depth {
    /// Decides from the environment: `NO_COLOR`, `COLORTERM`, `TERM`.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Self {
        let term = env("TERM").unwrap_or_default();
        let truecolor = env("COLORTERM").is_some_and(|v| v == "truecolor" || v == "24bit");
        if env("NO_COLOR").is_some_and(|v| !v.is_empty()) || term == "dumb" {
            Depth::Mono
        } else if truecolor || term.ends_with("-direct") {
            Depth::True
        } else if term.contains("256color") {
            Depth::Indexed
        } else if term.starts_with("vt") {
            Depth::Mono
        } else {
            Depth::Sixteen
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "truecolor" => Depth::True,
            "256" => Depth::Indexed,
            "16" => Depth::Sixteen,
            "mono" | "never" => Depth::Mono,
            _ => return None,
        })
    }
}

/// Styles of all roles on one terminal.
#[derive(Clone, Debug)]
pub struct Theme {
    pub name: String,
    pub depth: Depth,
    styles: Vec<Style>,
}

impl Theme {
    pub fn get(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// A builtin theme by name, or the text of a theme file.
    ///
    /// # Errors
    /// One sentence: not TOML, an unknown role, colour, modifier or parent, or a circle of parents.
    pub fn load(name: &str, text: Option<&str>, depth: Depth) -> Result<Arc<Theme>, String> {
        let mut chain = Vec::new();
        let (mut current, mut source) = (name.to_owned(), text.map(str::to_owned));
        loop {
            let text = match source.take() {
                Some(text) => text,
                None => builtin(&current).ok_or_else(|| unknown_theme(&current))?.to_owned(),
            };
            let table: toml::Table = text.parse().map_err(|e: toml::de::Error| format!("theme '{current}': {e}"))?;
            let parent = table.get("inherits").and_then(|v| v.as_str()).map(str::to_owned);
            chain.push((current.clone(), table));
            if chain.len() > 8 {
                return Err(format!("theme '{name}' inherits in a circle"));
            }
            match parent {
                Some(parent) => current = parent,
                None if current == "default" => break,
                None => current = "default".to_owned(),
            }
        }
        let mut styles = vec![Style::default(); ROLES.len()];
        let mut palette = HashMap::new();
        // Parents first, so that a child's palette also recolours the roles it does not name.
        for (_, table) in chain.iter().rev() {
            if let Some(colours) = table.get("palette").and_then(|v| v.as_table()) {
                for (key, value) in colours {
                    palette.insert(key.clone(), value.clone());
                }
            }
        }
        for (theme, table) in chain.iter().rev() {
            let Some(roles) = table.get("roles").and_then(|v| v.as_table()) else { continue };
            for (key, value) in roles {
                let idx = ROLES
                    .iter()
                    .position(|(_, text)| text == key)
                    .ok_or_else(|| format!("theme '{theme}': no role is called '{key}'"))?;
                styles[idx] =
                    style(value, &palette, depth).map_err(|why| format!("theme '{theme}', role '{key}': {why}"))?;
            }
        }
        Ok(Arc::new(Theme { name: name.to_owned(), depth, styles }))
    }
}

fn builtin(name: &str) -> Option<&'static str> {
    let (_, bytes) = crate::embedded::THEMES.iter().find(|(file, _)| file.strip_suffix(".toml") == Some(name))?;
    std::str::from_utf8(bytes).ok()
}

fn unknown_theme(name: &str) -> String {
    let names: Vec<&str> = builtin_names().collect();
    format!("no theme is called '{name}'; there are {}", names.join(", "))
}

fn style(value: &toml::Value, palette: &HashMap<String, toml::Value>, depth: Depth) -> Result<Style, String> {
    let table = value.as_table().ok_or("expected { fg, bg, mods }")?;
    let mut style = Style::default();
    if depth != Depth::Mono {
        if let Some(fg) = table.get("fg") {
            style.fg = Some(colour(fg, palette, depth)?);
        }
        if let Some(bg) = table.get("bg") {
            style.bg = Some(colour(bg, palette, depth)?);
        }
    }
    let mods = match table.get("mono") {
        Some(mono) if depth == Depth::Mono => Some(mono),
        _ => table.get("mods"),
    };
    for name in mods.and_then(|v| v.as_array()).into_iter().flatten() {
        style = style.add_modifier(match name.as_str() {
            Some("bold") => Modifier::BOLD,
            Some("dim") => Modifier::DIM,
            Some("italic") => Modifier::ITALIC,
            Some("underline") => Modifier::UNDERLINED,
            Some("reverse") => Modifier::REVERSED,
            other => return Err(format!("no modifier is called '{}'", other.unwrap_or("?"))),
        });
    }
    Ok(style)
}

fn colour(value: &toml::Value, palette: &HashMap<String, toml::Value>, depth: Depth) -> Result<Color, String> {
    if let Some(table) = value.as_table() {
        let part = if depth <= Depth::Sixteen { table.get("ansi").or(table.get("rgb")) } else { table.get("rgb") };
        return colour(part.ok_or("a colour needs 'rgb'")?, palette, depth);
    }
    let text = value.as_str().ok_or("a colour is a string")?;
    if let Some(entry) = palette.get(text) {
        // A palette entry must not name itself, or `red = "red"` would never end.
        let mut rest = palette.clone();
        rest.remove(text);
        return colour(entry, &rest, depth);
    }
    if let Some(hex) = text.strip_prefix('#') {
        let rgb =
            u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 6).ok_or(format!("'{text}' is not a colour"))?;
        return Ok(climb_down((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8, depth));
    }
    Ok(match text {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "gray" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "white" => Color::White,
        _ => return Err(format!("'{text}' is not a colour")),
    })
}

/// The nearest colour the depth has.
fn climb_down(r: u8, g: u8, b: u8, depth: Depth) -> Color {
    match depth {
        Depth::True => Color::Rgb(r, g, b),
        Depth::Indexed => Color::Indexed(nearest_indexed(r, g, b)),
        Depth::Sixteen => nearest_ansi(r, g, b),
        Depth::Mono => Color::Reset,
    }
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> i32 {
    let square = |x: u8, y: u8| (i32::from(x) - i32::from(y)).pow(2);
    2 * square(a.0, b.0) + 4 * square(a.1, b.1) + 3 * square(a.2, b.2)
}

/// xterm's 6x6x6 cube and its 24 greys, indices 16 to 255.
fn nearest_indexed(r: u8, g: u8, b: u8) -> u8 {
    (16..=255u8).min_by_key(|idx| distance(indexed_rgb(*idx), (r, g, b))).unwrap_or(15)
}

/// What an xterm index from 16 up looks like.
pub fn indexed_rgb(idx: u8) -> (u8, u8, u8) {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    if idx >= 232 {
        let grey = 8 + (idx - 232) * 10;
        return (grey, grey, grey);
    }
    let n = idx.saturating_sub(16) as usize;
    (STEPS[n / 36], STEPS[n / 6 % 6], STEPS[n % 6])
}

/// The 16 ANSI colours as xterm draws them.
pub const ANSI: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 49, 49)),
    (Color::Green, (13, 160, 90)),
    (Color::Yellow, (190, 150, 20)),
    (Color::Blue, (50, 110, 210)),
    (Color::Magenta, (178, 60, 178)),
    (Color::Cyan, (20, 150, 180)),
    (Color::Gray, (200, 200, 200)),
    (Color::DarkGray, (110, 110, 110)),
    (Color::LightRed, (241, 96, 96)),
    (Color::LightGreen, (60, 210, 130)),
    (Color::LightYellow, (240, 220, 80)),
    (Color::LightBlue, (90, 150, 240)),
    (Color::LightMagenta, (220, 120, 220)),
    (Color::LightCyan, (70, 200, 225)),
    (Color::White, (245, 245, 245)),
];

fn nearest_ansi(r: u8, g: u8, b: u8) -> Color {
    ANSI.iter().min_by_key(|(_, rgb)| distance(*rgb, (r, g, b))).map_or(Color::Reset, |(colour, _)| *colour)
}

/// Shapes, in Unicode or ASCII; decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub unicode: bool,
    /// A bar's last cell by eighths, from nothing to full.
    pub bar: [&'static str; 9],
    /// Columns of growing height.
    pub spark: [&'static str; 9],
    pub heat: [&'static str; 5],
    pub pointer: &'static str,
    pub open: &'static str,
    pub closed: &'static str,
    pub on: &'static str,
    pub off: &'static str,
    pub error: &'static str,
    pub warning: &'static str,
    pub ok: &'static str,
    pub down: &'static str,
    pub up: &'static str,
    pub bar_v: &'static str,
    pub line: &'static str,
    pub pause: &'static str,
    pub none: &'static str,
    pub dot: &'static str,
    pub times: &'static str,
    pub left: &'static str,
    pub ellipsis: &'static str,
    /// top left, top right, bottom left, bottom right, horizontal, vertical
    pub border: [&'static str; 6],
    pub border_focus: [&'static str; 6],
    pub delta: &'static str,
}

pub const UNICODE: Glyphs = Glyphs {
    unicode: true,
    bar: [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    spark: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    heat: [" ", "·", "░", "▒", "▓"],
    pointer: "►",
    open: "▾",
    closed: "▸",
    on: "●",
    off: "○",
    error: "✗",
    warning: "!",
    ok: "✓",
    down: "▼",
    up: "▲",
    bar_v: "│",
    line: "─",
    pause: "‖",
    none: "—",
    dot: "·",
    times: "×",
    left: "◂",
    ellipsis: "…",
    border: ["╭", "╮", "╰", "╯", "─", "│"],
    border_focus: ["┏", "┓", "┗", "┛", "━", "┃"],
    delta: "Δ",
};

pub const ASCII: Glyphs = Glyphs {
    unicode: false,
    bar: [" ", " ", " ", " ", "=", "=", "=", "#", "#"],
    spark: [" ", "_", "_", ".", ".", "-", "-", "=", "#"],
    heat: [" ", ".", ":", "+", "#"],
    pointer: ">",
    open: "v",
    closed: ">",
    on: "*",
    off: "o",
    error: "x",
    warning: "!",
    ok: "+",
    down: "v",
    up: "^",
    bar_v: "|",
    line: "-",
    pause: "||",
    none: "-",
    dot: ".",
    times: "x",
    left: "<",
    ellipsis: "~",
    border: ["+", "+", "+", "+", "-", "|"],
    border_focus: ["#", "#", "#", "#", "=", "#"],
    delta: "d",
};

/// Whether the locale says UTF-8.
pub fn locale_is_utf8(env: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env(name).filter(|v| !v.is_empty()));
    // The Linux console draws few of our shapes whatever the locale says.
    let console = env("TERM").is_some_and(|term| term == "linux" || term == "dumb");
    !console && locale.is_none_or(|v| v.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTHS: [Depth; 4] = [Depth::Mono, Depth::Sixteen, Depth::Indexed, Depth::True];

    #[test]
    fn every_builtin_theme_loads_at_every_depth() {
        for name in builtin_names() {
            for depth in DEPTHS {
                Theme::load(name, None, depth).unwrap();
            }
        }
    }

    #[test]
    fn default_names_every_role_and_uses_only_ansi_names() {
        let text = builtin("default").unwrap();
        for (_, role) in ROLES {
            assert!(text.contains(&format!("\"{role}\"")), "default.toml lacks {role}");
        }
        assert!(!text.contains("#5") && !text.contains("rgb"), "default must follow the terminal's colours");
    }

    #[test]
    fn what_must_differ_differs_in_every_theme_at_every_depth() {
        const PAIRS: &[(Role, Role)] = &[
            (Role::Text, Role::RowSelected),
            (Role::RowSelected, Role::RowBlur),
            (Role::Tab, Role::TabActive),
            (Role::Text, Role::Selection),
            (Role::Text, Role::FindMatch),
            (Role::FindMatch, Role::FindCurrent),
            (Role::Text, Role::DiagUnderline),
            (Role::Text, Role::DiagError),
            (Role::Popup, Role::PopupSelected),
            (Role::Status, Role::StatusError),
            (Role::Status, Role::StatusDemo),
            (Role::Text, Role::TableHeader),
            (Role::Title, Role::TitleFocus),
            (Role::KeyLabel, Role::KeyOff),
            (Role::Text, Role::RowMatch),
            (Role::Timeline, Role::TimelineCursor),
        ];
        const COLOURED: &[(Role, Role)] = &[
            (Role::Border, Role::BorderFocus),
            (Role::SynName, Role::SynKeyword),
            (Role::SynName, Role::SynString),
            (Role::SynName, Role::SynComment),
            (Role::SynKeyword, Role::SynProbe),
            (Role::SynString, Role::SynNumber),
            (Role::DiagError, Role::DiagWarning),
            (Role::StatusRun, Role::StatusStop),
            (Role::StatusRun, Role::StatusError),
            (Role::ProbeOn, Role::ProbeOff),
            (Role::LogError, Role::LogWarning),
            (Role::Heat1, Role::Heat4),
        ];
        for name in builtin_names() {
            for depth in DEPTHS {
                let theme = Theme::load(name, None, depth).unwrap();
                let coloured = if depth == Depth::Mono { &[] } else { COLOURED };
                for (a, b) in PAIRS.iter().chain(coloured) {
                    assert_ne!(theme.get(*a), theme.get(*b), "{name} at {depth:?}: {a:?} and {b:?} look the same");
                }
            }
        }
    }

    /// What is chosen, marked or searched for is painted over whatever stands there: all of it must look different then.
    #[test]
    fn what_is_painted_over_shows_in_every_theme_at_every_depth() {
        for name in builtin_names() {
            for depth in DEPTHS {
                let theme = Theme::load(name, None, depth).unwrap();
                for over in [Role::RowSelected, Role::Selection, Role::PopupSelected, Role::FindMatch] {
                    let paint = theme.get(over);
                    // Roles that are painted over others themselves are never below.
                    let is_paint = |role: Role| theme.get(role).patch(paint) == theme.get(role);
                    let same: Vec<_> =
                        ROLES.iter().filter(|(role, _)| is_paint(*role)).map(|(_, name)| *name).collect();
                    let own = ["row.", "selection", "popup", "find.", "tab.", "status", "timeline"];
                    let below: Vec<_> = same.iter().filter(|name| !own.iter().any(|own| name.contains(own))).collect();
                    assert!(below.is_empty(), "{name} at {depth:?}: {over:?} does not show over {below:?}");
                }
                for (role, role_name) in ROLES {
                    let style = theme.get(*role);
                    let hidden = style.fg.is_some() && style.fg == style.bg && style.fg != Some(Color::Reset);
                    assert!(!hidden, "{name} at {depth:?}: {role_name} cannot be read");
                }
            }
        }
    }

    #[test]
    fn mono_has_no_colours() {
        let theme = Theme::load("dark", None, Depth::Mono).unwrap();
        assert!(theme.styles.iter().all(|s| s.fg.is_none() && s.bg.is_none()));
    }

    #[test]
    fn ladder() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(Depth::detect(env(&[("TERM", "xterm-256color")])), Depth::Indexed);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm"), ("COLORTERM", "truecolor")])), Depth::True);
        assert_eq!(Depth::detect(env(&[("TERM", "linux")])), Depth::Sixteen);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")])), Depth::Mono);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm"), ("COLORTERM", "24bit")])), Depth::True);
        assert_eq!(Depth::detect(env(&[("TERM", "screen-256color")])), Depth::Indexed);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm")])), Depth::Sixteen);
        assert_eq!(Depth::detect(env(&[("TERM", "dumb"), ("COLORTERM", "truecolor")])), Depth::Mono);
        assert_eq!(Depth::detect(env(&[("TERM", "vt220")])), Depth::Mono);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm-256color"), ("NO_COLOR", "")])), Depth::Indexed);
        assert_eq!(climb_down(0x5f, 0xaf, 0xff, Depth::Indexed), Color::Indexed(75));
        assert_eq!(climb_down(250, 20, 20, Depth::Sixteen), Color::Red);
    }

    #[test]
    fn mistakes_are_named() {
        let load = |text: &str| Theme::load("mine", Some(text), Depth::True).unwrap_err();
        assert_eq!(load("[roles]\n\"tab.actve\" = {}"), "theme 'mine': no role is called 'tab.actve'");
        assert_eq!(load("[roles]\ntab = { fg = \"teal\" }"), "theme 'mine', role 'tab': 'teal' is not a colour");
        assert!(load("inherits = \"nope\"").starts_with("no theme is called 'nope'"));
    }
}
