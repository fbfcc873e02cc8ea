//! Questions to the machine: kernel release, BTF, symbols, tracefs, processes. Recorded hosts answer in tests.

pub mod cache;
pub mod debuginfod;
pub mod facts;
pub mod kernel_memory;
pub mod live;
pub mod recorded;

use std::path::{Path, PathBuf};

pub use crate::sys::file_map::FileReader;

pub use debuginfod::Fetch;
pub use live::Live;
pub use recorded::Recorded;

/// The traced machine. "Not there" is an answer, not an error: the text says why, for people.
pub trait Host: Send + Sync {
    /// `uname -r`.
    fn kernel_release(&self) -> String;
    /// Whether the kernel is the one that runs here: what /proc and /sys say is true of it.
    fn is_running(&self) -> bool {
        true
    }
    /// The file with the kernel's debug information, when someone named it.
    fn debug_file(&self) -> Option<PathBuf> {
        None
    }
    /// `uname -m`.
    fn arch(&self) -> String;
    /// A file under /proc, /sys, tracefs, /boot or /etc, whole.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;
    /// The first bytes of a file like those of [`Host::read`], at most `n`.
    fn read_start(&self, path: &Path, n: usize) -> Result<Vec<u8>, String> {
        let mut bytes = self.read(path)?;
        bytes.truncate(n);
        Ok(bytes)
    }
    /// The kernel's own BTF, whole.
    fn kernel_btf(&self) -> Result<Bytes, String> {
        self.read(Path::new("/sys/kernel/btf/vmlinux")).map(Bytes::Owned)
    }
    /// A file like those of [`Host::read`], of which little may be looked at.
    fn map(&self, path: &Path) -> Result<Bytes, String> {
        self.read(path).map(Bytes::Owned)
    }
    /// A name for a file's present content: other once it was written to.
    fn stamp(&self, path: &Path) -> Result<String, String>;
    /// The memory of the running kernel; `None`: it may not be read.
    fn kernel_memory(&self) -> Option<kernel_memory::KernelMemory> {
        None
    }
    /// Where what was worked out about the machine is kept between runs; `None`: nowhere.
    fn cache(&self) -> Option<cache::Cache> {
        None
    }
    /// The servers of debug information that somebody named.
    fn debuginfod_urls(&self) -> Option<String> {
        None
    }
    /// Where the client of such servers keeps what it got, a folder for each build.
    fn debuginfod_folder(&self) -> Option<PathBuf> {
        None
    }
    /// Has the client get the debug information of a build; blocks for as long as that takes.
    fn fetch_debug_file(&self, build_id: &str, how: Fetch) -> Result<PathBuf, String>;
    /// Names in a folder.
    fn list(&self, path: &Path) -> Result<Vec<String>, String>;
    /// Where tracefs is mounted, or why there is none.
    fn tracefs(&self) -> Result<PathBuf, String>;
    /// Processors that are online.
    fn n_cpus(&self) -> usize;
    /// The executable a shell would run for `name`, as an absolute path without symbolic links.
    fn executable(&self, name: &str) -> Result<PathBuf, String>;
    /// Whether a process (thread group) with this id is there.
    fn has_process(&self, pid: u32) -> bool;
}

/// A file's content: in memory of our own, or the kernel's, mapped.
#[derive(Debug)]
pub enum Bytes {
    Owned(Vec<u8>),
    KernelBtf(crate::sys::kernel_btf::KernelBtf),
    File(crate::sys::file_map::FileMap),
}

impl Bytes {
    /// The file that they are mapped from, if they are and it is still there.
    pub fn reader(&self) -> Option<FileReader> {
        match self {
            Bytes::File(map) => map.reader(),
            Bytes::Owned(_) | Bytes::KernelBtf(_) => None,
        }
    }

    /// Says that these bytes will not be looked at soon, so that a mapping need not keep them in memory.
    pub fn forget(&self, range: std::ops::Range<usize>) {
        if let Bytes::File(map) = self {
            map.forget(range);
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Owned(bytes) => bytes,
            Bytes::KernelBtf(mapped) => mapped,
            Bytes::File(mapped) => mapped,
        }
    }
}

/// Where tracefs is usually found, best first.
const TRACEFS_PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Finds tracefs by a folder only it has; the way out is part of the answer.
fn find_tracefs(host: &dyn Host) -> Result<PathBuf, String> {
    let mut why = String::new();
    for place in TRACEFS_PLACES {
        match host.list(&Path::new(place).join("events")) {
            Ok(_) => return Ok(PathBuf::from(place)),
            Err(reason) => {
                if why.is_empty() || reason.contains("ermission") {
                    why = reason;
                }
            }
        }
    }
    Err(if why.contains("ermission") {
        "tracefs may only be read by root; try: mount -o remount,mode=755 /sys/kernel/tracing".to_owned()
    } else {
        "tracefs is not mounted; try: mount -t tracefs tracefs /sys/kernel/tracing".to_owned()
    })
}

/// `"0-3,8"` to 5.
fn count_cpu_list(text: &str) -> Option<usize> {
    let mut n = 0;
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        n += last.checked_sub(first)? + 1;
    }
    (n > 0).then_some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_count() {
        assert_eq!(count_cpu_list("0\n"), Some(1));
        assert_eq!(count_cpu_list("0-3,8"), Some(5));
        assert_eq!(count_cpu_list(""), None);
        assert_eq!(count_cpu_list("3-1"), None);
    }
}
