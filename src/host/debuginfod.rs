//! The client of debuginfod servers on this machine: its settings, its folder, and itself. debuginfod-find(1).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{Host, Live};

/// How a file is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetch {
    /// The whole transfer may take so long; `None`: as long as the client lets it.
    pub seconds: Option<u64>,
    /// The client says on standard error how far it is.
    pub shows_progress: bool,
}

const CLIENT: &str = "debuginfod-find";

/// `None`: nobody named servers.
pub(super) fn urls() -> Option<String> {
    let urls = std::env::var("DEBUGINFOD_URLS").ok()?;
    Some(urls.trim().to_owned()).filter(|urls| !urls.is_empty())
}

pub(super) fn folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("DEBUGINFOD_CACHE_PATH").or_else(|| {
        let old = absolute("HOME").map(|home| home.join(".debuginfod_client_cache")).filter(|old| old.is_dir());
        let base = || absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        old.or_else(|| base().map(|base| base.join("debuginfod_client")))
    })
}

/// # Errors
/// There is no client, or what it said.
pub(super) fn fetch(build_id: &str, how: Fetch) -> Result<PathBuf, String> {
    let client = Live.executable(CLIENT).map_err(|_| format!("{CLIENT}: not in PATH; its package is debuginfod"))?;
    let mut command = Command::new(client);
    command.args(["debuginfo", build_id]).stdin(Stdio::null());
    if let Some(seconds) = how.seconds {
        command.env("DEBUGINFOD_MAXTIME", seconds.to_string());
    }
    if how.shows_progress {
        command.env("DEBUGINFOD_PROGRESS", "1").stderr(Stdio::inherit());
    }
    let done = command.output().map_err(|error| format!("{CLIENT}: {error}"))?;
    if done.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&done.stdout).trim_end()));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it did not get the file");
    Err(format!("{CLIENT}: {}", said.trim()))
}
