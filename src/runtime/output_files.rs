//! The files of `-o`: one, or with `-S` a row of them, `NAME.0`, `NAME.1` …, each at most so large and only the last few
//! kept. SIGUSR2 asks for the next one, which then begins with what is written next. staprun(8).
//!
//! Formats of strftime(3) in the name are filled in when a file begins.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::sys::signals;

/// `-S SIZE[,N]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// What a file may come to. It ends with a whole line where there is one.
    pub max_bytes: u64,
    /// How many files are kept; `None`: all.
    pub max_files: Option<u64>,
}

#[derive(Debug)]
pub struct OutputFiles {
    pattern: OsString,
    switch: Option<Switch>,
    file: File,
    /// Names of what was begun and not removed; the last is the one written to.
    names: VecDeque<PathBuf>,
    /// Number of the next file.
    next: u64,
    written: u64,
}

impl OutputFiles {
    /// Begins the first file; one that is there is emptied.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(pattern: &OsStr, switch: Option<Switch>) -> io::Result<Self> {
        signals::hear_switches();
        let first = name_of(pattern, switch.is_some().then_some(0));
        let file = File::create(&first)?;
        Ok(Self { pattern: pattern.to_owned(), switch, file, names: VecDeque::from([first]), next: 1, written: 0 })
    }

    /// The name of the file that `create` would begin.
    pub fn first_name(pattern: &OsStr, switch: Option<Switch>) -> PathBuf {
        name_of(pattern, switch.is_some().then_some(0))
    }

    /// What is written to now.
    pub fn path(&self) -> &Path {
        self.names.back().map_or(Path::new(""), PathBuf::as_path)
    }

    fn begin_next(&mut self) -> io::Result<()> {
        let name = name_of(&self.pattern, Some(self.next));
        self.file = File::create(&name)?;
        self.names.push_back(name);
        self.next += 1;
        self.written = 0;
        let kept = self.switch.and_then(|switch| switch.max_files).unwrap_or(u64::MAX);
        while self.names.len() as u64 > kept {
            if let Some(oldest) = self.names.pop_front() {
                // Whoever took it away before us is welcome to it.
                let _ = fs::remove_file(oldest);
            }
        }
        Ok(())
    }
}

impl Write for OutputFiles {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let max = self.switch.map_or(u64::MAX, |switch| switch.max_bytes);
        if signals::take_switch() {
            self.begin_next()?;
        }
        let mut fits = (max - self.written).min(bytes.len() as u64) as usize;
        if fits < bytes.len() {
            match bytes[..fits].iter().rposition(|byte| *byte == b'\n') {
                Some(end) => fits = end + 1,
                None if self.written > 0 => {
                    self.begin_next()?;
                    return self.write(bytes);
                }
                // No file is large enough for the line.
                None => {}
            }
        }
        let n = self.file.write(&bytes[..fits])?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The pattern filled in, and the number behind it.
fn name_of(pattern: &OsStr, number: Option<u64>) -> PathBuf {
    use chrono::format::{Item, StrftimeItems};
    let is_valid = |text: &&str| !StrftimeItems::new(text).any(|item| matches!(item, Item::Error));
    let mut name = match pattern.to_str().filter(|text| text.contains('%')).filter(is_valid) {
        Some(text) => chrono::Local::now().format(text).to_string().into(),
        None => pattern.to_owned(),
    };
    if let Some(number) = number {
        name.push(format!(".{number}"));
    }
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tapdeck-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn contents(folder: &Path) -> Vec<(String, String)> {
        let read =
            |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
        let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect();
        all.sort();
        all
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn files_follow_each_other_and_the_oldest_go() {
        let folder = folder("switch");
        let pattern = folder.join("out").into_os_string();
        let switch = Switch { max_bytes: 10, max_files: Some(2) };
        let mut out = OutputFiles::create(&pattern, Some(switch)).unwrap();
        for piece in ["four", "five5", "sixsix"] {
            out.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(contents(&folder), pairs(&[("out.0", "fourfive5"), ("out.1", "sixsix")]));
        // What is too large for any file is divided.
        out.write_all(b"0123456789abcdefghij!").unwrap();
        assert_eq!(contents(&folder), pairs(&[("out.3", "abcdefghij"), ("out.4", "!")]));
        assert_eq!(out.path(), folder.join("out.4"));
        // Lines stay whole where they can.
        out.write_all(b"a\nbcdef\nghijk\n").unwrap();
        assert_eq!(contents(&folder), pairs(&[("out.4", "!a\nbcdef\n"), ("out.5", "ghijk\n")]));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn without_a_size_there_is_one_file_with_no_number() {
        let folder = folder("one");
        let pattern = folder.join("%%out").into_os_string();
        let mut out = OutputFiles::create(&pattern, None).unwrap();
        out.write_all(&[b'x'; 5000]).unwrap();
        assert_eq!(contents(&folder), pairs(&[("%out", &"x".repeat(5000))]));
        out.begin_next().unwrap();
        out.write_all(b"next").unwrap();
        assert_eq!(contents(&folder)[1], ("%out.1".to_owned(), "next".to_owned()));
        fs::remove_dir_all(&folder).unwrap();
    }
}
