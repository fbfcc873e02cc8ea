//! The options, a row each: how it is written, what it does here, and what its value has to be. Long names stand in stap's
//! order, which is the order they are told in when an abbreviation fits several.

use std::{ffi::OsStr, path::PathBuf, time::Duration};

use super::{Download, Ending, Listing, StapArgs, When, values, wrong};
use crate::{
    cli::getopt::{Spelling, Takes},
    language::{Privilege, version_cmp},
    runtime::output_files::Switch,
    sys::limits::Resource,
};

/// What an option comes to here. The sentences are for people: in warnings, in help and in `docs/options.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// What stap(1) says.
    Same,
    /// That, with a difference.
    Differs(&'static str),
    /// What it asks for is so anyway; `-v` tells.
    Needless(&'static str),
    /// Taken with a warning.
    NoEffect(&'static str),
    Refused(&'static str),
    /// Not one of stap's.
    Ours,
}

/// Where help lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Script,
    Run,
    Output,
    Stop,
    Compile,
    Other,
}

type Set = fn(&mut StapArgs, &OsStr) -> Result<(), Ending>;

#[derive(Debug)]
pub struct Row {
    pub spelling: Spelling,
    pub group: Group,
    pub help: &'static str,
    pub here: Here,
    set: Set,
}

impl Row {
    /// Takes the option's value, and says what becomes of it.
    pub fn apply(&self, args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
        (self.set)(args, value)?;
        let name = self.name();
        match self.here {
            Here::Needless(why) => args.remarks.push(format!("{name} is not needed: {why}")),
            Here::NoEffect(why) => args.warnings.push(format!("{name} has no effect: {why}")),
            Here::Refused(why) => return wrong(format!("ERROR: {name} is not supported: {why}")),
            Here::Same | Here::Differs(_) | Here::Ours => {}
        }
        Ok(())
    }

    /// `-p`, or `--vp`.
    pub fn name(&self) -> String {
        match (self.spelling.short, self.spelling.long.first()) {
            (Some(short), _) => format!("-{short}"),
            (None, Some(long)) => format!("--{long}"),
            (None, None) => String::new(),
        }
    }
}

/// Without a short name.
const NO: char = '\0';
use Group::{Compile, Other, Output, Run, Script, Stop};
use Here::{Differs, Needless, NoEffect, Ours, Refused, Same};
use Takes::{Nothing, Perhaps, Value};

const fn row(
    short: char,
    long: &'static [&'static str],
    takes: Takes,
    group: Group,
    here: Here,
    help: &'static str,
    set: Set,
) -> Row {
    let short = if short == NO { None } else { Some(short) };
    let whole = matches!(here, Here::Ours);
    Row { spelling: Spelling { short, long, takes, whole }, group, help, here, set }
}

/// One that needs no more than its own name.
const fn flag(
    short: char,
    long: &'static [&'static str],
    group: Group,
    here: Here,
    help: &'static str,
    set: Set,
) -> Row {
    row(short, long, Nothing, group, here, help, set)
}

fn nothing(_: &mut StapArgs, _: &OsStr) -> Result<(), Ending> {
    Ok(())
}

const NO_MODULE: &str = "no kernel module is built";
const NO_SERVER: &str = "scripts are compiled in this process, which takes no compiler and no server";
const SYMBOLS: &str = "names of addresses are looked up when output is made, in whatever they lie";

