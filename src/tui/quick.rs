//! Quick traces: the script a single key in the probe browser writes. It lands in the editor, so one learns the language by
//! looking at what ran.

use super::engine::{CatalogueEntry, Holds, ProbeDetail};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quick {
    Latency(TraceKey),
    Count,
    Arguments,
    Errors,
    /// Where it is called from.
    Stacks,
    /// A histogram of an expression's values.
    Values(String),
    /// How often each value of an expression comes by.
    CountBy(Counted),
}

/// An expression, and the script text that can be a key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub expression: String,
    pub key: String,
}

impl Counted {
    /// `None`: a script cannot have its value as a key.
    pub fn new(expression: &str, holds: Holds) -> Option<Self> {
        let key = match holds {
            Holds::Number | Holds::Text => expression.to_owned(),
            Holds::KernelText => format!("kernel_string({expression})"),
            Holds::UserText => format!("user_string({expression})"),
            Holds::Members | Holds::Other => return None,
        };
        Some(Self { expression: expression.to_owned(), key })
    }
}

/// What a row of a latency table stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKey {
    Process,
    Pid,
    Cpu,
    /// One histogram of all.
    None,
}

impl TraceKey {
    pub const ALL: [TraceKey; 4] = [TraceKey::Process, TraceKey::Pid, TraceKey::Cpu, TraceKey::None];

    pub fn letter(self) -> char {
        ['e', 'p', 'c', 'n'][self as usize]
    }

    pub fn title(self) -> &'static str {
        ["process name", "process id", "CPU", "nothing: one histogram of all"][self as usize]
    }

    /// The index in the script.
    fn index(self) -> &'static str {
        ["[execname()]", "[pid()]", "[cpu()]", ""][self as usize]
    }

    fn words(self) -> &'static str {
        [", by process", ", by process id", ", by CPU", ""][self as usize]
    }
}

/// The script and what to call it.
pub fn script(quick: &Quick, entry: &CatalogueEntry, detail: Option<&ProbeDetail>) -> (String, String) {
    let base = entry.point.strip_suffix(".return").unwrap_or(&entry.point);
    let label: String = entry
        .label()
        .trim_end_matches(".return")
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect::<String>()
        .trim_matches('_')
        .to_owned();
    let point = &entry.point;
    let text = match quick {
        Quick::Latency(key) => format!(
            "# How long {base} takes, in microseconds{}.\n\
             global latency\n\n\
             probe {base}.return {{\n  \
               latency{} <<< gettimeofday_us() - @entry(gettimeofday_us())\n\
             }}\n",
            key.words(),
            key.index()
        ),
        Quick::Count => format!(
            "# How often each process comes by {point}.\n\
             global calls\n\n\
             probe {point} {{\n  calls[execname()]++\n}}\n"
        ),
        Quick::Arguments => format!(
            "# Every {point} with its arguments, in the log.\n\
             probe {point} {{\n  {}\n}}\n",
            print_arguments(entry, detail)
        ),
        // What the kernel does between a system call's door and its probe is always the same.
        Quick::Stacks if is_syscall(entry) => format!(
            "# Where programs call {base} from: how often each of their stacks.\n\
             global stacks\n\n\
             probe {point} {{\n  stacks[execname(), sprint_ubacktrace()]++\n}}\n"
        ),
        Quick::Stacks => format!(
            "# How {point} comes about: how often each stack of the kernel.\n\
             global stacks\n\n\
             probe {point} {{\n  stacks[sprint_backtrace()]++\n}}\n"
        ),
        Quick::Values(expression) => format!(
            "# The values of {expression} at {point}, by process.\n\
             global values\n\n\
             probe {point} {{\n  values[execname()] <<< {expression}\n}}\n"
        ),
        Quick::CountBy(Counted { expression, key }) => format!(
            "# How often {point} comes by with each {expression}.\n\
             global calls\n\n\
             probe {point} {{\n  calls[{key}]++\n}}\n"
        ),
        Quick::Errors => {
            let result = if is_syscall(entry) { "retval" } else { "$return" };
            format!(
                "# Which errors {base} returns, and to whom.\n\
                 global errors\n\n\
                 probe {base}.return {{\n  \
                   if ({result} < 0)\n    errors[execname(), errno_str({result})]++\n\
                 }}\n"
            )
        }
    };
    let what = match quick {
        Quick::Values(_) => "values",
        Quick::CountBy(_) => "count",
        Quick::Latency(_) => "latency",
        Quick::Count => "count",
        Quick::Arguments => "args",
        Quick::Errors => "errors",
        Quick::Stacks => "stacks",
    };
    (format!("{label}-{what}.stp"), text)
}

