-- Lanes: who is at the head of each line, and whether it may go (sqlite/lanes.rs, function by function).
--
-- Each question is asked by statements of one index step each, not by one statement over several tables:
-- a planner that has no statistics yet (a new database, a sudden backlog) could choose badly for those.
-- All functions are VOLATILE, which in PostgreSQL also means: each statement sees what was committed
-- before it, and with the partner's lock held, that is all there is.

-- The rank of a job in its lane; NULL: it does not stand there.
CREATE FUNCTION job_rank(_state text, _purpose text, _held boolean, _awaits boolean, _unsure boolean,
  _leased boolean, _holds_lane boolean) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN _state = 'sending' THEN 0
    WHEN _state = 'parked' AND _holds_lane AND _purpose <> 'cancel' THEN 3
    WHEN _state NOT IN ('waiting', 'asking') THEN NULL
    WHEN _leased THEN 0
    WHEN _held OR (_awaits AND _state = 'waiting') THEN NULL
    -- Before a cancel of its chain: else what is unclear could arrive after it was taken back.
    WHEN _state = 'asking' OR _unsure THEN 1
    WHEN _purpose = 'cancel' THEN 2
    ELSE 3 END
$$;

-- The first of a line. What is unclear goes before a cancel of its own chain only.
CREATE FUNCTION lane_first(_tenant text, _partner text, _lane text) RETURNS job LANGUAGE plpgsql AS $$
DECLARE h job; passes job;
BEGIN
  SELECT * INTO h FROM job j WHERE j.tenant = _tenant AND j.partner = _partner AND j.lane = _lane
    AND j.rank IS NOT NULL ORDER BY j.rank, j.seq LIMIT 1;
  IF h.rank IS DISTINCT FROM 1 THEN RETURN h; END IF;
  SELECT * INTO passes FROM job j WHERE j.tenant = _tenant AND j.partner = _partner AND j.lane = _lane
    AND j.rank = 2 AND NOT EXISTS (SELECT 1 FROM job u WHERE u.tenant = _tenant
      AND u.partner = _partner AND u.lane = _lane AND u.rank = 1 AND u.chain = j.chain)
    ORDER BY j.seq LIMIT 1;
  IF FOUND THEN RETURN passes; END IF;
  RETURN h;
END $$;

