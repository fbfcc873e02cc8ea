//! The five passes on one screen, and the text forms `-p1` to `-p4` print.
//!
//! ```text
//!            pass 1            pass 2               pass 3                pass 4               pass 5
//!  text ──▶ language ──▶ Script ──▶ elaborate ──▶ Program ──▶ lower ──▶ Lowered ──▶ ebpf ──▶ Object ──▶ runtime
//! ```
//!
//! Everything up to pass 5 is a pure function of scripts, library and machine facts.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tapdeck_ebpf::{
    codegen::Target,
    ir, isa,
    object::{Object, elf},
};

use crate::{
    debuginfo::{Types as _, World, ebpf_target, memory_map::LazyMemoryMap, returns_are_guarded},
    diagnostics::{Diagnostic, Diagnostics, catalogue::generate as say},
    elaborate::{
        self, ElaborateOptions,
        complete::{self, Catalogue, Completions},
        list::ListedPoint,
        program::Program,
    },
    host::{Host, facts::KernelConfig},
    language::{self, Conditions, ConfigLookup, ParseOptions, Privilege, Recovery, ast},
    lower::{self, LowerOptions},
    runtime::plan::{HistStyle, Lowered},
    source::{FileId, Origin, SourceMap},
    tapset::Library,
};

/// SystemTap's passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pass {
    Parse = 1,
    Elaborate,
    Lower,
    Generate,
    Run,
}

/// A script and what belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// As diagnostics print it: a path, or `<input>`.
    pub name: String,
    pub text: Vec<u8>,
    /// `-E` texts.
    pub additional: Vec<Vec<u8>>,
    /// `$1`, `@1` ….
    pub args: Vec<Vec<u8>>,
}

/// Everything the command line or the dashboard may say about compiling.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// The last pass to do; [`Pass::Run`] compiles as [`Pass::Generate`].
    pub last: Pass,
    pub guru: bool,
    /// What `systemtap_privilege` compares with.
    pub privilege: Privilege,
    pub unoptimized: bool,
    /// `--semantic-keep-going`.
    pub keep_going: bool,
    pub skip_badvars: bool,
    /// `--no-global-var-display`.
    pub no_global_var_display: bool,
    pub globals: Vec<(String, String)>,
    pub limits: ir::Limits,
    pub max_map_entries: u32,
    pub histogram: HistStyle,
    /// Someone watches: histograms of every statistic, switches and hit counts for every probe.
    pub live: bool,
    /// -t: how long handlers run is measured.
    pub timing: bool,
    /// -c or -x is given, so processes without a name of their own mean its.
    pub has_target: bool,
    /// Bytes of the output buffer; a power of two.
    pub ring_bytes: u32,
    pub compatible: Option<String>,
    /// Keep what can be read of a handler with a mistake in it (the editor).
    pub recovery: Recovery,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            last: Pass::Run,
            guru: false,
            privilege: Privilege::Stapdev,
            unoptimized: false,
            keep_going: false,
            skip_badvars: false,
            no_global_var_display: false,
            globals: Vec::new(),
            limits: ir::Limits::default(),
            max_map_entries: 2048,
            histogram: HistStyle::default(),
            live: false,
            timing: false,
            has_target: false,
            ring_bytes: 4 << 20,
            compatible: None,
            recovery: Recovery::default(),
        }
    }
}

/// What compiling came to, as far as it got.
#[derive(Debug, Default)]
pub struct Compiled {
    pub sources: SourceMap,
    /// The script's file and those of `-E` texts, in order.
    pub scripts: Vec<(FileId, Arc<ast::Script>)>,
    pub program: Option<Program>,
    pub lowered: Option<Arc<Lowered>>,
    pub object: Option<Object>,
    pub diagnostics: Diagnostics,
    pub times: Vec<PassTime>,
    /// The pass errors were found in.
    pub failed: Option<Pass>,
}

/// How long a pass took.
#[derive(Clone, Copy, Debug)]
pub struct PassTime {
    pub pass: Pass,
    pub real: Duration,
}

/// What a kernel's types say of programs in it.
struct Abilities {
    target: Target,
    /// Where `struct linux_binprm` has its `filename`, in bytes.
    binprm_filename: Option<u32>,
}

/// A machine and a tapset library, ready to compile any number of scripts for it.
pub struct Compiler {
    pub world: World,
    pub library: Library,
    /// About folders of `-I` that cannot be read.
    pub warnings: Vec<String>,
    /// What the kernel can do, looked up when first asked: a listing needs none of it.
    abilities: OnceLock<Abilities>,
    /// What the kernel was built with, read when first asked.
    config: ConfigLookup,
    /// For completion, gathered when first asked.
    catalogue: OnceLock<Catalogue>,
}

