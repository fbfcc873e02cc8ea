//! Where physical memory is: which pages are which node's, and where the kernel has all of it mapped.

use std::{
    fmt,
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock},
};

use crate::host::Host;

/// What the running kernel says of its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryMap {
    /// Numbers of pages from a node's first to its last, holes and other nodes' included; and the node. /proc/zoneinfo.
    pub nodes: Vec<(Range<u64>, u32)>,
    /// The address of the first byte of physical memory, `PAGE_OFFSET`; `None`: not known. /proc/kcore.
    pub page_offset: Option<u64>,
}

impl MemoryMap {
    /// Of the running kernel; of others nothing is known.
    pub fn read(host: &dyn Host) -> Self {
        if !host.is_running() {
            return Self::default();
        }
        let zones = host.read(Path::new("/proc/zoneinfo")).unwrap_or_default();
        let page_offset = host.kernel_memory().and_then(|memory| memory.page_offset());
        Self { nodes: nodes(&String::from_utf8_lossy(&zones)), page_offset }
    }
}

/// ```text
/// Node 0, zone    DMA32
///         spanned  1044480
///   start_pfn:           4096
/// ```
fn nodes(zones: &str) -> Vec<(Range<u64>, u32)> {
    let mut nodes: Vec<(Range<u64>, u32)> = Vec::new();
    let (mut node, mut spanned) = (None, 0);
    for line in zones.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Node"), Some(number)) => node = number.trim_end_matches(',').parse::<u32>().ok(),
            (Some("spanned"), Some(n_pages)) => spanned = n_pages.parse().unwrap_or(0),
            (Some("start_pfn:"), Some(first)) => {
                let (Some(node), Ok(first)) = (node, first.parse::<u64>()) else { continue };
                let end = first.saturating_add(std::mem::take(&mut spanned));
                match nodes.iter_mut().find(|(_, other)| *other == node) {
                    _ if end == first => {}
                    Some((pages, _)) => *pages = pages.start.min(first)..pages.end.max(end),
                    None => nodes.push((first..end, node)),
                }
            }
            _ => {}
        }
    }
    nodes
}

/// A map that is read when somebody asks.
#[derive(Clone, Default)]
pub struct LazyMemoryMap {
    host: Option<Arc<dyn Host>>,
    map: OnceLock<MemoryMap>,
}

impl LazyMemoryMap {
    pub fn of(host: Arc<dyn Host>) -> Self {
        Self { host: Some(host), map: OnceLock::new() }
    }

    pub fn get(&self) -> &MemoryMap {
        self.map.get_or_init(|| self.host.as_deref().map_or_else(MemoryMap::default, MemoryMap::read))
    }
}

impl fmt::Debug for LazyMemoryMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_from_their_first_page_to_their_last() {
        let zones = "Node 0, zone      DMA\n  pages free     3840\n        spanned  4095\n  start_pfn:           1\n\
                     Node 0, zone    DMA32\n        spanned  1000\n  start_pfn:           4096\n\
                     Node 0, zone  Movable\n        spanned  0\n  start_pfn:           0\n\
                     Node 1, zone   Normal\n        spanned  500\n  start_pfn:           5096\n\
                     Node 1, zone   Device\n        spanned  0\n";
        assert_eq!(nodes(zones), [(1..5096, 0), (5096..5596, 1)]);
        assert_eq!(nodes("Node x, zone\n spanned 1\n start_pfn: 1\nstart_pfn:\n"), []);
    }
}
