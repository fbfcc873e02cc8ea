//! Swap copies: unsaved text kept in a folder of our own, so that neither a crash nor a lost connection takes it away.
//!
//! ```text
//! $XDG_STATE_HOME/tapdeck/swap/NAME.PID.N.swap
//! {"tapdeck_swap":1,"path":"/home/me/openlat.stp","name":"openlat.stp","written_ms":1756130400000,"pid":812}
//! the script's text, byte for byte
//! ```
//! Whoever writes a copy holds a lock on it (flock(2)) for as long as it lives: a copy nobody locks was left behind.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{
    files::{self, OnDisk},
    model::script::{decode, encode},
    session_file,
};

const FORMAT: u32 = 1;

/// The text of a script that is not saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swap {
    /// Its file, if it has one; absolute once it was kept.
    pub path: Option<PathBuf>,
    pub name: String,
    /// Milliseconds since the epoch; set when it is kept.
    pub written_ms: i64,
    pub text: Vec<u8>,
}

/// A copy that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The copy itself.
    pub file: PathBuf,
    pub swap: Swap,
    /// What the script's own file has now.
    pub on_disk: Option<OnDisk>,
    /// The dashboard that is still editing it.
    pub edited_by: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    tapdeck_swap: u32,
    path: Option<String>,
    name: String,
    written_ms: i64,
    pid: u32,
}

/// Where copies are kept; `None` when the environment names no home.
pub fn folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let state = env("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(Path::new(&env("HOME")?).join(".local/state")))?;
    Some(state.join("tapdeck/swap"))
}

/// Writes copies and takes them away again.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    /// Copies of this process by script, with the descriptors that hold their locks.
    mine: HashMap<u64, (PathBuf, fs::File)>,
}

impl Keeper {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, mine: HashMap::new() }
    }

    /// Keeps the script's text in place of what was kept of it before.
    ///
    /// # Errors
    /// The folder cannot be made or written to; the copy before is still there.
    pub fn keep(&mut self, script: u64, swap: &Swap) -> io::Result<()> {
        make_folder(&self.folder)?;
        let pid = std::process::id();
        let path = match self.mine.get(&script) {
            Some((path, _)) => path.clone(),
            None => self.unused_name(&swap.name, pid, script),
        };
        let head = Head {
            tapdeck_swap: FORMAT,
            path: swap.path.as_deref().map(|path| path_text(&absolute(path))),
            name: swap.name.clone(),
            written_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64),
            pid,
        };
        let beside = path.with_extension("tmp");
        let _ = fs::remove_file(&beside);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        // Where there are no locks, a copy in use looks left behind: better offered twice than lost.
        let _ = file.try_lock();
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&swap.text);
        let written = file.write_all(&bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        give_to_owner_of(&self.folder, &path);
        self.mine.insert(script, (path, file));
        Ok(())
    }

    /// The script is saved, or was not wanted.
    pub fn forget(&mut self, script: u64) {
        if let Some((path, _)) = self.mine.remove(&script) {
            let _ = fs::remove_file(path);
        }
    }

    fn unused_name(&self, name: &str, pid: u32, script: u64) -> PathBuf {
        let name: String = name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).take(80).collect();
        // What another process of this number left must not be written over.
        (script..).map(|n| self.folder.join(format!("{name}.{pid}.{n}.swap"))).find(|path| !path.exists()).unwrap()
    }

    /// Copies of `path`, or of any script when `None`, the newest first. Those that say nothing new are taken away.
    pub fn find(&self, path: Option<&Path>) -> Vec<Left> {
        let wanted = path.map(absolute);
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let copies = entries.filter(|path| path.extension().is_some_and(|extension| extension == "swap"));
        let mut found: Vec<Left> = copies
            .filter(|file| !self.mine.values().any(|(mine, _)| mine == file))
            .filter_map(|file| read_copy(&file, wanted.as_deref()))
            .filter(|left| !is_spent(left))
            .collect();
        found.sort_by_key(|left| std::cmp::Reverse(left.swap.written_ms));
        found
    }
}

fn read_copy(file: &Path, wanted: Option<&Path>) -> Option<Left> {
    let open = fs::File::open(file).ok()?;
    let in_use = matches!(open.try_lock(), Err(fs::TryLockError::WouldBlock));
    let bytes = fs::read(file).ok()?;
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let head: Head = serde_json::from_slice(&bytes[..end]).ok().filter(|head: &Head| head.tapdeck_swap == FORMAT)?;
    let path = head.path.as_deref().map(path_of);
    if wanted.is_some_and(|wanted| path.as_deref() != Some(wanted)) {
        return None;
    }
    let on_disk = path.as_deref().and_then(|path| files::read(path).ok().flatten());
    let swap = Swap { path, name: head.name, written_ms: head.written_ms, text: bytes[end + 1..].to_vec() };
    Some(Left { file: file.to_owned(), swap, on_disk, edited_by: in_use.then_some(head.pid) })
}

