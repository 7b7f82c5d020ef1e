//! A gateway with a pharmacy, and what tests do with them.

use fhir_gateway::demo::sim::Journal;
use fhir_gateway::demo::sim::pharmacy::{Options, PharmacySim, Rx};
use serde_json::{Value, json};

use crate::support::{Gateway, Setup, fixture_whole};

/// The pharmacy's name in the config.
pub(crate) const NAME: &str = "pharmacy-main";

/// A gateway and its pharmacy.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    pub(crate) pharmacy: PharmacySim,
}

/// A pharmacy's block.
pub(crate) fn block(pharmacy: &PharmacySim, ncpdp_id: &str, more: &str) -> String {
    format!(
        "kind = \"ncpdp-script\"\nurl = \"{}\"\nncpdp_ids = [\"{ncpdp_id}\"]\ntimeout_ms = 2000\n{more}\n",
        pharmacy.url()
    )
}

/// A route to a partner, for orders.
pub(crate) fn route(to: &str) -> String {
    format!("[[routes]]\nto = \"{to}\"\nkinds = [\"medication-request\"]\n")
}

impl House {
    /// A pharmacy that answers at once and knows repeats, and a gateway that knows that it does.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default(), "duplicates = \"answers-220\"").await
    }

    /// A pharmacy like this, with these keys more in its block.
    pub(crate) async fn with(options: Options, keys: &str) -> Self {
        Self::beside(options, keys, "").await
    }

    /// The same with other partners in the config.
    pub(crate) async fn beside(options: Options, keys: &str, others: &str) -> Self {
        let setup = Setup::new();
        let clock = setup.clock();
        let ncpdp_id = options.ncpdp_id.clone();
        let journal = Journal::new(clock.clone());
        let pharmacy = PharmacySim::start(NAME, clock, journal, options)
            .await
            .expect("a pharmacy");
        let gateway = setup
            .block(NAME, &block(&pharmacy, &ncpdp_id, keys))
            .config(&route(NAME))
            .config(others)
            .caller("second", "\"operate\"")
            .start()
            .await;
        pharmacy
            .connect(
                &format!("{}/in/{NAME}", gateway.url()),
                &format!("{NAME}-token"),
            )
            .expect("an address");
        House { gateway, pharmacy }
    }

    /// Submits what an order's fixture leans on; the order itself, signed now if it is not controlled.
    pub(crate) async fn prepare(&self, case: &str) -> Value {
        let mut all = fixture_whole("medication-request", case);
        self.gateway.submit_context(&all["context"]).await;
        let mut order = all["record"].take();
        if order["epcs"].is_null() {
            order.as_object_mut().expect("an order").remove("signed_on");
            order["signed_at"] = json!("2026-11-24T06:00:00-05:00");
            order["state"] = json!("signed");
            order["start_date"] = json!("2026-11-24");
        }
        order
    }

    /// Submits an order; it must be accepted.
    pub(crate) async fn submit(&self, order: &Value) -> Value {
        let got = self.gateway.submit("medication-request", order).await;
        assert_eq!(got.status, 202, "{}", got.text());
        got.json()
    }

    /// A prepared order, submitted and sent.
    pub(crate) async fn sent(&self, case: &str) -> Value {
        let order = self.prepare(case).await;
        self.submit(&order).await;
        self.gateway.work().await;
        order
    }

    /// The jobs of an order, in their order: (purpose, state, reason).
    pub(crate) async fn jobs(&self, order: &Value) -> Vec<(String, String, String)> {
        let jobs = self.story(order).await["jobs"].as_array().cloned();
        let text = |job: &Value, key: &str| job[key].as_str().unwrap_or_default().to_owned();
        jobs.unwrap_or_default()
            .iter()
            .map(|j| (text(j, "purpose"), text(j, "state"), text(j, "reason")))
            .collect()
    }

    /// The story of an order.
    pub(crate) async fn story(&self, order: &Value) -> Value {
        let id = order["order_no"].as_str().expect("an order number");
        let path = format!("/records/medication-request/{id}");
        self.gateway.get(&path, "admin").await.json()
    }

    /// What came back, as the clinic's system reads it: (kind, record).
    pub(crate) async fn feed(&self) -> Vec<(String, Value)> {
        let feed = self.gateway.get("/feed", "clinic-system").await.json();
        let entries = feed["entries"].as_array().cloned().unwrap_or_default();
        entries
            .into_iter()
            .map(|mut e| {
                let kind = e["kind"].as_str().unwrap_or_default().to_owned();
                (kind, e["record"].take())
            })
            .collect()
    }

    /// The newest prescription that the pharmacy took.
    pub(crate) fn newest(&self) -> Rx {
        self.pharmacy.prescriptions().pop().expect("a prescription")
    }

    /// Nothing that does harm has happened.
    pub(crate) fn harmless(&self) {
        let harm = self.pharmacy.harm();
        assert_eq!(harm.sum(), 0, "{harm:?}");
        assert!(self.pharmacy.live_most() <= 1);
    }
}

/// Two pharmacies: the one that orders name, and PH-02's.
pub(crate) async fn two_pharmacies() -> (House, PharmacySim) {
    let setup = Setup::new();
    let clock = setup.clock();
    let start = async |name: &str, options: Options| {
        PharmacySim::start(name, clock.clone(), Journal::new(clock.clone()), options)
            .await
            .expect("a pharmacy")
    };
    let other = Options {
        ncpdp_id: "7701648".to_owned(),
        ..Options::default()
    };
    let mine = Options::default();
    let id = mine.ncpdp_id.clone();
    let first = start(NAME, mine).await;
    let second = start("pharmacy-second", other).await;
    let gateway = setup
        .block(NAME, &block(&first, &id, ""))
        .block("pharmacy-second", &block(&second, "7701648", ""))
        .config(&route(NAME))
        .config(&route("pharmacy-second"))
        .start()
        .await;
    for (pharmacy, name) in [(&first, NAME), (&second, "pharmacy-second")] {
        let door = format!("{}/in/{name}", gateway.url());
        pharmacy
            .connect(&door, &format!("{name}-token"))
            .expect("an address");
    }
    let house = House {
        gateway,
        pharmacy: first,
    };
    (house, second)
}

/// The next version of an order, changed.
pub(crate) fn next(order: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut next = order.clone();
    next["version"] = json!(order["version"].as_u64().expect("a version") + 1);
    change(&mut next);
    next
}
