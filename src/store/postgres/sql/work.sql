-- What workers do: claim, report, rescue; and a partner's pauses (sqlite/claim.rs and report.rs).

-- The clock that rules leases: the database's, the same for all nodes, whatever theirs say. A caller's
-- _now counts only where _by_caller says so: tests, whose time is made up.
CREATE FUNCTION lease_clock(_now bigint, _by_caller boolean) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN _by_caller THEN _now
    ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::bigint END
$$;

-- Claims what is due, by priority and age, as far as there is room; one row per effect of each job.
-- _room: [tenant, partner, how many, how many of them by age].
CREATE FUNCTION claim(_room jsonb, _now bigint, _lease bigint, _worker text, _by_caller boolean)
RETURNS TABLE (tenant text, id text, partner text, kind text, record text, version bigint, chain text,
  client text, purpose text, state text, token bigint, lease_until bigint, attempts integer,
  asks integer, unsure boolean, deadline bigint, guarded boolean, accepted bigint, message text,
  policy text, n integer, effect text, type text, our_id text, find text, media_type text, body bytea,
  holes text, hash bytea, done boolean) LANGUAGE plpgsql AS $$
DECLARE r jsonb; s bigint; t text; p text; mark bigint; heads bigint[]; oldest bigint[];
BEGIN
  FOR r IN SELECT jsonb_array_elements(_room) LOOP
    t := r->>0;
    p := r->>1;
    CONTINUE WHEN EXISTS (SELECT 1 FROM partner a WHERE a.tenant = t AND a.partner = p
      AND a.paused_until IS NOT NULL);
    -- Lanes whose heads have become due are ready now.
    PERFORM lanes_ripen(t, p, _now);
    -- The list is made before the first of them goes: that may free others.
    SELECT a.drain INTO mark FROM partner a WHERE a.tenant = t AND a.partner = p;
    IF mark IS NULL THEN
      -- A place in the order of claims: the priority above the seq's 56 bits.
      heads := ARRAY(SELECT (l.priority::bigint << 56) + l.head FROM lane l WHERE l.tenant = t
        AND l.partner = p AND l.mode = 0 ORDER BY l.priority, l.head LIMIT (r->>2)::bigint);
      -- Where all of it has room, its age does not matter.
      IF cardinality(heads) = (r->>2)::bigint AND (r->>3)::bigint > 0 THEN
        oldest := ARRAY(SELECT (l.priority::bigint << 56) + l.head FROM lane l WHERE l.tenant = t
          AND l.partner = p AND l.mode = 0 ORDER BY l.head LIMIT (r->>3)::bigint);
        heads := ARRAY(SELECT u.place FROM unnest(heads) u (place) WHERE u.place <> ALL (oldest)
          ORDER BY u.place LIMIT (r->>2)::bigint - cardinality(oldest)) || oldest;
      END IF;
      heads := ARRAY(SELECT u.place & 72057594037927935 FROM unnest(heads) u (place) ORDER BY u.place);
    ELSE
      -- A partner that is drained: what came before that, and what took its place.
      heads := ARRAY(SELECT h.head FROM (
          SELECT b.priority, b.head FROM generate_series(0, 4) g CROSS JOIN LATERAL (
            SELECT l.priority, l.head FROM lane l WHERE l.tenant = t AND l.partner = p AND l.mode = 0
              AND l.priority = g AND l.head <= mark ORDER BY l.head LIMIT (r->>2)::bigint) b
          UNION
          SELECT l.priority, l.head FROM lane l WHERE l.tenant = t AND l.partner = p AND l.mode = 0
            AND l.succeeds <= mark
          UNION
          SELECT l.priority, l.head FROM lane l WHERE l.tenant = t AND l.partner = p AND l.jobs > 1
            AND l.mode = 0 AND l.head > mark AND lane_has_older(l, mark)) h
        ORDER BY h.priority, h.head LIMIT (r->>2)::bigint);
    END IF;
    FOREACH s IN ARRAY heads LOOP
      PERFORM job_go(t, s,
        (SELECT CASE WHEN j.state = 'asking' THEN 'asking' ELSE 'sending' END FROM job j
          WHERE j.tenant = t AND j.seq = s),
        _now, _lease => lease_clock(_now, _by_caller) + _lease, _worker => _worker);
      RETURN QUERY SELECT j.tenant::text, j.id::text, j.partner::text, j.kind::text, j.record::text,
          j.version, j.chain::text, j.client::text, j.purpose::text, j.state::text, j.token,
          j.lease_until, j.attempts, j.asks, j.unsure, j.deadline, j.guarded, j.accepted,
          j.message::text, j.policy::text, e.n, e.kind::text, e.type::text, e.our_id::text,
          e.find::text, e.media_type::text, e.body, e.holes::text, e.hash, e.done
        FROM job j LEFT JOIN effect e ON e.tenant = j.tenant AND e.job = j.seq
        WHERE j.tenant = t AND j.seq = s ORDER BY e.n;
    END LOOP;
  END LOOP;
