//! The schema, by migrations: each runs once, in a transaction of its own, and is never edited after it
//! was released.
//!
//! The tenant is the first column of every key. Bodies are sealed BLOBs. Times are microseconds UTC.

use rusqlite::Connection;

use crate::fault::{self, Point};

/// The migrations, in order; the database's `user_version` says how many have run.
const MIGRATIONS: &[&str] = &[FIRST, KEEPING, PEOPLE, PACE, PATIENTS, SIXTH];

/// How many there are: the number of the newest schema.
#[expect(clippy::cast_possible_truncation, reason = "there are few")]
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

const FIRST: &str = "
CREATE TABLE raw (
  tenant TEXT NOT NULL, id TEXT NOT NULL, door TEXT NOT NULL, sender_id TEXT,
  media_type TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL, received INTEGER NOT NULL,
  state TEXT NOT NULL, issues BLOB, their_patient TEXT,
  given_status INTEGER, given_body BLOB, same_id_other_bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, id));
CREATE UNIQUE INDEX raw_sender ON raw (tenant, door, sender_id) WHERE sender_id IS NOT NULL;
CREATE INDEX raw_hash ON raw (tenant, door, hash, received) WHERE sender_id IS NULL;
CREATE INDEX raw_open ON raw (tenant, state, received) WHERE state <> 'done';

-- Record versions: what was accepted, as it was accepted.
CREATE TABLE version (
  tenant TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
  chain TEXT NOT NULL, client TEXT, body BLOB NOT NULL, context TEXT NOT NULL, hash BLOB NOT NULL,
  origin TEXT NOT NULL, accepted INTEGER NOT NULL, given_status INTEGER NOT NULL, given_body BLOB NOT NULL,
  UNIQUE (tenant, kind, id, version));
CREATE INDEX version_chain ON version (tenant, chain);
CREATE INDEX version_consent ON version (tenant, client, id, version) WHERE kind = 'consent';
-- Which records other records lean on.
CREATE TABLE leans (
  tenant TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, by_kind TEXT NOT NULL, by_id TEXT NOT NULL,
  PRIMARY KEY (tenant, kind, id, by_kind, by_id)) WITHOUT ROWID;
CREATE TABLE resource (
  tenant TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
  kind TEXT NOT NULL, record TEXT NOT NULL, part TEXT NOT NULL, record_version INTEGER NOT NULL,
  updated INTEGER NOT NULL, profiles TEXT NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX resource_id ON resource (tenant, type, id, version);
CREATE INDEX resource_record ON resource (tenant, kind, record, type, id, version);
CREATE TABLE feed (
  tenant TEXT NOT NULL, position INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL);
CREATE INDEX feed_tenant ON feed (tenant, position);
CREATE TABLE idempotency (
  tenant TEXT NOT NULL, caller TEXT NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL,
  given_status INTEGER NOT NULL, given_body BLOB NOT NULL, made INTEGER NOT NULL,
  PRIMARY KEY (tenant, caller, key)) WITHOUT ROWID;
CREATE INDEX idempotency_made ON idempotency (made);

-- Jobs. rank: the place in the lane: 0 under a lease, 1 unclear, 2 a cancel, 3 anything else; NULL when
-- the job does not stand in its lane (ended, parked, held by the gate, awaiting a confirmation).
-- succeeds: the seq of the oldest unsent job of the record whose place it took. seen_rows: the newest
-- version row when it was claimed, so that consents that came since are noticed.
CREATE TABLE job (
  tenant TEXT NOT NULL, seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,
  partner TEXT NOT NULL, lane TEXT NOT NULL, chain TEXT NOT NULL,
  kind TEXT NOT NULL, record TEXT NOT NULL, version INTEGER NOT NULL, client TEXT,
  purpose TEXT NOT NULL, state TEXT NOT NULL, rank INTEGER, reason TEXT,
  due INTEGER NOT NULL, deadline INTEGER, priority INTEGER NOT NULL,
  message TEXT, awaits TEXT, awaits_until INTEGER, confirmed INTEGER,
  guarded INTEGER NOT NULL, policy TEXT NOT NULL, accepted INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, asks INTEGER NOT NULL DEFAULT 0,
  unsure INTEGER NOT NULL DEFAULT 0, reach TEXT NOT NULL DEFAULT 'not', held INTEGER NOT NULL DEFAULT 0,
  token INTEGER NOT NULL DEFAULT 0, lease_until INTEGER, worker TEXT, settled INTEGER,
  succeeds INTEGER, seen_rows INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, id));
