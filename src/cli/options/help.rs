//! The options for people: `--help`, the completions of shells, and the table in `docs/options.md`.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::rows::{Group, Here, ROWS, Row};
use crate::cli::getopt::Takes;

const HEAD: &str = "\
Usage: stap [OPTIONS] FILE [ARGS]...
       stap [OPTIONS] - [ARGS]...          the script comes from standard input
       stap [OPTIONS] -e SCRIPT [ARGS]...
       stap [OPTIONS] -l|-L PROBE
       stap [OPTIONS] --dump-probe-types|--dump-probe-aliases|--dump-functions

`tapdeck run` takes the same. Options may stand behind FILE, too; -- ends them. ARGS are $1 @1 and so on.
";

const TAIL: &str = "
Limits for -D: MAXACTION MAXACTION_INTERRUPTIBLE MAXERRORS MAXSKIPPED MAXMAPENTRIES MAXNESTING MAXSTRINGLEN,
and HIST_WIDTH HIST_ELISION for the look of histograms.
";

const GROUPS: &[(Group, &str)] = &[
    (Group::Script, "The script"),
    (Group::Run, "The run"),
    (Group::Output, "Its output"),
    (Group::Stop, "Less than a run"),
    (Group::Compile, "What is said"),
    (Group::Other, "For stap's users"),
];

/// Columns of the names.
const NAMES: usize = 30;

/// The options that are taken, under their groups' titles, each with what it does.
pub fn grouped() -> impl Iterator<Item = (&'static str, Vec<(String, String)>)> {
    GROUPS.iter().map(|(group, title)| {
        let rows = ROWS.iter().filter(|row| row.group == *group && !matches!(row.here, Here::Refused(_)));
        let told = rows.map(|row| {
            let remark = match row.here {
                Here::NoEffect(_) => " [no effect]",
                Here::Needless(_) => " [not needed]",
                _ => "",
            };
            (names(row), format!("{}{remark}", row.help))
        });
        (*title, told.collect())
    })
}

/// `--help`.
pub fn help() -> String {
    let mut out = HEAD.to_owned();
    for (title, rows) in grouped() {
        let _ = writeln!(out, "\n{title}:");
        for (names, text) in rows {
            let names = if names.starts_with("--") { format!("    {names}") } else { names };
            match names.len() < NAMES {
                true => writeln!(out, "  {names:NAMES$}{text}").ok(),
                false => writeln!(out, "  {names}\n  {:NAMES$}{text}", "").ok(),
            };
        }
    }
    out + TAIL
}

/// `-p NUM`, `-V, --version`.
fn names(row: &Row) -> String {
    row.spelling.to_string()
}

/// The options as the completions' generator wants them.
pub fn as_clap(command: Command) -> Command {
    let args = ROWS.iter().map(|row| {
        let spelling = &row.spelling;
        let (first, rest) = spelling.long.split_first().map_or((None, &[][..]), |(first, rest)| (Some(*first), rest));
        // A row's help is its own, and a name has to live for ever.
        let mut arg = Arg::new(first.unwrap_or(row.help)).help(row.help).visible_aliases(rest.iter().copied());
        if let Some(short) = spelling.short {
            arg = arg.short(short);
        }
        if let Some(long) = first {
            arg = arg.long(long);
        }
        match spelling.takes {
            Takes::Nothing => arg.action(ArgAction::Count),
            Takes::Value(name) => arg.value_name(name).action(ArgAction::Append),
            Takes::Perhaps(name, _) => {
                arg.value_name(name).num_args(0..=1).require_equals(true).action(ArgAction::Append)
            }
        }
    });
    let args: Vec<Arg> = args.collect();
    command.disable_help_flag(true).disable_version_flag(true).args(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/options.md`.
    fn table() -> String {
        let mut rows: Vec<&Row> = ROWS.iter().collect();
        rows.sort_by_key(|row| (row.spelling.short.is_none(), row.name().to_lowercase(), row.name()));
        let mut out = "| option | here |\n|---|---|\n".to_owned();
        for row in rows {
            let here = match row.here {
                Here::Same => "as stap(1)".to_owned(),
                Here::Ours => format!("not one of stap's: {}", row.help.to_lowercase().replacen("file", "FILE", 1)),
                Here::Differs(text) => text.to_owned(),
                Here::Needless(why) => format!("*not needed*: {why}"),
                Here::NoEffect(why) => format!("*no effect*, with a warning: {why}"),
                Here::Refused(why) => format!("**refused**: {why}"),
            };
            let _ = writeln!(out, "| `{}` | {here} |", names(row).replace('|', "\\|"));
        }
        out
    }

    #[test]
    fn the_documents_table_is_that_of_the_rows() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/options.md");
        let text = std::fs::read_to_string(path).expect("is there");
        let head = text.split("| option | here |").next().unwrap_or_default();
        let tail = text.split_once("\n\n## ").map_or(String::new(), |(_, tail)| format!("\n## {tail}"));
        expect_test::expect_file![path].assert_eq(&format!("{head}{}{tail}", table()));
    }

    #[test]
    fn help_has_every_option_that_is_taken() {
        let help = help();
        for row in ROWS {
            assert_eq!(help.contains(&names(row)), !matches!(row.here, Here::Refused(_)), "{}", names(row));
        }
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{help}");
    }

    #[test]
    fn completions_can_be_made_of_the_rows() {
        as_clap(Command::new("run")).debug_assert();
    }
}
