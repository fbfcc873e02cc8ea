//! Where a script comes from: `-e`, a file, standard input, or SystemTap's examples.

use std::{
    ffi::OsString,
    fs,
    io::Read,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use super::options::StapArgs;
use crate::pipeline::Input;

/// Where distributions put SystemTap's examples.
const EXAMPLES: &[&str] = &["/usr/share/systemtap/examples", "/usr/share/doc/systemtap/examples"];

/// Why there is no script.
pub enum NoScript {
    /// Pass 1 has failed, then.
    Missing(String),
    NoExample(String),
    Error(String),
}

/// The script and its arguments.
///
/// # Errors
/// It is not there, or empty.
pub fn read(args: &mut StapArgs) -> Result<Input, NoScript> {
    let mut words = std::mem::take(&mut args.words).into_iter();
    let (name, text) = match &args.script {
        Some(text) => ("<input>".to_owned(), text.clone()),
        None => from(words.next().unwrap_or_default(), args.example)?,
    };
    if text.iter().all(u8::is_ascii_whitespace) && args.additional.is_empty() {
        return Err(NoScript::Missing(format!("Input file '{name}' is empty.")));
    }
    let args = std::mem::take(&mut args.additional);
    Ok(Input { name, text, additional: args, args: words.map(OsString::into_vec).collect() })
}

fn from(word: OsString, is_example: bool) -> Result<(String, Vec<u8>), NoScript> {
    if word == "-" {
        let mut text = Vec::new();
        let read = std::io::stdin().read_to_end(&mut text);
        read.map_err(|error| NoScript::Error(format!("cannot read standard input: {error}")))?;
        return Ok(("<input>".to_owned(), text));
    }
    let path = match is_example {
        true => example(&word).ok_or_else(|| {
            let name = word.display();
            NoScript::NoExample(format!("Example '{name}' was not found under '{}'", EXAMPLES[0]))
        })?,
        false => PathBuf::from(word),
    };
    let name = path.to_string_lossy().into_owned();
    match fs::read(&path) {
        Ok(text) => Ok((name, text)),
        // stap reads nothing out of a folder.
        Err(_) if path.is_dir() => Ok((name, Vec::new())),
        Err(_) => Err(NoScript::Missing(format!("Input file '{name}' is missing."))),
    }
}

/// The example of that name, with or without its `.stp`.
fn example(name: &OsString) -> Option<PathBuf> {
    let name = Path::new(name);
    let wanted = [name.to_owned(), name.with_added_extension("stp")];
    let mut folders: Vec<PathBuf> = EXAMPLES.iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if wanted.iter().any(|name| path.ends_with(name)) {
                return Some(path);
            }
        }
    }
    None
}
