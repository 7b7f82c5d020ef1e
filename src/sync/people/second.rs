//! What needs a second person: one proposes, another, by another token, confirms; only then is it done.
//!
//! What was proposed is kept sealed, is done at most once, and is looked at anew when it is confirmed:
//! what has moved meanwhile is refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Refused, edit, replay};
use crate::clock::Time;
use crate::ids::{self, JobId, TenantId};
use crate::sync::accept::Acceptor;
use crate::sync::job::{Purpose, State};
use crate::sync::ports::{Act, Begun, By, JobFilter, JobView, NewProposal, NewReplay, StoreError};
use crate::sync::reason::Reason;

/// Exactly what is proposed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    Resolve {
        job: JobId,
        there: bool,
    },
    /// A prescription whose earlier one may be live: the pharmacy says that it is not.
    Retry {
        job: JobId,
    },
    Edit {
        job: JobId,
        effect: u32,
        /// The merge patch, as its text.
        patch: String,
    },
    Replay {
        id: String,
        filter: JobFilter,
        rate: u32,
    },
}

/// What came of a person's wish.
#[derive(Debug)]
pub enum Wish<T> {
    /// It is done.
    Done(T),
    /// It waits for a second person: the proposal's id.
    Proposed(String),
}

async fn propose(
    acceptor: &Acceptor,
    tenant: &TenantId,
    (what, about): (&str, &str),
    deed: &Deed,
    by: By<'_>,
) -> Result<String, StoreError> {
    let house = acceptor.house();
    let now = house.clock.now();
    let new = NewProposal {
        id: ids::fresh(now),
        what: what.to_owned(),
        about: about.to_owned(),
        body: serde_json::to_vec(deed).unwrap_or_default(),
    };
    let id = new.id.clone();
    house.store.propose(tenant, new, by, now).await?;
    Ok(id)
}

/// Whether a parked prescription may have an earlier one that is live: its cancel was denied, or nobody
/// answered it, or the database that knew was lost. Whoever sends it says that the pharmacy ended that.
pub(super) fn earlier_may_be_live(job: &JobView) -> bool {
    let kept = [Reason::CancelDenied, Reason::CancelSilent, Reason::Restored];
    job.state == State::Parked
        && job.purpose == Purpose::NewRx
        && job.reason.is_some_and(|reason| kept.contains(&reason))
}

/// A person's act on a job. To say what became of an unclear prescription, or to send one whose earlier one
/// may be live, takes two people, if the config says so. `None`: the job's state does not allow it.
///
/// # Errors
/// The store's.
pub async fn act(
    acceptor: &Acceptor,
    tenant: &TenantId,
    job: &JobId,
    act: Act,
    by: By<'_>,
) -> Result<Option<Wish<()>>, StoreError> {
    let house = acceptor.house();
    let now = house.clock.now();
    if act != Act::Cancel
        && house.settings.people.two_resolve
        && let Some(sheet) = house.store.job(tenant, job, now).await?
        && let Some((what, deed)) = takes_two(&sheet.job, act)
    {
        let id = propose(acceptor, tenant, (what, job.as_str()), &deed, by).await?;
        return Ok(Some(Wish::Proposed(id)));
    }
    let acted = house
        .store
        .act(tenant, job, act, by.who, by.why, now)
        .await?;
    Ok(acted.then_some(Wish::Done(())))
}

/// What is proposed in place of an act that takes two people.
fn takes_two(job: &JobView, act: Act) -> Option<(&'static str, Deed)> {
    let unclear = job.purpose == Purpose::NewRx && job.unsure;
    let id = || job.id.clone();
    match act {
        Act::ResolveThere if unclear => Some((
            "resolve-there",
            Deed::Resolve {
                job: id(),
                there: true,
            },
        )),
        Act::ResolveNotThere if unclear => Some((
            "resolve-not-there",
            Deed::Resolve {
                job: id(),
                there: false,
            },
        )),
        // What is unclear is not retried at all.
        Act::Retry if earlier_may_be_live(job) && !job.unsure => {
            Some(("retry", Deed::Retry { job: id() }))
        }
        _ => None,
    }
}

