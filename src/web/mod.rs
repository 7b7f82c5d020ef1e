//! Floor 5: the doors. The only floor that knows axum and status codes.
//!
//! ```text
//! clinic    POST /records/{kind}          202, 400, 409, 422       right submit
//!           GET  /records/{kind}/{id}     the whole story          right read (operate: without bodies)
//!           GET  /feed?after&limit        what came back           right feed
//!           GET  /schemas, /schemas/{kind}                         open
//! partners  POST /in/{partner}            right inbound:{partner}
//! people    GET  /status                  JSON or a page           right read or operate
//!           GET  /jobs, /jobs/{id}, /jobs/{id}/blocked-by          right read or operate
//!           GET  /lanes, /partners, /holds                         right read or operate
//!           GET  /unmatched               POST /unmatched/link     right operate
//!           POST /jobs/{id}/{retry|cancel|resolve-there|resolve-not-there}
//!           POST /partners/{id}/{pause|resume|drain|probe}
//!           POST /holds, /holds/release
//!           POST /jobs/{id}/{reroute|edit}
//!           GET  /replays, /replays/{id}                           right read or operate
//!           POST /replays, /replays/dry-run, /replays/{id}/cancel  right operate
//!           GET  /proposals               POST /proposals/{id}/{confirm|reject}
//! machines  GET  /health, /ready          open
//!           GET  /metrics                 right metrics or read
//! ```
//!
//! A request passes, in this order: its head in time, the limit of requests at once, its token and
//! right, its body in size and time. Nothing of a record stands in a log line or a metric; the log
//! names a request by the pattern of its address.

mod access;
mod admin;
mod answer;
mod body;
mod clinic;
mod guard;
mod health;
mod partners;
mod server;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::clock::Time;
use crate::ids::TenantId;
use crate::sync::accept::Acceptor;
use crate::sync::house::{House, Tenant};
use crate::sync::inbound::Inbound;
use crate::sync::intake::Intake;
use crate::sync::ports::{PartnerView, Status};
pub use access::{Right, Token, TokenHash};
pub use server::{Bounds, serve};

/// What the doors may be asked for at most.
#[derive(Clone, Debug)]
pub struct DoorLimits {
    /// Requests at once.
    pub requests_max: usize,
    /// Until a body must be there.
    pub body_timeout: Duration,
    /// Jobs that `/status` lists.
    pub status_rows_max: usize,
    /// Entries of one page of `/feed`.
    pub feed_rows_max: usize,
    /// Entries of one page of `/jobs`, `/lanes`, `/holds`.
    pub list_rows_max: usize,
    /// `/ready` says no with less room than this for `folder`, in MiB.
    pub free_mb_min: u64,
    /// The folder of the store.
    pub folder: Option<PathBuf>,
}

/// What a door needs.
pub struct Doors {
    house: Arc<House>,
    acceptor: Acceptor,
    intake: Intake,
    inbound: Inbound,
    tokens: Vec<Token>,
    limits: DoorLimits,
    requests: Arc<Semaphore>,
    measured: Box<dyn Fn() -> String + Send + Sync>,
}

impl Doors {
    /// The doors of the house that accepts. `measured` gives this process's metrics as Prometheus text.
    #[must_use]
    pub fn new(
        acceptor: &Acceptor,
        tokens: Vec<Token>,
        limits: DoorLimits,
        measured: Box<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        Doors {
            acceptor: acceptor.clone(),
            intake: Intake::new(acceptor.clone()),
            inbound: Inbound::new(acceptor.clone()),
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            house: Arc::clone(acceptor.house()),
            tokens,
            limits,
            measured,
        }
    }

    fn now(&self) -> Time {
        self.house.clock.now()
    }

    /// The facts of a caller's tenant; the config has one for every token.
    fn tenant(&self, caller: &guard::Caller) -> Result<&Tenant, answer::Answer> {
        self.house
            .tenants
            .get(&caller.tenant)
            .ok_or_else(answer::not_yours)
    }

    /// The status of a tenant, with the partners that have no job yet.
    async fn status(&self, tenant: &TenantId) -> Result<Status, answer::Answer> {
        let house = &self.house;
        let rows = self.limits.status_rows_max;
        let status = house.store.status(tenant, self.now(), rows).await;
        let mut status = status.map_err(|e| health::store_said(&e))?;
        for (of, partner) in house.partners.keys() {
            if of == tenant && !status.partners.iter().any(|p| p.partner == *partner) {
                status.partners.push(PartnerView::unused(partner));
            }
        }
        status.partners.sort_by(|a, b| a.partner.cmp(&b.partner));
        Ok(status)
    }

    async fn body(&self, request: axum::extract::Request) -> Result<Vec<u8>, answer::Answer> {
        body::read(
            request,
            self.house.settings.json.bytes_max,
            self.limits.body_timeout,
        )
        .await
    }
}

/// All doors.
pub fn router(doors: Arc<Doors>) -> Router {
    Router::new()
        .route("/", get(admin::root))
        .route("/records/{kind}", post(clinic::submit))
        .route("/records/{kind}/{id}", get(admin::story))
        .route("/feed", get(clinic::feed))
        .route("/schemas", get(clinic::schemas))
        .route("/schemas/{kind}", get(clinic::schema))
        .route("/in/{partner}", post(partners::receive))
        .route("/status", get(admin::status))
        .route("/jobs", get(admin::jobs::list))
        .route("/jobs/{id}", get(admin::jobs::one))
        .route("/jobs/{id}/blocked-by", get(admin::jobs::blocked_by))
        .route("/jobs/{id}/reroute", post(admin::second::reroute))
        .route("/jobs/{id}/edit", post(admin::second::edit))
        .route("/jobs/{id}/{act}", post(admin::act))
        .route(
            "/replays",
            get(admin::replays::list).post(admin::replays::begin),
        )
        .route("/replays/dry-run", post(admin::replays::dry_run))
        .route("/replays/{id}", get(admin::replays::one))
        .route("/replays/{id}/cancel", post(admin::replays::cancel))
        .route("/proposals", get(admin::second::list))
        .route("/proposals/{id}/{act}", post(admin::second::decide))
        .route("/lanes", get(admin::lanes::list))
        .route("/holds", get(admin::holds::list).post(admin::holds::hold))
        .route("/holds/release", post(admin::holds::release))
        .route("/partners", get(admin::partners::list))
        .route("/partners/{id}/{act}", post(admin::partners::act))
        .route("/unmatched", get(admin::unmatched))
        .route("/unmatched/link", post(admin::link))
        .route("/page.css", get(admin::style))
        .route("/health", get(health::alive))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(|| async { answer::nothing_here() })
        .method_not_allowed_fallback(|| async { answer::not_so() })
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&doors),
            guard::around,
        ))
        .with_state(doors)
}
