//! One connection: how it is made, what holds in it, its prepared statements.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::poll_fn;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Statement};

use super::failure::{Failure, at_start};
use super::tls::Trust;
use crate::phi::Secret;

/// Where the database is: a `postgres://` address, without a password.
#[derive(Clone)]
pub struct Address(Config);

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it; never its text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let config: Config = text
            .parse()
            .map_err(|_| "must be like postgres://user@host:5432/database")?;
        if config.get_password().is_some() {
            return Err("must not hold a password: put it into a file (password_file)");
        }
        if config.get_hosts().is_empty() {
            return Err("names no host");
        }
        if config.get_user().is_none() {
            return Err("names no user");
        }
        if config.get_dbname().is_none() {
            return Err("names no database");
        }
        if config.get_options().is_some() {
            return Err("must not hold options: the store sets its own");
        }
        Ok(Address(config))
    }

    /// Whether others may listen on the way to it: any host that is not this machine.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.0.get_hosts().iter().any(|host| match host {
            Host::Tcp(name) => {
                name != "localhost" && !name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            Host::Unix(_) => false,
        })
    }

    /// For people: user, hosts, database.
    #[must_use]
    pub fn shown(&self) -> String {
        let hosts: Vec<String> = self
            .0
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(folder) => folder.display().to_string(),
            })
            .collect();
        format!(
            "postgres://{}@{}/{}",
            self.0.get_user().unwrap_or_default(),
            hosts.join(","),
            self.0.get_dbname().unwrap_or_default()
        )
    }
}

/// How the store uses its database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// The password, where it wants one.
    pub password: Option<Secret<String>>,
    /// Whether the way to it is secured by TLS; then the server's certificate is checked.
    pub tls: bool,
    /// Whose certificates are trusted, PEM; `None`: whom this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Connections that read, at most. One more writes and one listens.
    pub readers_max: usize,
    /// Calls that may wait for the writer; the next one is told that the store is overloaded.
    pub queue_max: usize,
    /// Until a connection must stand, and how long a read waits for a free one.
    pub connect_timeout: Duration,
    /// The longest that one statement may take, at the server.
    pub statement_timeout: Duration,
    /// How long a start waits for a database that is away.
    pub start_wait: Duration,
}

/// What is the same for all connections of a store.
pub(super) struct Way {
    pub(super) settings: Settings,
    trust: Option<Trust>,
    /// Whether the database could not be reached the last time: told once when it goes, once when it is
    /// back, however many want it meanwhile.
    away: AtomicBool,
}

impl Way {
    /// Reads what is needed of the disk.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub(super) fn of(settings: Settings) -> Result<Arc<Self>, Failure> {
        let trust = if settings.tls {
            let trust = Trust::of(settings.ca_file.as_deref())
                .map_err(|e| Failure::other(&format!("certificates: {e}")))?;
            Some(trust)
        } else {
            None
        };
        Ok(Arc::new(Way {
            settings,
            trust,
            away: AtomicBool::new(false),
        }))
    }

    fn note<T>(&self, made: Result<T, Failure>) -> Result<T, Failure> {
        match &made {
            Ok(_) if self.away.swap(false, Ordering::Relaxed) => {
                tracing::info!("the database is back");
            }
            Err(failure) if !self.away.swap(true, Ordering::Relaxed) => {
                tracing::error!(why = failure.text(), "the database is away");
            }
            _ => {}
        }
        made
    }
}

/// A connection. Its driver ends with it.
pub(super) struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    statements: HashMap<&'static str, Statement>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What holds in every session. Our statements take one index step each; a planner without statistics
/// (a new database, a backlog that came within a minute) must not think of reading whole tables instead,
/// and a cached plan would keep to that. Statements are the same from call to call, whatever their
/// parameters: each is planned once, and again when its tables' statistics change, not at each call (a plan
/// takes longer than what it plans). A commit waits for the disk, whatever the server's default.
fn session(settings: &Settings) -> String {
    let ms = settings.statement_timeout.as_millis();
    format!(
        "SET search_path = fhir_gateway; SET statement_timeout = {ms}; SET lock_timeout = {};
         SET idle_in_transaction_session_timeout = {ms}; SET default_transaction_isolation = 'read committed';
         SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
         SET enable_sort = off; SET jit = off; SET plan_cache_mode = force_generic_plan;
         SET client_min_messages = warning; SET default_transaction_read_only = off;
         SELECT set_config('synchronous_commit', 'on', false)
           WHERE current_setting('synchronous_commit') = 'off'",
        ms / 2
    )
}

impl Connection {
    /// Makes a connection. `rung`: told of each notification of somebody else's than `me`.
    pub(super) async fn open(
        way: &Way,
        rung: Option<(Arc<Notify>, String)>,
    ) -> Result<Self, Failure> {
        way.note(Self::make(way, rung).await)
    }

    async fn make(way: &Way, rung: Option<(Arc<Notify>, String)>) -> Result<Self, Failure> {
        let settings = &way.settings;
        let mut config = settings.address.0.clone();
        config
            .application_name("fhir-gateway")
            .connect_timeout(settings.connect_timeout)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(settings.statement_timeout);
        if let Some(password) = &settings.password {
            config.password(password.reveal());
        }
        let made = async {
            match &way.trust {
                Some(trust) => {
                    config.ssl_mode(SslMode::Require);
                    let (client, connection) = config.connect(trust.clone()).await?;
                    Ok((client, drive(connection, rung)))
                }
                None => {
                    config.ssl_mode(SslMode::Disable);
                    let (client, connection) = config.connect(NoTls).await?;
                    Ok((client, drive(connection, rung)))
                }
            }
        };
        let (client, driver) = tokio::time::timeout(settings.connect_timeout, made)
            .await
            .map_err(|_| Failure::gone("the database did not answer in time"))?
            .map_err(|e: tokio_postgres::Error| at_start(&e))?;
        let connection = Connection {
            client,
            driver,
            statements: HashMap::new(),
        };
        let session = session(settings);
        let first = connection.client.batch_execute(&session);
        tokio::time::timeout(settings.connect_timeout, first)
            .await
            .map_err(|_| Failure::gone("the database did not answer in time"))?
            .map_err(|e| at_start(&e))?;
        Ok(connection)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_gone(&self) -> bool {
        self.client.is_closed() || self.driver.is_finished()
    }

    /// Returns when the connection has ended.
    pub(super) async fn ended(&mut self) {
        // How it ended is told to whoever waits for an answer.
        let _ = (&mut self.driver).await;
    }

    /// A statement, prepared once in a connection.
    pub(super) async fn prepare(
        &mut self,
        sql: &'static str,
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Runs a statement; its rows.
    pub(super) async fn rows(
        &mut self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client.batch_execute(sql).await?)
    }
}

/// Carries the connection's traffic until it ends.
fn drive<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    rung: Option<(Arc<Notify>, String)>,
) -> JoinHandle<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        // An error is told to whoever waits for an answer.
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let (AsyncMessage::Notification(told), Some((changed, me))) = (message, &rung)
                && told.payload() != me
            {
                changed.notify_one();
            }
        }
    })
}
