//! Which file holds the debug information of a kernel module. Its own file has it when nobody took it away; distributions
//! keep it under /usr/lib/debug, at the same place below. modules.dep(5) says where modules are.

use std::path::{Path, PathBuf};

use super::{DebugFile, Missing, build_id_in_notes, build_id_place, first_of};
use crate::host::Host;

/// The first file that has the module's debug information.
///
/// # Errors
/// There is none, or only of another build.
pub fn find_module(name: &str, host: &dyn Host) -> Result<(PathBuf, DebugFile), Missing> {
    let release = host.kernel_release();
    let build_id = loaded_build_id(name, host);
    first_of(
        places(name, build_id.as_deref(), &release, host),
        build_id.as_deref(),
        &format!("module {name}"),
        &release,
        host,
    )
}

fn places(name: &str, build_id: Option<&[u8]>, release: &str, host: &dyn Host) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = build_id.and_then(build_id_place).into_iter().collect();
    let Some(path) = path_of(name, release, host) else {
        places.push(PathBuf::from(format!("/lib/modules/{release}/modules.dep")));
        return places;
    };
    let plain = path.trim_end_matches(".gz").trim_end_matches(".xz").trim_end_matches(".zst").to_owned();
    for folder in ["/usr/lib/debug/lib/modules", "/usr/lib/debug/usr/lib/modules"] {
        for file in [&plain, &format!("{plain}.debug"), &path] {
            let place = PathBuf::from(format!("{folder}/{release}/{file}"));
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places.push(PathBuf::from(format!("/lib/modules/{release}/{path}")));
    places
}

/// `kernel/fs/xfs/xfs.ko.xz` for `xfs`: the file's name may have dashes where the module's has underscores.
fn path_of(name: &str, release: &str, host: &dyn Host) -> Option<String> {
    let text = host.read(&PathBuf::from(format!("/lib/modules/{release}/modules.dep"))).ok()?;
    let text = String::from_utf8_lossy(&text);
    let is_it = |path: &&str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.split_once(".ko").map_or(file, |(stem, _)| stem);
        stem.len() == name.len() && stem.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a, b) == (b'-', b'_'))
    };
    text.lines().filter_map(|line| line.split(':').next()).find(is_it).map(str::to_owned)
}

/// A loaded module says which build it is in its ELF notes.
pub fn loaded_build_id(name: &str, host: &dyn Host) -> Option<Vec<u8>> {
    if !host.is_running() {
        return None;
    }
    let folder = Path::new("/sys/module").join(name).join("notes");
    build_id_in_notes(&host.read(&folder.join(".note.gnu.build-id")).ok()?)
}
