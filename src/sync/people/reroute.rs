//! Reroute: a job to another partner of the clinic, encoded for it there. Deny by default: a route has to
//! lead there, and the gate is asked.
//!
//! A prescription goes to another pharmacy only after a first send that was refused and never unclear, or
//! after its cancel was confirmed; one for a controlled drug needs a new signature, and is not rerouted.

use super::{Refused, again, replay};
use crate::ids::{JobId, MessageId, PartnerId, TenantId};
use crate::record::{Kind, Record, contract, medication_request};
use crate::sync::accept::Acceptor;
use crate::sync::gate::Word;
use crate::sync::house::Member;
use crate::sync::job::{ChainJob, LaneKey, Purpose, Reach, State};
use crate::sync::ports::{By, StandIn, StoreError, Style, WholeJob};
use crate::sync::reason::Reason;
use crate::sync::relay::OTHER;

/// Sends a job's record version to another partner. `pharmacy`: for a prescription, the clinic's id of the
/// pharmacy there. The new job.
///
/// # Errors
/// The store's.
pub async fn reroute(
    acceptor: &Acceptor,
    tenant: &TenantId,
    job: &JobId,
    to: &PartnerId,
    pharmacy: Option<&str>,
    by: By<'_>,
) -> Result<Result<JobId, Refused>, StoreError> {
    let house = acceptor.house();
    let store = house.store.as_ref();
    let now = house.clock.now();
    let Some(mut whole) = store.whole(tenant, job).await? else {
        return Ok(Err(Refused::NoJob));
    };
    let (Some(member), Some(of)) = (house.member(tenant, to), house.tenants.get(tenant)) else {
        return Ok(Err(Refused::NoPartner));
    };
    // What comes from here on is noticed when the new job is stored.
    let record = &whole.job.record;
    let newest = acceptor.newest(of, &record.kind, &record.id).await?;
    let head = newest.as_ref().map(|v| v.record.version);
    let Some(mut read) = again::read(acceptor, of, &whole).await? else {
        return Ok(Err(Refused::Unreadable));
    };
    let chain = store.chain(tenant, &whole.chain).await?;
    if let Some(refused) = unfit(&whole, &chain, member, &read.record) {
        return Ok(Err(refused));
    }
    if whole.job.purpose == Purpose::NewRx {
        // What the clinic has ended or changed since is prescribed nowhere.
        let newest =
            newest.and_then(|v| contract::from_stored(Kind::MedicationRequest, &v.body).ok());
        if !newest.is_some_and(|newest| still_holds(&read.record, newest)) {
            return Ok(Err(Refused::Newer));
        }
        let names = [(
            Kind::Pharmacy.as_str().to_owned(),
            pharmacy.unwrap_or_default().to_owned(),
        )];
        let found = store
            .newest(tenant, &names)
            .await?
            .into_iter()
            .flatten()
            .next();
        let found = found.and_then(|v| contract::from_stored(Kind::Pharmacy, &v.body).ok());
        let Some(Record::Pharmacy(found)) = found else {
            return Ok(Err(Refused::NoPharmacy));
        };
        read.context.pharmacy = Some(*found);
    }
    if !member.partner.takes(&read.record, &read.context) {
        return Ok(Err(Refused::NotTaken));
    }
    let client = whole.client.as_deref();
    let word = again::ask(acceptor, of, member, &read, client, now).await?;
    let notice = match word {
        Word::Go(notice) => notice,
        Word::Stay("no-route") => return Ok(Err(Refused::NoRoute)),
        Word::Stay(_) => return Ok(Err(Refused::Consent)),
    };
    let source = stands(&whole);
    // Another receiver, another message.
    whole.job.message = Some(MessageId::fresh(now));
    whole.accepted = now;
    let purpose = whole.job.purpose;
    let notice = notice.as_deref();
    let Ok(effects) = again::encode(acceptor, of, member, &read, &whole, purpose, notice) else {
        return Ok(Err(Refused::NotValid));
    };
    let mut job = replay::made_of(&whole, member, effects, now);
    job.priority = whole.priority;
    job.partner = to.clone();
    let facts = member.partner.facts();
    job.lane = LaneKey::of(
        &whole.chain,
        whole.client.as_deref(),
        facts.order_by_patient,
    );
    let id = job.id.clone();
    let stand_in = StandIn {
        to: source,
        source: whole.job.id.clone(),
        from: whole.job.state,
        record: whole.job.record.clone(),
        head,
        job,
        how: "reroute",
        now,
    };
    let stored = store.stand_in(tenant, stand_in, by).await?;
    Ok(if stored { Ok(id) } else { Err(Refused::Moved) })
}

/// Whether the newest version of an order is live and prescribes what an earlier one did, wherever.
fn still_holds(earlier: &Record, newest: Record) -> bool {
    let (Record::MedicationRequest(earlier), Record::MedicationRequest(mut newest)) =
        (earlier, newest)
    else {
        return false;
    };
    newest.pharmacy_id.clone_from(&earlier.pharmacy_id);
    newest.standing() == medication_request::Standing::Live
        && newest.standing_key() == earlier.standing_key()
        && newest.content_key() == earlier.content_key()
}

/// What becomes of the old job: what has not left is cancelled.
fn stands(whole: &WholeJob) -> Option<State> {
    (whole.job.state != State::Done).then_some(State::Cancelled)
}

/// What keeps a job from being rerouted.
fn unfit(whole: &WholeJob, chain: &[ChainJob], to: &Member, record: &Record) -> Option<Refused> {
    let job = &whole.job;
    let facts = to.partner.facts();
    if facts.id == job.partner {
        return Some(Refused::SamePartner);
    }
    if job.record.kind == OTHER || job.purpose == Purpose::Cancel || facts.style == Style::Clinic {
        return Some(Refused::NotReroutable);
    }
    if whole.ever_unsure {
        return Some(Refused::Unclear);
    }
    if !matches!(job.state, State::Waiting | State::Parked | State::Done) {
        return Some(Refused::NotAtRest);
    }
    if job.purpose != Purpose::NewRx {
        let same = facts.style == Style::Copies;
        return (!same).then_some(Refused::NotReroutable);
    }
    let Record::MedicationRequest(order) = record else {
        return Some(Refused::NotReroutable);
    };
    if facts.style != Style::Prescriptions {
        return Some(Refused::NotReroutable);
    }
    if order.is_controlled() || order.suspicion().is_some() {
        return Some(Refused::Controlled);
    }
    let refused = job.state == State::Parked
        && job.reach == Reach::Not
        && whole.reason == Some(Reason::Refused)
        && whole.ever_refused;
    let taken_back = job.state == State::Done && cancelled_since(job, chain);
    (!(refused || taken_back)).then_some(Refused::MayBeThere)
}

/// Whether a later cancel of the record at the partner was confirmed, and nothing was prescribed since.
fn cancelled_since(job: &ChainJob, chain: &[ChainJob]) -> bool {
    let later = |j: &&ChainJob| {
        j.partner == job.partner
            && (&j.record.kind, &j.record.id) == (&job.record.kind, &job.record.id)
            && j.seq > job.seq
    };
    chain
        .iter()
        .filter(later)
        .any(|j| j.purpose == Purpose::Cancel && j.confirmed == Some(true))
        && !chain
            .iter()
            .filter(later)
            .any(|j| j.purpose == Purpose::NewRx && j.state != State::Superseded)
}
