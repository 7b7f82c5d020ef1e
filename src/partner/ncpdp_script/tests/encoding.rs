//! What is written: on any order that passes its contract either an issue at a field, or a message that a
//! strict reader takes and that says what the record says.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Letter, to_script, xml};
use super::{NOW, changed, order};
use crate::demo::sim::pharmacy::violations;
use crate::issue::{Issue, any_error};
use crate::record::{Context, MapEnv, Record};

const ID: &str = "01KAJ8Z2Q0M4T6V8X0Y2";

fn written(record: &Record, context: &Context) -> Result<(xml::Node, Vec<Issue>), Vec<Issue>> {
    let env = MapEnv::example();
    let letter = Letter {
        env: &env,
        context,
        message: ID,
        now: NOW,
        relates_to: Some("01KAJ8Z2Q0M4T6V8X0Y1"),
        notice: None,
    };
    let (bytes, issues) = to_script(record, &letter)?;
    Ok((xml::read(&bytes).expect("well-formed"), issues))
}

/// The order of a case, changed, written.
fn case(
    name: &str,
    change: impl FnOnce(&mut Value),
) -> Result<(xml::Node, Vec<Issue>), Vec<Issue>> {
    let (record, context) = changed(name, change);
    written(&record, &context)
}

fn rules(found: Result<(xml::Node, Vec<Issue>), Vec<Issue>>) -> Vec<(String, String)> {
    let issues = found.err().unwrap_or_default();
    issues
        .into_iter()
        .map(|i| (i.path, i.rule.into_owned()))
        .collect()
}

const RX: &str = "Body/NewRx/MedicationPrescribed";

#[test]
fn refills_of_none_substitution_refused_and_the_day_of_signing_are_said() {
    let (root, _) = case("clonazepam-taper", |_| {}).expect("fits");
    let at = |path: &str| root.text_at(&format!("{RX}/{path}"));
    assert_eq!(at("NumberOfRefills"), Some("0"));
    assert_eq!(at("Substitutions"), Some("1"));
    // Signed on the 24th at 02:00 UTC: the 23rd in New York.
    let night = |v: &mut Value| v["record"]["signed_at"] = json!("2026-11-24T02:00:00Z");
    let (root, _) = case("sertraline", night).expect("fits");
    assert_eq!(
        root.text_at(&format!("{RX}/WrittenDate/Date")),
        Some("2026-11-23")
    );
    assert_eq!(
        root.text_at("Header/SentTime"),
        Some("2026-11-24T12:00:00Z")
    );
}

#[test]
fn strength_and_form_are_said_where_the_label_does_not() {
    let said = |label: &str, strength: &str, form: &str| {
        let (root, _) = case("sertraline", |v| {
            v["record"]["drug"]["label"] = json!(label);
            v["record"]["drug"]["strength_text"] = json!(strength);
            v["record"]["drug"]["form"] = json!(form);
        })
        .expect("fits");
        root.text_at(&format!("{RX}/DrugDescription"))
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        said("sertraline 50 MG Oral Tablet", "50 mg", "tablet"),
        "sertraline 50 MG Oral Tablet"
    );
    assert_eq!(said("Zoloft", "50 mg", "tablet"), "Zoloft, 50 mg, tablet");
    assert_eq!(
        said("sertraline 150", "50 mg", "tablet"),
        "sertraline 150, 50 mg, tablet"
    );
    let long = case("sertraline", |v| {
        v["record"]["drug"]["label"] = json!("Z".repeat(105));
        v["record"]["drug"]["strength_text"] = json!("50 mg");
    });
    assert_eq!(
        rules(long),
        [("/drug/label".to_owned(), "script-length".to_owned())]
    );
}

#[test]
fn what_is_missing_is_told_at_the_orders_field() {
    for (change, field) in [
        (
            (|v: &mut Value| {
                v["context"]["client"]
                    .as_object_mut()
                    .expect("a client")
                    .remove("address");
            }) as fn(&mut Value),
            "/episode_id",
        ),
        (
            |v| {
                v["context"]["prescriber"]
                    .as_object_mut()
                    .expect("staff")
                    .remove("phone");
            },
            "/prescriber_staff_id",
        ),
        (
            |v| {
                v["context"]["prescriber"]
                    .as_object_mut()
                    .expect("staff")
                    .remove("address");
            },
            "/prescriber_staff_id",
        ),
        (
            |v| {
                v["context"]
                    .as_object_mut()
                    .expect("a context")
                    .remove("pharmacy");
            },
            "/pharmacy_id",
        ),
        (
            |v| {
                v["record"]
                    .as_object_mut()
                    .expect("an order")
                    .remove("sig_text");
            },
            "/sig_text",
        ),
        (
            |v| {
                v["record"]
                    .as_object_mut()
                    .expect("an order")
                    .remove("refills");
            },
            "/refills",
        ),
        (
            |v| {
                v["record"]
                    .as_object_mut()
                    .expect("an order")
                    .remove("signed_at");
            },
            "/signed_at",
        ),
    ] {
        let found = rules(case("sertraline", change));
        assert_eq!(found, [(field.to_owned(), "script-required".to_owned())]);
    }
    let unsigned = case("lorazepam-prn", |v| {
        v["record"]
            .as_object_mut()
            .expect("an order")
            .remove("epcs");
        v["record"]["signed_at"] = json!("2026-11-24T06:00:00-05:00");
    });
    assert!(rules(unsigned).contains(&("/epcs".to_owned(), "script-unsigned".to_owned())));
}

