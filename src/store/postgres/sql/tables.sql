-- Tables as SQLite's schema has them, column for column; what differs is said where it differs.
--
-- Texts compare byte by byte (COLLATE "C"): the same order on every server, as in SQLite. Times are
-- microseconds UTC. Bodies are sealed bytea. The tenant is the first column of every key.

CREATE TABLE raw (
  tenant text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, door text COLLATE "C" NOT NULL,
  sender_id text COLLATE "C", media_type text COLLATE "C" NOT NULL, body bytea NOT NULL,
  hash bytea NOT NULL, received bigint NOT NULL, state text COLLATE "C" NOT NULL, issues bytea,
  their_patient text COLLATE "C", given_status integer, given_body bytea,
  same_id_other_bytes boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant, id));
CREATE UNIQUE INDEX raw_sender ON raw (tenant, door, sender_id) WHERE sender_id IS NOT NULL;
CREATE INDEX raw_hash ON raw (tenant, door, hash, received) WHERE sender_id IS NULL;
CREATE INDEX raw_open ON raw (tenant, state, received) WHERE state <> 'done';

CREATE TABLE version (
  tenant text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
  version bigint NOT NULL, chain text COLLATE "C" NOT NULL, client text COLLATE "C",
  body bytea NOT NULL, context text COLLATE "C" NOT NULL, hash bytea NOT NULL,
  origin text COLLATE "C" NOT NULL, accepted bigint NOT NULL,
  given_status integer NOT NULL, given_body bytea NOT NULL,
  PRIMARY KEY (tenant, kind, id, version));
CREATE INDEX version_chain ON version (tenant, chain, accepted);
CREATE INDEX version_consent ON version (tenant, client, id, version) WHERE kind = 'consent';
CREATE TABLE leans (
  tenant text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
  by_kind text COLLATE "C" NOT NULL, by_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, kind, id, by_kind, by_id));
CREATE TABLE resource (
  tenant text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
  version bigint NOT NULL, kind text COLLATE "C" NOT NULL, record text COLLATE "C" NOT NULL,
  part text COLLATE "C" NOT NULL, record_version bigint NOT NULL, updated bigint NOT NULL,
  profiles text COLLATE "C" NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (tenant, type, id, version));
CREATE INDEX resource_record ON resource (tenant, kind, record, type, id, version);
-- A row gets its position after its commit, by one sequencer at a time: positions are in the order in
-- which rows became visible, and a row without one is not shown.
CREATE TABLE feed (
  tenant text COLLATE "C" NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY, position bigint,
  kind text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, version bigint NOT NULL,
  PRIMARY KEY (tenant, n));
CREATE UNIQUE INDEX feed_position ON feed (tenant, position) WHERE position IS NOT NULL;
CREATE INDEX feed_new ON feed (tenant, n) WHERE position IS NULL;
CREATE TABLE idempotency (
  tenant text COLLATE "C" NOT NULL, caller text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
  hash bytea NOT NULL, given_status integer NOT NULL, given_body bytea NOT NULL, made bigint NOT NULL,
  PRIMARY KEY (tenant, caller, key));
CREATE INDEX idempotency_made ON idempotency (made);