/// Every option.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row('e', &[], Value("SCRIPT"), Script, Same, "Run this text", script),
    row('E', &[], Value("SCRIPT"), Script, Same, "Run this text too; may be repeated", |args, value| {
        args.additional.push(value.as_encoded_bytes().to_vec());
        Ok(())
    }),
    row('I', &[], Value("DIR"), Script, Same, "Folder with more tapset scripts; may be repeated", |args, value| {
        args.tapset_dirs.push(PathBuf::from(value));
        Ok(())
    }),
    row('D', &[], Value("NAME=VALUE"), Script, Differs("sets the limits below and the width of histograms; a name that means nothing here is warned of"), "A limit", |args, value| {
        args.defines.push(values::safe("-D", value, "^[a-z_][a-z_0-9]*(=-?[a-z_0-9]+)?$")?);
        Ok(())
    }),
    row('G', &[], Value("NAME=VALUE"), Script, Same, "Start value of a global", global),
    flag('g', &[], Script, Same, "Guru mode", |args, _| { args.guru = true; Ok(()) }),
    flag('u', &[], Script, Same, "Keep what is not used, and check it", |args, _| { args.unoptimized = true; Ok(()) }),
    flag('w', &[], Script, Same, "No warnings", |args, _| { args.no_warnings = true; Ok(()) }),
    flag('W', &[], Script, Same, "Warnings are errors", |args, _| { args.warnings_are_errors = true; Ok(()) }),
    row('c', &[], Value("CMD"), Run, Same, "Run this command, target() is its process, end with it", |args, value| {
        if value.is_empty() {
            return wrong("Empty CMD string invalid.");
        }
        args.command = Some(values::text(value));
        Ok(())
    }),
    row('x', &[], Value("PID"), Run, Differs("a process that is not there is refused when the script starts"), "What target() gives", |args, value| {
        args.target = Some(values::number(value).map_or_else(|| wrong("Invalid target process ID number."), Ok)?);
        Ok(())
    }),
    row('T', &[], Value("SECONDS"), Run, Same, "End after so long", |args, value| {
        let ms = values::milliseconds(value).map_or_else(|| wrong("Invalid timeout interval."), Ok)?;
        args.timeout = Some(Duration::from_millis(ms));
        Ok(())
    }),
    flag('t', &[], Run, Differs("measures nanoseconds; points that share a handler share a line"), "Report hits and time of each probe at the end", |args, _| { args.timing = true; Ok(()) }),
    row('s', &[], Value("MB"), Run, Differs("is the size of the one buffer of all processors, rounded up to a power of two, 2048 at most; 4 unless given"), "Size of the output buffer, 1 to 4095", |args, value| {
        let megabytes = values::number(value).and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=4095).contains(n));
        args.buffer_mb = Some(megabytes.map_or_else(|| wrong("Invalid buffer size (should be 1-4095)."), Ok)?);
        Ok(())
    }),
    row('o', &[], Value("FILE"), Output, Same, "Write output to this file; strftime(3) formats are filled in", |args, value| {
        args.output = Some(value.to_owned());
        Ok(())
    }),
    row('S', &[], Value("SIZE[,N]"), Output, Differs("is refused where it would be 0"), "With -o: begin another file after so many megabytes, keep the last N", switch),
    flag('F', &[], Output, Differs("needs -o FILE, except with -p: eBPF programs go with the process that loaded them, so none can be left running alone"), "With -o: go on in the background once the probes are live, and print the process id", |args, _| { args.flight = true; Ok(()) }),
    row('p', &[], Value("NUM"), Stop, Differs("`-p3` prints the intermediate representation, `-p4` the eBPF instructions"), "Stop after pass 1 parse, 2 elaborate, 3 translate, 4 generate, 5 run", |args, value| {
        let pass = values::number(value).and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=5).contains(n));
        args.last_pass = Some(pass.map_or_else(|| wrong("Invalid pass number (should be 1-5)."), Ok)?);
        Ok(())
    }),
    row('l', &[], Value("PROBE"), Stop, Same, "List probe points that match", |args, value| list(args, Listing::Points(values::text(value)))),
    row('L', &[], Value("PROBE"), Stop, Same, "List probe points that match, with their variables", |args, value| list(args, Listing::PointsWithVariables(values::text(value)))),
    flag('k', &[], Stop, Differs("keeps what each pass made as text, and the eBPF object"), "Keep what was made, and say where", |args, _| { args.keep = true; Ok(()) }),
    row('m', &[], Value("NAME"), Stop, Differs("leaves an eBPF object, NAME.o"), "Leave what pass 4 makes in the current folder", module_name),
    row('r', &[], Value("RELEASE|FILE"), Stop, Differs("takes a release, a vmlinux, or the folder it was built in; a script for another kernel ends with pass 4"), "Kernel to list or compile for", |args, value| {
        args.release = Some(values::text(value)).filter(|release| !release.is_empty());
        Ok(())
    }),
    row('a', &[], Value("ARCH"), Stop, Differs("takes the architecture of this machine"), "Architecture", architecture),
    row('B', &[], Value("NAME=VALUE"), Other, NoEffect(NO_MODULE), "Kernel build option", nothing),
    row('R', &[], Value("DIR"), Other, NoEffect("the runtime is part of this program"), "Runtime folder", nothing),
    row('d', &[], Value("OBJECT"), Other, Needless(SYMBOLS), "Symbols of an object", |_, value| {
        if value.is_empty() { wrong("Data object (-d) cannot be empty.") } else { Ok(()) }
    }),
    flag('P', &[], Other, Needless("arguments are read where the compiler says they are"), "Search prologues", nothing),
    flag('b', &[], Other, NoEffect("all processors write to one buffer, and the output is one stream in the order of time"), "Bulk mode", nothing),
    flag('q', &[], Other, NoEffect("there is no data base of what the tapset was used for"), "Tapset coverage", nothing),
    flag('v', &[], Compile, Same, "More of what happens; may be repeated", |args, _| { args.verbose.iter_mut().for_each(|n| *n += 1); Ok(()) }),
    flag(NO, &["skip-badvars"], Script, Same, "Context variables that do not resolve are 0, with a warning", |args, _| { args.skip_badvars = true; Ok(()) }),
    row(NO, &["vp"], Value("NNNNN"), Compile, Same, "Verbosity of each pass, a digit each", verbosity),
    flag(NO, &["unprivileged"], Other, Differs("is refused, as --privilege=stapusr"), "As --privilege=stapusr", |args, _| privilege(args, OsStr::new("stapusr"))),
    row(NO, &["build-as"], Perhaps("USER", ""), Other, Refused("all passes are done by the user who starts it; `sudo -u USER` goes before the command"), "Compile as somebody else", nothing),
    flag(NO, &["client-options"], Other, NoEffect(NO_SERVER), "What follows is from a client of a compile server", nothing),
    flag('h', &["help"], Compile, Same, "Print this", |_, _| Err(Ending::Help)),
    flag(NO, &["disable-cache"], Other, Needless("compiled scripts are not kept"), "Compile anew", nothing),
    flag(NO, &["poison-cache"], Other, Needless("compiled scripts are not kept"), "Compile anew", nothing),
    flag(NO, &["clean-cache"], Other, Needless("compiled scripts are not kept, and indexes of debug information make room by themselves"), "Remove what is stale", |args, _| { args.clean_cache = true; Ok(()) }),
    row(NO, &["compatible"], Value("VERSION"), Script, Differs("what it says of reading scripts holds; passes 2 to 5 are as SystemTap 5.6 does them"), "Language as of this version", compatible),
    flag(NO, &["ldd"], Other, Needless(SYMBOLS), "Symbols of libraries", nothing),
    row(NO, &["use-server"], Perhaps("SERVER", ""), Other, Refused(NO_SERVER), "Compile on a server", nothing),
    row(NO, &["list-servers"], Perhaps("PROPERTIES", ""), Other, Refused(NO_SERVER), "Compile servers", nothing),
    row(NO, &["trust-servers"], Perhaps("TRUST", ""), Other, Refused(NO_SERVER), "Compile servers that are trusted", nothing),
    row(NO, &["use-server-on-error"], Perhaps("YES|NO", "yes"), Other, Needless(NO_SERVER), "Try a server when it does not compile", nothing),
    row(NO, &["use-http-server"], Value("SERVER"), Other, Refused(NO_SERVER), "Compile on a server", nothing),
    flag(NO, &["all-modules"], Other, Needless(SYMBOLS), "Symbols of all modules", nothing),
    row(NO, &["sign-module"], Perhaps("PATH", ""), Other, Needless("eBPF programs are not signed"), "Sign the module", |_, value| {
        if value.is_empty() { Ok(()) } else { wrong("ERROR: --sign-module=PATH is only valid with --client-options") }
    }),
    row(NO, &["remote"], Value("URL"), Other, Differs("takes `direct://`, this machine; elsewhere: `ssh -t HOST tapdeck run …`"), "Where to run it", remote),
    flag(NO, &["remote-prefix"], Other, Needless("there is one machine"), "Mark lines with the machine they are from", nothing),
    flag(NO, &["check-version"], Other, NoEffect("what older versions did otherwise is not imitated"), "Warn of what depends on the version", nothing),
    flag('V', &["version"], Compile, Differs("names tapdeck"), "Print the version", |_, _| Err(Ending::Version)),
    row(NO, &["tmpdir"], Value("DIR"), Stop, Differs("is where -k keeps things; there are no other temporary files"), "Folder for -k", |args, value| {
        args.keep_in = Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty());
        Ok(())
    }),
    row(NO, &["download-debuginfo"], Perhaps("OPTION", "yes"), Other, Differs("asks the servers of DEBUGINFOD_URLS, by their client `debuginfod-find`; without it only what that client has already is taken"), "Download debug information: yes, no, ask, or seconds it may take", download),
    flag(NO, &["dump-probe-types"], Stop, Same, "Print every kind of probe point", |args, _| list(args, Listing::ProbeTypes)),
    flag(NO, &["dump-probe-aliases"], Stop, Same, "Print every probe alias", |args, _| list(args, Listing::Aliases)),
    flag(NO, &["dump-functions"], Stop, Same, "Print every function", |args, _| list(args, Listing::Functions)),
    row(NO, &["privilege"], Value("LEVEL"), Other, Differs("takes `stapdev` and `stapsys`; `stapusr` is refused: what an unprivileged user may probe is the kernel's to say"), "What the script may do", privilege),
    flag(NO, &["suppress-handler-errors"], Run, Same, "Errors in handlers and skipped probes are counted and do not end the run", |args, _| { args.suppress_handler_errors = true; Ok(()) }),
    row(NO, &["modinfo"], Value("NAME=VALUE"), Other, NoEffect(NO_MODULE), "MODULE_INFO of the module", |_, value| {
        values::safe("--modinfo", value, "^[a-z_][a-z0-9_]*=.+$").map(drop)
    }),
    row(NO, &["rlimit-as"], Value("BYTES"), Run, Same, "Limit of this process's memory", |args, value| {
        limit(args, value, Resource::AddressSpace)
    }),
    row(NO, &["rlimit-cpu"], Value("SECONDS"), Run, Same, "Limit of its processor time", |args, value| limit(args, value, Resource::Cpu)),
    row(NO, &["rlimit-nproc"], Value("NUM"), Run, Same, "Limit of the user's processes", |args, value| limit(args, value, Resource::Processes)),
    row(NO, &["rlimit-stack"], Value("BYTES"), Run, Same, "Limit of its stack", |args, value| limit(args, value, Resource::Stack)),
    row(NO, &["rlimit-fsize"], Value("BYTES"), Run, Same, "Limit of files it writes", |args, value| limit(args, value, Resource::FileSize)),
    row(NO, &["sysroot"], Value("DIR"), Other, Differs("takes `/`; another kernel is named with -r"), "Where target files are", sysroot),
    row(NO, &["sysenv"], Value("VAR=VALUE"), Other, NoEffect("the files are this machine's"), "A variable where target files are", |args, value| {
        if !args.sysroot {
            return wrong("ERROR: --sysenv must follow --sysroot");
        }
        if value.as_encoded_bytes().contains(&b'=') { Ok(()) } else { wrong(format!("ERROR: {} is an invalid argument for --sysenv", value.display())) }
    }),
    flag(NO, &["suppress-time-limits"], Run, Same, "No MAXACTION, no overload guard; with -g", |args, _| {
        if !args.guru {
            return wrong("ERROR --suppress-time-limits requires guru mode (-g)");
        }
        args.suppress_time_limits = true;
        Ok(())
    }),
    row(NO, &["runtime"], Value("MODE"), Other, Differs("takes `bpf`, and `kernel` with a warning"), "Runtime", runtime),
    flag(NO, &["dyninst"], Other, Differs("is refused, as by a stap that is built without it"), "As --runtime=dyninst", |args, _| runtime(args, OsStr::new("dyninst"))),
    flag(NO, &["bpf"], Other, Needless("eBPF is the only runtime here"), "As --runtime=bpf", nothing),
    row(NO, &["color", "colour"], Perhaps("WHEN", "always"), Output, Same, "Colours in messages: auto, always, never", color),
    row(NO, &["prologue-searching"], Perhaps("WHEN", "always"), Other, Needless("arguments are read where the compiler says they are"), "Search prologues", |_, value| {
        match value.to_str() {
            Some("never" | "always" | "auto") => Ok(()),
            _ => wrong(format!("Invalid argument '{}' for --prologue-searching.", value.display())),
        }
    }),
    flag(NO, &["save-uprobes"], Other, Needless("uprobes are part of the kernel"), "Keep uprobes.ko", nothing),
    row(NO, &["target-namespaces"], Value("PID"), Other, NoEffect("numbers in name spaces are those of the name spaces tapdeck runs in"), "Name spaces of a process", |_, value| {
        match values::number(value) {
            Some(1..) => Ok(()),
            _ => wrong("Invalid process ID number for target namespaces."),
        }
    }),
    row(NO, &["monitor"], Perhaps("SECONDS", "1"), Output, Differs("is the dashboard, which says itself how often it draws"), "Show the dashboard while it runs", monitor),
    flag('i', &["interactive"], Output, Differs("is the dashboard with the script in its editor"), "Write and run the script in the dashboard", |args, _| { args.interactive = true; Ok(()) }),
    flag(NO, &["example"], Script, Differs("looks where distributions put SystemTap's examples"), "FILE is the name of one of SystemTap's examples", |args, _| { args.example = true; Ok(()) }),
    flag(NO, &["no-global-var-display"], Run, Same, "Globals that are never read are not printed at the end", |args, _| { args.no_global_var_display = true; Ok(()) }),
    flag(NO, &["language-server"], Other, Refused("the dashboard's editor checks scripts as one types, and there is no server for others"), "Answer an editor", nothing),
    flag(NO, &["debug"], Stop, Differs("is -k: objects always name the lines of the script"), "Keep what was made, with debug information", |args, _| { args.keep = true; Ok(()) }),
    flag(NO, &["semantic-keep-going"], Compile, Differs("names that do not resolve end the pass; types are not looked at then"), "List all errors of pass 2 for a program to read", |args, _| { args.semantic_keep_going = true; Ok(()) }),
    row(NO, &["record"], Value("FILE"), Output, Ours, "Save everything the session shows to FILE, for `tapdeck replay`", |args, value| { args.record = Some(PathBuf::from(value)); Ok(()) }),
];

