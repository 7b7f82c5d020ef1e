//! Planted bugs, at the simulation's own seams: the product is as it is, what it stands on is not. Each has
//! to be found within a few seeds; one that is not shows a hole in what is looked at.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use fhir_gateway::clock::Time;
use fhir_gateway::issue::Issue;
use fhir_gateway::record::{Context, Record};
use fhir_gateway::sync::job::{Claimed, NewEffect, Purpose, State};
use fhir_gateway::sync::ports::{
    Admission, Delivery, Encoded, Envelope, Facts, Incoming, Outgoing, Partner, RawReceipt, Reply,
    Report, Told,
};
use fhir_gateway::sync::reason::Reason;
use fhir_gateway::sync::verdict::{Answer, Verdict};
use rusqlite::OptionalExtension;

use super::watch::Watch;

/// The planted bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The store says yes before, and sometimes without, its commit.
    AckBeforeCommit,
    /// A job is called done before it was delivered.
    CompleteBeforeDelivery,
    /// The newest of a lane goes first.
    NoLaneOrder,
    /// A lease is shorter than the partner's time-out.
    ShortLease,
    /// An unclear prescription is taken for one that was not processed.
    ResendUnsure,
    /// A report is taken although its lease was lost.
    SettleAfterLostLease,
    /// A claim gives out what another has in hand.
    DoubleClaim,
    /// A partner's pause is not written.
    PauseForgotten,
    /// A change of a prescription goes without its cancel.
    CancelNotJoined,
    /// Parked rows are deleted.
    ParkedDeleted,
    /// Two jobs of a patient whom a partner does not know go at once.
    PatientTwice,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 11] = [
        Mutant::AckBeforeCommit,
        Mutant::CompleteBeforeDelivery,
        Mutant::NoLaneOrder,
        Mutant::ShortLease,
        Mutant::ResendUnsure,
        Mutant::SettleAfterLostLease,
        Mutant::DoubleClaim,
        Mutant::PauseForgotten,
        Mutant::CancelNotJoined,
        Mutant::ParkedDeleted,
        Mutant::PatientTwice,
    ];
}

/// A mutant at work, or none.
#[derive(Default)]
pub(crate) struct Sabotage {
    pub(crate) mutant: Option<Mutant>,
    last: Mutex<Option<Claimed>>,
}

impl Sabotage {
    pub(crate) fn of(mutant: Option<Mutant>) -> Self {
        Sabotage {
            mutant,
            last: Mutex::default(),
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn admission(&self, admission: &mut Admission) {
        if self.is(Mutant::CancelNotJoined) {
            for job in &mut admission.jobs {
                job.awaits = None;
                job.reason = None;
                if job.purpose == Purpose::Cancel {
                    job.state = State::Cancelled;
                }
            }
        }
    }

    pub(crate) fn before_claim(&self, watch: &Watch, _: Time) {
        let sql = match self.mutant {
            Some(Mutant::NoLaneOrder) => {
                "UPDATE lane SET mode = 0, head = (SELECT max(j.seq) FROM job j
                   WHERE j.partner = lane.partner AND j.lane = lane.lane AND j.rank = 3)
                 WHERE mode = 0 AND EXISTS (SELECT 1 FROM job j
                   WHERE j.partner = lane.partner AND j.lane = lane.lane AND j.rank = 3)"
            }
            Some(Mutant::ParkedDeleted) => {
                "DELETE FROM job WHERE state = 'parked';
                 UPDATE count SET n = 0 WHERE state = 'parked'"
            }
            Some(Mutant::PatientTwice) => "UPDATE lane SET mode = 0 WHERE mode = 4",
            _ => return,
        };
        watch.ask(|db| db.execute_batch(sql));
    }

    pub(crate) fn claimed(&self, claimed: &mut Vec<Claimed>) {
        if !self.is(Mutant::DoubleClaim) {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = claimed.first().cloned();
        claimed.extend(last.take());
        *last = first;
    }

    pub(crate) fn report(&self, watch: &Watch, report: &mut Report) {
        if self.is(Mutant::SettleAfterLostLease) {
            let token: Option<i64> = watch.ask(|db| {
                db.query_row(
                    "SELECT token FROM job WHERE id = ?1",
                    [report.job.as_str()],
                    |r| r.get(0),
                )
                .optional()
            });
            report.token = token.unwrap_or(report.token);
            watch.ask(|db| {
                db.execute(
                    "UPDATE job SET lease_until = ifnull(lease_until, 0) WHERE id = ?1",
                    [report.job.as_str()],
                )
            });
        }
    }

    /// The partner as the mutant wants it.
    pub(crate) fn partner(&self, partner: Arc<dyn Partner>) -> Arc<dyn Partner> {
        match self.mutant {
            Some(Mutant::ResendUnsure | Mutant::CompleteBeforeDelivery) => Arc::new(Bent {
                partner,
                complete: self.is(Mutant::CompleteBeforeDelivery),
            }),
            _ => partner,
        }
    }
}

/// A partner whose answers mean something else.
struct Bent {
    partner: Arc<dyn Partner>,
    complete: bool,
}

#[async_trait]
impl Partner for Bent {
    fn facts(&self) -> &Facts {
        self.partner.facts()
    }

    fn takes(&self, record: &Record, context: &Context) -> bool {
        self.partner.takes(record, context)
    }

    fn encode(&self, out: &Outgoing<'_>) -> Result<Encoded, Vec<Issue>> {
        self.partner.encode(out)
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Answer {
        if self.complete && fastrand::u8(..10) == 0 {
            return Answer::new(Verdict::Accepted, Reason::Delivered);
        }
        let answer = self.partner.deliver(delivery).await;
        let rx = delivery.job.purpose == Purpose::NewRx;
        match answer.verdict {
            Verdict::Unsure if rx && !self.complete => Answer::new(Verdict::Busy, Reason::TryLater),
            _ => answer,
        }
    }

    fn can_ask(&self, effect: &NewEffect) -> bool {
        self.partner.can_ask(effect)
    }

    async fn ask(&self, delivery: &Delivery<'_>) -> Answer {
        self.partner.ask(delivery).await
    }

    async fn probe(&self) -> Answer {
        self.partner.probe().await
    }

    fn envelope(&self, content_type: &str, bytes: &[u8]) -> Envelope {
        self.partner.envelope(content_type, bytes)
    }

    fn decode(&self, content_type: &str, bytes: &[u8]) -> Result<Vec<Incoming>, Vec<Issue>> {
        self.partner.decode(content_type, bytes)
    }

    fn reply(&self, received: &RawReceipt<'_>) -> Reply {
        self.partner.reply(received)
    }

    fn told(&self, effect: &NewEffect, answer: &Answer) -> Vec<Told> {
        self.partner.told(effect, answer)
    }
}
