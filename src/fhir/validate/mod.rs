//! The validator: profiles compiled once, resources checked many times.
//!
//! Pure and synchronous: no file, no socket, no clock but one that is handed in; `Send + Sync`. A definition becomes facts
//! ([`super::facts`]), facts become shapes and trees (`compile`, `compile_profile`), and a run
//! (`check`) walks a resource once for its type and once for each profile. One rule, one file.
//!
//! | rule | file |
//! | --- | --- |
//! | `resource-type`, `profile-unknown`, `profile-type` | `check` |
//! | `unknown-element`, `type`, `array`, `null`, `empty-array`, `empty-object`, `choice` | `structure` |
//! | `primitive-<type>` | `primitive` |
//! | `max-length`, `type-profile` | `profile` |
//! | `cardinality-min`, `cardinality-max` | `cardinality` |
//! | `fixed`, `pattern` | `fixed_pattern` |
//! | `binding-required`, `-extensible`, `-preferred`, `-not-checked`, `code-unknown`, `unit-unknown`, `system-relative` | `binding` |
//! | `reference-target`, `-contained`, `-profile`, `-form`, `-aggregation` | `reference` |
//! | `slice-min`, `slice-max`, `slice-closed`, `slice-order` | `slicing` |
//! | `extension-url`, `extension-context`, `extension-modifier`, `extension-unknown` | `extension` |
//! | `contained-nested`, `dom-3`, `bundle-link`, `bundle-full-url`, `bundle-reference` | `bundle` |
//! | `value-min`, `value-max` | `range` |
//! | an invariant's key (`obs-6`), `ele-1`, `ext-1` | `invariant` |
//! | `narrative`, `narrative-link` | `narrative` |
//! | `questionnaire-link`, `-order`, `-repeats`, `-required`, `-enable`, `-type`, `-occurs` | `questionnaire` |
//! | `questionnaire-answer`, `-option`, `-limit` | `answer` |
//! | `attachment-size` | `attachment` |
//! | `code-system-property` | `code_system` |
//! | `definition-path` | `definition` |
//! | `control-character`, `example-address` | `structure` |
//!
//! All of them, with what they ask for, stand in [`rules`]; what cannot be told here is a `…-not-checked` of its
//! own. Paths are FHIRPath (`Patient.name[0].family`); what is missing is noted at the element that lacks
//! it. No message holds a value.

mod answer;
mod at;
mod attachment;
mod binding;
mod bundle;
mod cardinality;
mod check;
mod code_system;
mod compile;
mod compile_discriminator;
mod compile_profile;
mod definition;
mod extension;
mod filter;
mod fixed_pattern;
mod invariant;
mod invariant_words;
mod literal;
mod model;
mod narrative;
mod ours;
mod outcome;
mod primitive;
mod profile;
mod quantity;
mod questionnaire;
mod range;
mod reference;
pub mod rules;
mod schema;
mod slicing;
mod structure;
mod terminology;
mod vitals;

#[cfg(test)]
mod profile_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod slicing_tests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use self::at::At;
use self::check::{Check, Core};
pub use self::outcome::{RULES, outcome};
use self::terminology::{Answer, Terminology};
use super::artefact;
use super::facts::{Definitions, Structure};
use super::package::Package;
use super::path::{Limits as PathLimits, Types};
use crate::clock::Clock;
use crate::issue::{Issue, Severity, any_error};
use crate::json::{self, Limits};

/// A resource that passed the profiles it names. Only the [`Validator`] makes one; only a
/// `Checked` can be encoded for a partner or stored as a record's resource.
#[derive(Clone, Debug)]
pub struct Checked {
    resource: Value,
    profiles: Vec<String>,
    warnings: Vec<Issue>,
}

impl Checked {
    /// The resource.
    #[must_use]
    pub fn resource(&self) -> &Value {
        &self.resource
    }

    /// The profiles it passed, as `url|version`, the base type first.
    #[must_use]
    pub fn profiles(&self) -> &[String] {
        &self.profiles
    }

    /// What did not keep it out.
    #[must_use]
    pub fn warnings(&self) -> &[Issue] {
        &self.warnings
    }

