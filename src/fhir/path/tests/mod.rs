//! Tests of the language, by topic. The official suite is in `tests/it/fhirpath.rs`.

mod functions;
mod language;
mod limits;
mod navigation;
mod random;
mod surroundings;
mod values;

use serde_json::Value;

use super::{Env, ErrorKind, Expression, Node, PathError, Types};
use crate::clock::Time;

/// 2026-11-25T10:30:00.250Z.
const NOW: Time = Time::from_micros(1_795_602_600_250_000);

fn try_on(text: &str, resource: &Value) -> Result<Vec<String>, PathError> {
    let types = Types::r4();
    let expression = Expression::compile(text)?;
    let env = Env::new(types).resource(resource).now(NOW);
    let items = expression.evaluate(&env, Node::resource(types, resource))?;
    Ok(items
        .iter()
        .map(|item| match item.to_json() {
            Value::String(text) => format!("{} {text}", item.type_name(types)),
            other => format!("{} {other}", item.type_name(types)),
        })
        .collect())
}

/// What an expression gives on a resource: type and value of each item.
fn on(text: &str, resource: &Value) -> Vec<String> {
    try_on(text, resource).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The same, on nothing in particular.
fn of(text: &str) -> Vec<String> {
    on(text, &Value::Null)
}

/// Every pair of expression and expected items, which stand in one text, divided by `; `.
fn table(rows: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (text, expected) in rows {
        let got = of(text).join("; ");
        if got != *expected {
            wrong.push_str(&format!("{text}: {got}, not {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn kind_of(text: &str) -> Option<ErrorKind> {
    try_on(text, &Value::Null).err().map(|error| error.kind())
}
