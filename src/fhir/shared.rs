//! For tests: files of the shared material (`GATEWAY_SHARED`, default `../shared`).

use std::path::PathBuf;

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
