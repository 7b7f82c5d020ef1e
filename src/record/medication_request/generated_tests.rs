//! The law of the map on generated orders: record → FHIR → record is the record, but for what
//! [`super::LOSSES`] says, and what it says is spelled out here, case by case.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::*;
use crate::record::contract;
use crate::record::drug::{Route, Schedule, Tty, Unit};

fn id() -> impl Strategy<Value = Value> {
    "[A-Za-z0-9][A-Za-z0-9._-]{0,31}".prop_map(Value::from)
}

fn line(max: usize) -> impl Strategy<Value = Value> {
    (1..=max, "[!-~éß漢][ -~é\u{a0}漢]{0,250}[!-~é漢]").prop_map(|(n, text)| {
        let cut: String = text.chars().take(n).collect();
        let cut = cut.trim().to_owned();
        Value::from(if cut.is_empty() { "x".to_owned() } else { cut })
    })
}

fn text() -> impl Strategy<Value = Value> {
    "[!-~é][ -~\n\té]{0,60}[!-~é]".prop_map(Value::from)
}

fn date() -> impl Strategy<Value = Value> {
    (2024..2028, 1..13, 1..29).prop_map(|(y, m, d)| json!(format!("{y}-{m:02}-{d:02}")))
}

fn instant() -> impl Strategy<Value = Value> {
    (
        date(),
        0..24,
        0..60,
        select(vec!["Z", "-05:00", ".250+01:00", ".000Z"]),
    )
        .prop_map(|(d, h, m, end)| {
            let d = d.as_str().unwrap_or_default().to_owned();
            json!(format!("{d}T{h:02}:{m:02}:09{end}"))
        })
}

fn amount() -> impl Strategy<Value = Value> {
    select(vec![
        "1", "2", "0.5", "2.50", "1.0", "380", "0.125", "100000",
    ])
    .prop_map(|t| serde_json::from_str(t).expect("a number"))
}

fn of(codes: Vec<&'static str>) -> impl Strategy<Value = Value> {
    select(codes).prop_map(Value::from)
}

macro_rules! one_of {
    ($ty:ty) => {
        of(<$ty>::ALL.iter().map(|c| c.as_str()).collect())
    };
}

