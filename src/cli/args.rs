//! tapdeck's own command line. That of `tapdeck run` is stap's: [`super::options`].

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
#[command(
    name = "tapdeck",
    version,
    about = "Live tracing on one screen: SystemTap scripts, compiled in process to eBPF",
    after_help = "Tracing needs root, or CAP_BPF and CAP_PERFMON. `tapdeck doctor` says what this machine allows.",
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub dashboard: DashboardArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a script without the dashboard, with stap's command line
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS, FILE, ARGS")]
        words: Vec<OsString>,
    },
    /// Show a recording made with --record in the dashboard
    Replay(ReplayArgs),
    /// List probe points as a table
    List(ListArgs),
    /// Say what this machine allows, what is missing and how to get it
    Doctor,
    /// Print a settings file of the dashboard with everything it can say: keys, theme, editor
    Settings,
    /// Print the manual page, for man(1): `tapdeck man | man -l -`
    Man,
    /// Print a completion script for a shell
    Completions {
        /// The shell to write for
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct DashboardArgs {
    /// Script to open
    pub script: Option<PathBuf>,
    /// Its arguments: $1 @1 …
    #[arg(value_name = "ARGS")]
    pub args: Vec<OsString>,
    /// Show the bundled recording of a real session; needs no privilege
    #[arg(long)]
    pub demo: bool,
    /// Start running at once
    #[arg(long, requires = "script")]
    pub run: bool,
    /// Trace only this process: what target() gives
    #[arg(short = 'x', value_name = "PID")]
    pub target: Option<u32>,
    /// Run this command with the script: target() is its process
    #[arg(short = 'c', value_name = "CMD", conflicts_with = "target", allow_hyphen_values = true)]
    pub target_command: Option<String>,
    /// Size of the buffer between the kernel and tapdeck
    #[arg(short = 's', value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=4095))]
    pub buffer_mb: Option<u32>,
    #[command(flatten)]
    pub look: LookArgs,
    /// Save everything the session shows to FILE, for `tapdeck replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Folder with more tapset scripts; may be repeated
    #[arg(short = 'I', value_name = "DIR")]
    pub tapset_dirs: Vec<PathBuf>,
    /// Kernel to look around in: a release, a vmlinux, or the folder it was built in
    #[arg(short = 'r', value_name = "RELEASE|FILE")]
    pub release: Option<String>,
}

/// How the dashboard looks.
#[derive(Clone, Debug, Args)]
pub struct LookArgs {
    /// Theme name, or path of a theme file
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// For slow lines: one frame a second, ASCII, no colours
    #[arg(long)]
    pub slow: bool,
    /// Leave the last screen as text on the terminal
    #[arg(long)]
    pub keep_screen: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Truecolor,
    #[value(name = "256")]
    C256,
    #[value(name = "16")]
    C16,
    Mono,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recording
    pub file: PathBuf,
    /// Print the recorded output instead of opening the dashboard
    #[arg(long)]
    pub text: bool,
    #[command(flatten)]
    pub look: LookArgs,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Probe point pattern, e.g. 'syscall.open*' or 'kernel.trace("sched:*")'
    pub pattern: String,
    /// With the variables a handler sees there
    #[arg(long, short)]
    pub variables: bool,
    /// Also what can never be probed, with the reason
    #[arg(long, short)]
    pub all: bool,
    /// Kernel to list: a release, a vmlinux, or the folder it was built in
    #[arg(short = 'r', value_name = "RELEASE|FILE")]
    pub release: Option<String>,
}
