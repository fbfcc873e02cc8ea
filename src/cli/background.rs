//! `-F`: the script goes on in the background. The one that was started stays until the probes are live, so that what
//! goes wrong until then is told where one looks, and prints the other's process id.

use std::{
    fs::File,
    io::{Read, Write},
    process::ExitCode,
};

use crate::sys::process::{self, Exit, Side};

/// The background's end of the line.
#[derive(Debug)]
pub struct Background {
    word: File,
}

impl Background {
    /// Divides the process in two. `Err`: the exit code of the front one, whose work is done.
    ///
    /// # Errors
    /// No process can be made.
    pub fn begin() -> Result<Result<Self, ExitCode>, String> {
        match process::go_to_background().map_err(|error| format!("-F: {error}"))? {
            Side::Back { word } => Ok(Ok(Self { word: word.into() })),
            Side::Front { pid, word } => Ok(Err(wait(pid, word.into()))),
        }
    }

    /// The probes are live: lets the front one go, and the terminal.
    pub fn say_live(mut self) {
        let _ = self.word.write_all(b"g");
        // Without /dev/null there is a terminal more, which is no reason to end.
        let _ = process::leave_terminal();
    }
}

fn wait(pid: u32, mut word: File) -> ExitCode {
    let mut byte = [0];
    if word.read(&mut byte).is_ok_and(|n| n == 1) {
        let _ = writeln!(std::io::stdout(), "{pid}");
        return ExitCode::SUCCESS;
    }
    match process::wait_for(pid) {
        Ok(Exit::Code(code)) => ExitCode::from(code.clamp(0, 255) as u8),
        Ok(Exit::Signal(_)) | Err(_) => ExitCode::FAILURE,
    }
}
