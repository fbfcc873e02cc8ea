//! What `--compatible VERSION` changes in how a script is read. stap(1), "--compatible"; langref.

use std::cmp::Ordering;

use super::conditions::version_cmp;

/// The grammar of one version of SystemTap. Its own library is always read as the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Since 2.0: literals with a comment between them are one.
    pub comments_between_strings: bool,
    /// Since 2.3: `"\x41"`.
    pub hex_escapes: bool,
    /// Since 2.6: `->` and its like after any value.
    pub autocast: bool,
    /// Since 3.0: before, it is a name.
    pub has_private: bool,
    /// Before 4.0: in `c ? x : y = z` the assignment belongs to the last part.
    pub assigns_in_ternary: bool,
}

impl Dialect {
    pub const NEWEST: Dialect = Dialect {
        comments_between_strings: true,
        hex_escapes: true,
        autocast: true,
        has_private: true,
        assigns_in_ternary: false,
    };

    pub fn of(version: &str) -> Self {
        let since = |first: &str| version_cmp(version, first) != Ordering::Less;
        Dialect {
            comments_between_strings: since("2.0"),
            hex_escapes: since("2.3"),
            autocast: since("2.6"),
            has_private: since("3.0"),
            assigns_in_ternary: !since("4.0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn the_newest_has_everything() {
        assert_eq!(Dialect::of("5.6"), Dialect::NEWEST);
        assert!(Dialect::of("3.10").has_private);
        assert_eq!(Dialect::of("2.10"), Dialect { has_private: false, assigns_in_ternary: true, ..Dialect::NEWEST });
    }
}
