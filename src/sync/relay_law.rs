//! What a relayed resource is under the law, and what the gate says to it (contracts section 4).
//!
//! A relay needs no patient of ours unless it is labelled, or its source is marked, as 42 CFR Part 2;
//! then it leaves only under a consent of that patient, asked at acceptance and at each attempt.

use serde_json::Value;

use crate::clock::Date;
use crate::consent::Labels;
use crate::record::consent::{Consent, Scope};
use crate::record::{Context, Kind, Record, contract};
use crate::sync::gate::{self, Word};
use crate::sync::house::{House, Member, Route, Tenant};
use crate::sync::job::VersionRef;
use crate::sync::ports::{StoreError, StoredVersion};

/// Asks the gate about a relayed resource. A type that is none of our kinds counts as the one that
/// the fewest have a use for.
pub(super) fn ask(
    member: &Member,
    routes: &[&Route],
    resource: &Value,
    labels: &Labels,
    context: &Context,
    today: Date,
) -> Word {
    let kind = match resource["resourceType"].as_str().unwrap_or_default() {
        "Patient" => Kind::Client,
        "Practitioner" | "PractitionerRole" => Kind::Staff,
        "Organization" => Kind::Pharmacy,
        name => crate::record::kind_of(name).unwrap_or(Kind::Evaluation),
    };
    gate::ask(member.partner.facts(), routes, kind, labels, context, today)
}

/// The consents of a client, as a context, and which versions they are: the store compares them.
pub(super) async fn consents_of(
    house: &House,
    tenant: &Tenant,
    client: &str,
) -> Result<(Context, Vec<VersionRef>), StoreError> {
    let consents = house.store.consents(&tenant.id, client).await?;
    let versions = consents.iter().map(|s| s.record.clone()).collect();
    let context = Context {
        consents: readable(&consents),
        ..Context::default()
    };
    Ok((context, versions))
}

/// Those of these consents that can be read.
pub(super) fn readable(consents: &[StoredVersion]) -> Vec<Consent> {
    consents
        .iter()
        .filter_map(|s| match contract::from_stored(Kind::Consent, &s.body) {
            Ok(Record::Consent(consent)) => Some(*consent),
            _ => None,
        })
        .collect()
}

/// What a relayed resource is under the law: Part 2 if its source is marked so, or if it says so.
pub(super) fn labels(resource: &Value, routes: &[&Route]) -> Labels {
    let marked = routes.iter().any(|r| r.relay_part2);
    Labels {
        personal: is_personal(resource),
        part2: is_personal(resource) && (marked || is_labelled(resource)),
        scope: match resource["resourceType"].as_str() {
            Some("MedicationRequest" | "MedicationDispense" | "MedicationStatement") => {
                Some(Scope::MedOrders)
            }
            // It may be a drug screen.
            Some("Observation" | "DiagnosticReport") => Some(Scope::Uds),
            Some("CarePlan" | "Goal" | "CareTeam") => Some(Scope::Careplan),
            Some("Condition") => Some(Scope::Evaluation),
            _ => None,
        },
    }
}

/// Whether it is about a person: it names one, or is one.
pub(super) fn is_personal(resource: &Value) -> bool {
    resource["resourceType"] == "Patient"
        || ["subject", "patient"].iter().any(|name| {
            let about = &resource[*name];
            let reference = about["reference"].as_str().unwrap_or_default();
            about.is_object() && !reference.starts_with("Location/")
        })
}

/// Whether `meta.security` says that 42 CFR Part 2 holds (domain.md 4.3: labels as they are sent).
pub(super) fn is_labelled(resource: &Value) -> bool {
    const CODES: [&str; 5] = ["42CFRPart2", "ETH", "SUD", "ETHUD", "OPIOIDUD"];
    let labels = resource.pointer("/meta/security").and_then(Value::as_array);
    labels.into_iter().flatten().any(|label| {
        label["code"]
            .as_str()
            .is_some_and(|code| CODES.contains(&code))
    })
}
