//! The clinic's own system as a partner: what it is told, and what not.

use fhir_gateway::ids::TenantId;
use fhir_gateway::record::{Kind, contract};
use fhir_gateway::sync::accept::{Accepted, Acceptor, Arrival};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, ResponseTemplate};

use crate::support::{Fake, Gateway, Setup, TENANT, fixture};

const CLINIC: &str = "kind = \"clinic-webhook\"\nurl = \"{url}/hook\"\nsecret = \"a secret of the test\"\n\
                      [[routes]]\nto = \"own-system\"\nkinds = [\"observation\"]";
const LABORATORY: &str = "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"";

#[tokio::test]
async fn the_clinic_hears_of_a_result_and_not_of_what_it_handed_in_itself() {
    let (clinic, laboratory) = (Fake::start().await, Fake::start().await);
    clinic
        .expects(
            Mock::given(method("POST"))
                .respond_with(ResponseTemplate::new(200))
                .expect(1),
        )
        .await;
    let gateway = Setup::new()
        .partner("laboratory", &laboratory, LABORATORY)
        .partner("own-system", &clinic, CLINIC)
        .start()
        .await;
    for (kind, case) in [
        ("client", "C-1007"),
        ("staff", "S-03"),
        ("episode", "E-1007"),
    ] {
        let got = gateway.submit(kind, &fixture(kind, case)).await;
        assert_eq!(got.status, 202, "{}", got.text());
    }
    let mut own = fixture("observation", "weight");
    own["episode_id"] = json!("E-1007");
    let got = gateway.submit("observation", &own).await;
    assert_eq!(got.status, 202, "{}", got.text());
    assert_eq!(got.json()["jobs"].as_array().map_or(0, Vec::len), 0);

    let result = json!({
        "resourceType": "Observation",
        "id": "r1",
        "status": "final",
        "code": {"text": "Lithium level"},
        "subject": {"identifier": {"system": "https://clinic.example/id/client", "value": "C-1007"}},
        "effectiveDateTime": "2026-11-20T07:30:00-05:00",
        "valueQuantity": {"value": 0.8, "unit": "mmol/L"},
    });
    let got = gateway.post("/in/laboratory", "laboratory", &result).await;
    assert_eq!(got.status, 201, "{}", got.text());
    gateway.work().await;
    let status: Value = gateway.get("/status", "admin").await.json();
    assert_eq!(status["jobs_made"], 1);
    assert_eq!(status["totals"]["done"], 1);
}

const EHR: &str = "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"\npatients = \"created\"\n\
                   [[routes]]\nto = \"ehr-north\"\nkinds = [\"observation\"]";

/// A clinic's gateway with an EHR, and an observation that is denied to it for want of a consent.
async fn denied() -> Gateway {
    let ehr = Fake::start().await;
    let gateway = Setup::new().partner("ehr-north", &ehr, EHR).start().await;
    for (kind, case) in [
        ("client", "C-1010"),
        ("staff", "S-03"),
        ("episode", "E-1010"),
        ("observation", "weight"),
    ] {
        let got = gateway.submit(kind, &fixture(kind, case)).await;
        assert_eq!(got.status, 202, "{}", got.text());
    }
    assert_eq!(counts(&gateway).await, (json!(0), json!(1)));
    gateway
}

/// Jobs made, denials open.
async fn counts(gateway: &Gateway) -> (Value, Value) {
    let status = gateway.get("/status", "admin").await.json();
    (status["jobs_made"].clone(), status["denials_open"].clone())
}

/// Accepts the consent as a node would that dies right after the commit; its bytes.
async fn consent_without_consequence(gateway: &Gateway) -> Vec<u8> {
    let body = fixture("consent", "CO-1010").to_string().into_bytes();
    let house = gateway.house();
    let tenant = house.tenants.get(&TenantId::new(TENANT)).expect("the one");
    let value: Value = serde_json::from_slice(&body).expect("JSON");
    let consent = contract::parse(Kind::Consent, &value).expect("a consent");
    let hash = tenant.key.digest(&[b"body", b"consent", &body]);
    let arrival = Arrival {
        origin: "clinic".to_owned(),
        idempotency: Some(("clinic-system".to_owned(), "K1".to_owned(), hash)),
        raw: None,
        answers: false,
        confirms: None,
        crosswalk: Vec::new(),
        now: house.clock.now(),
    };
    let accepted = Acceptor::new(gateway.house())
        .accept(tenant, &consent, arrival)
        .await
        .expect("the store answers");
    assert!(matches!(accepted, Accepted::New(_)));
    body
}

/// A node that dies between the commit of a consent and what it means for what was denied: the clinic has
/// no answer and sends it again.
#[tokio::test]
async fn a_consent_that_is_repeated_with_its_key_still_lets_go_what_was_denied() {
    let gateway = denied().await;
    let body = consent_without_consequence(&gateway).await;
    let got = gateway
        .send(
            reqwest::Method::POST,
            "/records/consent",
            "clinic-system",
            &[("idempotency-key", "K1")],
            Some(("application/json", body)),
        )
        .await;
    assert_eq!(got.status, 202, "{}", got.text());
    assert_eq!(counts(&gateway).await, (json!(1), json!(0)));
}

/// A start decides anew what is denied while the clinic repeats the consent.
#[tokio::test]
async fn what_two_decide_anew_at_once_makes_one_job() {
    let gateway = denied().await;
    consent_without_consequence(&gateway).await;
    let house = gateway.house();
    let tenant = house.tenants.get(&TenantId::new(TENANT)).expect("the one");
    let acceptor = Acceptor::new(gateway.house());
    let now = house.clock.now();
    let (one, two) = tokio::join!(
        acceptor.decide_denials(tenant, "C-1010", now),
        acceptor.decide_denials(tenant, "C-1010", now),
    );
    let made = one.expect("the store answers") + two.expect("the store answers");
    assert_eq!(made, 1);
    assert_eq!(counts(&gateway).await, (json!(1), json!(0)));
}
