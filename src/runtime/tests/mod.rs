//! Sessions of hand-made programs, from `prepare` to the last event.

mod kernel;

use std::{sync::Arc, time::Duration};

use tapdeck_ebpf::{ir::*, object::Object};
use tokio::sync::mpsc::Receiver;

use super::{
    plan::{GlobalInfo, HistStyle, LoadPlan, Lowered, ProbeInfo, SessionOptions},
    prepare::{SessionHandle, start},
    session::{Datum, EndReport, SessionCommand, SessionEvent, Snapshot},
    target::Target,
};
use crate::{
    builtins::Stream,
    language::format::{Conversion, ConversionKind, Format, Piece, Size},
    probes::attach_plan::AttachPlan,
    source::{SourceMap, Span},
};

pub(crate) const T: SourceTag = SourceTag::NONE;

/// A program under construction: what `lower` would make of a small script.
#[derive(Default)]
pub(crate) struct Script {
    pub ir: Program,
    pub formats: Vec<Format>,
    pub attach: Vec<Vec<AttachPlan>>,
    pub probes: Vec<ProbeInfo>,
    pub globals: Vec<GlobalInfo>,
}

impl Script {
    pub fn string(&mut self, text: &str) -> StrId {
        self.ir.strings.push(text.as_bytes().to_vec());
        StrId(self.ir.strings.len() as u32 - 1)
    }

    pub fn store(&mut self, name: &str, keys: Vec<Ty>, value: StoreTy, in_kernel: bool) -> StoreId {
        let store = StoreId(self.ir.stores.len() as u32);
        self.ir.stores.push(StoreDecl {
            name: name.to_owned(),
            keys,
            value,
            max_entries: 2048,
            sized: false,
            wrap: false,
            init: None,
            in_kernel,
        });
        self.globals.push(GlobalInfo {
            name: name.to_owned(),
            store,
            user: true,
            write_only: true,
            pointer: false,
            hist: None,
        });
        store
    }

    /// `printf("TEXT%d\n", x)`; `inputs` longs.
    pub fn print_site(&mut self, text: &str, inputs: usize) -> PrintId {
        let number =
            Conversion { flag: None, width: Size::Default, precision: Size::Default, kind: ConversionKind::Signed };
        let mut pieces = vec![Piece::Text(text.as_bytes().to_vec())];
        for _ in 0..inputs {
            pieces.push(Piece::Text(b" ".to_vec()));
            pieces.push(Piece::Conversion(number.clone()));
        }
        pieces.push(Piece::Text(b"\n".to_vec()));
        self.formats.push(Format { pieces });
        self.ir.print_sites.push(PrintSite {
            format: self.formats.len() as u32 - 1,
            inputs: vec![InputTy::Long; inputs],
            args: (0..inputs).map(Recipe::Input).collect(),
            runs: None,
            kernel_format: None,
        });
        PrintId(self.ir.print_sites.len() as u32 - 1)
    }

    pub fn probe(
        &mut self,
        kind: EntryKind,
        plan: AttachPlan,
        syscall: Option<u32>,
        write: impl FnOnce(&mut BodyBuilder),
    ) {
        let mut body = BodyBuilder::new();
        write(&mut body);
        let probe = self.probes.len() as u32;
        let name = format!("{plan:?}");
        let in_kernel = kind != EntryKind::User;
        self.probes.push(ProbeInfo {
            written: name.clone(),
            points: vec![name.clone()],
            n_sites: 1,
            via: Vec::new(),
            source_probe: probe,
            span: Span::NONE,
            in_kernel,
        });
        self.ir.handlers.push(Handler { name: name.clone(), probe, body: body.finish(T), tag: T });
        self.ir.sites.push(SiteData { pp: name.clone().into_bytes(), pn: name.into_bytes(), ..SiteData::default() });
        self.ir
            .entries
            .push(Entry { kind, runs: vec![Run { handler: HandlerId(probe), site: SiteId(probe), syscall }] });
        self.attach.push(vec![plan]);
    }

    pub fn user(&mut self, plan: AttachPlan, write: impl FnOnce(&mut BodyBuilder)) {
        self.probe(EntryKind::User, plan, None, write);
    }

    pub fn lowered(self) -> Arc<Lowered> {
        let streams = vec![Stream::Output; self.formats.len()];
        Arc::new(Lowered {
            ir: self.ir,
            formats: self.formats,
            streams,
            attach: self.attach,
            spans: Vec::new(),
            probes: self.probes,
            globals: self.globals,
            histogram: HistStyle::default(),
        })
    }

