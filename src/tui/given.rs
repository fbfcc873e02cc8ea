//! What a script is given besides its text, as one writes it after the script's name for stap(1): arguments, `-x PID`,
//! `-c COMMAND`, `-s MB`. Words are quoted as for a shell.

use super::{
    engine::{StartOptions, Token},
    model::script::text::is_raw_byte,
};
use crate::runtime::target::split_words;

/// # Errors
/// What is wrong, in words.
pub fn parse(line: &str) -> Result<StartOptions, String> {
    let mut given = StartOptions::default();
    // The script's name is the first word.
    let words = split_words(&format!("script {line}")).ok_or("a quote is open, or something needs quotes")?;
    let mut words = words.into_iter().skip(1);
    let mut only_arguments = false;
    while let Some(word) = words.next() {
        let option = ["-x", "-c", "-s"].into_iter().find(|option| !only_arguments && word.starts_with(option));
        let Some(option) = option else {
            if word == "--" && !only_arguments {
                only_arguments = true;
            } else {
                given.args.push(word);
            }
            continue;
        };
        let value = Some(word[2..].to_owned()).filter(|rest| !rest.is_empty()).or_else(|| words.next());
        match (option, value) {
            ("-x", Some(pid)) => {
                let number = pid.parse().map_err(|_| format!("'{pid}' is no process id"))?;
                given.target = Some(number);
            }
            ("-c", Some(command)) => given.command = Some(command),
            ("-s", Some(text)) => {
                let megabytes = text.parse().ok().filter(|mb| (1..=4095).contains(mb));
                given.buffer_mb =
                    Some(megabytes.ok_or(format!("'{text}' is no size of a buffer: 1 to 4095 megabytes"))?);
            }
            ("-x", None) => return Err("-x wants a process id".to_owned()),
            ("-c", None) => return Err("-c wants a command".to_owned()),
            _ => return Err("-s wants the size of the buffer in megabytes".to_owned()),
        }
    }
    if given.target.is_some() && given.command.is_some() {
        return Err("-x and -c exclude each other: a command is its own target".to_owned());
    }
    Ok(given)
}

/// The line that [`parse`] reads as `given`; empty when nothing is.
pub fn line(given: &StartOptions) -> String {
    let mut words = Vec::new();
    if let Some(pid) = given.target {
        words.push(format!("-x {pid}"));
    }
    if let Some(command) = &given.command {
        words.push(format!("-c {}", quoted(command)));
    }
    if let Some(mb) = given.buffer_mb {
        words.push(format!("-s {mb}"));
    }
    let looks_like_an_option = |arg: &String| ["-x", "-c", "-s", "--"].iter().any(|option| arg.starts_with(option));
    if given.args.iter().any(looks_like_an_option) {
        words.push("--".to_owned());
    }
    words.extend(given.args.iter().map(|arg| quoted(arg)));
    words.join(" ")
}

/// `stap`'s command line for a script.
pub fn stap_line(script: &str, given: &StartOptions) -> String {
    let line = [format!("stap {}", quoted(script)), line(given)].join(" ").trim_end().to_owned();
    // For reading, not for running.
    line.chars().map(|c| if is_raw_byte(c) { '\u{fffd}' } else { c }).collect()
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-+=.,:/@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// How many arguments a script asks for without a look at how many there are (`$#`): the highest `$N` or `@N`.
pub fn wanted(text: &str, tokens: &[Token]) -> usize {
    let references = tokens.iter().filter_map(|token| text.get(token.range.clone())?.strip_prefix(['$', '@']));
    let mut most = 0;
    for reference in references {
        if reference == "#" {
            return 0;
        }
        most = most.max(reference.parse().unwrap_or(0));
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_what_they_give() {
        for same in [
            "",
            "5 eth0",
            "-x 12 5",
            "-c 'dd if=/dev/zero of=/dev/null' 5",
            "'a b' 'it'\\''s' ''",
            "-- -x -5",
            "-5",
            "-x 1 -s 64 5",
        ] {
            assert_eq!(line(&parse(same).unwrap()), same);
        }
        assert_eq!(parse(r#" -x12 n=1 "a \"b\"" c\ d "#).unwrap().args, ["n=1", r#"a "b""#, "c d"]);
        assert_eq!(parse("-- -c").unwrap().args, ["-c"]);
        for (wrong, why) in [
            ("-x me", "'me' is no process id"),
            ("5 -x", "-x wants a process id"),
            ("-s", "-s wants the size of the buffer in megabytes"),
            ("-s 0", "'0' is no size of a buffer: 1 to 4095 megabytes"),
            ("'a", "a quote is open, or something needs quotes"),
            ("eth*", "a quote is open, or something needs quotes"),
            ("-x 1 -c ls", "-x and -c exclude each other: a command is its own target"),
        ] {
            assert_eq!(parse(wrong).unwrap_err(), why);
        }
        assert_eq!(stap_line("my script.stp", &parse("5 'a b'").unwrap()), "stap 'my script.stp' 5 'a b'");
        assert_eq!(stap_line("a.stp", &StartOptions::default()), "stap a.stp");
    }

    #[test]
    fn scripts_say_what_they_want() {
        let wants = |text: &str| wanted(text, &crate::tui::highlight::highlight(text));
        assert_eq!(wants("probe timer.s($1) { print(@3) } # $9"), 3);
        assert_eq!(wants("probe begin { print($foo->bar, \"$7\") }"), 0);
        assert_eq!(wants("%( $# > 1 %? probe timer.s($2) { exit() } %)"), 0);
    }
}
