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
    IF j.unsure OR j.state = 'asking' OR (j.awaits IS NOT NULL AND j.state = 'waiting') OR newer(j)
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
DECLARE s bigint;
BEGIN
  PERFORM crosswalk_put(_tenant, _partner, _type, _our, _their, _their_version, _now);
  UPDATE raw SET state = 'received', their_patient = NULL
    WHERE tenant = _tenant AND state = 'unmatched' AND state <> 'done' AND door = _partner
      AND their_patient = _their;
  IF _client IS NULL THEN RETURN; END IF;
  FOR s IN SELECT seq FROM job WHERE tenant = _tenant AND client = _client AND partner = _partner
      AND state = 'parked' AND reason IN ('patient-unknown', 'patient-ambiguous') ORDER BY seq LOOP
    PERFORM job_go(_tenant, s, 'waiting', _now, _reason => 'by-person', _due => _now);
  END LOOP;
END $$;

-- What holds a job back at this moment, exactly.
CREATE FUNCTION blocked_by(j any_job) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE b text[] := '{}'; one text; n need;
BEGIN
  IF j.state NOT IN ('waiting', 'asking') OR j.lease_until IS NOT NULL THEN RETURN b; END IF;
  IF j.held THEN b := b || 'gate: consent'::text; END IF;
  IF j.awaits IS NOT NULL AND j.state = 'waiting' THEN
    b := b || format('cancel: message %s is not confirmed', j.awaits);
  END IF;
  SELECT pause_reason INTO one FROM partner p
    WHERE p.tenant = j.tenant AND p.partner = j.partner AND p.paused_until IS NOT NULL;
  IF FOUND THEN b := b || format('pause: %s', one); END IF;
  IF NOT j.held AND j.awaits IS NULL THEN
    SELECT h.id INTO one FROM lane l JOIN job h ON h.tenant = l.tenant AND h.seq = l.head
      WHERE l.tenant = j.tenant AND l.partner = j.partner AND l.lane = j.lane AND l.head <> j.seq;
    IF FOUND THEN b := b || format('lane: job %s goes first', one); END IF;
  END IF;
  IF j.state = 'asking' OR j.purpose = 'cancel' THEN RETURN b; END IF;
  IF needs(j.tenant, j.partner, j.lane, j.seq) THEN
    FOR n IN SELECT * FROM need WHERE tenant = j.tenant AND job = j.seq LOOP
      FOR one IN SELECT o.id FROM job o WHERE o.tenant = j.tenant AND o.partner = j.partner
          AND o.kind = n.kind AND o.record = n.record AND least(o.seq, o.succeeds) < j.seq
          AND NOT o.held AND o.state <> 'parked' LIMIT 10 LOOP
        b := b || format('needs: job %s brings %s/%s', one, n.kind, n.record);
      END LOOP;
    END LOOP;
  END IF;
  IF holds(j.tenant, j.partner, j.client, j.seq) THEN
    b := b || 'hold: a merge of the patient is on its way'::text;
  END IF;
  RETURN b;
END $$;
