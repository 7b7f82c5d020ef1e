//! Several effects as one FHIR transaction (R4, http.html#transaction): a `POST` of a Bundle to the base, of
//! which the EHR does all or nothing.
//!
//! | crosswalk row | entry | its answer |
//! | --- | --- | --- |
//! | none | `POST` with `ifNoneExist` | 201 done; 200 there already: looked at by itself |
//! | one | `PUT` with `ifMatch` | 200, 201, 204 done |
//!
//! References to what the same transaction creates are its `fullUrl`. A transaction that is refused as a
//! whole did nothing: each effect goes by itself then, and its own answer says which of them it was.
//!
//! Must never send what a repeat would double, also one that arrives after a second transaction: an effect that
//! cannot be found by a query yet stays out. A Provenance whose target has no name there is found by the
//! target's identifier, where the EHR understands chained searches and the target is made by the same
//! transaction, so that it is referred to by its name there, whichever transaction comes first.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::ids::Hash;
use crate::partner::ehr_fhir::EhrFhir;
use crate::partner::ehr_fhir::answers::{etag, failure, location, outcome_error};
use crate::partner::ehr_fhir::exchange::Exchange;
use crate::partner::ehr_fhir::fill::{Names, Within, fill};
use crate::partner::wire::Heard;
use crate::sync::job::{Effect, EffectKind};
use crate::sync::ports::{Delivery, Fate, Together};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Remote, Verdict};

