//! Partners as people see them: counts, pauses, drains, the last word of a probe.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Time;
use crate::ids::{PartnerId, TenantId};
use crate::sync::house::House;
use crate::sync::ports::{By, DeedView, PartnerView, Steer, StoreError};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};

/// A partner at a glance, and how it was steered.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerState {
    /// Counts, pause, last success.
    #[serde(flatten)]
    pub view: PartnerView,
    /// Whether it is being drained, and whether that is through.
    pub drained: Option<bool>,
    /// The last thing that a person did to it.
    pub last: Option<DeedView>,
}

/// All partners of a tenant, also those that have no job yet.
///
/// # Errors
/// The store's.
pub async fn overview(
    house: &House,
    tenant: &TenantId,
    now: Time,
) -> Result<Vec<PartnerState>, StoreError> {
    let mut views = house.store.status(tenant, now, 1).await?.partners;
    for (of, partner) in house.partners.keys() {
        if of == tenant && !views.iter().any(|v| v.partner == *partner) {
            views.push(PartnerView::unused(partner));
        }
    }
    views.sort_by(|a, b| a.partner.cmp(&b.partner));
    let steered = house.store.steered(tenant).await?;
    let mut steered: HashMap<_, _> = steered
        .into_iter()
        .map(|s| (s.partner, (s.drained, s.last)))
        .collect();
    Ok(views
        .into_iter()
        .map(|view| {
            let (drained, last) = steered.remove(&view.partner).unwrap_or_default();
            PartnerState {
                view,
                drained,
                last,
            }
        })
        .collect())
}

/// Asks a partner now whether it is there, by a read that carries no patient. A pause by outage ends if
/// it is, and lasts if it is not; one by a person stays. `None`: no such partner.
///
/// # Errors
/// The store's.
pub async fn probe(
    house: &House,
    tenant: &TenantId,
    partner: &PartnerId,
    by: By<'_>,
) -> Result<Option<Answer>, StoreError> {
    let Some(member) = house.member(tenant, partner) else {
        return Ok(None);
    };
    let now = house.clock.now();
    house
        .store
        .steer(tenant, partner, Steer::Probe, by, now)
        .await?;
    let answer = member.partner.probe().await;
    let again = again(&answer, &member.policy, house.clock.now());
    house.store.probed(tenant, partner, now, again).await?;
    Ok(Some(answer))
}

/// What a probe's answer says: nothing, if the partner is there; else until when it is left alone.
pub(in crate::sync) fn again(
    answer: &Answer,
    policy: &crate::sync::retry::Policy,
    now: Time,
) -> Option<(Time, Reason)> {
    match answer.verdict {
        Verdict::Accepted | Verdict::Pending | Verdict::Refused => None,
        Verdict::Busy | Verdict::Unsure => {
            let outage = Duration::from_secs(policy.outage_s);
            let wait = policy.asked_away(answer).unwrap_or(outage).max(outage);
            Some((now.plus(wait), answer.reason))
        }
    }
}
