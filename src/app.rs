//! Builds the house from the bottom up, hands down, runs, drains.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Place, partners};
use crate::definitions;
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;
use crate::sync::accept::Acceptor;
use crate::sync::auditor::Auditor;
use crate::sync::house::{House, Member};
use crate::sync::inbound::Inbound;
use crate::sync::ports::Store;
use crate::sync::room::Room;
use crate::sync::worker::Worker;
use crate::telemetry;
use crate::web::{self, Bounds, DoorLimits, Doors};

/// Who moves the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// Workers, by themselves.
    Workers,
    /// Whoever holds [`Running::worker`]: tests, which call `step`.
    ByHand,
}

/// A gateway that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The house.
    pub house: Arc<House>,
    /// A worker of it.
    pub worker: Worker,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Takes no new requests, finishes those in hand, lets workers settle what they hold, and ends.
    /// Bounded by the config's `drain_ms` and the partners' time-outs.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            if let Err(e) = task.await {
                tracing::error!(panic = e.is_panic(), "a task ended badly");
            }
        }
    }

    /// Whether a task that should run for ever has ended: then the process must.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }
}

/// Builds the house: store, validator, partners. Opens the database; calls nobody else.
///
/// # Errors
/// What could not be opened or built.
pub async fn build(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<House>> {
    let tenants: HashMap<_, _> = config
        .tenants
        .iter()
        .map(|t| (t.id.clone(), t.clone()))
        .collect();
    let freed = Arc::default();
    let mut members = HashMap::new();
    for block in &config.partners {
        let tenant = tenants
            .get(&block.tenant)
            .with_context(|| format!("partner {}: no such tenant", block.id))?;
        let partner = partners::build(block, tenant)
            .map_err(|wrong| anyhow::anyhow!("partner {}: {}", block.id, wrong.join("; ")))?;
        let room = Room::new(block.pace, Arc::clone(&freed)).ahead(partner.facts().reads_back);
        members.insert(
            (block.tenant.clone(), block.id.clone()),
            Member {
                partner,
                policy: block.policy.clone(),
                room: Arc::new(room),
                rulings: block.rulings.clone(),
            },
        );
    }
    Ok(Arc::new(House {
        tenants,
        partners: members,
        routes: config.routes.clone(),
        store: open_store(config, &clock).await?,
        validator: Arc::new(definitions::validator(config, Some(Arc::clone(&clock)))?),
        rulings: config.validation.rulings.clone(),
        clock,
        settings: config.settings.clone(),
        freed,
    }))
}

/// Opens the store that the config names.
///
/// # Errors
/// It cannot be opened.
pub async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Store>> {
    match &config.store.place {
        Place::Sqlite(file) => {
            if let Some(folder) = file.parent() {
                // What it holds is for this user alone.
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .with_context(|| format!("cannot make the folder {}", folder.display()))?;
            }
            let store =
                Sqlite::open(file).with_context(|| format!("cannot open {}", file.display()))?;
            Ok(Arc::new(
                store.leases_by(Arc::clone(clock), config.settings.lease),
            ))
        }
        Place::Postgres(settings) => {
            let store = Postgres::open(settings.as_ref().clone())
                .await
                .with_context(|| format!("cannot use {}", settings.address.shown()))?;
            Ok(Arc::new(store))
        }
    }
}

/// Starts a gateway: listens, accepts, delivers.
///
/// # Errors
/// What could not be opened, built or listened at.
pub async fn start(
    config: &Config,
    clock: Arc<dyn Clock>,
    drive: Drive,
) -> anyhow::Result<Running> {
    telemetry::start_metrics();
    let house = build(config, clock).await?;
    let acceptor = Acceptor::new(Arc::clone(&house));
    let doors = Doors::new(
        &acceptor,
        config.tokens.clone(),
        DoorLimits {
            requests_max: config.server.requests_max,
            body_timeout: config.server.body_timeout,
            status_rows_max: config.pages.status_rows_max,
            feed_rows_max: config.pages.feed_rows_max,
            list_rows_max: config.pages.list_rows_max,
            free_mb_min: config.store.free_mb_min,
            folder: config
                .store
                .file()
                .and_then(|f| f.parent().map(ToOwned::to_owned)),
        },
        Box::new(telemetry::measured),
    );
    let inbound = Inbound::new(acceptor.clone());
    // Before the doors open: what a crash left half done came before whatever comes now.
    while inbound.resume(house.clock.now()).await? > 0 {}
    let listener = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("cannot listen at {}", config.server.listen))?;
    let address = listener.local_addr().context("no address to listen at")?;
    let stop = CancellationToken::new();
    let worker = Worker::new(inbound);
    let mut tasks = vec![tokio::spawn(web::serve(
        listener,
        web::router(Arc::new(doors)),
        Bounds {
            connections_max: config.server.connections_max,
            header_timeout: config.server.header_timeout,
            drain: config.server.drain,
        },
        stop.clone(),
    ))];
    if drive == Drive::Workers {
        let (worker, stop) = (worker.clone(), stop.clone());
        tasks.push(tokio::spawn({
            let stop = stop.clone();
            async move { worker.run(stop).await }
        }));
        let auditor = Auditor::new(Arc::clone(&house));
        tasks.push(tokio::spawn(async move { auditor.run(stop).await }));
    }
    tracing::info!(
        %address,
        partners = house.partners.len(),
        routes = house.routes.len(),
        "listening"
    );
    Ok(Running {
        address,
        house,
        worker,
        stop,
        tasks,
    })
}
