//! The command lines: tapdeck's own, and `stap`'s behind `tapdeck run` (or a link named `stap`).
//!
//! stap(1) is the source of truth for `run`: options may follow the script, `--` ends them, and options that only make
//! sense for a compiler of kernel modules are taken and do nothing.

use std::path::PathBuf;

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
    Run(Box<StapArgs>),
    /// Show a recording made with --record in the dashboard
    Replay(ReplayArgs),
    /// List probe points as a table
    List(ListArgs),
    /// Say what this machine allows, what is missing and how to get it
    Doctor,
    /// Print a settings file of the dashboard with everything it can say: keys, theme, editor
    Settings,
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
    pub args: Vec<String>,
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

/// stap's options. What eBPF gives no meaning to is accepted and ignored, marked `[no effect]`.
#[derive(Debug, Default, Parser)]
#[command(
    name = "stap",
    disable_version_flag = true,
    override_usage = "stap [OPTIONS] FILE [ARGS]...\n       stap [OPTIONS] - [ARGS]...\n       stap [OPTIONS] -e SCRIPT [ARGS]...\n       stap [OPTIONS] -l PROBE\n       stap [OPTIONS] -L PROBE",
    after_help = "Limits for -D: MAXACTION MAXERRORS MAXMAPENTRIES MAXNESTING MAXSKIPPED MAXSTRINGLEN."
)]
pub struct StapArgs {
    /// Script file (- for standard input) and its arguments: $1 @1 …
    #[arg(value_name = "FILE [ARGS]")]
    pub positionals: Vec<String>,
    /// Run this text
    #[arg(short = 'e', value_name = "SCRIPT", allow_hyphen_values = true)]
    pub script: Option<String>,
    /// Run this text too; may be repeated
    #[arg(short = 'E', value_name = "SCRIPT", allow_hyphen_values = true)]
    pub additional: Vec<String>,
    /// List probe points that match
    #[arg(short = 'l', value_name = "PROBE")]
    pub list: Option<String>,
    /// List probe points that match, with their variables
    #[arg(short = 'L', value_name = "PROBE")]
    pub list_vars: Option<String>,
    /// Stop after pass 1 parse, 2 elaborate, 3 lower, 4 generate, 5 run
    #[arg(short = 'p', value_name = "NUM", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub last_pass: Option<u8>,
    /// More of what happens; may be repeated
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Verbosity of each pass, five digits
    #[arg(long, value_name = "NNNNN")]
    pub vp: Option<String>,
    /// Keep what pass 4 made, and say where
    #[arg(short = 'k')]
    pub keep: bool,
    /// Guru mode
    #[arg(short = 'g')]
    pub guru: bool,
    /// Keep what is not used, and check it
    #[arg(short = 'u')]
    pub unoptimized: bool,
    /// No warnings
    #[arg(short = 'w')]
    pub no_warnings: bool,
    /// Warnings are errors
    #[arg(short = 'W')]
    pub warnings_are_errors: bool,
    /// Report hits and time of each probe at the end
    #[arg(short = 't')]
    pub timing: bool,
    /// Size of the output buffer in MB, 1 to 4095
    #[arg(short = 's', value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=4095))]
    pub buffer_mb: Option<u32>,
    /// Folder with more tapset scripts; may be repeated
    #[arg(short = 'I', value_name = "DIR")]
    pub tapset_dirs: Vec<PathBuf>,
    /// A limit, NAME=VALUE
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    pub defines: Vec<String>,
    /// Start value of a global, NAME=VALUE
    #[arg(short = 'G', value_name = "NAME=VALUE")]
    pub globals: Vec<String>,
    /// Write output to this file; strftime formats are replaced
    #[arg(short = 'o', value_name = "FILE")]
    pub output: Option<String>,
    /// Run this command, target() is its process, end with it
    #[arg(short = 'c', value_name = "CMD", conflicts_with = "target", allow_hyphen_values = true)]
    pub command: Option<String>,
    /// What target() gives
    #[arg(short = 'x', value_name = "PID")]
    pub target: Option<u32>,
    /// End after this many seconds
    #[arg(short = 'T', value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Kernel to list or compile for: a release, a vmlinux, or the folder it was built in
    #[arg(short = 'r', value_name = "RELEASE|FILE")]
    pub release: Option<String>,
    /// Print the version
    #[arg(short = 'V', long)]
    pub version: bool,
    /// Save everything the session shows to FILE, for `tapdeck replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// What to write on standard output besides the script's own text
    #[arg(long, value_enum, default_value_t = OutputForm::Text)]
    pub output_form: OutputForm,
    /// Context variables that do not resolve are 0, with a warning
    #[arg(long)]
    pub skip_badvars: bool,
    /// Errors in handlers and skipped probes are counted and do not end the run
    #[arg(long)]
    pub suppress_handler_errors: bool,
    /// No MAXACTION; with -g
    #[arg(long)]
    pub suppress_time_limits: bool,
    /// Go on after errors of pass 2
    #[arg(long)]
    pub semantic_keep_going: bool,
    /// Globals that are never read are not printed at the end
    #[arg(long)]
    pub no_global_var_display: bool,
    /// Show the dashboard while it runs
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    pub monitor: Option<Option<f64>>,
    /// Language as of this version
    #[arg(long, value_name = "VERSION")]
    pub compatible: Option<String>,
    /// Print every kind of probe point
    #[arg(long)]
    pub dump_probe_types: bool,
    /// Print every probe alias
    #[arg(long)]
    pub dump_probe_aliases: bool,
    /// Print every function
    #[arg(long)]
    pub dump_functions: bool,
    /// Colours in diagnostics: auto, always, never
    #[arg(long, visible_alias = "colour", value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub color: Option<String>,
    #[command(flatten)]
    pub ignored: IgnoredArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// The script's output, as stap
    #[default]
    Text,
    /// One JSON value for each event
    Json,
}

/// Options of a compiler of kernel modules, taken so that scripts' command lines keep working.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Accepted without effect")]
pub struct IgnoredArgs {
    /// Name of the session
    #[arg(short = 'm', value_name = "NAME")]
    pub module_name: Option<String>,
    /// Symbols of an object
    #[arg(short = 'd', value_name = "OBJECT")]
    pub symbols: Vec<String>,
    /// Symbols of libraries
    #[arg(long)]
    pub ldd: bool,
    /// Symbols of all modules
    #[arg(long)]
    pub all_modules: bool,
    /// Search prologues
    #[arg(short = 'P')]
    pub prologue: bool,
    /// Bulk mode
    #[arg(short = 'b')]
    pub bulk: bool,
    /// Kernel build option
    #[arg(short = 'B', value_name = "NAME=VALUE")]
    pub kbuild: Vec<String>,
    /// Runtime folder
    #[arg(short = 'R', value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// Runtime
    #[arg(long, value_name = "MODE")]
    pub runtime: Option<String>,
    /// The eBPF runtime: the only one here
    #[arg(long)]
    pub bpf: bool,
    /// Privilege level
    #[arg(long, value_name = "LEVEL")]
    pub privilege: Option<String>,
    /// As --privilege=stapusr
    #[arg(long)]
    pub unprivileged: bool,
    /// Module cache
    #[arg(long)]
    pub disable_cache: bool,
    /// Module cache
    #[arg(long)]
    pub poison_cache: bool,
    /// Module cache
    #[arg(long)]
    pub clean_cache: bool,
    /// Debuginfo download
    #[arg(long, value_name = "OPTION", num_args = 0..=1, require_equals = true)]
    pub download_debuginfo: Option<Option<String>>,
}
