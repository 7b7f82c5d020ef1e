//! Faults of an EHR against what they mean, over real HTTP on loopback.

use super::*;
use crate::demo::sim::Fault;
use crate::partner::ehr_fhir::fill::fill;
use crate::sync::job::Find;

pub(super) const CONDITIONAL: &str = "create = \"conditional\"";
const SEARCH_FIRST: &str = "create = \"search-first\"";

/// Each capability of creating, with an EHR that has it.
pub(super) fn ways() -> [(&'static str, Options); 2] {
    let searches = Options {
        conditional: false,
        ..Options::default()
    };
    [(CONDITIONAL, Options::default()), (SEARCH_FIRST, searches)]
}

#[tokio::test]
async fn each_fault_of_a_create_means_what_it_means() {
    use Charge::{Message, Partner};
    use Verdict::{Busy, Refused, Unsure};
    for (keys, options) in ways() {
        for (fault, expected, effects) in [
            (Fault::Unavailable, (Busy, Reason::Unavailable, Partner), 0),
            (Fault::Throttled(7), (Busy, Reason::Throttled, Partner), 0),
            (Fault::Unauthorized, (Busy, Reason::Token, Partner), 0),
            (Fault::Forbidden, (Refused, Reason::Forbidden, Message), 0),
            (Fault::Refused, (Refused, Reason::Refused, Message), 0),
            (Fault::ErrorIn200, (Refused, Reason::Refused, Message), 0),
            (Fault::Conflict, (Unsure, Reason::Conflict, Message), 0),
            (
                Fault::ServerError,
                (Unsure, Reason::ServerError, Message),
                0,
            ),
            (
                Fault::ServerErrorAfter,
                (Unsure, Reason::ServerError, Message),
                1,
            ),
            (Fault::Reset, (Unsure, Reason::Reset, Message), 0),
            (Fault::ResetAfter, (Unsure, Reason::Reset, Message), 1),
            (Fault::Silent, (Unsure, Reason::TimedOut, Message), 0),
            (Fault::SilentAfter, (Unsure, Reason::TimedOut, Message), 1),
        ] {
            let mut bench = Bench::new(keys, options).await;
            let effect = bench.effect("72.50");
            bench.sim.faults().writes([Some(fault)]);
            let answer = bench.deliver(&effect).await;
            assert_eq!(meaning(&answer), expected, "{fault:?} {keys}");
            assert_eq!(bench.sim.of_type("Observation").len(), effects, "{fault:?}");
            if let Fault::Throttled(seconds) = fault {
                assert_eq!(answer.retry_after.map(|d| d.as_secs()), Some(seconds));
            }
            // What is unclear is settled by reading back, and nothing is ever there twice.
            if answer.verdict == Unsure {
                let settled = bench.ask(&effect).await;
                let expected = if effects == 1 {
                    (Verdict::Accepted, Reason::FoundThere, Message)
                } else {
                    (Busy, Reason::NotThere, Message)
                };
                assert_eq!(meaning(&settled), expected, "{fault:?} {keys}");
            }
            let again = bench.deliver(&effect).await;
            assert_eq!(again.verdict, Verdict::Accepted, "{fault:?} {keys}");
            assert_eq!(bench.sim.of_type("Observation").len(), 1);
            assert_eq!(bench.sim.duplicates(), 0);
        }
    }
}

#[tokio::test]
async fn a_create_gives_their_id_and_version_and_keeps_the_digits() {
    for (keys, options) in ways() {
        let mut bench = Bench::new(keys, options).await;
        let effect = bench.effect("72.50");
        let answer = bench.deliver(&effect).await;
        assert_eq!(
            meaning(&answer),
            (Verdict::Accepted, Reason::Delivered, Charge::Message)
        );
        let remote = answer.remote.expect("remote");
        let kept = &bench.sim.of_type("Observation")[0];
        assert_eq!(
            (remote.id, remote.version),
            (kept.id.clone(), Some("1".into()))
        );
        assert_eq!(kept.resource["valueQuantity"]["value"].to_string(), "72.50");
        let patient = bench.rows[&("Patient".into(), "PAT1".into())].0.clone();
        assert_eq!(
            kept.resource["subject"]["reference"],
            format!("Patient/{patient}")
        );
    }
}

#[tokio::test]
async fn a_reference_without_a_row_stands_as_an_identifier_and_a_patients_never_does() {
    let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
    let effects = encode(&bench.partner, &panel("1")).effects;
    let panel = effects.iter().find(|e| e.our_id == "OBS1").expect("panel");
    assert_eq!(bench.deliver(panel).await.verdict, Verdict::Accepted);
    let kept = &bench.sim.of_type("Observation")[0].resource;
    let performer = &kept["performer"][0];
    assert!(performer.get("reference").is_none());
    assert_eq!(performer["identifier"]["value"], "S-1");
    bench.rows.clear();
    assert_eq!(
        meaning(&bench.deliver(panel).await),
        (Verdict::Refused, Reason::PatientUnknown, Charge::Message)
    );
}

#[tokio::test]
async fn several_with_our_identifier_are_identity_drift() {
    for (keys, options) in ways() {
        let mut bench = Bench::new(keys, options).await;
        let effect = bench.effect("1");
        for _ in 0..2 {
            bench.sim.put(json!({
                "resourceType": "Observation",
                "identifier": identifier("observation", "M-1/item/1"),
            }));
        }
        let expected = (Verdict::Refused, Reason::SeveralMatches, Charge::Message);
        assert_eq!(meaning(&bench.deliver(&effect).await), expected, "{keys}");
        assert_eq!(meaning(&bench.ask(&effect).await), expected);
        assert_eq!(bench.sim.duplicates(), 1);
    }
}

#[tokio::test]
async fn a_lost_row_is_found_by_identifier_and_older_content_is_brought_up_to_date() {
    for (keys, options) in ways() {
        let mut bench = Bench::new(keys, options).await;
        let first = bench.effect("1");
        bench.deliver(&first).await;
        let rows = bench.rows.clone();
        bench.rows.retain(|(t, _), _| t == "Patient");
        assert_eq!(bench.deliver(&first).await.reason, Reason::AlreadyThere);
        bench.rows = rows;
        bench.rows.retain(|(t, _), _| t == "Patient");
        let second = bench.effect("2");
        assert_eq!(bench.deliver(&second).await.reason, Reason::Delivered);
        let kept = bench.sim.of_type("Observation");
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].resource["valueQuantity"]["value"].to_string(), "2");
    }
}