    pub fn plan(self, options: SessionOptions) -> LoadPlan {
        LoadPlan { lowered: self.lowered(), object: Object::default(), sources: SourceMap::default(), options }
    }
}

/// What a session said, in order.
#[derive(Default)]
pub(crate) struct Said {
    pub output: String,
    pub warnings: Vec<String>,
    pub errors: Vec<String>,
    pub snapshots: Vec<Arc<Snapshot>>,
    pub started: bool,
    pub end: EndReport,
}

pub(crate) fn listen(mut events: Receiver<SessionEvent>) -> Said {
    let mut said = Said::default();
    while let Some(event) = events.blocking_recv() {
        match event {
            SessionEvent::Started(_) => said.started = true,
            SessionEvent::Output(bytes) => said.output.push_str(&String::from_utf8_lossy(&bytes)),
            SessionEvent::Warning(text) => said.warnings.push(text),
            SessionEvent::Error(error) => said.errors.push(error.message),
            SessionEvent::Snapshot(snapshot) => said.snapshots.push(snapshot),
            SessionEvent::Ended(report) => {
                said.end = report;
                return said;
            }
        }
    }
    panic!("the session went without a word");
}

fn run(script: Script, options: SessionOptions) -> Said {
    listen(start(script.plan(options)).unwrap().1)
}

fn say(script: &mut Script, text: &str) -> impl FnOnce(&mut BodyBuilder) + use<> {
    let site = script.print_site(text, 0);
    move |b| b.emit(Op::Print { site, inputs: Vec::new() }, T)
}

fn say_and_exit(script: &mut Script, text: &str) -> impl FnOnce(&mut BodyBuilder) + use<> {
    let say = say(script, text);
    move |b| {
        say(b);
        b.emit(Op::Exit, T);
    }
}

const BEGIN: AttachPlan = AttachPlan::Begin { order: 0 };
const END: AttachPlan = AttachPlan::End { order: 0 };

fn every_ms(ms: u64) -> AttachPlan {
    AttachPlan::Timer { period_ns: ms * 1_000_000, randomize_ns: 0 }
}

#[test]
fn begin_handlers_run_by_number_then_end() {
    let mut script = Script::default();
    for (text, order) in [("second", 1), ("first", -5), ("third", 1)] {
        let body = say(&mut script, text);
        script.user(AttachPlan::Begin { order }, body);
    }
    let body = say_and_exit(&mut script, "tick");
    script.user(every_ms(5), body);
    let body = say(&mut script, "end");
    script.user(END, body);
    let body = say(&mut script, "error");
    script.user(AttachPlan::Error { order: 0 }, body);
    let said = run(script, SessionOptions::default());
    assert_eq!(said.output, "first\nsecond\nthird\ntick\nend\n");
    assert!(said.started);
    assert_eq!(said.end.exit_code, 0);
}

#[test]
fn exit_in_begin_keeps_the_rest_from_starting() {
    let mut script = Script::default();
    let body = say_and_exit(&mut script, "only");
    script.user(BEGIN, body);
    let body = say(&mut script, "never");
    script.user(BEGIN, body);
    let body = say(&mut script, "end");
    script.user(END, body);
    let said = run(script, SessionOptions::default());
    assert_eq!(said.output, "only\nend\n");
    assert!(!said.started);
}

#[test]
fn an_error_ends_with_error_handlers() {
    let mut script = Script::default();
    script.user(BEGIN, |b| {
        let zero = b.binary(BinOp::Div, Operand::Imm(1), Operand::Imm(0), T);
        b.emit(Op::Copy { dst: Var(0), src: zero }, T);
    });
    let body = say(&mut script, "end");
    script.user(END, body);
    let body = say(&mut script, "error");
    script.user(AttachPlan::Error { order: 0 }, body);
    let said = run(script, SessionOptions::default());
    assert_eq!(said.output, "error\n");
    assert_eq!(said.errors, ["division by 0"]);
    assert_eq!(said.warnings, ["Number of errors: 1, skipped probes: 0"]);
    assert_eq!((said.end.exit_code, said.end.n_errors), (1, 1));
}

#[test]
fn the_command_runs_once_live_and_its_end_is_the_sessions() {
    let mut script = Script::default();
    let body = say(&mut script, "end");
    script.user(END, body);
    let options = SessionOptions { target: Target::Command("sh -c 'exit 7'".to_owned()), ..SessionOptions::default() };
    let said = run(script, options);
    assert_eq!(said.output, "end\n");
    assert_eq!(said.warnings, ["Child process exited with status 7"]);
    assert_eq!(said.end.exit_code, 1);
}

