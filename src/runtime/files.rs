//! Files a script answers for, and its standard input. A kernel module makes files in /proc; here each is a FIFO in a folder
//! of the session's own, which goes with it. A thread stands at each end and rings the session, which runs the handlers.
//!
//! A FIFO that is read is replaced before it is answered: whoever opens it next gets another one, and the one who reads sees
//! its end.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
};

use crate::sys::{self, poll::Bell};

/// One file, as all probes of it together want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileSpec {
    pub path: String,
    pub write: bool,
    pub umask: u32,
}

/// What somebody outside wants.
pub(super) enum Request {
    /// The file with this index is read; its text goes here.
    Read { file: usize, answer: Sender<Vec<u8>> },
    /// The file with this index was written to.
    Written { file: usize, text: Vec<u8> },
    /// Bytes came on standard input.
    Input(Vec<u8>),
}

/// The folder and its files; gone with the value.
pub(super) struct ScriptFiles {
    pub folder: PathBuf,
    paths: Vec<(PathBuf, bool)>,
    stopping: Arc<AtomicBool>,
    /// Locked for as long as the session lives: a folder nobody has locked was left behind.
    _lock: File,
}

/// Where requests arrive.
pub(super) struct Requests {
    pub receiver: Receiver<Request>,
    sender: Sender<Request>,
    bell: Arc<Bell>,
}

impl Requests {
    pub fn new(bell: Arc<Bell>) -> Self {
        let (sender, receiver) = channel();
        Self { receiver, sender, bell }
    }

    fn door(&self) -> Door {
        Door { sender: self.sender.clone(), bell: self.bell.clone() }
    }
}

/// A thread's way to the session.
struct Door {
    sender: Sender<Request>,
    bell: Arc<Bell>,
}

impl Door {
    /// False when the session is over.
    fn send(&self, request: Request) -> bool {
        let sent = self.sender.send(request).is_ok();
        self.bell.ring();
        sent
    }
}

impl ScriptFiles {
    /// Makes the folder, named after the script, and the files, and stands by.
    pub fn open(name: &str, specs: &[FileSpec], requests: &Requests) -> io::Result<Self> {
        let (folder, lock) = own_folder(name)?;
        let mut files = Self { folder, paths: Vec::new(), stopping: Arc::new(AtomicBool::new(false)), _lock: lock };
        for (idx, spec) in specs.iter().enumerate() {
            let path = files.folder.join(file_name(spec, specs));
            let mode = mode(spec);
            fs::create_dir_all(path.parent().unwrap_or(&files.folder))?;
            make_fifo(&path, mode)?;
            files.paths.push((path.clone(), spec.write));
            let (door, stopping) = (requests.door(), files.stopping.clone());
            let work: Box<dyn FnOnce() + Send> = if spec.write {
                let end = both_ends(&path)?;
                Box::new(move || hear(end, idx, &door, &stopping))
            } else {
                Box::new(move || answer(&path, mode, idx, &door, &stopping))
            };
            std::thread::Builder::new().name("tapdeck-file".to_owned()).spawn(work)?;
        }
        Ok(files)
    }
}

