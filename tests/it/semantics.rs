//! `tests/semantics.txt` says by which test or script each rule of running scripts is shown, on which side. A rule without
//! both sides, a script that is gone and a text that is not in it any more fail here.

use std::{fs, path::Path};

/// What shows a rule.
struct Place {
    side: String,
    file: String,
    text: String,
}

/// Rules with their places, in order.
fn rules(list: &str) -> Vec<(String, Vec<Place>)> {
    let mut rules: Vec<(String, Vec<Place>)> = Vec::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("== ")) {
        if let Some(rule) = line.strip_prefix("= ") {
            rules.push((rule.to_owned(), Vec::new()));
            continue;
        }
        let mut fields = line.splitn(3, '\t').map(str::to_owned);
        let (Some(side), Some(file), Some(text)) = (fields.next(), fields.next(), fields.next()) else {
            panic!("not a place: {line}");
        };
        let (_, places) = rules.last_mut().unwrap_or_else(|| panic!("no rule before {line}"));
        places.push(Place { side, file, text });
    }
    rules
}

#[test]
fn every_rule_has_a_place_on_either_side() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let rules = rules(&fs::read_to_string(tests.join("semantics.txt")).unwrap());
    assert!(rules.len() > 70, "{}", rules.len());
    let mut wrong = Vec::new();
    for (rule, places) in &rules {
        let has = |sides: &[&str]| places.iter().any(|place| sides.contains(&place.side.as_str()));
        let is_complete = has(&["both", "session", "user only", "kernel only"]) || has(&["user"]) && has(&["kernel"]);
        if !is_complete {
            wrong.push(format!("{rule}: only {:?}", places.iter().map(|place| &place.side).collect::<Vec<_>>()));
        }
        for Place { side, file, text } in places {
            let path = match file.strip_prefix("it/") {
                Some(module) => tests.join("it").join(module).with_extension("rs"),
                None => tests.join("scripts").join(format!("{file}.stp")),
            };
            let known = ["both", "session", "user", "kernel", "user only", "kernel only"].contains(&side.as_str());
            if !known || side == "both" && !file.starts_with("both/") {
                wrong.push(format!("{rule}: {file} is not for side \"{side}\""));
            }
            match fs::read_to_string(&path) {
                Ok(content) if content.contains(text.as_str()) => {}
                Ok(_) => wrong.push(format!("{rule}: {text:?} is not in {file}")),
                Err(error) => wrong.push(format!("{rule}: {file}: {error}")),
            }
            // A script without an expected output would show nothing.
            if path.extension().is_some_and(|ext| ext == "stp") && !path.with_extension("out").exists() {
                let says_nothing = fs::read_to_string(&path).is_ok_and(|content| content.contains("//# silent"));
                if !says_nothing {
                    wrong.push(format!("{rule}: {file} has no expected output"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
