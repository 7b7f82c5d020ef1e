//! Published resources with their claimed profiles: the verdict beside the Java validator's.

use std::collections::HashMap;

use serde_json::Value;

use crate::faults::{Verdict, errors, packages, shown};
use crate::figures::Figures;
use crate::material::Material;

pub(crate) fn run(material: &Material, figures: &mut Figures) {
    let suite = "corpus";
    let mut files: HashMap<String, Vec<String>> = HashMap::new();
    let (mut same, mut all, mut faulty, mut found_faulty) = (0, 0, 0, 0);
    for line in material.lines("conformance/oracle/corpus.ndjson.zst") {
        let head: Value = serde_json::from_str(&line).expect("a line of JSON");
        let kind = head["kind"].as_str().expect("a kind").to_owned();
        let number = head["line"].as_u64().expect("a line number");
        let lines = files
            .entry(kind.clone())
            .or_insert_with(|| material.lines(&format!("conformance/corpus/{kind}.ndjson.zst")));
        let line = &lines[usize::try_from(number).expect("small") - 1];
        let whole: Value = serde_json::from_str(line).expect("a line of JSON");
        let verdict = Verdict::read(&head["java"]);
        let validator = material.validator(&packages(&head));
        let found = errors(&validator, whole["resource"].to_string().as_bytes());
        // An error that is policy only is no verdict on the resource.
        let theirs = !verdict.faults.is_empty();
        let agree = theirs != found.is_empty();
        all += 1;
        same += usize::from(agree);
        faulty += usize::from(theirs);
        found_faulty += usize::from(theirs && agree);
        let id = format!("{kind}:{number}");
        if !agree && !figures.differences.met(suite, &id) && figures.verbose {
            println!(
                "DIFFERS {id} {} java {:?}{}",
                head["path"],
                verdict.faults,
                shown(&found)
            );
        }
    }
    figures.differences.ran(suite);
    figures.row("corpus: same verdict", same, all, 100.0);
    figures.row("corpus: of the faulty, found", found_faulty, faulty, 100.0);
}