CREATE INDEX job_lane ON job (tenant, partner, lane, rank, seq) WHERE rank IS NOT NULL;
CREATE INDEX job_chain ON job (tenant, chain, seq);
CREATE INDEX job_record ON job (tenant, partner, kind, record, state);
CREATE INDEX job_message ON job (tenant, message) WHERE message IS NOT NULL;
CREATE INDEX job_awaits ON job (tenant, awaits) WHERE awaits IS NOT NULL;
CREATE INDEX job_awaits_until ON job (awaits_until) WHERE awaits_until IS NOT NULL;
CREATE INDEX job_lease ON job (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX job_deadline ON job (deadline) WHERE deadline IS NOT NULL AND state = 'waiting';
CREATE INDEX job_open ON job (tenant, partner, accepted) WHERE state IN ('waiting', 'sending', 'asking');
CREATE INDEX job_parked ON job (tenant, accepted) WHERE state = 'parked';
CREATE INDEX job_asking ON job (tenant, accepted) WHERE state = 'asking';
CREATE INDEX job_retrying ON job (tenant, accepted) WHERE state = 'waiting' AND (attempts > 0 OR held = 1);
CREATE INDEX job_client ON job (tenant, client, partner)
  WHERE state IN ('waiting', 'sending', 'asking', 'parked') AND client IS NOT NULL;
CREATE TABLE effect (
  tenant TEXT NOT NULL, job INTEGER NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL,
  type TEXT NOT NULL, our_id TEXT NOT NULL, find TEXT NOT NULL,
  media_type TEXT, body BLOB, holes TEXT, hash BLOB, done INTEGER NOT NULL DEFAULT 0, their_id TEXT,
  PRIMARY KEY (tenant, job, n));
CREATE TABLE attempt (
  tenant TEXT NOT NULL, job INTEGER NOT NULL, effect INTEGER NOT NULL, asked INTEGER NOT NULL,
  started INTEGER NOT NULL, took INTEGER NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
  status INTEGER, charged INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX attempt_job ON attempt (tenant, job);
CREATE TABLE need (
  tenant TEXT NOT NULL, partner TEXT NOT NULL, kind TEXT NOT NULL, record TEXT NOT NULL, job INTEGER NOT NULL,
  PRIMARY KEY (tenant, partner, kind, record, job)) WITHOUT ROWID;
CREATE INDEX need_job ON need (tenant, job);
CREATE TABLE act (
  tenant TEXT NOT NULL, job INTEGER NOT NULL, act TEXT NOT NULL, who TEXT NOT NULL, why BLOB NOT NULL,
  at INTEGER NOT NULL);
CREATE INDEX act_job ON act (tenant, job);

-- Lanes: the head of each line, so that no claim looks for older jobs. mode: 0 ready, 1 in flight or
-- leased, 2 not before due, 3 held back by what it needs or by its patient. succeeds: as its head's.
CREATE TABLE lane (
  tenant TEXT NOT NULL, partner TEXT NOT NULL, lane TEXT NOT NULL, head INTEGER NOT NULL,
  mode INTEGER NOT NULL, due INTEGER NOT NULL, priority INTEGER NOT NULL, succeeds INTEGER,
  PRIMARY KEY (tenant, partner, lane)) WITHOUT ROWID;
CREATE INDEX lane_ready ON lane (tenant, partner, priority, head) WHERE mode = 0;
CREATE INDEX lane_later ON lane (tenant, partner, due) WHERE mode = 2;
CREATE INDEX lane_head ON lane (tenant, head);
CREATE TABLE hold (
  tenant TEXT NOT NULL, partner TEXT NOT NULL, client TEXT NOT NULL, job INTEGER NOT NULL,
  PRIMARY KEY (tenant, partner, client, job)) WITHOUT ROWID;
CREATE INDEX hold_job ON hold (tenant, job);
CREATE TABLE partner (
  tenant TEXT NOT NULL, partner TEXT NOT NULL, paused_until INTEGER, pause_reason TEXT, last_success INTEGER,
  PRIMARY KEY (tenant, partner)) WITHOUT ROWID;
CREATE TABLE count (
  tenant TEXT NOT NULL, partner TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (tenant, partner, state)) WITHOUT ROWID;
CREATE TABLE total (
  tenant TEXT NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (tenant, what)) WITHOUT ROWID;

CREATE TABLE crosswalk (
  tenant TEXT NOT NULL, partner TEXT NOT NULL, type TEXT NOT NULL, our_id TEXT NOT NULL,
  their_id TEXT NOT NULL, their_version TEXT, since INTEGER NOT NULL,
  PRIMARY KEY (tenant, partner, type, our_id)) WITHOUT ROWID;
CREATE INDEX crosswalk_back ON crosswalk (tenant, partner, type, their_id, since);
CREATE TABLE denial (
  tenant TEXT NOT NULL, client TEXT, kind TEXT NOT NULL, record TEXT NOT NULL, version INTEGER NOT NULL,
  partner TEXT NOT NULL, why TEXT NOT NULL, open INTEGER NOT NULL,
  UNIQUE (tenant, kind, record, version, partner));
CREATE INDEX denial_open ON denial (tenant, client) WHERE open = 1;
CREATE TABLE refusal (
  tenant TEXT NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL, pointer TEXT NOT NULL, caller TEXT NOT NULL,
  n INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, rule, pointer, caller)) WITHOUT ROWID;
";

/// The self-check and what a restore means. A moment is `audited` or `restored`; both are of the whole
/// database, whose tenant is the empty one.
const KEEPING: &str = "
CREATE TABLE moment (
  tenant TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (tenant, what)) WITHOUT ROWID;
CREATE TABLE finding (
  tenant TEXT NOT NULL, partner TEXT NOT NULL, fault TEXT NOT NULL, n INTEGER NOT NULL,
  since INTEGER NOT NULL, PRIMARY KEY (tenant, partner, fault)) WITHOUT ROWID;
";

/// What people do beyond acts on one job.
const PEOPLE: &str = "
-- How many jobs stand in a lane; most have one.
ALTER TABLE lane ADD COLUMN jobs INTEGER NOT NULL DEFAULT 1;
UPDATE lane SET jobs = (SELECT count(*) FROM job j WHERE j.tenant = lane.tenant
  AND j.partner = lane.partner AND j.lane = lane.lane AND j.rank IS NOT NULL);
CREATE INDEX lane_long ON lane (tenant, partner, jobs DESC, lane) WHERE jobs > 1;
CREATE INDEX lane_succeeds ON lane (tenant, partner, succeeds) WHERE succeeds IS NOT NULL;
-- drain: the newest job there was when a person began to drain the partner; later ones wait.
ALTER TABLE partner ADD COLUMN drain INTEGER;
-- An administrator's holds. partner: empty for all of them.
CREATE TABLE stop (
  tenant TEXT NOT NULL, client TEXT NOT NULL, partner TEXT NOT NULL, who TEXT NOT NULL, why BLOB NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (tenant, client, partner)) WITHOUT ROWID;
-- What people did to a partner, a patient, a replay: about says to which.
CREATE TABLE deed (
  tenant TEXT NOT NULL, about TEXT NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL, why BLOB NOT NULL,
  at INTEGER NOT NULL);
CREATE INDEX deed_about ON deed (tenant, about);
-- Jobs that people made of others. how: replay, reroute, edit.
CREATE TABLE made (
  tenant TEXT NOT NULL, job INTEGER NOT NULL, source INTEGER NOT NULL, how TEXT NOT NULL, replay TEXT,
  PRIMARY KEY (tenant, job)) WITHOUT ROWID;
CREATE INDEX made_source ON made (tenant, source);
CREATE INDEX made_replay ON made (tenant, replay, job) WHERE replay IS NOT NULL;
-- Replays. cursor: the seq up to which jobs were looked at, of those up to upto. next: not before.
CREATE TABLE replay (
  tenant TEXT NOT NULL, id TEXT NOT NULL, filter TEXT NOT NULL, state TEXT NOT NULL, rate INTEGER NOT NULL,
  cursor INTEGER NOT NULL, upto INTEGER NOT NULL, made INTEGER NOT NULL, retried INTEGER NOT NULL,
  skipped TEXT NOT NULL, who TEXT NOT NULL, why BLOB NOT NULL, begun INTEGER NOT NULL,
  changed INTEGER NOT NULL, next INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)) WITHOUT ROWID;
