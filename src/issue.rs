//! What is wrong with an input: severity, rule, place, words. Never the value.
//!
//! One type for every door and every check: the clinic's records (path is a JSON pointer), FHIR
//! (path is FHIRPath), SCRIPT (path is an XPath-like list of names). The message is ours and holds
//! nothing that came with the input.

use std::borrow::Cow;

use serde::Serialize;

/// FHIR `IssueSeverity`, without `fatal`: what cannot be read at all is an error here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information: something was not checked, or was settled.
    Information,
    /// Passes, but somebody should know.
    Warning,
    /// Does not pass.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// FHIR `issue-type` code: `structure`, `required`, `value`, `invariant`, `code-invalid`,
    /// `business-rule`, `not-found`, `not-supported`, `too-long`, `conflict`…
    pub code: &'static str,
    /// Stable id of the rule that was broken, for grouping and muting, e.g. `cardinality-min`,
    /// `refills-schedule`, `schema-pattern`.
    pub rule: Cow<'static, str>,
    /// Where: a JSON pointer (records) or FHIRPath (resources). Never a value.
    pub path: String,
    /// The profile (`url|version`) whose rule it is, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Cow<'static, str>>,
    /// What was expected and what kind of thing was found, in words. Never the value.
    pub message: Cow<'static, str>,
}

impl Issue {
    /// An error.
    pub fn error(
        code: &'static str,
        rule: impl Into<Cow<'static, str>>,
        path: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Issue {
            severity: Severity::Error,
            code,
            rule: rule.into(),
            path: path.into(),
            profile: None,
            message: message.into(),
        }
    }

    /// A warning.
    pub fn warning(
        code: &'static str,
        rule: impl Into<Cow<'static, str>>,
        path: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Issue {
            severity: Severity::Warning,
            ..Issue::error(code, rule, path, message)
        }
    }

    /// The same issue, as a rule of `profile`.
    #[must_use]
    pub fn of(mut self, profile: impl Into<Cow<'static, str>>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Whether it keeps the input out.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Whether any of them is an error.
#[must_use]
pub fn any_error(issues: &[Issue]) -> bool {
    issues.iter().any(Issue::is_error)
}