#[tokio::test]
async fn a_provenance_is_found_again_by_what_it_speaks_about() {
    for (keys, options) in ways() {
        let mut bench = Bench::new(keys, options).await;
        let effects = encode(&bench.partner, &panel("1")).effects;
        let find = |id: &str| {
            effects
                .iter()
                .find(|e| e.our_id == id)
                .cloned()
                .expect("effect")
        };
        let (observation, provenance) = (find("OBS1"), find("PROV1"));
        bench.deliver(&observation).await;
        bench.sim.faults().writes([Some(Fault::ResetAfter)]);
        assert_eq!(bench.deliver(&provenance).await.verdict, Verdict::Unsure);
        assert_eq!(bench.ask(&provenance).await.reason, Reason::FoundThere);
        bench.rows.retain(|(t, _), _| t != "Provenance");
        assert_eq!(
            bench.deliver(&provenance).await.reason,
            Reason::AlreadyThere,
            "{keys}"
        );
        assert_eq!(bench.sim.of_type("Provenance").len(), 1);
    }
}

#[tokio::test]
async fn a_patient_is_found_made_or_listed() {
    let with_identifier =
        || json!({"resourceType": "Patient", "identifier": identifier("client", "C-1001")});
    let created = format!("patients = \"created\"\n{CONDITIONAL}");
    let created_by_search = format!("patients = \"created\"\n{SEARCH_FIRST}");
    let configured = "patients = \"configured\"\n[patient_ids]\nC-1001 = \"p9\"";
    let other = "patients = \"configured\"\n[patient_ids]\nC-9 = \"p9\"";
    for (keys, there, expected) in [
        ("", 0, (Verdict::Refused, Reason::PatientUnknown)),
        ("", 1, (Verdict::Accepted, Reason::FoundThere)),
        ("", 2, (Verdict::Refused, Reason::PatientAmbiguous)),
        (&created, 0, (Verdict::Accepted, Reason::Delivered)),
        (&created, 1, (Verdict::Accepted, Reason::FoundThere)),
        (&created, 2, (Verdict::Refused, Reason::PatientAmbiguous)),
        (
            &created_by_search,
            0,
            (Verdict::Accepted, Reason::Delivered),
        ),
        (
            &created_by_search,
            2,
            (Verdict::Refused, Reason::PatientAmbiguous),
        ),
        (configured, 0, (Verdict::Accepted, Reason::FoundThere)),
        (other, 1, (Verdict::Refused, Reason::PatientUnknown)),
    ] {
        let mut bench = Bench::new(keys, Options::default()).await;
        bench.rows.clear();
        for _ in 0..there {
            bench.sim.put(with_identifier());
        }
        let effect = encode(&bench.partner, &panel("1")).effects.remove(0);
        let answer = bench.deliver(&effect).await;
        assert_eq!((answer.verdict, answer.reason), expected, "{keys} {there}");
        assert_eq!(answer.remote.is_some(), answer.verdict == Verdict::Accepted);
        if answer.verdict == Verdict::Accepted {
            assert_eq!(bench.deliver(&effect).await.reason, Reason::NotNeeded);
        }
    }
}

