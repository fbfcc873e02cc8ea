//! The user's settings, `$XDG_CONFIG_HOME/tapdeck/config.toml`. What is wrong with the file is said with file, line and key,
//! and the rest of it holds: a typing mistake costs one setting, not the dashboard.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    action::{ACTIONS, Preset, Where},
    input::{
        keymap::{Keymap, sequence_name},
        keys::parse_sequence,
    },
    profile::Profile,
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub keymap: Keymap,
    /// The editor takes vim's commands.
    pub vim: bool,
    pub theme: Option<String>,
    pub ascii: bool,
    pub mouse: Option<bool>,
    /// `Some(false)`: no server is asked for debug information, nor the user whether one may be.
    pub debuginfod: Option<bool>,
    /// What probes may cost before that is said, in hundredths of one CPU.
    pub budget: Option<u32>,
    /// `None`: the environment decides.
    pub profile: Option<Profile>,
    /// The file, whether it exists or not; `None` where there is no home.
    pub path: Option<PathBuf>,
    /// `config.toml:3: keys.run: 'Hyper-x' is not a key`
    pub problems: Vec<String>,
}

/// The folder of settings and themes.
pub fn folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let base = env("XDG_CONFIG_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&env("HOME")?).join(".config")))?;
    Some(base.join("tapdeck"))
}

impl Settings {
    /// What probes may cost, in hundredths of one CPU.
    pub fn budget(&self) -> u32 {
        self.budget.unwrap_or(25)
    }

