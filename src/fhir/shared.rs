//! For tests: files of the shared material (`GATEWAY_SHARED`, default `../shared`).

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A file's bytes; says aloud if it is not there, so that nobody takes a skipped test for a passed one.
#[expect(
    clippy::disallowed_methods,
    reason = "tests find the shared material by this variable"
)]
pub(crate) fn read(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var("GATEWAY_SHARED").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let bytes = std::fs::read(root.join(path)).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED: {path} is not in the shared material (set GATEWAY_SHARED)");
    }
    bytes
}

/// The resources of a file of the corpus, in its order; `None`, said aloud, where they cannot be had.
pub(crate) fn corpus(file: &str) -> Option<Vec<Value>> {
    let bytes = read(&format!("conformance/corpus/{file}.ndjson.zst"))?;
    let child = Command::new("zstd")
        .args(["-dc", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: zstd is not installed, {file} cannot be read");
        return None;
    };
    let mut input = child.stdin.take().expect("stdin");
    let feed = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("zstd");
    feed.join().expect("fed").expect("written");
    let lines = output
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty());
    Some(
        lines
            .map(|l| serde_json::from_slice::<Value>(l).expect("a line of JSON")["resource"].take())
            .collect(),
    )
}
