//! The clinic's door: from bytes to a committed record version with one job per partner.
//!
//! Says yes only after the commit. Keeps nothing of what it refuses but a count (contracts section 3).

use crate::clock::Time;
use crate::ids::{Hash, RawId, TenantId};
use crate::issue::{Issue, Severity};
use crate::json;
use crate::record::{Kind, Record, contract, words};
use crate::sync::accept::{Accepted, Acceptor, Arrival};
use crate::sync::answer;
use crate::sync::dispatch::CLINIC;
use crate::sync::house::Tenant;
use crate::sync::ports::{Given, NewRaw, Refusal, StoreError};

/// Different refusals that are counted of one document.
const REFUSALS_MAX: usize = 20;

/// What the sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// HTTP status: 202, 400, 404, 409, 422, 503.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
}

impl From<Given> for Outcome {
    fn from(given: Given) -> Self {
        Outcome {
            status: given.status,
            body: given.body,
        }
    }
}

/// One submission, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Whose token was shown: its name.
    pub caller: &'a str,
    /// The kind that the path names.
    pub kind: Kind,
    /// `Idempotency-Key`, where there is one.
    pub idempotency_key: Option<&'a str>,
    /// Media type.
    pub media_type: &'a str,
    /// The bytes.
    pub body: &'a [u8],
}

/// The clinic's door.
#[derive(Clone)]
pub struct Intake {
    acceptor: Acceptor,
}

impl Intake {
    /// A door of this house.
    #[must_use]
    pub fn new(acceptor: Acceptor) -> Self {
        Intake { acceptor }
    }

    /// Takes one record in. A store that cannot answers 503: nothing was kept, send it again.
    pub async fn submit(&self, tenant: &TenantId, submission: Submission<'_>) -> Outcome {
        let house = self.acceptor.house();
        let Some(tenant) = house.tenants.get(tenant) else {
            return refuse(
                404,
                &[Issue::error("not-found", "tenant", "", "no such tenant")],
            );
        };
        let now = house.clock.now();
        match self.try_submit(tenant, submission, now).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%error, "a submission could not be stored");
                refuse(
                    503,
                    &[Issue::error(
                        "transient",
                        "store",
                        "",
                        "nothing was stored: send it again",
                    )],
                )
            }
        }
    }

    async fn try_submit(
        &self,
        tenant: &Tenant,
        sub: Submission<'_>,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let store = &self.acceptor.house().store;
        let body_hash = tenant
            .key
            .digest(&[b"body", sub.kind.as_str().as_bytes(), sub.body]);
        if let Some(key) = sub.idempotency_key {
            match store.idempotent(&tenant.id, sub.caller, key).await? {
                Some((hash, given)) if hash == body_hash => {
                    let outcome = given.into();
                    if let Ok(record) = self.read(sub.kind, sub.body) {
                        self.consented(tenant, &outcome, &record, now).await?;
                    }
                    return Ok(outcome);
                }
                Some(_) => return Ok(key_reused()),
                None => {}
            }
        }
        let record = match self.read(sub.kind, sub.body) {
            Ok(record) => record,
            Err(issues) => return self.refused(tenant, &sub, 400, &issues, now).await,
        };
        let arrival = Arrival {
            origin: CLINIC.to_owned(),
            idempotency: sub
                .idempotency_key
                .map(|key| (sub.caller.to_owned(), key.to_owned(), body_hash)),
            raw: Some(raw(&sub, body_hash, now)),
            answers: false,
            confirms: None,
            crosswalk: Vec::new(),
            now,
        };
        let outcome = match self.acceptor.accept(tenant, &record, arrival).await? {
            Accepted::New(given) | Accepted::Repeat(given) => given.into(),
            Accepted::Conflict(newest) => refuse(409, &[conflict(newest)]),
            Accepted::KeyReused => return Ok(key_reused()),
            Accepted::RawSettled => refuse(409, &[]),
            Accepted::Wrong(issues) => {
                return self.refused(tenant, &sub, 422, &issues, now).await;
            }
        };
        self.consented(tenant, &outcome, &record, now).await?;
        Ok(outcome)
    }

    /// After a consent, what was denied of the client is decided anew; after a repeat of one, too: the
    /// first time may have ended right after its commit.
    async fn consented(
        &self,
        tenant: &Tenant,
        outcome: &Outcome,
        record: &Record,
        now: Time,
    ) -> Result<(), StoreError> {
        if let (202, Record::Consent(consent)) = (outcome.status, record) {
            self.acceptor
                .decide_denials(tenant, &consent.client_no, now)
                .await?;
        }
        Ok(())
    }

    fn read(&self, kind: Kind, body: &[u8]) -> Result<Record, Vec<Issue>> {
        let limits = &self.acceptor.house().settings.json;
        let document = json::read(body, limits).map_err(|mut issue| {
            // It was not read: its names may be anything.
            issue.path = words::in_words(&issue.path);
            vec![issue]
        })?;
        contract::parse_document(kind, &document)
    }

    /// Counts what is refused and says why; keeps no body.
    async fn refused(
        &self,
        tenant: &Tenant,
        sub: &Submission<'_>,
        status: u16,
        issues: &[Issue],
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let mut refusals: Vec<Refusal> = Vec::new();
        for issue in issues.iter().filter(|i| i.severity == Severity::Error) {
            let refusal = Refusal {
                kind: sub.kind.as_str().to_owned(),
                rule: issue.rule.clone().into_owned(),
                pointer: words::countable(&issue.path),
                caller: sub.caller.to_owned(),
            };
            if refusals.len() < REFUSALS_MAX && !refusals.contains(&refusal) {
                refusals.push(refusal);
            }
        }
        self.acceptor
            .house()
            .store
            .count_refusals(&tenant.id, refusals, now)
            .await?;
        Ok(refuse(status, issues))
    }
}

fn raw(sub: &Submission<'_>, hash: Hash, now: Time) -> NewRaw {
    NewRaw {
        id: RawId::fresh(now),
        door: format!("clinic:{}", sub.caller),
        sender_id: None,
        media_type: sub.media_type.to_owned(),
        bytes: sub.body.to_vec(),
        hash,
    }
}

fn conflict(newest: u64) -> Issue {
    Issue::error(
        "conflict",
        "version-order",
        "/version",
        format!(
            "version {newest} is stored: a lower one, or the same with other content, is refused"
        ),
    )
}

fn key_reused() -> Outcome {
    refuse(
        422,
        &[Issue::error(
            "business-rule",
            "idempotency-key-reused",
            "",
            "this Idempotency-Key came with another body",
        )],
    )
}

fn refuse(status: u16, issues: &[Issue]) -> Outcome {
    Outcome {
        status,
        body: answer::issues(issues),
    }
}
