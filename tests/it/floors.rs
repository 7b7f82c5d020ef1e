//! Keeps the house in its floors by reading the source: who names whom, how long files are, what
//! stands nowhere. `src/ARCHITECTURE.md` says why.

use std::collections::BTreeSet;

use super::source::{File, bare, files, named};

/// Top-level modules and their floors.
const FLOORS: &[(&str, u8)] = &[
    ("clock", 0),
    ("decimal", 0),
    ("event", 0),
    ("fault", 0),
    ("ids", 0),
    ("issue", 0),
    ("json", 0),
    ("phi", 0),
    ("fhir", 1),
    ("record", 2),
    ("consent", 3),
    ("sync", 3),
    ("partner", 4),
    ("store", 4),
    ("web", 5),
    ("app", 6),
    ("cli", 6),
    ("config", 6),
    ("definitions", 6),
    ("demo", 6),
    ("telemetry", 6),
];

/// Neighbours on one floor that may name each other, in this direction. Ground may name ground.
const NEIGHBOURS: &[(&str, &str)] = &[("sync", "consent")];

/// What may not be named although it is below: (who, whom, why).
const FORBIDDEN: &[(&str, &str, &str)] = &[
    (
        "web",
        "store",
        "doors know the ports in sync, not an engine",
    ),
    ("web", "partner", "doors know the ports in sync, not a kind"),
];

/// Crates that belong to some modules only.
const KEPT: &[(&str, &[&str])] = &[
    ("axum", &["web", "demo"]),
    ("hyper", &["web", "demo"]),
    ("hyper_util", &["web", "demo"]),
    ("rusqlite", &["store"]),
    ("anyhow", &["app", "cli", "definitions", "demo"]),
    ("clap", &["cli", "demo"]),
];

/// Files longer than [`LINES_MAX`], each with the reason why it may be.
const LONG: &[(&str, &str)] = &[];

const LINES_MAX: usize = 500;

/// The deciding files of floor 3: pure, like the floors below.
const DECIDING: &[&str] = &[
    "sync/chain.rs",
    "sync/overtaken.rs",
    "sync/job.rs",
    "sync/judge.rs",
    "sync/reason.rs",
    "sync/retry.rs",
    "sync/verdict.rs",
];

/// The top-level modules that a file names, by `crate::` or by climbing with `super::`.
fn modules_named(file: &File) -> BTreeSet<String> {
    let mut out = named(&file.code, "crate");
    let parts: Vec<&str> = file.name.trim_end_matches(".rs").split('/').collect();
    let depth = parts.len() - usize::from(parts.last() == Some(&"mod"));
    let climb = vec!["super"; depth].join("::");
    out.extend(named(&file.code, &climb));
    out.retain(|name| FLOORS.iter().any(|(m, _)| m == name));
    out
}

fn module(file: &File) -> &str {
    let first = file.name.split('/').next().unwrap_or("");
    first.trim_end_matches(".rs")
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(m, _)| *m == module).map(|(_, f)| *f)
}

#[test]
fn every_module_has_a_floor() {
    for file in files("src") {
        let module = module(&file);
        assert!(
            floor(module).is_some() || matches!(module, "lib" | "main"),
            "{}: give `{module}` a floor in tests/it/floors.rs",
            file.name
        );
    }
}

