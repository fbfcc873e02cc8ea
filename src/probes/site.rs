//! One place where a handler runs, and what it sees there.

use std::sync::Arc;

use super::{access::Access, attach_plan::AttachPlan, browse::Look};
use crate::debuginfo::World;

/// SystemTap's derived probe.
#[derive(Clone, Debug)]
pub struct ProbeSite {
    /// The point, fully resolved: what `pp()` gives and `-l` prints.
    pub point: Arc<str>,
    pub attach: AttachPlan,
    /// `ppfunc()`, `probefunc()`: the function or syscall name; may be empty.
    pub func: Arc<str>,
    /// What `name` is in families that have it (`openat`, `sched_switch`); may be empty.
    pub name: Arc<str>,
    pub scope: Arc<dyn ContextScope>,
    /// Script variables the family sets before the handler, like an alias prologue, in order. Only those a handler reads
    /// are evaluated.
    pub vars: Vec<SiteVar>,
}

impl ProbeSite {
    /// A site without function name, `name` or variables of its own.
    pub fn plain(point: String, attach: AttachPlan, scope: Arc<dyn ContextScope>) -> Self {
        let empty: Arc<str> = Arc::from("");
        Self { point: point.into(), attach, func: empty.clone(), name: empty, scope, vars: Vec::new() }
    }
}

/// `name = expr` in front of a handler; the expression is script text over `$context` variables and functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteVar {
    pub name: Arc<str>,
    pub expr: Arc<str>,
    /// `long` or `string`, for `-L`.
    pub ty: crate::language::types::Type,
}

/// What `$…` means at a site.
pub trait ContextScope: std::fmt::Debug + Send + Sync {
    /// Every `$name` with its C type, in order; for `-L`, completion and messages.
    fn variables(&self, world: &World) -> Vec<ContextVariable>;

    /// The access for `$name` and what follows it.
    fn resolve(&self, name: &str, path: &[PathStep], address_of: bool, world: &World) -> Result<Access, ContextError>;

    /// `$$vars`, `$$parms`, `$$locals`, `$$return`, `$$name`, `$$system` …: a printf format with its arguments.
    /// `name` is without the first `$`: `"$vars"`.
    fn summary(&self, name: &str, pretty: Option<Depth>, world: &World) -> Result<Pretty, ContextError>;

    /// `$x$` and `$x$$` with a path.
    fn pretty(&self, name: &str, path: &[PathStep], depth: Depth, world: &World) -> Result<Pretty, ContextError>;

    /// What `$name` and a path lead to, for browsing; `None` where that cannot be told.
    fn look(&self, _name: &str, _path: &[PathStep], _world: &World) -> Option<Look> {
        None
    }

    /// Variables that are declared here and have no value here, each with the reason.
    fn absent(&self, _world: &World) -> Vec<(ContextVariable, String)> {
        Vec::new()
    }

    /// Whether there is anything to look at.
    fn has_context(&self) -> bool {
        true
    }

    /// `$name` is a text the handler may also assign to.
    fn text_variable(&self, _name: &str) -> Option<&'static TextVariable> {
        None
    }

    /// At a return: `$name` is what it was at the entry, and has to be taken there as `@entry($name)` is. `is_plain`:
    /// nothing stands behind the name.
    fn is_of_entry(&self, _name: &str, _is_plain: bool) -> bool {
        false
    }
}

/// The builtins a text variable of a site comes to; `set` and `append` take the text and give it.
#[derive(Debug)]
pub struct TextVariable {
    pub get: &'static str,
    pub set: &'static str,
    pub append: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextVariable {
    /// With its `$`.
    pub name: String,
    pub type_text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    Member(String),
    Index(i64),
    /// An index known only when it runs.
    DynamicIndex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// `$`
    Shallow,
    /// `$$`
    Deep,
}

/// A value shown as text: `{.pid=%i, .comm="%s"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pretty {
    /// printf format.
    pub format: String,
    pub args: Vec<PrettyArg>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrettyArg {
    Long(Access),
    /// The access gives an address; the text there is read and quoted (`kernel_string_quoted` / `user_string_quoted`).
    QuotedString(Access),
    Text(String),
}

/// Why a context variable does not resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextError {
    /// `unable to find local 'x'` and the names there are.
    NoSuchVariable { name: String, alternatives: Vec<String> },
    /// `unable to find member 'x' for struct y`.
    NoSuchMember { name: String, of: String, alternatives: Vec<String> },
    /// The variable is there, but not at this place: `why`; `lives`: the addresses at which it has a value; `elsewhere`: of
    /// how many instances of the function it has one where they begin, and how many there are.
    NotHere { name: String, pc: u64, why: String, lives: Vec<(u64, u64)>, elsewhere: (usize, usize) },
    /// `->` or `[]` on something that is neither pointer, struct nor array.
    NotAggregate { of: String },
    /// `->name` on a number.
    NoMembers { name: String, of: String },
    /// A struct or a union where one of its members is meant, ready to print.
    Whole { message: String },
    /// No type information for it.
    NoTypes { message: String },
    /// Anything else, ready to print.
    Other { message: String },
}

/// Where there is nothing to see: begin, end, timers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContext;

impl NoContext {
    fn refuse<T>() -> Result<T, ContextError> {
        Err(ContextError::Other { message: "unresolved target-symbol expression".to_owned() })
    }
}

impl ContextScope for NoContext {
    fn has_context(&self) -> bool {
        false
    }

    fn variables(&self, _world: &World) -> Vec<ContextVariable> {
        Vec::new()
    }

    fn resolve(&self, _: &str, _: &[PathStep], _: bool, _: &World) -> Result<Access, ContextError> {
        Self::refuse()
    }

    fn summary(&self, _: &str, _: Option<Depth>, _: &World) -> Result<Pretty, ContextError> {
        Self::refuse()
    }

    fn pretty(&self, _: &str, _: &[PathStep], _: Depth, _: &World) -> Result<Pretty, ContextError> {
        Self::refuse()
    }
}