END $$;

-- Whether anything could be claimed; the rooms where something could.
CREATE FUNCTION claimable(_room jsonb, _now bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb; t text; p text; found_some jsonb := '[]';
BEGIN
  FOR r IN SELECT jsonb_array_elements(_room) LOOP
    t := r->>0;
    p := r->>1;
    CONTINUE WHEN (r->>2)::bigint < 1 OR EXISTS (SELECT 1 FROM partner a WHERE a.tenant = t
      AND a.partner = p AND a.paused_until IS NOT NULL);
    IF EXISTS (SELECT 1 FROM lane l WHERE l.tenant = t AND l.partner = p AND l.mode = 0)
      OR EXISTS (SELECT 1 FROM lane l WHERE l.tenant = t AND l.partner = p AND l.mode = 2
        AND l.due <= _now)
      OR EXISTS (SELECT 1 FROM lane l WHERE l.tenant = t AND l.partner = p AND l.mode = 5
        AND l.due <= _now) THEN
      found_some := found_some || jsonb_build_array(r);
    END IF;
  END LOOP;
  RETURN found_some;
END $$;

-- When the next lane of a partner that is not paused is due: one row per partner is looked at.
CREATE FUNCTION next_due() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE c record; best bigint; due bigint; again bigint;
BEGIN
  FOR c IN SELECT o.tenant, o.partner, p.drain FROM count o
      LEFT JOIN partner p ON p.tenant = o.tenant AND p.partner = o.partner
      WHERE o.state = 'waiting' AND p.paused_until IS NULL LOOP
    IF c.drain IS NULL THEN
      IF EXISTS (SELECT 1 FROM lane l WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 0)
      THEN RETURN 0; END IF;
      SELECT min(l.due) INTO due FROM lane l
        WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 2;
      SELECT min(l.due) INTO again FROM lane l
        WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 5;
    ELSE
      IF EXISTS (SELECT 1 FROM generate_series(0, 4) g WHERE EXISTS (SELECT 1 FROM lane l
          WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 0 AND l.priority = g
            AND l.head <= c.drain))
        OR EXISTS (SELECT 1 FROM lane l WHERE l.tenant = c.tenant AND l.partner = c.partner
          AND l.mode = 0 AND l.succeeds <= c.drain)
        OR EXISTS (SELECT 1 FROM lane l WHERE l.tenant = c.tenant AND l.partner = c.partner
          AND l.jobs > 1 AND l.mode = 0 AND lane_has_older(l, c.drain))
      THEN RETURN 0; END IF;
      SELECT min(l.due) INTO due FROM lane l WHERE l.tenant = c.tenant AND l.partner = c.partner
        AND l.mode = 2 AND (l.head <= c.drain OR l.succeeds <= c.drain
          OR (l.jobs > 1 AND lane_has_older(l, c.drain)));
      SELECT min(l.due) INTO again FROM lane l WHERE l.tenant = c.tenant AND l.partner = c.partner
        AND l.mode = 5 AND (l.head <= c.drain OR l.succeeds <= c.drain
          OR (l.jobs > 1 AND lane_has_older(l, c.drain)));
    END IF;
    best := least(best, due, again);
  END LOOP;
  RETURN best;
END $$;

-- Whether the client's consents have changed since a job was claimed.
CREATE FUNCTION consents_changed(j job) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN j.client IS NOT NULL AND consents_of(j.tenant, j.client) <> j.seen_consents;
END $$;

-- A patient has a name at a partner: what was parked for want of one goes on. _patient: only what is about
-- that one.
CREATE FUNCTION released(_tenant text, _partner text, _client text, _patient text, _now bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE s bigint;
BEGIN
  FOR s IN SELECT j.seq FROM job j WHERE j.tenant = _tenant AND j.client = _client AND j.partner = _partner
      AND j.state = 'parked' AND j.reason IN ('patient-unknown', 'patient-ambiguous') ORDER BY j.seq LOOP
    CONTINUE WHEN _patient IS NOT NULL AND NOT EXISTS (SELECT 1 FROM effect e WHERE e.tenant = _tenant
      AND e.job = s AND e.type = 'Patient' AND e.our_id = _patient);
    PERFORM job_go(_tenant, s, 'waiting', _now, _reason => 'by-person', _due => _now);
  END LOOP;
END $$;

-- Whether a job is to be parked because its patient was not found, and another found them meanwhile.
CREATE FUNCTION found_meanwhile(j job, _settle jsonb, _effect integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE patient text;
BEGIN
  IF _settle->>'state' <> 'parked' OR _settle->>'reason' NOT IN ('patient-unknown', 'patient-ambiguous')
  THEN RETURN false; END IF;
  SELECT e.our_id INTO patient FROM effect e
    WHERE e.tenant = j.tenant AND e.job = j.seq AND e.n = _effect AND e.kind = 'patient';
  RETURN patient IS NOT NULL AND maker_unknown(j.tenant, j.partner, patient) IS NULL;
END $$;

-- An effect is done: its row, and the crosswalk's where the partner named it.
CREATE FUNCTION effect_done(j job, _n integer, _remote jsonb, _now bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE e effect; one text;
BEGIN
  UPDATE effect o SET done = true, their_id = coalesce(_remote->>0, o.their_id)
    WHERE o.tenant = j.tenant AND o.job = j.seq AND o.n = _n RETURNING * INTO STRICT e;
  IF _remote IS NOT NULL AND _remote <> 'null' THEN
    PERFORM crosswalk_put(j.tenant, j.partner, e.type, e.our_id, _remote->>0, _remote->>1, _now);
    -- A merge is of two clients.
    IF e.type = 'Patient' THEN
      FOREACH one IN ARRAY ARRAY(SELECT j.client::text WHERE j.client IS NOT NULL UNION
          SELECT h.client::text FROM hold h WHERE h.tenant = j.tenant AND h.job = j.seq) LOOP
        PERFORM released(j.tenant, j.partner, one, e.our_id, _now);
      END LOOP;
    END IF;
  END IF;
END $$;

-- Writes a report; false: the lease was lost, and nothing was written. _body: the partner's answer, sealed.
CREATE FUNCTION report(_r jsonb, _body bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE j job; a jsonb := _r->'attempt'; w jsonb := _r->'settle'; _now bigint := (_r->>'now')::bigint;
  one jsonb; keep boolean; d bigint;
BEGIN
  SELECT * INTO j FROM job o WHERE o.tenant = _r->>'tenant' AND o.id = _r->>'job';
  IF NOT FOUND OR j.token <> (_r->>'token')::bigint OR j.lease_until IS NULL THEN RETURN false; END IF;
  IF a <> 'null' THEN
    INSERT INTO attempt (tenant, job, effect, asked, started, took, verdict, reason, status, charged, body,
        together)
      VALUES (j.tenant, j.seq, (a->>'effect')::integer, (a->>'asked')::boolean,
        (a->>'started')::bigint, (a->>'took')::bigint, a->>'verdict', a->>'reason',
        (a->>'status')::integer, (a->>'charged')::boolean, _body, (a->>'together')::integer);
    UPDATE job o SET attempts = o.attempts + (a->>'charged')::boolean::integer,
        -- A question that settled its effect is not counted against those about others.
        asks = o.asks + ((a->>'asked')::boolean AND a->>'verdict' NOT IN ('accepted', 'pending'))::integer, reason = a->>'reason'
      WHERE o.tenant = j.tenant AND o.seq = j.seq;
    IF a->>'verdict' IN ('accepted', 'pending') THEN
      INSERT INTO partner AS p (tenant, partner, last_success) VALUES (j.tenant, j.partner, _now)
        ON CONFLICT ON CONSTRAINT partner_pkey DO UPDATE SET last_success = _now;
    END IF;
  END IF;
  FOR one IN SELECT jsonb_array_elements(_r->'done') LOOP
    PERFORM effect_done(j, (one->>'effect')::integer, one->'remote', _now);
  END LOOP;
  IF w <> 'null' THEN
    IF a <> 'null' AND found_meanwhile(j, w, (a->>'effect')::integer) THEN
      w := w || jsonb_build_object('state', 'waiting', 'due', _now);
    END IF;
    -- What the gate held while the client's consents changed is looked at again.
    keep := (w->>'held')::boolean AND NOT consents_changed(j);
    d := (w->>'due')::bigint;
    IF (w->>'held')::boolean AND NOT keep THEN d := least(_now, d); END IF;
    PERFORM job_go(j.tenant, j.seq, w->>'state', _now, _reason => w->>'reason', _due => d,
      _held => keep, _unsure => (w->>'unsure')::boolean, _reach => w->>'reach');
  END IF;
  IF _r->'pause' <> 'null' THEN
    -- A person's pause stays; among outages the longer one counts.
    INSERT INTO partner AS p (tenant, partner, failures) VALUES (j.tenant, j.partner, 1)
      ON CONFLICT ON CONSTRAINT partner_pkey DO UPDATE SET failures = p.failures + 1;
    UPDATE partner p SET
        pause_reason = CASE WHEN coalesce(p.paused_until, 0) < (_r->'pause'->>0)::bigint
          THEN _r->'pause'->>1 ELSE p.pause_reason END,
        paused_until = greatest(coalesce(p.paused_until, 0), (_r->'pause'->>0)::bigint)
      WHERE p.tenant = j.tenant AND p.partner = j.partner
        AND p.failures >= (_r->>'opens_after')::integer;
  ELSIF (_r->>'partner_well')::boolean THEN
    -- Who asked us to stay away is left alone, although others of its answers are good.
    UPDATE partner p SET paused_until = NULL, pause_reason = NULL
      WHERE p.tenant = j.tenant AND p.partner = j.partner
        AND p.paused_until < 9223372036854775807 AND p.pause_reason <> 'throttled';
    UPDATE partner p SET failures = 0
      WHERE p.tenant = j.tenant AND p.partner = j.partner AND p.failures > 0;
  END IF;
  RETURN true;
END $$;

-- Pauses a partner by hand, or ends its pause.
CREATE FUNCTION pause(_tenant text, _partner text, _until bigint, _reason text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO partner AS p (tenant, partner, paused_until, pause_reason)
    VALUES (_tenant, _partner, _until, _reason)
    ON CONFLICT ON CONSTRAINT partner_pkey DO UPDATE SET paused_until = _until, pause_reason = _reason,
      failures = 0;
END $$;

-- Whether a probe that is due is the caller's, for so long: one node asks, the others do not.
CREATE FUNCTION probe_take(_tenant text, _partner text, _now bigint, _lease bigint, _by_caller boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE clock bigint := lease_clock(_now, _by_caller);
BEGIN
  UPDATE partner p SET probing = clock + _lease
    WHERE p.tenant = _tenant AND p.partner = _partner AND p.paused_until <= _now
      AND coalesce(p.probing, 0) < clock;
  RETURN FOUND;
END $$;

-- What a probe found: the pause that it was asked about ends, or lasts on.
CREATE FUNCTION probed(_tenant text, _partner text, _asked bigint, _until bigint, _reason text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE partner p SET probing = NULL
    WHERE p.tenant = _tenant AND p.partner = _partner AND p.probing IS NOT NULL;
  UPDATE partner p SET paused_until = _until, pause_reason = _reason,
      failures = CASE WHEN _until IS NULL THEN 0 ELSE p.failures END
    WHERE p.tenant = _tenant AND p.partner = _partner AND p.paused_until <= _asked;
END $$;

-- Partners at which time has brought something about: one transaction each, so that none waits for all.
CREATE FUNCTION rescuable(_now bigint, _by_caller boolean) RETURNS TABLE (tenant text, partner text)
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    SELECT j.tenant::text, j.partner::text FROM job j
      WHERE j.lease_until IS NOT NULL AND j.lease_until < lease_clock(_now, _by_caller)
    UNION SELECT j.tenant, j.partner FROM job j
      WHERE j.awaits_until IS NOT NULL AND j.state = 'waiting' AND j.awaits_until < _now
    UNION SELECT j.tenant, j.partner FROM job j
      WHERE j.deadline IS NOT NULL AND j.state = 'waiting' AND NOT j.unsure AND j.deadline < _now
    UNION SELECT h.tenant, h.partner FROM hold h;
END $$;

-- At one partner: leases that ran out, confirmations that did not come, prescriptions past their last
-- send. How many leases. Nobody reported what was done under those: it may have been sent, and counts as an
-- attempt, so that what ends its worker every time comes to an end. _asks_max: where a policy says nothing.
CREATE FUNCTION rescue(_tenant text, _partner text, _now bigint, _by_caller boolean, _asks_max integer,
  _empty bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE s bigint; j job; lost bigint := 0; clock bigint := lease_clock(_now, _by_caller); enough boolean;
BEGIN
  FOR j IN SELECT * FROM job o WHERE o.lease_until IS NOT NULL AND o.lease_until < clock
      AND o.tenant = _tenant AND o.partner = _partner ORDER BY o.seq LOOP
    INSERT INTO attempt (tenant, job, effect, asked, started, took, verdict, reason, charged, body)
      VALUES (_tenant, j.seq, coalesce((SELECT min(e.n) FROM effect e WHERE e.tenant = _tenant
          AND e.job = j.seq AND NOT e.done), 0),
        j.state = 'asking', _now, 0, 'unsure', 'lease-lost', j.state <> 'asking', _empty);
    UPDATE job o SET attempts = o.attempts + (j.state <> 'asking')::integer,
        asks = o.asks + (j.state = 'asking')::integer
      WHERE o.tenant = _tenant AND o.seq = j.seq;
    enough := j.state = 'asking' AND j.asks + 1 >= coalesce((j.policy::jsonb->>'asks_max')::integer, _asks_max);
    PERFORM job_go(_tenant, j.seq, CASE WHEN enough THEN 'parked' ELSE 'asking' END, _now,
      _reason => CASE WHEN enough THEN 'unclear' ELSE 'lease-lost' END, _due => _now, _unsure => true,
      _reach => 'maybe');
    lost := lost + 1;
  END LOOP;
  FOR s IN SELECT seq FROM job WHERE awaits_until IS NOT NULL AND state = 'waiting'
      AND awaits_until < _now AND tenant = _tenant AND partner = _partner ORDER BY seq LOOP
    PERFORM job_go(_tenant, s, 'parked', _now, _reason => 'cancel-silent', _due => _now, _frees => true);
  END LOOP;
  FOR s IN SELECT seq FROM job WHERE deadline IS NOT NULL AND state = 'waiting' AND NOT unsure
      AND deadline < _now AND tenant = _tenant AND partner = _partner ORDER BY seq LOOP
    PERFORM job_go(_tenant, s, 'parked', _now, _reason => 'past-deadline', _due => _now);
  END LOOP;
  PERFORM lanes_refresh_held(_tenant, _partner, _now);
  RETURN lost;
END $$;
