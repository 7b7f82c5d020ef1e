//! Client merge → the survivor's Patient with `link` replaces, and the other one's with replaced-by.
//!
//! Both are written under the clients' own ids, so that a partner's copies of them are what changes.
//! The other one is written without its data: nobody is to find anything there any more.

use serde_json::json;

use crate::record::client_merge::ClientMerge;
use crate::record::writing::OURS;
use crate::record::{Context, Kind, MapEnv, Mapped, MappedResource};

/// The survivor's Patient as `""`, the other one as `merged`.
#[must_use]
pub fn to_fhir(merge: &ClientMerge, context: &Context, env: &MapEnv) -> Mapped {
    let patient = |no: &str| {
        json!({
            "resourceType": "Patient",
            "id": env.id(Kind::Client, no, ""),
            "identifier": [env.identifier(Kind::Client, no, "")],
        })
    };
    let link = |other: &str, how: &str| {
        json!([{
            "extension": [{
                "url": format!("{OURS}client-merge-event"),
                "extension": [
                    {"url": "merge_id", "valueString": merge.merge_id},
                    {"url": "version", "valuePositiveInt": merge.version},
                    {"url": "merged_on", "valueDate": merge.merged_on.to_string()},
                ],
            }],
            "other": env.reference("Patient", Kind::Client, other, ""),
            "type": how,
        }])
    };
    let mut mapped = Mapped::default();
    let known = context
        .client
        .as_ref()
        .filter(|c| c.client_no == merge.survivor_client_no);
    let mut survivor = known
        .and_then(|client| {
            crate::record::client::to_fhir::to_fhir(client, env)
                .resources
                .pop()
        })
        .unwrap_or_else(|| MappedResource {
            part: String::new(),
            profile: None,
            value: patient(&merge.survivor_client_no),
        });
    survivor.value["link"] = link(&merge.merged_client_no, "replaces");
    mapped.resources.push(survivor);
    let mut other = patient(&merge.merged_client_no);
    other["active"] = json!(false);
    other["link"] = link(&merge.survivor_client_no, "replaced-by");
    mapped.push("merged", None, other);

    for (part, mine, its) in [
        ("", "/survivor_client_no", "/merged_client_no"),
        ("merged", "/merged_client_no", "/survivor_client_no"),
    ] {
        mapped.made(part, "Patient.identifier[0]", mine);
        mapped.made(part, "Patient.link[0].other", its);
        for (i, from) in ["/merge_id", "/version", "/merged_on"]
            .into_iter()
            .enumerate()
        {
            mapped.made(
                part,
                format!("Patient.link[0].extension[0].extension[{i}]"),
                from,
            );
        }
    }
    mapped
}
