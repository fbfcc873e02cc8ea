//! Unsaved work over real files: swap copies, recovery, other programs, and every way to leave.

use std::{fs, path::PathBuf};

use super::*;

/// A folder with scripts and swap copies, and dashboards over it one after the other.
struct Desk(PathBuf);

impl Desk {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("tapdeck-desk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn script(&self, text: &str) -> PathBuf {
        let path = self.0.join("a.stp");
        fs::write(&path, text).unwrap();
        path
    }

    /// A dashboard that was started a second ago, with `path` or without a script.
    fn start(&self, path: Option<&PathBuf>) -> Drive {
        let mut drive = Drive::new(80, 24);
        drive.keeper = Some(Keeper::new(self.0.join("swap")));
        match path {
            Some(path) => drive.do_job(Job::Open(path.clone())),
            None => drive.do_job(Job::FindLeft { path: None, asked: false }),
        }
        drive.wait(1);
        drive
    }

    fn n_copies(&self) -> usize {
        fs::read_dir(self.0.join("swap")).map_or(0, Iterator::count)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drive {
    fn do_job(&mut self, job: Job) {
        let answer = disk::work(job, self.keeper.as_mut()).unwrap();
        self.send(answer);
    }

    fn text(&self) -> String {
        self.model.script.text()
    }

    fn said(&self) -> &str {
        self.model.toast.as_ref().map_or("", |toast| &toast.text)
    }

    /// What the question in front is called.
    fn question(&self) -> &str {
        match self.model.layers.last() {
            Some(Layer::Choice(choice)) => &choice.title,
            _ => "",
        }
    }
}

#[test]
fn unsaved_text_is_kept_and_offered_when_the_file_is_opened_again() {
    let desk = Desk::new("kept");
    let path = desk.script("global n\nprobe begin { n = 1 }\n");
    let mut drive = desk.start(Some(&path));
    drive.press("<C-End>probe end {<ret>}");
    assert_eq!(desk.n_copies(), 0, "while one types");
    drive.wait(2);
    assert_eq!(desk.n_copies(), 1);
    let wanted = drive.text();
    // The process dies.
    drop(drive);
    let mut drive = desk.start(Some(&path));
    assert_eq!(drive.question(), "Unsaved changes were left behind");
    let screen = drive.screen();
    assert!(screen.contains("2 lines not saved, last changed"), "{screen}");
    drive.press("v");
    let screen = drive.screen();
    assert!(screen.contains("+ probe end {") && screen.contains("  probe begin { n = 1 }"), "{screen}");
    drive.press("<esc>r");
    assert_eq!(drive.text(), wanted);
    assert!(drive.model.script.is_modified());
    assert_eq!(desk.n_copies(), 1, "one of its own in place of the one found");
    // Undo shows what the file has, and then there is nothing to keep.
    drive.press("<C-_>").wait(1);
    assert_eq!(drive.text(), fs::read_to_string(&path).unwrap());
    assert_eq!(desk.n_copies(), 0);
    drive.press("<C-y><C-s>");
    assert_eq!(fs::read_to_string(&path).unwrap(), wanted);
    assert_eq!(desk.n_copies(), 0);
}

#[test]
fn what_is_typed_is_no_answer() {
    let desk = Desk::new("ahead");
    let mut drive = desk.start(None);
    drive.press("<esc>2# lost").wait(2);
    drop(drive);

    // Typed before the copies were found: the question waits for a pause.
    let mut drive = Drive::new(80, 24);
    drive.keeper = Some(Keeper::new(desk.0.join("swap")));
    drive.press("<esc>2# Drive");
    drive.do_job(Job::FindLeft { path: None, asked: false });
    assert_eq!(drive.question(), "");
    drive.press("<ret>");
    drive.model.now += Duration::from_millis(800);
    drive.send(Msg::Tick);
    assert_eq!(drive.question(), "");
    assert!(drive.model.next_deadline().is_some_and(|at| at <= drive.model.now + Duration::from_millis(100)));
    drive.model.now += Duration::from_millis(100);
    drive.send(Msg::Tick);
    assert_eq!(drive.question(), "Unsaved changes were left behind");

    // Typed as it comes up: it goes into the text, and the question comes again.
    drive.model.now += Duration::from_millis(300);
    drive.press("rvD");
    assert_eq!(drive.question(), "");
    assert!(drive.text().starts_with("# Drive\nrvD"), "{}", drive.text());
    drive.wait(1);
    assert_eq!(drive.question(), "Unsaved changes were left behind");
    drive.wait(1);
    drive.press("r");
    assert!(drive.text().starts_with("# lost"), "{}", drive.text());
}

#[test]
fn typing_without_a_pause_is_kept_every_ten_seconds() {
    let desk = Desk::new("typing");
    let mut drive = desk.start(None);
    drive.press("<esc>2");
    for _ in 0..9 {
        drive.press("x").wait(1);
    }
    assert_eq!(desk.n_copies(), 0);
    drive.press("x").wait(1);
    assert_eq!(desk.n_copies(), 1);
}

#[test]
fn a_script_without_a_file_is_offered_at_the_next_start() {
    let desk = Desk::new("nameless");
    let mut drive = desk.start(None);
    drive.press("<esc>2global mine<esc>1/openat<ret>T");
    drive.press("2<C-End># more").wait(2);
    drop(drive);
    let mut drive = desk.start(None);
    assert!(drive.screen().contains("(1 more like this)"), "{}", drive.screen());
    // Esc leaves them for later, and the palette knows how to ask again.
    drive.press("<esc>");
    assert_eq!(desk.n_copies(), 2);
    drive.press("<esc>:recover<ret>");
    drive.press("r").press("r");
    let both = [drive.text(), drive.press("<F7>").text()];
    assert!(both.contains(&"global mine".to_owned()) && both.iter().any(|text| text.ends_with("# more")), "{both:?}");
    // A dashboard that is still there keeps its own.
    let mut other = desk.start(None);
    assert_eq!((other.question(), other.said()), ("", ""));
    other.press("<esc>:recover<ret>");
    assert_eq!((other.question(), other.said()), ("", "no unsaved changes were left behind"));
    drop(drive);
    other.press("<esc>:recover<ret>D").press("D");
    assert_eq!((other.question(), desk.n_copies()), ("", 0));
}

#[test]
fn another_dashboard_with_the_same_file_is_told_of() {
    let desk = Desk::new("two");
    let path = desk.script("probe begin {}\n");
    let mut first = desk.start(Some(&path));
    first.press("x").wait(2);
    let second = desk.start(Some(&path));
    assert_eq!(second.question(), "");
    assert!(second.said().starts_with("a.stp has unsaved changes in another dashboard (process "), "{}", second.said());
}

#[test]
fn a_file_another_program_wrote_is_read_again_or_asked_about() {
    let desk = Desk::new("changed");
    let path = desk.script("one\n");
    let mut drive = desk.start(Some(&path));
    fs::write(&path, "two\n").unwrap();
    // A key some seconds later looks, where nothing else tells.
    drive.wait(3).press("<Down>");
    assert_eq!(drive.text(), "two\n");
    assert!(!drive.model.script.is_modified());
    assert!(drive.said().contains("read again"), "{}", drive.said());
    drive.press("<C-_>");
    assert_eq!((drive.text().as_str(), drive.model.script.is_modified()), ("one\n", true));

    fs::write(&path, "three\n").unwrap();
    drive.send(Msg::Touched);
    assert_eq!(drive.text(), "one\n");
    assert!(drive.said().contains("asks which to keep"), "{}", drive.said());
    assert!(drive.screen().contains("changed on disk"), "{}", drive.screen());
    drive.press("<C-s>");
    assert_eq!(drive.question(), "Save over another's changes?");
    drive.wait(1).press("d");
    let screen = drive.screen();
    assert!(screen.contains("- three") && screen.contains("+ one"), "{screen}");
    drive.press("<esc>").wait(1).press("l");
    assert_eq!((drive.text().as_str(), drive.model.script.is_modified()), ("three\n", false));
    drive.press("<C-_>");
    assert_eq!(drive.text(), "one\n");
    // The known text is theirs now; a fourth is asked about again.
    fs::write(&path, "four\n").unwrap();
    drive.press("<C-s>");
    fs::write(&path, "five\n").unwrap();
    drive.wait(1).press("k");
    assert_eq!(drive.question(), "Save over another's changes?");
    assert_eq!(fs::read_to_string(&path).unwrap(), "five\n");
    drive.wait(1).press("k");
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    assert!(!drive.model.script.is_modified());
}

#[test]
fn a_file_that_went_away_is_unsaved() {
    let desk = Desk::new("gone");
    let path = desk.script("one\n");
    let mut drive = desk.start(Some(&path));
    fs::remove_file(&path).unwrap();
    drive.send(Msg::Touched);
    assert!(drive.said().contains("gone from the disk"), "{}", drive.said());
    drive.press("<C-q>");
    assert_eq!(drive.question(), "Quit?");
    drive.press("s");
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    assert_eq!(drive.left, [Effect::Quit]);
}

#[test]
fn another_file_is_not_written_over_unasked() {
    let desk = Desk::new("over");
    let path = desk.script("theirs\n");
    let mut drive = desk.start(None);
    drive.press("<esc>2mine").wait(1).press(&format!("<F3>w {}<ret>", path.display()));
    assert_eq!(drive.question(), "Write over this file?");
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs\n");
    drive.press("<esc>");
    assert_eq!(drive.model.script.path, None);
    drive.press("<C-s><C-u>").press(&format!("{}<ret>", path.display()));
    drive.wait(1).press("k");
    assert_eq!(fs::read_to_string(&path).unwrap(), drive.text());
    assert_eq!(drive.model.script.path, Some(path));
}

#[test]
fn opening_and_new_put_an_edited_script_aside() {
    let desk = Desk::new("aside");
    let path = desk.script("theirs\n#: tapdeck-session v1\n#: later = 7\n");
    let mut drive = desk.start(Some(&path));
    drive.press("<Down>mine<F3>new<ret>");
    assert_eq!(drive.text(), "");
    drive.press(&format!("<F3>e {}<ret>", path.display()));
    assert_eq!(drive.text(), "theirs\n");
    drive.press("<F7>");
    assert_eq!(drive.text(), "theirs\nmine");
    drive.press("<C-s>");
    let saved = fs::read_to_string(&path).unwrap();
    assert!(
        saved.starts_with("theirs\nmine\n#: tapdeck-session v1 no-newline\n") && saved.contains("later = 7"),
        "{saved}"
    );
}

#[test]
fn every_way_to_leave_asks_when_something_would_be_lost() {
    for keys in ["<esc>q", "<C-q>", "<C-c>", "<F3>q<ret>", "<F3>quit<ret>", "<esc>1<esc>q", "<esc>3q", "<esc>4q"] {
        let mut drive = Drive::new(80, 24);
        drive.press("<esc>2global mine").press(keys);
        assert_eq!((drive.question(), &drive.left[..]), ("Quit?", &[][..]), "{keys}");
        drive.press("<esc>");
        assert_eq!(drive.left, [], "{keys}");
    }
    let mut vim = Drive::new(80, 24);
    vim.press("<esc>:editor vim<ret>2iglobal mine<esc>ZZ");
    assert_eq!(vim.question(), "Quit?");
    // Mouse and paste cannot answer.
    vim.send(Msg::Paste("d".into()));
    vim.send(Msg::Click { x: 40, y: 12 });
    assert_eq!((vim.question(), &vim.left[..]), ("Quit?", &[][..]));
}

#[test]
fn the_ways_to_leave_do_what_they_say() {
    let desk = Desk::new("leave");
    let path = desk.script("");
    let edited = |keys: &str| {
        fs::write(&path, "x\n").unwrap();
        let mut drive = desk.start(Some(&path));
        drive.press("<F3>new<ret>global aside<F3>new<ret>").press(&format!("<F3>e {}<ret>", path.display()));
        drive.press("new <C-q>").press(keys);
        drive
    };
    let drive = edited("d");
    assert_eq!((drive.left, desk.n_copies()), (vec![Effect::Quit], 0));
    // One after the other: the one aside asks for a name.
    let mut drive = edited("s");
    assert_eq!(fs::read_to_string(&path).unwrap(), "new x\n");
    assert_eq!((drive.left.len(), drive.text().as_str()), (0, "global aside"));
    let second = desk.0.join("second.stp");
    drive.press("<C-u>").press(&format!("{}<ret>", second.display()));
    assert_eq!((drive.left, desk.n_copies()), (vec![Effect::Quit], 0));
    assert_eq!(fs::read_to_string(&second).unwrap(), "global aside");
    // The next start offers both.
    let drive = edited("k");
    assert_eq!((&drive.left[..], desk.n_copies()), (&[Effect::Quit][..], 2));
    drop(drive);
    let mut drive = desk.start(None);
    drive.press("r").press("r");
    assert_eq!(drive.question(), "");
    let mut both = [drive.text(), drive.press("<F7>").text()];
    both.sort();
    assert_eq!(both, ["global aside", "new x\n"]);
}

#[test]
fn told_to_go_everything_is_kept_at_once() {
    let desk = Desk::new("term");
    let mut drive = desk.start(None);
    drive.press("<esc>2global mine<F3>new<ret>global other");
    drive.send(Msg::Terminate);
    assert_eq!((&drive.left[..], desk.n_copies()), (&[Effect::Quit][..], 2));
}

#[test]
fn an_edited_script_is_put_aside_not_overwritten() {
    let mut drive = Drive::new(80, 24);
    drive.press("<esc>2global mine<esc>1/openat<ret>T");
    assert!(drive.text().starts_with("# How often"));
    drive.press("<F7>");
    assert_eq!(drive.text(), "global mine");
    drive.press("<esc>q");
    assert_eq!(drive.question(), "Quit?");
}

#[test]
fn quitting_asks_only_when_something_would_be_lost() {
    let mut drive = Drive::new(80, 24);
    drive.press("<esc>q");
    assert_eq!(drive.left, [Effect::Quit]);
    let mut drive = tracing(80, 24);
    drive.press("q");
    assert_eq!(drive.left, []);
    drive.press("q");
    assert_eq!(drive.left, [Effect::Quit]);
}

#[test]
fn giving_up_a_save_gives_up_leaving_after_it() {
    let desk = Desk::new("given-up");
    for (n, quit_and_save) in [":wq<ret>", ":x<ret>", "qs"].into_iter().enumerate() {
        let path = desk.0.join(format!("{n}.stp"));
        let mut drive = desk.start(None);
        drive.press("<esc>2global n<esc>").press(quit_and_save);
        assert!(matches!(drive.model.layers.last(), Some(Layer::Prompt { .. })), "{quit_and_save} asks for a name");
        drive.press("<esc><C-s><C-u>").press(&format!("{}<ret>", path.display()));
        assert!(path.exists());
        assert_eq!(drive.left, [], "saved later, after {quit_and_save} was given up");
    }
    let mut drive = desk.start(None);
    drive.press("<esc>2global n<esc>:wq<ret><C-u>").press(&format!("{}<ret>", desk.0.join("last.stp").display()));
    assert_eq!(drive.left, [Effect::Quit]);
}

#[test]
fn saving_keeps_the_text_and_the_view() {
    let desk = Desk::new("view");
    let path = desk.0.join("x.stp");
    let mut drive = desk.start(None);
    drive.send(Msg::Resize(120, 40));
    drive.press("openat<ret>H").wait(24);
    drive.press("ss<ret>L<C-w>+<C-s><C-u>").press(&format!("{}<ret>", path.display()));
    let text = fs::read_to_string(&path).unwrap();
    let script = drive.text();
    assert!(text.starts_with(&script));
    assert_eq!(
        &text[script.len()..],
        "#: tapdeck-session v1\n#: layout = \"edit\"\n#: \n#: [sizes.edit]\n#: script = 0.467\n#: \n\
         #: [tables.latency]\n#: sort = 2\n"
    );
    assert!(!drive.model.script.is_modified());
    let mut again = desk.start(Some(&path));
    again.send(Msg::Resize(120, 40));
    assert_eq!(again.text(), script);
    again.press("<C-r>").wait(2);
    assert_eq!(again.model.live.state().unwrap().sort, 2);
    assert_eq!(again.model.layout.mode.name(), "edit");
}

#[test]
fn stopping_what_has_ended_asks_before_it_leaves() {
    let mut drive = tracing(80, 24);
    drive.press("<C-c>");
    assert!(!drive.model.is_tracing());
    drive.press("<C-c>");
    assert_eq!((drive.question(), &drive.left[..]), ("Quit?", &[][..]));
    assert!(drive.screen().contains("What the last run gathered is still here"), "{}", drive.screen());
    drive.press("<esc>");
    assert!(drive.screen().contains("latency[execname]"), "{}", drive.screen());
    drive.press("<C-c><C-c>");
    assert!(drive.left.contains(&Effect::Quit));
    // q means it.
    let mut drive = tracing(80, 24);
    drive.press("<C-c>q");
    assert!(drive.left.contains(&Effect::Quit));
}
