//! `-D NAME=VALUE` and `-G NAME=VALUE`, checked and turned into what the passes take. Names are SystemTap's.

use tapdeck_ebpf::ir::Limits;

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
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self { ir: Limits::default(), max_errors: 0, max_skipped: 100, max_map_entries: 2048 }
    }
}

/// Names of `-D` that mean something to a module compiler only; taken and ignored.
const IGNORED: &[&str] = &[
    "KRETACTIVE",
    "INTERRUPTIBLE",
    "MAXBACKTRACE",
    "MAXTRYLOCK",
    "MAXUPROBES",
    "MINSTACKSPACE",
    "TRYLOCKDELAY",
    "MAPHASHBIAS",
    "HIST_WIDTH",
    "HIST_ELISION",
];

impl ScriptLimits {
    /// Applies one `-D`. A name without a value is 1, as with a C compiler. Gives a warning for a name that means nothing
    /// here: SystemTap takes any.
    ///
    /// # Errors
    /// A value that is not a number in range.
    pub fn define(&mut self, text: &str) -> Result<Option<String>, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, "1"));
        if IGNORED.contains(&name) || name.starts_with("STP_") || name.starts_with("DEBUG_") {
            return Ok(None);
        }
        let number = || value.parse::<u32>().map_err(|_| format!("-D {name}: '{value}' is not a number"));
        match name {
            "MAXACTION" => self.ir.max_action = number()?,
            "MAXACTION_INTERRUPTIBLE" => self.ir.max_action_user = number()?,
            "MAXNESTING" => self.ir.max_nesting = number()?,
            "MAXSTRINGLEN" => {
                let number = number()?;
                if !(8..=4096).contains(&number) {
                    return Err(format!("-D MAXSTRINGLEN={number}: must be 8 to 4096"));
                }
                self.ir.max_string_len = number as u16;
            }
            "MAXERRORS" => self.max_errors = number()?,
            "MAXSKIPPED" => self.max_skipped = number()?,
            "MAXMAPENTRIES" => self.max_map_entries = number()?.max(1),
            _ => return Ok(Some(format!("-D {name}: there is no such limit, so it does nothing"))),
        }
        Ok(None)
    }
}

/// Splits a `-G name=value`; stap(1) allows letters, digits and `_.-` only.
///
/// # Errors
/// Anything else.
pub fn global_override(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("-G {text}: expected NAME=VALUE of letters, digits and _.-");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let name_ok = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let value_ok = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if name_ok && value_ok { Ok((name.to_owned(), value.to_owned())) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_take_stap_names() {
        let mut limits = ScriptLimits::default();
        for text in ["MAXACTION=50", "MAXSTRINGLEN=100", "MAXERRORS=3", "STP_NO_OVERLOAD", "MAXMAPENTRIES=10"] {
            assert_eq!(limits.define(text), Ok(None));
        }
        assert_eq!((limits.ir.max_action, limits.ir.max_string_len), (50, 100));
        assert_eq!((limits.max_errors, limits.max_map_entries), (3, 10));
        let nothing = limits.define("MAXFUN=yes").unwrap().unwrap();
        assert_eq!(nothing, "-D MAXFUN: there is no such limit, so it does nothing");
        assert_eq!(limits.define("MAXACTION=x").unwrap_err(), "-D MAXACTION: 'x' is not a number");
    }

    #[test]
    fn global_overrides_are_checked() {
        assert_eq!(global_override("a=5").unwrap(), ("a".into(), "5".into()));
        assert!(global_override("A=5").is_err() && global_override("a=").is_err() && global_override("a=x y").is_err());
    }
}
