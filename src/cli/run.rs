//! `tapdeck run`: stap(1) without a screen.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{
    args::StapArgs,
    check::{self, Manner},
    compiler, dump,
    limits::{self, ScriptLimits},
    list,
};
use crate::{
    diagnostics::stap_form::pass_failed,
    pipeline::{CompileOptions, Compiled, Input, Pass},
    runtime::{
        StartError,
        headless::{self, Sink},
        plan::{LoadPlan, SessionOptions},
        prepare,
        recording::{self, Recorder},
        target::Target,
    },
};

/// The version of SystemTap whose language this is.
const LIKE: &str = "SystemTap 5.6 language";

pub fn main(args: StapArgs) -> ExitCode {
    match run(args) {
        Ok(code) => code,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "ERROR: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: StapArgs) -> Result<ExitCode, String> {
    let begun = Instant::now();
    if args.version {
        println!("tapdeck {} ({LIKE}, eBPF runtime)", env!("CARGO_PKG_VERSION"));
        return Ok(ExitCode::SUCCESS);
    }
    if args.dump_probe_types || args.dump_probe_aliases || args.dump_functions {
        dump::dump(&args, &compiler(&args.tapset_dirs, args.release.as_deref())?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(pattern) = args.list.as_deref().or(args.list_vars.as_deref()) {
        if args.last_pass.is_some() || args.script.is_some() {
            return Err("-l and -L go with neither -p nor a script".to_owned());
        }
        let additional = args.additional.iter().map(|text| text.clone().into_bytes()).collect();
        let input = Input { name: "<input>".to_owned(), additional, ..Input::default() };
        let compiler = compiler(&args.tapset_dirs, args.release.as_deref())?;
        return Ok(list::stap_list(&compiler, pattern, args.list_vars.is_some(), &input));
    }
    let mut script_limits = ScriptLimits::default();
    for define in &args.defines {
        if let Some(warning) = script_limits.define(define)?.filter(|_| !args.no_warnings) {
            eprintln!("WARNING: {warning}");
        }
    }
    if args.suppress_time_limits {
        if !args.guru {
            return Err("--suppress-time-limits requires guru mode (-g)".to_owned());
        }
        script_limits.without_time_limits();
    }
    let globals = args.globals.iter().map(|text| limits::global_override(text)).collect::<Result<_, _>>()?;
    let Some(input) = read_input(&mut args)? else {
        eprint!("{}", pass_failed(1));
        return Ok(ExitCode::FAILURE);
    };
    let options = CompileOptions {
        last: match args.last_pass {
            Some(1) => Pass::Parse,
            Some(2) => Pass::Elaborate,
            Some(3) => Pass::Lower,
            Some(4) => Pass::Generate,
            _ => Pass::Run,
        },
        guru: args.guru,
        unoptimized: args.unoptimized,
        skip_badvars: args.skip_badvars,
        no_global_var_display: args.no_global_var_display,
        globals,
        limits: script_limits.ir.clone(),
        max_map_entries: script_limits.max_map_entries,
        histogram: script_limits.histogram,
        live: args.record.is_some(),
        timing: args.timing,
        has_target: args.command.is_some() || args.target.is_some(),
        ring_bytes: ring_bytes(args.buffer_mb),
        compatible: args.compatible.clone(),
        ..CompileOptions::default()
    };
    let compiler = compiler(&args.tapset_dirs, args.release.as_deref())?;
    for warning in &compiler.warnings {
        eprintln!("WARNING: {warning}");
    }
    let compiled = compiler.compile(&input, &options);
    let manner = Manner {
        verbose: args.verbose > 0,
        no_warnings: args.no_warnings,
        warnings_are_errors: args.warnings_are_errors,
    };
    let verdict = check::report(&compiled, manner);
    if args.verbose > 0 {
        print_passes(&compiled, &compiler);
    }
    if verdict.ok && options.last == Pass::Run && !compiler.world.host.is_running() {
        let release = compiler.world.host.kernel_release();
        return Err(format!("kernel {release} is not running here; -p4 shows what would run there"));
    }
    let done = if verdict.ok { go_on(compiled, &options, &args, &script_limits, begun) } else { Ok(ExitCode::FAILURE) };
    eprint!("{}", verdict.summary);
    done
}

/// What is left to do with a script that holds.
fn go_on(
    compiled: Compiled,
    options: &CompileOptions,
    args: &StapArgs,
    limits: &ScriptLimits,
    begun: Instant,
) -> Result<ExitCode, String> {
    if let Some(name) = unknown_global(&compiled, options) {
        return Err(format!("-G {name}: the script has no such global"));
    }
    if args.keep {
        keep(&compiled)?;
    }
    if options.last != Pass::Run {
        return print_pass(&compiled, options, args);
    }
    pass_five(compiled, args, limits, begun)
}

/// A global that -G sets and the script does not have.
fn unknown_global<'o>(compiled: &Compiled, options: &'o CompileOptions) -> Option<&'o str> {
    let elaborated = |name: &str| {
        // What was unused is gone from the program and still no mistake.
        compiled.program.as_ref().is_none_or(|program| program.globals.iter().any(|global| &*global.name == name))
            || compiled.scripts.iter().flat_map(|(_, s)| &s.globals).any(|global| &*global.name.text == name)
    };
    options.globals.iter().map(|(name, _)| name.as_str()).find(|name| !elaborated(name))
}

/// The script: -e text, a file, or standard input; what follows are its arguments. `None`, and said, when the file is
/// not there.
fn read_input(args: &mut StapArgs) -> Result<Option<Input>, String> {
    let additional = args.additional.iter().map(|text| text.clone().into_bytes()).collect::<Vec<_>>();
    let mut positionals = std::mem::take(&mut args.positionals).into_iter();
    let (name, text) = match &args.script {
        Some(text) => ("<input>".to_owned(), text.clone().into_bytes()),
        None => match positionals.next() {
            Some(dash) if dash == "-" => {
                let mut text = Vec::new();
                std::io::stdin().read_to_end(&mut text).map_err(|e| format!("cannot read standard input: {e}"))?;
                ("<input>".to_owned(), text)
            }
            Some(path) => match std::fs::read(&path) {
                Ok(text) => (path, text),
                // stap reads nothing out of a folder.
                Err(_) if Path::new(&path).is_dir() => (path, Vec::new()),
                Err(_) => {
                    eprintln!("Input file '{path}' is missing.");
                    return Ok(None);
                }
            },
            None => return Err("no script: give a file, - or -e SCRIPT (--help says more)".to_owned()),
        },
    };
    if text.iter().all(u8::is_ascii_whitespace) && additional.is_empty() {
        return Err(format!("Input file '{name}' is empty."));
    }
    Ok(Some(Input { name, text, additional, args: positionals.collect() }))
}

/// -s is megabytes for each processor's buffer under stap; here one buffer serves all.
fn ring_bytes(megabytes: Option<u32>) -> u32 {
    match megabytes {
        Some(mb) => mb.saturating_mul(1 << 20).min(1 << 31).next_power_of_two(),
        None => CompileOptions::default().ring_bytes,
    }
}

fn print_pass(compiled: &Compiled, options: &CompileOptions, args: &StapArgs) -> Result<ExitCode, String> {
    let mut out = std::io::stdout().lock();
    let written = if options.last == Pass::Generate && args.ignored.module_name.is_some() {
        // As stap -p4 -m NAME leaves NAME.ko: an object bpftool and llvm-objdump read.
        let path = PathBuf::from(format!("{}.o", args.ignored.module_name.as_deref().unwrap_or("script")));
        std::fs::write(&path, compiled.elf().unwrap_or_default())
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        writeln!(out, "{}", path.display())
    } else {
        out.write_all(compiled.text_form(options.last).as_bytes())
    };
    // A reader that has enough, such as head, is no failure.
    let _ = written;
    Ok(ExitCode::SUCCESS)
}

/// -k: what every pass made, in a folder of its own.
fn keep(compiled: &Compiled) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("tapdeck-{}", std::process::id()));
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    for (pass, name) in [
        (Pass::Parse, "pass1.stp"),
        (Pass::Elaborate, "pass2.txt"),
        (Pass::Lower, "pass3.ir"),
        (Pass::Generate, "pass4.asm"),
    ] {
        write(name, compiled.text_form(pass).as_bytes())?;
    }
    write("pass4.o", &compiled.elf().unwrap_or_default())?;
    eprintln!("Keeping temporary directory \"{}\"", folder.display());
    Ok(())
}

