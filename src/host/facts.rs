//! Plain values about a kernel: its version, its configuration, its tick.

use std::path::Path;

use super::Host;

/// `6.18.44-anything` as numbers; missing parts are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl KernelVersion {
    pub fn parse(release: &str) -> Option<Self> {
        let digits_end = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
        let mut parts = release[..digits_end].split('.').map(|part| part.parse().ok());
        Some(Self {
            major: parts.next()??,
            minor: parts.next().flatten().unwrap_or(0),
            patch: parts.next().flatten().unwrap_or(0),
        })
    }
}

/// The kernel's build options, as far as the machine shows them in plain text.
#[derive(Clone, Debug, Default)]
pub struct KernelConfig {
    text: String,
}

impl KernelConfig {
    /// Reads `/boot/config-RELEASE` or `/lib/modules/RELEASE/config`. `/proc/config.gz` is left alone: nothing here is
    /// worth an inflater.
    pub fn read(host: &dyn Host) -> Option<Self> {
        let release = host.kernel_release();
        let places = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
        let bytes = places.iter().find_map(|place| host.read(Path::new(place)).ok())?;
        Some(Self { text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// The value of `CONFIG_…`: `y`, `m`, a number; `None` when not set.
    pub fn get(&self, option: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(option)?.strip_prefix('=')).map(str::trim)
    }
}

/// Ticks a second (`CONFIG_HZ`). Asks the configuration, then `/proc/timer_list` (the tick's period on the first
/// processor, root only); 250 is what most distributions build.
pub fn tick_hz(host: &dyn Host) -> u64 {
    if let Some(hz) = KernelConfig::read(host).and_then(|config| config.get("CONFIG_HZ")?.parse().ok()) {
        return hz;
    }
    jiffies_rate(host).unwrap_or(250)
}

/// `jiffies` started at minus five minutes of ticks, `now` at zero: two unknown-free samples give the rate.
fn jiffies_rate(host: &dyn Host) -> Option<u64> {
    let text = host.read(Path::new("/proc/timer_list")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let now_ns: u64 = text.lines().find_map(|line| line.strip_prefix("now at ")?.split(' ').next()?.parse().ok())?;
    let jiffies: u64 = text.lines().find_map(|line| line.strip_prefix("jiffies: ")?.trim().parse().ok())?;
    [100u64, 250, 300, 1000].into_iter().find(|hz| {
        // INITIAL_JIFFIES is (unsigned int)(-300 * HZ).
        let start = u64::from((-300i64 * *hz as i64) as u32);
        let expected = start + now_ns / (1_000_000_000 / hz);
        jiffies.abs_diff(expected) < 10 * hz
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse() {
        let v = |major, minor, patch| Some(KernelVersion { major, minor, patch });
        assert_eq!(KernelVersion::parse("6.18.44-fc"), v(6, 18, 44));
        assert_eq!(KernelVersion::parse("6.1"), v(6, 1, 0));
        assert_eq!(KernelVersion::parse("5.15.0-1-amd64"), v(5, 15, 0));
        assert_eq!(KernelVersion::parse("rolling"), None);
        assert!(KernelVersion::parse("6.9.1") < KernelVersion::parse("6.10.0"));
    }

    #[test]
    fn config_values() {
        let config = KernelConfig { text: "CONFIG_HZ_250=y\nCONFIG_HZ=250\n# CONFIG_X is not set\n".to_owned() };
        assert_eq!(config.get("CONFIG_HZ"), Some("250"));
        assert_eq!(config.get("CONFIG_X"), None);
    }

    #[test]
    fn the_tick_is_a_usual_one() {
        assert!([100, 250, 300, 1000].contains(&tick_hz(&crate::host::Live)));
    }
}