    /// Reads `path`; no file means no settings.
    pub fn read(path: Option<PathBuf>) -> Self {
        let text = match path.as_ref().map(fs::read_to_string) {
            Some(Ok(text)) => text,
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                let problems =
                    vec![format!("{}: {error}", path.as_ref().map_or("".into(), |p| p.display().to_string()))];
                return Self { path, problems, ..Self::default() };
            }
            _ => String::new(),
        };
        let name = path.as_ref().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
        Self { path, ..Self::parse(&text, &name.unwrap_or_default()) }
    }

    pub fn parse(text: &str, file: &str) -> Self {
        let mut reader = Reader { text, file, settings: Self::default(), bound: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, "", error.message());
        }
        reader.top(table.get_ref());
        reader.conflicts();
        reader.settings
    }
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    settings: Settings,
    /// Actions the file gives keys to, where, and the byte it says so at.
    bound: Vec<(String, Option<Where>, usize)>,
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, key: &str, what: &str) {
        let line = self.text[..at.min(self.text.len())].matches('\n').count() + 1;
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        self.settings.problems.push(format!("{}:{line}: {key}{what}", self.file));
    }

    fn top(&mut self, table: &DeTable) {
        // The preset first, whatever the order: overrides go on top of it.
        for (key, value) in table.iter() {
            if key.get_ref() == "keymap" {
                match value.get_ref().as_str().and_then(Preset::parse) {
                    Some(preset) => {
                        self.settings.keymap = Keymap::new(preset);
                        self.settings.vim = preset == Preset::Vim;
                    }
                    None => self.problem(value.span().start, "keymap", "expected \"default\", \"vim\" or \"emacs\""),
                }
            }
        }
        for (key, value) in table.iter() {
            let (name, at) = (key.get_ref().as_ref(), value.span().start);
            match (name, value.get_ref()) {
                ("keymap", _) => (),
                ("theme", DeValue::String(theme)) => self.settings.theme = Some(theme.to_string()),
                ("ascii", DeValue::Boolean(on)) => self.settings.ascii = *on,
                ("mouse", DeValue::Boolean(on)) => self.settings.mouse = Some(*on),
                ("debuginfod", DeValue::Boolean(on)) => self.settings.debuginfod = Some(*on),
                ("budget", DeValue::Integer(percent)) if percent.as_str().parse::<u32>().is_ok_and(|n| n > 0) => {
                    self.settings.budget = percent.as_str().parse().ok();
                }
                ("budget", _) => self.problem(at, name, "expected a number of hundredths of one CPU, from 1"),
                ("profile", DeValue::String(name)) if name == "auto" => self.settings.profile = None,
                ("profile", DeValue::String(name)) if Profile::parse(name).is_some() => {
                    self.settings.profile = Profile::parse(name);
                }
                ("editor", DeValue::Table(table)) => self.editor(table),
                ("keys", DeValue::Table(table)) => self.keys(table, None),
                ("profile", _) => self.problem(at, name, "expected \"auto\", \"local\", \"ssh\" or \"slow\""),
                ("theme", _) => self.problem(at, name, "expected the name of a theme"),
                ("ascii" | "mouse" | "debuginfod", _) => self.problem(at, name, "expected true or false"),
                ("editor" | "keys", _) => self.problem(at, name, "expected a table"),
                _ => self.problem(
                    key.span().start,
                    name,
                    "no such setting; there are keymap, theme, ascii, mouse, debuginfod, budget, profile, editor.mode and \
                     keys",
                ),
            }
        }
    }

    fn editor(&mut self, table: &DeTable) {
        for (key, value) in table.iter() {
            match (key.get_ref().as_ref(), value.get_ref().as_str()) {
                ("mode", Some("vim")) => self.settings.vim = true,
                ("mode", Some("modeless")) => self.settings.vim = false,
                ("mode", _) => self.problem(value.span().start, "editor.mode", "expected \"modeless\" or \"vim\""),
                (name, _) => {
                    self.problem(key.span().start, &format!("editor.{name}"), "no such setting; there is mode")
                }
            }
        }
    }

    /// `[keys]` and, inside it, a table for each place.
    fn keys(&mut self, table: &DeTable, place: Option<Where>) {
        for (key, value) in table.iter() {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let full = place.map_or(format!("keys.{name}"), |place| format!("keys.{}.{name}", place.name()));
            let inner = Where::ALL.into_iter().find(|place| place.name() == name);
            match (value.get_ref(), inner) {
                (DeValue::Table(table), Some(inner)) if place.is_none() => self.keys(table, Some(inner)),
                (DeValue::Table(_), _) => {
                    let places = Where::ALL.map(Where::name).join(", ");
                    self.problem(at, &full, &format!("no such place; there are {places}"));
                }
                (DeValue::String(text), _) => {
                    self.bind(&full, name, place, &[(text.to_string(), value.span().start)], at)
                }
                (DeValue::Array(list), _) => {
                    let texts: Option<Vec<(String, usize)>> = list
                        .iter()
                        .map(|item| Some((item.get_ref().as_str()?.to_owned(), item.span().start)))
                        .collect();
                    match texts {
                        Some(texts) => self.bind(&full, name, place, &texts, at),
                        None => self.problem(value.span().start, &full, "expected a key or a list of keys"),
                    }
                }
                _ => self.problem(value.span().start, &full, "expected a key or a list of keys"),
            }
        }
    }

    fn bind(&mut self, full: &str, name: &str, place: Option<Where>, texts: &[(String, usize)], at: usize) {
        let mut sequences = Vec::new();
        for (text, at) in texts {
            match parse_sequence(text) {
                Some(sequence) => sequences.push(sequence),
                None => {
                    self.problem(*at, full, &format!("'{text}' is not a key (C-r, S-F6, A-x, Space, or two: 'g t')"))
                }
            }
        }
        match self.settings.keymap.replace(name, place, &sequences) {
            None => {
                let elsewhere = ACTIONS.iter().find(|row| row.name == name).map(|row| row.places[0].name());
                let what = match (elsewhere, place) {
                    (Some(there), Some(place)) => {
                        format!("not an action of '{}'; it is one of '{there}'", place.name())
                    }
                    _ => "no such action; :settings lists them".to_owned(),
                };
                self.problem(at, full, &what);
            }
            Some(refused) => {
                for keys in refused {
                    let what =
                        format!("'{}' types text there; take one with C-, A- or F1 to F12", sequence_name(&keys));
                    self.problem(at, full, &what);
                }
                self.bound.push((name.to_owned(), place, at));
            }
        }
    }

    /// What the file says wins over the preset; either way it is reported.
    fn conflicts(&mut self) {
        for conflict in self.settings.keymap.conflicts() {
            let said = |name: &str| {
                let fits = |place: &Option<Where>| place.is_none_or(|place| place == conflict.place);
                self.bound.iter().find(|(bound, place, _)| bound == name && fits(place)).map(|(.., at)| *at)
            };
            let (first, second) = (said(conflict.first), said(conflict.second));
            let loser = if second.is_some() && first.is_none() { conflict.first } else { conflict.second };
            self.settings.keymap.take_away(loser, conflict.place, &conflict.keys);
            let winner = if loser == conflict.first { conflict.second } else { conflict.first };
            let (Some(at), name) = (first.max(second), if second >= first { conflict.second } else { conflict.first })
            else {
                continue;
            };
            self.problem(at, &format!("keys.{name}"), &format!("{conflict}; it does '{winner}'"));
        }
    }
}