#[tokio::test]
async fn a_search_reads_on_over_pages_and_passes_over_what_lacks_the_identifier() {
    let options = Options {
        conditional: false,
        page: 1,
        ..Options::default()
    };
    let mut bench = Bench::new(SEARCH_FIRST, options).await;
    let mut effect = bench.effect("1");
    let payload = effect.payload.as_ref().expect("a payload");
    let mut wanted = fill(payload, &bench.rows).expect("filled").value();
    wanted["extension"] = json!([{"url": "https://ehr.example/added", "valueBoolean": true}]);
    for n in 0..3 {
        bench.sim.put(json!({"resourceType": "Observation", "identifier": identifier("observation", &n.to_string())}));
    }
    let id = bench.sim.put(wanted);
    let answer = bench.ask(&effect).await;
    assert_eq!(answer.remote.map(|r| r.id), Some(id.clone()));
    // An older version of it is not what was sent.
    bench
        .sim
        .edit("Observation", &id, |o| o["status"] = json!("preliminary"));
    assert_eq!(bench.ask(&effect).await.reason, Reason::NotThere);
    // An EHR that does not know the parameter gives everything.
    bench.rows.retain(|(t, _), _| t == "Patient");
    effect.find = Find::Search(vec![("nonsense".into(), "1".into())]);
    assert_eq!(bench.ask(&effect).await.reason, Reason::SeveralMatches);
}

#[tokio::test]
async fn an_ehr_that_is_down_is_an_outage_and_a_read_that_failed_settles_nothing() {
    let mut bench = Bench::new(SEARCH_FIRST, ways()[1].1).await;
    let effect = bench.effect("1");
    for (fault, asked, delivered) in [
        (
            Fault::Reset,
            (Verdict::Unsure, Charge::Message),
            (Verdict::Busy, Charge::Message),
        ),
        (
            Fault::Silent,
            (Verdict::Unsure, Charge::Message),
            (Verdict::Busy, Charge::Message),
        ),
        (
            Fault::ServerError,
            (Verdict::Unsure, Charge::Message),
            (Verdict::Busy, Charge::Message),
        ),
        (
            Fault::ErrorIn200,
            (Verdict::Unsure, Charge::Message),
            (Verdict::Busy, Charge::Message),
        ),
        (
            Fault::Unavailable,
            (Verdict::Busy, Charge::Partner),
            (Verdict::Busy, Charge::Partner),
        ),
    ] {
        bench.sim.faults().reads([Some(fault), Some(fault)]);
        let answer = bench.ask(&effect).await;
        assert_eq!((answer.verdict, answer.charge), asked, "{fault:?}");
        let answer = bench.deliver(&effect).await;
        assert_eq!((answer.verdict, answer.charge), delivered, "{fault:?}");
    }
    assert_eq!(bench.partner.probe().await.verdict, Verdict::Accepted);
    bench.sim.switch().down();
    let mut down = bench.partner.probe().await;
    for _ in 0..500 {
        if meaning(&down) == (Verdict::Busy, Reason::Connect, Charge::Partner) {
            break;
        }
        tokio::task::yield_now().await;
        down = bench.partner.probe().await;
    }
    let expected = (Verdict::Busy, Reason::Connect, Charge::Partner);
    assert_eq!(meaning(&down), expected);
    assert_eq!(meaning(&bench.deliver(&effect).await), expected);
    assert_eq!(meaning(&bench.ask(&effect).await), expected);
}

#[tokio::test]
async fn no_value_of_a_record_stands_in_what_is_journaled_or_could_be_printed() {
    let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
    let effect = bench.effect("72.50");
    bench.deliver(&effect).await;
    let answer = bench.ask(&effect).await;
    assert!(!format!("{answer:?}").contains("Canary"));
    assert!(!format!("{:?}", bench.partner.facts()).contains("Canary"));
    assert!(answer.body.is_empty(), "what was read back is not kept");
}
