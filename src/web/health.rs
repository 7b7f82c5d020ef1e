//! For machines that look after us: alive, ready, measured. No id of a patient, a record or a message
//! stands in any of it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::Doors;
use super::access::Right;
use super::answer::{self, Answer};
use super::guard::Caller;
use crate::clock::Time;
use crate::sync::ports::{Breaker, Status, StoreError};

/// `GET /health`: the process answers.
pub(super) async fn alive() -> Answer {
    answer::json(StatusCode::OK, &json!({"alive": true}))
}

/// `GET /ready`: the store answers, and its disk has room.
pub(super) async fn ready(State(doors): State<Arc<Doors>>) -> Answer {
    let store = doors.house.store.check().await;
    if let Err(e) = &store {
        tracing::warn!(cause = %e, "not ready");
    }
    let folder = doors.limits.folder.clone();
    let mb = doors.limits.free_mb_min;
    let room = match folder {
        None => true,
        Some(folder) => tokio::task::spawn_blocking(move || has_room(&folder, mb))
            .await
            .unwrap_or(false),
    };
    let ready = store.is_ok() && room;
    answer::json(
        if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        &json!({"ready": ready, "store": store.is_ok(), "disk": room}),
    )
}

/// Whether the folder's disk has room for so many MiB.
fn has_room(folder: &Path, mb: u64) -> bool {
    rustix::fs::statvfs(folder)
        .is_ok_and(|v| v.f_bavail.saturating_mul(v.f_frsize) / (1 << 20) >= mb)
}

/// What a caller is told when the store could not: 503, to be tried again. The cause is for the log.
pub(super) fn store_said(error: &StoreError) -> Answer {
    tracing::error!(cause = %error, "the store could not do it");
    answer::come_back()
}

/// `GET /metrics`: Prometheus text; of partners and jobs, only those of the caller's tenant.
pub(super) async fn metrics(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Metrics, Right::Read])?;
    let now = doors.now();
    let status = doors.status(&caller.tenant).await?;
    let mut text = of_tenant(&(doors.measured)(), caller.tenant.as_str());
    text.push_str(&gauges(&status, now));
    Ok(answer::bytes(
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        text.into_bytes(),
    ))
}

/// What was measured, without the lines of other tenants.
fn of_tenant(measured: &str, tenant: &str) -> String {
    let own = format!("tenant=\"{tenant}\"");
    let mut out = String::with_capacity(measured.len());
    for line in measured.lines() {
        if !line.contains("tenant=\"") || line.contains(&own) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The store's own counts. Ids of partners are names from the config, which need no escaping.
fn gauges(status: &Status, now: Time) -> String {
    let mut out = String::new();
    let mut family = |name: &str, help: &str, lines: Vec<(String, u64)>| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in lines {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let per = |f: &dyn Fn(&crate::sync::ports::PartnerView) -> u64| {
        status
            .partners
            .iter()
            .map(|p| (format!("{{partner=\"{}\"}}", p.partner), f(p)))
            .collect::<Vec<_>>()
    };
    let by_state = status
        .partners
        .iter()
        .flat_map(|p| {
            p.jobs.iter().map(|(state, n)| {
                (
                    format!("{{partner=\"{}\",state=\"{state}\"}}", p.partner),
                    *n,
                )
            })
        })
        .collect();
    family("gateway_jobs", "Jobs by partner and state.", by_state);
    family(
        "gateway_jobs_retrying",
        "Of the waiting jobs: tried before.",
        per(&|p| p.retrying),
    );
    family(
        "gateway_jobs_held",
        "Of the waiting jobs: held by consent.",
        per(&|p| p.held),
    );
    family(
        "gateway_oldest_open_seconds",
        "Age of the oldest open job.",
        per(&|p| p.oldest.map_or(0, |t| now.since(t).as_secs())),
    );
    family(
        "gateway_partner_paused",
        "1 if the partner is paused.",
        per(&|p| u64::from(p.paused.is_some())),
    );
    family(
        "gateway_partner_breaker",
        "0 closed, 1 half-open (a probe decides), 2 open, 3 by a person.",
        per(&|p| match p.breaker(now) {
            Breaker::Closed => 0,
            Breaker::HalfOpen => 1,
            Breaker::Open => 2,
            Breaker::ByPerson => 3,
        }),
    );
    let plain = |n: u64| vec![(String::new(), n)];
    family(
        "gateway_jobs_made",
        "Jobs ever made by routing; the sum over the states.",
        plain(status.jobs_made),
    );
    family(
        "gateway_record_versions",
        "Record versions stored.",
        plain(status.versions),
    );
    family(
        "gateway_denials_open",
        "Denials by the consent gate that stand.",
        plain(status.denials_open),
    );
    family(
        "gateway_audit_findings",
        "Faults that the last self-check found.",
        plain(count(&status.audited.findings)),
    );
    family(
        "gateway_inbound_parked",
        "Inbound messages that could not be understood.",
        plain(count(&status.parked_raw)),
    );
    family(
        "gateway_patients_unmatched",
        "Patients of partners that are to be linked.",
        plain(count(&status.unmatched)),
    );
    out
}

fn count<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_tenants_are_left_out_of_what_was_measured() {
        let all = "# TYPE a counter\na{tenant=\"x\",partner=\"p\"} 1\na{tenant=\"xy\"} 2\nb 3\n";
        assert_eq!(
            of_tenant(all, "x"),
            "# TYPE a counter\na{tenant=\"x\",partner=\"p\"} 1\nb 3\n"
        );
    }
}
