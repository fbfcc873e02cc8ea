//! The command line: which program was asked for, its options, its exit code.

mod args;
pub mod check;
mod completion;
mod dashboard;
mod doctor;
mod dump;
mod limits;
mod list;
mod live_catalogue;
mod live_engine;
mod replay;
mod run;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{CommandFactory, Parser};

use self::args::{Cli, Command, StapArgs};
use crate::{
    debuginfo::catalog::named_kernel,
    host::{Host, Live},
    pipeline::Compiler,
};

/// `argv` to exit code.
pub fn main(argv: Vec<OsString>) -> ExitCode {
    if called_as_stap(&argv) {
        return stap(argv);
    }
    // `tapdeck run` is stap's command line, whose usage and errors are its own.
    if argv.get(1).is_some_and(|arg| arg == "run") {
        let mut rest = argv;
        rest.remove(1);
        return stap(rest);
    }
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.command {
        None => dashboard::main(cli.dashboard),
        Some(Command::Run(args)) => run::main(*args),
        Some(Command::Replay(args)) => replay::main(args),
        Some(Command::List(args)) => list::main(&args),
        Some(Command::Doctor) => doctor::main(),
        Some(Command::Settings) => dashboard::print_settings(),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "tapdeck", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

fn called_as_stap(argv: &[OsString]) -> bool {
    argv.first().and_then(|name| Path::new(name).file_name()).is_some_and(|name| name == "stap")
}

fn stap(argv: Vec<OsString>) -> ExitCode {
    match StapArgs::try_parse_from(argv) {
        Ok(args) => run::main(args),
        Err(error) => usage(&error),
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
