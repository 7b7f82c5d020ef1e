//! A job whose outcome is unclear: what may have been sent is asked about, effect by effect, and never
//! sent again from here, but where asking is sending (SCRIPT).

use std::ops::ControlFlow;

use super::{Attempt, Hold};
use crate::sync::job::{Effect, Find, Reach, State};
use crate::sync::ports::{EffectDone, Rows, StoreError};
use crate::sync::reason::Reason;

impl Attempt<'_> {
    /// Asks about the effects that may have been sent: the first open one that is not skipped, and those
    /// that may have gone with it in one request. What is skipped is told with the outcome of the next one
    /// only, so a node that died while it sent leaves both open.
    pub(super) async fn ask(&self) -> Result<(), StoreError> {
        let (mut not_needed, mut first) = (Vec::new(), None);
        for effect in self.job.effects.iter().filter(|e| !e.done) {
            let rows = self.rows(&[effect]).await?;
            if !self.skips(effect, &rows).await? {
                first = Some(effect);
                break;
            }
            not_needed.push(EffectDone::not_needed(effect.n));
        }
        let Some(first) = first else {
            if not_needed.is_empty() {
                self.settle(State::Done, Reason::FoundThere, false, Reach::There)
                    .await?;
                return Ok(());
            }
            return self.nothing_to_send(not_needed).await;
        };
        // By what is known now, as when they were sent: each one that is found changes it.
        let beside = self.beside(first).await?;
        for effect in std::iter::once(first).chain(beside) {
            if self.lease_is_over() && !self.is_open(first) {
                // Some were found: the others are asked about under another lease.
                self.settle(State::Asking, Reason::FoundThere, true, Reach::Maybe)
                    .await?;
                return Ok(());
            }
            let rows = self.rows(&[effect]).await?;
            if self.skips(effect, &rows).await? {
                not_needed.push(EffectDone::not_needed(effect.n));
                continue;
            }
            let told = std::mem::take(&mut not_needed);
            if self.ask_about(effect, &rows, told).await?.is_break() {
                return Ok(());
            }
        }
        // Found, and more effects are open: they go by the ordinary road, under a new claim.
        self.settle(State::Waiting, Reason::FoundThere, false, self.reach())
            .await?;
        Ok(())
    }

    /// Asks about one effect and writes what it is told. `Continue`: it is there, and others are open.
    async fn ask_about(
        &self,
        effect: &Effect,
        rows: &Rows,
        not_needed: Vec<EffectDone>,
    ) -> Result<ControlFlow<()>, StoreError> {
        // To ask by the same message is to send it: not past its last send (contracts section 7), and only
        // where the gate lets it go, for that is a disclosure, which a read is not (section 4).
        let sends = effect.what.find == Find::SameMessage;
        if !self.member.partner.can_ask(&effect.what) || (sends && self.is_past()) {
            self.settle(State::Parked, Reason::Unclear, true, Reach::Maybe)
                .await?;
            return Ok(ControlFlow::Break(()));
        }
        if sends {
            let grounds = self.grounds().await?;
            let hold = match self.look(grounds.as_ref()).await? {
                None => self.ready(effect, rows),
                held => held,
            };
            match hold {
                None => {}
                Some(Hold::Lost) => return Ok(ControlFlow::Break(())),
                Some(Hold::Settle(state, reason, held)) => {
                    // Held by the gate: asked about when it opens. Else a person has to look.
                    let state = if held { State::Asking } else { state };
                    let settle = self.to(state, reason, held, true, Reach::Maybe);
                    self.report(Some(settle)).await?;
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        if self.lease_is_over() {
            return Ok(ControlFlow::Break(()));
        }
        let last = self.open_from(effect.n + 1).is_none();
        let heard = self.timed(effect, rows, true).await;
        Ok(
            match self.conclude(effect, last, heard, not_needed).await? {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            },
        )
    }
}
