//! Which file holds the debug information of a kernel module. Its own file has it when nobody took it away; distributions
//! keep it under /usr/lib/debug, at the same place below. modules.dep(5) says where modules are. Those of a kernel that was named
//! by its file are looked for near that.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{DebugFile, Missing, build_id_in_notes, build_id_place, first_of};
use crate::host::Host;

/// Where the modules of a kernel are; nothing is opened for it.
pub struct ModuleFiles {
    release: String,
    /// Below `/lib/modules`, with the modules themselves.
    installed: Tree,
    /// Where modules may be near the file that the kernel was named by, the nearest first.
    near: Vec<Tree>,
}

/// A folder that modules are below.
struct Tree {
    folder: PathBuf,
    /// Paths below the folder, by names as memory has them; empty where the folder has no list.
    listed: HashMap<String, String>,
    /// The same for files that are there whatever a list says; gone through when first needed.
    there: OnceLock<HashMap<String, String>>,
}

impl ModuleFiles {
    pub fn of(host: &dyn Host) -> Self {
        let release = host.kernel_release();
        let installed = Tree::read(PathBuf::from(format!("/lib/modules/{release}")), host);
        let near = host.debug_file().map_or_else(Vec::new, |file| trees(&file, &release, host));
        Self { installed, near, release }
    }

    /// Every module there is a place for, in memory's spelling, sorted.
    pub fn names(&self, host: &dyn Host) -> Vec<String> {
        let near = self.near.iter().flat_map(|tree| tree.names(host));
        let mut names: Vec<String> = near.chain(self.installed.listed.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The first file that has the module's debug information.
    ///
    /// # Errors
    /// There is none, or only of another build.
    pub fn find(&self, name: &str, host: &dyn Host) -> Result<(PathBuf, DebugFile), Missing> {
        let build_id = loaded_build_id(name, host);
        let build_id = build_id.as_deref();
        first_of(self.places(name, build_id, host), build_id, &format!("module {name}"), &self.release, host)
    }

    fn places(&self, name: &str, build_id: Option<&[u8]>, host: &dyn Host) -> Vec<PathBuf> {
        let installed = self.installed.listed.get(name);
        let mut places: Vec<PathBuf> = build_id.and_then(build_id_place).into_iter().collect();
        places.extend(self.near.iter().filter_map(|tree| tree.file(name, installed, host)));
        let Some(path) = installed else {
            places.push(self.installed.folder.join(LIST));
            return places;
        };
        let release = &self.release;
        let plain = uncompressed(path).to_owned();
        for folder in ["/usr/lib/debug/lib/modules", "/usr/lib/debug/usr/lib/modules"] {
            for file in [&plain, &format!("{plain}.debug"), path] {
                let place = PathBuf::from(format!("{folder}/{release}/{file}"));
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places.push(self.installed.folder.join(path));
        places
    }
}

/// depmod's list: `kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz`
const LIST: &str = "modules.dep";

impl Tree {
    fn read(folder: PathBuf, host: &dyn Host) -> Self {
        let list = host.read(&folder.join(LIST)).unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        let mut listed = HashMap::new();
        for path in list.lines().filter_map(|line| line.split(':').next()) {
            if let Some(name) = module_name(path) {
                listed.entry(name).or_insert_with(|| path.to_owned());
            }
        }
        Self { folder, listed, there: OnceLock::new() }
    }

    fn names(&self, host: &dyn Host) -> impl Iterator<Item = &String> {
        if self.listed.is_empty() { self.there(host) } else { &self.listed }.keys()
    }

    /// Where the module is, if it is there. A package of debug information has no list, but the places of `installed`.
    fn file(&self, name: &str, installed: Option<&String>, host: &dyn Host) -> Option<PathBuf> {
        if let Some(path) = self.listed.get(name) {
            return Some(self.folder.join(path));
        }
        let as_installed = installed.map(|path| self.folder.join(uncompressed(path)));
        let as_installed = as_installed.filter(|path| host.stamp(path).is_ok());
        as_installed.or_else(|| Some(self.folder.join(self.there(host).get(name)?)))
    }

    fn there(&self, host: &dyn Host) -> &HashMap<String, String> {
        self.there.get_or_init(|| {
            let mut there = HashMap::new();
            go_through(&self.folder, "", &mut there, host);
            there
        })
    }
}

/// Where the modules of the kernel in that file may be: in the tree of a package, unpacked anywhere, or in the one it was
/// built in.
fn trees(file: &Path, release: &str, host: &dyn Host) -> Vec<Tree> {
    // `boot/vmlinux-R`, `usr/lib/debug/boot/vmlinux-R`, `lib/modules/R/build/vmlinux`
    const MAX_ANCESTORS: usize = 5;
    let is_tree = |folder: &&Path| [LIST, "modules.order"].iter().any(|list| host.read(&folder.join(list)).is_ok());
    let own = file.parent().filter(is_tree).map(Path::to_owned);
    let above = file.ancestors().skip(1).take(MAX_ANCESTORS).map(|at| at.join("lib/modules").join(release));
    own.into_iter().chain(above).map(|folder| Tree::read(folder, host)).collect()
}

/// `dm_mod` for `kernel/drivers/md/dm-mod.ko.xz`: a file's name may have dashes where the module's has underscores.
fn module_name(path: &str) -> Option<String> {
    let (stem, _) = path.rsplit('/').next()?.split_once(".ko")?;
    Some(stem.replace('-', "_"))
}

fn uncompressed(path: &str) -> &str {
    path.trim_end_matches(".gz").trim_end_matches(".xz").trim_end_matches(".zst")
}

/// Modules below `folder/inner`; one that is nearer goes before others of its name.
fn go_through(folder: &Path, inner: &str, there: &mut HashMap<String, String>, host: &dyn Host) {
    // `kernel/drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko`
    const MAX_DEPTH: usize = 9;
    let is_folder = |name: &&String| !name.contains('.') && *name != "build" && *name != "source";
    let Ok(mut names) = host.list(&folder.join(inner)) else { return };
    names.sort_unstable();
    for (file, name) in names.iter().filter_map(|file| Some((file, module_name(file)?))) {
        there.entry(name).or_insert_with(|| format!("{inner}{file}"));
    }
    if inner.matches('/').count() + 1 < MAX_DEPTH {
        names.iter().filter(is_folder).for_each(|name| go_through(folder, &format!("{inner}{name}/"), there, host));
    }
}

/// A loaded module says which build it is in its ELF notes.
pub fn loaded_build_id(name: &str, host: &dyn Host) -> Option<Vec<u8>> {
    if !host.is_running() {
        return None;
    }
    let folder = Path::new("/sys/module").join(name).join("notes");
    build_id_in_notes(&host.read(&folder.join(".note.gnu.build-id")).ok()?)
}