CREATE INDEX replay_next ON replay (next) WHERE state IN ('running', 'cancelling');
CREATE INDEX replay_begun ON replay (tenant, begun);
-- What one person proposed and another has to confirm. body: what exactly, sealed.
CREATE TABLE proposal (
  tenant TEXT NOT NULL, id TEXT NOT NULL, what TEXT NOT NULL, about TEXT NOT NULL, body BLOB NOT NULL,
  who TEXT NOT NULL, why BLOB NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
  second TEXT, decided INTEGER,
  PRIMARY KEY (tenant, id)) WITHOUT ROWID;
CREATE INDEX proposal_open ON proposal (tenant, at) WHERE state = 'open';
";

/// Who is left alone when, and what may be claimed by age.
const PACE: &str = "
-- failures: outages in a row.
ALTER TABLE partner ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
-- holds_lane: parked, the job keeps its place, and what stands behind it waits.
ALTER TABLE job ADD COLUMN holds_lane INTEGER NOT NULL DEFAULT 0;
CREATE INDEX lane_oldest ON lane (tenant, partner, head) WHERE mode = 0;
";

/// Who makes a patient at a partner.
const PATIENTS: &str = "
-- makes: the patient whom a job makes where the partner does not know them; of a lane, its head's, unless
-- it is held back. Modes: 4 behind another lane that makes the same patient, 5 not before due, and then
-- perhaps behind another.
ALTER TABLE job ADD COLUMN makes TEXT;
ALTER TABLE lane ADD COLUMN makes TEXT;
CREATE INDEX lane_makes ON lane (tenant, partner, makes, mode, ifnull(succeeds, head)) WHERE makes IS NOT NULL;
CREATE INDEX lane_looks_again ON lane (tenant, partner, due) WHERE mode = 5;
UPDATE job SET makes = (SELECT e.our_id FROM effect e WHERE e.tenant = job.tenant AND e.job = job.seq
    AND e.type = 'Patient' AND e.kind IN ('patient', 'upsert') AND e.body IS NOT NULL ORDER BY e.n LIMIT 1)
  WHERE state IN ('waiting', 'sending', 'asking', 'parked') AND purpose <> 'cancel';
