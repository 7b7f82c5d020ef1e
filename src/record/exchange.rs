//! The forms in which `map` and the fixtures hold a record: one JSON object with its context, or a
//! FHIR collection Bundle, principal resource first (contracts section 11).
//!
//! The records that a record leans on stand in the Bundle behind its own resources, so that it can be
//! read back as a whole; orders and consents do not: they are sent as what they are.

use serde_json::{Map, Value, json};

use crate::issue::{Issue, Severity};
use crate::record::map::split_identifier;
use crate::record::{Context, FromFhir, Kind, MapEnv, Mapped, Mapping, Record, contract};

/// Reads `{"record":…, "context":…}`; the context may be absent.
///
/// # Errors
/// All issues; pointers begin with `/record` or `/context`.
pub fn read(kind: Kind, value: &Value) -> Result<(Record, Context), Vec<Issue>> {
    let Some(members) = value.as_object() else {
        return Err(vec![Issue::error(
            "structure",
            "schema-type",
            "",
            "expected an object with a record and its context",
        )]);
    };
    let mut issues = Vec::new();
    if members.keys().any(|k| k != "record" && k != "context") {
        issues.push(Issue::error(
            "structure",
            "schema-additionalProperties",
            "",
            "there is more than a record and its context",
        ));
    }
    let record = match members.get("record") {
        Some(record) => contract::parse(kind, record).map_err(|found| under("/record", found)),
        None => Err(vec![Issue::error(
            "required",
            "schema-required",
            "/record",
            "this field is required here",
        )]),
    };
    let context = match members.get("context") {
        Some(context) => contract::parse_context(context).map_err(|found| under("/context", found)),
        None => Ok(Context::default()),
    };
    match (record, context, issues.is_empty()) {
        (Ok(record), Ok(context), true) => Ok((record, context)),
        (record, context, _) => {
            issues.extend(record.err().into_iter().flatten());
            issues.extend(context.err().into_iter().flatten());
            Err(issues)
        }
    }
}

/// The same issues, a level deeper.
fn under(parent: &str, mut issues: Vec<Issue>) -> Vec<Issue> {
    for issue in &mut issues {
        issue.path.insert_str(0, parent);
    }
    issues
}

/// What a record became, as a collection Bundle of its own resources.
#[must_use]
pub fn to_bundle(mapped: &Mapped) -> Value {
    bundle(mapped.resources.iter().map(|r| r.value.clone()).collect())
}

/// What a record became, as a collection Bundle: its own resources, then those of its context.
#[must_use]
pub fn to_bundle_with(mapped: &Mapped, context: &Context, env: &MapEnv) -> Value {
    let mut resources: Vec<Value> = mapped.resources.iter().map(|r| r.value.clone()).collect();
    let c = context;
    let staff = c.prescriber.iter().chain(&c.staff);
    let beside = (c.client.iter().map(|r| r.to_fhir(c, env)))
        .chain(staff.map(|r| r.to_fhir(c, env)))
        .chain(c.pharmacy.iter().map(|r| r.to_fhir(c, env)))
        .chain(c.laboratory.iter().map(|r| r.to_fhir(c, env)))
        .chain(c.episode.iter().map(|r| r.to_fhir(c, env)))
        .chain(c.evaluation.iter().map(|r| r.to_fhir(c, env)));
    for resource in beside.flat_map(|mapped| mapped.resources) {
        if !resources.iter().any(|r| r["id"] == resource.value["id"]) {
            resources.push(resource.value);
        }
    }
    bundle(resources)
}

fn bundle(resources: Vec<Value>) -> Value {
    let entry: Vec<Value> = resources
        .into_iter()
        .map(|resource| json!({"resource": resource}))
        .collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entry})
}

/// The resources of a Bundle, or the one bare resource.
#[must_use]
pub fn resources(value: &Value) -> Vec<Value> {
    if value["resourceType"] != "Bundle" {
        return vec![value.clone()];
    }
    let entries = value["entry"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry.get("resource").cloned())
        .collect()
}

/// The client of a record of which nobody said in our words whom it is about: a door finds out by the
/// crosswalk, `map` has none.
const STAND_IN: &str = "outside-client";

