//! What the store does for its own keeping: self-checks, what may be dropped, what a restored backup means
//! (sql/keeping.sql).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::failure::Failure;
use super::locks::Wish;
use super::readers::Moment;
use super::rows::{self, Read, get};
use super::writer::Work;
use super::{Postgres, read};
use crate::clock::Time;
use crate::ids::{PartnerId, TenantId};
use crate::store::seal::seal;
use crate::sync::ports::{Audited, Fault, Finding, KEYS_KEPT, Keep, Restored, StoreError};

/// Idempotency keys dropped in one go, at most.
const PRUNED_MAX: i64 = 10_000;
/// Tables whose bodies go, by the words of `bodies_go`.
const TABLES: [&str; 3] = ["attempt", "job", "raw"];

/// Where the next stretch of each table begins.
#[derive(Debug, Default)]
pub(super) struct Rounds(Mutex<[Value; 3]>);

/// What is wrong at this moment.
pub(super) async fn look(
    moment: &mut Moment<'_>,
    now: Time,
    grace: Duration,
    by_caller: bool,
) -> Read<Vec<Finding>> {
    const SQL: &str = "SELECT tenant, partner, fault, n
        FROM audit_look($1, $2, lease_clock($1, $3) - ($1 - $2))";
    moment.at_leisure().await?;
    let before = now.minus(grace).micros();
    let mut found = Vec::new();
    for row in moment
        .rows(SQL, &[&now.micros(), &before, &by_caller])
        .await?
    {
        let fault = Fault::parse(get(&row, 2)?)
            .ok_or_else(|| Failure::other("a fault that is not in the list"))?;
        found.push(Finding {
            tenant: TenantId::new(get(&row, 0)?),
            partner: get::<Option<&str>>(&row, 1)?.map(PartnerId::new),
            fault,
            n: rows::number(&row, 3)?,
        });
    }
    Ok(Finding::gathered(found))
}

/// The call that remembers what was found, and since when.
pub(super) fn remember(found: &[Finding], now: Time) -> Work {
    let all: Value = found
        .iter()
        .map(|f| {
            let partner = f.partner.as_ref().map_or("", PartnerId::as_str);
            json!([f.tenant.as_str(), partner, f.fault.as_str(), f.n])
        })
        .collect();
    Work::new(
        "SELECT audit_remember($1::text::jsonb, $2)",
        Wish::default().name("audit", &TenantId::new(""), &[]),
        vec![Box::new(rows::document(all)), Box::new(now.micros())],
    )
    .quiet()
}

/// What the last check found of a tenant.
pub(super) async fn audited(moment: &mut Moment<'_>, tenant: &str) -> Read<Audited> {
    const SQL: &str = "SELECT nullif(partner, ''), fault, n, since FROM finding WHERE tenant = $1
        ORDER BY since, partner, fault";
    let mut findings = Vec::new();
    for row in moment.rows(SQL, &[&tenant]).await? {
        // A word of a later version of this program is nothing that this one can speak of.
        if let Some(fault) = Fault::parse(get(&row, 1)?) {
            let finding = Finding {
                tenant: TenantId::new(tenant),
                partner: get::<Option<&str>>(&row, 0)?.map(PartnerId::new),
                fault,
                n: rows::number(&row, 2)?,
            };
            findings.push((finding, rows::time(&row, 3)?));
        }
    }
    let at = moment.rows(read::MOMENT, &[&"audited"]).await?;
    Ok(Audited {
        at: at.first().map(|row| rows::time(row, 0)).transpose()?,
        findings,
    })
}

impl Postgres {
    /// What is to be done every few seconds. How many rows were dropped.
    pub(super) async fn keep_house(&self, now: Time, keep: &Keep) -> Result<u64, StoreError> {
        self.renew_statistics().await?;
        self.drop_old(now, keep).await
    }

    /// Has the planner know how big the tables are.
    async fn renew_statistics(&self) -> Result<(), StoreError> {
        const SQL: &str = "SELECT statistics_renew()";
        self.readers.rows("prune", SQL, &[]).await.map(drop)
    }

    /// Drops what may be dropped, a stretch of each table at a time. How many rows.
    async fn drop_old(&self, now: Time, keep: &Keep) -> Result<u64, StoreError> {
        const OPERATION: &str = "prune";
        const SQL: &str = "SELECT upto::text, n FROM bodies_go($1, $2::text::jsonb, $3, $4)";
        let before = now.minus(KEYS_KEPT).micros();
        let number = |row: &_| rows::number(row, 0);
        let keys = self
            .read_one(OPERATION, read::PRUNE, &[&before, &PRUNED_MAX], number)
            .await?;
        let mut n = keys.unwrap_or(0);
        let kept = [keep.answers, keep.payloads, keep.inbound];
        for ((place, table), kept) in TABLES.iter().enumerate().zip(kept) {
            let Some(kept) = kept else { continue };
            let before = now.minus(kept).micros();
            let after = self.rounds().get(place).map(Value::to_string);
            let stretch = self
                .read_one(OPERATION, SQL, &[table, &after, &before, &seal(b"")], |r| {
                    Ok((get::<Option<String>>(r, 0)?, rows::number(r, 1)?))
                })
                .await?;
            let Some((upto, gone)) = stretch else {
                continue;
            };
            n += gone;
            // At the end the next round begins.
            let upto = upto.map_or(Ok(Value::Null), |u| rows::json(&u));
            let upto = upto.map_err(|e| e.error(OPERATION))?;
            if let Some(kept) = self.rounds().get_mut(place) {
                *kept = upto;
            }
        }
        Ok(n)
    }

    fn rounds(&self) -> std::sync::MutexGuard<'_, [Value; 3]> {
        self.rounds.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a restored database, some jobs of a partner at a time.
    pub(super) async fn mark(&self, now: Time) -> Result<Restored, StoreError> {
        const OPERATION: &str = "mark_restored";
        let partners = self
            .read(
                OPERATION,
                "SELECT DISTINCT tenant, partner FROM count",
                &[],
                rows::member,
            )
            .await?;
        let mut marked = Restored::default();
        for (tenant, partner) in partners {
            let mut after = Some(0_i64);
            while let Some(place) = after {
                let work = Work::new(
                    "SELECT upto, asking, parked FROM restored_mark($1, $2, $3, $4)",
                    Wish::default().partner(&tenant, &partner),
                    vec![
                        Box::new(tenant.as_str().to_owned()),
                        Box::new(partner.as_str().to_owned()),
                        Box::new(place),
                        Box::new(now.micros()),
                    ],
                );
                let (upto, asking, parked) = self
                    .write_one(OPERATION, work, |r| {
                        Ok((get(r, 0)?, rows::number(r, 1)?, rows::number(r, 2)?))
                    })
                    .await?;
                marked.asking += asking;
                marked.parked += parked;
                after = upto;
            }
        }
        let end = Work::new(
            "SELECT newest, replays, proposals FROM restored_end($1)",
            Wish::default().name("restored", &TenantId::new(""), &[]),
            vec![Box::new(now.micros())],
        );
        let (newest, replays, proposals) = self
            .write_one(OPERATION, end, |r| {
                Ok((
                    rows::time_if(r, 0)?,
                    rows::number(r, 1)?,
                    rows::number(r, 2)?,
                ))
            })
            .await?;
        Ok(Restored {
            newest,
            replays,
            proposals,
            ..marked
        })
    }
}
