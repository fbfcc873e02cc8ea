//! Questions to the machine: kernel release, BTF, symbols, tracefs, processes. Recorded hosts answer in tests.

use std::path::Path;

/// The traced machine. "Not there" is an answer, not an error: the text says why, for people.
pub trait Host: Send + Sync {
    /// `uname -r`.
    fn kernel_release(&self) -> String;
    /// `uname -m`.
    fn arch(&self) -> String;
    /// A file under /proc, /sys, tracefs, /boot or /etc, whole.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;
    /// Names in a folder.
    fn list(&self, path: &Path) -> Result<Vec<String>, String>;
    /// Where tracefs is mounted, or why there is none.
    fn tracefs(&self) -> Result<std::path::PathBuf, String>;
    /// Processors that are online.
    fn n_cpus(&self) -> usize;
}
