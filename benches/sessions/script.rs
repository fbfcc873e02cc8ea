//! A script under way in a process of its own.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tapdeck::sys::{clock::process_cpu_ns, signals};

pub struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// `tapdeck run` with a command of `-c` that begins, and says so, when the probes are live, and waits for the end of its input.
    pub fn start(options: &[&str], script: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapdeck"));
        command.args(["run", "-D", "STP_NO_OVERLOAD", "-c", "echo live; exec cat"]).args(options).args(["-e", script]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("tapdeck starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, out }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the probes are attached.
    pub fn wait_live(&mut self) {
        let mut line = String::new();
        if self.out.read_line(&mut line).is_err() || line != "live\n" {
            let mut err = String::new();
            let _ = self.child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut err));
            panic!("it did not start: {line}{err}");
        }
    }

    /// As Ctrl-C does.
    pub fn stop(&mut self) {
        signals::kill(self.pid(), 2).expect("it runs");
    }

    /// Waits for its end, and gives all the processor time it had, ns.
    pub fn cpu_at_its_end(&mut self) -> i64 {
        let stat = format!("/proc/{}/stat", self.pid());
        while !std::fs::read_to_string(&stat).is_ok_and(|text| text.contains(") Z ")) {
            std::thread::sleep(Duration::from_millis(1));
        }
        process_cpu_ns(self.pid()).expect("nobody collected it yet")
    }

    /// What it said, output and errors.
    pub fn finish(mut self) -> (String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        // Closes the command's input, so that it closes its output.
        self.child.wait().expect("it is ours");
        let _ = self.out.read_to_string(&mut out);
        let _ = self.child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut err));
        (out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many system calls that do nothing.
pub fn call(times: u64) {
    for _ in 0..times {
        std::hint::black_box(std::os::unix::process::parent_id());
    }
}
