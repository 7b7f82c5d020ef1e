//! The contracts of the kinds: JSON Schemas, compiled once, and the typed reading behind them.
//!
//! An unknown field, a wrong type, a bad code is an issue that names the JSON pointer and the rule
//! (`schema-<keyword>`). It must never repeat a value: the words here are ours, one per keyword, and
//! a field name that the sender made up is repeated only if it looks like a field name.

use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind as Broken};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::issue::Issue;
use crate::json::Document;
use crate::record::{Context, Kind, Record};

/// At most so many issues are told of one record: more would not be read.
const ISSUES_MAX: usize = 50;

/// Stored bytes that are no record of their kind any more. Says nothing of what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes are no record of their kind")]
pub struct Unreadable;

/// The contract of a kind, as it is served.
#[must_use]
pub const fn schema(kind: Kind) -> &'static str {
    kind.schema()
}

/// Checks a value against the contract of its kind and reads it.
///
/// # Errors
/// All issues (at most 50), each with the JSON pointer and the rule `schema-<keyword>`.
pub fn parse(kind: Kind, value: &Value) -> Result<Record, Vec<Issue>> {
    check(kind, value)?;
    typed(kind, value).map_err(|_| vec![misread()])
}

/// [`parse`] for a document that the reader at the door made: a key that stood twice keeps it out,
/// because nobody can tell which one was meant.
///
/// # Errors
/// As [`parse`], and `json-duplicate-key`.
pub fn parse_document(kind: Kind, document: &Document) -> Result<Record, Vec<Issue>> {
    if !document.duplicates.is_empty() {
        return Err(document
            .duplicates
            .iter()
            .take(ISSUES_MAX)
            .map(|pointer| {
                let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
                Issue::error(
                    "structure",
                    "json-duplicate-key",
                    named(parent, name).unwrap_or_else(|| parent.to_owned()),
                    "this field stands more than once",
                )
            })
            .collect());
    }
    parse(kind, &document.value)
}

/// Checks a value against the contract of its kind, without reading it.
///
/// # Errors
/// As [`parse`].
pub fn check(kind: Kind, value: &Value) -> Result<(), Vec<Issue>> {
    let validator = compiled(kind);
    if validator.is_valid(value) {
        return Ok(());
    }
    let mut issues = Vec::new();
    for error in validator.iter_errors(value) {
        tell(&error, &mut issues);
        if issues.len() >= ISSUES_MAX {
            break;
        }
    }
    issues.truncate(ISSUES_MAX);
    Err(issues)
}

/// Reads bytes that passed the contract when they were stored: no schema run.
///
/// # Errors
/// [`Unreadable`], if they are no record of this kind.
pub fn from_stored(kind: Kind, bytes: &[u8]) -> Result<Record, Unreadable> {
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Box<T>, Unreadable> {
        serde_json::from_slice(bytes)
            .map(Box::new)
            .map_err(|_| Unreadable)
    }
    Ok(match kind {
        Kind::MedicationRequest => Record::MedicationRequest(read(bytes)?),
        Kind::Observation => Record::Observation(read(bytes)?),
        Kind::CarePlan => Record::CarePlan(read(bytes)?),
        Kind::Client => Record::Client(read(bytes)?),
        Kind::Staff => Record::Staff(read(bytes)?),
        Kind::Pharmacy => Record::Pharmacy(read(bytes)?),
        Kind::Laboratory => Record::Laboratory(read(bytes)?),
        Kind::Episode => Record::Episode(read(bytes)?),
        Kind::Evaluation => Record::Evaluation(read(bytes)?),
        Kind::Consent => Record::Consent(read(bytes)?),
        Kind::ClientMerge => Record::ClientMerge(read(bytes)?),
        Kind::Dispense => Record::Dispense(read(bytes)?),
        Kind::OrderEvent => Record::OrderEvent(read(bytes)?),
    })
}

