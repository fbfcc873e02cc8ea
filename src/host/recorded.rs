//! A folder that answers as some machine did: tests and bug reports.
//!
//! ```text
//! FOLDER/host.txt            `release 6.18.44`, `arch x86_64`, `cpus 2`, `process 1`, `executable ls /usr/bin/ls`
//!                            `debuginfod URLS`
//! FOLDER/debuginfod/fetched  debug files by build id, which its client would get
//! FOLDER/sys/kernel/btf/…    files at the paths they had
//! FOLDER/sys/kernel/tracing/events/…
//! ```
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Fetch, Host};

/// A recorded machine. What was not recorded is not there.
#[derive(Clone, Debug)]
pub struct Recorded {
    folder: PathBuf,
    /// Lines of `host.txt`: a word and what follows it.
    facts: Vec<(String, String)>,
}

impl Recorded {
    /// A folder without `host.txt` is a machine of which nothing is known.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let text = fs::read_to_string(folder.join("host.txt")).unwrap_or_default();
        let facts = text.lines().filter_map(|line| line.trim().split_once(' '));
        let facts = facts.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect();
        Self { folder, facts }
    }

    fn fact(&self, word: &str) -> Option<&str> {
        self.facts.iter().find(|(name, _)| name == word).map(|(_, rest)| &**rest)
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.folder.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Host for Recorded {
    fn kernel_release(&self) -> String {
        self.fact("release").unwrap_or("unknown").to_owned()
    }

    fn arch(&self) -> String {
        self.fact("arch").unwrap_or("x86_64").to_owned()
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        fs::read(self.place(path)).map_err(|_| format!("{}: not there", path.display()))
    }

    fn stamp(&self, path: &Path) -> Result<String, String> {
        self.read(path).map(|bytes| format!("{:x}", bytes.len()))
    }

    fn debuginfod_urls(&self) -> Option<String> {
        self.fact("debuginfod").map(str::to_owned)
    }

    fn debuginfod_folder(&self) -> Option<PathBuf> {
        Some(PathBuf::from("/debuginfod"))
    }

    fn fetch_debug_file(&self, build_id: &str, _: Fetch) -> Result<PathBuf, String> {
        let path = Path::new("/debuginfod/fetched").join(build_id);
        if self.place(&path).exists() { Ok(path) } else { Err("a recorded machine fetches nothing".to_owned()) }
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(self.place(path)).map_err(|_| format!("{}: not there", path.display()))?;
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn tracefs(&self) -> Result<PathBuf, String> {
        super::find_tracefs(self)
    }

    fn n_cpus(&self) -> usize {
        self.fact("cpus").and_then(|n| n.parse().ok()).unwrap_or(1)
    }

    fn executable(&self, name: &str) -> Result<PathBuf, String> {
        let known =
            self.facts.iter().filter(|(word, _)| word == "executable").filter_map(|(_, rest)| rest.split_once(' '));
        for (short, path) in known {
            if short == name || path == name {
                return Ok(PathBuf::from(path));
            }
        }
        Err(if name.contains('/') { format!("{name}: not there") } else { format!("{name}: not in PATH") })
    }

    fn has_process(&self, pid: u32) -> bool {
        self.facts.iter().any(|(word, rest)| word == "process" && rest.parse() == Ok(pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_means_not_there() {
        let host = Recorded::new("/nonexistent/host");
        assert_eq!(host.kernel_release(), "unknown");
        assert!(host.read(Path::new("/sys/kernel/btf/vmlinux")).is_err());
        assert!(host.tracefs().is_err_and(|why| why.contains("mount -t tracefs")));
        assert!(!host.has_process(1));
    }
}
