//! One run over one resource: what it carries along, and how a resource and its inner ones are begun.
//!
//! The rules are `impl` blocks of [`Check`], a file each.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::at::At;
use super::model::{Model, Profile};
use super::structure::kind_of;
use super::terminology::Terminology;
use super::vitals;
use crate::clock::{Clock, Time};
use crate::fhir::path::{Limits, TypeId, Types};
use crate::issue::{Issue, Severity};

/// What all runs share.
pub(super) struct Core {
    /// What expressions know of types.
    pub types: Types,
    pub model: Model,
    pub terminology: Terminology,
    /// Questionnaires by address.
    pub questionnaires: HashMap<String, Arc<Value>>,
    /// Profiles that hold for every resource of a type, as an implementation guide says: (type,
    /// address).
    pub global: Vec<(String, String)>,
    /// Whether vital-signs profiles hold by LOINC code.
    pub vital_signs: bool,
    /// Whether an extension that is not known is an error.
    pub known_extensions_only: bool,
    /// Whether addresses of example hosts pass.
    pub example_addresses: bool,
    /// What one invariant may take at most.
    pub limits: Limits,
    /// Who tells the time, where anybody does.
    pub clock: Option<Arc<dyn Clock>>,
}

impl Core {
    /// What time it is, where anybody tells it.
    pub(super) fn now(&self) -> Option<Time> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// One run.
pub(super) struct Check<'a> {
    pub core: &'a Core,
    pub issues: Vec<Issue>,
    /// The resource that is being checked.
    pub current: &'a Value,
    /// The resource whose `contained` local references point into.
    pub root: &'a Value,
    /// The Bundle around it.
    pub bundle: Option<&'a Value>,
    /// Names on the way to the resource that is being checked, its own among them.
    pub above: usize,
    /// Type of the resource that is being checked.
    pub kind: &'a str,
    /// Whether that resource is contained in the root.
    pub inside: bool,
    /// Whether the companion that is being checked stands beside a value.
    pub valued: bool,
    /// The profile whose rules are being checked.
    pub profile: Option<Arc<str>>,
    /// How many checks of profiles stand inside each other.
    pub depth: u8,
}

impl<'a> Check<'a> {
    pub(super) fn new(core: &'a Core, root: &'a Value) -> Self {
        Check {
            core,
            issues: Vec::new(),
            current: root,
            root,
            bundle: None,
            above: 0,
            kind: "",
            inside: false,
            valued: false,
            profile: None,
            depth: 0,
        }
    }

    /// Notes what is wrong, under the profile being checked.
    pub(super) fn say(
        &mut self,
        severity: Severity,
        code: &'static str,
        rule: &'static str,
        at: &At<'_>,
        words: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        debug_assert!(super::rules::named(rule).is_some(), "no such rule: {rule}");
        let mut issue = Issue::error(code, rule, at.text(), words);
        issue.severity = severity;
        if let Some(profile) = &self.profile {
            issue = issue.of(profile.to_string());
        }
        self.issues.push(issue);
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        rule: &'static str,
        at: &At<'_>,
        words: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.say(Severity::Error, code, rule, at, words);
    }

    /// A resource, alone or inside another: its type, then the profiles it claims and those asked for.
    pub(super) fn resource(&mut self, value: &'a Value, asked: &[&str], at: &At<'_>) {
        let core = self.core;
        if !value.is_object() {
            let words = format!("a resource is an object, not {}", kind_of(value));
            self.error("structure", "type", at, words);
            return;
        }
        let kind = match value.get("resourceType") {
            Some(Value::String(kind)) => kind.as_str(),
            _ => {
                self.error(
                    "structure",
                    "resource-type",
                    at,
                    "a resource needs its resourceType",
                );
                return;
            }
        };
        let Some(shape) = core.model.resources.get(kind) else {
            self.error(
                "structure",
                "resource-type",
                at,
                "resourceType is no resource type of R4",
            );
            return;
        };
        let outer = (self.above, self.kind, self.current, self.profile.take());
        (self.above, self.kind, self.current) = (at.names(), kind, value);
        self.object(*shape, kind, value, at);
        self.profiles(kind, value, asked, at);
        match kind {
            "Bundle" => self.bundle(value, at),
            "StructureDefinition" => self.definition(value, at),
            "CodeSystem" => self.code_system(value, at),
            "QuestionnaireResponse" => self.questionnaire(value, at),
            _ => {}
        }
        (self.above, self.kind, self.current, self.profile) = outer;
    }

