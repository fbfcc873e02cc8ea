//! Starting in two steps, so that an edited script replaces the running one without a gap: [`prepare`] does all that can
//! fail before anything is attached, [`Prepared::go`] attaches and hands over to the session's thread.

use std::{
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as commands,
    },
};

use tapdeck_ebpf::{layout::Layout, object::line_info};
use thiserror::Error;
use tokio::sync::mpsc;

use super::{
    attach::{self, AttachError},
    control::Control,
    engine::{Engine, Inputs},
    interpreter::Interpreter,
    load::{self, LoadError, Loaded},
    maps::KernelStores,
    outbox::Outbox,
    plan::LoadPlan,
    session::{SessionCommand, SessionEvent},
    symbols::LiveSymbols,
    target::{LiveTarget, TargetError},
    verifier_log,
};
use crate::{
    diagnostics::Diagnostic,
    sys::{poll::Bell, signals::StopSignals},
};

/// Events that may wait for their receiver. Each holds up to [`super::outbox::BATCH`] bytes.
const CHANNEL: usize = 256;

/// Why a session did not start. Nothing is left behind.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Load(LoadError),
    /// The verifier's no, at the script's line.
    #[error("{}", .diagnostic.message)]
    Rejected {
        diagnostic: Box<Diagnostic>,
        /// The verifier's own text, for -v.
        log: String,
    },
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("cannot {what}: {source}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// What a person can do about it.
    pub fn way_out(&self) -> Option<String> {
        match self {
            StartError::Load(error) => error.way_out(),
            StartError::Attach(error) => error.way_out(),
            StartError::Rejected { diagnostic, .. } => diagnostic.help.clone(),
            StartError::Target(_) | StartError::System { .. } => None,
        }
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Verified and in the kernel, attached to nothing.
pub struct Prepared {
    plan: LoadPlan,
    loaded: Option<Arc<Loaded>>,
    layout: Layout,
    control: Control,
    interpreter: Arc<Interpreter>,
    stores: KernelStores,
    target: LiveTarget,
}

/// Loads the programs and holds the target's command.
pub fn prepare(plan: LoadPlan) -> Result<Prepared, StartError> {
    let output = plan.options.command_output.as_ref().map(|output| output.as_fd());
    let target = LiveTarget::open(&plan.options.target, output)?;
    let loaded = if plan.object.programs.is_empty() {
        None
    } else {
        let lines = line_info::build(&plan.object, &|tag| plan.lowered.source_line(&plan.sources, tag));
        let loaded = load::load(&plan.object, &lines).map_err(|error| match error {
            LoadError::Rejected(rejection) => StartError::Rejected {
                diagnostic: Box::new(verifier_log::diagnose(&rejection, &plan.object, &plan.lowered.spans)),
                log: rejection.log,
            },
            other => StartError::Load(other),
        })?;
        Some(Arc::new(loaded))
    };
    let layout = Layout::of(&plan.lowered.ir, plan.options.live_histograms);
    let control = Control::new(layout.control, loaded.as_deref()).map_err(system("map the control words"))?;
    control.set_target(target.pid().unwrap_or(0));
    control.set_max_errors(plan.options.max_errors);
    control.set_max_skipped(plan.options.max_skipped);
    let symbols = Arc::new(LiveSymbols::new(loaded.clone()));
    let interpreter = Arc::new(Interpreter::new(plan.lowered.clone()).with_symbols(symbols));
    let stores = KernelStores::new(layout.clone(), interpreter.clone(), loaded.clone())
        .map_err(system("map the script's globals"))?;
    Ok(Prepared { plan, loaded, layout, control, interpreter, stores, target })
}

impl Prepared {
    /// Attaches (programs do nothing yet) and starts the session's thread, which runs `begin` and then goes live.
    pub fn go(self) -> Result<(SessionHandle, mpsc::Receiver<SessionEvent>), StartError> {
        let Prepared { plan, loaded, layout, control, interpreter, stores, target } = self;
        let links = match &loaded {
            Some(loaded) => attach::attach(&plan.object, loaded, &plan.lowered)?,
            None => attach::Links::default(),
        };
        let signals = if plan.options.catch_signals {
            Some(StopSignals::catch().map_err(system("catch signals"))?)
        } else {
            None
        };
        let bell = Arc::new(Bell::new().map_err(system("make an event descriptor"))?);
        let stops_sent = Arc::new(AtomicU32::new(0));
        let (command_tx, command_rx) = commands::channel();
        let (event_tx, event_rx) = mpsc::channel(CHANNEL);
        let outbox = Outbox::new(event_tx, plan.options.delivery);
        let mut engine = Engine::new(plan, interpreter, loaded, links, layout, control, stores, target, outbox)
            .map_err(system("open the ring buffer"))?;
        let inputs = Inputs {
            commands: command_rx,
            bell: bell.clone(),
            signals,
            stops_sent: stops_sent.clone(),
            stops_heard: 0,
        };
        engine.listen(inputs);
        std::thread::Builder::new()
            .name("tapdeck-session".to_owned())
            .spawn(move || engine.run())
            .map_err(system("start the session's thread"))?;
        Ok((SessionHandle { commands: command_tx, bell, stops_sent }, event_rx))
    }
}

/// [`prepare`] and [`Prepared::go`].
pub fn start(plan: LoadPlan) -> Result<(SessionHandle, mpsc::Receiver<SessionEvent>), StartError> {
    prepare(plan)?.go()
}

/// Speaks to a running session. When every receiver and handle is gone the session ends by itself.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    commands: commands::Sender<SessionCommand>,
    bell: Arc<Bell>,
    /// Stop and Kill, counted before they are sent: a difference to those heard breaks loops of handlers that run.
    stops_sent: Arc<AtomicU32>,
}

impl SessionHandle {
    /// A session that has ended ignores it.
    pub fn send(&self, command: SessionCommand) {
        if matches!(command, SessionCommand::Stop | SessionCommand::Kill) {
            self.stops_sent.fetch_add(1, Ordering::AcqRel);
        }
        let _ = self.commands.send(command);
        self.bell.ring();
    }
}
