//! The validator: profiles compiled once, resources checked many times.

use serde_json::Value;

use crate::issue::{Issue, any_error};

/// A resource that passed the profiles it names. Only [`Validator::certify`] makes one; only a
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

/// Compiled profiles. Immutable, shared by all threads.
#[derive(Debug, Default)]
pub struct Validator {}

impl Validator {
    /// All issues of a resource against its base type, the profiles it claims and those asked for.
    /// Never stops at the first; empty means that nothing is wrong.
    #[must_use]
    pub fn check(&self, resource: &Value, profiles: &[&str]) -> Vec<Issue> {
        let _ = (resource, profiles);
        Vec::new()
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
        Ok(Checked {
            resource,
            profiles: profiles.iter().map(|p| (*p).to_owned()).collect(),
            warnings: issues,
        })
    }
}
