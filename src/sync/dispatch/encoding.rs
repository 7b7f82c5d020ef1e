//! What a receiver gets, in its own language; once for all receivers whose language is the same.

use super::One;
use crate::ids::MessageId;
use crate::issue::Issue;
use crate::record::{Kind, contract};
use crate::sync::chain::Planned;
use crate::sync::context::rebuild;
use crate::sync::job::{ChainJob, Purpose, State};
use crate::sync::ports::{Encoded, Outgoing, StoreError};

/// What an earlier receiver of the same version gets.
pub(super) struct Made {
    /// [`Partner::encodes_like`](crate::sync::ports::Partner::encodes_like).
    like: String,
    purpose: Purpose,
    notice: Option<String>,
    encoded: Encoded,
}

impl One<'_> {
    /// Encodes a planned job; a cancel at a pharmacy from the version that it takes back.
    pub(super) async fn encode(
        &self,
        planned: &Planned,
        message: &MessageId,
        here: &[ChainJob],
        notice: Option<&str>,
        before: &mut Vec<Made>,
    ) -> Result<Result<Encoded, Vec<Issue>>, StoreError> {
        if planned.state == State::Cancelled {
            return Ok(Ok(Encoded::default()));
        }
        let mut outgoing = Outgoing {
            env: self.env,
            record: Some(self.fresh.record),
            context: &self.fresh.loaded.context,
            parts: self.fresh.parts,
            patient: self.fresh.patient,
            purpose: planned.purpose,
            message,
            now: self.fresh.now,
            relates_to: planned.relates_to.as_ref(),
            cause: Some(self.fresh.record),
            retracted: self.fresh.retracted,
            notice,
        };
        let old = planned
            .relates_to
            .as_ref()
            .and_then(|m| here.iter().find(|j| j.message.as_ref() == Some(m)));
        if let Some(old) = old {
            let store = self.house.store.as_ref();
            let tenant = &self.fresh.tenant.id;
            let found = store
                .versions(tenant, std::slice::from_ref(&old.record))
                .await?;
            if let Some(stored) = found.into_iter().flatten().next() {
                let record = contract::from_stored(Kind::MedicationRequest, &stored.body);
                if let Ok(record) = record
                    && let Some(context) = rebuild(store, tenant, &record, &stored.context).await?
                {
                    outgoing.record = Some(&record);
                    outgoing.context = &context;
                    return Ok(self.member.partner.encode(&outgoing));
                }
            }
            return Ok(Err(vec![Issue::error(
                "exception",
                "stored-unreadable",
                "",
                "the version that is to be taken back cannot be read any more",
            )]));
        }
        Ok(self.like_others(&outgoing, before))
    }

    /// Encodes, or takes what an earlier receiver's encoding was that is like its own.
    fn like_others(
        &self,
        outgoing: &Outgoing<'_>,
        before: &mut Vec<Made>,
    ) -> Result<Encoded, Vec<Issue>> {
        let partner = &self.member.partner;
        let Some(like) = partner.encodes_like() else {
            return partner.encode(outgoing);
        };
        let same = |made: &&Made| {
            made.like == like
                && made.purpose == outgoing.purpose
                && made.notice.as_deref() == outgoing.notice
        };
        if let Some(made) = before.iter().find(same) {
            return Ok(made.encoded.clone());
        }
        let encoded = partner.encode(outgoing)?;
        before.push(Made {
            like: like.to_owned(),
            purpose: outgoing.purpose,
            notice: outgoing.notice.map(str::to_owned),
            encoded: encoded.clone(),
        });
        Ok(encoded)
    }
}
