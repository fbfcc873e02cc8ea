//! `-D NAME=VALUE`, turned into what the passes take. Names are SystemTap's.

use tapdeck_ebpf::ir::Limits;

use crate::{output::histogram::HistStyle, runtime::overload};

/// Every limit a script may set, with SystemTap's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLimits {
    pub ir: Limits,
    /// MAXERRORS: script errors that are forgiven.
    pub max_errors: u32,
    /// MAXSKIPPED: skipped handler runs that are forgiven.
    pub max_skipped: u32,
    /// MAXMAPENTRIES: elements of an array without a size of its own.
    pub max_map_entries: u32,
    /// STP_OVERLOAD_INTERVAL and STP_OVERLOAD_THRESHOLD; `None` with STP_NO_OVERLOAD.
    pub overload: Option<overload::Limit>,
    /// HIST_WIDTH and HIST_ELISION.
    pub histogram: HistStyle,
    /// MAXACTION_INTERRUPTIBLE was given, so it does not follow MAXACTION.
    own_user_limit: bool,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            ir: Limits::default(),
            max_errors: 0,
            max_skipped: 100,
            max_map_entries: 2048,
            overload: Some(overload::Limit::default()),
            histogram: HistStyle::default(),
            own_user_limit: false,
        }
    }
}

/// Names of `-D` that mean something to a kernel module only; taken and ignored.
const IGNORED: &[&str] = &[
    "KRETACTIVE",
    "INTERRUPTIBLE",
    "MAXBACKTRACE",
    "MAXTRYLOCK",
    "MAXUPROBES",
    "MINSTACKSPACE",
    "TRYLOCKDELAY",
    "MAPHASHBIAS",
];

/// MAXACTION_INTERRUPTIBLE is this many times MAXACTION.
const INTERRUPTIBLE: u32 = 10;

/// MAXACTION without time limits: loops in the kernel still end.
const MANY_ACTIONS: u32 = 1_000_000;

impl ScriptLimits {
    /// Applies one `-D`. A name without a value is 1, as with a C compiler. Gives a warning where the name means nothing.
    ///
    /// # Errors
    /// A value that is not a number in range.
    pub fn define(&mut self, text: &str) -> Result<Option<String>, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, "1"));
        // What is too large is as large as can be. C's suffixes of large numbers are not told from the number.
        let digits = value.trim_end_matches(['u', 'U', 'l', 'L']);
        let large = digits.parse::<u128>().map(|n| n.min(u64::MAX.into()) as u64);
        let large = large.map_err(|_| format!("-D {name}: '{value}' is not a number"));
        let number = large.clone().map(|n| n.min(u32::MAX.into()) as u32);
        match name {
            "STP_NO_OVERLOAD" => self.overload = None,
            "STP_OVERLOAD_INTERVAL" => {
                let interval_ns = large?;
                self.overload = self.overload.map(|limit| overload::Limit { interval_ns, ..limit });
            }
            "STP_OVERLOAD_THRESHOLD" => {
                let threshold_ns = large?;
                self.overload = self.overload.map(|limit| overload::Limit { threshold_ns, ..limit });
            }
            _ if IGNORED.contains(&name) || name.starts_with("STP_") || name.starts_with("DEBUG_") => {}
            "MAXACTION" => {
                self.ir.max_action = number?;
                if !self.own_user_limit {
                    self.ir.max_action_user = self.ir.max_action.saturating_mul(INTERRUPTIBLE);
                }
            }
            "MAXACTION_INTERRUPTIBLE" => {
                self.ir.max_action_user = number?;
                self.own_user_limit = true;
            }
            "MAXNESTING" => self.ir.max_nesting = number?,
            "MAXSTRINGLEN" => {
                let number = number?;
                if !(8..=4096).contains(&number) {
                    return Err(format!("-D MAXSTRINGLEN={number}: must be 8 to 4096"));
                }
                self.ir.max_string_len = number as u16;
            }
            "MAXERRORS" => self.max_errors = number?,
            "MAXSKIPPED" => self.max_skipped = number?,
            "MAXMAPENTRIES" => self.max_map_entries = number?.max(1),
            "HIST_WIDTH" => self.histogram.width = u64::from(number?.clamp(1, 1000)),
            "HIST_ELISION" if value.starts_with('-') => self.histogram.elision = None,
            "HIST_ELISION" => self.histogram.elision = Some(number? as usize),
            _ => return Ok(Some(format!("-D {name} has no effect: there is no such limit"))),
        }
        Ok(None)
    }

    /// `--suppress-time-limits`.
    pub fn without_time_limits(&mut self) {
        self.ir.max_action = self.ir.max_action.max(MANY_ACTIONS);
        self.ir.max_action_user = 0;
        self.overload = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_take_stap_names() {
        let mut limits = ScriptLimits::default();
        for text in ["MAXACTION=50", "MAXSTRINGLEN=100", "MAXERRORS=3", "STP_ALIBI", "MAXMAPENTRIES=10"] {
            assert_eq!(limits.define(text), Ok(None));
        }
        assert_eq!((limits.ir.max_action, limits.ir.max_action_user, limits.ir.max_string_len), (50, 500, 100));
        assert_eq!((limits.max_errors, limits.max_map_entries), (3, 10));
        assert!(limits.define("MAXFUN=1").unwrap().is_some_and(|warning| warning.contains("MAXFUN")));
        assert_eq!(limits.define("MAXACTION=x").unwrap_err(), "-D MAXACTION: 'x' is not a number");
        limits.define("HIST_WIDTH=20").unwrap();
        limits.define("HIST_ELISION=-1").unwrap();
        assert_eq!(limits.histogram, HistStyle { width: 20, elision: None });
    }

    #[test]
    fn the_overload_guard_has_limits_of_its_own() {
        let mut limits = ScriptLimits::default();
        for text in ["STP_OVERLOAD_INTERVAL=2000000000LL", "STP_OVERLOAD_THRESHOLD=5000000000"] {
            assert_eq!(limits.define(text), Ok(None));
        }
        let given = overload::Limit { interval_ns: 2_000_000_000, threshold_ns: 5_000_000_000 };
        assert_eq!(limits.overload, Some(given));
        assert!(limits.define("STP_OVERLOAD_INTERVAL=much").is_err());
        // Whatever comes behind it.
        for text in ["STP_NO_OVERLOAD", "STP_OVERLOAD_INTERVAL=1"] {
            assert_eq!(limits.define(text), Ok(None));
        }
        assert_eq!(limits.overload, None);
        let mut limits = ScriptLimits::default();
        limits.without_time_limits();
        assert_eq!(limits.overload, None);
    }

    #[test]
    fn the_limit_of_user_handlers_follows_unless_it_is_given() {
        for order in [["MAXACTION=50", "MAXACTION_INTERRUPTIBLE=7"], ["MAXACTION_INTERRUPTIBLE=7", "MAXACTION=50"]] {
            let mut limits = ScriptLimits::default();
            assert_eq!(limits.ir.max_action_user, 10 * limits.ir.max_action);
            order.iter().for_each(|text| assert_eq!(limits.define(text), Ok(None)));
            assert_eq!((limits.ir.max_action, limits.ir.max_action_user), (50, 7));
            limits.without_time_limits();
            assert_eq!((limits.ir.max_action, limits.ir.max_action_user), (MANY_ACTIONS, 0));
        }
    }
}