UPDATE job SET makes = NULL WHERE makes IS NOT NULL AND EXISTS (SELECT 1 FROM crosswalk c
  WHERE c.tenant = job.tenant AND c.partner = job.partner AND c.type = 'Patient' AND c.our_id = job.makes);
UPDATE lane SET makes = (SELECT makes FROM job WHERE seq = head) WHERE mode <> 3;
UPDATE lane SET mode = 5 WHERE makes IS NOT NULL AND mode = 2
  AND (SELECT state FROM job WHERE seq = head) = 'waiting';
UPDATE lane AS b SET mode = 4 WHERE makes IS NOT NULL AND mode = 0
  AND (SELECT state FROM job WHERE seq = head) = 'waiting'
  AND EXISTS (SELECT 1 FROM lane l JOIN job j ON j.seq = l.head WHERE l.tenant = b.tenant
    AND l.partner = b.partner AND l.makes = b.makes AND l.mode IN (0, 1, 2) AND l.lane <> b.lane
    AND (l.mode = 1 OR j.state = 'asking' OR ifnull(l.succeeds, l.head) < ifnull(b.succeeds, b.head)));
";

/// Several effects in one request; one probe at a time; and indexes whose conditions need no table of their
/// own: of a list of words SQLite builds one each time that a job is written.
const SIXTH: &str = "
-- together: how many effects went in the one request, `effect` being the first of them.
ALTER TABLE attempt ADD COLUMN together INTEGER NOT NULL DEFAULT 1;
-- probing: until when somebody has the asking in hand whether the partner is there.
ALTER TABLE partner ADD COLUMN probing INTEGER;
-- settled: since when a job is not open (waiting, sending, asking).
DROP INDEX job_open;
CREATE INDEX job_open ON job (tenant, partner, accepted) WHERE settled IS NULL;
DROP INDEX job_client;
CREATE INDEX job_client ON job (tenant, client, partner)
  WHERE state <> 'done' AND state <> 'cancelled' AND state <> 'superseded' AND client IS NOT NULL;
";

/// What marks a database file as one of this program ("IOPG").
pub(super) const APPLICATION: i32 = 0x494F_5047;

/// Brings a database to the newest schema.
///
/// # Errors
/// A migration fails (nothing of it is kept), or the database is of another or a later program.
pub fn migrate(
    connection: &mut Connection,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let number = |sql: &str| connection.query_row(sql, [], |r| r.get::<_, i64>(0));
    let have = number("PRAGMA user_version")?;
    let ours = number("PRAGMA application_id")? == i64::from(APPLICATION);
    let new = have == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !(ours || new) {
        return Err("the file is a database of another program".into());
    }
    if have > i64::from(NEWEST) {
        return Err("the database was made by a later version of this program".into());
    }
    for (n, sql) in (1..).zip(MIGRATIONS) {
        if n <= have {
            continue;
        }
        let tx = connection.transaction()?;
        tx.execute_batch(sql)?;
        fault::here(Point::InMigration);
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", n)?;
        tx.commit()?;
    }
    Ok(())
}
