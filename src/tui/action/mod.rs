//! Everything a person can ask for, in one table: it feeds the key maps, the key bar, help, the palette and the reason a
//! key does nothing. Grow by adding a row to [`ACTIONS`], and an arm in [`super::update`].

mod available;
mod table;

pub use self::table::ACTIONS;
use super::app::Model;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    Run,
    Stop,
    Arguments,
    Save,
    SaveAs,
    Open,
    New,
    Recover,
    PreviousScript,
    Quit,
    Palette,
    Help,
    NextPane,
    PreviousPane,
    Pane1,
    Pane2,
    Pane3,
    Pane4,
    Zoom,
    Layout,
    Theme,
    Keymap,
    Settings,
    Mouse,
    Suspend,
    Redraw,
    Up,
    Down,
    Left,
    Right,
    Top,
    Bottom,
    PageUp,
    PageDown,
    Filter,
    NextMatch,
    PreviousMatch,
    Back,
    Copy,
    Export,
    Enter,
    // Windows
    PaneLeft,
    PaneDown,
    PaneUp,
    PaneRight,
    Narrower,
    Wider,
    Taller,
    Shorter,
    EvenSizes,
    // Probes
    Latency,
    CountBy,
    CountHits,
    ArgsToLog,
    ErrorsBy,
    StacksBy,
    Insert,
    Toggle,
    Pin,
    Documentation,
    // Script
    Complete,
    NextError,
    PreviousError,
    Fix,
    Undo,
    Redo,
    Comment,
    Find,
    GoToLine,
    FindProbe,
    SelectAll,
    CutText,
    CopyText,
    PasteText,
    DeleteWord,
    // Script: moving
    CharLeft,
    CharRight,
    LineUp,
    LineDown,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    TextPageUp,
    TextPageDown,
    DeleteChar,
    DeleteNextWord,
    CutToEnd,
    Mark,
    // Live
    Pause,
    StepBack,
    StepForward,
    JumpBack,
    JumpForward,
    Oldest,
    Newest,
    GoToTime,
    View,
    Sort,
    Reverse,
    Columns,
    Follow,
    DrillUp,
    Clear,
    Costs,
    // Log
    FollowLog,
    Wrap,
    Only,
    Times,
}

/// Where a key has a meaning. The pane's own comes first, then `Panes`, then `Everywhere`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Where {
    Everywhere,
    /// All panes but the editor, where characters are typed.
    Panes,
    /// Moves between panes and their sizes: where `Panes` is, and in the editor while it takes commands.
    Windows,
    Probes,
    Script,
    Live,
    Log,
}

impl Where {
    pub const ALL: [Where; 7] =
        [Where::Probes, Where::Script, Where::Live, Where::Log, Where::Panes, Where::Windows, Where::Everywhere];

    pub fn title(self) -> &'static str {
        match self {
            Where::Everywhere => "Everywhere",
            Where::Panes => "Outside the editor",
            Where::Windows => "Panes and their sizes",
            Where::Probes => "Probes",
            Where::Script => "Script",
            Where::Live => "Live",
            Where::Log => "Log",
        }
    }

    /// In settings: `[keys.live]`.
    pub fn name(self) -> &'static str {
        match self {
            Where::Everywhere => "everywhere",
            Where::Panes => "panes",
            Where::Windows => "windows",
            Where::Probes => "probes",
            Where::Script => "script",
            Where::Live => "live",
            Where::Log => "log",
        }
    }

    /// Whether plain characters are text here.
    pub fn takes_text(self) -> bool {
        matches!(self, Where::Everywhere | Where::Script)
    }
}

/// A ready-made set of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    #[default]
    Default,
    Vim,
    Emacs,
}

impl Preset {
    pub const ALL: [Preset; 3] = [Preset::Default, Preset::Vim, Preset::Emacs];

    pub fn name(self) -> &'static str {
        match self {
            Preset::Default => "default",
            Preset::Vim => "vim",
            Preset::Emacs => "emacs",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == text)
    }
}

pub struct Action {
    pub act: Act,
    /// In settings and the palette, stable.
    pub name: &'static str,
    /// One or two words for the key bar.
    pub short: &'static str,
    /// A sentence for help and the palette.
    pub title: &'static str,
    pub places: &'static [Where],
    keys: &'static [&'static str],
    /// Where these presets have keys of their own.
    vim: Option<&'static [&'static str]>,
    emacs: Option<&'static [&'static str]>,
    /// Order in the key bar, from 1; 0 for not there.
    pub bar: u8,
    /// Why it cannot be done now.
    pub enabled: fn(&Model) -> Result<(), &'static str>,
}

impl Action {
    const fn vim(mut self, keys: &'static [&'static str]) -> Self {
        self.vim = Some(keys);
        self
    }

    const fn emacs(mut self, keys: &'static [&'static str]) -> Self {
        self.emacs = Some(keys);
        self
    }

    pub fn keys(&self, preset: Preset) -> &'static [&'static str] {
        match preset {
            Preset::Default => None,
            Preset::Vim => self.vim,
            Preset::Emacs => self.emacs,
        }
        .unwrap_or(self.keys)
    }
}

/// Rows as help and the palette need them: one for each action and place, without the doubles of the key map.
pub fn find(act: Act, places: &[Where]) -> Option<&'static Action> {
    places
        .iter()
        .find_map(|place| ACTIONS.iter().find(|row| row.act == act && row.places.contains(place)))
        .or_else(|| ACTIONS.iter().find(|row| row.act == act))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_titles_are_sentences() {
        for row in ACTIONS {
            assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", row.name);
            assert!(
                row.title.chars().next().is_some_and(char::is_uppercase) && !row.title.ends_with('.'),
                "{}",
                row.title
            );
            assert!(!row.places.is_empty() && !row.short.is_empty());
        }
    }

    #[test]
    fn one_name_means_one_action() {
        for row in ACTIONS {
            assert!(ACTIONS.iter().all(|other| (other.name == row.name) == (other.act == row.act)), "{}", row.name);
        }
    }
}
