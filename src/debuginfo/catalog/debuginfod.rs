//! Debug information from the servers that DEBUGINFOD_URLS names, through the client every distribution has. What it got
//! once is kept in its own folder and taken from there without asking. debuginfod-find(1), debuginfod(8).

use std::path::{Path, PathBuf};

use super::{DebugFile, Missing, accept, decompressed, hexadecimal};
use crate::host::{Fetch, Host};

/// Whether files may be fetched: those of a kernel are some hundred megabytes.
#[derive(Default)]
pub enum Consent {
    #[default]
    No,
    Yes(Fetch),
    /// Somebody decides each time.
    Ask(Fetch, Asked),
}

/// Whether this may be fetched.
pub type Asked = Box<dyn Fn(&Offer) -> bool + Send + Sync>;

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Consent::No => "no",
            Consent::Yes(_) => "yes",
            Consent::Ask(..) => "ask",
        })
    }
}

/// What could be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `kernel 6.1.0-9-amd64`, `module xfs`.
    pub of: String,
    pub build_id: String,
    /// The servers' addresses, as DEBUGINFOD_URLS has them.
    pub servers: String,
}

impl std::fmt::Display for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "debug information of {} (build {}) from {}", self.of, self.build_id, self.servers)
    }
}

impl Consent {
    /// What no folder here has: from the client's own, or by it from a server.
    ///
    /// # Errors
    /// What was missing, with what became of this.
    pub fn instead_of(
        &self,
        mut missing: Missing,
        build_id: Option<&[u8]>,
        host: &dyn Host,
    ) -> Result<(PathBuf, DebugFile), Missing> {
        let Some(build_id) = build_id else { return Err(missing) };
        let text = hexadecimal(build_id);
        let kept = host.debuginfod_folder().map(|folder| folder.join(&text).join("debuginfo"));
        if let Some(path) = kept
            && let Ok(file) = read(&path, build_id, host)
        {
            return Ok((path, file));
        }
        let Some(servers) = host.debuginfod_urls() else { return Err(missing) };
        let offer = Offer { of: missing.of.clone(), build_id: text, servers };
        let how = match self {
            Consent::No => {
                missing.way_out += &format!("; or let it be fetched from {}: --download-debuginfo", offer.servers);
                return Err(missing);
            }
            Consent::Yes(how) => *how,
            Consent::Ask(how, agrees) if agrees(&offer) => *how,
            Consent::Ask(..) => return Err(missing),
        };
        let fetched = host.fetch_debug_file(&offer.build_id, how);
        let opened = fetched.and_then(|path| read(&path, build_id, host).map(|file| (path, file)));
        opened.map_err(|why| {
            missing.refused.push(format!("{}: {why}", offer.servers));
            missing
        })
    }
}

fn read(path: &Path, build_id: &[u8], host: &dyn Host) -> Result<DebugFile, String> {
    let plain = decompressed::plain(path, host.map(path)?)?;
    accept(DebugFile::parse(plain)?, Some(build_id))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{
        super::{WantedKernel, find_kernel, tests::Machine},
        *,
    };
    use crate::debuginfo::{World, dwarf::tests::bytes_of};

    fn world_with(machine: &Machine, downloads: Consent) -> World {
        let mut world = World::new(Arc::new(machine.host()));
        world.downloads = downloads;
        world
    }

    fn name_servers(machine: &Machine, urls: &str) {
        machine.put("host.txt", format!("release 6.1.0-9-amd64\ndebuginfod {urls}\n").as_bytes());
    }

    /// A machine whose kernel is built as `gcc5.so` is, and has no debug information here.
    fn machine(name: &str) -> (Machine, String) {
        let machine = Machine::new(name);
        let bytes = bytes_of("gcc5.so");
        let id = DebugFile::parse(crate::host::Bytes::Owned(bytes)).expect("is well formed").build_id().to_owned();
        machine.put("/sys/kernel/notes", &super::super::tests::notes_with(&id));
        (machine, hexadecimal(&id))
    }

    #[test]
    fn what_the_client_has_is_taken_without_asking() {
        let (machine, id) = machine("debuginfod-kept");
        name_servers(&machine, "http://symbols.example");
        let missing =
            find_kernel(&WantedKernel::of(&machine.host()), &machine.host()).map(drop).expect_err("is not here");
        assert!(!missing.way_out.contains("download"), "{}", missing.way_out);
        let world = world_with(&machine, Consent::No);
        let missing = world.dwarf().map(drop).expect_err("is not fetched");
        let way_out = "or let it be fetched from http://symbols.example: --download-debuginfo";
        assert!(missing.way_out.ends_with(way_out), "{}", missing.way_out);
        machine.put(&format!("/debuginfod/{id}/debuginfo"), &bytes_of("gcc5.so"));
        assert!(world_with(&machine, Consent::No).dwarf().is_ok());
        // Of another build, though its place says otherwise.
        machine.put(&format!("/debuginfod/{id}/debuginfo"), &bytes_of("gcc4.so"));
        assert!(world_with(&machine, Consent::No).dwarf().is_err());
    }

    #[test]
    fn who_is_asked_hears_what_it_is_about() {
        let (machine, id) = machine("debuginfod-asked");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ask = |heard: &Arc<Mutex<Vec<String>>>| {
            let heard = heard.clone();
            let asked = move |offer: &Offer| {
                heard.lock().expect("nobody panics").push(offer.to_string());
                true
            };
            Consent::Ask(Fetch::default(), Box::new(asked))
        };
        // Without servers there is nothing to ask.
        assert!(world_with(&machine, ask(&heard)).dwarf().is_err());
        assert_eq!(heard.lock().expect("nobody panics").len(), 0);
        name_servers(&machine, "http://a.example http://b.example");
        let missing = world_with(&machine, ask(&heard)).dwarf().map(drop).expect_err("has no client").clone();
        let offer =
            format!("debug information of kernel 6.1.0-9-amd64 (build {id}) from http://a.example http://b.example");
        assert_eq!(*heard.lock().expect("nobody panics"), [offer]);
        assert!(missing.to_string().contains("http://a.example http://b.example: a recorded machine"), "{missing}");
        // What the client gives is looked at like any other file.
        machine.put(&format!("/debuginfod/fetched/{id}"), &bytes_of("gcc5.so"));
        assert!(world_with(&machine, ask(&heard)).dwarf().is_ok());
        machine.put(&format!("/debuginfod/fetched/{id}"), b"404");
        let world = world_with(&machine, Consent::Yes(Fetch::default()));
        let missing = world.dwarf().map(drop);
        assert!(missing.is_err_and(|missing| missing.to_string().contains("not an ELF file")));
    }
}