fn print_passes(compiled: &Compiled, compiler: &crate::pipeline::Compiler) {
    for time in &compiled.times {
        let ms = time.real.as_secs_f64() * 1e3;
        match time.pass {
            Pass::Parse => eprintln!(
                "Pass 1: parsed user script and {} library scripts in {ms:.1}real ms.",
                compiler.library.n_files()
            ),
            Pass::Elaborate => {
                let count =
                    |f: fn(&crate::elaborate::program::Program) -> usize| compiled.program.as_ref().map_or(0, f);
                eprintln!(
                    "Pass 2: analyzed script: {} probes, {} functions, 0 embeds, {} globals in {ms:.1}real ms.",
                    count(|p| p.probes.iter().map(|probe| probe.sites.len()).sum()),
                    count(|p| p.functions.len()),
                    count(|p| p.globals.len())
                );
            }
            Pass::Lower => eprintln!(
                "Pass 3: translated to {} handlers in {ms:.1}real ms.",
                compiled.lowered.as_ref().map_or(0, |l| l.ir.handlers.len())
            ),
            Pass::Generate => {
                let (programs, bytes) = compiled.object.as_ref().map_or((0, 0), |object| {
                    (object.programs.len(), object.programs.iter().map(|p| p.code.len()).sum())
                });
                eprintln!("Pass 4: generated {programs} eBPF programs, {} instructions in {ms:.1}real ms.", bytes / 8);
            }
            Pass::Run => {}
        }
    }
}