    /// The resource, taken out.
    #[must_use]
    pub fn into_resource(self) -> Value {
        self.resource
    }
}

/// The longest text of one resource.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// A document that was read from its text, and all that is wrong with it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The resource; null if the text holds none.
    pub value: Value,
    /// What is wrong.
    pub issues: Vec<Issue>,
}

/// What to load beside R4 and our own profiles.
pub struct Options {
    /// Definitions of packages, in order.
    pub packages: Vec<Package>,
    /// Loose definitions: they come last and replace others of the same address.
    pub definitions: Definitions,
    /// Whether R4's vital-signs profiles hold by LOINC code even where they are not claimed.
    pub vital_signs: bool,
    /// Whether an extension whose definition is not known is an error. By default it is carried.
    pub known_extensions_only: bool,
    /// Whether addresses of example hosts (`example.org`) pass. By default they do.
    pub example_addresses: bool,
    /// What one invariant may take at most.
    pub limits: PathLimits,
    /// Who tells the time, for what a definition says of now. Without it such rules are not checked.
    pub clock: Option<Arc<dyn Clock>>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            packages: Vec::new(),
            definitions: Definitions::default(),
            vital_signs: true,
            known_extensions_only: false,
            example_addresses: true,
            limits: PathLimits::default(),
            clock: None,
        }
    }
}

/// Compiled profiles. Immutable, shared by all threads.
#[derive(Debug)]
pub struct Validator {
    core: Core,
    unusable: Vec<String>,
}

impl Default for Validator {
    /// One that knows no type and passes nothing: for those who need one and never ask it.
    fn default() -> Self {
        Validator::compile(Definitions::default(), &Options::default())
    }
}

impl Validator {
    /// R4 as embedded, and our own profiles.
    #[must_use]
    pub fn standard() -> Self {
        Validator::load(Options::default())
    }

    /// R4 as embedded, our own profiles, and what the options bring.
    #[must_use]
    pub fn load(mut options: Options) -> Self {
        let mut all = artefact::embedded();
        all.append(ours::definitions());
        for package in std::mem::take(&mut options.packages) {
            all.append(package.definitions);
        }
        all.append(std::mem::take(&mut options.definitions));
        Validator::compile(all, &options)
    }

    fn compile(mut all: Definitions, options: &Options) -> Self {
        let unusable = all.complete();
        let mut structures: HashMap<&str, &Structure> = HashMap::new();
        for structure in &all.structures {
            structures.insert(&structure.url, structure);
        }
        let kinds = structures
            .values()
            .map(|each| (each.url.clone(), each.type_name.clone()))
            .collect();
        let types = Types::new(&all);
        let mut model = compile::types(&structures, &kinds, &types);
        for structure in structures.values().filter(|each| each.profile) {
            if let Some(profile) =
                compile_profile::profile(structure, &model, &kinds, &types, &structures)
            {
                let profile = Arc::new(profile);
                let versioned = format!("{}|{}", structure.url, structure.version);
                model
                    .profiles
                    .insert(versioned.into(), Arc::clone(&profile));
                model
                    .profiles
                    .insert(structure.url.as_str().into(), profile);
            }
        }
        Validator {
            core: Core {
                types,
                model,
                terminology: Terminology::new(all.sets, all.systems),
                questionnaires: all.questionnaires.into_iter().collect(),
                global: all.global,
                vital_signs: options.vital_signs,
                known_extensions_only: options.known_extensions_only,
                example_addresses: options.example_addresses,
                limits: options.limits,
                clock: options.clock.clone(),
            },
            unusable,
        }
    }

    /// Addresses of profiles that could not be used, because what they are derived from is missing, or because their
    /// snapshots would be too large.
    #[must_use]
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// Whether a profile of this address (with or without `|version`) is known.
    #[must_use]
    pub fn knows(&self, url: &str) -> bool {
        self.core.model.profiles.contains_key(url)
    }

    /// All issues of a resource against its base type, the profiles it claims and those asked for.
    /// Never stops at the first; empty means that nothing is wrong.
    #[must_use]
    pub fn check(&self, resource: &Value, profiles: &[&str]) -> Vec<Issue> {
        let kind = resource.get("resourceType").and_then(Value::as_str);
        let known = kind.and_then(|kind| self.core.model.resources.get_key_value(kind));
        let name = known.map_or("Resource", |(name, _)| name);
        let mut check = Check::new(&self.core, resource);
        check.resource(resource, profiles, &At::root(name));
        check.issues
    }

