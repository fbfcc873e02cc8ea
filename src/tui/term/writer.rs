//! The thread that writes to the terminal, with room for one frame. A terminal that takes its time keeps nobody waiting:
//! while a frame is on its way no other is made, and the next one shows what is true by then.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::sys::{
    poll::{Bell, wait_writable},
    tty::{NON_BLOCKING, discard_output},
};

/// The terminal's end for bytes to it: one of our own, whose writes never block, while standard output is shared with
/// whoever started us and must go on blocking.
///
/// # Errors
/// There is no terminal, or no descriptors are left.
pub fn output() -> io::Result<File> {
    let stdout = io::stdout();
    match own(stdout.as_fd()) {
        // The terminal of another user, as after su: by the name that everybody may open. `su -c` takes even that away; then
        // the descriptor itself has to do, on which writing waits.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && stdout.is_terminal() => {
            open("/dev/tty").or_else(|_| stdout.as_fd().try_clone_to_owned().map(File::from))
        }
        result => result,
    }
}

fn own(fd: BorrowedFd) -> io::Result<File> {
    open(&format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(NON_BLOCKING).open(path)
}

#[derive(Debug, Default)]
struct State {
    next: Vec<u8>,
    writing: bool,
    closed: bool,
    failed: bool,
    /// The loop waits for the end of the writing.
    wanted: bool,
    total: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or nothing ever again.
    filled: Condvar,
    /// Nothing is being written.
    emptied: Condvar,
    /// As `emptied`, for the loop.
    written: Notify,
    /// Rung when the rest is not to be written.
    stop: Bell,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    tty: File,
}

impl Writer {
    /// Begins to write to `tty`, as [`output`] gives it.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn start(tty: File) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            written: Notify::new(),
            stop: Bell::new()?,
        });
        let (theirs, out) = (Arc::clone(&shared), tty.try_clone()?);
        thread::spawn(move || work(&theirs, &out));
        Ok(Self { shared, tty })
    }

    /// Hands bytes over. What goes with frames is handed over while [`Writer::is_idle`]; the rest may come at any time.
    pub fn send(&self, bytes: &[u8]) {
        let mut state = self.shared.state();
        if !state.failed {
            state.next.extend_from_slice(bytes);
            self.shared.filled.notify_one();
        }
    }

    /// Everything has been written; if not, [`Writer::written`] tells when.
    pub fn is_idle(&self) -> bool {
        let mut state = self.shared.state();
        let idle = !state.writing && state.next.is_empty();
        state.wanted = !idle;
        idle
    }

    pub async fn written(&self) {
        self.shared.written.notified().await;
    }

    /// The terminal takes nothing any more.
    pub fn has_failed(&self) -> bool {
        self.shared.state().failed
    }

    /// Bytes written since the start.
    pub fn total(&self) -> u64 {
        self.shared.state().total
    }

    /// Waits until everything is written; gives up on a terminal that takes nothing for so long, with what it has not
    /// taken thrown away.
    pub fn settle(&self, patience: Duration) {
        if self.wait_idle(patience) {
            return;
        }
        self.shared.state().next.clear();
        self.shared.stop.ring();
        // The thread never blocks in a write, so it hears this as soon as it gets a processor.
        self.wait_idle(Duration::from_secs(5));
        self.shared.stop.answer();
        // Room for what gives the terminal back.
        let _ = discard_output(&self.tty);
    }

    fn wait_idle(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.shared.state();
        loop {
            if !state.writing && state.next.is_empty() {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.filled.notify_one();
    }
}

fn work(shared: &Shared, out: &File) {
    let mut state = shared.state();
    loop {
        while state.next.is_empty() {
            if state.closed {
                return;
            }
            state = shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = std::mem::take(&mut state.next);
        state.writing = true;
        drop(state);
        let result = write_whole(out, &bytes, Some(&shared.stop), None);
        state = shared.state();
        state.total += bytes.len() as u64;
        state.failed |= result.is_err();
        if state.failed {
            state.next.clear();
        }
        state.writing = false;
        if state.next.is_empty() {
            shared.emptied.notify_all();
            if std::mem::take(&mut state.wanted) || state.failed {
                shared.written.notify_one();
            }
        }
    }
}

/// All of the bytes, or up to where `stop` was rung or the patience was over.
///
/// # Errors
/// The terminal is gone.
pub fn write_whole(
    mut out: &File,
    mut bytes: &[u8],
    stop: Option<&Bell>,
    patience: Option<Duration>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !wait_writable(out.as_fd(), stop, patience)? {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// A terminal that takes 64 KiB (a pipe's buffer) and then nothing until somebody reads.
    fn stuck() -> (io::PipeReader, Writer) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, Writer::start(own(writer.as_fd()).unwrap()).unwrap())
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn bytes_arrive_in_order() {
        let (mut reader, writer) = stuck();
        let mut wanted = Vec::new();
        for n in 0..200u8 {
            let frame = vec![n; 100];
            writer.send(&frame);
            wanted.extend(frame);
        }
        assert!(writer.wait_idle(Duration::from_secs(20)));
        assert!(writer.is_idle());
        assert_eq!(writer.total(), wanted.len() as u64);
        drop(writer);
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_slow_terminal_keeps_nobody_waiting() {
        let (mut reader, writer) = stuck();
        let begin = Instant::now();
        writer.send(&[1; 200_000]);
        writer.send(b"after");
        assert!(!writer.is_idle());
        assert!(begin.elapsed() < Duration::from_secs(5), "sending blocked");
        let reading = thread::spawn(move || {
            let mut seen = vec![0; 200_005];
            reader.read_exact(&mut seen).unwrap();
            seen
        });
        // The loop hears when there is room again.
        runtime().block_on(async {
            tokio::time::timeout(Duration::from_secs(20), writer.written()).await.expect("word that all is written");
        });
        assert!(writer.is_idle());
        assert!(reading.join().unwrap().ends_with(b"after"));
    }

    #[test]
    fn leaving_does_not_wait_for_a_terminal_that_is_stuck() {
        let (mut reader, writer) = stuck();
        writer.send(&[1; 200_000]);
        let begin = Instant::now();
        writer.settle(Duration::from_millis(20));
        assert!(begin.elapsed() < Duration::from_secs(5));
        // What was given up does not come later.
        drop(writer);
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen).unwrap();
        assert!(seen.len() < 100_000, "{}", seen.len());
    }

    #[test]
    fn a_terminal_that_is_gone_is_noticed() {
        let (reader, writer) = stuck();
        drop(reader);
        writer.send(b"frame");
        runtime().block_on(async {
            tokio::time::timeout(Duration::from_secs(20), writer.written()).await.expect("word of the failure");
        });
        assert!(writer.has_failed() && writer.is_idle());
    }
}