/// Some of the fields.
fn some(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Map<String, Value>> {
    fields
        .into_iter()
        .map(|(name, value)| {
            proptest::option::of(value).prop_map(move |v| v.map(|v| (name.to_owned(), v)))
        })
        .collect::<Vec<_>>()
        .prop_map(|all| all.into_iter().flatten().collect())
        .boxed()
}

fn with(
    must: Vec<(&'static str, BoxedStrategy<Value>)>,
    may: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> BoxedStrategy<Value> {
    let must = must
        .into_iter()
        .map(|(name, value)| value.prop_map(move |v| (name.to_owned(), v)))
        .collect::<Vec<_>>();
    (must, some(may))
        .prop_map(|(must, may)| Value::Object(must.into_iter().chain(may).collect()))
        .boxed()
}

fn drug() -> BoxedStrategy<Value> {
    with(
        vec![("label", line(105).boxed())],
        vec![
            ("local_code", line(32).boxed()),
            ("rxcui", "[1-9][0-9]{0,7}".prop_map(Value::from).boxed()),
            ("tty", one_of!(Tty).boxed()),
            ("ndc", "[0-9]{11}".prop_map(Value::from).boxed()),
            ("strength_text", line(60).boxed()),
            ("form", line(60).boxed()),
            ("route", one_of!(Route).boxed()),
            ("schedule", one_of!(Schedule).boxed()),
        ],
    )
}

fn taper() -> BoxedStrategy<Value> {
    let often = of(vec!["QD", "BID", "QHS", "Q12H", "ONCE"]);
    let step = (
        1..400u32,
        1..400u32,
        amount(),
        proptest::option::of(often),
        any::<bool>(),
    );
    proptest::collection::vec(step, 1..5)
        .prop_map(|steps| {
            let all = steps.into_iter().map(|(from, to, amount, often, zero)| {
                let amount = if zero { json!(0) } else { amount };
                let mut step = json!({"day_from": from, "day_to": to, "amount": amount});
                if let Some(often) = often {
                    step["frequency_code"] = often;
                }
                step
            });
            Value::Array(all.collect())
        })
        .boxed()
}

fn order() -> BoxedStrategy<Value> {
    let decline = with(
        vec![
            ("by_client", any::<bool>().prop_map(Value::from).boxed()),
            ("reason_code", one_of!(DeclineReason).boxed()),
            (
                "education_given",
                any::<bool>().prop_map(Value::from).boxed(),
            ),
            ("date", date().boxed()),
        ],
        vec![("reason_text", text().boxed())],
    );
    let reason = with(
        vec![("code", one_of!(ReasonCode).boxed())],
        vec![("text", text().boxed())],
    );
    let entry = with(
        vec![("at", instant().boxed()), ("state", one_of!(State).boxed())],
        vec![("staff_id", id().boxed()), ("text", text().boxed())],
    );
    let history = proptest::collection::vec(entry, 1..4).prop_map(Value::from);
    let epcs = with(
        vec![
            ("signed_at", instant().boxed()),
            ("factor1", one_of!(Factor).boxed()),
            ("factor2", one_of!(Factor).boxed()),
            (
                "signature_hash",
                "[0-9a-f]{64}".prop_map(Value::from).boxed(),
            ),
            ("dea_no", Just(json!("AB1234563-X1")).boxed()),
        ],
        vec![],
    );
    let counted: Vec<&str> = Unit::ALL
        .iter()
        .filter(|u| u.ncit().is_some())
        .map(|u| u.as_str())
        .collect();
    with(
        vec![
            ("order_no", id().boxed()),
            ("version", (1..1_000_000u32).prop_map(Value::from).boxed()),
            ("drug", drug()),
            ("delivery", one_of!(Delivery).boxed()),
            ("state", one_of!(State).boxed()),
        ],
        vec![
            ("client_no", id().boxed()),
            ("episode_id", id().boxed()),
            ("evaluation_id", id().boxed()),
            ("problem_no", (1..51u32).prop_map(Value::from).boxed()),
            ("prescriber_staff_id", id().boxed()),
            ("supervising_id", id().boxed()),
            ("outside_prescriber", line(100).boxed()),
            ("class", one_of!(DrugClass).boxed()),
            (
                "indication_code",
                of(vec!["F11.20", "G89.4", "Z79", "F33.1"]).boxed(),
            ),
            ("indication_text", line(200).boxed()),
            ("dose_amount", amount().boxed()),
            ("dose_max", amount().boxed()),
            ("dose_unit", one_of!(Unit).boxed()),
            ("frequency_code", one_of!(Frequency).boxed()),
            ("as_needed", Just(json!(true)).boxed()),
            ("as_needed_reason", line(100).boxed()),
            ("max_per_day", amount().boxed()),
            ("taper_steps", taper()),
            ("sig_text", text().boxed()),
            ("start_date", date().boxed()),
            ("stop_date", date().boxed()),
            ("earliest_fill_date", date().boxed()),
            ("expires_on", date().boxed()),
            ("days_supply", (1..1000u32).prop_map(Value::from).boxed()),
            ("qty", amount().boxed()),
            ("qty_unit", of(counted).boxed()),
            ("refills", (0..100u32).prop_map(Value::from).boxed()),
            ("dispense_limit", one_of!(DispenseLimit).boxed()),
            ("substitute_ok", one_of!(YesNo).boxed()),
            ("pharmacy_id", id().boxed()),
            ("pharmacy_note", line(210).boxed()),
            ("note", text().boxed()),
            ("state_reason", reason),
            ("decline", decline),
            ("signed_at", instant().boxed()),
            ("signed_on", date().boxed()),
            ("epcs", epcs),
            ("pdmp_checked_on", date().boxed()),
            ("prior_order_no", id().boxed()),
            ("review_due", date().boxed()),
            ("history", history.boxed()),
        ],
    )
    .prop_map(within_contract)
    .boxed()
}

/// Takes out what the contract does not let stand together.
fn within_contract(mut order: Value) -> Value {
    let map = order.as_object_mut().expect("an object");
    let pairs: &[(&str, &str)] = &[
        ("evaluation_id", "problem_no"),
        ("problem_no", "evaluation_id"),
        ("taper_steps", "dose_unit"),
        ("dose_amount", "dose_unit"),
        ("dose_max", "dose_amount"),
        ("max_per_day", "dose_unit"),
        ("qty", "qty_unit"),
        ("qty_unit", "qty"),
        ("epcs", "prescriber_staff_id"),
    ];
    for (field, needs) in pairs {
        if !map.contains_key(*needs) {
            map.shift_remove(*field);
        }
    }
    if map.contains_key("epcs") {
        map.shift_remove("signed_at");
    }
    if map.contains_key("epcs") || map.contains_key("signed_at") {
        map.shift_remove("signed_on");
    }
    let drug = map["drug"].as_object_mut().expect("a drug");
    if !drug.contains_key("rxcui") {
        drug.shift_remove("tty");
    }
    order
}

/// The declared losses, one by one.
fn as_it_comes_back(mut order: Value) -> Value {
    let map = order.as_object_mut().expect("an object");
    if map.contains_key("episode_id") {
        map.shift_remove("client_no");
    }
    if map.contains_key("as_needed_reason") || map.get("frequency_code") == Some(&json!("PRN")) {
        map.insert("as_needed".to_owned(), json!(true));
    }
    if map.contains_key("taper_steps") {
        map.shift_remove("dose_amount");
        map.shift_remove("dose_max");
        map.insert("frequency_code".to_owned(), json!("TAPER"));
    } else if !map.contains_key("dose_amount") && !map.contains_key("max_per_day") {
        map.shift_remove("dose_unit");
    }
    if map.contains_key("decline") {
        map.shift_remove("state_reason");
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_order_comes_back_from_fhir_as_it_went(value in order()) {
        let told = contract::check(Kind::MedicationRequest, &value);
        prop_assert!(told.is_ok(), "{told:?}");
        let order: MedicationRequest = serde_json::from_value(value.clone()).expect("the model reads it");
        prop_assert_eq!(&serde_json::to_value(&order).expect("JSON"), &value);
        let env = MapEnv::example();
        let mapped = order.to_fhir(&Context::default(), &env);
        let bundle: Vec<Value> = mapped.resources.iter().map(|r| r.value.clone()).collect();
        let back = from_fhir(&bundle, &env).expect("an order");
        prop_assert_eq!(&back.record, &as_it_comes_back(value));
        prop_assert!(back.issues.is_empty(), "{:?}", back.issues);
        prop_assert!(contract::check(Kind::MedicationRequest, &back.record).is_ok());
    }
}
