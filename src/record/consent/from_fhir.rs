//! Consent → consent. Pure; reads ours and, as far as they go, foreign ones, and tells what it has no
//! place for. A foreign consent gives no licence: what kind it is must be one of ours.

use serde_json::{Value, json};

use crate::fhir::system::ACT_REASON;
use crate::issue::Issue;
use crate::record::consent::{Purpose, to_fhir::reason};
use crate::record::party::{read_name, read_phone};
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::writing::code_of;
use crate::record::{FromFhir, Kind, MapEnv};

/// The consent that a Consent is.
///
/// # Errors
/// `resource-type` if the first resource is no Consent.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let resource = bundle
        .first()
        .filter(|r| r["resourceType"] == "Consent")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(resource);
    let id = match r.own_identifier(env, Kind::Consent) {
        Some((id, _)) => id,
        None => foreign_id(env, Kind::Consent, resource),
    };
    let mut record = Fields::default();
    record.put("consent_id", Some(id));
    record.put("version", Some(r.version()));
    let client = r.own_reference(env, "/patient", Kind::Client);
    record.put("client_no", client.map(|(id, _)| id));
    let kind = r.coding("/category/0", &format!("{}/code/consent-kind", env.base));
    if kind.is_some() {
        // Scope, policy, label and words follow from the kind.
        for element in [
            "/category/0",
            "/scope",
            "/policy",
            "/provision/securityLabel",
        ] {
            r.take(element);
        }
    }
    record.put("kind", kind);
    let (granted, family) = actors(&mut r, env);
    record.list("granted_to", granted);
    let scopes = format!("{}/code/info-scope", env.base);
    record.list(
        "info_scope",
        codes(&mut r, "/provision/class", &scopes, |code| {
            Some(code.to_owned())
        }),
    );
    record.list(
        "purpose",
        codes(&mut r, "/provision/purpose", ACT_REASON, purpose),
    );
    let signed = r.date("/dateTime");
    if let Some(signed) = &signed {
        r.exactly("/provision/period/start", signed);
    }
    record.put("signed_on", signed);
    record.put("expires_on", r.date("/provision/period/end"));
    r.exactly("/provision/type", "permit");
    let revoked = r.extension("", "consent-revoked-on", "valueDate");
    r.exactly(
        "/status",
        if revoked.is_some() {
            "inactive"
        } else {
            "active"
        },
    );
    record.put("revoked_on", revoked);
    record.put(
        "revoked_in_writing",
        r.extension("", "consent-revoked-in-writing", "valueBoolean"),
    );
    if let Some(may) = family {
        record.put("family_member", Some(family_member(&mut r, may)));
    }
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}

/// Takes the actors: the parties, and what the family member may receive if there is one.
fn actors(r: &mut Reading, env: &MapEnv) -> (Vec<Value>, Option<Vec<Value>>) {
    let party = format!("{}/id/party", env.base);
    let scopes = format!("{}/code/info-scope", env.base);
    let (mut granted, mut family) = (Vec::new(), None);
    for i in 0..r.count("/provision/actor") {
        let at = format!("/provision/actor/{i}");
        if r.exactly(&format!("{at}/reference/reference"), "#family") {
            let mut may = Vec::new();
            while let Some(extension) = r.extension_at(&at, "consent-may-receive") {
                let coding = r.take(&extension).unwrap_or_default();
                if coding["valueCoding"]["system"] == *scopes {
                    may.push(coding["valueCoding"]["code"].clone());
                }
            }
            r.take(&at);
            family = Some(may);
        } else if r.exactly(&format!("{at}/reference/identifier/system"), &party) {
            if let Some(who) = r.take(&format!("{at}/reference/identifier/value")) {
                granted.push(who);
            }
            r.take(&at);
        }
    }
    (granted, family)
}

fn family_member(r: &mut Reading, may_receive: Vec<Value>) -> Value {
    let mut member = Fields::default();
    member.put("name", read_name(r, "/contained/0/name"));
    member.put("relation", r.text("/contained/0/relationship/0/text"));
    member.put("phone", read_phone(r, "/contained/0/telecom", "phone"));
    member.list("may_receive", may_receive);
    for element in ["resourceType", "id", "patient"] {
        r.take(&format!("/contained/0/{element}"));
    }
    member.done()
}

/// Takes the codings of a system whose code means something.
fn codes(
    r: &mut Reading,
    list: &str,
    system: &str,
    means: impl Fn(&str) -> Option<String>,
) -> Vec<Value> {
    let mut found = Vec::new();
    for i in 0..r.count(list) {
        let at = format!("{list}/{i}");
        let here = r.peek(&at).filter(|c| c["system"] == *system);
        let code = here.and_then(|c| c["code"].as_str()).and_then(&means);
        if let Some(code) = code {
            r.take(&at);
            found.push(Value::String(code));
        }
    }
    found
}

fn purpose(code: &str) -> Option<String> {
    [
        Purpose::Treatment,
        Purpose::Payment,
        Purpose::Operations,
        Purpose::Family,
    ]
    .into_iter()
    .find(|p| reason(*p) == code)
    .map(|p| code_of(&p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::writing::OURS;

    #[test]
    fn a_foreign_consent_is_no_kind_of_ours() {
        let foreign = json!({
            "resourceType": "Consent", "id": "f", "status": "active",
            "scope": {"coding": [{"system": "s", "code": "patient-privacy"}]},
            "patient": {"reference": "Patient/1"},
            "extension": [{"url": format!("{OURS}unknown"), "valueString": "x"}],
        });
        let got = from_fhir(&[foreign], &MapEnv::example()).expect("a Consent");
        assert!(got.record.get("kind").is_none());
        assert!(
            got.issues
                .iter()
                .any(|i| i.path == "Consent.scope.coding[0].code")
        );
        assert!(
            got.issues
                .iter()
                .any(|i| i.path == "Consent.extension[0].valueString")
        );
    }
}
