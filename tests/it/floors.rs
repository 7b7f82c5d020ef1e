//! Keeps the house in its floors by reading the source: who names whom, how long files are, what
//! stands nowhere. `src/ARCHITECTURE.md` says why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Top-level modules and their floors.
const FLOORS: &[(&str, u8)] = &[
    ("clock", 0),
    ("decimal", 0),
    ("event", 0),
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
    ("anyhow", &["app", "cli", "demo"]),
    ("clap", &["cli", "demo"]),
];

/// Files longer than [`LINES_MAX`], each with the reason why it may be.
const LONG: &[(&str, &str)] = &[];

const LINES_MAX: usize = 500;

/// The deciding files of floor 3: pure, like the floors below.
const DECIDING: &[&str] = &[
    "sync/chain.rs",
    "sync/job.rs",
    "sync/reason.rs",
    "sync/retry.rs",
    "sync/verdict.rs",
];

struct File {
    /// Below `src/` or `tests/it/`, with `/`.
    name: String,
    whole: String,
    /// Without comments, texts and tests.
    code: String,
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the source");
    for entry in entries.map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, out);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            out.push(entry);
        }
    }
}

fn files(below: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let mut paths = Vec::new();
    rust_files(&root, &mut paths);
    paths.sort();
    assert!(!paths.is_empty());
    let tests = test_modules(&paths);
    paths
        .iter()
        .map(|path| {
            let whole = std::fs::read_to_string(path).expect("a source file");
            let name = path
                .strip_prefix(&root)
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/");
            let code = if is_test(&name)
                || tests
                    .iter()
                    .any(|t| path.starts_with(t) || path.with_extension("") == *t)
            {
                String::new()
            } else {
                before_tests(&bare(&whole)).to_owned()
            };
            File { name, whole, code }
        })
        .collect()
}

/// Modules that a file declares for tests only: their paths without `.rs`.
fn test_modules(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for path in paths {
        let code = bare(&std::fs::read_to_string(path).expect("a source file"));
        for (at, mark) in code.match_indices("#[cfg(test)]") {
            let after = code[at + mark.len()..].trim_start();
            let after = after
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ");
            let Some(rest) = after.strip_prefix("mod ") else {
                continue;
            };
            let home = match path.file_name().and_then(|n| n.to_str()) {
                Some("mod.rs" | "lib.rs") => path.parent().unwrap_or(path).to_owned(),
                _ => path.with_extension(""),
            };
            out.push(home.join(ident(rest)));
        }
    }
    out
}

fn is_test(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    last == "tests.rs" || last.ends_with("_tests.rs") || name.contains("tests/")
}

/// The code before the tests inside a file.
fn before_tests(code: &str) -> &str {
    let mut rest = 0;
    while let Some(at) = code[rest..].find("#[cfg(test)]") {
        let at = rest + at;
        let after = code[at + "#[cfg(test)]".len()..].trim_start();
        if after.starts_with("mod ")
            && after[..after.find(['{', ';']).unwrap_or(0) + 1].ends_with('{')
        {
            return &code[..at];
        }
        rest = at + 1;
    }
    code
}

/// Source without comments and without what stands in texts.
fn bare(source: &str) -> String {
    let bytes: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let at = |i: usize| bytes.get(i).copied().unwrap_or('\0');
    let mut i = 0;
    while i < bytes.len() {
        if at(i) == '/' && at(i + 1) == '/' {
            while i < bytes.len() && at(i) != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            while i < bytes.len() && !(at(i) == '*' && at(i + 1) == '/') {
                i += 1;
            }
            i += 2;
        } else if at(i) == 'r'
            && (at(i + 1) == '"' || (at(i + 1) == '#' && (at(i + 2) == '"' || at(i + 2) == '#')))
        {
            let mut hashes = 0;
            while at(i + 1 + hashes) == '#' {
                hashes += 1;
            }
            i += 2 + hashes;
            let end: String = std::iter::once('"')
                .chain("#".repeat(hashes).chars())
                .collect();
            while i < bytes.len()
                && !bytes[i..]
                    .iter()
                    .take(end.len())
                    .collect::<String>()
                    .eq(&end)
            {
                i += 1;
            }
            i += end.len();
            out.push_str("\"\"");
        } else if at(i) == '"' {
            i += 1;
            while i < bytes.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
            out.push_str("\"\"");
        } else if at(i) == '\'' && at(i + 1) == '\\' {
            i += 3;
            while i < bytes.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else if at(i) == '\'' && at(i + 2) == '\'' {
            i += 3;
        } else {
            out.push(at(i));
            i += 1;
        }
    }
    out
}

fn ident(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}

/// The first names below `prefix::`, groups in braces taken apart.
fn named(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let marker = format!("{prefix}::");
    for (at, _) in code.match_indices(&marker) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let rest = code[at + marker.len()..].trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut start = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && !c.is_whitespace() => {
                        out.insert(ident(&group[i..]).to_owned());
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            out.insert(ident(rest).to_owned());
        }
    }
    out.remove("");
    out
}

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
            if holds(&file.code, word) && !(clock && matches!(word, "SystemTime" | "Instant::now"))
            {
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
fn the_reader_of_source_sees_what_it_should() {
    let code = bare(
        "use crate::{web::X, store::{self, Y}, sync};\n// crate::cli\nlet a = \"crate::demo\";\nlet q = '\"'; crate::json::read();",
    );
    let seen: Vec<String> = named(&code, "crate").into_iter().collect();
    assert_eq!(seen, ["json", "store", "sync", "web"]);
    let file = |name: &str, code: &str| File {
        name: name.to_owned(),
        whole: String::new(),
        code: code.to_owned(),
    };
    let climbs = file("sync/ports/store.rs", "use super::super::super::web::X;");
    assert!(modules_named(&climbs).contains("web"));
    let stays = file("sync/ports/store.rs", "use super::super::job::X;");
    assert!(modules_named(&stays).is_empty());
    assert_eq!(before_tests("a #[cfg(test)]\nmod tests { b }"), "a ");
    assert_eq!(
        before_tests("a #[cfg(test)]\nmod tests; b"),
        "a #[cfg(test)]\nmod tests; b"
    );
}
