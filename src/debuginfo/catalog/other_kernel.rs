//! A kernel that `-r` names: another release than runs here, or a file. Its host answers out of files, since nothing of
//! the running kernel is true of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{WantedKernel, find_kernel, running_build_id};
use crate::{
    debuginfo::dwarf::DebugFile,
    host::{Bytes, Fetch, Host, cache::Cache, kernel_memory::KernelMemory},
};

/// The host for what `-r` says: a release, a vmlinux, or the folder one was built in. The running kernel's release is the
/// host as it is.
///
/// # Errors
/// There is no such file, it is no kernel, or it has no debug information: what and why, and a way out in the second line.
pub fn named_kernel(host: Arc<dyn Host>, name: &str) -> Result<Arc<dyn Host>, String> {
    if name == host.kernel_release() {
        return Ok(host);
    }
    if !name.contains('/') {
        let wanted = WantedKernel { release: name.to_owned(), build_id: None, file: None };
        let (path, file) = find_kernel(&wanted, &*host).map_err(|missing| format!("{missing}\n{}", missing.way_out))?;
        return Ok(Arc::new(OtherKernel::new(host, path, file, Some(name.to_owned()))));
    }
    let path = Path::new(name);
    let path = if host.list(path).is_ok() { path.join("vmlinux") } else { path.to_owned() };
    let file = host
        .map(&path)
        .and_then(|bytes| DebugFile::parse(bytes).map_err(|why| format!("{}: {why}", path.display())))?;
    let kernel = OtherKernel::new(host, path, file, None);
    if kernel.release.is_empty() {
        return Err(format!("{}: is no Linux kernel (it has no linux_banner)", kernel.path.display()));
    }
    Ok(Arc::new(kernel))
}

struct OtherKernel {
    host: Arc<dyn Host>,
    /// It is the one that runs here after all.
    is_running: bool,
    path: PathBuf,
    file: DebugFile,
    release: String,
}

impl OtherKernel {
    fn new(host: Arc<dyn Host>, path: PathBuf, file: DebugFile, release: Option<String>) -> Self {
        let build_id = file.build_id();
        let is_running = !build_id.is_empty() && running_build_id(&*host).is_some_and(|running| running == build_id);
        let release = release.or_else(|| release_of(&file)).unwrap_or_default();
        Self { host, is_running, path, file, release }
    }

    /// Files that tell of the kernel that runs.
    fn refuse(&self, path: &Path) -> Result<(), String> {
        let is_live = ["/proc", "/sys/kernel", "/sys/module"].iter().any(|folder| path.starts_with(folder));
        if is_live && !self.is_running {
            return Err(format!("{}: is of the running kernel, not of {}", path.display(), self.release));
        }
        Ok(())
    }
}

impl Host for OtherKernel {
    fn kernel_release(&self) -> String {
        self.release.clone()
    }

    fn arch(&self) -> String {
        self.file.arch().to_owned()
    }

    fn is_running(&self) -> bool {
        self.is_running
    }

    fn debug_file(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.refuse(path)?;
        self.host.read(path)
    }

    fn read_start(&self, path: &Path, n: usize) -> Result<Vec<u8>, String> {
        self.refuse(path)?;
        self.host.read_start(path, n)
    }

    fn kernel_btf(&self) -> Result<Bytes, String> {
        if self.is_running {
            return self.host.kernel_btf();
        }
        let bytes = self.file.section_named(".BTF").filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or_else(|| format!("{}: has no type information (.BTF)", self.path.display()))?;
        Ok(Bytes::Owned(bytes.into_owned()))
    }

    fn map(&self, path: &Path) -> Result<Bytes, String> {
        self.refuse(path)?;
        self.host.map(path)
    }

    fn stamp(&self, path: &Path) -> Result<String, String> {
        self.host.stamp(path)
    }

    fn kernel_memory(&self) -> Option<KernelMemory> {
        self.host.kernel_memory().filter(|_| self.is_running)
    }

    fn cache(&self) -> Option<Cache> {
        self.host.cache()
    }

    fn debuginfod_urls(&self) -> Option<String> {
        self.host.debuginfod_urls()
    }

    fn debuginfod_folder(&self) -> Option<PathBuf> {
        self.host.debuginfod_folder()
    }

    fn fetch_debug_file(&self, build_id: &str, how: Fetch) -> Result<PathBuf, String> {
        self.host.fetch_debug_file(build_id, how)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, String> {
        self.refuse(path)?;
        self.host.list(path)
    }

    fn tracefs(&self) -> Result<PathBuf, String> {
        if self.is_running {
            return self.host.tracefs();
        }
        Err(format!("kernel {} is not running here, so it has no tracefs", self.release))
    }

    fn n_cpus(&self) -> usize {
        self.host.n_cpus()
    }

    fn executable(&self, name: &str) -> Result<PathBuf, String> {
        self.host.executable(name)
    }

    fn has_process(&self, pid: u32) -> bool {
        self.host.has_process(pid)
    }
}

/// What `uname -r` would say: the third word of `Linux version 6.1.0-56-amd64 (…) …`. init/version.c
fn release_of(file: &DebugFile) -> Option<String> {
    let [banner] = file.symbols_named(["linux_banner"]);
    let text = file.bytes_from(banner?)?.split(|byte| *byte == 0).next()?;
    let text = String::from_utf8_lossy(text);
    text.strip_prefix("Linux version ")?.split_whitespace().next().map(str::to_owned)
}
