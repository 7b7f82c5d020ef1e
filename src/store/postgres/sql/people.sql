-- What people do: acts on jobs, links of patients (sqlite/people.rs); and what looks at jobs says of them
-- (views.rs).

-- Whether a later job of the record, at the partner, stands or has arrived.
CREATE FUNCTION newer(j job) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN j.purpose <> 'cancel' AND (
    EXISTS (SELECT 1 FROM job o WHERE o.tenant = j.tenant AND o.partner = j.partner
      AND o.kind = j.kind AND o.record = j.record AND o.seq > j.seq)
    OR EXISTS (SELECT 1 FROM job_ended o WHERE o.tenant = j.tenant AND o.partner = j.partner
      AND o.kind = j.kind AND o.record = j.record AND o.seq > j.seq AND o.state = 'done'));
END $$;

-- Carries out an act; false if the job's state does not allow it.
CREATE FUNCTION act(_tenant text, _job text, _act text, _who text, _why bytea, _now bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE j job; st text; far text; why text := 'by-person';
BEGIN
  SELECT * INTO j FROM job o WHERE o.tenant = _tenant AND o.id = _job;
  IF NOT FOUND OR j.state NOT IN ('waiting', 'asking', 'parked') OR j.lease_until IS NOT NULL
  THEN RETURN false; END IF;
  far := j.reach;
  IF _act = 'retry' THEN
    IF j.unsure OR j.state = 'asking' OR (j.awaits IS NOT NULL AND j.state = 'waiting')
      -- A rule keeps it from its partner: only a new version helps.
      OR j.reason = 'rule-blocks' OR newer(j)
    THEN RETURN false; END IF;
    st := 'waiting';
  ELSIF _act = 'cancel' THEN
    st := 'cancelled';
  ELSIF NOT j.unsure THEN
    RETURN false;
  ELSIF _act = 'resolve-there' THEN
    -- The first open effect arrived. The others go by the ordinary road.
    UPDATE effect SET done = true WHERE tenant = _tenant AND job = j.seq AND n = (
      SELECT min(n) FROM effect WHERE tenant = _tenant AND job = j.seq AND NOT done);
    IF EXISTS (SELECT 1 FROM effect WHERE tenant = _tenant AND job = j.seq AND NOT done) THEN
      st := 'waiting'; far := 'maybe';
    ELSE
      st := 'done'; far := 'there';
    END IF;
  ELSIF _act = 'resolve-not-there' THEN
    -- The first open effect did not arrive; earlier ones may have.
    far := CASE WHEN EXISTS (SELECT 1 FROM effect WHERE tenant = _tenant AND job = j.seq AND done)
      THEN 'maybe' ELSE 'not' END;
    IF newer(j) THEN
      st := 'superseded'; why := 'replaced';
    ELSIF j.purpose = 'newrx' THEN
      -- Known not to be there: it parks until somebody sends it.
      st := 'parked';
    ELSE
      st := 'waiting';
    END IF;
  ELSE
    RAISE EXCEPTION 'no such act';
  END IF;
  INSERT INTO act (tenant, job, act, who, why, at) VALUES (_tenant, j.seq, _act, _who, _why, _now);
  IF st = 'waiting' THEN
    UPDATE job SET attempts = 0, asks = 0 WHERE tenant = _tenant AND seq = j.seq;
  END IF;
  -- A cancelled job that is unclear stays so: it may be there.
  PERFORM job_go(_tenant, j.seq, st, _now, _reason => why, _due => _now,
    _unsure => CASE WHEN _act <> 'cancel' THEN false END, _reach => far);
  RETURN true;
END $$;

-- Links a patient by hand: what waited for it goes on.
CREATE FUNCTION link(_tenant text, _partner text, _type text, _our text, _their text,
  _their_version text, _client text, _now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM crosswalk_put(_tenant, _partner, _type, _our, _their, _their_version, _now);
  UPDATE raw SET state = 'received', their_patient = NULL
    WHERE tenant = _tenant AND state = 'unmatched' AND state <> 'done' AND door = _partner
      AND their_patient = _their;
  IF _client IS NOT NULL THEN PERFORM released(_tenant, _partner, _client, NULL, _now); END IF;
END $$;

-- What holds a job back at this moment, exactly (blocked.rs reads it; sqlite/blocked.rs): the same
-- questions that decide about the head of a lane and about a claim. _now: null leaves its due time out.
CREATE FUNCTION blocked_by(j any_job, _now bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE b jsonb := '[]'; r record; n need; first bigint;
BEGIN
  IF j.state NOT IN ('waiting', 'sending', 'asking') THEN RETURN b; END IF;
  IF j.lease_until IS NOT NULL THEN
    RETURN jsonb_build_array(jsonb_build_array('in-hand', j.lease_until));
  END IF;
  IF j.held THEN b := b || jsonb_build_array(jsonb_build_array('consent')); END IF;
  IF j.awaits IS NOT NULL AND j.state = 'waiting' THEN
    b := b || jsonb_build_array(jsonb_build_array('cancel', j.awaits, (SELECT o.id FROM any_job o
      WHERE o.tenant = j.tenant AND o.message = j.awaits AND o.purpose = 'cancel' LIMIT 1), j.awaits_until));
  END IF;
  IF b = '[]' THEN
    SELECT l.head INTO first FROM lane l
      WHERE l.tenant = j.tenant AND l.partner = j.partner AND l.lane = j.lane AND l.head <> j.seq;
    FOR r IN SELECT h.id, h.state FROM job h WHERE h.tenant = j.tenant AND h.seq = first LOOP
      b := b || jsonb_build_array(jsonb_build_array('lane', r.id, r.state));
    END LOOP;
  END IF;
  IF j.state = 'waiting' AND j.purpose <> 'cancel' THEN
    IF needs(j.tenant, j.partner, j.lane, j.seq) THEN
      FOR n IN SELECT * FROM need WHERE tenant = j.tenant AND job = j.seq LOOP
        CONTINUE WHEN EXISTS (SELECT 1 FROM job_ended d WHERE d.tenant = j.tenant
          AND d.partner = j.partner AND d.kind = n.kind AND d.record = n.record AND d.state = 'done');
        FOR r IN SELECT o.id, o.state FROM job o WHERE o.tenant = j.tenant AND o.partner = j.partner
            AND o.kind = n.kind AND o.record = n.record AND o.state <> 'parked' AND NOT o.held
            AND (o.seq < j.seq OR (o.seq > j.seq AND o.succeeds < j.seq AND EXISTS (SELECT 1 FROM lane l
              WHERE l.tenant = j.tenant AND l.head = o.seq AND l.mode <> 3 AND l.lane <> j.lane)))
            ORDER BY o.seq LIMIT 10 LOOP
          b := b || jsonb_build_array(jsonb_build_array('needs', n.kind, n.record, r.id, r.state));
        END LOOP;
      END LOOP;
    END IF;
    IF holds(j.tenant, j.partner, j.client, j.seq) THEN
      FOR r IN SELECT o.id, o.state FROM job o WHERE o.tenant = j.tenant AND o.seq = (
          SELECT min(h.job) FROM hold h WHERE h.tenant = j.tenant AND h.partner = j.partner
            AND h.job <> j.seq AND (h.client = j.client OR h.client IN (
              SELECT x.client FROM hold x WHERE x.tenant = j.tenant AND x.job = j.seq))) LOOP
        b := b || jsonb_build_array(jsonb_build_array('merge', r.id, r.state));
      END LOOP;
    END IF;
    IF stopped(j.tenant, j.partner, j.client, j.seq) THEN
      FOR r IN SELECT s.who, s.since, s.partner = '' AS everywhere FROM stop s
          WHERE s.tenant = j.tenant AND s.partner IN ('', j.partner) AND (s.client = j.client
            OR s.client IN (SELECT x.client FROM hold x WHERE x.tenant = j.tenant AND x.job = j.seq))
          ORDER BY s.since LOOP
        b := b || jsonb_build_array(jsonb_build_array('hold', r.who, r.since, r.everywhere));
      END LOOP;
    END IF;
    first := maker_first(j, _now);
    FOR r IN SELECT o.id, o.state FROM job o WHERE o.tenant = j.tenant AND o.seq = first LOOP
      b := b || jsonb_build_array(jsonb_build_array('patient', r.id, r.state));
    END LOOP;
  END IF;
  FOR r IN SELECT p.paused_until, p.pause_reason, p.drain FROM partner p
      WHERE p.tenant = j.tenant AND p.partner = j.partner LOOP
    IF r.paused_until IS NOT NULL THEN
      b := b || jsonb_build_array(jsonb_build_array('pause', r.pause_reason,
        nullif(r.paused_until, 9223372036854775807)));
    END IF;
    IF j.seq > r.drain AND (j.succeeds IS NULL OR j.succeeds > r.drain) THEN
      b := b || jsonb_build_array(jsonb_build_array('drain'));
    END IF;
  END LOOP;
  IF j.due > _now THEN
    b := b || jsonb_build_array(jsonb_build_array('due', j.due, j.reason));
  END IF;
  RETURN b;
END $$;

-- Keeps what a person did.
CREATE FUNCTION deed_put(_tenant text, _about text, _what text, _who text, _why bytea, _now bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO deed (tenant, about, what, who, why, at) VALUES (_tenant, _about, _what, _who, _why, _now);
END $$;

-- A person steers a partner (sqlite/steer.rs).
CREATE FUNCTION steer(_tenant text, _partner text, _what text, _who text, _why bytea, _now bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE never CONSTANT bigint := 9223372036854775807;
BEGIN
  PERFORM deed_put(_tenant, 'partner/' || _partner, _what, _who, _why, _now);
  INSERT INTO partner (tenant, partner) VALUES (_tenant, _partner) ON CONFLICT DO NOTHING;
  IF _what = 'pause' THEN
    UPDATE partner p SET paused_until = never, pause_reason = 'by-person', drain = NULL
      WHERE p.tenant = _tenant AND p.partner = _partner;
  ELSIF _what = 'resume' THEN
    UPDATE partner p SET paused_until = NULL, pause_reason = NULL, drain = NULL
      WHERE p.tenant = _tenant AND p.partner = _partner;
  ELSIF _what = 'drain' THEN
    -- A second drain does not let in what came since the first. The partner's lock is held: its newest job
    -- is the newest that there is.
    UPDATE partner p SET drain = coalesce(p.drain, greatest(
          coalesce((SELECT max(j.seq) FROM job j WHERE j.tenant = _tenant), 0),
          coalesce((SELECT max(j.seq) FROM job_ended j WHERE j.tenant = _tenant), 0))),
        pause_reason = CASE WHEN p.paused_until = never THEN NULL ELSE p.pause_reason END,
        paused_until = nullif(p.paused_until, never)
      WHERE p.tenant = _tenant AND p.partner = _partner;
  ELSE
    UPDATE partner p SET paused_until = _now WHERE p.tenant = _tenant AND p.partner = _partner
      AND p.paused_until <> never AND p.paused_until > _now;
  END IF;
END $$;

-- Stops a patient's jobs at a partner (empty: at all), or lets them go. Whether that is a change.
CREATE FUNCTION stop_patient(_tenant text, _client text, _partner text, _on boolean, _who text,
  _why bytea, _now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE p text; key text;
BEGIN
  IF _on THEN
    INSERT INTO stop VALUES (_tenant, _client, _partner, _who, _why, _now) ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM stop WHERE tenant = _tenant AND client = _client AND partner = _partner;
  END IF;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM deed_put(_tenant, 'patient/' || _client, CASE WHEN _on THEN 'hold' ELSE 'release' END, _who,
    _why, _now);
  FOR p IN SELECT DISTINCT c.partner FROM count c WHERE c.tenant = _tenant
      AND _partner IN ('', c.partner) LOOP
    FOREACH key IN ARRAY lanes_of_patient(_tenant, p, _client) LOOP
      PERFORM lane_refresh(_tenant, p, key, _now);
    END LOOP;
  END LOOP;
  RETURN true;
END $$;
