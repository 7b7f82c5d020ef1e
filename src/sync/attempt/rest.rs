//! What else moves when a job comes to rest or its patient is found: decided with the record's later jobs
//! in view, which were made while it was in flight and could not take it back (contracts section 6).
//!
//! Sends nothing.

use super::{Attempt, Hold};
use crate::record::{Kind, Record};
use crate::sync::accept::{MOVES_MAX, blank};
use crate::sync::job::{ChainJob, Effect, EffectKind, Purpose, Reach, State, VersionRef};
use crate::sync::overtaken;
use crate::sync::ports::{Admission, Admitted, CrosswalkRow, Rows, Settle, StoreError, Style};
use crate::sync::reason::Reason;
use crate::sync::verdict::Remote;

/// Whether an effect brings something of the record itself.
fn brings(effect: &Effect) -> bool {
    matches!(effect.what.kind, EffectKind::Upsert | EffectKind::Message)
}

impl Attempt<'_> {
    /// Whether something of the record itself is at the partner by this effect. Finding its patient there,
    /// or skipping a retraction, brought nothing.
    pub(super) fn is_there(&self, effect: &Effect) -> bool {
        let since = self.since();
        let there =
            effect.done || since.done.contains(&effect.n) || since.there.contains(&effect.n);
        there && brings(effect)
    }

    /// How far the job has got by its effects.
    pub(super) fn reach(&self) -> Reach {
        match self.job.effects.iter().any(|e| self.is_there(e)) {
            true => Reach::Maybe,
            false => Reach::Not,
        }
    }

    /// A job that is about to rest ends instead, where a later version or a cancel took its place
    /// meanwhile. What it left at the partner before is not forgotten.
    pub(super) async fn rests(&self, settle: Settle) -> Result<Settle, StoreError> {
        let settled = matches!(settle.state, State::Done | State::Asking) || settle.unsure;
        if settled || self.job.purpose == Purpose::Cancel {
            return Ok(settle);
        }
        let jobs = self.jobs_of_record().await?;
        let reach = match settle.reach {
            Reach::Not => self.reach_before(&jobs),
            reach => reach,
        };
        let settle = Settle { reach, ..settle };
        if !matches!(settle.state, State::Waiting | State::Parked) {
            return Ok(settle);
        }
        let sent = reach != Reach::Not;
        Ok(match overtaken::overtaken(&self.job.id, sent, &jobs) {
            Some((state, reason)) => Settle {
                state,
                reason,
                held: false,
                ..settle
            },
            None => settle,
        })
    }

    /// The same, looked at before a send: a version that was accepted between the last answer and its
    /// report is seen here; and a cancel whose older versions certainly never arrived has nothing to
    /// take back.
    pub(super) async fn overtaken(&self) -> Result<Option<Hold>, StoreError> {
        if self.job.purpose == Purpose::Cancel {
            return self.nothing_left().await;
        }
        if self.job.token <= 1 {
            return Ok(None); // never claimed before: what came later has taken it back already
        }
        let jobs = self.jobs_of_record().await?;
        let sent = self.reach() != Reach::Not || self.reach_before(&jobs) != Reach::Not;
        let ended = overtaken::overtaken(&self.job.id, sent, &jobs);
        Ok(ended.map(|(state, reason)| Hold::Settle(state, reason, false)))
    }

    /// What was known before of whether the job left anything there: a send that brought nothing does not
    /// change it. A question settles it.
    fn reach_before(&self, jobs: &[ChainJob]) -> Reach {
        let own = jobs.iter().find(|j| j.id == self.job.id);
        let sending = self.job.state == State::Sending;
        own.filter(|_| sending).map_or(Reach::Not, |j| j.reach)
    }

    async fn nothing_left(&self) -> Result<Option<Hold>, StoreError> {
        let store = self.house.store.as_ref();
        for _ in 0..MOVES_MAX {
            let jobs = self.jobs_of_record().await?;
            let Some(transitions) = overtaken::nothing_left(&self.job.id, &jobs) else {
                return Ok(None);
            };
            let name = [(self.job.record.kind.clone(), self.job.record.id.clone())];
            let newest = store.newest(&self.tenant.id, &name).await?;
            let release = Admission {
                head: newest
                    .into_iter()
                    .flatten()
                    .next()
                    .map(|h| h.record.version),
                transitions,
                // What waits for this cancel need not wait for an answer.
                confirms: self.job.message.clone().map(|m| (m, true)),
                ..blank(&self.tenant.id, &self.job.record, self.house.clock.now())
            };
            if store.admit(release).await? != Admitted::Moved {
                let over = Hold::Settle(State::Cancelled, Reason::NothingThere, false);
                return Ok(Some(over));
            }
        }
        Ok(None)
    }

    /// A cancel arrived: what was parked before it as unclear needs nobody any more. Before the cancel's
    /// own outcome is written, so that a crash in between does it again.
    pub(super) async fn taken_back(&self) -> Result<(), StoreError> {
        let copies = self.member.partner.facts().style == Style::Copies;
        if self.job.purpose != Purpose::Cancel || !copies {
            return Ok(());
        }
        let store = self.house.store.as_ref();
        for _ in 0..MOVES_MAX {
            let jobs = self.jobs_of_record().await?;
            let transitions = overtaken::settled_by(&self.job.id, &jobs);
            if transitions.is_empty() {
                return Ok(());
            }
            let name = [(self.job.record.kind.clone(), self.job.record.id.clone())];
            let newest = store.newest(&self.tenant.id, &name).await?;
            let head = newest.into_iter().flatten().next();
            let settled = Admission {
                head: head.map(|h| h.record.version),
                transitions,
                ..blank(&self.tenant.id, &self.job.record, self.house.clock.now())
            };
            if store.admit(settled).await? != Admitted::Moved {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The jobs of the record at this partner, in accepted order.
    async fn jobs_of_record(&self) -> Result<Vec<ChainJob>, StoreError> {
        let VersionRef { kind, id, .. } = &self.job.record;
        let store = &self.house.store;
        let mut jobs = store.chain(&self.tenant.id, &self.job.chain).await?;
        jobs.retain(|j| {
            j.partner == self.job.partner && j.record.kind == *kind && j.record.id == *id
        });
        jobs.sort_by_key(|j| j.seq);
        Ok(jobs)
    }

    /// The patient has a row now: what they sent about them, and was kept for want of one, goes on. Parked
    /// jobs went in the report's own transaction.
    pub(super) async fn patient_found(
        &self,
        effect: &Effect,
        remote: Remote,
    ) -> Result<(), StoreError> {
        let Some(client) = &self.job.client else {
            return Ok(());
        };
        if effect.what.kind != EffectKind::Patient
            || self.job.record.kind == Kind::ClientMerge.as_str()
        {
            return Ok(());
        }
        let row = CrosswalkRow {
            partner: self.job.partner.clone(),
            resource_type: effect.what.resource_type.clone(),
            our_id: effect.what.our_id.clone(),
            their_id: remote.id,
            their_version: remote.version,
        };
        let (store, now) = (&self.house.store, self.house.clock.now());
        store
            .link(&self.tenant.id, row, Some(client.clone()), now)
            .await
    }

    /// What the partner calls the survivor of a merge, where this effect is about the merged patient:
    /// from its outcome on, that is the merged one's name there, too (contracts section 6).
    pub(super) async fn survivor(&self, effect: &Effect) -> Result<Option<Remote>, StoreError> {
        let row = self.row_of_merged().await?;
        Ok(row
            .filter(|(_, row)| row.our_id == effect.what.our_id)
            .map(|(_, row)| Remote {
                id: row.their_id,
                version: row.their_version,
            }))
    }

    /// What the partner calls the effect's own resource, by these rows.
    pub(super) fn name_there<'r>(&self, effect: &Effect, rows: &'r Rows) -> Option<&'r String> {
        let what = &effect.what;
        let row = rows.get(&(what.resource_type.clone(), what.our_id.clone()));
        row.map(|(id, _)| id)
    }

    /// Whether the partner's patient of this effect is another client's by now: one that was merged away
    /// must not be written over the survivor.
    pub(super) async fn is_anothers(
        &self,
        effect: &Effect,
        rows: &Rows,
    ) -> Result<bool, StoreError> {
        let what = &effect.what;
        if what.resource_type != "Patient" || self.job.record.kind != Kind::Client.as_str() {
            return Ok(false);
        }
        let Some(theirs) = self.name_there(effect, rows) else {
            return Ok(false);
        };
        let (tenant, partner) = (&self.tenant.id, &self.job.partner);
        let store = &self.house.store;
        let owner = store
            .crosswalk_back(tenant, partner, &what.resource_type, theirs)
            .await?;
        Ok(owner.is_some_and(|row| row.our_id != what.our_id))
    }

    /// After a merge arrived: what waits for the merged patient goes on under the survivor's name.
    pub(super) async fn merged(&self) -> Result<(), StoreError> {
        let Some((merged, row)) = self.row_of_merged().await? else {
            return Ok(());
        };
        let (store, now) = (&self.house.store, self.house.clock.now());
        store.link(&self.tenant.id, row, Some(merged), now).await
    }

    /// The merged patient's number, and its row as it is once the merge has arrived.
    async fn row_of_merged(&self) -> Result<Option<(String, CrosswalkRow)>, StoreError> {
        if self.job.record.kind != Kind::ClientMerge.as_str() {
            return Ok(None);
        }
        let Some((Record::ClientMerge(merge), _)) = self.record().await? else {
            return Ok(None);
        };
        let env = self.tenant.env(self.house.clock.now());
        let name = |client: &str| ("Patient".to_owned(), env.id(Kind::Client, client, ""));
        let survivor = [name(&merge.survivor_client_no)];
        let store = &self.house.store;
        let rows = store
            .crosswalk(&self.tenant.id, &self.job.partner, &survivor)
            .await?;
        Ok(rows.into_iter().next().map(|mut row| {
            row.our_id = name(&merge.merged_client_no).1;
            (merge.merged_client_no.clone(), row)
        }))
    }
}
