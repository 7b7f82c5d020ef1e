-- What the store does for its own keeping (sqlite/audit.rs, keeping.rs, restored.rs).

-- What is wrong at this moment: tenant, partner or nothing, fault, how many. _before: before then what is
-- due should have been taken; _lease_before: the same by the clock that rules leases. Reads all there is.
CREATE FUNCTION audit_look(_now bigint, _before bigint, _lease_before bigint)
RETURNS TABLE (tenant text, partner text, fault text, n bigint) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY SELECT /* self-check */ d.tenant::text, d.partner::text, 'counter-differs', sum(abs(d.n))::bigint FROM (
      SELECT b.tenant, b.partner, b.state, sum(b.n) AS n FROM (
        SELECT c.tenant, c.partner, c.state, c.n FROM count c WHERE c.state <> 'made'
        UNION ALL SELECT j.tenant, j.partner, j.state, -count(*) FROM any_job j GROUP BY 1, 2, 3) b
      GROUP BY 1, 2, 3) d
    GROUP BY 1, 2 HAVING sum(abs(d.n)) > 0;
  RETURN QUERY SELECT /* self-check */ l.tenant::text, l.partner::text, 'counter-differs', count(*)
    FROM lane l WHERE l.jobs <> (SELECT count(*) FROM job j WHERE j.tenant = l.tenant
      AND j.partner = l.partner AND j.lane = l.lane AND j.rank IS NOT NULL)
    GROUP BY 1, 2;
  RETURN QUERY SELECT /* self-check */ b.tenant::text, NULL::text, 'made-differs', abs(sum(b.n))::bigint FROM (
      SELECT c.tenant, c.n FROM count c WHERE c.state = 'made'
      UNION ALL SELECT j.tenant, -count(*) FROM any_job j GROUP BY 1) b
    GROUP BY 1 HAVING sum(b.n) <> 0;
  -- Work goes on where something is leased or was accepted of late: then it is only much.
  RETURN QUERY SELECT /* self-check */ l.tenant::text, l.partner::text, 'due-unclaimed', count(*) FROM lane l
      LEFT JOIN partner p ON p.tenant = l.tenant AND p.partner = l.partner
    WHERE l.mode IN (0, 2, 5) AND l.due < _before AND p.paused_until IS NULL
      AND coalesce(p.last_success, 0) < _before
      AND (p.drain IS NULL OR l.head <= p.drain OR l.succeeds <= p.drain)
      AND NOT EXISTS (SELECT 1 FROM job j WHERE j.lease_until IS NOT NULL AND j.tenant = l.tenant
        AND j.partner = l.partner)
    GROUP BY 1, 2;
  RETURN QUERY SELECT /* self-check */ j.tenant::text, j.partner::text, 'lease-over', count(*) FROM job j
    WHERE j.lease_until < _lease_before
      OR (j.rank IS NOT NULL AND j.state = 'sending' AND j.lease_until IS NULL)
    GROUP BY 1, 2;
  RETURN QUERY SELECT /* self-check */ j.tenant::text, j.partner::text, 'job-astray', count(*) FROM job j
    WHERE (j.rank IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lane l WHERE l.tenant = j.tenant
        AND l.partner = j.partner AND l.lane = j.lane))
      -- Open, but out of its lane without what keeps it there.
      OR (j.state <> 'parked' AND j.rank IS NULL AND NOT j.held
        AND (j.awaits IS NULL OR j.state <> 'waiting'))
    GROUP BY 1, 2;
  RETURN QUERY SELECT /* self-check */ l.tenant::text, l.partner::text, 'job-astray', count(*) FROM lane l
      LEFT JOIN job j ON j.tenant = l.tenant AND j.seq = l.head
    WHERE j.rank IS NULL OR j.lane <> l.lane OR j.partner <> l.partner
    GROUP BY 1, 2;
  -- A cancel passes what is unclear in other chains of a patient's line; nothing else passes anything.
  RETURN QUERY SELECT /* self-check */ l.tenant::text, l.partner::text, 'head-wrong', count(*) FROM lane l
      JOIN job h ON h.tenant = l.tenant AND h.seq = l.head
    WHERE EXISTS (SELECT 1 FROM job o WHERE o.tenant = l.tenant AND o.partner = l.partner
      AND o.lane = l.lane AND o.rank IS NOT NULL AND (o.rank, o.seq) < (h.rank, h.seq)
      AND NOT (h.rank = 2 AND o.chain <> h.chain AND (o.rank = 1 OR (o.rank = 2 AND EXISTS (
        SELECT 1 FROM job u WHERE u.tenant = o.tenant AND u.partner = o.partner AND u.lane = o.lane
          AND u.rank = 1 AND u.chain = o.chain)))))
    GROUP BY 1, 2;
  RETURN QUERY SELECT /* self-check */ j.tenant::text, j.partner::text, 'job-empty', count(*) FROM job j
    WHERE j.state <> 'parked'
      AND NOT EXISTS (SELECT 1 FROM effect e WHERE e.tenant = j.tenant AND e.job = j.seq)
    GROUP BY 1, 2;
  RETURN QUERY SELECT /* self-check */ o.tenant::text, NULL::text, 'orphan', count(*) FROM (
      SELECT e.tenant FROM effect e WHERE NOT EXISTS (SELECT 1 FROM job j
          WHERE j.tenant = e.tenant AND j.seq = e.job)
        AND NOT EXISTS (SELECT 1 FROM job_ended j WHERE j.tenant = e.tenant AND j.seq = e.job)
      UNION ALL SELECT a.tenant FROM attempt a WHERE NOT EXISTS (SELECT 1 FROM job j
          WHERE j.tenant = a.tenant AND j.seq = a.job)
        AND NOT EXISTS (SELECT 1 FROM job_ended j WHERE j.tenant = a.tenant AND j.seq = a.job)
      UNION ALL SELECT d.tenant FROM need d WHERE NOT EXISTS (SELECT 1 FROM job j
          WHERE j.tenant = d.tenant AND j.seq = d.job)
      UNION ALL SELECT h.tenant FROM hold h WHERE NOT EXISTS (SELECT 1 FROM job j
          WHERE j.tenant = h.tenant AND j.seq = h.job)
      -- Here a job is in one of two tables; in both it would be doubled.
      UNION ALL SELECT j.tenant FROM job j WHERE EXISTS (SELECT 1 FROM job_ended x
          WHERE x.tenant = j.tenant AND x.seq = j.seq)
      UNION ALL SELECT j.tenant FROM any_job j WHERE NOT EXISTS (SELECT 1 FROM version v
          WHERE v.tenant = j.tenant AND v.kind = j.kind AND v.id = j.record AND v.version = j.version)) o
    GROUP BY 1;
  RETURN QUERY SELECT /* self-check */ r.tenant::text, r.door::text, 'inbound-left', count(*) FROM raw r
    WHERE r.state = 'received' AND r.state <> 'done' AND r.received < _before GROUP BY 1, 2;
  -- One index step after the other, as everywhere else.
  PERFORM set_config('enable_seqscan', 'off', true);
  -- Lanes that are held back, or behind another, although nothing holds their heads back; so many are
  -- looked at.
  RETURN QUERY SELECT /* self-check */ l.tenant::text, l.partner::text, 'lane-forgotten', count(*) FROM (
      SELECT * FROM lane h WHERE h.mode IN (3, 4) ORDER BY h.head LIMIT 10000) l
      CROSS JOIN LATERAL lane_first(l.tenant, l.partner, l.lane) f
      CROSS JOIN LATERAL maker_mode(f, maker_unknown(f.tenant, f.partner, f.makes), lane_mode(f, _now)) m
    -- It was due when it came to stand behind another.
    WHERE f.seq IS NOT NULL AND m NOT IN (3, 4) AND NOT (l.mode = 4 AND m = 5)
    GROUP BY 1, 2;
