//! stap's command line: what `tapdeck run`, and a link named `stap`, take. stap(1) of SystemTap 5.6 is the source of
//! truth; the options are rows in [`rows`], read as the C library reads them ([`super::getopt`]).
//!
//! Values are checked where they stand, so the first mistake from the left is told; what goes with what is looked at when
//! all is read. Every option does what stap(1) says, or its row says in a sentence why not.

mod help;
mod rows;
mod values;

use std::{ffi::OsString, fmt, io::IsTerminal, path::PathBuf, time::Duration};

pub use help::{as_clap, grouped, help};

use super::getopt::{self, Item, Mistake};
use crate::{diagnostics::color::Palette, language::Privilege, runtime::output_files::Switch, sys::limits::Resource};

/// A command line that holds.
#[derive(Debug, Default)]
pub struct StapArgs {
    /// The script's file, unless there is `-e` or a listing, and the script's arguments.
    pub words: Vec<OsString>,
    /// `-e`.
    pub script: Option<Vec<u8>>,
    /// `-E`.
    pub additional: Vec<Vec<u8>>,
    pub listing: Option<Listing>,
    /// `-p`; `None`: to the end.
    pub last_pass: Option<u8>,
    /// `-v` and `--vp` for each pass.
    pub verbose: [u32; 5],
    pub keep: bool,
    pub guru: bool,
    pub unoptimized: bool,
    pub no_warnings: bool,
    pub warnings_are_errors: bool,
    pub timing: bool,
    /// `-s`, 1 to 4095.
    pub buffer_mb: Option<u32>,
    pub tapset_dirs: Vec<PathBuf>,
    pub defines: Vec<String>,
    /// `-G NAME=VALUE`.
    pub globals: Vec<(String, String)>,
    pub output: Option<OsString>,
    /// `-S`.
    pub switch: Option<Switch>,
    /// `-F`.
    pub flight: bool,
    pub command: Option<String>,
    /// `-x`; 0 is none.
    pub target: Option<i64>,
    pub timeout: Option<Duration>,
    pub release: Option<String>,
    pub download: Download,
    /// `-m`, cut to what a kernel module's name may be.
    pub module_name: Option<String>,
    /// `--tmpdir`: where `-k` keeps things.
    pub keep_in: Option<PathBuf>,
    /// `--monitor`, `-i`: the dashboard shows it.
    pub monitor: bool,
    pub interactive: bool,
    pub example: bool,
    pub color: Option<When>,
    pub compatible: Option<String>,
    pub privilege: Option<Privilege>,
    pub skip_badvars: bool,
    pub suppress_handler_errors: bool,
    pub suppress_time_limits: bool,
    pub semantic_keep_going: bool,
    pub no_global_var_display: bool,
    pub clean_cache: bool,
    /// `--sysroot` was given and is this machine's.
    pub sysroot: bool,
    pub limits: Vec<(Resource, u64)>,
    /// `--record FILE`.
    pub record: Option<PathBuf>,
    /// What is to be told of the options in any case.
    pub said: Vec<String>,
    /// What was asked for and does nothing, as warnings.
    pub warnings: Vec<String>,
    /// What was asked for and is so without asking; `-v` tells.
    pub remarks: Vec<String>,
}

/// `--download-debuginfo`: whether debug information may be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Download {
    #[default]
    No,
    Yes,
    /// It has to be there within so many seconds.
    Within(u64),
    Ask,
}

/// `-l`, `-L` and `--dump-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    Points(String),
    PointsWithVariables(String),
    ProbeTypes,
    Aliases,
    Functions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// Why nothing is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Help,
    Version,
    /// A sentence, as it is printed.
    Wrong(String),
    /// The same with a word about where to find help.
    Usage(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Help => f.write_str(&help()),
            Ending::Version => {
                writeln!(f, "tapdeck {} (SystemTap 5.6 language, eBPF runtime)", env!("CARGO_PKG_VERSION"))
            }
            Ending::Wrong(text) => writeln!(f, "{text}"),
            Ending::Usage(text) => write!(
                f,
                "{text}\nTry '--help' for more information. [man stap]\n\
                 A message like [man foo] means for more info, run % man foo\n"
            ),
        }
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::Wrong(text.into()))
}

