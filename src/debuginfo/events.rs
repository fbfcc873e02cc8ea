//! Events by system, as tracefs lists them: `sched:sched_switch`. Names only; types come from BTF.

use std::{collections::HashMap, path::Path};

use crate::host::Host;

/// The content of `available_events`.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Event to the systems it is in; nearly always one.
    systems: HashMap<String, Vec<String>>,
    /// Every `(system, event)`, sorted.
    list: Vec<(String, String)>,
}

impl Events {
    /// `tracefs`: where it is mounted.
    pub fn read(host: &dyn Host, tracefs: &Path) -> Result<Self, String> {
        let bytes = host.read(&tracefs.join("available_events"))?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Self {
        let mut events = Self::default();
        for (system, event) in text.lines().filter_map(|line| line.trim().split_once(':')) {
            events.systems.entry(event.to_owned()).or_default().push(system.to_owned());
            events.list.push((system.to_owned(), event.to_owned()));
        }
        events.list.sort();
        events
    }

    /// Systems of an event; empty when tracefs does not list it.
    pub fn systems_of(&self, event: &str) -> &[String] {
        self.systems.get(event).map_or(&[], Vec::as_slice)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(system, event)| (&**system, &**event))
    }
}

/// The parameters of a syscall as its tracepoint's format names them: `(type, name)` in order.
pub fn syscall_params(host: &dyn Host, tracefs: &Path, syscall: &str) -> Option<Vec<(String, String)>> {
    let text = host.read(&tracefs.join(format!("events/syscalls/sys_enter_{syscall}/format"))).ok()?;
    let text = String::from_utf8_lossy(&text);
    let fields = text.lines().filter_map(|line| line.trim().strip_prefix("field:")?.split(';').next());
    // The first fields are the same for every event: common_type … and __syscall_nr.
    let own = fields.skip_while(|field| !field.ends_with(" __syscall_nr")).skip(1);
    Some(own.map(split_declaration).collect())
}

/// `const char * filename` to (`const char *`, `filename`).
fn split_declaration(field: &str) -> (String, String) {
    let name_start = field.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    (field[..name_start].trim().to_owned(), field[name_start..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_know_their_system() {
        let events = Events::parse("sched:sched_switch\nirq:softirq_entry\nsched:sched_waking\n");
        assert_eq!(events.systems_of("sched_switch"), ["sched"]);
        assert!(events.systems_of("nope").is_empty());
        assert_eq!(events.iter().next(), Some(("irq", "softirq_entry")));
    }

    #[test]
    fn declarations_split_before_the_name() {
        let split = |text| split_declaration(text);
        assert_eq!(split("const char * filename"), ("const char *".to_owned(), "filename".to_owned()));
        assert_eq!(split("int dfd"), ("int".to_owned(), "dfd".to_owned()));
    }
}