pub const UNPRIVILEGED: &str = "what an unprivileged user may probe is the kernel's to say";

fn script(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    if args.script.is_some() {
        return wrong("Only one script can be given on the command line.");
    }
    args.script = Some(value.as_encoded_bytes().to_vec());
    Ok(())
}

fn global(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    let text = values::safe("-G", value, "^[a-z_][a-z0-9_]*=[a-z0-9_.-]+$")?;
    args.globals.extend(text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(())
}

fn list(args: &mut StapArgs, listing: Listing) -> Result<(), Ending> {
    if args.listing.replace(listing).is_some() {
        return wrong("ERROR: only one of the -l/-L/--dump-* switches may be specified");
    }
    Ok(())
}

fn verbosity(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    let digits = value.as_encoded_bytes();
    if !(1..=5).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return wrong("Invalid --vp argument: it takes 1 to 5 digits.");
    }
    args.verbose.iter_mut().zip(digits).for_each(|(n, digit)| *n += u32::from(digit - b'0'));
    Ok(())
}

fn switch(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    let text = values::safe("-S", value, "^[0-9]+(,[0-9]+)?$")?;
    let number = |text: &str| values::number(OsStr::new(text)).map_or(0, i64::unsigned_abs);
    let (size, files) = text.split_once(',').map_or((&*text, None), |(size, files)| (size, Some(number(files))));
    let switch = Switch { max_bytes: number(size).saturating_mul(1 << 20), max_files: files };
    if switch.max_bytes == 0 || files == Some(0) {
        return wrong(format!("ERROR: -S {text}: a file needs room, and one file is the least"));
    }
    args.switch = Some(switch);
    Ok(())
}

