//! Our own profiles and extensions: the files of `fhir-profiles/ours`, embedded.
//!
//! The list is written by hand; a test holds it against the folder.

use crate::fhir::facts::Definitions;

/// File name and content.
const FILES: &[(&str, &str)] = &[(
    "redisclosure-notice.json",
    include_str!("../../../fhir-profiles/ours/redisclosure-notice.json"),
)];

/// Their definitions.
pub(super) fn definitions() -> Definitions {
    let mut out = Definitions::default();
    for (_, text) in FILES {
        if let Ok(value) = serde_json::from_str(text) {
            out.add(&value);
        }
    }
    out
}