/// The probe as `+` inserts it.
pub fn stub(entry: &CatalogueEntry) -> String {
    format!("probe {} {{\n  \n}}\n", entry.point)
}

/// A probe that prints the value of an expression.
pub fn stub_with(entry: &CatalogueEntry, expression: &str) -> String {
    format!("probe {} {{\n  println({expression})\n}}\n", entry.point)
}

fn is_syscall(entry: &CatalogueEntry) -> bool {
    entry.group.split('/').next().is_some_and(|group| group == "syscall" || group == "nd_syscall")
}

fn print_arguments(entry: &CatalogueEntry, detail: Option<&ProbeDetail>) -> String {
    let head = "execname(), pid()";
    if is_syscall(entry) {
        return if entry.point.ends_with(".return") {
            format!("printf(\"%s[%d] %s = %s\\n\", {head}, name, retstr)")
        } else {
            format!("printf(\"%s[%d] %s(%s)\\n\", {head}, name, argstr)")
        };
    }
    if entry.group.starts_with("kernel.trace") {
        return format!("printf(\"%s[%d] %s %s\\n\", {head}, pn(), $$parms)");
    }
    let known = detail.map_or(&[][..], |detail| &detail.variables);
    let shown: Vec<_> = known.iter().filter(|v| !v.name.starts_with('$') && v.name != "name").take(6).collect();
    if shown.is_empty() {
        return format!("printf(\"%s[%d] %s\\n\", {head}, pp())");
    }
    let format: String =
        shown.iter().map(|v| format!(" {}={}", v.name, if v.ty.starts_with("string") { "%s" } else { "%d" })).collect();
    let names: String = shown.iter().map(|v| format!(", {}", v.name)).collect();
    format!("printf(\"%s[%d]{format}\\n\", {head}{names})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::engine::Variable;

    #[test]
    fn values_and_what_they_are_counted_by() {
        let read = CatalogueEntry {
            point: "kernel.function(\"vfs_read\")".into(),
            group: "kernel.function/fs".into(),
            ..Default::default()
        };
        let (name, text) = script(&Quick::Values("$count".into()), &read, None);
        assert_eq!(name, "vfs_read-values.stp");
        assert!(text.ends_with("{\n  values[execname()] <<< $count\n}\n"), "{text}");
        let key = |holds| Counted::new("$x->y", holds).map(|counted| counted.key);
        assert_eq!(key(Holds::Number).as_deref(), Some("$x->y"));
        assert_eq!(key(Holds::UserText).as_deref(), Some("user_string($x->y)"));
        assert_eq!(key(Holds::Members), None);
    }

    #[test]
    fn scripts() {
        let openat = CatalogueEntry {
            point: "syscall.openat".into(),
            group: "syscall".into(),
            has_return: true,
            doc: "".into(),
        };
        let (name, text) = script(&Quick::Latency(TraceKey::Process), &openat, None);
        assert_eq!(name, "openat-latency.stp");
        expect_test::expect![[r#"
            # How long syscall.openat takes, in microseconds, by process.
            global latency

            probe syscall.openat.return {
              latency[execname()] <<< gettimeofday_us() - @entry(gettimeofday_us())
            }
        "#]]
        .assert_eq(&text);
        let alias = CatalogueEntry { point: "netdev.receive".into(), group: "netdev".into(), ..Default::default() };
        let variable = |name: &str, ty: &str| Variable { name: name.into(), ty: ty.into(), ..Variable::default() };
        let detail = ProbeDetail {
            variables: vec![variable("dev_name", "string"), variable("length", "long")],
            ..Default::default()
        };
        let (name, text) = script(&Quick::Stacks, &openat, None);
        assert_eq!(name, "openat-stacks.stp");
        assert!(text.ends_with("probe syscall.openat {\n  stacks[execname(), sprint_ubacktrace()]++\n}\n"), "{text}");
        let (_, text) = script(&Quick::Stacks, &alias, Some(&detail));
        assert!(text.ends_with("probe netdev.receive {\n  stacks[sprint_backtrace()]++\n}\n"), "{text}");
        let (_, text) = script(&Quick::Arguments, &alias, Some(&detail));
        assert!(
            text.contains(r#"printf("%s[%d] dev_name=%s length=%d\n", execname(), pid(), dev_name, length)"#),
            "{text}"
        );
    }
}
