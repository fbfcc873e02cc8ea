//! Which package brings a kernel's debug information, on the distributions that say who they are. os-release(5).

use std::path::Path;

use crate::host::Host;

/// What to do to get it, in one sentence.
pub fn way_out(release: &str, host: &dyn Host) -> String {
    let text = host.read(Path::new("/etc/os-release")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or("").trim_matches('"').to_owned()
    };
    let ids = format!("{} {}", value("ID"), value("ID_LIKE"));
    let known = ids.split_whitespace().find_map(|id| match id {
        "ubuntu" => Some(format!("sudo apt install linux-image-{release}-dbgsym (from ddebs.ubuntu.com)")),
        "debian" => Some(format!("sudo apt install linux-image-{release}-dbg")),
        "fedora" | "rhel" | "centos" => Some(format!("sudo dnf debuginfo-install kernel-core-{release}")),
        "suse" | "opensuse" => Some(format!("sudo zypper install kernel-{}-debuginfo", flavour(release))),
        _ => None,
    });
    match known {
        Some(command) => format!("{command}; or name a file: -r /path/to/vmlinux"),
        None => format!("install the debug package of kernel {release}, or name a file: -r /path/to/vmlinux"),
    }
}

/// `6.4.0-150600.21-default` to `default`.
fn flavour(release: &str) -> &str {
    release.rsplit('-').next().filter(|word| !word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavours_are_last() {
        assert_eq!(flavour("6.4.0-150600.21-default"), "default");
        assert_eq!(flavour("6.4.0"), "default");
    }
}