/// Left behind though the file has the same text: it was saved and the copy could not be taken away.
fn is_spent(left: &Left) -> bool {
    let same = left.on_disk.as_ref().is_some_and(|disk| session_file::split(&disk.bytes).0 == left.swap.text);
    let spent = same && left.edited_by.is_none();
    if spent {
        let _ = fs::remove_file(&left.file);
    }
    spent
}

/// The same for every way to write a path.
fn absolute(path: &Path) -> PathBuf {
    let in_folder = || Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?));
    let found = fs::canonicalize(path).ok().or_else(in_folder).or_else(|| std::path::absolute(path).ok());
    found.unwrap_or_else(|| path.to_owned())
}

/// Bytes that are not UTF-8 survive as the editor keeps them.
fn path_text(path: &Path) -> String {
    decode(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
}

fn path_of(text: &str) -> PathBuf {
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(encode(text)))
}

/// Makes the folders that are missing, for their owner's eyes only.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => give_to_owner_of(parent, folder),
        }
    }
    Ok(())
}

/// Root may keep copies in a user's home; they are the user's.
fn give_to_owner_of(folder: &Path, path: &Path) {
    if let Ok(owner) = fs::metadata(folder) {
        let _ = std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("tapdeck-swap-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        fn keeper(&self) -> Keeper {
            Keeper::new(self.0.join("state/tapdeck/swap"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn swap(path: Option<PathBuf>, text: &str) -> Swap {
        Swap { path, name: "a b/c.stp".into(), written_ms: 0, text: text.into() }
    }

    #[test]
    fn a_copy_is_found_once_its_writer_is_gone() {
        let folder = Folder::new("found");
        let script = folder.0.join("x.stp");
        fs::write(&script, "old").unwrap();
        let mut keeper = folder.keeper();
        keeper.keep(7, &swap(Some(script.clone()), "one")).unwrap();
        keeper.keep(7, &swap(Some(script.clone()), "two\n\n")).unwrap();
        keeper.keep(8, &swap(None, "nameless")).unwrap();
        assert_eq!(keeper.find(None), [], "its own are no news");
        let other = folder.keeper();
        let in_use = other.find(Some(&script));
        assert_eq!(in_use.iter().map(|left| left.edited_by).collect::<Vec<_>>(), [Some(std::process::id())]);
        drop(keeper);
        let found = other.find(Some(&folder.0.join(".").join("x.stp")));
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].swap.text[..], found[0].edited_by), (&b"two\n\n"[..], None));
        assert_eq!(found[0].on_disk.as_ref().unwrap().bytes, b"old");
        assert_eq!(other.find(None).len(), 2);
        assert_eq!(fs::metadata(&found[0].file).unwrap().mode() & 0o777, 0o600);
        // A second process of the same number does not write over it.
        let mut again = folder.keeper();
        again.keep(7, &swap(None, "three")).unwrap();
        assert_eq!(other.find(None).len(), 3);
        again.forget(7);
        assert_eq!(other.find(None).len(), 2);
    }

    #[test]
    fn what_was_saved_is_not_offered() {
        let folder = Folder::new("spent");
        let script = folder.0.join("x.stp");
        let mut keeper = folder.keeper();
        keeper.keep(1, &swap(Some(script.clone()), "text\n")).unwrap();
        drop(keeper);
        fs::write(&script, "text\n#: tapdeck-session v1\n#: layout = \"edit\"\n").unwrap();
        assert_eq!(folder.keeper().find(None), []);
        assert_eq!(fs::read_dir(folder.0.join("state/tapdeck/swap")).unwrap().count(), 0);
    }

    #[test]
    fn names_that_are_not_utf_8_and_torn_copies() {
        let folder = Folder::new("bytes");
        let path = path_of(&format!("{}/{}", folder.0.display(), decode(b"a\xffb.stp")));
        let mut keeper = folder.keeper();
        keeper.keep(1, &swap(Some(path.clone()), "x")).unwrap();
        drop(keeper);
        fs::write(folder.0.join("state/tapdeck/swap/torn.1.1.swap"), "{\"tapdeck_sw").unwrap();
        let found = folder.keeper().find(Some(&path));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].swap.path, Some(path));
    }

    #[test]
    fn the_folder_is_the_state_folder() {
        let env = |pairs: &'static [(&str, &str)]| {
            folder(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(env(&[("HOME", "/h")]), Some("/h/.local/state/tapdeck/swap".into()));
        assert_eq!(env(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), Some("/s/tapdeck/swap".into()));
        assert_eq!(env(&[("HOME", "/h"), ("XDG_STATE_HOME", "rel")]), Some("/h/.local/state/tapdeck/swap".into()));
        assert_eq!(env(&[]), None);
    }
}
