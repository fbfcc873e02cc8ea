//! Which files of a tapset folder apply to a machine. stap(1), "-I": a folder is searched with its subfolders named after
//! the kernel's version, from the whole release down to its first number, and after the architecture.

/// Whether a file at this path, relative to its tapset folder, is for a kernel `release` on `arch`.
///
/// A folder part may be `linux`, the architecture, or a prefix of the release cut at a dot or dash.
pub fn applies(relative_path: &str, release: &str, arch: &str) -> bool {
    let Some((folders, _)) = relative_path.rsplit_once('/') else { return true };
    folders.split('/').all(|folder| folder == "linux" || folder == arch || is_version_prefix(folder, release))
}

fn is_version_prefix(folder: &str, release: &str) -> bool {
    match release.strip_prefix(folder) {
        Some(rest) => rest.is_empty() || rest.starts_with(['.', '-']),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_versions_and_architectures() {
        let applies = |path| applies(path, "6.12.3-foo", "x86_64");
        assert!(applies("a.stp"));
        assert!(applies("linux/a.stp"));
        assert!(applies("linux/x86_64/a.stp"));
        assert!(applies("6.12/a.stp"));
        assert!(applies("6.12.3-foo/x86_64/a.stp"));
        assert!(!applies("6.1/a.stp"));
        assert!(!applies("arm64/a.stp"));
        assert!(!applies("bpf/a.stp"));
    }
}
