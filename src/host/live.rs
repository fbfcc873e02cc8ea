//! The running machine. The one place that reads /proc, /sys and tracefs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    fs,
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{Bytes, Fetch, Host, cache::Cache, debuginfod, kernel_memory::KernelMemory};
use crate::sys::{file_map::FileMap, kernel_btf::KernelBtf, mount};

/// Where tracefs is when nobody mounted it: in a mount that only this process has, so that nothing of the machine changes.
/// A descriptor's number follows.
const OWN_TRACEFS: &str = "/proc/self/fd/";

/// Whether [`Host::tracefs`] answered with a mount of this process.
pub fn is_own_tracefs(place: &Path) -> bool {
    place.starts_with(OWN_TRACEFS)
}

/// This machine, now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live;

fn reason(path: &Path, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "not there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    format!("{}: {what}", path.display())
}

impl Host for Live {
    fn kernel_release(&self) -> String {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        release.trim().to_owned()
    }

    fn arch(&self) -> String {
        // The binary runs, so the machine is what it was built for (32-bit programs on 64-bit kernels excepted).
        std::env::consts::ARCH.to_owned()
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| reason(path, &error))
    }

    fn read_start(&self, path: &Path, n: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(|error| reason(path, &error))?;
        file.take(n as u64).read_to_end(&mut bytes).map_err(|error| reason(path, &error))?;
        Ok(bytes)
    }

    fn kernel_btf(&self) -> Result<Bytes, String> {
        KernelBtf::map()
            .map(Bytes::KernelBtf)
            .or_else(|_| self.read(Path::new("/sys/kernel/btf/vmlinux")).map(Bytes::Owned))
    }

    fn map(&self, path: &Path) -> Result<Bytes, String> {
        FileMap::open(path).map(Bytes::File).map_err(|error| reason(path, &error))
    }

    fn stamp(&self, path: &Path) -> Result<String, String> {
        let metadata = fs::metadata(path).map_err(|error| reason(path, &error))?;
        let (size, changed_s, changed_ns) = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        Ok(format!("{:x}-{:x}-{size:x}-{changed_s:x}.{changed_ns:x}", metadata.dev(), metadata.ino()))
    }

    fn kernel_memory(&self) -> Option<KernelMemory> {
        KernelMemory::open(Path::new("/proc/kcore")).ok()
    }

    fn cache(&self) -> Option<Cache> {
        Cache::of_user()
    }

    fn debuginfod_urls(&self) -> Option<String> {
        debuginfod::urls()
    }

    fn debuginfod_folder(&self) -> Option<PathBuf> {
        debuginfod::folder()
    }

    fn fetch_debug_file(&self, build_id: &str, how: Fetch) -> Result<PathBuf, String> {
        debuginfod::fetch(build_id, how)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(path).map_err(|error| reason(path, &error))?;
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn tracefs(&self) -> Result<PathBuf, String> {
        super::find_tracefs(self).or_else(|why| {
            static OWN: OnceLock<Option<OwnedFd>> = OnceLock::new();
            let own = OWN.get_or_init(|| mount::detached(c"tracefs").ok()).as_ref();
            let place = own.map(|folder| PathBuf::from(format!("{OWN_TRACEFS}{}", folder.as_raw_fd()))).ok_or(why)?;
            // It can be mounted then, but has nothing in it.
            let has_events = place.join("events").exists();
            has_events.then_some(place).ok_or_else(|| "tracefs is empty, as under lockdown=confidentiality".to_owned())
        })
    }

    fn n_cpus(&self) -> usize {
        let online = fs::read_to_string("/sys/devices/system/cpu/online").ok();
        online
            .and_then(|text| super::count_cpu_list(&text))
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
    }

    fn executable(&self, name: &str) -> Result<PathBuf, String> {
        let resolve = |path: PathBuf| {
            let path = fs::canonicalize(&path).map_err(|error| reason(&path, &error))?;
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => Ok(path),
                Ok(_) => Err(format!("{}: not a file", path.display())),
                Err(error) => Err(reason(&path, &error)),
            }
        };
        if name.contains('/') {
            return resolve(PathBuf::from(name));
        }
        let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        std::env::split_paths(&folders)
            .find_map(|folder| resolve(folder.join(name)).ok())
            .ok_or_else(|| format!("{name}: not in PATH"))
    }

    fn has_process(&self, pid: u32) -> bool {
        fs::metadata(format!("/proc/{pid}")).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers() {
        assert!(!Live.kernel_release().is_empty());
        assert!(Live.n_cpus() >= 1);
        assert!(Live.has_process(std::process::id()));
        assert!(Live.executable("sh").is_ok_and(|path| path.is_absolute()));
        assert_eq!(Live.executable("no-such-program"), Err("no-such-program: not in PATH".to_owned()));
        assert_eq!(Live.read(Path::new("/proc/nowhere")), Err("/proc/nowhere: not there".to_owned()));
    }
}