/// Reads the context of contracts section 11, each member by the contract of its kind.
///
/// # Errors
/// All issues; pointers begin at the context (`/client/name`).
pub fn parse_context(value: &Value) -> Result<Context, Vec<Issue>> {
    let Some(members) = value.as_object() else {
        return Err(vec![Issue::error(
            "structure",
            "schema-type",
            "",
            "expected an object",
        )]);
    };
    let mut context = Context::default();
    let mut issues = Vec::new();
    for (name, member) in members {
        let slot = format!("/{name}");
        match name.as_str() {
            "client" => one(
                Kind::Client,
                member,
                &slot,
                &mut context.client,
                &mut issues,
            ),
            "prescriber" => one(
                Kind::Staff,
                member,
                &slot,
                &mut context.prescriber,
                &mut issues,
            ),
            "pharmacy" => one(
                Kind::Pharmacy,
                member,
                &slot,
                &mut context.pharmacy,
                &mut issues,
            ),
            "episode" => one(
                Kind::Episode,
                member,
                &slot,
                &mut context.episode,
                &mut issues,
            ),
            "evaluation" => {
                one(
                    Kind::Evaluation,
                    member,
                    &slot,
                    &mut context.evaluation,
                    &mut issues,
                );
            }
            "laboratory" => {
                one(
                    Kind::Laboratory,
                    member,
                    &slot,
                    &mut context.laboratory,
                    &mut issues,
                );
            }
            "staff" => many(Kind::Staff, member, &slot, &mut context.staff, &mut issues),
            "orders" => {
                many(
                    Kind::MedicationRequest,
                    member,
                    &slot,
                    &mut context.orders,
                    &mut issues,
                );
            }
            "consents" => many(
                Kind::Consent,
                member,
                &slot,
                &mut context.consents,
                &mut issues,
            ),
            _ => issues.push(unknown("", name)),
        }
    }
    if issues.is_empty() {
        Ok(context)
    } else {
        Err(issues)
    }
}

fn one<T: DeserializeOwned>(
    kind: Kind,
    value: &Value,
    slot: &str,
    into: &mut Option<T>,
    issues: &mut Vec<Issue>,
) {
    *into = member(kind, value, slot, issues);
}

fn many<T: DeserializeOwned>(
    kind: Kind,
    value: &Value,
    slot: &str,
    into: &mut Vec<T>,
    issues: &mut Vec<Issue>,
) {
    let Some(values) = value.as_array() else {
        issues.push(Issue::error(
            "structure",
            "schema-type",
            slot,
            "expected a list",
        ));
        return;
    };
    for (i, value) in values.iter().enumerate() {
        into.extend(member(kind, value, &format!("{slot}/{i}"), issues));
    }
}

fn member<T: DeserializeOwned>(
    kind: Kind,
    value: &Value,
    slot: &str,
    issues: &mut Vec<Issue>,
) -> Option<T> {
    let found = match check(kind, value) {
        Ok(()) => match T::deserialize(value) {
            Ok(member) => return Some(member),
            Err(_) => vec![misread()],
        },
        Err(found) => found,
    };
    issues.extend(found.into_iter().map(|mut issue| {
        issue.path.insert_str(0, slot);
        issue
    }));
    None
}

fn typed(kind: Kind, value: &Value) -> Result<Record, Unreadable> {
    fn read<T: DeserializeOwned>(value: &Value) -> Result<Box<T>, Unreadable> {
        T::deserialize(value).map(Box::new).map_err(|_| Unreadable)
    }
    Ok(match kind {
        Kind::MedicationRequest => Record::MedicationRequest(read(value)?),
        Kind::Observation => Record::Observation(read(value)?),
        Kind::CarePlan => Record::CarePlan(read(value)?),
        Kind::Client => Record::Client(read(value)?),
        Kind::Staff => Record::Staff(read(value)?),
        Kind::Pharmacy => Record::Pharmacy(read(value)?),
        Kind::Laboratory => Record::Laboratory(read(value)?),
        Kind::Episode => Record::Episode(read(value)?),
        Kind::Evaluation => Record::Evaluation(read(value)?),
        Kind::Consent => Record::Consent(read(value)?),
        Kind::ClientMerge => Record::ClientMerge(read(value)?),
        Kind::Dispense => Record::Dispense(read(value)?),
        Kind::OrderEvent => Record::OrderEvent(read(value)?),
    })
}

