//! The query by which something of ours is found again at an EHR: the condition of its create, and the
//! question about it. Pure.
//!
//! | found by | query |
//! | --- | --- |
//! | its own identifier | `identifier=system\|value` |
//! | what it is about, which has a name there | `target=Type/their-id&recorded=instant` |
//! | what it is about, which has none yet and is brought by the same job | `target:Type.identifier=system\|value&recorded=instant` |
//!
//! The last one is a chain (R4, search.html#chaining), for EHRs that understand it. It finds what refers to its
//! target by the target's name there, so it must not stand for what goes before its target.

use crate::sync::job::{Effect, EffectKind, Find};
use crate::sync::ports::Rows;

/// The search parameters that find a resource, as a query; `None` where there are none, or where what they
/// name has no row yet and is none of those that are `brought`, by their identifiers.
pub fn query<'e>(
    find: &Find,
    rows: &Rows,
    brought: impl Iterator<Item = &'e Effect> + Clone,
) -> Option<String> {
    let pairs = match find {
        Find::Identifier { system, value } => {
            vec![("identifier".to_owned(), token(system, value))]
        }
        Find::Search(pairs) => pairs
            .iter()
            .map(|(name, value)| parameter(name, value, rows, brought.clone()))
            .collect::<Option<Vec<_>>>()?,
        Find::SameMessage | Find::None => return None,
    };
    let encoded: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect();
    (!encoded.is_empty()).then(|| encoded.join("&"))
}

/// A parameter's name and value. `{Type/our-id}` becomes `Type/their-id`; without a row, a chain to the
/// identifier of what is brought.
fn parameter<'e>(
    name: &str,
    value: &str,
    rows: &Rows,
    brought: impl Iterator<Item = &'e Effect>,
) -> Option<(String, String)> {
    let Some(named) = value.strip_prefix('{').and_then(|v| v.strip_suffix('}')) else {
        return Some((name.to_owned(), escape(value)));
    };
    let (resource_type, our_id) = named.split_once('/')?;
    if let Some((their_id, _)) = rows.get(&(resource_type.to_owned(), our_id.to_owned())) {
        return Some((name.to_owned(), format!("{resource_type}/{their_id}")));
    }
    // Of what is taken back without a row nothing is ever there.
    let target = brought.map(|effect| &effect.what).find(|what| {
        what.kind == EffectKind::Upsert
            && what.resource_type == resource_type
            && what.our_id == our_id
    })?;
    let Find::Identifier { system, value } = &target.find else {
        return None;
    };
    let chain = format!("{name}:{resource_type}.identifier");
    Some((chain, token(system, value)))
}

/// An identifier as a search value.
fn token(system: &str, value: &str) -> String {
    format!("{}|{}", escape(system), escape(value))
}

/// FHIR's escapes within a search value.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | '|' | ',' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Percent-encodes all that a query does not take as it stands; `|`, `/` and `:` are left, because
/// servers that read `If-None-Exist` without decoding it meet them in every request.
fn percent(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/|,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::job::NewEffect;

    fn brought(kind: EffectKind, our_id: &str, find: Find) -> Effect {
        Effect {
            n: 0,
            what: NewEffect {
                kind,
                resource_type: "MedicationRequest".to_owned(),
                our_id: our_id.to_owned(),
                find,
                payload: None,
            },
            done: false,
        }
    }

    fn identifier(value: &str) -> Find {
        Find::Identifier {
            system: "https://clinic.example/id/medication-request".to_owned(),
            value: value.to_owned(),
        }
    }

    fn provenance() -> Find {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Find::Search(vec![
            pair("target", "{MedicationRequest/RX1}"),
            pair("recorded", "2026-11-24T12:00:00+01:00"),
        ])
    }

    #[test]
    fn a_target_that_has_no_name_there_is_found_by_the_identifier_that_the_job_brings() {
        let order = brought(EffectKind::Upsert, "RX1", identifier("RX-1|a b"));
        let other = brought(EffectKind::Upsert, "RX2", identifier("RX-2"));
        let all = [other.clone(), order];
        assert_eq!(
            query(&provenance(), &Rows::new(), all.iter()).as_deref(),
            Some(concat!(
                "target:MedicationRequest.identifier=https://clinic.example/id/medication-request|RX-1%5C|a%20b",
                "&recorded=2026-11-24T12:00:00%2B01:00"
            ))
        );
        // Not by another's, not by one that has none, not by one that is taken back, and not by nothing.
        for all in [
            vec![other],
            vec![brought(EffectKind::Upsert, "RX1", Find::None)],
            vec![brought(EffectKind::Retract, "RX1", identifier("RX-1"))],
            Vec::new(),
        ] {
            assert_eq!(query(&provenance(), &Rows::new(), all.iter()), None);
        }
    }

    #[test]
    fn a_target_that_has_a_name_there_is_found_by_it_and_what_has_an_identifier_by_that() {
        let name = ("MedicationRequest".to_owned(), "RX1".to_owned());
        let rows = Rows::from([(name, ("77".to_owned(), None))]);
        let order = [brought(EffectKind::Upsert, "RX1", identifier("RX-1"))];
        assert_eq!(
            query(&provenance(), &rows, order.iter()).as_deref(),
            Some("target=MedicationRequest/77&recorded=2026-11-24T12:00:00%2B01:00")
        );
        assert_eq!(
            query(&order[0].what.find, &rows, order.iter()).as_deref(),
            Some("identifier=https://clinic.example/id/medication-request|RX-1")
        );
    }
}