/// How many of these, from the first on, can go in one transaction.
pub fn fits(ehr: &EhrFhir, deliveries: &[Delivery<'_>]) -> usize {
    let wrote = AtomicBool::new(false);
    let mut found_by = BTreeSet::new();
    let fit = deliveries.iter().enumerate().take_while(|(n, delivery)| {
        let exchange = Exchange {
            ehr,
            delivery,
            wrote: &wrote,
        };
        let what = &delivery.effect.what;
        what.payload.is_some()
            && match (what.kind, exchange.row()) {
                (EffectKind::Upsert, None) => {
                    let before = deliveries[..*n].iter().map(|d| d.effect);
                    // Of two that one query finds, the EHR could not tell which it has.
                    let query = exchange.query_among(before);
                    query.is_some_and(|query| found_by.insert((&what.resource_type, query)))
                }
                (EffectKind::Upsert | EffectKind::Retract, Some(row)) => {
                    row.version.is_some() || !ehr.config.if_match
                }
                (EffectKind::Retract, None) | (EffectKind::Patient | EffectKind::Message, _) => {
                    false
                }
            }
    });
    fit.take(ehr.config.transaction_entries_max).count()
}

/// Sends them in one transaction.
pub async fn send(ehr: &EhrFhir, deliveries: &[Delivery<'_>], wrote: &AtomicBool) -> Together {
    let exchanges: Vec<Exchange<'_>> = deliveries
        .iter()
        .map(|delivery| Exchange {
            ehr,
            delivery,
            wrote,
        })
        .collect();
    let Some(first) = exchanges.first() else {
        return Together::Apart(Answer::new(Verdict::Refused, Reason::Unsupported));
    };
    let sent = async {
        let body = bundle(&exchanges)?;
        let ask = first.write(Method::POST, ehr.url(&[])?, body);
        first.send(ask).await
    };
    match sent.await {
        Ok(heard) => understood(&heard, &exchanges),
        Err(answer) if answer.verdict == Verdict::Refused => Together::Apart(answer),
        Err(answer) => Together::Failed(answer),
    }
}

/// The bundle, put together of the bodies' text.
fn bundle(exchanges: &[Exchange<'_>]) -> Result<Vec<u8>, Answer> {
    let creates = exchanges.iter().filter(|e| e.row().is_none());
    let within: Within = creates
        .map(|e| {
            let effect = e.delivery.effect;
            let what = &effect.what;
            let name = (what.resource_type.clone(), what.our_id.clone());
            (name, full_url(effect))
        })
        .collect();
    let broken = || Answer::new(Verdict::Refused, Reason::Integrity);
    let mut out = br#"{"resourceType":"Bundle","type":"transaction","entry":["#.to_vec();
    for (n, exchange) in exchanges.iter().enumerate() {
        let what = &exchange.delivery.effect.what;
        let names = Names {
            rows: exchange.delivery.rows,
            within: Some(&within),
        };
        let payload = what.payload.as_ref().ok_or_else(broken)?;
        let body = fill(payload, names).map_err(|_| broken())?;
        let (full_url, body, request) = match exchange.row() {
            None => {
                let query = exchange.query().ok_or_else(broken)?;
                (
                    full_url(exchange.delivery.effect),
                    body.bytes().to_vec(),
                    json!({"method": "POST", "url": what.resource_type, "ifNoneExist": query}),
                )
            }
            Some(row) => {
                let url = format!("{}/{}", what.resource_type, row.id);
                let mut request = json!({"method": "PUT", "url": url});
                if let Some(version) = row.version.filter(|_| exchange.ehr.config.if_match) {
                    request["ifMatch"] = json!(format!("W/\"{version}\""));
                }
                let full_url = format!("{}/{url}", exchange.ehr.config.url);
                (full_url, body.with_id(&row.id), request)
            }
        };
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(
            format!("{{\"fullUrl\":{},\"resource\":", json!(full_url)).as_bytes(),
        );
        out.extend_from_slice(&body);
        out.extend_from_slice(format!(",\"request\":{request}}}").as_bytes());
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// What something that is created is called within its transaction: a UUID of our id (RFC 9562, version 8),
/// the same at every attempt.
fn full_url(effect: &Effect) -> String {
    let what = &effect.what;
    let hex = Hash::sha256(format!("{}/{}", what.resource_type, what.our_id).as_bytes()).hex();
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..15],
        &hex[15..18],
        &hex[18..30]
    )
}

/// A `transaction-response`, as far as it is needed.
#[derive(Deserialize)]
struct Response {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    response: Option<EntryResponse>,
}

#[derive(Deserialize)]
struct EntryResponse {
    status: String,
    location: Option<String>,
    etag: Option<String>,
}

/// What the answer to a transaction means.
fn understood(heard: &Heard, exchanges: &[Exchange<'_>]) -> Together {
    if !heard.is_success() {
        let answer = failure(heard);
        // Refused, or in conflict with what is there: rolled back as a whole.
        return match answer.verdict == Verdict::Refused || heard.status == 409 {
            true => Together::Apart(Answer {
                verdict: Verdict::Refused,
                ..answer
            }),
            false => Together::Failed(answer),
        };
    }
    if let Some(answer) = outcome_error(heard) {
        return match answer.verdict {
            Verdict::Refused => Together::Apart(answer),
            _ => Together::Failed(answer),
        };
    }
    let response: Option<Response> = serde_json::from_slice(&heard.body).ok();
    let entries = response
        .filter(|r| r.resource_type == "Bundle" && r.entry.len() == exchanges.len())
        .filter(|_| heard.complete)
        .map(|r| r.entry);
    let Some(entries) = entries else {
        return Together::Failed(heard.answer(Verdict::Unsure, Reason::BrokenAnswer));
    };
    let fates = exchanges.iter().zip(entries);
    let fates = fates.map(|(exchange, entry)| match entry.response {
        Some(response) => fate(exchange, &response),
        None => Fate::Open,
    });
    let fates = fates.collect();
    Together::Taken(heard.answer(Verdict::Accepted, Reason::Delivered), fates)
}

/// What became of one.
fn fate(exchange: &Exchange<'_>, response: &EntryResponse) -> Fate {
    let status = response.status.get(..3).and_then(|s| s.parse::<u16>().ok());
    let resource_type = &exchange.delivery.effect.what.resource_type;
    let located = response.location.as_deref();
    let located = located.and_then(|l| location(l, resource_type));
    let version = response.etag.as_deref().and_then(etag);
    match (exchange.row(), status, located) {
        (None, Some(201), Some((id, in_location))) => Fate::Done(Remote {
            id,
            version: version.or(in_location),
        }),
        // Made by an attempt of ours whose answer was lost, or by an older version; or it does not say what
        // it is called.
        (None, Some(200 | 201), _) => Fate::There,
        (Some(row), Some(200 | 201 | 204), located) => Fate::Done(Remote {
            id: row.id,
            version: version.or_else(|| located.and_then(|(_, version)| version)),
        }),
        _ => Fate::Open,
    }
}