/// Letters a module's name may have; longer names are cut to what the kernel takes.
const MAX_NAME: usize = 55;

fn module_name(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    let mut name = values::text(value);
    let whole = name.len();
    if let Some(base) = name.strip_suffix(".ko") {
        name = base.to_owned();
    }
    while name.len() > MAX_NAME {
        name.pop();
    }
    if name.len() < whole {
        args.said.push(format!("Truncating module name to '{name}'"));
    }
    if name.is_empty() {
        return wrong("Module name cannot be empty.");
    }
    args.module_name = Some(values::safe("-m", OsStr::new(&name), "^[a-z0-9_]+$")?);
    Ok(())
}

fn architecture(_: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    let arch = values::safe("-a", value, "^[a-z0-9_-]+$")?;
    let same = match std::env::consts::ARCH {
        "aarch64" => ["aarch64", "arm64"],
        arch => [arch, arch],
    };
    if same.contains(&&*arch) {
        return Ok(());
    }
    wrong(format!("ERROR: -a {arch} is not supported: scripts are compiled for {}, which this machine is", same[0]))
}

fn compatible(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    let version = values::text(value);
    if version_cmp(&version, "5.6").is_gt() {
        return wrong(format!("ERROR: systemtap version 5.6 cannot be compatible with future version {version}"));
    }
    args.compatible = Some(version).filter(|version| !version.is_empty());
    Ok(())
}