-- seq counts in commit order within a partner: it is taken under the partner's lock, which is held
-- until the commit. seen_consents: how many consent versions the client had when it was claimed (not
-- the newest row's number, as in SQLite: here a lower number may be committed after a higher one).
CREATE SEQUENCE job_seq;
CREATE TABLE job (
  tenant text COLLATE "C" NOT NULL, seq bigint NOT NULL, id text COLLATE "C" NOT NULL,
  partner text COLLATE "C" NOT NULL, lane text COLLATE "C" NOT NULL, chain text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL, record text COLLATE "C" NOT NULL, version bigint NOT NULL,
  client text COLLATE "C", purpose text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL,
  rank integer, reason text COLLATE "C", due bigint NOT NULL, deadline bigint,
  priority integer NOT NULL, message text COLLATE "C", awaits text COLLATE "C", awaits_until bigint,
  confirmed boolean, guarded boolean NOT NULL, policy text COLLATE "C" NOT NULL,
  accepted bigint NOT NULL, attempts integer NOT NULL DEFAULT 0, asks integer NOT NULL DEFAULT 0,
  unsure boolean NOT NULL DEFAULT false, reach text COLLATE "C" NOT NULL DEFAULT 'not',
  held boolean NOT NULL DEFAULT false, token bigint NOT NULL DEFAULT 0, lease_until bigint,
  worker text COLLATE "C", settled bigint, succeeds bigint, seen_consents bigint NOT NULL DEFAULT 0,
  holds_lane boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant, seq),
  CHECK (state IN ('waiting', 'sending', 'asking', 'parked')))
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05);
CREATE UNIQUE INDEX job_id ON job (tenant, id);
CREATE INDEX job_lane ON job (tenant, partner, lane, rank, seq) WHERE rank IS NOT NULL;
CREATE INDEX job_chain ON job (tenant, chain, seq);
CREATE INDEX job_record ON job (tenant, partner, kind, record, seq);
CREATE INDEX job_message ON job (tenant, message) WHERE message IS NOT NULL;
CREATE INDEX job_awaits ON job (tenant, awaits) WHERE awaits IS NOT NULL;
CREATE INDEX job_awaits_until ON job (awaits_until) WHERE awaits_until IS NOT NULL AND state = 'waiting';
CREATE INDEX job_lease ON job (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX job_deadline ON job (deadline)
  WHERE deadline IS NOT NULL AND state = 'waiting' AND NOT unsure;
CREATE INDEX job_open ON job (tenant, partner, accepted) WHERE state <> 'parked';
CREATE INDEX job_untried ON job (tenant, partner, accepted)
  WHERE state = 'waiting' AND attempts = 0 AND NOT held;
CREATE INDEX job_parked ON job (tenant, accepted) WHERE state = 'parked';
CREATE INDEX job_asking ON job (tenant, accepted) WHERE state = 'asking';
CREATE INDEX job_retrying ON job (tenant, accepted) WHERE state = 'waiting' AND (attempts > 0 OR held);
CREATE INDEX job_client ON job (tenant, client, partner) WHERE client IS NOT NULL;
CREATE INDEX job_held ON job (tenant, client) WHERE held;
-- What has ended: out of the way of what moves, never changed but for a cancel's confirmation.
CREATE TABLE job_ended (LIKE job INCLUDING DEFAULTS,
  PRIMARY KEY (tenant, seq),
  CHECK (state IN ('done', 'cancelled', 'superseded')));
CREATE UNIQUE INDEX job_ended_id ON job_ended (tenant, id);
CREATE INDEX job_ended_chain ON job_ended (tenant, chain, seq);
CREATE INDEX job_ended_record ON job_ended (tenant, partner, kind, record, seq);
CREATE INDEX job_ended_message ON job_ended (tenant, message) WHERE message IS NOT NULL;
CREATE VIEW any_job AS SELECT * FROM job UNION ALL SELECT * FROM job_ended;

CREATE TABLE effect (
  tenant text COLLATE "C" NOT NULL, job bigint NOT NULL, n integer NOT NULL,
  kind text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL, our_id text COLLATE "C" NOT NULL,
  find text COLLATE "C" NOT NULL, media_type text COLLATE "C", body bytea, holes text COLLATE "C",
  hash bytea, done boolean NOT NULL DEFAULT false, their_id text COLLATE "C",
  PRIMARY KEY (tenant, job, n))
  WITH (fillfactor = 90);
CREATE TABLE attempt (
  tenant text COLLATE "C" NOT NULL, job bigint NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
  effect integer NOT NULL, asked boolean NOT NULL, started bigint NOT NULL, took bigint NOT NULL,
  verdict text COLLATE "C" NOT NULL, reason text COLLATE "C" NOT NULL, status integer,
  charged boolean NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (tenant, job, n));
CREATE TABLE need (
  tenant text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL,
  record text COLLATE "C" NOT NULL, job bigint NOT NULL,
  PRIMARY KEY (tenant, partner, kind, record, job))
  WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX need_job ON need (tenant, job);
CREATE TABLE act (
  tenant text COLLATE "C" NOT NULL, job bigint NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
  act text COLLATE "C" NOT NULL, who text COLLATE "C" NOT NULL, why bytea NOT NULL, at bigint NOT NULL,
  PRIMARY KEY (tenant, job, n));

CREATE TABLE lane (
  tenant text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL, lane text COLLATE "C" NOT NULL,
  head bigint NOT NULL, mode integer NOT NULL, due bigint NOT NULL, priority integer NOT NULL,
  succeeds bigint, jobs bigint NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant, partner, lane))
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lane_ready ON lane (tenant, partner, priority, head) WHERE mode = 0;
CREATE INDEX lane_oldest ON lane (tenant, partner, head) WHERE mode = 0;
CREATE INDEX lane_later ON lane (tenant, partner, due) WHERE mode = 2;
-- The head only (a seq is of one tenant): the planner takes any index that it can search for the tenant
-- when it thinks that a table is empty (it was, at the last vacuum), and all lanes are of a few tenants.
CREATE UNIQUE INDEX lane_head ON lane (head) INCLUDE (tenant);
CREATE INDEX lane_long ON lane (tenant, partner, jobs DESC, lane) WHERE jobs > 1;
CREATE INDEX lane_succeeds ON lane (tenant, partner, succeeds) WHERE succeeds IS NOT NULL;
CREATE TABLE hold (
  tenant text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL, client text COLLATE "C" NOT NULL,
  job bigint NOT NULL,
  PRIMARY KEY (tenant, partner, client, job));