impl Drop for ScriptFiles {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        for (path, write) in &self.paths {
            // Whoever waits at this end gets what it waits for, and sees that it is over.
            let _ = if *write {
                both_ends(path).and_then(|mut end| end.write(b"\n").map(drop))
            } else {
                OpenOptions::new().read(true).custom_flags(sys::fifo::NON_BLOCKING).open(path).map(drop)
            };
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// As SystemTap's permissions; its owner has to open both ends.
fn mode(spec: &FileSpec) -> u32 {
    let all = if spec.write { 0o222 } else { 0o444 };
    (all & !spec.umask) | 0o600
}

/// A FIFO has one direction: what is written to a file that is read as well has a name of its own.
fn file_name(spec: &FileSpec, specs: &[FileSpec]) -> String {
    let has_both = specs.iter().any(|other| other.path == spec.path && other.write != spec.write);
    if spec.write && has_both { format!("{}.write", spec.path) } else { spec.path.clone() }
}

/// NAME, or NAME.PID while another session has that.
fn own_folder(name: &str) -> io::Result<(PathBuf, File)> {
    let root = root();
    let names = [name.to_owned(), format!("{name}.{}", std::process::id())];
    let mut last = io::Error::other("no folder");
    for name in names {
        let folder = root.join(name);
        let opened = fs::create_dir_all(&folder).and_then(|()| File::open(&folder));
        match opened.and_then(|lock| lock.try_lock().map(|()| lock).map_err(io::Error::from)) {
            Ok(lock) => {
                clear(&folder)?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
                return Ok((folder, lock));
            }
            Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", folder.display())),
        }
    }
    Err(last)
}

/// What a session that was killed left there.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

fn root() -> PathBuf {
    let run = Path::new("/run/tapdeck");
    if fs::create_dir_all(run).is_ok() && fs::metadata(run).is_ok_and(|found| sys::fifo::is_mine(&found)) {
        return run.to_owned();
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    own.map_or_else(|| std::env::temp_dir().join(format!("tapdeck-{}", sys::fifo::user())), |path| path.join("tapdeck"))
}

fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    sys::fifo::make(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// With a writer of our own the reading end never sees an end, and opening it does not wait.
fn both_ends(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Gives every reader its text.
fn answer(path: &Path, mode: u32, file: usize, door: &Door, stopping: &AtomicBool) {
    let mut next = path.as_os_str().to_owned();
    next.push(".next~");
    let next = PathBuf::from(next);
    loop {
        // Waits for a reader.
        let Ok(mut end) = OpenOptions::new().write(true).open(path) else { return };
        if stopping.load(Ordering::Acquire) || make_fifo(&next, mode).and_then(|()| fs::rename(&next, path)).is_err() {
            return;
        }
        let (sender, text) = channel();
        if !door.send(Request::Read { file, answer: sender }) {
            return;
        }
        let Ok(text) = text.recv() else { return };
        // A reader that has enough goes.
        let _ = end.write_all(&text);
    }
}

/// Passes on what is written. Whatever is written within a moment arrives as one text.
fn hear(mut end: File, file: usize, door: &Door, stopping: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = end.read(&mut buffer) {
        let text = buffer[..n].to_vec();
        if stopping.load(Ordering::Acquire) || !door.send(Request::Written { file, text }) {
            return;
        }
    }
}

/// Passes on what comes on standard input until it ends. A terminal gives each key at once for as long as the value lives.
pub(super) fn listen_to_input(requests: &Requests) -> io::Result<Option<sys::tty::KeyByKey>> {
    let keys = sys::tty::KeyByKey::start(io::stdin()).ok();
    let door = requests.door();
    let input = sys::fifo::duplicate(io::stdin())?;
    std::thread::Builder::new().name("tapdeck-input".to_owned()).spawn(move || {
        let mut input = File::from(input);
        let mut buffer = vec![0; 1 << 12];
        while let Ok(n @ 1..) = input.read(&mut buffer) {
            if !door.send(Request::Input(buffer[..n].to_vec())) {
                return;
            }
        }
    })?;
    Ok(keys)
}

/// Bytes of standard input as the pieces handlers get: characters, or lines with their ends.
#[derive(Default)]
pub(super) struct Pieces {
    line: Vec<u8>,
}

impl Pieces {
    /// Lines that are complete.
    pub fn lines(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' {
                complete.push(std::mem::take(&mut self.line));
            }
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_when_they_are_complete() {
        let mut pieces = Pieces::default();
        assert!(pieces.lines(b"ab").is_empty());
        assert_eq!(pieces.lines(b"c\nd\n\ne"), [b"abc\n".to_vec(), b"d\n".to_vec(), b"\n".to_vec()]);
    }

    #[test]
    fn permissions_and_names() {
        let spec = |path: &str, write, umask| FileSpec { path: path.to_owned(), write, umask };
        let specs = [spec("a", false, 0o040), spec("a", true, 0o077), spec("b", true, 0)];
        assert_eq!(specs.each_ref().map(mode), [0o604, 0o600, 0o622]);
        assert_eq!(specs.each_ref().map(|one| file_name(one, &specs)), ["a", "a.write", "b"]);
    }
}
