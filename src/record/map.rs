//! The words of mapping: what a map needs, what it gives, what it could not carry.
//!
//! A map answers three questions at once: the resources, *which field made which element*, and
//! *which source fields were not carried*; later issues show both to people.

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::Time;
use crate::ids::Key;
use crate::issue::Issue;
use crate::record::Kind;

/// What a map needs besides the record and its context: the tenant's facts and the moment.
#[derive(Clone, Debug)]
pub struct MapEnv {
    /// The tenant's base address, without a slash at its end; `identifier.system`s are made from it.
    pub base: String,
    /// The tenant's zone.
    pub zone: TimeZone,
    /// The tenant's key, for resource ids.
    pub key: Key,
    /// Now, for rules that need today's date.
    pub now: Time,
}

impl MapEnv {
    /// The environment of the `map` command and of fixtures: `https://clinic.example`, New York.
    ///
    /// # Panics
    /// Never: the zone is bundled.
    #[must_use]
    pub fn example() -> Self {
        MapEnv {
            base: "https://clinic.example".to_owned(),
            zone: TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC),
            key: Key::new(b"example"),
            now: Time::from_micros(1_795_521_600_000_000), // 2026-11-24T12:00:00Z
        }
    }

    /// `identifier.system` of records of this kind: `{base}/id/{kind}`.
    #[must_use]
    pub fn system(&self, kind: Kind) -> String {
        format!("{}/id/{kind}", self.base)
    }

    /// The kind whose identifier system this is, if it is one of this tenant's.
    #[must_use]
    pub fn kind_of_system(&self, system: &str) -> Option<Kind> {
        Kind::parse(self.kind_name_of_system(system)?)
    }

    /// The name of the kind whose identifier system this is, if it is one of this tenant's: one of
    /// [`Kind`]'s, or what a relay's things are called.
    #[must_use]
    pub fn kind_name_of_system<'a>(&self, system: &'a str) -> Option<&'a str> {
        system
            .strip_prefix(self.base.as_str())?
            .strip_prefix("/id/")
    }

    /// The FHIR id of what `part` of a record becomes (`""` for the principal resource).
    #[must_use]
    pub fn id(&self, kind: Kind, id: &str, part: &str) -> String {
        self.key.resource_id(kind.as_str(), id, part)
    }

    /// The business identifier of a part: value is the record's id, or `id/part`.
    #[must_use]
    pub fn identifier(&self, kind: Kind, id: &str, part: &str) -> Value {
        let value = if part.is_empty() {
            id.to_owned()
        } else {
            format!("{id}/{part}")
        };
        json!({"system": self.system(kind), "value": value})
    }

    /// A reference to what a record (or a part of it) becomes: our relative address, its type and its
    /// identifier. At a partner the address is filled from the crosswalk, or left out, and then the
    /// identifier stands alone (contracts section 5).
    #[must_use]
    pub fn reference(&self, resource_type: &str, kind: Kind, id: &str, part: &str) -> Value {
        json!({
            "reference": format!("{resource_type}/{}", self.id(kind, id, part)),
            "type": resource_type,
            "identifier": self.identifier(kind, id, part),
        })
    }
}

/// What is said when a record cannot be mapped because its episode, and so its client, is not known.
#[must_use]
pub fn no_episode(pointer: &str) -> Issue {
    Issue::error(
        "not-found",
        "context-client",
        pointer,
        "neither the episode nor the record says whom it is about",
    )
}

/// Where an identifier value of ours points: record id and part.
#[must_use]
pub fn split_identifier(value: &str) -> (&str, &str) {
    value.split_once('/').unwrap_or((value, ""))
}

/// One resource that a record became.
#[derive(Clone, Debug)]
pub struct MappedResource {
    /// Which part of the record it is: `""` the principal one, else a stable name within the record
    /// (`medication`, `item/3`, `goal/g1`, `provenance`).
    pub part: String,
    /// The profile of ours that it must pass, as its canonical URL; the base type where `None`.
    pub profile: Option<&'static str>,
    /// The resource, with its `id`; references to what is ours are made by [`MapEnv::reference`].
    pub value: Value,
}

/// Which field made which element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// FHIRPath of the element, beginning with the part's resource type, e.g.
    /// `MedicationRequest.dosageInstruction[0].timing`.
    pub element: String,
    /// The part whose resource it stands in.
    pub part: String,
    /// JSON pointer of the source field.
    pub from: String,
}

/// A source field that was not carried, and why: the loss table, per record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCarried {
    /// JSON pointer of the source field.
    pub pointer: String,
    /// Why, in words (from the kind's declared loss table).
    pub reason: &'static str,
}

/// What a record became.
#[derive(Clone, Debug, Default)]
pub struct Mapped {
    /// The resources, the principal one first.
    pub resources: Vec<MappedResource>,
    /// Which field made which element.
    pub made: Vec<Made>,
    /// Which fields were not carried.
    pub not_carried: Vec<NotCarried>,
    /// What could not be mapped (error) or only with a loss somebody should know of (warning);
    /// `path` is a JSON pointer into the record.
    pub issues: Vec<Issue>,
}

impl Mapped {
    /// Notes that `from` made `element` of `part`.
    pub fn made(&mut self, part: &str, element: impl Into<String>, from: impl Into<String>) {
        self.made.push(Made {
            element: element.into(),
            part: part.to_owned(),
            from: from.into(),
        });
    }

    /// Notes that a field was not carried.
    pub fn not_carried(&mut self, pointer: impl Into<String>, reason: &'static str) {
        self.not_carried.push(NotCarried {
            pointer: pointer.into(),
            reason,
        });
    }

    /// Adds a resource.
    pub fn push(&mut self, part: &str, profile: Option<&'static str>, value: Value) {
        self.resources.push(MappedResource {
            part: part.to_owned(),
            profile,
            value,
        });
    }
}

/// What FHIR became: a record in the shape of its contract (not yet checked against it), with the
/// context records that stood beside it.
#[derive(Clone, Debug)]
pub struct FromFhir {
    /// The record.
    pub record: Value,
    /// The context, in the shape of [`crate::record::Context`].
    pub context: Value,
    /// Elements that the record has no place for: warnings with a FHIRPath and the rule `not-mapped`.
    pub issues: Vec<Issue>,
}
