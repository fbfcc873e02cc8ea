//! `tapdeck run`: stap(1) without a screen.

use std::{
    io::Write,
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{
    background::Background,
    check::{self, Manner},
    compiler, dashboard,
    debug_files::{self, Indexing},
    dump, keep,
    limits::ScriptLimits,
    list,
    options::{Listing, StapArgs},
    script::{self, NoScript},
};
use crate::{
    diagnostics::{
        color::Role,
        stap_form::{self, pass_failed},
    },
    language::Privilege,
    pipeline::{CompileOptions, Compiled, Compiler, Input, Pass},
    runtime::{
        StartError,
        headless::{self, Sink},
        output_files::OutputFiles,
        plan::{LoadPlan, SessionOptions},
        prepare,
        reach::{Counters, Reach},
        recording::{self, Recorder},
        target::Target,
    },
    sys,
};

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
    say_of_options(&args);
    for (resource, limit) in &args.limits {
        if let Err(error) = sys::limits::set(*resource, *limit) {
            let error = error.to_string();
            let reason = error.split(" (os error").next().unwrap_or_default();
            eprintln!("Unable to set resource limits for {resource}: {reason}");
        }
    }
    if args.clean_cache {
        return Ok(ExitCode::SUCCESS);
    }
    if args.is_for_screen() {
        return dashboard::of_stap(args);
    }
    if let Some(listing) = &args.listing {
        return print_list(&args, listing);
    }
    let background = match args.flight && args.last_pass.is_none_or(|pass| pass == 5) {
        true => match Background::begin()? {
            Ok(background) => Some(background),
            Err(code) => return Ok(code),
        },
        false => None,
    };
    let mut script_limits = ScriptLimits::default();
    for define in &args.defines {
        if let Some(warning) = script_limits.define(define)?.filter(|_| !args.no_warnings) {
            warn(&args, &warning);
        }
    }
    if args.suppress_time_limits {
        script_limits.without_time_limits();
    }
    let input = match script::read(&mut args) {
        Ok(input) => input,
        Err(NoScript::Error(why)) => return Err(why),
        Err(NoScript::NoExample(why)) => {
            eprintln!("{why}");
            return Ok(ExitCode::FAILURE);
        }
        Err(NoScript::Missing(why)) => {
            eprint!("{why}\n{}", pass_failed(1));
            return Ok(ExitCode::FAILURE);
        }
    };
    let options = compile_options(&args, &script_limits);
    let (compiler, indexing) = compiler_of(&args)?;
    compiler.warnings.iter().for_each(|text| warn(&args, text));
    let compiled = compiler.compile(&input, &options);
    drop(indexing);
    let manner = Manner {
        verbose: args.is_verbose(2),
        no_warnings: args.no_warnings,
        warnings_are_errors: args.warnings_are_errors,
        catalogue: args.semantic_keep_going,
        palette: args.palette(),
    };
    let verdict = check::report(&compiled, &manner);
    print_passes(&compiled, &compiler, &args);
    if verdict.ok && options.last == Pass::Run && !compiler.world.host.is_running() {
        let release = compiler.world.host.kernel_release();
        return Err(format!("kernel {release} is not running here; -p4 shows what would run there"));
    }
    let kept = args.keep.then(|| keep::keep(&compiled, args.keep_in.as_deref())).transpose()?;
    let done = if verdict.ok {
        go_on(compiled, &options, &args, &script_limits, background, begun)
    } else {
        Ok(ExitCode::FAILURE)
    };
    eprint!("{}", verdict.summary);
    if let Some(folder) = kept {
        eprintln!("Keeping temporary directory \"{}\"", folder.display());
    }
    done
}

/// The compiler, and with -v what says how far debug information is read.
fn compiler_of(args: &StapArgs) -> Result<(Compiler, Option<Indexing>), String> {
    let mut compiler = compiler(&args.tapset_dirs, args.release.as_deref())?;
    compiler.world.downloads = debug_files::consent(args.download);
    let indexing = args.is_verbose(2).then(|| Indexing::watch(compiler.world.indexing.clone()));
    Ok((compiler, indexing))
}

fn warn(args: &StapArgs, text: &str) {
    eprintln!("{} {text}", args.palette().paint(Role::Warning, "WARNING:"));
}

