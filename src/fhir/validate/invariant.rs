//! Rules named by an invariant's key (`obs-6`, `us-core-21`): FHIRPath of types and profiles.
//!
//! An expression is compiled when it is first needed. What it says of an object that has none of the
//! elements that its text names is worked out once, so that most objects cost a look at their keys.
//! What cannot be decided here is `invariant-not-checked`. Some invariants stand on every element or are costly as
//! written, and have code of their own: `ele-1`, `ext-1`, `ref-1`, `dom-3`.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::at::At;
use super::check::{Check, Core};
use super::model::Shape;
use super::terminology::Answer;
use crate::fhir::facts::Constraint;
use crate::fhir::path::{Env, ErrorKind, Expression, Host, Item, Node, PathError, TypeId};
use crate::issue::{Issue, Severity};

/// Invariants that have code of their own, or follow from what has.
const BY_HAND: &[&str] = &["ele-1", "ext-1", "ref-1", "dom-3", "txt-1", "txt-2"];

/// Expressions of R4's own that do not say what their words say: (key, as written, as meant). Only
/// R4's own definitions are read so; a package is taken at its word.
const MENDED: &[(&str, &str, &str)] = &[(
    // "If effective is a dateTime and has a value": as written it fails for every Period.
    "vs-1",
    "($this as dateTime).toString().length() >= 8",
    "$this is dateTime implies $this.toString().length() >= 8",
)];

/// An invariant, compiled when it is first asked.
#[derive(Debug)]
pub(super) struct Invariant {
    /// Its key, which is the rule's id.
    pub key: Box<str>,
    error: bool,
    human: Box<str>,
    text: Box<str>,
    compiled: OnceLock<Result<Expression, PathError>>,
    guard: OnceLock<Option<Guard>>,
    /// Of a shape's: the elements that it looks at, a bit each, and whether it holds without them.
    quiet: OnceLock<Option<(u128, bool)>>,
}

/// What an invariant says of objects that have none of the elements that it names.
#[derive(Debug)]
struct Guard {
    words: Vec<Box<str>>,
    holds: bool,
}

impl Invariant {
    /// From facts; `None` for what has code of its own.
    pub(super) fn new(facts: &Constraint) -> Option<Invariant> {
        (!BY_HAND.contains(&facts.key.as_str())).then(|| Invariant {
            key: facts.key.as_str().into(),
            error: facts.error,
            human: facts.human.as_str().into(),
            text: facts.expression.as_str().into(),
            compiled: OnceLock::new(),
            guard: OnceLock::new(),
            quiet: OnceLock::new(),
        })
    }

    /// Of the place where an extension stands.
    pub(super) fn of_place(text: &str) -> Invariant {
        Invariant {
            key: "extension-context".into(),
            error: true,
            human: "".into(),
            text: text.into(),
            compiled: OnceLock::new(),
            guard: OnceLock::new(),
            quiet: OnceLock::new(),
        }
    }

    /// How bad it is where it does not hold.
    pub(super) fn severity(&self) -> Severity {
        if self.error {
            Severity::Error
        } else {
            Severity::Warning
        }
    }

    /// Reads an expression of R4's own as it is meant.
    pub(super) fn mend(&mut self) {
        for (key, written, meant) in MENDED {
            if *key == &*self.key && *written == &*self.text {
                self.text = (*meant).into();
            }
        }
    }

    /// Its expression.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// All that have no code of their own.
    pub(super) fn all(facts: &[Constraint]) -> Vec<Invariant> {
        facts.iter().filter_map(Invariant::new).collect()
    }

    fn expression(&self) -> &Result<Expression, PathError> {
        self.compiled
            .get_or_init(|| Expression::compile(&self.text))
    }

    /// The guard, if the text looks at nothing but elements that it names.
    fn guard(&self, core: &Core) -> Option<&Guard> {
        let make = || {
            const BEYOND: &[&str] = &[
                "children",
                "descendants",
                "this",
                "is",
                "as",
                "type",
                "hasValue",
                "toString",
                "length",
                "matches",
                "now",
                "today",
                "resource",
                "rootResource",
                "context",
                "resolve",
                "conformsTo",
                "memberOf",
                "trace",
                "contained",
            ];
            let split = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let mut words: Vec<Box<str>> = self.text.split(split).map(Box::from).collect();
            let begins = words.first().cloned().unwrap_or_default();
            if words.iter().any(|word| BEYOND.contains(&&**word)) && &*begins != "contained" {
                return None;
            }
            words.retain(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
            words.sort();
            words.dedup();
            let expression = self.expression().as_ref().ok()?;
            let empty = Value::Object(Map::new());
            let env = Env::new(&core.types);
            let node = Node::element(Some(&empty), None, TypeId::UNKNOWN);
            let holds = expression.holds(&env, node).ok()?;
            Some(Guard { words, holds })
        };
        self.guard.get_or_init(make).as_ref()
    }
}

impl Guard {
    /// Whether an object has something that the invariant may look at.
    fn touches(&self, map: &Map<String, Value>) -> bool {
        map.keys().any(|key| {
            let key = key.strip_prefix('_').unwrap_or(key);
            self.words.iter().any(|word| {
                key.strip_prefix(&**word).is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_uppercase())
                })
            })
        })
    }
}