/// Begins a replay; one of more jobs than the config says takes two people.
///
/// # Errors
/// The store's.
pub async fn begin_replay(
    acceptor: &Acceptor,
    tenant: &TenantId,
    new: NewReplay,
    by: By<'_>,
) -> Result<Result<Wish<Begun>, replay::Unfit>, StoreError> {
    let house = acceptor.house();
    let above = house.settings.people.two_replay_above;
    if house.store.replay(tenant, &new.id).await?.is_none() {
        let jobs = match replay::count(acceptor, tenant, &new).await? {
            Ok(jobs) => jobs,
            Err(unfit) => return Ok(Err(unfit)),
        };
        if jobs > above {
            let deed = Deed::Replay {
                id: new.id.clone(),
                filter: new.filter,
                rate: new.rate,
            };
            let id = propose(acceptor, tenant, ("replay", &new.id), &deed, by).await?;
            return Ok(Ok(Wish::Proposed(id)));
        }
    }
    Ok(replay::begin(acceptor, tenant, new, by)
        .await?
        .map(Wish::Done))
}

/// Edits a parked job's resource and sends it; see [`edit`].
///
/// # Errors
/// The store's.
pub async fn edit(
    acceptor: &Acceptor,
    tenant: &TenantId,
    (job, effect): (&JobId, u32),
    patch: &Value,
    by: By<'_>,
) -> Result<Result<Wish<JobId>, Refused>, StoreError> {
    let house = acceptor.house();
    if !house.settings.people.two_edit {
        let made = edit::edit(acceptor, tenant, (job, effect), patch, by).await?;
        return Ok(made.map(Wish::Done));
    }
    // What cannot be done is said at once, and not to the second person.
    if let Err(refused) = edit::look(acceptor, tenant, (job, effect), patch).await? {
        return Ok(Err(refused));
    }
    let deed = Deed::Edit {
        job: job.clone(),
        effect,
        patch: patch.to_string(),
    };
    let id = propose(acceptor, tenant, ("edit", job.as_str()), &deed, by).await?;
    Ok(Ok(Wish::Proposed(id)))
}

/// What came of a confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmed {
    /// It was done; the job that it made, where it made one.
    Done(Option<JobId>),
    /// There is no such open proposal, or whoever confirms it proposed it.
    NotOpen,
    /// What it is about has moved: it cannot be done any more.
    Moved,
    /// It cannot be done, and why.
    Refused(Refused),
}

/// A second person confirms a proposal, and it is done.
///
/// # Errors
/// The store's; then the proposal is used up, and nothing was done unless the store did it.
pub async fn confirm(
    acceptor: &Acceptor,
    tenant: &TenantId,
    id: &str,
    second: &str,
) -> Result<Confirmed, StoreError> {
    let house = acceptor.house();
    let now: Time = house.clock.now();
    let decided = house.store.decide(tenant, id, second, true, now).await?;
    let Some(proposal) = decided else {
        return Ok(Confirmed::NotOpen);
    };
    let who = format!("{}, confirmed by {second}", proposal.deed.who);
    let by = By {
        who: &who,
        why: &proposal.deed.why,
    };
    let Ok(deed) = serde_json::from_slice::<Deed>(&proposal.body) else {
        return Ok(Confirmed::Moved);
    };
    let act = async |job: &JobId, act: Act| {
        let acted = house.store.act(tenant, job, act, by.who, by.why, now);
        let moved = |acted| match acted {
            true => Confirmed::Done(None),
            false => Confirmed::Moved,
        };
        acted.await.map(moved)
    };
    Ok(match deed {
        Deed::Resolve { job, there: true } => act(&job, Act::ResolveThere).await?,
        Deed::Resolve { job, there: false } => act(&job, Act::ResolveNotThere).await?,
        Deed::Retry { job } => act(&job, Act::Retry).await?,
        Deed::Edit { job, effect, patch } => {
            let Ok(patch) = serde_json::from_str(&patch) else {
                return Ok(Confirmed::Moved);
            };
            match edit::edit(acceptor, tenant, (&job, effect), &patch, by).await? {
                Ok(made) => Confirmed::Done(Some(made)),
                Err(refused) => Confirmed::Refused(refused),
            }
        }
        Deed::Replay { id, filter, rate } => {
            let new = NewReplay { id, filter, rate };
            match replay::begin(acceptor, tenant, new, by).await? {
                Ok(_) => Confirmed::Done(None),
                Err(_) => Confirmed::Moved,
            }
        }
    })
}