END $$;

-- Notes when something of the whole database happened.
CREATE FUNCTION moment_put(_what text, _at bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO moment AS m (tenant, what, at) VALUES ('', _what, _at)
    ON CONFLICT (tenant, what) DO UPDATE SET at = _at;
END $$;

-- Remembers what a self-check found, and since when: [tenant, partner or '', fault, n].
CREATE FUNCTION audit_remember(_found jsonb, _now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE f jsonb;
BEGIN
  DELETE FROM finding o WHERE NOT EXISTS (SELECT 1 FROM jsonb_array_elements(_found) w
    WHERE w->>0 = o.tenant AND w->>1 = o.partner AND w->>2 = o.fault);
  FOR f IN SELECT jsonb_array_elements(_found) LOOP
    INSERT INTO finding AS o VALUES (f->>0, f->>1, f->>2, (f->>3)::bigint, _now)
      ON CONFLICT (tenant, partner, fault) DO UPDATE SET n = excluded.n;
  END LOOP;
  PERFORM moment_put('audited', _now);
END $$;

-- Lets the bodies of a stretch of rows go that are older than _before; where it ends (null: that was the
-- last), and how many. Stretches go by the primary key, so that this needs no index of its own.
CREATE FUNCTION bodies_go(_table text, _after jsonb, _before bigint, _empty bytea, OUT upto jsonb,
  OUT n bigint) LANGUAGE plpgsql AS $$
DECLARE t text := coalesce(_after->>0, '');
  a bigint := CASE WHEN _table <> 'raw' THEN coalesce((_after->>1)::bigint, 0) END;
  b bigint := coalesce((_after->>2)::bigint, 0); i text := coalesce(_after->>1, '');
  ut text; ua bigint; ub bigint; ui text;
BEGIN
  n := 0;
  IF _table = 'attempt' THEN
    SELECT s.tenant, s.job, s.n INTO ut, ua, ub FROM (SELECT o.tenant, o.job, o.n FROM attempt o
      WHERE (o.tenant, o.job, o.n) > (t, a, b) ORDER BY o.tenant, o.job, o.n LIMIT 2000) s
      ORDER BY s.tenant DESC, s.job DESC, s.n DESC LIMIT 1;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE attempt o SET body = _empty WHERE (o.tenant, o.job, o.n) > (t, a, b)
      AND (o.tenant, o.job, o.n) <= (ut, ua, ub) AND o.started < _before AND length(o.body) > 1;
    GET DIAGNOSTICS n = ROW_COUNT;
    upto := jsonb_build_array(ut, ua, ub);
  ELSIF _table = 'job' THEN
    SELECT s.tenant, s.seq INTO ut, ua FROM (SELECT o.tenant, o.seq FROM job_ended o
      WHERE (o.tenant, o.seq) > (t, a) ORDER BY o.tenant, o.seq LIMIT 2000) s
      ORDER BY s.tenant DESC, s.seq DESC LIMIT 1;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE effect e SET body = _empty FROM job_ended j WHERE (j.tenant, j.seq) > (t, a)
      AND (j.tenant, j.seq) <= (ut, ua) AND j.settled < _before
      AND e.tenant = j.tenant AND e.job = j.seq AND length(e.body) > 1;
    GET DIAGNOSTICS n = ROW_COUNT;
    upto := jsonb_build_array(ut, ua);
  ELSE
    SELECT s.tenant, s.id INTO ut, ui FROM (SELECT o.tenant, o.id FROM raw o
      WHERE (o.tenant, o.id) > (t, i) ORDER BY o.tenant, o.id LIMIT 2000) s
      ORDER BY s.tenant DESC, s.id DESC LIMIT 1;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE raw o SET body = _empty WHERE (o.tenant, o.id) > (t, i) AND (o.tenant, o.id) <= (ut, ui)
      AND o.received < _before AND o.state = 'done' AND length(o.body) > 1;
    GET DIAGNOSTICS n = ROW_COUNT;
    upto := jsonb_build_array(ut, ui);
  END IF;
END $$;

-- A restored backup: whatever of a partner had not ended may have been sent since. So many jobs after one;
-- the last one (null: that was all), how many are asked about, how many wait for a person.
CREATE FUNCTION restored_mark(_tenant text, _partner text, _after bigint, _now bigint, OUT upto bigint,
  OUT asking bigint, OUT parked bigint) LANGUAGE plpgsql AS $$
DECLARE j job; st text;
BEGIN
  asking := 0;
  parked := 0;
  FOR j IN SELECT * FROM job o WHERE o.tenant = _tenant AND o.seq > _after AND o.partner = _partner
      ORDER BY o.seq LIMIT 500 LOOP
    upto := j.seq;
    -- A rule keeps it from its partner: it never went, and never goes.
    CONTINUE WHEN j.reason = 'rule-blocks';
    -- What awaits a cancel's approval must not be asked about: asking a pharmacy sends it.
    IF j.state = 'parked' OR j.awaits IS NOT NULL THEN
      st := 'parked';
      parked := parked + 1;
    ELSE
      st := 'asking';
      asking := asking + 1;
    END IF;
    PERFORM job_go(_tenant, j.seq, st, _now, _reason => 'restored', _due => _now, _unsure => true,
      _reach => 'maybe');
  END LOOP;
END $$;

-- The end of that: what people wished for may have come true since, so that they have to wish again; the
-- feed goes on past every position that the lost database may have given; when it was, and the newest record.
CREATE FUNCTION restored_end(_now bigint, OUT newest bigint, OUT replays bigint, OUT proposals bigint)
LANGUAGE plpgsql AS $$
DECLARE last bigint;
BEGIN
  UPDATE replay r SET state = 'cancelled', changed = _now WHERE r.state IN ('running', 'cancelling');
  GET DIAGNOSTICS replays = ROW_COUNT;
  UPDATE proposal p SET state = 'rejected', second = 'restore', decided = _now WHERE p.state = 'open';
  GET DIAGNOSTICS proposals = ROW_COUNT;
  SELECT coalesce(max(position), 0) INTO last FROM feed WHERE position IS NOT NULL;
  INSERT INTO total AS o VALUES ('', 'feed', 0, last + 1000000000)
    ON CONFLICT (tenant, what, slot) DO UPDATE SET n = greatest(o.n, last) + 1000000000;
  PERFORM moment_put('restored', _now);
  SELECT max(v.accepted) INTO newest FROM version v;
END $$;

-- Has the planner look again at tables that grew since it looked last. What it thinks is empty, or small,
-- it reads by any index that begins with the tenant; and the server's own looking comes once a minute.
CREATE FUNCTION statistics_renew() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE t text; n integer := 0;
BEGIN
  FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'fhir_gateway'::regnamespace
      AND c.relkind = 'r' AND pg_stat_get_live_tuples(c.oid) > 200 + 4 * greatest(c.reltuples, 0)
      ORDER BY 1 LOOP
    EXECUTE format('ANALYZE (SKIP_LOCKED) fhir_gateway.%I', t);
    n := n + 1;
  END LOOP;
  RETURN n;
END $$;
