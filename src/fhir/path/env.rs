//! What an expression is evaluated with: types, the resource around, a clock's reading, limits, and a
//! host that answers what the language leaves to its surroundings.

use serde_json::Value;

use super::error::PathError;
use super::item::{Item, Node};
use super::types::Types;
use crate::clock::Time;

/// What an evaluation may take at most. A limit that is reached is an error of kind
/// [`super::ErrorKind::Limit`], never a hang.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps: items looked at, and operators applied.
    pub steps_max: u64,
    /// Operators that are evaluated inside each other: what the parser lets through, and `repeat` and `resolve` in
    /// it. The stack of a thread of 2 MiB carries the default.
    pub depth_max: u32,
    /// Items of one collection.
    pub items_max: usize,
    /// Bytes of one text that is made.
    pub text_max: usize,
    /// Bytes that a compiled regular expression may take.
    pub regex_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps_max: 10_000_000,
            depth_max: 400,
            items_max: 200_000,
            text_max: 4 << 20,
            regex_max: 4 << 20,
        }
    }
}

/// What the language leaves to its surroundings. Every answer may be "cannot be told"
/// ([`PathError::not_checked`]), which is what each method says unless it is written anew.
pub trait Host: Send + Sync {
    /// The resource that a reference names, beyond the contained ones and those of the bundle.
    fn resolve(&self, _reference: &str) -> Option<&Value> {
        None
    }

    /// Whether a resource or element meets a profile.
    ///
    /// # Errors
    /// Whatever keeps it from being told.
    fn conforms(&self, _node: &Node<'_>, _profile: &str) -> Result<bool, PathError> {
        Err(PathError::not_checked("no profiles are at hand"))
    }

    /// Whether a code, Coding or CodeableConcept is in a value set.
    ///
    /// # Errors
    /// Whatever keeps it from being told.
    fn member(&self, _node: &Node<'_>, _set: &str) -> Result<bool, PathError> {
        Err(PathError::not_checked("no value sets are at hand"))
    }

    /// Whether a narrative's `div` keeps FHIR's rules (`htmlChecks()`).
    ///
    /// # Errors
    /// Whatever keeps it from being told.
    fn narrative(&self, _div: &str) -> Result<bool, PathError> {
        Err(PathError::not_checked("no check of narratives is at hand"))
    }
}

/// A host that knows nothing.
struct Nobody;

impl Host for Nobody {}

/// What an expression is evaluated with. Cheap to make; make one per resource.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub(super) types: &'a Types,
    pub(super) resource: Option<Node<'a>>,
    pub(super) root: Option<Node<'a>>,
    pub(super) context: Option<Node<'a>>,
    pub(super) host: &'a dyn Host,
    pub(super) now: Option<Time>,
    pub(super) variables: &'a [(&'a str, &'a [Item<'a>])],
    pub(super) limits: Limits,
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

impl<'a> Env<'a> {
    /// With types only: `%resource` is what is evaluated on.
    #[must_use]
    pub fn new(types: &'a Types) -> Self {
        Env {
            types,
            resource: None,
            root: None,
            context: None,
            host: &Nobody,
            now: None,
            variables: &[],
            limits: Limits::default(),
        }
    }

    /// Sets `%resource`, and `%rootResource` unless that is set otherwise.
    #[must_use]
    pub fn resource(self, resource: &'a Value) -> Self {
        Env {
            resource: Some(Node::resource(self.types, resource)),
            ..self
        }
    }

    /// Sets `%rootResource`: what holds `%resource`, where that is contained.
    #[must_use]
    pub fn root(self, root: &'a Value) -> Self {
        Env {
            root: Some(Node::resource(self.types, root)),
            ..self
        }
    }

    /// Sets `%context`, which otherwise is what is evaluated on.
    #[must_use]
    pub fn context(self, context: Node<'a>) -> Self {
        Env {
            context: Some(context),
            ..self
        }
    }

    /// Sets who answers what the language leaves open.
    #[must_use]
    pub fn host(self, host: &'a dyn Host) -> Self {
        Env { host, ..self }
    }

    /// Sets what `now()`, `today()` and `timeOfDay()` say (in UTC). Without it they are errors.
    #[must_use]
    pub fn now(self, now: Time) -> Self {
        Env {
            now: Some(now),
            ..self
        }
    }

    /// Sets variables of the caller, by name without `%`.
    #[must_use]
    pub fn variables(self, variables: &'a [(&'a str, &'a [Item<'a>])]) -> Self {
        Env { variables, ..self }
    }

    /// Sets limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Env { limits, ..self }
    }
}