#[test]
fn times_out_and_snapshots_meanwhile() {
    let mut script = Script::default();
    let store = script.store("n", Vec::new(), StoreTy::Long, false);
    script.user(every_ms(1), move |b| {
        b.emit(Op::Add { store, keys: Vec::new(), delta: Operand::Imm(1), result: None }, T);
    });
    let options = SessionOptions {
        timeout: Some(Duration::from_millis(120)),
        snapshot_every: Duration::from_millis(20),
        print_globals: true,
        ..SessionOptions::default()
    };
    let said = run(script, options);
    assert!(said.snapshots.len() >= 3, "{}", said.snapshots.len());
    let value = |snapshot: &Snapshot| match &snapshot.tables[0].rows[0].value {
        Datum::Long(n) => *n,
        other => panic!("{other:?}"),
    };
    let last = value(said.end.last.as_ref().unwrap());
    assert!((20..=130).contains(&last), "{last}");
    assert!(said.snapshots.iter().all(|snapshot| value(snapshot) <= last));
    assert_eq!(said.output, format!("n={last}\n"));
    assert_eq!(said.end.last.unwrap().cost.probes[0].hits, last as u64);
}

fn endless(b: &mut BodyBuilder) {
    let block = b.new_block();
    b.switch_to(block);
    b.jump(block, T);
}

fn stop_soon(handle: SessionHandle, command: SessionCommand) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        handle.send(command);
    });
}

#[test]
fn stop_breaks_an_endless_handler_and_runs_end() {
    for (command, output) in [(SessionCommand::Stop, "end\n"), (SessionCommand::Kill, "")] {
        let mut script = Script::default();
        script.user(BEGIN, endless);
        let body = say(&mut script, "end");
        script.user(END, body);
        let (handle, events) = start(script.plan(SessionOptions::default())).unwrap();
        stop_soon(handle, command);
        assert_eq!(listen(events).output, output);
    }
}

#[test]
fn the_timeout_breaks_an_endless_handler_and_runs_end() {
    let mut script = Script::default();
    script.user(BEGIN, endless);
    let body = say(&mut script, "end");
    script.user(END, body);
    let timeout = Some(Duration::from_millis(30));
    let said = run(script, SessionOptions { timeout, ..SessionOptions::default() });
    assert_eq!(said.output, "end\n");
    assert!(said.errors.is_empty());
}

#[test]
fn a_second_stop_breaks_an_endless_end() {
    let mut script = Script::default();
    let first = say(&mut script, "first");
    script.user(END, move |b| {
        first(b);
        endless(b);
    });
    let second = say(&mut script, "second");
    script.user(AttachPlan::End { order: 1 }, second);
    let (handle, events) = start(script.plan(SessionOptions::default())).unwrap();
    handle.send(SessionCommand::Stop);
    stop_soon(handle, SessionCommand::Stop);
    assert_eq!(listen(events).output, "first\n");
}

#[test]
fn clears_and_switches_probes() {
    let mut script = Script::default();
    let store = script.store("n", Vec::new(), StoreTy::Long, false);
    script.user(every_ms(1), move |b| {
        b.emit(Op::Add { store, keys: Vec::new(), delta: Operand::Imm(1), result: None }, T);
    });
    let (handle, mut events) = start(script.plan(SessionOptions::default())).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    handle.send(SessionCommand::SetEnabled { probe: 0, enabled: false });
    handle.send(SessionCommand::Clear);
    handle.send(SessionCommand::SnapshotNow);
    let snapshot = loop {
        if let Some(SessionEvent::Snapshot(snapshot)) = events.blocking_recv() {
            break snapshot;
        }
    };
    assert_eq!(snapshot.tables[0].rows[0].value, Datum::Long(0));
    assert!(!snapshot.cost.probes[0].enabled && snapshot.cost.probes[0].hits > 5);
    handle.send(SessionCommand::Stop);
    assert_eq!(listen(events).end.last.unwrap().tables[0].rows[0].value, Datum::Long(0));
}

#[test]
fn ends_by_itself_when_nobody_listens() {
    let mut script = Script::default();
    let body = say(&mut script, "tick");
    script.user(every_ms(1), body);
    let (_, events) = start(script.plan(SessionOptions::default())).unwrap();
    drop(events);
    // Nothing to observe but that the thread goes; it would otherwise print for ever into a closed channel.
    std::thread::sleep(Duration::from_millis(20));
}