impl Compiler {
    pub fn new(host: Arc<dyn Host>, include: &[PathBuf]) -> Self {
        let (library, warnings) = Library::new(&*host, include);
        let world = World::new(host);
        let config = {
            let (host, read) = (world.host.clone(), OnceLock::new());
            Arc::new(move |name: &str| {
                let config: &Option<KernelConfig> = read.get_or_init(|| KernelConfig::read(&*host));
                config.as_ref()?.get(name).map(str::to_owned)
            })
        };
        Self { world, library, warnings, abilities: OnceLock::new(), config, catalogue: OnceLock::new() }
    }

    /// Passes 1 to 4, as far as they go.
    pub fn compile(&self, input: &Input, options: &CompileOptions) -> Compiled {
        let mut out = Compiled::default();
        let mut clock = Instant::now();
        let mut lap = |pass, out: &mut Compiled| {
            out.times.push(PassTime { pass, real: clock.elapsed() });
            clock = Instant::now();
            if out.diagnostics.has_errors() && out.failed.is_none() {
                out.failed = Some(pass);
            }
            out.failed.is_some() || options.last <= pass
        };

        let mut parse = self.parse_options(options, &mut out);
        parse.args = input.args.clone();
        let scripts = parse_all(input, &parse, &mut out);
        out.scripts = scripts.clone();
        if lap(Pass::Parse, &mut out) {
            return out;
        }

        let used_args: Vec<usize> = scripts.iter().flat_map(|(_, script)| &script.used_args).copied().collect();
        parse.recovery = Recovery::default();
        let elaborate_options = ElaborateOptions {
            parse,
            unoptimized: options.unoptimized,
            keep_going: options.keep_going,
            skip_badvars: options.skip_badvars,
            no_global_var_display: options.no_global_var_display,
            globals: options.globals.clone(),
        };
        let (program, found) =
            elaborate::elaborate(&self.library, &self.world, scripts, &mut out.sources, &elaborate_options);
        out.diagnostics.extend(found);
        // The library's array of arguments uses all of them.
        let n_args = if program.globals.iter().any(|global| &*global.name == "argv") { 0 } else { input.args.len() };
        out.diagnostics.extend(language::unused_argument_warnings(&used_args, n_args));
        out.program = Some(program);
        if lap(Pass::Elaborate, &mut out) {
            return out;
        }

        let lower_options = LowerOptions {
            limits: options.limits.clone(),
            max_map_entries: options.max_map_entries,
            live: options.live,
            has_target: options.has_target,
            task: self.abilities().target.offsets.clone(),
            binprm_filename: self.abilities().binprm_filename,
            memory: LazyMemoryMap::of(self.world.host.clone()),
            arch: if self.world.host.arch() == "aarch64" { "aarch64" } else { "x86_64" },
        };
        let Some(program) = &out.program else { return out };
        let found = lower::untranslatable(program);
        if found.has_errors() {
            out.diagnostics.extend(found.into_iter().map(|finding| with_token(finding, &out.sources)).collect());
            lap(Pass::Lower, &mut out);
            return out;
        }
        let (mut lowered, found) = lower::lower(program, &lower_options);
        lowered.histogram = options.histogram;
        out.diagnostics.extend(found.into_iter().map(|finding| with_token(finding, &out.sources)).collect());
        out.lowered = Some(Arc::new(lowered));
        if lap(Pass::Lower, &mut out) {
            return out;
        }

        let Some(lowered) = out.lowered.clone() else { return out };
        match tapdeck_ebpf::generate(&lowered.ir, &self.target(options)) {
            Ok(object) => out.object = Some(object),
            Err(error) => {
                let span = lowered.spans.get(error.tag.index()).copied();
                out.diagnostics.push(with_token(say::not_for_ebpf(&error.reason, span), &out.sources));
            }
        }
        lap(Pass::Generate, &mut out);
        out
    }

    /// The probe points a pattern matches: `-l` and `-L`. The input's scripts may define aliases.
    pub fn list(
        &self,
        pattern: &str,
        vars: bool,
        input: &Input,
        options: &CompileOptions,
    ) -> (Vec<ListedPoint>, Compiled) {
        let mut out = Compiled::default();
        let parse = self.parse_options(options, &mut out);
        // A listing has no script of its own, which is not the mistake that an empty one is.
        let nothing = Input { text: b"probe never {}".to_vec(), ..input.clone() };
        let scripts = parse_all(if input.text.is_empty() { &nothing } else { input }, &parse, &mut out);
        let options = ElaborateOptions { parse, ..ElaborateOptions::default() };
        let (points, found) =
            elaborate::list::list(pattern, vars, scripts, &self.library, &self.world, &mut out.sources, &options);
        out.diagnostics.extend(found);
        (points, out)
    }

    /// What fits at byte `cursor` of a script that may be half written.
    pub fn complete(&self, text: &str, cursor: usize) -> Completions {
        let parse = self.parse_options(&CompileOptions::default(), &mut Compiled::default());
        let options = ElaborateOptions { parse, ..ElaborateOptions::default() };
        let catalogue = self.catalogue.get_or_init(|| Catalogue::new(&self.library, &self.world, &options));
        complete::complete(text, cursor, catalogue, &self.library, &self.world, &options)
    }