    fn profiles(&mut self, kind: &'a str, value: &'a Value, asked: &[&str], at: &At<'_>) {
        let core = self.core;
        let mut urls: Vec<(&str, bool)> = Vec::new();
        for url in asked {
            urls.push((url, true));
        }
        let claimed = value.get("meta").and_then(|meta| meta.get("profile"));
        for url in claimed.and_then(Value::as_array).into_iter().flatten() {
            urls.extend(url.as_str().map(|url| (url, false)));
        }
        if core.vital_signs && kind == "Observation" {
            for url in vitals::profiles(value) {
                urls.push((url, false));
            }
        }
        for (own, url) in &core.global {
            if own == kind {
                urls.push((url, false));
            }
        }
        let mut done: Vec<*const Profile> = Vec::new();
        for (url, asked) in urls {
            let Some(profile) = core.model.profiles.get(url) else {
                if url.strip_prefix("http://hl7.org/fhir/StructureDefinition/") == Some(kind) {
                    continue;
                }
                let severity = if asked {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                let words = "a profile that is not known here: not checked";
                self.say(severity, "not-found", "profile-unknown", at, words);
                continue;
            };
            if done.contains(&Arc::as_ptr(profile)) {
                continue;
            }
            done.push(Arc::as_ptr(profile));
            if *profile.kind != *kind {
                let words = format!("the profile is one of {}", profile.kind);
                self.error("invalid", "profile-type", at, words);
                continue;
            }
            self.under(profile, value, at);
        }
    }

    /// Checks what a profile says beyond its type.
    pub(super) fn under(&mut self, profile: &'a Arc<Profile>, value: &'a Value, at: &At<'_>) {
        if self.depth > 16 {
            return;
        }
        let outer = self.profile.replace(Arc::clone(&profile.name));
        self.depth += 1;
        let kind = if value.is_object() {
            profile.kind_id
        } else {
            TypeId::UNKNOWN
        };
        self.invariants(&profile.root.constraints, Some(value), None, kind, at);
        self.children(&profile.root.children, value, at);
        self.depth -= 1;
        self.profile = outer;
    }

    /// As [`Check::under`], for a value that may be a resource inside the one being checked.
    pub(super) fn under_entered(
        &mut self,
        profile: &'a Arc<Profile>,
        value: &'a Value,
        at: &At<'_>,
    ) {
        let contained = || {
            let own = self.root.get("contained").and_then(Value::as_array);
            own.is_some_and(|own| own.iter().any(|each| std::ptr::eq(each, value)))
        };
        if value.get("resourceType").is_none() || std::ptr::eq(value, self.current) {
            self.under(profile, value, at);
        } else if contained() {
            let outer = std::mem::replace(&mut self.current, value);
            self.under(profile, value, at);
            self.current = outer;
        } else {
            self.entered(value, |check| check.under(profile, value, at));
        }
    }

    /// Whether a value meets one of the profiles; profiles that are not known cannot be missed.
    /// Notes nothing.
    pub(super) fn meets(&mut self, urls: &'a [Box<str>], value: &'a Value, at: &At<'_>) -> bool {
        let core = self.core;
        let noted = std::mem::take(&mut self.issues);
        let met = urls.iter().any(|url| match core.model.profiles.get(url) {
            None => core_type_fits(url, value),
            Some(profile) => {
                self.issues.clear();
                let kind = value.get("resourceType").and_then(Value::as_str);
                kind.is_none_or(|kind| *profile.kind == *kind) && {
                    self.under_entered(profile, value, at);
                    !crate::issue::any_error(&self.issues)
                }
            }
        });
        self.issues = noted;
        met
    }
}

/// Whether an address is the one of the value's own type, or of a profile that nobody knows here.
fn core_type_fits(url: &str, value: &Value) -> bool {
    let Some(name) = url.strip_prefix("http://hl7.org/fhir/StructureDefinition/") else {
        return true;
    };
    let kind = value.get("resourceType").and_then(Value::as_str);
    name == "Resource" || kind.is_none_or(|kind| kind == name)
}
