//! Which file holds the debug information of a kernel: where distributions put it, by build id and by path; a file of
//! another build is refused.
//!
//! Debian's and Ubuntu's kernel packages have no build-id links, so the rules of paths are needed beside those of ids.

pub mod debuginfod;
mod decompressed;
mod modules;
mod other_kernel;
mod package;

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub use modules::{ModuleFiles, loaded_build_id};
pub use other_kernel::named_kernel;

use super::dwarf::DebugFile;
use crate::host::Host;

/// A kernel to find the debug information of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedKernel {
    pub release: String,
    /// Which build; `None`: not known, any of that release will do.
    pub build_id: Option<Vec<u8>>,
    /// The one file it is in, when someone said so.
    pub file: Option<PathBuf>,
}

impl WantedKernel {
    /// The kernel a host is about.
    pub fn of(host: &dyn Host) -> Self {
        let build_id = if host.is_running() { running_build_id(host) } else { None };
        Self { release: host.kernel_release(), build_id, file: host.debug_file() }
    }

    fn places(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.file {
            return vec![file.clone()];
        }
        let release = &self.release;
        let by_id = self.build_id.as_deref().and_then(build_id_place);
        let by_path = [
            format!("/usr/lib/debug/lib/modules/{release}/vmlinux"),
            format!("/usr/lib/debug/usr/lib/modules/{release}/vmlinux"),
            format!("/usr/lib/debug/boot/vmlinux-{release}"),
            format!("/usr/lib/debug/boot/vmlinux-{release}.debug"),
            format!("/lib/modules/{release}/build/vmlinux"),
            format!("/lib/modules/{release}/vmlinux"),
            format!("/boot/vmlinux-{release}"),
        ];
        by_id.into_iter().chain(by_path.into_iter().map(PathBuf::from)).collect()
    }
}

/// Why there is no debug information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it would be of: `kernel 6.1.0-9-amd64`, `module xfs`.
    pub of: String,
    /// Where it was looked for: nothing is there.
    pub looked: Vec<PathBuf>,
    /// Files that are there and are not it, with the reason.
    pub refused: Vec<String>,
    /// What to do, as a command where there is one.
    pub way_out: String,
}

impl Missing {
    /// The file is there, and cannot be read.
    pub fn unreadable(host: &dyn Host, why: String) -> Self {
        let release = host.kernel_release();
        let way_out = package::way_out(&release, host);
        Self { of: format!("kernel {release}"), looked: Vec::new(), refused: vec![why], way_out }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no debug information of {}: ", self.of)?;
        if let Some(refused) = self.refused.first() {
            return f.write_str(refused);
        }
        let looked: Vec<String> = self.looked.iter().map(|path| path.display().to_string()).collect();
        write!(f, "there is none of {}", looked.join(", "))
    }
}

/// The first file that has the kernel's debug information.
///
/// # Errors
/// There is none.
pub fn find_kernel(wanted: &WantedKernel, host: &dyn Host) -> Result<(PathBuf, DebugFile), Missing> {
    first_of(wanted.places(), wanted.build_id.as_deref(), &format!("kernel {}", wanted.release), &wanted.release, host)
}

/// The first of these files that has debug information of that build.
fn first_of(
    places: Vec<PathBuf>,
    build_id: Option<&[u8]>,
    of: &str,
    release: &str,
    host: &dyn Host,
) -> Result<(PathBuf, DebugFile), Missing> {
    let (mut looked, mut refused) = (Vec::new(), Vec::new());
    for place in places {
        let Ok(bytes) = host.map(&place) else {
            looked.push(place);
            continue;
        };
        let plain = decompressed::plain(&place, bytes);
        match plain.and_then(DebugFile::parse).and_then(|file| accept(file, build_id)) {
            Ok(file) => return Ok((place, file)),
            Err(why) => refused.push(format!("{}: {why}", place.display())),
        }
    }
    let way_out = package::way_out(release, host);
    Err(Missing { of: of.to_owned(), looked, refused, way_out })
}

fn accept(file: DebugFile, build_id: Option<&[u8]>) -> Result<DebugFile, String> {
    if let Some(wanted) = build_id.filter(|wanted| *wanted != file.build_id()) {
        let (is, wanted) = (hexadecimal(file.build_id()), hexadecimal(wanted));
        return Err(format!("is of another build (its build id is {is}, the kernel's {wanted})"));
    }
    if !file.has_dwarf() {
        return Err("has no debug information (.debug_info)".to_owned());
    }
    Ok(file)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `/usr/lib/debug/.build-id/ab/cdef….debug`
pub(super) fn build_id_place(id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first()?;
    Some(PathBuf::from(format!("/usr/lib/debug/.build-id/{first:02x}/{}.debug", hexadecimal(rest))))
}

/// The running kernel says its own build id in its ELF notes.
fn running_build_id(host: &dyn Host) -> Option<Vec<u8>> {
    build_id_in_notes(&host.read(Path::new("/sys/kernel/notes")).ok()?)
}

/// The description of the note NT_GNU_BUILD_ID (3) of "GNU": name size, description size, type, then both padded to four
/// bytes. System V ABI, chapter 5 "Note Section".
fn build_id_in_notes(mut notes: &[u8]) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (header, rest) = notes.split_at_checked(12)?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (name_len, len, kind) = (word(0) as usize, word(4) as usize, word(8));
        let (name, rest) = rest.split_at_checked(name_len.next_multiple_of(4))?;
        if kind == NT_GNU_BUILD_ID && name.starts_with(b"GNU\0") {
            return rest.get(..len).map(<[u8]>::to_vec);
        }
        notes = rest.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
pub(crate) mod tests;
