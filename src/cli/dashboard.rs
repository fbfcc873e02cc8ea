//! The dashboard's command: live where this process may trace, else on a recording that says it is one.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use super::{
    args::{Color, DashboardArgs, LookArgs, ReplayArgs},
    host,
    live_catalogue::LiveCatalogue,
    live_engine::{LiveChecker, LiveEngine, SharedCompiler},
    options::StapArgs,
};
use crate::{
    embedded,
    host::{Host, Live},
    runtime::{features, lockdown, recording::Recording},
    tui::{
        TuiOptions,
        engine::StartOptions,
        model::script::text,
        profile::Profile,
        replay::ReplayEngine,
        settings::{self, Settings},
    },
};

pub fn main(args: DashboardArgs) -> ExitCode {
    open(args, None)
}

/// `text`: a script that has no file.
fn open(args: DashboardArgs, text: Option<Vec<u8>>) -> ExitCode {
    let host = match host(args.release.as_deref()) {
        Ok(host) => host,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let is_live = host.is_running() && !args.demo;
    if args.demo || (is_live && !features::can_trace()) {
        return demo(&args, text, is_live.then(features::why_not), host);
    }
    let without_types = host.kernel_btf().err().map(|why| {
        format!(
            "this kernel has no type information ({why}): there are no tracepoints, no functions and no members of \
             structures; a kernel built with CONFIG_DEBUG_INFO_BTF=y has them"
        )
    });
    let compiler = SharedCompiler::new(args.tapset_dirs.clone(), host);
    let engine = LiveEngine::new(compiler.clone(), args.record.clone());
    let mut options = TuiOptions::new(
        Box::new(engine),
        Arc::new(LiveChecker::new(compiler.clone())),
        Arc::new(LiveCatalogue::new(compiler)),
    );
    options.notice = without_types.or_else(|| is_live.then(lockdown::sentence).flatten());
    options.autorun = args.run;
    options.start = given(&args);
    options.script = args.script;
    options.text = text.map(named);
    show(options, args.look)
}

/// A script of the command line, by stap's name for it.
fn named(text: Vec<u8>) -> (String, Vec<u8>) {
    ("<input>".to_owned(), text)
}

/// `stap --monitor` and `stap -i`: the script in the dashboard, which runs it at once for the former.
///
/// # Errors
/// What the dashboard's sessions cannot do.
pub fn of_stap(args: StapArgs) -> Result<ExitCode, String> {
    let name = if args.monitor { "--monitor" } else { "-i" };
    for (given, option) in [
        (!args.additional.is_empty(), "-E"),
        (!args.defines.is_empty(), "-D"),
        (!args.globals.is_empty(), "-G"),
        (args.output.is_some(), "-o"),
        (args.timeout.is_some(), "-T"),
        (args.guru, "-g"),
        (args.example, "--example"),
    ] {
        if given {
            return Err(format!("{name} does not go with {option}: the dashboard takes a script and its arguments"));
        }
    }
    let mut words = args.words.iter();
    // With -e all words are arguments.
    let script = if args.script.is_some() { None } else { words.next().map(PathBuf::from) };
    let dashboard = DashboardArgs {
        run: args.monitor,
        script,
        args: words.cloned().collect(),
        demo: false,
        target: args.target.and_then(|pid| pid.try_into().ok()).filter(|pid| *pid != 0),
        target_command: args.command,
        buffer_mb: args.buffer_mb,
        look: LookArgs { theme: None, color: Color::Auto, ascii: false, slow: false, keep_screen: false },
        record: args.record,
        tapset_dirs: args.tapset_dirs,
        release: args.release,
    };
    Ok(open(dashboard, args.script))
}

fn given(args: &DashboardArgs) -> StartOptions {
    // As the editor keeps bytes that are not UTF-8; the compiler gets them back.
    let words = args.args.iter().map(|arg| text::decode(arg.as_encoded_bytes())).collect();
    let command = args.target_command.clone();
    StartOptions { args: words, target: args.target, command, buffer_mb: args.buffer_mb }
}

/// The bundled recording. `why`: what keeps this machine from tracing; the editor and the browser work all the same.
fn demo(args: &DashboardArgs, text: Option<Vec<u8>>, why: Option<String>, host: Arc<dyn Host>) -> ExitCode {
    let recording = match Recording::parse(embedded::DEMO) {
        Ok(recording) => recording,
        Err(error) => {
            eprintln!("ERROR: the bundled recording: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut options = replay_options(recording, SharedCompiler::new(args.tapset_dirs.clone(), host), true);
    options.notice = why;
    // A script that was asked for can be read and checked, though not run.
    options.script = args.script.clone();
    if let Some(text) = text {
        options.text = Some(named(text));
    }
    options.start = given(args);
    show(options, args.look.clone())
}

pub fn replay(recording: Recording, args: ReplayArgs) -> ExitCode {
    show(replay_options(recording, SharedCompiler::new(Vec::new(), Arc::new(Live)), false), args.look)
}

fn replay_options(recording: Recording, compiler: Arc<SharedCompiler>, looping: bool) -> TuiOptions {
    let Recording { header, events, .. } = recording;
    let events = events.into_iter().map(|timed| (timed.at(), timed.event)).collect();
    let engine = ReplayEngine::new(events, 1.0);
    let mut options = TuiOptions::new(
        Box::new(if looping { engine.looping() } else { engine }),
        Arc::new(LiveChecker::new(compiler.clone())),
        Arc::new(LiveCatalogue::new(compiler)),
    );
    options.autorun = true;
    options.recorded = Some((header.script_name, header.script));
    options
}

/// The user's settings file.
fn settings() -> Settings {
    Settings::read(settings::folder(|name| std::env::var(name).ok()).map(|dir| dir.join("config.toml")))
}

/// What can be set, as it is now.
pub fn print_settings() -> ExitCode {
    let settings = settings();
    for problem in &settings.problems {
        eprintln!("WARNING: {problem}");
    }
    let _ = io::stdout().write_all(settings::template(&settings).as_bytes());
    ExitCode::SUCCESS
}

fn show(mut options: TuiOptions, look: LookArgs) -> ExitCode {
    options.theme = look.theme;
    options.settings = settings();
    options.ascii = look.ascii;
    options.keep_screen = look.keep_screen;
    options.profile = look.slow.then_some(Profile::Slow);
    options.color = match look.color {
        Color::Auto => None,
        Color::Truecolor => Some("truecolor".to_owned()),
        Color::C256 => Some("256".to_owned()),
        Color::C16 => Some("16".to_owned()),
        Color::Mono => Some("mono".to_owned()),
    };
    match crate::tui::run(options) {
        Ok(outcome) => ExitCode::from(outcome.exit_code),
        Err(error) => {
            eprintln!("ERROR: the terminal: {error}");
            ExitCode::FAILURE
        }
    }
}
