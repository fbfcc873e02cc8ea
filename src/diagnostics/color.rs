//! Colours of messages, as stap's: `--color`, SYSTEMTAP_COLORS. stap(1).

use std::borrow::Cow;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Error,
    Warning,
    /// File, line and column.
    Place,
    Caret,
    Token,
}

/// Keys of SYSTEMTAP_COLORS, in the order of [`Role`].
const KEYS: [&str; 5] = ["error", "warning", "source", "caret", "token"];
/// What they are unless it says otherwise: parameters of a Select Graphic Rendition.
const DEFAULTS: [&str; 5] = ["01;31", "00;33", "00;34", "01", "01"];

/// A colour for each role, or none for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette(Option<[String; 5]>);

impl Palette {
    /// `variable`: what SYSTEMTAP_COLORS says, if it is set. A key it does not name keeps its colour; empty or wrong, it
    /// turns colours off.
    pub fn new(variable: Option<&str>) -> Self {
        let mut colors = DEFAULTS.map(str::to_owned);
        let Some(variable) = variable else { return Self(Some(colors)) };
        for pair in variable.split(':') {
            let Some((key, value)) = pair.split_once('=') else { return Self::default() };
            let is_rendition = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit() || b == b';');
            match KEYS.iter().position(|known| *known == key) {
                Some(role) if is_rendition => value.clone_into(&mut colors[role]),
                _ => return Self::default(),
            }
        }
        Self(Some(colors))
    }

    pub fn paint<'t>(&self, role: Role, text: &'t str) -> Cow<'t, str> {
        match &self.0 {
            None => Cow::Borrowed(text),
            Some(colors) => Cow::Owned(format!("\x1b[{}m\x1b[K{text}\x1b[m\x1b[K", colors[role as usize])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_says_which() {
        let painted = |variable| Palette::new(variable).paint(Role::Warning, "x").into_owned();
        assert_eq!(painted(None), "\x1b[00;33m\x1b[Kx\x1b[m\x1b[K");
        assert_eq!(painted(Some("warning=35:caret=04")), "\x1b[35m\x1b[Kx\x1b[m\x1b[K");
        assert_eq!(painted(Some("caret=04")), painted(None));
        for off in ["", "warning", "warning=", "warning=red", "nothing=1"] {
            assert_eq!(painted(Some(off)), "x", "{off}");
        }
        assert_eq!(Palette::default().paint(Role::Error, "x"), "x");
    }
}