/// What there is to be told of options that do nothing here.
fn say_of_options(args: &StapArgs) {
    args.said.iter().for_each(|text| eprintln!("{text}"));
    if !args.no_warnings {
        args.warnings.iter().for_each(|text| warn(args, text));
    }
    if args.is_verbose(1) {
        args.remarks.iter().for_each(|text| eprintln!("{text}"));
    }
}

fn print_list(args: &StapArgs, listing: &Listing) -> Result<ExitCode, String> {
    let (compiler, _indexing) = compiler_of(args)?;
    let (pattern, with_variables) = match listing {
        Listing::Points(pattern) => (pattern, false),
        Listing::PointsWithVariables(pattern) => (pattern, true),
        Listing::ProbeTypes | Listing::Aliases | Listing::Functions => {
            dump::dump(listing, &compiler);
            return Ok(ExitCode::SUCCESS);
        }
    };
    let words = args.words.iter().map(|word| word.as_encoded_bytes().to_vec()).collect();
    let additional = args.additional.clone();
    let input = Input { name: "<input>".to_owned(), additional, args: words, ..Input::default() };
    Ok(list::stap_list(&compiler, pattern, with_variables, &input))
}

fn compile_options(args: &StapArgs, limits: &ScriptLimits) -> CompileOptions {
    CompileOptions {
        last: match args.last_pass {
            Some(1) => Pass::Parse,
            Some(2) => Pass::Elaborate,
            Some(3) => Pass::Lower,
            Some(4) => Pass::Generate,
            _ => Pass::Run,
        },
        guru: args.guru,
        privilege: args.privilege.unwrap_or(Privilege::Stapdev),
        unoptimized: args.unoptimized,
        keep_going: args.semantic_keep_going,
        skip_badvars: args.skip_badvars,
        no_global_var_display: args.no_global_var_display,
        globals: args.globals.clone(),
        limits: limits.ir.clone(),
        max_map_entries: limits.max_map_entries,
        histogram: limits.histogram,
        live: args.record.is_some(),
        timing: args.timing,
        has_target: args.command.is_some() || args.target.is_some_and(|pid| pid != 0),
        ring_bytes: ring_bytes(args.buffer_mb),
        compatible: args.compatible.clone(),
        ..CompileOptions::default()
    }
}

/// What is left to do with a script that holds.
fn go_on(
    compiled: Compiled,
    options: &CompileOptions,
    args: &StapArgs,
    limits: &ScriptLimits,
    background: Option<Background>,
    begun: Instant,
) -> Result<ExitCode, String> {
    for name in unknown_globals(&compiled, options).filter(|_| !args.no_warnings) {
        warn(args, &format!("-G {name} has no effect: the script has no such global"));
    }
    if options.last != Pass::Run {
        return print_pass(&compiled, options, args);
    }
    pass_five(compiled, args, limits, background, begun)
}

/// Globals that -G sets and the script does not have.
fn unknown_globals<'o>(compiled: &'o Compiled, options: &'o CompileOptions) -> impl Iterator<Item = &'o str> {
    let known = |name: &str| {
        // What was unused is gone from the program and still no mistake.
        compiled.program.as_ref().is_none_or(|program| program.globals.iter().any(|global| &*global.name == name))
            || compiled.scripts.iter().flat_map(|(_, s)| &s.globals).any(|global| &*global.name.text == name)
    };
    options.globals.iter().map(|(name, _)| name.as_str()).filter(move |name| !known(name))
}

/// -s is megabytes for each processor's buffer under stap; here one buffer serves all.
pub fn ring_bytes(megabytes: Option<u32>) -> u32 {
    match megabytes {
        Some(mb) => mb.saturating_mul(1 << 20).min(1 << 31).next_power_of_two(),
        None => CompileOptions::default().ring_bytes,
    }
}

fn print_pass(compiled: &Compiled, options: &CompileOptions, args: &StapArgs) -> Result<ExitCode, String> {
    let mut out = std::io::stdout().lock();
    let written = match (&args.module_name, options.last) {
        (Some(name), Pass::Generate) => writeln!(out, "{}", keep::object(compiled, name)?.display()),
        _ => out.write_all(compiled.text_form(options.last).as_bytes()),
    };
    // A reader that has enough, such as head, is no failure.
    let _ = written;
    Ok(ExitCode::SUCCESS)
}