impl Guard {
    /// The elements of a shape that the invariant may look at, a bit each; `None` if they have no bits.
    fn bits(&self, shape: &Shape) -> Option<u128> {
        let mut out = 0;
        for (at, element) in shape.elements.iter().enumerate() {
            let named = |word: &str| {
                *word == *element.name || element.types.iter().any(|kind| *kind.key == *word)
            };
            if self.words.iter().any(|word| named(word)) {
                out |= 1_u128.checked_shl(u32::try_from(at).ok()?)?;
            }
        }
        Some(out)
    }
}

impl<'a> Check<'a> {
    /// Invariants of an object of a shape; `seen` has a bit for each element that it holds.
    pub(super) fn shape_invariants(
        &mut self,
        shape: &'a Shape,
        seen: u128,
        value: &'a Value,
        at: &At<'_>,
    ) {
        for invariant in &shape.constraints {
            let quiet = *invariant.quiet.get_or_init(|| {
                let guard = invariant.guard(self.core)?;
                Some((guard.bits(shape)?, guard.holds))
            });
            match quiet {
                Some((bits, true)) if bits & seen == 0 => {}
                Some((bits, false)) if bits & seen == 0 => self.broken(invariant, at),
                _ => self.told(invariant, Node::element(Some(value), None, shape.kind), at),
            }
        }
    }

    /// Invariants of one value.
    pub(super) fn invariants(
        &mut self,
        all: &'a [Invariant],
        value: Option<&'a Value>,
        companion: Option<&'a Value>,
        kind: TypeId,
        at: &At<'_>,
    ) {
        for invariant in all {
            if let Some(Value::Object(map)) = value
                && let Some(guard) = invariant.guard(self.core)
                && !guard.touches(map)
            {
                if !guard.holds {
                    self.broken(invariant, at);
                }
                continue;
            }
            let named = value.and_then(|value| value.get("resourceType"));
            let own = named
                .and_then(Value::as_str)
                .and_then(|name| self.core.types.id(name));
            let node = Node::element(value, companion, own.unwrap_or(kind));
            self.told(invariant, node, at);
        }
    }

    /// Asks an invariant, and notes it if it does not hold or cannot be told.
    fn told(&mut self, invariant: &'a Invariant, node: Node<'a>, at: &At<'_>) {
        match self.truth(invariant, node, None) {
            Ok(false) => self.broken(invariant, at),
            Ok(true) => {}
            Err(error) => self.undecided(invariant, &error, at),
        }
    }

    /// An invariant that cannot be told.
    pub(super) fn undecided(&mut self, invariant: &Invariant, error: &PathError, at: &At<'_>) {
        let severity = match error.kind() {
            ErrorKind::NotChecked => Severity::Information,
            _ => Severity::Warning,
        };
        let words = format!("not checked: invariant {}, {error}", invariant.key);
        self.say(
            severity,
            "not-supported",
            "invariant-not-checked",
            at,
            words,
        );
    }

    /// Whether an invariant holds of a node. `extension` is what `%extension` means, if anything.
    pub(super) fn truth(
        &self,
        invariant: &'a Invariant,
        node: Node<'a>,
        extension: Option<Node<'a>>,
    ) -> Result<bool, PathError> {
        let own = extension.map(|extension| [Item::Node(extension)]);
        let named = own.as_ref().map(|own| [("extension", &own[..])]);
        let around = self.around();
        let env = self.env(&around);
        let env = match &named {
            Some(named) => env.variables(named),
            None => env,
        };
        invariant
            .expression()
            .as_ref()
            .map_err(Clone::clone)?
            .holds(&env, node)
    }