fn remote(_: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    if value == "direct://" {
        return Ok(());
    }
    wrong("ERROR: --remote is not supported: run it there, `ssh -t HOST tapdeck run …`")
}

fn download(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    let seconds = || value.to_str()?.parse::<u32>().ok().filter(|seconds| *seconds > 0);
    args.download = match (value.to_str(), seconds()) {
        (Some("no"), _) => Download::No,
        (Some("yes"), _) => Download::Yes,
        (Some("ask"), _) => Download::Ask,
        (_, Some(seconds)) => Download::Within(seconds.into()),
        _ => {
            let value = value.display();
            return wrong(format!("ERROR: {value} is not a valid value. Use 'yes', 'no', 'ask' or a timeout value."));
        }
    };
    Ok(())
}

fn privilege(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    args.privilege = Some(match value.to_str() {
        Some("stapdev") => Privilege::Stapdev,
        Some("stapsys") => Privilege::Stapsys,
        Some("stapusr") => Privilege::Stapusr,
        _ => return wrong(format!("Invalid argument '{}' for --privilege.", value.display())),
    });
    Ok(())
}

fn limit(args: &mut StapArgs, value: &OsStr, resource: Resource) -> Result<(), Ending> {
    if value.is_empty() {
        return wrong(format!("An --{resource} option value must be specified."));
    }
    let Some(limit) = values::unsigned(value) else {
        let value = value.display();
        return wrong(match resource {
            Resource::AddressSpace => format!("Unable to convert {resource} resource limit '{value}'."),
            _ => format!("Unable to convert resource limit '{value}' for {resource}"),
        });
    };
    args.limits.push((resource, limit));
    Ok(())
}