#[expect(
    clippy::expect_used,
    reason = "the contracts are part of the program; a test compiles each"
)]
fn compiled(kind: Kind) -> &'static Validator {
    static COMPILED: [OnceLock<Validator>; Kind::ALL.len()] =
        [const { OnceLock::new() }; Kind::ALL.len()];
    COMPILED[kind as usize].get_or_init(|| {
        let schema: Value = serde_json::from_str(kind.schema()).expect("a contract is JSON");
        build(&schema).expect("a contract compiles")
    })
}

fn build(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
}

fn misread() -> Issue {
    Issue::error(
        "structure",
        "schema-model",
        "",
        "the record passes its contract but cannot be read",
    )
}

/// The pointer of a field that the sender named, if the name looks like one; a name may itself carry
/// what was typed into the wrong place.
fn named(parent: &str, name: &str) -> Option<String> {
    let plain = !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then(|| format!("{parent}/{name}"))
}

fn unknown(parent: &str, name: &str) -> Issue {
    const RULE: &str = "schema-additionalProperties";
    match named(parent, name) {
        Some(path) => Issue::error("structure", RULE, path, "the contract has no such field"),
        None => Issue::error("structure", RULE, parent, "an unknown field"),
    }
}

/// Tells one broken keyword in our own words.
fn tell(error: &ValidationError<'_>, issues: &mut Vec<Issue>) {
    let path = error.instance_path().as_str();
    let (code, words): (&'static str, String) = match error.kind() {
        Broken::AdditionalProperties { unexpected }
        | Broken::UnevaluatedProperties { unexpected } => {
            issues.extend(unexpected.iter().map(|name| unknown(path, name)));
            return;
        }
        Broken::Required { property } => {
            // The name comes from the contract, not from the sender.
            let name = property.as_str().unwrap_or_default();
            issues.push(Issue::error(
                "required",
                "schema-required",
                format!("{path}/{name}"),
                "this field is required here",
            ));
            return;
        }
        Broken::Type { kind } => (
            "structure",
            match kind {
                TypeKind::Single(kind) => format!("expected {kind}"),
                TypeKind::Multiple(_) => "expected another type".to_owned(),
            },
        ),
        Broken::Enum { .. } => ("code-invalid", "not one of the codes allowed here".into()),
        Broken::Constant { .. } => ("value", "not the value that is fixed here".into()),
        Broken::Pattern { .. } => ("value", "not in the form that is asked for here".into()),
        Broken::Format { format } => ("value", format!("not a valid {format}")),
        Broken::MaxLength { limit } => ("too-long", format!("longer than {limit} characters")),
        Broken::MinLength { limit } => ("value", format!("shorter than {limit} characters")),
        Broken::MaxItems { limit } => ("too-long", format!("more than {limit} entries")),
        Broken::MinItems { limit } => ("required", format!("fewer than {limit} entries")),
        Broken::MaxProperties { limit } => ("too-long", format!("more than {limit} fields")),
        Broken::MinProperties { limit } => ("required", format!("fewer than {limit} fields")),
        Broken::Minimum { limit } => ("value", format!("below {limit}")),
        Broken::Maximum { limit } => ("value", format!("above {limit}")),
        Broken::ExclusiveMinimum { limit } => ("value", format!("not above {limit}")),
        Broken::ExclusiveMaximum { limit } => ("value", format!("not below {limit}")),
        Broken::MultipleOf { .. } => ("value", "not a multiple of the step".into()),
        Broken::UniqueItems => ("value", "an entry stands twice".into()),
        Broken::Contains => ("required", "an entry is missing that must be there".into()),
        Broken::FalseSchema | Broken::Not { .. } => {
            ("structure", "not allowed together with the rest".into())
        }
        Broken::AnyOf { .. } | Broken::OneOfNotValid { .. } => {
            ("structure", "fits none of the forms allowed here".into())
        }
        Broken::OneOfMultipleValid { .. } => (
            "structure",
            "fits more than one form where one is meant".into(),
        ),
        _ => ("structure", "breaks the contract".into()),
    };
    issues.push(Issue::error(
        code,
        format!("schema-{}", error.kind().keyword()),
        path,
        words,
    ));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client() -> Value {
        json!({
            "client_no": "C-1", "version": 1, "name": {"last": "Canaryreed", "first": "Una"},
            "birth_date": "1990-01-31", "gender": "female",
        })
    }

    fn rules(issues: &[Issue]) -> Vec<(&str, &str)> {
        issues
            .iter()
            .map(|i| (i.rule.as_ref(), i.path.as_str()))
            .collect()
    }

    #[test]
    fn every_contract_compiles_and_names_itself() {
        for kind in Kind::ALL {
            let schema: Value = serde_json::from_str(schema(kind)).expect("JSON");
            build(&schema).expect("compiles");
            if schema != json!({}) {
                assert_eq!(
                    schema["$id"],
                    format!("https://fhir-gateway.example/schema/{kind}"),
                );
                assert_eq!(
                    schema["$schema"],
                    "https://json-schema.org/draft/2020-12/schema"
                );
            }
        }
    }

    #[test]
    fn every_kind_has_a_place_of_its_own_among_the_compiled() {
        let mut places: Vec<usize> = Kind::ALL.iter().map(|k| *k as usize).collect();
        places.sort_unstable();
        assert_eq!(places, (0..Kind::ALL.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_record_within_its_contract_is_read_and_read_again_from_its_bytes() {
        let record = parse(Kind::Client, &client()).expect("fits");
        assert_eq!(record.to_json(), client());
        let bytes = serde_json::to_vec(&client()).expect("JSON");
        let again = from_stored(Kind::Client, &bytes).expect("reads");
        assert_eq!(again.to_json(), client());
        assert_eq!(from_stored(Kind::Client, b"{}").err(), Some(Unreadable));
    }

    #[test]
    fn an_issue_names_the_pointer_and_the_rule_and_never_the_value() {
        let mut value = client();
        value["birth_date"] = json!("Canary-30-02");
        value["gender"] = json!("Canarygender");
        value["version"] = json!("Canaryversion");
        value["nickname"] = json!("Canarynick");
        value["Canary Reed, 555-0100"] = json!(1);
        value.as_object_mut().expect("object").remove("name");
        let issues = parse(Kind::Client, &value).expect_err("broken");
        let found = rules(&issues);
        for expected in [
            ("schema-format", "/birth_date"),
            ("schema-enum", "/gender"),
            ("schema-type", "/version"),
            ("schema-additionalProperties", "/nickname"),
            ("schema-additionalProperties", ""),
            ("schema-required", "/name"),
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
        let told = serde_json::to_string(&issues).expect("JSON");
        assert!(!told.contains("Canary"), "{told}");
    }

    #[test]
    fn a_key_that_stands_twice_keeps_the_document_out() {
        let bytes = br#"{"client_no":"C-1","client_no":"C-2","version":1}"#;
        let document = crate::json::read(bytes, &crate::json::Limits::default()).expect("JSON");
        let issues = parse_document(Kind::Client, &document).expect_err("twice");
        assert_eq!(rules(&issues), [("json-duplicate-key", "/client_no")]);
    }

    #[test]
    fn a_context_is_read_member_by_member() {
        let context = parse_context(&json!({"client": client()})).expect("fits");
        assert_eq!(context.client.map(|c| c.client_no), Some("C-1".to_owned()));
        let mut broken = client();
        broken["gender"] = json!(7);
        let issues =
            parse_context(&json!({"client": broken, "staff": {}, "dog": {}, "orders": []}))
                .expect_err("broken");
        let found = rules(&issues);
        for expected in [
            ("schema-type", "/client/gender"),
            ("schema-type", "/staff"),
            ("schema-additionalProperties", "/dog"),
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
    }
}