#[test]
fn a_module_names_only_floors_below_its_own() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let me = module(&file);
        let Some(mine) = floor(me) else { continue };
        for other in modules_named(&file) {
            let theirs = floor(&other).unwrap_or(u8::MAX);
            let fine = other == me
                || mine == 6
                || theirs < mine
                || (theirs == 0 && mine == 0)
                || NEIGHBOURS.contains(&(me, other.as_str()));
            if !fine {
                wrong.push(format!(
                    "{} (floor {mine}) names {other} (floor {theirs})",
                    file.name
                ));
            }
            for (who, whom, why) in FORBIDDEN {
                if me == *who && other == *whom {
                    wrong.push(format!("{} names {whom}: {why}", file.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_kind_of_partner_names_another() {
    let all = files("src");
    let kinds: BTreeSet<&str> = all
        .iter()
        .filter_map(|f| {
            f.name
                .strip_prefix("partner/")?
                .split_once('/')
                .map(|(k, _)| k)
        })
        .filter(|k| *k != "wire")
        .collect();
    let mut wrong = Vec::new();
    for file in &all {
        let Some((kind, _)) = file
            .name
            .strip_prefix("partner/")
            .and_then(|n| n.split_once('/'))
        else {
            continue;
        };
        let named_here = named(&file.code, "crate::partner");
        for other in named_here.iter().filter(|o| kinds.contains(o.as_str())) {
            if other != kind {
                wrong.push(format!("{} names the kind {other}", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_crate_that_belongs_to_a_floor_is_named_there_only() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let me = module(&file);
        for (name, homes) in KEPT {
            let named = file.code.contains(&format!("use {name}::")) || {
                let marker = format!("{name}::");
                file.code.match_indices(&marker).any(|(at, _)| {
                    !file.code[..at]
                        .chars()
                        .next_back()
                        .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            };
            if named && !homes.contains(&me) {
                wrong.push(format!("{} names {name}", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the word stands in the code, not as the beginning of a longer one.
fn holds(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        !code[at + word.len()..]
            .chars()
            .next()
            .is_some_and(|c| c.is_alphanumeric() || c == '_')
            || word.ends_with("::")
    })
}

#[test]
fn what_decides_is_pure() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let low = floor(module(&file)).is_some_and(|f| f <= 2);
        if !(low || DECIDING.contains(&file.name.as_str())) {
            continue;
        }
        let clock = file.name == "clock.rs";
        let fault = file.name == "fault.rs";
        for word in [
            "async fn",
            "async move",
            ".await",
            "tokio::",
            "reqwest::",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "SystemTime",
            "Instant::now",
        ] {
            let its_own = clock && matches!(word, "SystemTime" | "Instant::now")
                || fault && word == "std::process";
            if holds(&file.code, word) && !its_own {
                wrong.push(format!("{} holds `{word}`", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short_or_say_why_not() {
    let mut wrong = Vec::new();
    let mut long = BTreeSet::new();
    for (below, all) in [("src", files("src")), ("tests/it", files("tests/it"))] {
        for file in all {
            let lines = file.whole.lines().count();
            let name = format!("{below}/{}", file.name);
            if lines > LINES_MAX {
                if !LONG.iter().any(|(n, _)| *n == name) {
                    wrong.push(format!("{name} has {lines} lines: split it by topic"));
                }
                long.insert(name);
            }
        }
    }
    for (name, reason) in LONG {
        assert!(!reason.is_empty());
        if !long.contains(*name) {
            wrong.push(format!("{name} is short now: take it out of the table"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let mut wrong = Vec::new();
    for file in files("src").into_iter().chain(files("tests/it")) {
        if !file.whole.starts_with("//!") && !file.whole.starts_with("#![doc") {
            wrong.push(file.name.clone());
        }
        let last = file.name.trim_end_matches(".rs").trim_end_matches("/mod");
        let last = last.rsplit('/').next().unwrap_or(last);
        if matches!(
            last,
            "util" | "utils" | "common" | "helpers" | "manager" | "misc"
        ) {
            wrong.push(format!("{}: a name that says nothing", file.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_silenced_and_nobody_prints_below_the_roof() {
    let mut wrong = Vec::new();
    for file in files("src").into_iter().chain(files("tests/it")) {
        let bare = bare(&file.whole);
        if bare.contains("#[allow") || bare.contains("#![allow") {
            wrong.push(format!(
                "{}: expect with a reason, instead of allow",
                file.name
            ));
        }
        if floor(module(&file)).is_some_and(|f| f < 6)
            && ["println!", "eprintln!", "print!"]
                .iter()
                .any(|w| file.code.contains(w))
        {
            wrong.push(format!("{} prints", file.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn climbing_out_of_a_module_is_seen() {
    let file = |name: &str, code: &str| File {
        name: name.to_owned(),
        whole: String::new(),
        code: code.to_owned(),
    };
    let climbs = file("sync/ports/store.rs", "use super::super::super::web::X;");
    assert!(modules_named(&climbs).contains("web"));
    let stays = file("sync/ports/store.rs", "use super::super::job::X;");
    assert!(modules_named(&stays).is_empty());
}