/// A record and its context from a Bundle, checked against their contracts. A record that says
/// neither client nor episode takes a stand-in for the client, and a warning says so.
///
/// # Errors
/// What kept it from being read, or what the contract of the kind says.
pub fn from_bundle(
    kind: Kind,
    resources: &[Value],
    env: &MapEnv,
) -> Result<(Record, Context, Vec<Issue>), Vec<Issue>> {
    let FromFhir {
        mut record,
        context,
        mut issues,
    } = crate::record::from_fhir(kind, resources, env)?;
    let principal = matches!(
        kind,
        Kind::MedicationRequest | Kind::Observation | Kind::CarePlan
    );
    let named = record.get("client_no").is_some() || record.get("episode_id").is_some();
    if principal && !named {
        record["client_no"] = Value::from(STAND_IN);
        issues.push(Issue::warning(
            "business-rule",
            "client-stand-in",
            "/client_no",
            "whom it is about is not said in a way that is known here: a stand-in stands there",
        ));
    }
    let record = contract::parse(kind, &record).map_err(|found| under("/record", found))?;
    let mut beside = context.as_object().cloned().unwrap_or_default();
    for (name, value) in around(kind, record.id(), &record, resources, env) {
        beside.entry(name).or_insert(value);
    }
    let mut whole = Context::default();
    for (name, value) in beside {
        let one = Map::from_iter([(name, value)]);
        match contract::parse_context(&Value::Object(one)) {
            Ok(found) => merge(&mut whole, found),
            Err(found) => {
                issues.extend(under("/context", found).into_iter().map(|issue| Issue {
                    severity: Severity::Warning,
                    ..issue
                }));
            }
        }
    }
    Ok((record, whole, issues))
}

/// The members of the context that stand in a Bundle behind the record's own resources.
fn around(
    kind: Kind,
    id: &str,
    record: &Record,
    resources: &[Value],
    env: &MapEnv,
) -> Map<String, Value> {
    let prescriber = record
        .links()
        .into_iter()
        .find(|l| l.role == crate::record::Role::Prescriber)
        .map(|l| l.id);
    let mut groups: Vec<((Kind, String), Vec<Value>)> = Vec::new();
    for resource in resources.iter().skip(1) {
        let Some((of, name, part)) = whose(resource, env) else {
            continue;
        };
        if (of, name.as_str()) == (kind, id) {
            continue;
        }
        let at = groups.iter().position(|g| g.0 == (of, name.clone()));
        let group = match at {
            Some(at) => &mut groups[at].1,
            None => {
                groups.push(((of, name), Vec::new()));
                match groups.last_mut() {
                    Some(last) => &mut last.1,
                    None => continue,
                }
            }
        };
        if part.is_empty() {
            group.insert(0, resource.clone());
        } else {
            group.push(resource.clone());
        }
    }
    let mut members = Map::new();
    for ((of, name), group) in groups {
        let Ok(found) = crate::record::from_fhir(of, &group, env) else {
            continue;
        };
        let slot = match of {
            Kind::Client => "client",
            Kind::Staff if prescriber.as_deref() == Some(name.as_str()) => "prescriber",
            Kind::Pharmacy => "pharmacy",
            Kind::Laboratory => "laboratory",
            Kind::Episode => "episode",
            Kind::Evaluation => "evaluation",
            Kind::Staff => {
                let list = members.entry("staff").or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(found.record);
                }
                continue;
            }
            _ => continue,
        };
        members.entry(slot).or_insert(found.record);
    }
    members
}

/// Which record a resource belongs to: by our identifier, else by its type, for who and where.
fn whose(resource: &Value, env: &MapEnv) -> Option<(Kind, String, String)> {
    let own = resource["identifier"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|i| {
            let kind = env.kind_of_system(i["system"].as_str()?)?;
            let (id, part) = split_identifier(i["value"].as_str()?);
            Some((kind, id.to_owned(), part.to_owned()))
        });
    own.or_else(|| {
        let kind = match resource["resourceType"].as_str()? {
            "Patient" => Kind::Client,
            "Practitioner" => Kind::Staff,
            _ => return None,
        };
        Some((
            kind,
            crate::record::reading::foreign_id(env, kind, resource),
            String::new(),
        ))
    })
}

fn merge(whole: &mut Context, found: Context) {
    let Context {
        client,
        prescriber,
        pharmacy,
        episode,
        evaluation,
        laboratory,
        staff,
        orders,
        consents,
    } = found;
    whole.client = whole.client.take().or(client);
    whole.prescriber = whole.prescriber.take().or(prescriber);
    whole.pharmacy = whole.pharmacy.take().or(pharmacy);
    whole.episode = whole.episode.take().or(episode);
    whole.evaluation = whole.evaluation.take().or(evaluation);
    whole.laboratory = whole.laboratory.take().or(laboratory);
    whole.staff.extend(staff);
    whole.orders.extend(orders);
    whole.consents.extend(consents);
}
