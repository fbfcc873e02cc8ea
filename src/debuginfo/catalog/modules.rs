//! Which file holds the debug information of a kernel module. Its own file has it when nobody took it away; distributions
//! keep it under /usr/lib/debug, at the same place below. modules.dep(5) says where modules are. Those of a kernel that was named
//! by its file are looked for near that.

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
    places.extend(near_file(name, release, host));
    let modules = PathBuf::from(format!("/lib/modules/{release}"));
    let Some(path) = path_of(name, &modules, host) else {
        places.push(modules.join("modules.dep"));
        return places;
    };
    let plain = uncompressed(&path).to_owned();
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

/// Every module of a kernel that depmod knows, in memory's spelling, sorted.
pub fn all_names(host: &dyn Host) -> Vec<String> {
    let release = host.kernel_release();
    let near = host.debug_file();
    let near = near.iter().flat_map(|file| trees(file, &release));
    let lists = near.chain([PathBuf::from(format!("/lib/modules/{release}"))]).map(|tree| tree.join("modules.dep"));
    let mut names = Vec::new();
    for text in lists.filter_map(|list| host.read(&list).ok()) {
        let text = String::from_utf8_lossy(&text);
        let files = text.lines().filter_map(|line| line.split(':').next()?.rsplit('/').next());
        names.extend(files.filter_map(|file| Some(file.split_once(".ko")?.0.replace('-', "_"))));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Where the modules of the kernel in that file may be.
fn trees(file: &Path, release: &str) -> Vec<PathBuf> {
    // `boot/vmlinux-R`, `usr/lib/debug/boot/vmlinux-R`, `lib/modules/R/build/vmlinux`
    const MAX_ANCESTORS: usize = 5;
    let above = file.ancestors().skip(1).take(MAX_ANCESTORS).map(|at| at.join("lib/modules").join(release));
    file.parent().map(Path::to_owned).into_iter().chain(above).collect()
}

fn uncompressed(path: &str) -> &str {
    path.trim_end_matches(".gz").trim_end_matches(".xz").trim_end_matches(".zst")
}

/// `kernel/fs/xfs/xfs.ko.xz` for `xfs`: the file's name may have dashes where the module's has underscores.
fn path_of(name: &str, modules: &Path, host: &dyn Host) -> Option<String> {
    let text = host.read(&modules.join("modules.dep")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let is_it = |path: &&str| is_called(path.rsplit('/').next().unwrap_or(path), name);
    text.lines().filter_map(|line| line.split(':').next()).find(is_it).map(str::to_owned)
}

fn is_called(file: &str, name: &str) -> bool {
    let stem = file.split_once(".ko").map(|(stem, _)| stem);
    let is_same = |(a, b): (u8, u8)| a == b || (a, b) == (b'-', b'_');
    stem.is_some_and(|stem| stem.len() == name.len() && stem.bytes().zip(name.bytes()).all(is_same))
}

/// Where the module would be in the tree that the kernel's file is in: that of a package, unpacked anywhere, or the one it
/// was built in.
fn near_file(name: &str, release: &str, host: &dyn Host) -> Vec<PathBuf> {
    let Some(file) = host.debug_file() else { return Vec::new() };
    let mut places = Vec::new();
    let is_tree =
        |folder: &PathBuf| ["modules.dep", "modules.order"].iter().any(|list| host.read(&folder.join(list)).is_ok());
    let own = usize::from(file.parent().is_some_and(|own| !is_tree(&own.to_owned())));
    // A package of debug information has no list, but the same places.
    let installed = path_of(name, &PathBuf::from(format!("/lib/modules/{release}")), host);
    for tree in trees(&file, release).into_iter().skip(own) {
        let listed = path_of(name, &tree, host).map(|path| tree.join(path));
        let as_installed = || Some(tree.join(uncompressed(installed.as_ref()?)));
        let listed = listed.or_else(|| as_installed().filter(|path| host.stamp(path).is_ok()));
        places.extend(listed.or_else(|| search(name, &tree, 0, host)));
    }
    places
}

/// A folder without a list of its modules is gone through.
fn search(name: &str, folder: &Path, depth: usize, host: &dyn Host) -> Option<PathBuf> {
    // `kernel/drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko`
    const MAX_DEPTH: usize = 9;
    let names = host.list(folder).ok().filter(|_| depth < MAX_DEPTH)?;
    if let Some(file) = names.iter().find(|file| is_called(file, name)) {
        return Some(folder.join(file));
    }
    let is_folder = |name: &&String| !name.contains('.') && *name != "build" && *name != "source";
    names.iter().filter(is_folder).find_map(|inner| search(name, &folder.join(inner), depth + 1, host))
}

/// A loaded module says which build it is in its ELF notes.
pub fn loaded_build_id(name: &str, host: &dyn Host) -> Option<Vec<u8>> {
    if !host.is_running() {
        return None;
    }
    let folder = Path::new("/sys/module").join(name).join("notes");
    build_id_in_notes(&host.read(&folder.join(".note.gnu.build-id")).ok()?)
}
