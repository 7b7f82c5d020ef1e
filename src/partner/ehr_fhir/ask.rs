//! Reading back: did an unclear attempt arrive? Writes nothing.

use crate::partner::ehr_fhir::exchange::{Exchange, found};
use crate::partner::ehr_fhir::fill::{alike, within};
use crate::sync::job::EffectKind;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Remote, Verdict};

impl Exchange<'_> {
    /// Accepted: they have it. Busy, [`Reason::NotThere`]: they do not. Anything else: still unclear.
    pub async fn ask(&self) -> Answer {
        let kind = self.delivery.effect.what.kind;
        match (kind, self.row()) {
            (EffectKind::Patient, Some(_)) | (EffectKind::Retract, None) => {
                Answer::new(Verdict::Accepted, Reason::NotNeeded)
            }
            (EffectKind::Message, _) => Answer::new(Verdict::Unsure, Reason::Unclear),
            (EffectKind::Upsert | EffectKind::Patient, None) => self.ask_for_new().await,
            (EffectKind::Upsert | EffectKind::Retract, Some(row)) => self.ask_for_update(row).await,
        }
    }

    /// A create: it arrived if something with its identifier is there that says what ours says. An older
    /// version of it may be there by an attempt that nobody could settle: then ours did not arrive.
    async fn ask_for_new(&self) -> Answer {
        let mut matches = match self.search().await {
            Ok(matches) => matches,
            Err(answer) => return unclear(answer),
        };
        match (matches.len(), matches.pop()) {
            (1, Some(copy)) if self.holds_ours(&copy.resource) => found(copy.remote),
            (0 | 1, _) => Answer::new(Verdict::Busy, Reason::NotThere),
            _ if self.delivery.effect.what.kind == EffectKind::Patient => {
                Answer::new(Verdict::Refused, Reason::PatientAmbiguous)
            }
            _ => Answer::new(Verdict::Refused, Reason::SeveralMatches),
        }
    }

    /// Whether a copy has all that we send; what the EHR added does not count. A patient is found by who
    /// it is, not by what it says.
    fn holds_ours(&self, theirs: &serde_json::Value) -> bool {
        self.delivery.effect.what.kind == EffectKind::Patient
            || self.body().is_ok_and(|ours| within(&ours.value(), theirs))
    }

    /// An update: it arrived if what is there is what we sent. When in doubt (an EHR that adds to what it
    /// gets) it is sent again, and `If-Match` guards it.
    async fn ask_for_update(&self, row: Remote) -> Answer {
        let body = match self.body() {
            Ok(body) => body.value(),
            Err(answer) => return unclear(answer),
        };
        match self.read(&row.id).await {
            Ok(Some(copy)) if alike(&body, &copy.resource) => found(copy.remote),
            Ok(_) => Answer::new(Verdict::Busy, Reason::NotThere),
            Err(answer) => unclear(answer),
        }
    }
}

/// A read that failed settles nothing; an outage stays the partner's.
fn unclear(answer: Answer) -> Answer {
    match answer.verdict {
        Verdict::Busy => answer,
        Verdict::Accepted | Verdict::Pending | Verdict::Refused | Verdict::Unsure => Answer {
            verdict: Verdict::Unsure,
            ..answer
        },
    }
}
