//! The command line: which program was asked for, its options, its exit code.

mod args;
mod background;
pub mod check;
mod completion;
mod dashboard;
mod debug_files;
mod doctor;
mod dump;
mod findings;
mod getopt;
mod keep;
mod limits;
mod list;
mod live_catalogue;
mod live_engine;
mod manual;
mod options;
mod replay;
mod run;
mod script;

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{CommandFactory, Parser};

use self::{
    args::{Cli, Command},
    options::Ending,
};
use crate::{
    debuginfo::catalog::named_kernel,
    host::{Host, Live},
    pipeline::Compiler,
};

/// `argv` to exit code.
pub fn main(argv: Vec<OsString>) -> ExitCode {
    let program = argv.first().map_or_else(|| "tapdeck".to_owned(), |name| name.to_string_lossy().into_owned());
    if called_as_stap(&argv) {
        return stap(&program, argv[1..].to_vec());
    }
    // `tapdeck run` is stap's command line, whose usage and errors are its own.
    if argv.get(1).is_some_and(|arg| arg == "run") {
        return stap(&format!("{program} run"), argv[2..].to_vec());
    }
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.command {
        None => dashboard::main(cli.dashboard),
        Some(Command::Run { words }) => stap(&format!("{program} run"), words),
        Some(Command::Replay(args)) => replay::main(args),
        Some(Command::List(args)) => list::main(&args),
        Some(Command::Doctor) => doctor::main(),
        Some(Command::Man) => {
            // Who reads no further has seen enough.
            let _ = std::io::stdout().write_all(manual::page().as_bytes());
            ExitCode::SUCCESS
        }
        Some(Command::Settings) => dashboard::print_settings(),
        Some(Command::Completions { shell }) => {
            let about = "Run a script without the dashboard, with stap's command line";
            let run = options::as_clap(clap::Command::new("run").about(about));
            let mut command = Cli::command().mut_subcommand("run", |_| run);
            // Written at once: the generator does not expect a pipe that closes.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "tapdeck", &mut script);
            let _ = std::io::stdout().write_all(&script);
            ExitCode::SUCCESS
        }
    }
}

fn called_as_stap(argv: &[OsString]) -> bool {
    argv.first().and_then(|name| Path::new(name).file_name()).is_some_and(|name| name == "stap")
}

fn stap(program: &str, words: Vec<OsString>) -> ExitCode {
    match options::parse(program, words) {
        Ok(args) => run::main(args),
        Err(asked @ (Ending::Help | Ending::Version)) => {
            let _ = write!(std::io::stdout(), "{asked}");
            ExitCode::SUCCESS
        }
        Err(mistake) => {
            let _ = write!(std::io::stderr(), "{mistake}");
            ExitCode::FAILURE
        }
    }
}

/// Help goes to standard output and is a success; anything else is exit code 1, as stap's.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A compiler for the running kernel, or the one `-r` names.
///
/// # Errors
/// There is no such kernel: what is missing, and what helps in the second line.
fn compiler(include: &[PathBuf], release: Option<&str>) -> Result<Compiler, String> {
    Ok(Compiler::new(host(release)?, include))
}

/// The machine, or what is known of the kernel `-r` names.
///
/// # Errors
/// As [`compiler`].
fn host(release: Option<&str>) -> Result<Arc<dyn Host>, String> {
    let host: Arc<dyn Host> = Arc::new(Live);
    release.map_or(Ok(host.clone()), |name| named_kernel(host, name))
}