fn sysroot(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    if args.sysroot {
        return wrong("ERROR: multiple --sysroot options not supported");
    }
    match std::fs::canonicalize(value).ok().filter(|path| path.is_dir()) {
        None => wrong(format!("ERROR: {} is an invalid directory for --sysroot", value.display())),
        Some(path) if path.as_os_str() == "/" => {
            args.sysroot = true;
            Ok(())
        }
        Some(_) => wrong("ERROR: --sysroot is not supported: the files are this machine's; -r names another kernel"),
    }
}

fn runtime(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    match value.to_str() {
        Some("bpf") => {}
        Some("kernel") => {
            args.warnings.push("--runtime=kernel has no effect: eBPF is the only runtime here".to_owned())
        }
        Some("dyninst") => return wrong("ERROR: --runtime=dyninst unavailable; this build lacks DYNINST feature"),
        _ => return wrong(format!("ERROR: {} is an invalid argument for --runtime", value.display())),
    }
    Ok(())
}

fn color(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    args.color = Some(match value.to_str() {
        Some("never") => When::Never,
        Some("auto") => When::Auto,
        Some("always") => When::Always,
        _ => return wrong(format!("Invalid argument '{}' for --color.", value.display())),
    });
    Ok(())
}

fn monitor(args: &mut StapArgs, value: &OsStr) -> Result<(), Ending> {
    if !matches!(values::number(value), Some(1..)) {
        return wrong("Invalid monitor interval.");
    }
    args.monitor = true;
    Ok(())
}
