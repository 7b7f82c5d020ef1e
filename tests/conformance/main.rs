//! The validator measured against other people's material: one command, one table.
//!
//!     cargo test --profile measure --test conformance              the table, compared with the baseline
//!     cargo test --profile measure --test conformance -- faults    one suite, with every difference in full
//!
//! The material is not part of this repository (`GATEWAY_SHARED`, else `../shared`); where it is not
//! there, that is said aloud and nothing is claimed. Numbers may only go up: `baseline.json` holds the
//! last ones (`UPDATE_BASELINE=1` writes better ones). Where we judge otherwise than HL7's validator,
//! `differences.toml` says why, and the run fails if a case is listed that does not differ any more.

#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot go on must stop"
)]

mod corpus;
mod differences;
mod faults;
mod figures;
mod material;
mod official;
mod places;
mod primitives;
mod schemas;
mod snapshots;
mod suite;

use std::process::ExitCode;

use figures::Figures;
use material::Material;

fn main() -> ExitCode {
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let Some(material) = Material::find() else {
        println!("SKIPPED: no shared material (set GATEWAY_SHARED); nothing was measured");
        return ExitCode::SUCCESS;
    };
    let wanted = |suite: &str| named.is_empty() || named.iter().any(|name| name == suite);
    let mut figures = Figures::new(!named.is_empty());
    if wanted("primitives") {
        primitives::run(&material, &mut figures);
    }
    if wanted("validator") {
        suite::run(&material, &mut figures);
    }
    if wanted("corpus") {
        corpus::run(&material, &mut figures);
    }
    if wanted("faults") {
        faults::run(&material, &mut figures);
    }
    if wanted("snapshots") {
        snapshots::run(&material, &mut figures);
        snapshots::from_differentials(&material, &mut figures);
    }
    if wanted("schemas") {
        schemas::run(&material, &mut figures);
    }
    if wanted("fhirpath") {
        let found = official::suite(&material.path("conformance/fhirpath"));
        let (wrong, all) = found.expect("the FHIRPath suite");
        if figures.verbose {
            println!("FHIRPATH {wrong:?}");
        }
        figures.row("FHIRPath: official suite", all - wrong.len(), all, 99.0);
    }
    println!(
        "(speed and memory: cargo bench --bench validate [-- soak 10], cargo bench --bench fhirpath)"
    );
    figures.finish()
}