    /// All issues of a document's text: what the reader refuses, keys that stand twice, then as
    /// [`Validator::check`].
    #[must_use]
    pub fn check_text(&self, bytes: &[u8], profiles: &[&str]) -> Read {
        let limits = Limits {
            bytes_max: TEXT_BYTES_MAX,
            ..Limits::default()
        };
        match json::read(bytes, &limits) {
            Ok(document) if document.value.is_object() => {
                let words = "a key that stands twice in its object";
                let twice = |pointer: &String| {
                    Issue::error("structure", "json-duplicate-key", pointer.as_str(), words)
                };
                let mut issues: Vec<Issue> = document.duplicates.iter().map(twice).collect();
                issues.extend(self.check(&document.value, profiles));
                Read {
                    value: document.value,
                    issues,
                }
            }
            Ok(_) => {
                let words = "a resource is a JSON object";
                Read {
                    value: Value::Null,
                    issues: vec![Issue::error("structure", "json-object", "", words)],
                }
            }
            Err(issue) => Read {
                value: Value::Null,
                issues: vec![issue],
            },
        }
    }

    /// Whether a code, Coding or CodeableConcept is in a value set; `None` where nobody here can tell.
    #[must_use]
    pub fn member_of(&self, value: &Value, set: &str) -> Option<bool> {
        match Check::new(&self.core, value).answer(set, value) {
            Answer::In => Some(true),
            Answer::Out => Some(false),
            Answer::Unknown => None,
        }
    }

    /// Checks and, if there is no error, seals.
    ///
    /// # Errors
    /// The resource itself, unchanged, with all its issues.
    pub fn certify(
        &self,
        resource: Value,
        profiles: &[&str],
    ) -> Result<Checked, (Value, Vec<Issue>)> {
        self.certify_by(resource, profiles, &|issue| !issue.is_error())
            .map(|(checked, _)| checked)
    }

    /// Checks and, if all that is wrong may pass, seals: what `passes` lets through is a warning at most, and with an
    /// error let through the resource passed no profile. A fault of form ([`rules::is_form`]) never passes,
    /// whoever says so. Beside it all issues as they were found.
    ///
    /// # Errors
    /// The resource itself, unchanged, with all its issues.
    pub fn certify_by(
        &self,
        resource: Value,
        profiles: &[&str],
        passes: &dyn Fn(&Issue) -> bool,
    ) -> Result<(Checked, Vec<Issue>), (Value, Vec<Issue>)> {
        let issues = self.check(&resource, profiles);
        let stays = |issue: &Issue| rules::is_form(issue) || !passes(issue);
        if issues.iter().any(stays) {
            return Err((resource, issues));
        }
        let profiles = match any_error(&issues) {
            true => Vec::new(),
            false => self.passed(&resource, profiles),
        };
        let mut warnings = issues.clone();
        for issue in warnings.iter_mut().filter(|issue| issue.is_error()) {
            issue.severity = Severity::Warning;
        }
        let checked = Checked {
            resource,
            profiles,
            warnings,
        };
        Ok((checked, issues))
    }

    /// The base type and the known profiles, asked or claimed, as `url|version`.
    fn passed(&self, resource: &Value, asked: &[&str]) -> Vec<String> {
        let kind = resource.get("resourceType").and_then(Value::as_str);
        let base = format!(
            "http://hl7.org/fhir/StructureDefinition/{}|4.0.1",
            kind.unwrap_or_default()
        );
        let mut out = vec![base];
        let claimed = resource.pointer("/meta/profile").and_then(Value::as_array);
        let claimed = claimed.into_iter().flatten().filter_map(Value::as_str);
        for url in asked.iter().copied().chain(claimed) {
            if let Some(profile) = self.core.model.profiles.get(url)
                && !out.iter().any(|own| **own == *profile.name)
            {
                out.push(profile.name.to_string());
            }
        }
        out
    }
}
