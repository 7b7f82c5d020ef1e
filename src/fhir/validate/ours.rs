//! Our own profiles and extensions: the files of `fhir-profiles/ours`, embedded.
//!
//! The list is kept by a test: `UPDATE_FIXTURES=1 cargo test --lib ours` writes it anew.

use crate::fhir::facts::Definitions;

/// File name and content.
// list
const FILES: &[(&str, &str)] = &[(
    "redisclosure-notice.json",
    include_str!("../../../fhir-profiles/ours/redisclosure-notice.json"),
)];
// end of list

/// Their definitions.
pub(super) fn definitions() -> Definitions {
    let mut out = Definitions::default();
    for (name, text) in FILES {
        let read = serde_json::from_str(text).map(|value| out.add(&value));
        debug_assert!(read.is_ok(), "{name} is JSON");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fhir::validate::Validator;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites expected files"
    )]
    fn the_list_is_the_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<String> = std::fs::read_dir(root.join("fhir-profiles/ours"))
            .into_iter()
            .flatten()
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name.ends_with(".json"))
            .collect();
        names.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        if std::env::var("UPDATE_FIXTURES").is_ok() && listed != names {
            let file = root.join("src/fhir/validate/ours.rs");
            let text = std::fs::read_to_string(&file).expect("this file");
            let (before, rest) = text.split_once("// list\n").expect("the list's begin");
            let (_, after) = rest.split_once("// end of list\n").expect("its end");
            let mut list = String::from("const FILES: &[(&str, &str)] = &[\n");
            for name in &names {
                list += &format!(
                    "    (\n        \"{name}\",\n        include_str!(\"../../../fhir-profiles/ours/{name}\"),\n    ),\n"
                );
            }
            list += "];\n";
            let text = format!("{before}// list\n{list}// end of list\n{after}");
            std::fs::write(&file, text).expect("writes");
            return;
        }
        assert_eq!(listed, names, "UPDATE_FIXTURES=1 writes the list anew");
    }

    #[test]
    fn every_definition_of_ours_can_be_used() {
        let validator = Validator::standard();
        assert_eq!(validator.unusable(), [""; 0]);
        for structure in definitions().structures {
            assert!(
                validator.knows(&structure.url),
                "{} is not compiled",
                structure.url
            );
        }
    }
}