-- Whether something that the job refers to is not known at the partner and on its way there.
CREATE FUNCTION needs(_tenant text, _partner text, _lane text, _seq bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE n need;
BEGIN
  FOR n IN SELECT * FROM need WHERE tenant = _tenant AND job = _seq LOOP
    CONTINUE WHEN EXISTS (SELECT 1 FROM job_ended d WHERE d.tenant = _tenant AND d.partner = _partner
      AND d.kind = n.kind AND d.record = n.record AND d.state = 'done');
    IF EXISTS (SELECT 1 FROM job o WHERE o.tenant = _tenant AND o.partner = _partner
      AND o.kind = n.kind AND o.record = n.record AND o.seq < _seq AND o.state <> 'parked' AND NOT o.held)
    THEN RETURN true; END IF;
    IF EXISTS (SELECT 1 FROM job s WHERE s.tenant = _tenant AND s.partner = _partner
      AND s.kind = n.kind AND s.record = n.record AND s.seq > _seq AND s.state <> 'parked'
      AND NOT s.held AND s.succeeds < _seq
      AND EXISTS (SELECT 1 FROM lane l WHERE l.tenant = _tenant AND l.head = s.seq
        AND l.mode <> 3 AND l.lane <> _lane))
    THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;

-- Whether a merge that is on its way to the partner holds the client.
CREATE FUNCTION holds(_tenant text, _partner text, _client text, _seq bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE oldest bigint;
BEGIN
  IF EXISTS (SELECT 1 FROM hold WHERE tenant = _tenant AND job = _seq) THEN
    RETURN EXISTS (SELECT 1 FROM hold own JOIN hold h ON h.tenant = own.tenant
      AND h.partner = own.partner AND h.client = own.client AND h.job < own.job
      WHERE own.tenant = _tenant AND own.job = _seq);
  END IF;
  IF _client IS NULL THEN RETURN false; END IF;
  SELECT min(job) INTO oldest FROM hold
    WHERE tenant = _tenant AND partner = _partner AND client = _client;
  IF oldest IS NULL THEN RETURN false; END IF;
  RETURN NOT EXISTS (
    WITH RECURSIVE waits (seq) AS (
      SELECT job FROM hold WHERE tenant = _tenant AND partner = _partner AND job <= oldest
      UNION
      -- One recursive term is all that PostgreSQL allows: both roads in one.
      SELECT o.seq FROM waits w CROSS JOIN LATERAL (
        SELECT o.seq FROM job j JOIN job o ON o.tenant = _tenant AND o.partner = _partner
            AND o.lane = j.lane AND o.rank IS NOT NULL AND (o.rank, o.seq) < (j.rank, j.seq)
          WHERE j.tenant = _tenant AND j.seq = w.seq
        UNION ALL
        SELECT o.seq FROM need n JOIN job o ON o.tenant = _tenant AND o.partner = _partner
            AND o.kind = n.kind AND o.record = n.record AND o.state <> 'parked' AND NOT o.held
            AND (o.seq < w.seq OR o.succeeds < w.seq)
          WHERE n.tenant = _tenant AND n.job = w.seq) o)
    SELECT 1 FROM waits WHERE seq = _seq);
END $$;

-- Whether an administrator stopped the client, or one of the two whom this job merges.
CREATE FUNCTION stopped(_tenant text, _partner text, _client text, _seq bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM stop WHERE tenant = _tenant AND client = _client
      AND partner IN ('', _partner))
    OR EXISTS (SELECT 1 FROM hold h JOIN stop s ON s.tenant = h.tenant AND s.client = h.client
        AND s.partner IN ('', _partner) WHERE h.tenant = _tenant AND h.job = _seq);
END $$;

-- How a lane with this head stands: 0 ready, 1 in flight, 2 not before due, 3 held back.
CREATE FUNCTION lane_mode(h job, _now bigint) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  IF h.rank = 0 THEN RETURN 1; END IF;
  IF h.state = 'parked' THEN RETURN 3; END IF;
  IF h.state = 'waiting' AND h.purpose <> 'cancel' THEN
    IF needs(h.tenant, h.partner, h.lane, h.seq) THEN RETURN 3; END IF;
    -- Hardly ever is a patient merged at a partner, or stopped: one question for both.
    IF EXISTS (SELECT 1 FROM hold WHERE tenant = h.tenant AND partner = h.partner)
      OR EXISTS (SELECT 1 FROM stop WHERE tenant = h.tenant) THEN
      IF holds(h.tenant, h.partner, h.client, h.seq) OR stopped(h.tenant, h.partner, h.client, h.seq)
      THEN RETURN 3; END IF;
    END IF;
  END IF;
  RETURN CASE WHEN h.due > _now THEN 2 ELSE 0 END;
END $$;

-- Lanes at a partner whose heads need a record.
CREATE FUNCTION lanes_needing(_tenant text, _partner text, _kind text, _record text) RETURNS text[]
LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(SELECT l.lane FROM need n JOIN lane l ON l.tenant = n.tenant AND l.head = n.job
    WHERE n.tenant = _tenant AND n.partner = _partner AND n.kind = _kind AND n.record = _record);
END $$;

-- Whether a lane has a job that was there when its partner began to be drained: then its head goes, however
-- new that is.
CREATE FUNCTION lane_has_older(l lane, _mark bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE r integer;
BEGIN
  FOR r IN 0..3 LOOP
    IF EXISTS (SELECT 1 FROM job o WHERE o.tenant = l.tenant AND o.partner = l.partner AND o.lane = l.lane
      AND o.rank = r AND o.seq <= _mark) THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;

-- The lanes at a partner in which a client's jobs stand.
CREATE FUNCTION lanes_of_client(_tenant text, _partner text, _client text) RETURNS text[]
LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(SELECT DISTINCT lane FROM job WHERE tenant = _tenant AND client = _client
    AND partner = _partner AND rank IS NOT NULL);
END $$;

-- The same, and the lanes of merges that name the client: perhaps of another lane and of another patient.
CREATE FUNCTION lanes_of_patient(_tenant text, _partner text, _client text) RETURNS text[]
LANGUAGE plpgsql AS $$
BEGIN
  RETURN lanes_of_client(_tenant, _partner, _client)
    || ARRAY(SELECT j.lane::text FROM hold h JOIN job j ON j.tenant = _tenant AND j.seq = h.job
         WHERE h.tenant = _tenant AND h.partner = _partner AND h.client = _client);
END $$;

-- Looks up the head of a lane and how it stands. Lanes whose heads wait for a successor that stands here
-- look again when that has changed. _by: a job has come to stand in it (+1), or has left it (-1); a lane
-- that has no row gets one, with its first job counted.
CREATE FUNCTION lane_refresh(_tenant text, _partner text, _lane text, _now bigint, _by integer DEFAULT 0)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE was lane; h job; m integer; other text; one bigint; k text; r text; x text;
BEGIN
  SELECT * INTO was FROM lane WHERE tenant = _tenant AND partner = _partner AND lane = _lane;
  h := lane_first(_tenant, _partner, _lane);
  IF h.seq IS NULL THEN
    IF was.head IS NULL THEN RETURN; END IF;
    DELETE FROM lane WHERE tenant = _tenant AND partner = _partner AND lane = _lane;
  ELSE
    m := lane_mode(h, _now);
    IF m <> 3 THEN
      x := maker_unknown(_tenant, _partner, h.makes);
      m := maker_mode(h, x, m);
    END IF;
    IF was.head IS NULL THEN
      INSERT INTO lane (tenant, partner, lane, head, mode, due, priority, succeeds, makes)
        VALUES (_tenant, _partner, _lane, h.seq, m, h.due, h.priority, h.succeeds, x);
    ELSIF _by <> 0 OR (was.head, was.mode, was.due, was.priority, was.succeeds, was.makes)
      IS DISTINCT FROM (h.seq, m, h.due, h.priority, h.succeeds, x) THEN
      UPDATE lane SET head = h.seq, mode = m, due = h.due,
          priority = h.priority, succeeds = h.succeeds, makes = x, jobs = jobs + _by
        WHERE tenant = _tenant AND partner = _partner AND lane = _lane;
    END IF;
  END IF;
  IF was.makes IS NOT NULL OR x IS NOT NULL THEN
    PERFORM maker_changed(_tenant, _partner, _lane, CASE WHEN was.mode <= 2 THEN was.makes END,
      CASE WHEN m <= 2 THEN x END, _now);
  END IF;
  IF was.head IS NOT DISTINCT FROM h.seq AND (was.mode <> 3) IS NOT DISTINCT FROM (m <> 3)
    AND was.succeeds IS NOT DISTINCT FROM h.succeeds
  THEN RETURN; END IF;
  FOREACH one IN ARRAY ARRAY[CASE WHEN was.succeeds IS NOT NULL THEN was.head END,
    CASE WHEN h.succeeds IS NOT NULL THEN h.seq END] LOOP
    CONTINUE WHEN one IS NULL;
    SELECT j.kind, j.record INTO k, r FROM any_job j WHERE j.tenant = _tenant AND j.seq = one;
    FOREACH other IN ARRAY lanes_needing(_tenant, _partner, k, r) LOOP
      PERFORM lane_refresh(_tenant, _partner, other, _now);
    END LOOP;
  END LOOP;
END $$;

-- Looks again at the lanes of all patients whom merges hold at a partner.
CREATE FUNCTION lanes_refresh_held(_tenant text, _partner text, _now bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE one text; keys text[] := '{}';
BEGIN
  FOR one IN SELECT DISTINCT client FROM hold WHERE tenant = _tenant AND partner = _partner LOOP
    keys := keys || lanes_of_client(_tenant, _partner, one);
  END LOOP;
  FOR one IN SELECT DISTINCT u FROM unnest(keys) u ORDER BY u LOOP
    PERFORM lane_refresh(_tenant, _partner, one, _now);
  END LOOP;
END $$;

-- What merges wait for has changed, perhaps: a job of a patient whom one holds, or of nobody.
CREATE FUNCTION merges_look_again(_tenant text, _partner text, _client text, _now bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM hold WHERE tenant = _tenant AND partner = _partner
    AND (client = _client OR _client IS NULL)) THEN
    PERFORM lanes_refresh_held(_tenant, _partner, _now);
  END IF;
END $$;
