//! `tapdeck man`: the manual page, made of what the program itself goes by: the definition of its command line, the rows
//! of `tapdeck run`'s options, the dashboard's actions and their keys. man(7).

use std::fmt::Write;

use clap::{Arg, CommandFactory};

use super::{args::Cli, options};
use crate::tui::{
    action::{ACTIONS, Where},
    input::keymap::Keymap,
};

const DESCRIPTION: &str = "\
Compiles SystemTap scripts to eBPF in its own process, and shows what they gather while it grows. Without a command it opens \
the dashboard: an editor, a browser of everything that can be probed, tables and histograms of a script's globals, and a log. \
Where nothing may be traced it opens on a recording and says so.";

const FILES: &[(&str, &str)] = &[
    (
        "$XDG_CONFIG_HOME/tapdeck/config.toml",
        "Settings of the dashboard; `tapdeck settings` prints one with everything in it.",
    ),
    ("$XDG_CONFIG_HOME/tapdeck/themes/NAME.toml", "Themes of one's own."),
    ("$XDG_STATE_HOME/tapdeck/swap/", "Text that was not saved, offered again at the next start."),
    ("$XDG_CACHE_HOME/tapdeck/", "Indexes of debug information."),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR, COLORTERM, TERM", "How many colours the dashboard uses; --color says so, too."),
    ("LC_ALL, LC_CTYPE, LANG", "Characters beyond ASCII are drawn where they name UTF-8."),
    ("SSH_CONNECTION", "Over it data is drawn at most four times a second."),
    ("DEBUGINFOD_URLS", "Servers that have debug information."),
];

const STATUS: &str = "\
0 when the script ran and ended well, or what was asked for was printed; 1 when it could not be compiled or run, when it \
ended with an error, or when its command (-c) failed.";

/// The page as troff reads it.
pub fn page() -> String {
    let mut page = Page::default();
    let command = Cli::command();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(page.0, ".TH TAPDECK 1 \"\" \"tapdeck {}\" \"User Commands\"", env!("CARGO_PKG_VERSION"));
    page.section("NAME");
    page.text(&format!("tapdeck - {}", about.to_lowercase().replace("systemtap", "SystemTap").replace("ebpf", "eBPF")));
    page.section("SYNOPSIS");
    for line in
        ["tapdeck [OPTIONS] [SCRIPT] [ARGS]...", "tapdeck COMMAND", "tapdeck run [STAP'S OPTIONS] SCRIPT [ARGS]..."]
    {
        page.text(line);
        page.0.push_str(".br\n");
    }
    page.section("DESCRIPTION");
    page.text(DESCRIPTION);
    page.section("COMMANDS");
    for sub in command.get_subcommands() {
        let operands: String = sub.get_positionals().map(operand).collect();
        page.entry(&format!("{}{operands}", sub.get_name()), &help_of(sub.get_about()));
    }
    page.section("OPTIONS");
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        let values = arg.get_possible_values();
        let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
        let choice = if values.is_empty() || !arg.get_action().takes_values() {
            String::new()
        } else {
            format!(": {}", values.join(", "))
        };
        page.entry(&spelling(arg), &format!("{}{choice}", help_of(arg.get_help())));
    }
    page.section("OPTIONS OF RUN");
    page.text("Those of stap(1). A link named stap to the program takes them, too.");
    for (title, rows) in options::grouped() {
        let _ = writeln!(page.0, ".SS {}", escaped(title));
        for (names, text) in rows {
            page.entry(&names, &text);
        }
    }
    page.section("KEYS");
    page.text("Other keys can be set, or the preset vim or emacs; F1 shows those that hold. Every action is in the palette, too.");
    let keymap = Keymap::default();
    for place in Where::ALL {
        let _ = writeln!(page.0, ".SS {}", place.title());
        for row in ACTIONS.iter().filter(|row| row.places.contains(&place)) {
            let keys = keymap.shown_all(row, false);
            page.entry(if keys.is_empty() { row.name } else { &keys }, row.title);
        }
    }
    for (title, rows) in [("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)] {
        page.section(title);
        for (name, text) in rows {
            page.entry(name, text);
        }
    }
    page.section("EXIT STATUS");
    page.text(STATUS);
    page.section("SEE ALSO");
    page.text("stap(1), stapprobes(3stap), bpf(2), capabilities(7)");
    page.0
}

fn help_of(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// `-c CMD`, `--theme NAME`, `-h, --help`.
fn spelling(arg: &Arg) -> String {
    let short = arg.get_short().map(|c| format!("-{c}"));
    let long = arg.get_long().map(|name| format!("--{name}"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    let value =
        arg.get_value_names().filter(|_| arg.get_action().takes_values()).map(|names| format!(" {}", names.join(" ")));
    names.join(", ") + &value.unwrap_or_default()
}

/// ` FILE`
fn operand(arg: &Arg) -> String {
    let name = arg.get_value_names().and_then(|names| names.first().map(ToString::to_string));
    format!(" {}", name.unwrap_or_else(|| arg.get_id().as_str().to_uppercase()))
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn section(&mut self, title: &str) {
        let _ = writeln!(self.0, ".SH {title}");
    }

    fn text(&mut self, text: &str) {
        let _ = writeln!(self.0, "{}", escaped(text));
    }

    fn entry(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, ".TP\n\\fB{}\\fR\n{}", escaped(name), escaped(text));
    }
}

/// Text that is no request, and minuses that can be copied.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}