/// A settings file with everything it can say, as it is now, commented out.
pub fn template(settings: &Settings) -> String {
    let path = settings.path.as_ref().map_or("config.toml".to_owned(), |path| path.display().to_string());
    let preset = settings.keymap.preset.name();
    let mode = if settings.vim { "vim" } else { "modeless" };
    let theme = settings.theme.as_deref().unwrap_or("default");
    let profile = settings.profile.map_or("auto", Profile::name);
    let mut out = format!(
        "# tapdeck reads this file as {path}\n\n\
         # keymap = \"{preset}\"   # default, vim, emacs: a set of keys to start from\n\
         # theme = \"{theme}\"    # a built-in theme, or NAME for themes/NAME.toml beside this file\n\
         # ascii = {}\n# mouse = {}\n\
         # debuginfod = {}    # ask whether debug information may be fetched where DEBUGINFOD_URLS names servers\n\
         # budget = {}    # what probes may cost before that is said, in hundredths of one CPU\n\
         # profile = \"{profile}\"    # local, ssh (4 frames a second), slow (1, ASCII, no colours); auto: ssh under SSH\n\n[editor]\n# mode = \"{mode}\"   # modeless, vim (the default with keymap vim)\n",
        settings.ascii,
        settings.mouse.unwrap_or(true),
        settings.debuginfod.unwrap_or(true),
        settings.budget()
    );
    for place in Where::ALL {
        out += &format!("\n# {}\n[keys.{}]\n", place.title(), place.name());
        let mut told: Vec<&str> = Vec::new();
        for row in ACTIONS.iter().filter(|row| row.places.contains(&place)) {
            if told.contains(&row.name) {
                continue;
            }
            told.push(row.name);
            let keys: Vec<String> =
                settings.keymap.keys(row).iter().map(|keys| format!("{:?}", sequence_name(keys))).collect();
            let line = format!("# {} = [{}]", row.name, keys.join(", "));
            out += &format!("{line:<40} # {}\n", row.title);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::{action::Act, input::keymap::Lookup, input::keys::Chord};

    fn does(settings: &Settings, key: &str, places: &[Where]) -> Lookup {
        settings.keymap.lookup(None, Chord::parse(key).unwrap(), places)
    }

    #[test]
    fn presets_and_overrides() {
        let text = "[keys]\nrun = ['F10', 'C-x r']\n[keys.live]\nsort = 'Z'\n[editor]\nmode = 'modeless'\n";
        let settings = Settings::parse(&format!("keymap = 'vim'\ntheme = 'dark'\nbudget = 2\n{text}"), "c");
        assert_eq!(settings.problems, Vec::<String>::new());
        assert_eq!((settings.keymap.preset, settings.vim, settings.budget()), (Preset::Vim, false, 2));
        assert_eq!(does(&settings, "F10", &[Where::Everywhere]), Lookup::Action(Act::Run));
        assert_eq!(does(&settings, "F5", &[Where::Everywhere]), Lookup::None);
        assert_eq!(does(&settings, "Z", &[Where::Live]), Lookup::Action(Act::Sort));
    }

    #[test]
    fn what_is_wrong_is_said_with_file_line_and_key() {
        let text = "keymap = 'nano'\nfly = 1\nmouse = 'yes'\n[keys]\nrun = ['F10']\nsave = ['Hyper-x']\nfly = ['a']\n\
                    stop = ['F10']\nzoom = 3\nnext-error = 'e'\n[keys.live]\nsort = 'o'\nwrap = 'W'\n[keys.moon]\na = 'b'\n";
        let settings = Settings::parse(text, "config.toml");
        expect_test::expect![[r#"
            config.toml:1: keymap: expected "default", "vim" or "emacs"
            config.toml:2: fly: no such setting; there are keymap, theme, ascii, mouse, debuginfod, budget, profile, editor.mode and keys
            config.toml:7: keys.fly: no such action; :settings lists them
            config.toml:13: keys.live.wrap: not an action of 'live'; it is one of 'log'
            config.toml:14: keys.moon: no such place; there are probes, script, live, log, panes, windows, everywhere
            config.toml:10: keys.next-error: 'e' types text there; take one with C-, A- or F1 to F12
            config.toml:6: keys.save: 'Hyper-x' is not a key (C-r, S-F6, A-x, Space, or two: 'g t')
            config.toml:9: keys.zoom: expected a key or a list of keys
            config.toml:3: mouse: expected true or false
            config.toml:12: keys.sort: 'sort' and 'toggle' share the key o in 'live'; it does 'sort'
            config.toml:8: keys.stop: 'run' and 'stop' share the key F10 in 'everywhere'; it does 'run'"#]]
        .assert_eq(&settings.problems.join("\n"));
        assert_eq!(does(&settings, "o", &[Where::Live]), Lookup::Action(Act::Sort));
        assert_eq!(settings.keymap.conflicts(), []);
    }

    #[test]
    fn a_syntax_error_costs_its_line_only() {
        let settings = Settings::parse("theme = 'dark'\n[keys]\nrun = [\n", "c");
        assert_eq!(settings.theme.as_deref(), Some("dark"));
        assert!(
            settings.problems[0].starts_with("c:3: ") || settings.problems[0].starts_with("c:4: "),
            "{:?}",
            settings
        );
    }

    #[test]
    fn the_template_says_what_holds() {
        for preset in Preset::ALL {
            let settings = Settings { keymap: Keymap::new(preset), vim: preset == Preset::Vim, ..Settings::default() };
            let said: String = template(&settings)
                .lines()
                .map(|line| {
                    line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line).to_owned() + "\n"
                })
                .collect();
            let again = Settings::parse(&said, "c");
            assert_eq!(again.problems, Vec::<String>::new());
            assert!(again.keymap == settings.keymap && again.vim == settings.vim, "{}", preset.name());
        }
    }
}