CREATE INDEX hold_job ON hold (tenant, job);
CREATE TABLE partner (
  tenant text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL, paused_until bigint,
  pause_reason text COLLATE "C", last_success bigint, drain bigint,
  failures integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, partner)) WITH (fillfactor = 50);
-- state: one of the seven, or 'made': jobs ever made (SQLite keeps that in total; here a row that
-- everybody writes would make everybody wait for each other).
CREATE TABLE count (
  tenant text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (tenant, partner, state))
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0);
-- slot: several rows for one total, for the same reason; their sum is the total.
CREATE TABLE total (
  tenant text COLLATE "C" NOT NULL, what text COLLATE "C" NOT NULL, slot integer NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (tenant, what, slot))
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0);

CREATE TABLE crosswalk (
  tenant text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL,
  our_id text COLLATE "C" NOT NULL, their_id text COLLATE "C" NOT NULL,
  their_version text COLLATE "C", since bigint NOT NULL,
  PRIMARY KEY (tenant, partner, type, our_id));
CREATE INDEX crosswalk_back ON crosswalk (tenant, partner, type, their_id, since);
CREATE TABLE denial (
  tenant text COLLATE "C" NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY, client text COLLATE "C",
  kind text COLLATE "C" NOT NULL, record text COLLATE "C" NOT NULL, version bigint NOT NULL,
  partner text COLLATE "C" NOT NULL, why text COLLATE "C" NOT NULL, open boolean NOT NULL,
  PRIMARY KEY (tenant, kind, record, version, partner));
CREATE INDEX denial_open ON denial (tenant, client, n) WHERE open;
CREATE TABLE refusal (
  tenant text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, rule text COLLATE "C" NOT NULL,
  pointer text COLLATE "C" NOT NULL, caller text COLLATE "C" NOT NULL, n bigint NOT NULL,
  last bigint NOT NULL,
  PRIMARY KEY (tenant, kind, rule, pointer, caller));

-- The self-check and what a restore means. A moment is 'audited' or 'restored'; both are of the whole
-- database, whose tenant is the empty one.
CREATE TABLE moment (
  tenant text COLLATE "C" NOT NULL, what text COLLATE "C" NOT NULL, at bigint NOT NULL,
  PRIMARY KEY (tenant, what));
CREATE TABLE finding (
  tenant text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL, fault text COLLATE "C" NOT NULL,
  n bigint NOT NULL, since bigint NOT NULL,
  PRIMARY KEY (tenant, partner, fault));

-- An administrator's holds. partner: empty for all of them.
CREATE TABLE stop (
  tenant text COLLATE "C" NOT NULL, client text COLLATE "C" NOT NULL, partner text COLLATE "C" NOT NULL,
  who text COLLATE "C" NOT NULL, why bytea NOT NULL, since bigint NOT NULL,
  PRIMARY KEY (tenant, client, partner));
-- What people did to a partner, a patient, a replay: about says to which.
CREATE TABLE deed (
  tenant text COLLATE "C" NOT NULL, about text COLLATE "C" NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
  what text COLLATE "C" NOT NULL, who text COLLATE "C" NOT NULL, why bytea NOT NULL, at bigint NOT NULL,
  PRIMARY KEY (tenant, about, n));
-- Jobs that people made of others. how: replay, reroute, edit.
CREATE TABLE made (
  tenant text COLLATE "C" NOT NULL, job bigint NOT NULL, source bigint NOT NULL,
  how text COLLATE "C" NOT NULL, replay text COLLATE "C",
  PRIMARY KEY (tenant, job));
CREATE INDEX made_source ON made (tenant, source);
CREATE INDEX made_replay ON made (tenant, replay, job) WHERE replay IS NOT NULL;
-- Replays. cursor: the seq up to which jobs were looked at, of those up to upto. next: not before.
CREATE TABLE replay (
  tenant text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, filter text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL, rate integer NOT NULL, cursor bigint NOT NULL, upto bigint NOT NULL,
  made bigint NOT NULL, retried bigint NOT NULL, skipped text COLLATE "C" NOT NULL,
  who text COLLATE "C" NOT NULL, why bytea NOT NULL, begun bigint NOT NULL, changed bigint NOT NULL,
  next bigint NOT NULL,
  PRIMARY KEY (tenant, id)) WITH (fillfactor = 50);
CREATE INDEX replay_next ON replay (next) WHERE state IN ('running', 'cancelling');
CREATE INDEX replay_begun ON replay (tenant, begun DESC, id);
-- What one person proposed and another has to confirm. body: what exactly, sealed.
CREATE TABLE proposal (
  tenant text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, what text COLLATE "C" NOT NULL,
  about text COLLATE "C" NOT NULL, body bytea NOT NULL, who text COLLATE "C" NOT NULL,
  why bytea NOT NULL, at bigint NOT NULL, state text COLLATE "C" NOT NULL,
  second text COLLATE "C", decided bigint,
  PRIMARY KEY (tenant, id));
CREATE INDEX proposal_open ON proposal (tenant, at, id) WHERE state = 'open';
