-- Jobs: made, moved, confirmed (sqlite/jobs.rs). Every change of a job's state goes through job_go, which
-- keeps what hangs on it: rank, counters, lanes, holds, those who waited. What has ended leaves the table
-- of what moves.
--
-- A job passes here several times, and what a statement costs is not its rows but that it is one: what can
-- be said in one is, and what is hardly ever there (merges) is asked for once.

-- Adds to a total of the tenant: in one of a few rows, by connection.
CREATE FUNCTION total_add(_tenant text, _what text, _by bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO total AS o VALUES (_tenant, _what, pg_backend_pid() % 16, _by)
    ON CONFLICT (tenant, what, slot) DO UPDATE SET n = o.n + _by;
END $$;

-- Ends the holds of a job; the lanes in which the jobs of those patients stand.
CREATE FUNCTION unheld(_tenant text, _partner text, _seq bigint) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE one text; clients text[]; keys text[] := '{}';
BEGIN
  WITH gone AS (DELETE FROM hold WHERE tenant = _tenant AND job = _seq RETURNING client)
    SELECT array_agg(client::text) INTO clients FROM gone;
  FOR one IN SELECT unnest(clients) LOOP
    keys := keys || lanes_of_patient(_tenant, _partner, one);
  END LOOP;
  RETURN keys;
END $$;

-- Consent versions that a client has.
CREATE FUNCTION consents_of(_tenant text, _client text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT count(*) FROM version WHERE tenant = _tenant AND client = _client AND kind = 'consent');
END $$;

-- Moves a job. _reason: NULL as it was, '' none; _due, _unsure, _reach: NULL as they were. A lease that it
-- had ends, and whoever had it finds that out by its token.
CREATE FUNCTION job_go(_tenant text, _seq bigint, _to text, _now bigint, _reason text DEFAULT NULL,
  _due bigint DEFAULT NULL, _held boolean DEFAULT false, _unsure boolean DEFAULT NULL,
  _reach text DEFAULT NULL, _frees boolean DEFAULT false, _lease bigint DEFAULT NULL,
  _worker text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE j job; n job; keeps boolean; ended boolean; merging boolean; others text[] := '{}'; key text;
BEGIN
  SELECT * INTO STRICT j FROM job WHERE tenant = _tenant AND seq = _seq;
  keeps := j.awaits IS NOT NULL AND NOT _frees AND _to IN ('waiting', 'parked');
  ended := _to IN ('done', 'cancelled', 'superseded');
  n := j;
  n.state := _to;
  n.unsure := coalesce(_unsure, j.unsure);
  n.reach := coalesce(_reach, j.reach);
  n.rank := job_rank(_to, j.purpose, _held, keeps, n.unsure, _lease IS NOT NULL,
    j.holds_lane);
  n.reason := CASE WHEN _reason IS NULL THEN j.reason ELSE nullif(_reason, '') END;
  n.due := coalesce(_due, j.due);
  n.held := _held;
  n.lease_until := _lease;
  n.worker := _worker;
  n.settled := CASE WHEN _to NOT IN ('waiting', 'sending', 'asking') THEN _now END;
  IF NOT keeps THEN
    n.awaits := NULL;
    n.awaits_until := NULL;
  END IF;
  n.token := j.token + 1;
  IF _lease IS NOT NULL THEN
    n.seen_consents := CASE WHEN j.client IS NULL THEN 0 ELSE consents_of(_tenant, j.client) END;
  END IF;
  IF ended THEN
    DELETE FROM job WHERE tenant = _tenant AND seq = _seq;
    INSERT INTO job_ended SELECT n.*;
    DELETE FROM need WHERE tenant = _tenant AND job = _seq;
  ELSE
    UPDATE job SET state = n.state, rank = n.rank, reason = n.reason, due = n.due, held = n.held,
        lease_until = n.lease_until, worker = n.worker, settled = n.settled, unsure = n.unsure,
        reach = n.reach, awaits = n.awaits, awaits_until = n.awaits_until, token = n.token,
        seen_consents = n.seen_consents
      WHERE tenant = _tenant AND seq = _seq;
  END IF;
  IF j.state <> _to THEN
    INSERT INTO count AS c VALUES (_tenant, j.partner, j.state, -1), (_tenant, j.partner, _to, 1)
      ON CONFLICT (tenant, partner, state) DO UPDATE SET n = c.n + excluded.n;
  END IF;
  PERFORM lane_refresh(_tenant, j.partner, j.lane, _now,
    (n.rank IS NOT NULL)::integer - (j.rank IS NOT NULL)::integer);
  IF (j.state <> 'parked' AND NOT j.held) <> (_to IN ('waiting', 'sending', 'asking') AND NOT _held) THEN
    others := lanes_needing(_tenant, j.partner, j.kind, j.record);
  END IF;
  merging := EXISTS (SELECT 1 FROM hold WHERE tenant = _tenant AND partner = j.partner);
  -- A merge that is parked holds on: it has not arrived.
  IF merging AND ended THEN
    others := others || unheld(_tenant, j.partner, _seq);
  END IF;
  IF cardinality(others) > 0 THEN
    FOR key IN SELECT DISTINCT u FROM unnest(others) u ORDER BY u LOOP
      PERFORM lane_refresh(_tenant, j.partner, key, _now);
    END LOOP;
  END IF;
  IF merging THEN PERFORM merges_look_again(_tenant, j.partner, j.client, _now); END IF;
END $$;

-- What a pharmacy answered to a cancel, if it did.
CREATE FUNCTION confirmed_of(_tenant text, _message text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT j.confirmed FROM any_job j WHERE j.tenant = _tenant AND j.message = _message
    AND j.purpose = 'cancel' AND j.confirmed IS NOT NULL LIMIT 1);
END $$;

-- Makes a job. _job: as admit.rs writes it; its effects name their bytes by place in _bytes.
CREATE FUNCTION job_put(_tenant text, _job jsonb, _bytes bytea[], _kind text, _record text,
  _version bigint, _client text, _succeeds bigint, _now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE n job; answered boolean;
BEGIN
  n.tenant := _tenant;
  n.seq := nextval('job_seq');
  n.id := _job->>'id';
  n.partner := _job->>'partner';
  n.chain := _job->>'chain';
  -- Where the open jobs of its chain stand, if any do: when the order is changed, no two of it go at once.
  n.lane := coalesce((SELECT j.lane FROM job j WHERE j.tenant = _tenant AND j.chain = n.chain
      AND j.partner = n.partner ORDER BY j.seq DESC LIMIT 1), _job->>'lane');
  n.kind := _kind;
  n.record := _record;
  n.version := _version;
  n.client := _client;
  n.purpose := _job->>'purpose';
  n.state := _job->>'state';
  n.reason := _job->>'reason';
  n.due := _job->>'due';
  n.deadline := _job->>'deadline';
  n.priority := _job->>'priority';
  n.message := _job->>'message';
  n.awaits := _job->'awaits'->>0;
  n.awaits_until := _job->'awaits'->>1;
  -- The answer to what it awaits may have come between the decision and now.
  IF n.awaits IS NOT NULL THEN
    answered := confirmed_of(_tenant, n.awaits);
    IF answered IS NOT NULL THEN
      n.awaits := NULL;
      n.awaits_until := NULL;
      IF n.state = 'waiting' THEN
        n.state := CASE WHEN answered THEN 'waiting' ELSE 'parked' END;
        n.reason := CASE WHEN NOT answered THEN 'cancel-denied' END;
      END IF;
    END IF;
  END IF;
  n.holds_lane := _job->>'holds_lane';
  n.rank := job_rank(n.state, n.purpose, false, n.awaits IS NOT NULL, false, false, n.holds_lane);
  n.guarded := _job->>'guarded';
  n.policy := _job->>'policy';
  n.accepted := _now;
  n.attempts := 0;
  n.asks := 0;
  n.unsure := false;
  n.reach := 'not';
  n.held := false;
  n.token := 0;
  n.settled := CASE WHEN n.state NOT IN ('waiting', 'sending', 'asking') THEN _now END;
  n.succeeds := _succeeds;
  n.makes := maker_unknown(_tenant, n.partner, _job->>'makes');
  n.seen_consents := 0;
  IF n.state IN ('done', 'cancelled', 'superseded') THEN
    INSERT INTO job_ended SELECT n.*;
  ELSE
    INSERT INTO job SELECT n.*;
  END IF;
  INSERT INTO effect (tenant, job, n, kind, type, our_id, find, media_type, body, holes, hash)
    SELECT _tenant, n.seq, e.place - 1, e.e->>'kind', e.e->>'type', e.e->>'our_id', e.e->>'find',
      e.e->>'media_type', _bytes[(e.e->>'body')::integer], e.e->>'holes', _bytes[(e.e->>'hash')::integer]
    FROM jsonb_array_elements(_job->'effects') WITH ORDINALITY AS e (e, place);
  IF (n.rank IS NOT NULL OR n.state IN ('waiting', 'parked')) AND jsonb_array_length(_job->'needs') > 0 THEN
    INSERT INTO need SELECT _tenant, n.partner, o->>0, o->>1, n.seq
      FROM jsonb_array_elements(_job->'needs') o ON CONFLICT DO NOTHING;
  END IF;
  INSERT INTO count AS c VALUES (_tenant, n.partner, n.state, 1), (_tenant, n.partner, 'made', 1)
    ON CONFLICT (tenant, partner, state) DO UPDATE SET n = c.n + excluded.n;
  PERFORM lane_refresh(_tenant, n.partner, n.lane, _now, (n.rank IS NOT NULL)::integer);
  IF EXISTS (SELECT 1 FROM hold WHERE tenant = _tenant AND partner = n.partner) THEN
    PERFORM merges_look_again(_tenant, n.partner, _client, _now);
  END IF;
END $$;

-- A pharmacy's answer to a cancel: releases or parks what awaits it.
CREATE FUNCTION confirm(_tenant text, _message text, _approved boolean, _now bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE s bigint; st text; blocked boolean;
BEGIN
  UPDATE job SET confirmed = _approved
    WHERE tenant = _tenant AND message = _message AND purpose = 'cancel';
  UPDATE job_ended SET confirmed = _approved
    WHERE tenant = _tenant AND message = _message AND purpose = 'cancel';
  FOR s, st, blocked IN SELECT seq, state, coalesce(reason = 'rule-blocks', false) FROM job
      WHERE tenant = _tenant AND awaits = _message ORDER BY seq LOOP
    IF NOT _approved AND NOT blocked THEN
      PERFORM job_go(_tenant, s, 'parked', _now, _reason => 'cancel-denied', _frees => true);
    ELSIF st = 'waiting' AND NOT blocked THEN
      PERFORM job_go(_tenant, s, 'waiting', _now, _reason => '', _due => _now, _frees => true);
    ELSE
      -- Parked for another reason: that stays.
      PERFORM job_go(_tenant, s, st, _now, _frees => true);
    END IF;
  END LOOP;
END $$;
