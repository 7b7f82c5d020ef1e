//! Two tenants in one gateway, with partners of the same name: a token of one reaches nothing of the other.

use fhir_gateway::web::TokenHash;
use serde_json::{Value, json};

use crate::support::{Fake, Gateway, Setup, fixture};

/// The clinic, and another one; each has a partner `ehr`, whose own token is `{tenant}-ehr-token`.
async fn two(fake: &Fake) -> Gateway {
    let mut blocks = String::new();
    for tenant in ["clinic", "hospital"] {
        let hash = TokenHash::of(&format!("{tenant}-ehr-token")).hex();
        blocks += &format!(
            "[[partners]]\ntenant = \"{tenant}\"\nid = \"ehr\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\n\
             bearer = \"x\"\n\
             [[routes]]\ntenant = \"{tenant}\"\nto = \"ehr\"\nkinds = [\"client\"]\n\
             [[tokens]]\ntenant = \"{tenant}\"\nname = \"{tenant}-ehr\"\nsha256 = \"{hash}\"\n\
             rights = [\"inbound:ehr\"]\n",
            fake.url()
        );
    }
    Setup::new()
        .other_tenant("hospital")
        .config(&blocks)
        .start()
        .await
}

async fn status(gateway: &Gateway, caller: &str) -> Value {
    gateway.get("/status", caller).await.json()
}

#[tokio::test]
async fn a_token_of_one_tenant_reaches_nothing_of_another() {
    let fake = Fake::start().await;
    let gateway = two(&fake).await;
    let client = fixture("client", "C-1001");
    let said = gateway.submit("client", &client).await;
    assert_eq!(said.status, 202, "{}", said.text());
    let job = said.json()["jobs"][0]["id"]
        .as_str()
        .expect("a job")
        .to_owned();
    let odd = json!({"resourceType": "Observation", "id": "o1", "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient/zz1"}});
    assert_eq!(
        gateway.post("/in/ehr", "clinic-ehr", &odd).await.status,
        201
    );
    assert!(
        gateway
            .get("/unmatched", "admin")
            .await
            .text()
            .contains("zz1")
    );

    // The story, the status, the feed, what is unmatched.
    let story = gateway
        .get("/records/client/C-1001", "hospital-reader")
        .await;
    assert_eq!(story.status, 404);
    let theirs = status(&gateway, "hospital-reader").await;
    assert_eq!(
        (&theirs["versions"], &theirs["jobs_made"]),
        (&json!(0), &json!(0))
    );
    let unmatched = gateway.get("/unmatched", "hospital-admin").await.text();
    assert!(!unmatched.contains("zz1"), "{unmatched}");
    let feed = gateway.get("/feed?after=0", "hospital-clinic-system").await;
    assert_eq!(feed.json()["entries"], json!([]));

    // The buttons.
    for (address, expected) in [
        (format!("/jobs/{job}/cancel"), 409),
        ("/partners/ehr/pause".to_owned(), 200),
        ("/unmatched/link".to_owned(), 422),
    ] {
        let link = json!({"partner": "ehr", "their_id": "zz1", "client": "C-1001"});
        let body = if address.ends_with("link") {
            link
        } else {
            json!({})
        };
        let got = gateway.post(&address, "hospital-admin", &body).await;
        assert_eq!(got.status, expected, "{address}: {}", got.text());
    }
    let ours = status(&gateway, "reader").await;
    assert_eq!(ours["partners"][0]["paused"], Value::Null, "{ours}");
    assert_eq!(ours["totals"]["waiting"], 1);

    // The same record, key and message id are another's there.
    let got = gateway
        .post("/records/client", "hospital-clinic-system", &client)
        .await;
    assert_eq!(got.status, 202);
    assert_ne!(got.json()["jobs"][0]["id"], json!(job));
    assert_eq!(
        gateway.post("/in/ehr", "hospital-ehr", &odd).await.status,
        201
    );
    let unmatched = gateway.get("/unmatched", "hospital-admin").await.text();
    assert!(unmatched.contains("zz1"));
    for (caller, other) in [("reader", "hospital"), ("hospital-reader", "clinic")] {
        let metrics = gateway.get("/metrics", caller).await.text();
        assert!(
            !metrics.contains(&format!("tenant=\"{other}\"")),
            "{metrics}"
        );
        assert!(metrics.contains("gateway_received_total"));
    }
}