#[test]
fn the_notice_takes_the_longest_form_that_fits_and_refuses_a_note_without_room() {
    let note = |text: &str, scope: Value| {
        case("buprenorphine-naloxone-weekly", |v| {
            v["context"]["consents"][0]["info_scope"] = scope;
            v["context"]["consents"][0]["purpose"] = json!(["treatment"]);
            v["record"]
                .as_object_mut()
                .expect("an order")
                .remove("dispense_limit");
            if !text.is_empty() {
                v["record"]["pharmacy_note"] = json!(text);
            }
        })
    };
    let said = |found: &xml::Node| {
        found
            .text_at(&format!("{RX}/Note"))
            .unwrap_or_default()
            .to_owned()
    };
    let (whole, warnings) = note("", json!(["med_orders"])).expect("fits");
    assert!(said(&whole).ends_with("medication orders for treatment, until it is revoked."));
    assert!(warnings.is_empty(), "{warnings:?}");
    let (numbered, warnings) = note(&"n".repeat(110), json!(["med_orders"])).expect("fits");
    assert!(said(&numbered).ends_with("these records. Consent CO-1001."));
    assert_eq!(warnings[0].rule, "script-notice-short");
    let (alone, warnings) = note(&"n".repeat(130), json!(["med_orders"])).expect("fits");
    assert!(
        said(&alone).ends_with(
            "n 42 CFR part 2 prohibits unauthorized use or disclosure of these records."
        )
    );
    assert_eq!(warnings.len(), 1);
    let full = note(&"n".repeat(150), json!(["med_orders"]));
    assert_eq!(
        rules(full),
        [("/pharmacy_note".to_owned(), "script-notice".to_owned())]
    );
}

#[test]
fn a_child_comes_with_a_warning_and_an_unknown_gender_is_u() {
    let (root, warnings) = case("sertraline", |v| {
        v["context"]["client"]["birth_date"] = json!("2007-11-25");
        v["context"]["client"]["gender"] = json!("other");
    })
    .expect("fits");
    assert_eq!(
        root.text_at("Body/NewRx/Patient/HumanPatient/Gender"),
        Some("U")
    );
    assert!(warnings.iter().any(|w| w.rule == "script-observation"));
    let (_, warnings) = case("sertraline", |v| {
        v["context"]["client"]["birth_date"] = json!("2007-11-24")
    })
    .expect("fits");
    assert!(warnings.iter().all(|w| w.rule != "script-observation"));
}

#[test]
fn a_drug_without_a_code_that_names_a_product_goes_by_its_name() {
    let (root, warnings) = case("sertraline", |v| {
        v["record"]["drug"]["rxcui"] = json!("999999");
        v["record"]["drug"]["ndc"] = json!("00093310501");
        v["record"]["drug"]
            .as_object_mut()
            .expect("a drug")
            .remove("tty");
    })
    .expect("fits");
    assert!(root.find("DrugDBCode").is_none());
    assert_eq!(
        root.text_at(&format!("{RX}/DrugCoded/ProductCode/Qualifier")),
        Some("ND")
    );
    assert!(warnings.iter().any(|w| w.rule == "script-drug-code"));
    let (root, _) =
        case("sertraline", |v| v["record"]["drug"]["tty"] = json!("SBD")).expect("fits");
    assert_eq!(
        root.text_at(&format!("{RX}/DrugCoded/DrugDBCode/Qualifier")),
        Some("SBD")
    );
}

#[test]
fn the_strict_reader_sees_every_fault_that_is_planted() {
    let (record, context) = order("buprenorphine-naloxone-weekly");
    let (good, _) = written(&record, &context).expect("fits");
    assert_eq!(violations(&good), Vec::<String>::new());
    let mut planted = 0;
    plant(&good, &mut Vec::new(), &good, &mut planted);
    assert!(planted > 60, "only {planted}");
}

