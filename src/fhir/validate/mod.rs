//! The validator: profiles compiled once, resources checked many times.
//!
//! Pure and synchronous: no clock, no file, no socket; `Send + Sync`. A definition becomes facts
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
//! | `binding-required`, `binding-extensible`, `code-unknown`, `not-checked` | `binding` |
//! | `reference-target`, `reference-contained`, `reference-profile`, `reference-form` | `reference` |
//! | `slice-min`, `slice-max`, `slice-closed`, `slice-order` | `slicing` |
//! | `extension-url`, `extension-context`, `extension-modifier`, `extension-unknown` | `extension` |
//! | `contained-nested` | `bundle` |
//! | `narrative` | `narrative` |
//!
//! Paths are FHIRPath (`Patient.name[0].family`); what is missing is noted at the element that lacks
//! it. No message holds a value.

mod at;
mod binding;
mod bundle;
mod cardinality;
mod check;
mod compile;
mod compile_profile;
mod extension;
mod fixed_pattern;
mod model;
mod narrative;
mod ours;
mod primitive;
mod profile;
mod reference;
mod schema;
mod slicing;
mod structure;
mod terminology;
mod vitals;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use self::at::At;
use self::check::{Check, Core};
use self::terminology::Terminology;
use super::artefact;
use super::facts::{Definitions, Structure};
use super::package::Package;
use crate::issue::{Issue, Severity, any_error};

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

/// What to load beside R4 and our own profiles.
#[derive(Debug)]
pub struct Options {
    /// Definitions of packages, in order.
    pub packages: Vec<Package>,
    /// Loose definitions: they come last and replace others of the same address.
    pub definitions: Definitions,
    /// Whether R4's vital-signs profiles hold by LOINC code even where they are not claimed.
    pub vital_signs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            packages: Vec::new(),
            definitions: Definitions::default(),
            vital_signs: true,
        }
    }
}

/// Compiled profiles. Immutable, shared by all threads.
#[derive(Debug, Default)]
pub struct Validator {
    core: Core,
    unusable: Vec<String>,
}

impl Validator {
    /// R4 as embedded, and our own profiles.
    #[must_use]
    pub fn standard() -> Self {
        Validator::load(Options::default())
    }

    /// R4 as embedded, our own profiles, and what the options bring.
    #[must_use]
    pub fn load(options: Options) -> Self {
        let mut all = artefact::embedded();
        all.append(ours::definitions());
        for package in options.packages {
            all.append(package.definitions);
        }
        all.append(options.definitions);
        let unusable = all.complete();
        let mut structures: HashMap<&str, &Structure> = HashMap::new();
        for structure in &all.structures {
            structures.insert(&structure.url, structure);
        }
        let kinds = structures
            .values()
            .map(|each| (each.url.clone(), each.type_name.clone()))
            .collect();
        let mut model = compile::types(&structures, &kinds);
        for structure in structures.values().filter(|each| each.profile) {
            if let Some(profile) = compile_profile::profile(structure, &model, &kinds) {
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
                model,
                terminology: Terminology::new(all.sets, all.systems),
                vital_signs: options.vital_signs,
            },
            unusable,
        }
    }

    /// Addresses of profiles that could not be used, because what they are derived from is missing.
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

    /// Checks and, if there is no error, seals.
    ///
    /// # Errors
    /// The resource itself, unchanged, with all its issues.
    pub fn certify(
        &self,
        resource: Value,
        profiles: &[&str],
    ) -> Result<Checked, (Value, Vec<Issue>)> {
        let issues = self.check(&resource, profiles);
        if any_error(&issues) {
            return Err((resource, issues));
        }
        let profiles = self.passed(&resource, profiles);
        Ok(Checked {
            resource,
            profiles,
            warnings: issues,
        })
    }

    /// Seals a resource whatever is wrong with it: it passed nothing, and every fault is a warning.
    /// For relays whose route says that what comes in goes on as it is.
    #[must_use]
    pub fn certify_as_it_is(&self, resource: Value) -> Checked {
        let mut warnings = self.check(&resource, &[]);
        for issue in &mut warnings {
            issue.severity = Severity::Warning;
        }
        Checked {
            resource,
            profiles: Vec::new(),
            warnings,
        }
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