fn pass_five(compiled: Compiled, args: &StapArgs, limits: &ScriptLimits, begun: Instant) -> Result<ExitCode, String> {
    let (Some(lowered), Some(object)) = (compiled.lowered.clone(), compiled.object.clone()) else {
        return Err("nothing was generated".to_owned());
    };
    let name = compiled.sources.get(crate::source::FileId(0)).map_or("<input>", |f| &f.name).to_owned();
    let options = SessionOptions {
        script_name: script_name(&compiled).unwrap_or(name),
        stap_line: stap_line(),
        target: target(args),
        max_errors: (!args.suppress_handler_errors).then_some(limits.max_errors.into()),
        max_skipped: (!args.suppress_handler_errors).then_some(limits.max_skipped.into()),
        timeout: args.timeout.map(|s| Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX)),
        snapshot_every: if args.record.is_some() { Duration::from_secs(1) } else { Duration::ZERO },
        run_time_statistics: args.record.is_some(),
        timing: args.timing,
        live_histograms: args.record.is_some(),
        catch_signals: true,
        print_globals: !args.no_global_var_display,
        begun,
        ..SessionOptions::default()
    };
    let mut recorder = open_recorder(args, &compiled)?;
    let mut sink = match &args.output {
        Some(pattern) => {
            let path = output_path(pattern);
            Sink::file(&path).map_err(|e| format!("cannot write to \"{}\": {e}", path.display()))?
        }
        None => Sink::stdout(),
    };
    if args.verbose > 0 {
        eprintln!("Pass 5: starting run.");
    }
    let started = Instant::now();
    let plan = LoadPlan { lowered, object, sources: compiled.sources.clone(), options };
    let (handle, mut events) = match prepare(plan).and_then(|prepared| prepared.go()) {
        Ok(running) => running,
        Err(error) => return Ok(cannot_start(&error, &compiled, args.verbose)),
    };
    let manner = headless::Manner { suppress_warnings: args.no_warnings };
    let report = headless::pump(&handle, &mut events, &mut sink, recorder.as_mut(), manner);
    if args.verbose > 0 {
        eprintln!("Pass 5: run completed in {:.0}real ms.", started.elapsed().as_secs_f64() * 1e3);
    }
    if report.exit_code != 0 {
        eprintln!("Pass 5: run failed.  [man error::pass5]");
    }
    Ok(ExitCode::from(report.exit_code))
}

fn script_name(compiled: &Compiled) -> Option<String> {
    let probe = compiled.scripts.first()?.1.probes.first()?;
    Some(compiled.sources.get(probe.span.file)?.name.clone())
}

fn target(args: &StapArgs) -> Target {
    match (&args.command, args.target) {
        (Some(command), _) => Target::Command(command.clone()),
        (None, Some(pid)) => Target::Pid(pid),
        (None, None) => Target::None,
    }
}

/// The same run as one would give it to stap.
fn stap_line() -> String {
    let mut line = "stap".to_owned();
    for arg in std::env::args().skip(1).skip_while(|arg| arg == "run") {
        line.push(' ');
        if arg.contains(|c: char| c.is_whitespace() || "'\"$*?(){};".contains(c)) {
            line += &format!("'{}'", arg.replace('\'', r"'\''"));
        } else {
            line += &arg;
        }
    }
    line
}

/// -o with strftime(3) formats replaced by the time of the start.
fn output_path(pattern: &str) -> PathBuf {
    use chrono::format::{Item, StrftimeItems};
    let valid = !StrftimeItems::new(pattern).any(|item| matches!(item, Item::Error));
    if pattern.contains('%') && valid {
        PathBuf::from(chrono::Local::now().format(pattern).to_string())
    } else {
        PathBuf::from(pattern)
    }
}

fn open_recorder(args: &StapArgs, compiled: &Compiled) -> Result<Option<Recorder>, String> {
    let Some(path) = &args.record else { return Ok(None) };
    let header = recording_header(compiled);
    Recorder::create(path, header).map(Some).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn recording_header(compiled: &Compiled) -> recording::Header {
    let name = script_name(compiled).unwrap_or_else(|| "<input>".to_owned());
    let text = compiled.scripts.first().and_then(|(file, _)| compiled.sources.get(*file));
    super::replay::header(&name, text.map_or(&[][..], |file| &file.text))
}

/// Why the kernel would not have it, and what to do.
fn cannot_start(error: &StartError, compiled: &Compiled, verbose: u8) -> ExitCode {
    let mut err = std::io::stderr().lock();
    if let StartError::Rejected { diagnostic, log } = error {
        let mut state = crate::diagnostics::stap_form::State::new(verbose > 0);
        let text = crate::diagnostics::stap_form::render(diagnostic, &compiled.sources, &mut state);
        let _ = write!(err, "{text}");
        if verbose > 0 {
            let _ = writeln!(err, "{log}");
        }
    } else {
        let _ = writeln!(err, "ERROR: {error}");
        if let Some(way_out) = error.way_out() {
            let _ = writeln!(err, "{way_out}");
        }
    }
    let _ = writeln!(err, "Pass 5: run failed.  [man error::pass5]");
    ExitCode::FAILURE
}