    /// Whether a path leads from the resource to a place, or is true there.
    pub(super) fn leads_to(&self, path: &'a Invariant, place: Node<'a>) -> Result<bool, PathError> {
        let around = self.around();
        let env = self.env(&around);
        let expression = path.expression().as_ref().map_err(Clone::clone)?;
        let same = |found: Option<&Value>, own: Option<&Value>| match (found, own) {
            (Some(found), Some(own)) => std::ptr::eq(found, own),
            _ => false,
        };
        let found = expression.evaluate(&env, Node::resource(&self.core.types, self.current))?;
        let led = found.iter().any(|item| match item {
            Item::Node(node) => {
                same(node.value(), place.value()) || same(node.companion(), place.companion())
            }
            _ => false,
        });
        Ok(led || matches!(expression.evaluate(&env, place)?[..], [Item::Boolean(true)]))
    }

    fn around(&self) -> Around<'a> {
        Around {
            core: self.core,
            root: self.root,
            bundle: self.bundle,
            depth: self.depth,
        }
    }

    fn env<'b>(&'b self, around: &'b Around<'a>) -> Env<'b> {
        let env = Env::new(&self.core.types)
            .resource(self.current)
            .root(self.root)
            .host(around)
            .limits(self.core.limits);
        match self.core.now() {
            Some(now) => env.now(now),
            None => env,
        }
    }

    fn broken(&mut self, invariant: &Invariant, at: &At<'_>) {
        let human = match &*invariant.human {
            "" => super::invariant_words::of(&invariant.key),
            human => Some(human),
        };
        let words = match human {
            None => format!("does not hold: {}", invariant.text),
            Some(human) => format!("{human} (does not hold: {})", invariant.text),
        };
        let mut issue = Issue::error("invariant", invariant.key.to_string(), at.text(), words);
        issue.severity = invariant.severity();
        if let Some(profile) = &self.profile {
            issue = issue.of(profile.to_string());
        }
        self.issues.push(issue);
    }

    /// ele-1: an element has a value, or something in it beside its id.
    pub(super) fn something(&mut self, map: &Map<String, Value>, at: &At<'_>) {
        if map.len() == 1 && map.contains_key("id") {
            let words = "an element has a value or elements of its own, not an id alone";
            self.error("invariant", "ele-1", at, words);
        }
    }

    /// ext-1: an extension has a value or extensions, not both and not none.
    pub(super) fn value_or_extensions(&mut self, map: &Map<String, Value>, at: &At<'_>) {
        let value = map.keys().any(|key| {
            let key = key.strip_prefix('_').unwrap_or(key);
            key.starts_with("value")
        });
        if value == map.contains_key("extension") {
            let words = "an extension has either a value or extensions of its own";
            self.error("invariant", "ext-1", at, words);
        }
    }
}

/// What expressions are answered from.
struct Around<'a> {
    core: &'a Core,
    root: &'a Value,
    bundle: Option<&'a Value>,
    depth: u8,
}

impl Host for Around<'_> {
    fn resolve(&self, reference: &str) -> Option<&Value> {
        super::bundle::entries(self.bundle?, reference).next()
    }

    fn conforms(&self, node: &Node<'_>, profile: &str) -> Result<bool, PathError> {
        let Some(value) = node.value() else {
            return Ok(false);
        };
        let kind = value.get("resourceType").and_then(Value::as_str);
        let Some(known) = self.core.model.profiles.get(profile) else {
            let plain = profile.split('|').next().unwrap_or(profile);
            let own = plain.strip_prefix("http://hl7.org/fhir/StructureDefinition/");
            return match own {
                Some("Resource") => Ok(true),
                Some(own) if self.core.model.types.contains_key(own) => Ok(kind == Some(own)),
                _ => Err(PathError::not_checked("a profile that is not known here")),
            };
        };
        if kind.is_some_and(|kind| *known.kind != *kind) {
            return Ok(false);
        }
        if self.depth > 8 {
            return Err(PathError::not_checked("profiles that ask for each other"));
        }
        let mut check = Check::new(self.core, value);
        check.bundle = self.bundle;
        check.depth = self.depth + 1;
        check.kind = kind.unwrap_or_default();
        check.above = 1;
        check.under(known, value, &At::root(kind.unwrap_or("Element")));
        Ok(!crate::issue::any_error(&check.issues))
    }

    fn member(&self, node: &Node<'_>, set: &str) -> Result<bool, PathError> {
        let Some(value) = node.value() else {
            return Ok(false);
        };
        let check = Check::new(self.core, self.root);
        match check.answer(set, value) {
            Answer::In => Ok(true),
            Answer::Out => Ok(false),
            Answer::Unknown => Err(PathError::not_checked("a value set that is not here")),
        }
    }

    fn narrative(&self, div: &str) -> Result<bool, PathError> {
        Ok(super::narrative::sound(div, &mut Vec::new()).is_ok())
    }
}
