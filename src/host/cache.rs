//! Files kept between runs under XDG_CACHE_HOME, safe when many tapdecks write at once: a file is made under another name
//! and renamed when it is whole, so nobody ever sees or maps a half one. They are untrusted all the same.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::SystemTime,
};

use super::Bytes;
use crate::sys::{effective_uid, file_map::FileMap};

/// `$XDG_CACHE_HOME/tapdeck`, else `~/.cache/tapdeck`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

/// Files of one kind together are kept below this; the ones unused for longest go.
const MAX_BYTES: u64 = 1 << 30;
/// What one tapdeck stores before it looks through a folder again: those of a thousand modules would have it looked
/// through a thousand times.
const TRIM_EVERY_BYTES: u64 = 32 << 20;

impl Cache {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// `None`: this user has no home.
    pub fn of_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(Self { folder: base.join("tapdeck") })
    }

    /// A file of ours that nobody else may write; otherwise it is as if it were not there.
    pub fn map(&self, name: &Path) -> Option<Bytes> {
        let path = self.folder.join(name);
        let metadata = fs::symlink_metadata(&path).ok()?;
        let is_ours = metadata.is_file() && metadata.uid() == effective_uid() && metadata.mode() & 0o022 == 0;
        if !is_ours {
            return None;
        }
        // What was used last is thrown away last. That it cannot be marked is no harm.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        FileMap::open(&path).ok().map(Bytes::File)
    }

    /// Keeps a file, replacing the one of that name.
    ///
    /// # Errors
    /// A full disk, a folder that may not be written.
    pub fn store(&self, name: &Path, bytes: &[u8]) -> Result<(), String> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        static STORED: AtomicU64 = AtomicU64::new(0);
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let unfinished = folder.join(format!(".unfinished.{}.{serial}", std::process::id()));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            let written = file.write_all(bytes).and_then(|()| fs::rename(&unfinished, &path));
            if written.is_err() {
                let _ = fs::remove_file(&unfinished);
            }
            written
        };
        write().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))?;
        let before = STORED.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let after = before + bytes.len() as u64;
        if serial == 0 || before / TRIM_EVERY_BYTES != after / TRIM_EVERY_BYTES {
            trim(folder, MAX_BYTES);
        }
        Ok(())
    }

    /// Waits until no other tapdeck works on `name`, so that work is not done twice; given back on drop. `None`: cannot
    /// be had, which only costs the work.
    pub fn lock(&self, name: &Path) -> Option<File> {
        let path = self.folder.join(name).with_extension("lock");
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent()?).ok()?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).ok()?;
        file.lock().ok()?;
        Some(file)
    }
}

/// Removes files of a folder, longest unused first, until the rest is at most `max_bytes`.
fn trim(folder: &Path, max_bytes: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let facts = |entry: fs::DirEntry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((metadata.modified().ok()?, metadata.len(), entry.path()))
    };
    let mut files: Vec<_> = entries.flatten().filter_map(facts).collect();
    files.sort();
    let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in files {
        if total <= max_bytes {
            break;
        }
        if fs::remove_file(path).is_ok() {
            total -= len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tapdeck-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn what_is_stored_comes_back_whole() {
        let cache = Cache::new(folder("store"));
        let name = Path::new("kind/x.idx");
        assert!(cache.map(name).is_none());
        cache.store(name, b"one").expect("can be written");
        let before = cache.map(name).expect("is there");
        cache.store(name, b"another").expect("can be written");
        assert_eq!(&*before, b"one", "whoever mapped it keeps what was there");
        assert_eq!(cache.map(name).as_deref(), Some(&b"another"[..]));
        let files = fs::read_dir(cache.folder.join("kind")).expect("is there").count();
        assert_eq!(files, 1, "nothing unfinished is left");
        fs::remove_dir_all(&cache.folder).expect("ours");
    }

    #[test]
    fn files_that_others_may_write_are_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let cache = Cache::new(folder("mode"));
        let name = Path::new("x.idx");
        cache.store(name, b"one").expect("can be written");
        let path = cache.folder.join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours");
        assert!(cache.map(name).is_none());
        fs::remove_file(&path).expect("ours");
        std::os::unix::fs::symlink("/etc/passwd", &path).expect("ours");
        assert!(cache.map(name).is_none(), "nor is where a link leads");
        fs::remove_dir_all(&cache.folder).expect("ours");
    }

    #[test]
    fn a_lock_is_had_by_one() {
        let cache = Cache::new(folder("lock"));
        let first = cache.lock(Path::new("x.idx")).expect("free");
        let other = cache.clone();
        let waiting = std::thread::spawn(move || other.lock(Path::new("x.idx")).is_some());
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(first);
        assert!(waiting.join().expect("does not panic"));
        fs::remove_dir_all(&cache.folder).expect("ours");
    }

    #[test]
    fn the_longest_unused_go_first() {
        let cache = Cache::new(folder("trim"));
        for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
            cache.store(Path::new(name), &[0; 100]).expect("can be written");
            let file = File::options().write(true).open(cache.folder.join(name)).expect("ours");
            let when = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            file.set_modified(when).expect("ours");
        }
        trim(&cache.folder, 250);
        assert!(cache.map(Path::new("a")).is_none() && cache.map(Path::new("b")).is_some());
        fs::remove_dir_all(&cache.folder).expect("ours");
    }
}
