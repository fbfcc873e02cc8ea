//! Reading and writing a person's files so that nothing is lost: whole or not at all, private where they are new, and with
//! a [`Stamp`] that says whether somebody else wrote since.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::runtime::{
    recording::{Header, Recorder},
    session::SessionEvent,
};

/// File systems keep times no finer than this, the coarsest of them.
const CLOCK_COARSENESS: Duration = Duration::from_secs(2);

/// A file as it was at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    modified_ns: i64,
    len: u64,
    /// Of the contents; the same within one process.
    hash: u64,
    /// Read well after it was written: another write would have given it another time.
    settled: bool,
}

impl Stamp {
    fn of(metadata: &fs::Metadata, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
        let settled = age.is_some_and(|age| age > CLOCK_COARSENESS);
        Self { modified_ns: modified_ns(metadata), len: metadata.len(), hash: hasher.finish(), settled }
    }

    /// Whether the contents are the same, whenever they were written.
    pub fn same_contents(&self, other: &Stamp) -> bool {
        (self.len, self.hash) == (other.len, other.hash)
    }
}

fn modified_ns(metadata: &fs::Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    pub stamp: Stamp,
    pub bytes: Vec<u8>,
}

/// What a save may write over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No file has that name yet.
    Nothing,
    /// The file has the contents it had then.
    This(Stamp),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaveError {
    /// Another program wrote it.
    Changed(OnDisk),
    Failed(String),
}

/// `None` when there is no such file.
///
/// # Errors
/// It cannot be read, or it is no regular file.
pub fn read(path: &Path) -> io::Result<Option<OnDisk>> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    only_regular(&metadata)?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(Some(OnDisk { stamp: Stamp::of(&metadata, &bytes), bytes }))
}

/// As [`read`], unless the file is as `known` says.
///
/// # Errors
/// As [`read`].
pub fn read_if_changed(path: &Path, known: Option<Stamp>) -> io::Result<Option<Option<OnDisk>>> {
    match (fs::metadata(path), known) {
        (Ok(now), Some(known)) if known.settled && (modified_ns(&now), now.len()) == (known.modified_ns, known.len) => {
            return Ok(None);
        }
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => (),
    }
    let found = read(path)?;
    let same = found.as_ref().zip(known).is_some_and(|(found, known)| found.stamp.same_contents(&known));
    Ok((!same).then_some(found))
}

fn only_regular(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other("it is no regular file")) }
}

/// Writes unless the file is not what is expected.
///
/// # Errors
/// Another program changed the file, or it cannot be written; what was there is there still.
pub fn save(path: &Path, bytes: &[u8], expect: Expect) -> Result<Stamp, SaveError> {
    let failed = |error: io::Error| SaveError::Failed(format!("{}: {error}", path.display()));
    match (read(path).map_err(failed)?, expect) {
        (Some(found), Expect::Nothing) if found.bytes != bytes => return Err(SaveError::Changed(found)),
        (Some(found), Expect::This(known)) if !found.stamp.same_contents(&known) && found.bytes != bytes => {
            return Err(SaveError::Changed(found));
        }
        _ => (),
    }
    save_atomically(path, bytes).map_err(failed)?;
    let metadata = fs::metadata(path).map_err(failed)?;
    Ok(Stamp::of(&metadata, bytes))
}

/// Writes beside the file and renames, so that a full disk or a crash leaves the old one whole. Mode and owner are kept.
fn save_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Through a symbolic link the file it points to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&path).ok();
    if let Some(old) = &old {
        only_regular(old)?;
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(bytes)?;
        if let Some(old) = &old {
            // Root may edit a user's file and it stays theirs; others may not give files away, and need not.
            let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
        }
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    let result = write();
    if result.is_err() {
        let _ = fs::remove_file(&beside);
    } else if old.is_none() {
        give_to_sudo_user(&path);
    }
    result
}

/// A new file in the working directory that only its owner reads.
fn create_private(name: &str) -> io::Result<(PathBuf, fs::File)> {
    let path = std::env::current_dir()?.join(name);
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    give_to_sudo_user(&path);
    Ok((path, file))
}

/// # Errors
/// It cannot be written.
pub fn export(name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let (path, mut file) = create_private(name)?;
    file.write_all(bytes)?;
    Ok(path)
}

/// A recording in the working directory.
///
/// # Errors
/// It cannot be written.
pub fn record(name: &str, header: Header, events: &[(Duration, SessionEvent)]) -> io::Result<PathBuf> {
    let (path, file) = create_private(name)?;
    let mut recorder = Recorder::to(Box::new(file), header)?;
    for (at, event) in events {
        recorder.record_at(at.as_millis() as u64, event)?;
    }
    Ok(path)
}

/// What is made under sudo belongs to who called sudo.
fn give_to_sudo_user(path: &Path) {
    let id = |name| std::env::var(name).ok().and_then(|v| v.parse::<u32>().ok());
    if let (Some(uid), Some(gid)) = (id("SUDO_UID"), id("SUDO_GID")) {
        let _ = std::os::unix::fs::chown(path, Some(uid), Some(gid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tapdeck-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn saving_keeps_the_mode_and_leaves_nothing_beside() {
        let dir = folder("mode");
        let path = dir.join("a.stp");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let known = read(&path).unwrap().unwrap().stamp;
        save(&path, b"new", Expect::This(known)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(matches!(save(&dir.join("none/b.stp"), b"x", Expect::Nothing), Err(SaveError::Failed(_))));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn nothing_is_written_over_that_another_program_wrote() {
        let dir = folder("changed");
        let path = dir.join("a.stp");
        let first = save(&path, b"one", Expect::Nothing).unwrap();
        assert_eq!(read_if_changed(&path, Some(first)).unwrap(), None);
        fs::write(&path, "theirs").unwrap();
        for expect in [Expect::Nothing, Expect::This(first)] {
            let Err(SaveError::Changed(found)) = save(&path, b"mine", expect) else { panic!("written over") };
            assert_eq!(found.bytes, b"theirs");
        }
        let found = read_if_changed(&path, Some(first)).unwrap().unwrap().unwrap();
        save(&path, b"mine", Expect::This(found.stamp)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        // Written anew and the same: nobody need know.
        save(&path, b"mine", Expect::This(first)).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(read_if_changed(&path, Some(found.stamp)).unwrap(), Some(None));
        assert_eq!(read_if_changed(&path, None).unwrap(), None);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let dir = folder("special");
        let link = dir.join("null");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let Err(SaveError::Failed(why)) = save(&link, b"x", Expect::Nothing) else { panic!("written") };
        assert!(why.ends_with("it is no regular file"), "{why}");
        assert!(read(&dir).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