/// What `-v` says of passes 1 to 4.
fn print_passes(compiled: &Compiled, compiler: &Compiler, args: &StapArgs) {
    for time in compiled.times.iter().filter(|time| args.is_verbose(time.pass as usize)) {
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

fn pass_five(
    compiled: Compiled,
    args: &StapArgs,
    limits: &ScriptLimits,
    background: Option<Background>,
    begun: Instant,
) -> Result<ExitCode, String> {
    let (Some(lowered), Some(object)) = (compiled.lowered.clone(), compiled.object.clone()) else {
        return Err("nothing was generated".to_owned());
    };
    if let Some(name) = &args.module_name {
        keep::object(&compiled, name)?;
    }
    let name = compiled.sources.get(crate::source::FileId(0)).map_or("<input>", |f| &f.name).to_owned();
    let options = SessionOptions {
        script_name: script_name(&compiled).unwrap_or(name),
        stap_line: stap_line(),
        target: target(args)?,
        max_errors: (!args.suppress_handler_errors).then_some(limits.max_errors.into()),
        max_skipped: (!args.suppress_handler_errors).then_some(limits.max_skipped.into()),
        overload: limits.overload,
        timeout: args.timeout,
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
            let path = OutputFiles::first_name(pattern, args.switch);
            let files = OutputFiles::create(pattern, args.switch);
            Sink::files(files.map_err(|error| format!("cannot write to \"{}\": {error}", path.display()))?)
        }
        None => Sink::stdout(),
    };
    if args.is_verbose(5) {
        let told = Reach::of(&lowered).told(&Counters::read());
        told.iter().for_each(|line| eprintln!("Pass 5: {line}"));
        eprintln!("Pass 5: starting run.");
    }
    let started = Instant::now();
    let plan = LoadPlan { lowered, object, sources: compiled.sources.clone(), options };
    let (handle, mut events) = match prepare(plan).and_then(|prepared| prepared.go()) {
        Ok(running) => running,
        Err(error) => return Ok(cannot_start(&error, &compiled, args)),
    };
    let manner = headless::Manner { suppress_warnings: args.no_warnings, palette: args.palette() };
    let mut background = background;
    let is_live = &mut || background.take().map_or((), Background::say_live);
    let report = headless::pump(&handle, &mut events, &mut sink, recorder.as_mut(), &manner, is_live);
    if args.is_verbose(5) {
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

fn target(args: &StapArgs) -> Result<Target, String> {
    Ok(match (&args.command, args.target) {
        (Some(command), _) => Target::Command(command.clone()),
        (None, None | Some(0)) => Target::None,
        (None, Some(pid)) => Target::Pid(pid.try_into().map_err(|_| format!("there is no process {pid}"))?),
    })
}

/// The same run as one would give it to stap.
fn stap_line() -> String {
    let mut line = "stap".to_owned();
    for arg in std::env::args_os().skip(1).skip_while(|arg| arg == "run") {
        let arg = arg.to_string_lossy();
        line.push(' ');
        if arg.contains(|c: char| c.is_whitespace() || "'\"$*?(){};".contains(c)) {
            line += &format!("'{}'", arg.replace('\'', r"'\''"));
        } else {
            line += &*arg;
        }
    }
    line
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
fn cannot_start(error: &StartError, compiled: &Compiled, args: &StapArgs) -> ExitCode {
    let verbose = args.is_verbose(5);
    let mut err = std::io::stderr().lock();
    if let StartError::Rejected { diagnostic, log } = error {
        let mut state = stap_form::State::new(verbose).painted(args.palette());
        let text = stap_form::render(diagnostic, &compiled.sources, &mut state);
        let _ = write!(err, "{text}");
        if verbose {
            let _ = writeln!(err, "{log}");
        }
    } else {
        let _ = writeln!(err, "{} {error}", args.palette().paint(Role::Error, "ERROR:"));
        if let Some(way_out) = error.way_out() {
            let _ = writeln!(err, "{way_out}");
        }
    }
    let _ = writeln!(err, "Pass 5: run failed.  [man error::pass5]");
    ExitCode::FAILURE
}
