//! Reads Rust source well enough to say who names whom: without comments, texts and tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) struct File {
    /// Below `src/` or `tests/it/`, with `/`.
    pub(crate) name: String,
    pub(crate) whole: String,
    /// Without comments, texts and tests.
    pub(crate) code: String,
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

pub(crate) fn files(below: &str) -> Vec<File> {
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
pub(crate) fn bare(source: &str) -> String {
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
pub(crate) fn named(code: &str, prefix: &str) -> BTreeSet<String> {
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

#[test]
fn the_reader_of_source_sees_what_it_should() {
    let code = bare(
        "use crate::{web::X, store::{self, Y}, sync};\n// crate::cli\nlet a = \"crate::demo\";\nlet q = '\"'; crate::json::read();",
    );
    let seen: Vec<String> = named(&code, "crate").into_iter().collect();
    assert_eq!(seen, ["json", "store", "sync", "web"]);
    assert_eq!(before_tests("a #[cfg(test)]\nmod tests { b }"), "a ");
    assert_eq!(
        before_tests("a #[cfg(test)]\nmod tests; b"),
        "a #[cfg(test)]\nmod tests; b"
    );
}
