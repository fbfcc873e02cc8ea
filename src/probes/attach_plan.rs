//! How a site is attached, as data. `runtime::attach` carries it out; pass 2 and 3 only carry it.

/// One way to arrive at a handler.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttachPlan {
    /// In user space when the session starts, lowest number first.
    Begin { order: i64 },
    /// In user space when the session stops normally.
    End { order: i64 },
    /// In user space when the session stops because of an error.
    Error { order: i64 },
    /// Never runs; checked all the same.
    Never,
    /// In user space, every `period_ns` plus or minus up to `randomize_ns`.
    Timer { period_ns: u64, randomize_ns: u64 },
    /// On every processor, `hz` times a second: perf software clock.
    Profile { hz: u64 },
    /// raw_tp sys_enter or sys_exit, filtered by syscall number.
    Syscall { nr: u32, exit: bool },
    /// raw_tp/`name`, with `n_args` words of context. `task_arg`: the argument that is the current task to the handler.
    Tracepoint { name: String, n_args: u8, task_arg: Option<u8> },
    /// A kernel function's entry or return.
    Function { target: FunctionTarget, exit: bool, hook: FunctionHook },
    /// In user space, when a file of the script is read or written to. `path` is inside the session's folder; `umask`: the
    /// permissions left out; `max_bytes`: what is read at most, by default a string's length.
    File { path: String, write: bool, umask: u32, max_bytes: Option<u32> },
    /// In user space, for each character or line of standard input.
    Input { lines: bool },
    /// A process starts (its exec, or at session start if it runs already) or ends.
    Process { event: ProcessEvent, target: ProcessTarget },
}

impl AttachPlan {
    /// At a function's return.
    pub fn is_return(&self) -> bool {
        matches!(self, AttachPlan::Function { exit: true, .. })
    }

    /// What leads to the handler, in a word: what `probe_type()` says.
    pub fn way(&self) -> &'static str {
        match self {
            AttachPlan::Begin { .. } => "begin",
            AttachPlan::End { .. } => "end",
            AttachPlan::Error { .. } => "error",
            AttachPlan::Never => "never",
            AttachPlan::Timer { .. } => "timer",
            AttachPlan::Profile { .. } => "perf",
            AttachPlan::Syscall { .. } | AttachPlan::Tracepoint { .. } | AttachPlan::Process { .. } => "tracepoint",
            AttachPlan::Function { hook: FunctionHook::Fentry { .. }, exit: false, .. } => "fentry",
            AttachPlan::Function { hook: FunctionHook::Fentry { .. }, exit: true, .. } => "fexit",
            AttachPlan::Function { exit: false, .. } => "kprobe",
            AttachPlan::Function { exit: true, .. } => "kretprobe",
            AttachPlan::File { .. } => "procfs",
            AttachPlan::Input { .. } => "input",
        }
    }

    /// The same place by a breakpoint, where it is a trampoline's: for handlers that look at registers.
    pub fn with_registers(&self) -> Self {
        match self {
            AttachPlan::Function { target, exit, hook: FunctionHook::Fentry { cookies, .. } } => {
                let hook = FunctionHook::Kprobe { multi: false, cookies: *cookies };
                AttachPlan::Function { target: target.clone(), exit: *exit, hook }
            }
            plan => plan.clone(),
        }
    }
}

/// A place in a function of the kernel, or of a module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionTarget {
    /// Its symbol.
    pub name: String,
    pub module: Option<String>,
    /// Where the function begins, where names are not enough or there are many; `None`: the kernel looks the name up.
    pub address: Option<u64>,
    /// Bytes behind that.
    pub offset: u64,
}

impl FunctionTarget {
    /// Where the function begins.
    pub fn entry(&self) -> Self {
        Self { offset: 0, ..self.clone() }
    }
}

/// What a function's probe rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionHook {
    /// fentry or fexit: `btf_id` is the function's in the type information of the kernel or its module. A handler that
    /// wants registers gets a kprobe instead; `cookies` as there.
    Fentry { btf_id: u32, n_args: u8, cookies: bool },
    /// kprobe or kretprobe; `multi`: in one link with others. Without `cookies` a program serves one place.
    Kprobe { multi: bool, cookies: bool },
    /// This kernel has neither. It can be listed all the same.
    Missing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessEvent {
    /// A program is executed.
    Begin,
    /// A process is made by fork; what `Begin` comes to as well. The new process is the current one.
    Fork,
    /// A process runs already when the session starts; what `Begin` comes to as well. In user space.
    Running,
    End,
    ThreadBegin,
    ThreadEnd,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProcessTarget {
    /// Every process; with -c or -x the target and its descendants.
    All,
    Pid(u32),
    /// Absolute path of the executable.
    Path(String),
}

/// The hidden array with the ids of the target's descendants. No global of a script has blanks in its name.
pub const TARGET_STORE: &str = "processes of the target";

/// The hidden array with the ids of the processes that execute a path.
pub fn path_store(path: &str) -> String {
    format!("processes of {path}")
}

/// A path and what else it is called: on most systems /bin and /sbin are links into /usr.
pub fn names_of_path(path: &str) -> Vec<&str> {
    let short = path.strip_prefix("/usr").filter(|short| short.starts_with("/bin/") || short.starts_with("/sbin/"));
    std::iter::once(path).chain(short).collect()
}