    pub fn target(&self, options: &CompileOptions) -> Target {
        Target {
            ring_bytes: options.ring_bytes,
            timing: options.timing,
            live_probes: options.live,
            live_histograms: options.live,
            ..self.abilities().target.clone()
        }
    }

    fn abilities(&self) -> &Abilities {
        self.abilities.get_or_init(|| {
            let world = &self.world;
            let btf = world.btf().ok().cloned();
            let (arch, n_cpus) = (world.host.arch(), possible_cpus(&*world.host));
            let target = ebpf_target(btf.as_ref(), &arch, n_cpus, returns_are_guarded(&*world.host));
            let binprm_filename = btf.and_then(|btf| {
                let found = btf.find_member(btf.struct_named("linux_binprm")?, "filename")?;
                Some(found.offset_bits / 8)
            });
            Abilities { target, binprm_filename }
        })
    }

    /// How scripts are read on this machine. The library's macro files join the sources.
    pub fn parse_options(&self, options: &CompileOptions, out: &mut Compiled) -> ParseOptions {
        let conditions = self.conditions(options);
        let (macros, found) = self.library.macros(&mut out.sources, &conditions);
        out.diagnostics.extend(found);
        ParseOptions { conditions, args: Vec::new(), macros, recovery: options.recovery }
    }

    fn conditions(&self, options: &CompileOptions) -> Conditions {
        let release = self.world.host.kernel_release();
        Conditions {
            kernel_v: release.split('-').next().unwrap_or(&release).to_owned(),
            kernel_vr: release,
            arch: self.world.host.arch(),
            systemtap_v: options.compatible.clone().unwrap_or_else(|| "5.6".to_owned()),
            runtime: "bpf".to_owned(),
            guru_mode: options.guru,
            privilege: options.privilege,
            config: self.config.clone(),
        }
    }
}

fn parse_all(input: &Input, options: &ParseOptions, out: &mut Compiled) -> Vec<(FileId, Arc<ast::Script>)> {
    out.sources.script_args = input.args.clone().into();
    let texts = std::iter::once(&input.text).chain(&input.additional);
    let mut scripts = Vec::new();
    for (idx, text) in texts.enumerate() {
        let name = if idx == 0 { input.name.clone() } else { format!("<input{idx}>") };
        let file = out.sources.add(name, text.clone(), Origin::User);
        let (script, found) = language::parse(&mut out.sources, file, options);
        out.diagnostics.extend(found);
        scripts.push((file, Arc::new(script)));
    }
    scripts
}

/// Processors that may ever come online, from `/sys/devices/system/cpu/possible` (`0-7`).
fn possible_cpus(host: &dyn Host) -> u32 {
    let read = || {
        let bytes = host.read(Path::new("/sys/devices/system/cpu/possible")).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        text.trim().rsplit([',', '-']).next()?.parse::<u32>().ok()
    };
    read().map_or(host.n_cpus() as u32, |last| last + 1)
}

impl Compiled {
    /// What `-pN` prints after pass N.
    pub fn text_form(&self, pass: Pass) -> String {
        match pass {
            Pass::Parse => self.tree_dump(),
            Pass::Elaborate => self.program.as_ref().map(elaborate::print::print).unwrap_or_default(),
            Pass::Lower => self.lowered.as_ref().map(|lowered| lowered.ir.to_string()).unwrap_or_default(),
            Pass::Generate | Pass::Run => {
                let object = self.object.as_ref();
                let listings = object.iter().flat_map(|o| o.programs.iter().map(|p| isa::listing(o, p)));
                listings.collect()
            }
        }
    }

    /// The files of pass 1 as SystemTap dumps them.
    fn tree_dump(&self) -> String {
        let name = |file: &FileId| self.sources.get(*file).map_or("", |file| &file.name).to_owned();
        let files = self.scripts.iter().map(|(file, script)| language::tree_dump::file(&name(file), script));
        format!("# parse tree dump\n{}\n", files.collect::<String>())
    }

    /// The object file of pass 4, its line information pointing into the script.
    pub fn elf(&self) -> Option<Vec<u8>> {
        let (object, lowered) = (self.object.as_ref()?, self.lowered.as_ref()?);
        Some(elf::write(object, &|tag| lowered.source_line(&self.sources, tag)))
    }

    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|d| d.is_error())
    }
}

/// Findings of the later passes know only where; SystemTap's form wants the token there, too.
fn with_token(mut finding: Diagnostic, sources: &SourceMap) -> Diagnostic {
    if let (true, Some(span)) = (finding.token.is_empty(), finding.primary) {
        finding.token = elaborate::spot(sources, span).token;
    }
    finding
}
