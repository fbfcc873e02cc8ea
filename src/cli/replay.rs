//! `tapdeck replay`, and what recordings say of themselves.

use std::{io::Write, process::ExitCode};

use super::{args::ReplayArgs, dashboard};
use crate::{
    host::{Host, Live},
    runtime::{
        recording::{FORMAT, Header, Recording},
        session::SessionEvent,
    },
};

pub fn main(args: ReplayArgs) -> ExitCode {
    let recording = match Recording::open(&args.file) {
        Ok(recording) => recording,
        Err(error) => {
            eprintln!("ERROR: {}: {error}", args.file.display());
            return ExitCode::FAILURE;
        }
    };
    if args.text {
        return print_text(&recording);
    }
    dashboard::replay(recording, args)
}

fn print_text(recording: &Recording) -> ExitCode {
    let mut out = std::io::stdout().lock();
    for timed in &recording.events {
        let written = match &timed.event {
            SessionEvent::Output(bytes) => out.write_all(bytes),
            SessionEvent::Warning(text) => {
                eprintln!("WARNING: {text}");
                Ok(())
            }
            SessionEvent::Error(error) => {
                eprintln!("ERROR: {}", error.message);
                Ok(())
            }
            _ => Ok(()),
        };
        if written.is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// The first line of a recording made now.
pub fn header(script_name: &str, script: &[u8]) -> Header {
    Header {
        tapdeck_recording: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        script_name: script_name.to_owned(),
        script: script.to_vec(),
        machine: format!("Linux {} {}", Live.kernel_release(), Live.arch()),
        note: String::new(),
    }
}
