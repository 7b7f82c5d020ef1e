//! Dry runs: what a replay would do, counted and compared, with nothing written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::again::{self, Difference, Why};
use super::replay::{Checked, Class, Unfit, check, class};
use crate::ids::{JobId, TenantId};
use crate::sync::accept::Acceptor;
use crate::sync::job::NewEffect;
use crate::sync::ports::{Candidate, JobFilter, NewReplay, Skips, StoreError, WholeJob};

/// Jobs looked for at a time.
const PAGE: usize = 500;
/// Jobs whose differences a dry run tells one by one.
const EXAMPLES_MAX: usize = 20;

/// What a replay would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DryRun {
    /// Jobs that would be made anew.
    pub anew: u64,
    /// Parked jobs that would be let go.
    pub retried: u64,
    /// Jobs that fit and would be left out, by why.
    pub skipped: Skips,
    /// Jobs a second.
    pub rate_per_s: u32,
    /// How long making them takes at that rate.
    pub eta_s: u64,
    /// Of the jobs made anew: how many were compared with what was sent.
    pub compared: u64,
    /// Of those: how many would be sent with the same bytes.
    pub same: u64,
    /// Of those: how many differ.
    pub differs: u64,
    /// How many differ at each place (`type pointer`, list places as `*`).
    pub places: BTreeMap<String, u64>,
    /// The first that differ, one by one.
    pub examples: Vec<Example>,
}

/// One job of a dry run that would be sent otherwise than it was.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Which.
    pub job: JobId,
    /// Its effects.
    pub effects: Vec<Difference>,
}

/// Says what a replay would do, and writes nothing.
///
/// # Errors
/// The store's.
pub async fn dry_run(
    acceptor: &Acceptor,
    tenant: &TenantId,
    filter: &JobFilter,
    rate: u32,
) -> Result<Result<DryRun, Unfit>, StoreError> {
    let most = acceptor.house().settings.people.replay_compared_max;
    look_through(acceptor, tenant, filter, rate, most).await
}

async fn look_through(
    acceptor: &Acceptor,
    tenant: &TenantId,
    filter: &JobFilter,
    rate: u32,
    compared_max: usize,
) -> Result<Result<DryRun, Unfit>, StoreError> {
    let asked = match check(acceptor, tenant, filter, rate) {
        Ok(asked) => asked,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let house = acceptor.house();
    let most = house.settings.people.replay_jobs_max;
    let mut run = DryRun {
        rate_per_s: rate,
        ..DryRun::default()
    };
    let mut at = 0;
    while at < i64::MAX {
        let (found, upto) = house
            .store
            .candidates(tenant, filter, (at, i64::MAX), PAGE)
            .await?;
        at = upto;
        for c in found {
            let left = run.compared < u64::try_from(compared_max).unwrap_or(u64::MAX);
            dry(acceptor, &asked, &c, filter.job.is_some(), left, &mut run).await?;
            if run.anew + run.retried > most {
                return Ok(Err(Unfit::TooMany));
            }
        }
        // A long look lets others have their turn.
        tokio::task::yield_now().await;
    }
    run.eta_s = (run.anew + run.retried).div_ceil(u64::from(rate));
    Ok(Ok(run))
}

async fn dry(
    acceptor: &Acceptor,
    asked: &Checked<'_>,
    c: &Candidate,
    single: bool,
    compares: bool,
    run: &mut DryRun,
) -> Result<(), StoreError> {
    let skip = |run: &mut DryRun, why: Why| *run.skipped.entry(why.to_owned()).or_default() += 1;
    match class(acceptor, asked, c, single).await? {
        (Class::Skip(why), _) => skip(run, why),
        (Class::Retry, _) => run.retried += 1,
        (Class::Anew, None) => skip(run, "moved"),
        (Class::Anew, Some(_)) if !compares => run.anew += 1,
        (Class::Anew, Some(whole)) => {
            let now = acceptor.house().clock.now();
            let made = again::effects(acceptor, asked.tenant, asked.member, &whole, now).await?;
            match made {
                Err(why) => skip(run, why),
                Ok(effects) => {
                    run.anew += 1;
                    tell(run, &whole, &effects);
                }
            }
        }
    }
    Ok(())
}

fn tell(run: &mut DryRun, whole: &WholeJob, now: &[NewEffect]) {
    let sent: Vec<NewEffect> = whole.effects.iter().map(|e| e.what.clone()).collect();
    let effects = again::compare(&sent, now);
    run.compared += 1;
    if effects.iter().all(|d| d.same) {
        run.same += 1;
        return;
    }
    run.differs += 1;
    for d in effects.iter().filter(|d| !d.same) {
        let places = d.differs.iter().map(|p| general(p));
        let only = d.only.map(|only| format!("(only {only})"));
        let places: std::collections::BTreeSet<String> = places.chain(only).collect();
        for place in places {
            let place = format!("{} {place}", d.resource_type);
            *run.places.entry(place).or_default() += 1;
        }
    }
    if run.examples.len() < EXAMPLES_MAX {
        run.examples.push(Example {
            job: whole.job.id.clone(),
            effects,
        });
    }
}

/// A pointer with `*` for places in lists.
fn general(pointer: &str) -> String {
    let part = |p: &str| match p.bytes().all(|b| b.is_ascii_digit()) && !p.is_empty() {
        true => "*".to_owned(),
        false => p.to_owned(),
    };
    pointer.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// How many jobs a replay would make or let go.
///
/// # Errors
/// The store's.
pub async fn count(
    acceptor: &Acceptor,
    tenant: &TenantId,
    new: &NewReplay,
) -> Result<Result<u64, Unfit>, StoreError> {
    let counted = look_through(acceptor, tenant, &new.filter, new.rate, 0).await?;
    Ok(match counted {
        Ok(run) if run.anew + run.retried == 0 => Err(Unfit::Nothing),
        Ok(run) => Ok(run.anew + run.retried),
        Err(unfit) => Err(unfit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_lists_are_counted_together() {
        assert_eq!(general("/a/0/b/12"), "/a/*/b/*");
        assert_eq!(general(""), "");
    }
}
