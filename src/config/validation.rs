//! `[validator]`: packages, limits, and words on its rules; a partner's `rules` and `profiles`.
//!
//! Whether a rule is known can depend on packages (invariants' keys): `crate::definitions` tells that, once they are
//! loaded.

use std::path::{Path, PathBuf};

use super::reader::Reader;
use crate::fhir::path::Limits;
use crate::fhir::validate::rules;
use crate::sync::judge::{ACTIONS, Action, Rulings};

/// `[validator]`.
#[derive(Clone, Debug)]
pub struct Validation {
    /// The folder of packages, with their lock file.
    pub folder: PathBuf,
    /// Packages to load, as `NAME@VERSION`.
    pub packages: Vec<String>,
    /// Whether R4's vital-signs profiles hold by LOINC code.
    pub vital_signs: bool,
    /// Whether an extension whose definition is not known is an error.
    pub known_extensions_only: bool,
    /// What one invariant may take at most.
    pub limits: Limits,
    /// The house's words on rules.
    pub rulings: Rulings,
}

pub(super) fn validation(root: &mut Reader, folder: &Path) -> Validation {
    let own = Limits::default();
    let mut t = root.table("validator");
    let packages_in = t
        .text("folder")
        .unwrap_or_else(|| "fhir-profiles".to_owned());
    let out = Validation {
        folder: folder.join(packages_in),
        packages: t.texts("packages"),
        vital_signs: t.flag("vital_signs", true),
        known_extensions_only: t.flag("known_extensions_only", false),
        limits: Limits {
            steps_max: t.number("fhirpath_steps_max", own.steps_max, 10_000, 1_000_000_000),
            depth_max: u32::try_from(t.number(
                "fhirpath_depth_max",
                u64::from(own.depth_max),
                100,
                u64::from(own.depth_max),
            ))
            .unwrap_or(own.depth_max),
            ..own
        },
        rulings: rulings(&mut t, Rulings::house()),
    };
    t.finish();
    out
}

/// The words of a table `rules`, over others.
pub(super) fn rulings(t: &mut Reader, mut over: Rulings) -> Rulings {
    for (rule, action) in t.words_by_name("rules", ACTIONS) {
        if action != Action::Block && rules::named(&rule).is_some_and(|rule| rule.form) {
            t.fault(
                &format!("rules.{rule}"),
                "is about the form that a reader needs, and cannot be lowered",
            );
        }
        over.set(&rule, action);
    }
    over
}
