//! The binary under test, started as a user starts it, with a clock that ends what hangs.

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tapdeck::runtime::features;

/// Longer than anything here takes on a busy or an emulated machine; a test that reaches it has hung.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    /// Exit code, or minus the signal that ended it.
    pub code: i32,
}

impl Ran {
    /// Standard output of a run that must have ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    /// Standard error of a run that must have failed.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, 1, "{self:#?}");
        self.err
    }
}

/// `tapdeck`, in the same surroundings everywhere.
pub fn tapdeck() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapdeck"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("TZ", "UTC").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// `tapdeck run ARGS`, to its end.
pub fn run<S: AsRef<OsStr>>(args: &[S]) -> Ran {
    let mut command = tapdeck();
    command.arg("run").args(args);
    finish(command)
}

/// Runs a command to its end.
pub fn finish(command: Command) -> Ran {
    start(command).finish()
}

/// A command that runs, with its output in pipes.
pub struct Running {
    pub child: Child,
    what: String,
}

pub fn start(mut command: Command) -> Running {
    let what = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{what}: {e}"));
    Running { child, what }
}

impl Running {
    pub fn write_stdin(&mut self, text: &[u8]) {
        self.child.stdin.take().expect("its standard input is a pipe").write_all(text).expect("it reads");
    }

    pub fn signal(&self, signal: i32) {
        tapdeck::sys::signals::kill(self.child.id(), signal).unwrap();
    }

    /// Reads standard output until `wanted` is there. What was read is lost to [`Running::finish`].
    pub fn wait_output(&mut self, wanted: &str) -> String {
        let mut text = Vec::new();
        let stdout = self.child.stdout.as_mut().expect("its standard output is a pipe");
        let mut byte = [0];
        while stdout.read(&mut byte).is_ok_and(|n| n > 0) {
            text.push(byte[0]);
            if text.ends_with(wanted.as_bytes()) {
                return String::from_utf8_lossy(&text).into_owned();
            }
        }
        panic!("{}: ended without {wanted:?}: {}", self.what, String::from_utf8_lossy(&text));
    }

    pub fn finish(mut self) -> Ran {
        let read = |pipe: Option<Box<dyn Read + Send>>| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                if let Some(mut pipe) = pipe {
                    let _ = pipe.read_to_end(&mut bytes);
                }
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let out = read(self.child.stdout.take().map(|pipe| Box::new(pipe) as _));
        let err = read(self.child.stderr.take().map(|pipe| Box::new(pipe) as _));
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let (out, err) = (out.join().unwrap(), err.join().unwrap());
                panic!("{}: hung\n-- stdout\n{out}\n-- stderr\n{err}", self.what);
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        use std::os::unix::process::ExitStatusExt;
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
        Ran { out: out.join().unwrap(), err: err.join().unwrap(), code }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether eBPF programs may be loaded here: the capabilities and the kernel's types. Says so when not.
pub fn require_bpf() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        if !Path::new("/sys/kernel/btf/vmlinux").exists() {
            eprintln!("skipped: kernel tests need a kernel with BTF");
            return false;
        }
        let may = features::can_trace();
        if !may {
            eprintln!("skipped: {}", features::why_not());
        }
        may
    })
}

/// Whether functions of the kernel can be probed here. Says so when not.
pub fn require_functions() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    require_bpf()
        && *ANSWER.get_or_init(|| {
            let checks = features::probe_features();
            let found = checks.into_iter().find(|check| check.name == "kernel functions");
            let may = found.is_some_and(|check| check.is_ok());
            if !may {
                eprintln!("skipped: this kernel has no probes of functions; tests/lab has kernels that do");
            }
            may
        })
}

/// Whether a program is installed; says so when not.
pub fn require_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
        || ["/usr/sbin", "/sbin"].iter().any(|folder| Path::new(folder).join(name).is_file());
    if !there {
        eprintln!("skipped: there is no {name} here");
    }
    there
}

/// A folder of one's own, gone with the value.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tapdeck-it-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits until something holds; names what did not.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