/// Reads a command line. `program`: what mistakes begin with; `words`: all behind the program's name.
///
/// # Errors
/// Whatever ends it before there is anything to run, help and version too.
pub fn parse(program: &str, words: Vec<OsString>) -> Result<StapArgs, Ending> {
    let mut args = StapArgs::default();
    let posix = std::env::var_os("POSIXLY_CORRECT").is_some();
    let read = || {
        for item in getopt::items(rows::ROWS, |row| &row.spelling, words, posix) {
            match item.map_err(|mistake: Mistake| Ending::Usage(format!("{program}: {mistake}")))? {
                Item::Word(word) => args.words.push(word),
                Item::Option(row, value) => row.apply(&mut args, &value)?,
            }
        }
        args.check()
    };
    match read() {
        Ok(()) => Ok(args),
        Err(Ending::Wrong(text)) => wrong([args.said, vec![text]].concat().join("\n")),
        Err(ending) => Err(ending),
    }
}

impl StapArgs {
    /// What goes with what, in stap's order.
    fn check(&self) -> Result<(), Ending> {
        let usage = |text: &str| Err(Ending::Usage(text.to_owned()));
        if self.listing.is_some() {
            if self.script.is_some() {
                return usage("Cannot specify a script with -l/-L/--dump-* switches.");
            }
            if self.last_pass.is_some() {
                return usage("Cannot specify -p with -l/-L/--dump-* switches.");
            }
        } else if self.script.is_none() && self.words.is_empty() && !self.clean_cache && !self.opens_an_editor() {
            return usage("A script must be specified.\nTry '-i' for building a script interactively.");
        }
        if self.command.is_some() && self.target.is_some_and(|pid| pid != 0) {
            return usage("You can't specify -c and -x together.");
        }
        if let (true, Some(level @ (Privilege::Stapusr | Privilege::Stapsys))) = (self.guru, self.privilege) {
            return usage(&format!("You can't specify -g and --privilege={level} together."));
        }
        if self.privilege == Some(Privilege::Stapusr) {
            return wrong(format!("ERROR: --privilege=stapusr is not supported: {}", rows::UNPRIVILEGED));
        }
        if self.flight && self.output.is_none() && self.last_pass.is_none() && self.listing.is_none() {
            return wrong(
                "ERROR: -F needs -o FILE here: eBPF programs go with the process that loaded them, so there is nothing \
                 to detach from",
            );
        }
        Ok(())
    }

    /// The colours of messages: unless `--color` says otherwise, those of a terminal that has some.
    pub fn palette(&self) -> Palette {
        let has_colors = || {
            std::io::stderr().is_terminal()
                && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
        };
        let wanted = match self.color.unwrap_or(When::Auto) {
            When::Always => true,
            When::Never => false,
            When::Auto => has_colors(),
        };
        let variable = std::env::var("SYSTEMTAP_COLORS").ok();
        if wanted { Palette::new(variable.as_deref()) } else { Palette::default() }
    }

    /// Whether the dashboard takes it from here.
    pub fn is_for_screen(&self) -> bool {
        (self.monitor || self.interactive) && self.last_pass.is_none() && self.listing.is_none()
    }

    /// Whether a script is still to be written.
    fn opens_an_editor(&self) -> bool {
        self.interactive && self.is_for_screen()
    }

    /// Whether `-v` or `--vp` asks for more of a pass, 1 to 5.
    pub fn is_verbose(&self, pass: usize) -> bool {
        self.verbose[pass - 1] > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<StapArgs, Ending> {
        parse("stap", line.iter().map(OsString::from).collect())
    }

    #[test]
    fn every_row_is_told_apart_and_says_what_it_does() {
        let mut names = std::collections::HashSet::new();
        for row in rows::ROWS {
            let spelling = &row.spelling;
            assert!(spelling.short.is_some() || !spelling.long.is_empty());
            let written = spelling.long.iter().map(|l| (*l).to_owned()).chain(spelling.short.map(String::from));
            for name in written {
                assert!(names.insert(name.clone()), "{name}");
            }
            assert!(!row.help.is_empty() && !row.help.ends_with('.'), "{spelling}");
        }
    }

    #[test]
    fn verbosity_is_for_each_pass() {
        assert_eq!(read(&["-v", "--vp", "002", "-vv", "x"]).unwrap().verbose, [3, 3, 5, 3, 3]);
    }

    #[test]
    fn bytes_stay_bytes() {
        use std::os::unix::ffi::OsStringExt;
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let args = parse("stap", vec![text(b"-e"), text(b"\xff"), text(b"\xfe")]).unwrap();
        assert_eq!((args.script.as_deref(), &args.words[..]), (Some(&b"\xff"[..]), &[text(b"\xfe")][..]));
    }

    #[test]
    fn what_does_nothing_is_said() {
        let args = read(&["-b", "-d", "kernel", "x"]).unwrap();
        assert_eq!((args.warnings.len(), args.remarks.len()), (1, 1));
        assert!(
            args.warnings[0].starts_with("-b has no effect: ") && args.remarks[0].starts_with("-d is not needed: ")
        );
    }
}