/// Swaps neighbours, empties leaves and adds strangers, one at a time, everywhere.
fn plant(node: &xml::Node, at: &mut Vec<usize>, whole: &xml::Node, planted: &mut usize) {
    let changed = |change: &dyn Fn(&mut xml::Node)| {
        let mut copy = whole.clone();
        let place = at.iter().fold(&mut copy, |n, i| &mut n.children[*i]);
        change(place);
        copy
    };
    let refused =
        |copy: &xml::Node| assert!(!violations(copy).is_empty(), "at {at:?} of {}", node.name);
    for n in 1..node.children.len() {
        if node.children[n].name != node.children[n - 1].name {
            refused(&changed(&|place| place.children.swap(n, n - 1)));
            *planted += 1;
        }
    }
    let opaque = ["RxFillIndicator", "StateLicenseNumber"];
    if node.children.is_empty() && !opaque.contains(&node.name.as_str()) {
        refused(&changed(&|place| place.text.clear()));
        *planted += 1;
    } else if !node.children.is_empty() {
        refused(&changed(&|place| {
            place.children.push(xml::Node {
                name: "Stranger".to_owned(),
                ..xml::Node::default()
            });
        }));
        *planted += 1;
    }
    for (n, child) in node.children.iter().enumerate() {
        at.push(n);
        plant(child, at, whole, planted);
        at.pop();
    }
}

/// A line of text; one in fifty has a character that no label can print.
fn text(max: usize) -> impl Strategy<Value = String> {
    let fine = prop_oneof![
        8 => proptest::char::range(' ', '~'),
        1 => prop_oneof![Just('é'), Just('漢'), Just('\u{a0}'), Just('🙂')],
    ];
    let odd = prop_oneof![
        49 => Just(""),
        1 => prop_oneof![Just("\u{2028}"), Just("\u{FFFE}")],
    ];
    (proptest::collection::vec(fine, 1..max - 1), odd).prop_map(|(chars, odd)| {
        let text: String = chars.into_iter().collect();
        let text = format!("{}{odd}x", text.trim());
        text.trim().to_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_is_said_whole_or_refused_at_a_field(
        label in text(80), sig in text(1000), note in text(210), last in text(35), first in text(35),
        street in text(40), shop in text(70), strength in text(12), form in text(9),
        qty in prop_oneof![Just("30"), Just("0.125"), Just("100000"), Just("1e2"), Just("7.50"), Just("1.00000000001")],
        days in 1u32..999, refills in 0u32..99, zip in prop_oneof![Just("12000"), Just("12000-1234")],
        no in any::<bool>(), earliest in any::<bool>(),
    ) {
        let (record, context) = changed("sertraline", |v| {
            v["record"]["drug"]["label"] = json!(label);
            v["record"]["drug"]["strength_text"] = json!(strength);
            v["record"]["drug"]["form"] = json!(form);
            v["record"]["sig_text"] = json!(sig);
            v["record"]["pharmacy_note"] = json!(note);
            v["record"]["qty"] = serde_json::from_str(qty).expect("a number");
            v["record"]["days_supply"] = json!(days);
            v["record"]["refills"] = json!(refills);
            v["record"]["substitute_ok"] = json!(if no { "N" } else { "Y" });
            if earliest {
                v["record"]["earliest_fill_date"] = json!("2026-12-01");
            }
            v["context"]["client"]["name"]["last"] = json!(last);
            v["context"]["client"]["name"]["first"] = json!(first);
            v["context"]["client"]["address"]["line1"] = json!(street);
            v["context"]["client"]["address"]["postal_code"] = json!(zip);
            v["context"]["pharmacy"]["name"] = json!(shop);
            v["context"]["episode"]["part2_program"] = json!(false);
        });
        match written(&record, &context) {
            Err(issues) => {
                prop_assert!(any_error(&issues));
                for issue in issues {
                    prop_assert!(issue.path.starts_with('/'), "{issue:?}");
                }
            }
            Ok((root, _)) => {
                prop_assert_eq!(violations(&root), Vec::<String>::new());
                let at = |path: &str| root.text_at(path).unwrap_or_default().to_owned();
                let rx = |path: &str| at(&format!("{RX}/{path}"));
                let patient = |path: &str| at(&format!("Body/NewRx/Patient/HumanPatient/{path}"));
                prop_assert_eq!(at("Header/MessageID"), ID);
                prop_assert!(rx("DrugDescription").starts_with(&label));
                prop_assert_eq!(rx("Sig/SigText"), sig);
                prop_assert_eq!(rx("Note"), note);
                prop_assert_eq!(patient("Name/LastName"), last);
                prop_assert_eq!(patient("Name/FirstName"), first);
                prop_assert_eq!(patient("Address/AddressLine1"), street);
                prop_assert_eq!(patient("Address/PostalCode"), zip.replace('-', ""));
                prop_assert_eq!(at("Body/NewRx/Pharmacy/BusinessName"), shop);
                let said = crate::decimal::Decimal::parse(&rx("Quantity/Value")).expect("a number");
                prop_assert_eq!(said, crate::decimal::Decimal::parse(qty).expect("a number"));
                prop_assert_eq!(rx("DaysSupply"), days.to_string());
                prop_assert_eq!(rx("NumberOfRefills"), refills.to_string());
                prop_assert_eq!(rx("Substitutions"), if no { "1" } else { "0" });
                prop_assert_eq!(root.find("OtherMedicationDateQualifier").is_some(), earliest);
            }
        }
    }
}
