//! Reading back: did an unclear attempt arrive? Writes nothing.

use crate::partner::ehr_fhir::exchange::{Exchange, found};
use crate::partner::ehr_fhir::fill::{Likeness, alike};
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

    /// A create: it arrived if something with its identifier is there.
    async fn ask_for_new(&self) -> Answer {
        let mut matches = match self.search().await {
            Ok(matches) => matches,
            Err(answer) => return unclear(answer),
        };
        match (matches.len(), matches.pop()) {
            (1, Some(copy)) => found(copy.remote),
            (0, _) => Answer::new(Verdict::Busy, Reason::NotThere),
            _ if self.delivery.effect.what.kind == EffectKind::Patient => {
                Answer::new(Verdict::Refused, Reason::PatientAmbiguous)
            }
            _ => Answer::new(Verdict::Refused, Reason::SeveralMatches),
        }
    }

    /// An update: it arrived if their version moved on and holds what we sent. Without versions, if
    /// theirs is exactly ours. When in doubt it is sent again, and `If-Match` guards it.
    async fn ask_for_update(&self, row: Remote) -> Answer {
        let body = match self.body() {
            Ok(body) => body,
            Err(answer) => return unclear(answer),
        };
        let copy = match self.read(&row.id).await {
            Ok(Some(copy)) => copy,
            Ok(None) => return Answer::new(Verdict::Busy, Reason::NotThere),
            Err(answer) => return unclear(answer),
        };
        let moved = row.version.is_some()
            && copy.remote.version.is_some()
            && row.version != copy.remote.version;
        let likeness = if moved {
            Likeness::Within
        } else {
            Likeness::Same
        };
        if alike(&body, &copy.resource, likeness) {
            found(copy.remote)
        } else {
            Answer::new(Verdict::Busy, Reason::NotThere)
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
