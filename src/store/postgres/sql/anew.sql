-- What people have made anew: replays, and jobs that stand in for others (sqlite/replay.rs and second.rs).

-- Whether a job of the record at the partner, later than _after, stands or has arrived; cancels too or not.
CREATE FUNCTION stands(_tenant text, _partner text, _kind text, _record text, _after bigint,
  _cancels boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM job o WHERE o.tenant = _tenant AND o.partner = _partner
      AND o.kind = _kind AND o.record = _record AND o.seq > _after
      AND (_cancels OR o.purpose <> 'cancel'))
    OR EXISTS (SELECT 1 FROM job_ended o WHERE o.tenant = _tenant AND o.partner = _partner
      AND o.kind = _kind AND o.record = _record AND o.seq > _after AND o.state = 'done'
      AND (_cancels OR o.purpose <> 'cancel'));
END $$;

-- Notes that a person made a job of another.
CREATE FUNCTION made_put(_tenant text, _job text, _source bigint, _how text, _replay text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO made (tenant, job, source, how, replay)
    SELECT _tenant, j.seq, _source, _how, _replay FROM any_job j WHERE j.tenant = _tenant AND j.id = _job;
  PERFORM total_add(_tenant, 'jobs by people', 1);
END $$;

-- Begins a replay, once; whether it is new. The partner's lock is held: of its jobs none is on its way to
-- a lower seq than the newest that is seen.
CREATE FUNCTION replay_begin(_tenant text, _id text, _filter text, _rate integer, _who text, _why bytea,
  _now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO replay VALUES (_tenant, _id, _filter, 'running', _rate, 0, greatest(
      coalesce((SELECT max(j.seq) FROM job j WHERE j.tenant = _tenant), 0),
      coalesce((SELECT max(j.seq) FROM job_ended j WHERE j.tenant = _tenant), 0)),
    0, 0, '{}', _who, _why, _now, _now, _now) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM deed_put(_tenant, 'replay/' || _id, 'replay', _who, _why, _now);
  RETURN true;
END $$;

-- Counts what was left out, by the word that says why.
CREATE FUNCTION skips_add(_skips jsonb, _why text, _by bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN _skips || jsonb_build_object(_why, coalesce((_skips->>_why)::bigint, 0) + _by);
END $$;

-- Carries out a step; false if another did, or the replay does not run. _s: the step as replay.rs writes
-- it; what is bytes stands in _b, by place.
CREATE FUNCTION replay_step(_s jsonb, _b bytea[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  _tenant text := _s->>'tenant';
  _now bigint := (_s->>'now')::bigint;
  r replay;
  a jsonb;
  j any_job;
  why text;
  n bigint;
  skips jsonb;
  n_made bigint := 0;
  n_retried bigint := 0;
BEGIN
  SELECT * INTO r FROM replay o WHERE o.tenant = _tenant AND o.id = _s->>'id';
  IF NOT FOUND OR r.state <> 'running' OR r.cursor <> (_s->>'from')::bigint THEN RETURN false; END IF;
  skips := r.skipped::jsonb;
  FOR why, n IN SELECT e.key, e.value::bigint FROM jsonb_each_text(_s->'skipped') e LOOP
    skips := skips_add(skips, why, n);
  END LOOP;
  FOR a IN SELECT jsonb_array_elements(_s->'again') LOOP
    IF a->>'retry' IS NOT NULL THEN
      IF act(_tenant, a->>'retry', 'retry', r.who, r.why, _now) THEN
        n_retried := n_retried + 1;
      ELSE
        skips := skips_add(skips, 'moved', 1);
      END IF;
      CONTINUE;
    END IF;
    SELECT * INTO j FROM any_job o WHERE o.tenant = _tenant AND o.id = a->>'source';
    IF NOT FOUND OR j.state <> 'done' THEN
      skips := skips_add(skips, 'moved', 1);
    ELSIF stands(_tenant, j.partner, j.kind, j.record, j.seq, true) THEN
      skips := skips_add(skips, 'newer', 1);
    ELSE
      PERFORM job_put(_tenant, a->'job', _b, a->>'kind', a->>'record', (a->>'version')::bigint,
        j.client, NULL, _now);
      PERFORM made_put(_tenant, a->'job'->>'id', j.seq, 'replay', r.id);
      n_made := n_made + 1;
    END IF;
  END LOOP;
  UPDATE replay o SET state = CASE WHEN (_s->>'ended')::boolean THEN 'done' ELSE 'running' END,
      cursor = (_s->>'to')::bigint, made = o.made + n_made, retried = o.retried + n_retried,
      skipped = skips::text, changed = _now, next = (_s->>'next')::bigint
    WHERE o.tenant = _tenant AND o.id = r.id;
  RETURN true;
END $$;

-- Stops a running replay; false if none of that id runs.
CREATE FUNCTION replay_stop(_tenant text, _id text, _who text, _why bytea, _now bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE replay o SET state = 'cancelling', changed = _now, next = _now
    WHERE o.tenant = _tenant AND o.id = _id AND o.state = 'running';
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM deed_put(_tenant, 'replay/' || _id, 'cancel', _who, _why, _now);
  RETURN true;
END $$;

-- Cancels some of what a stopped replay made at its partner and was never tried; its end, when nothing of
-- that is left.
CREATE FUNCTION replay_sweep(_tenant text, _id text, _partner text, _now bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE s bigint; unsent bigint[];
BEGIN
  IF NOT EXISTS (SELECT 1 FROM replay o WHERE o.tenant = _tenant AND o.id = _id
    AND o.state = 'cancelling') THEN RETURN; END IF;
  unsent := ARRAY(SELECT j.seq FROM made m JOIN job j ON j.tenant = m.tenant AND j.seq = m.job
    WHERE m.tenant = _tenant AND m.replay = _id AND j.partner = _partner AND j.state = 'waiting'
      AND j.attempts = 0 AND NOT j.unsure AND j.reach = 'not' ORDER BY m.job LIMIT 500);
  FOREACH s IN ARRAY unsent LOOP
    PERFORM job_go(_tenant, s, 'cancelled', _now, _reason => 'by-person');
  END LOOP;
  IF cardinality(unsent) < 500 THEN
    UPDATE replay o SET state = 'cancelled', changed = _now
      WHERE o.tenant = _tenant AND o.id = _id AND o.state = 'cancelling';
  END IF;
END $$;

-- Puts a job in for another; false if what was seen has moved. _s: as second.rs writes it.
CREATE FUNCTION stand_in(_s jsonb, _b bytea[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  _tenant text := _s->>'tenant';
  _now bigint := (_s->>'now')::bigint;
  _to text := _s->>'to';
  there text := _s->'job'->>'partner';
  j any_job;
BEGIN
  SELECT * INTO j FROM any_job o WHERE o.tenant = _tenant AND o.id = _s->>'source';
  IF NOT FOUND OR j.state <> _s->>'from' OR j.lease_until IS NOT NULL OR j.unsure
    -- What has ended stays as it ended.
    OR (_to IS NOT NULL AND j.state IN ('done', 'cancelled', 'superseded'))
    OR stands(_tenant, j.partner, j.kind, j.record, j.seq, false)
    OR (there <> j.partner AND stands(_tenant, there, j.kind, j.record, 0, false))
    OR (SELECT max(v.version) FROM version v WHERE v.tenant = _tenant AND v.kind = _s->>'kind'
      AND v.id = _s->>'record') IS DISTINCT FROM (_s->>'head')::bigint
  THEN RETURN false; END IF;
  INSERT INTO act (tenant, job, act, who, why, at)
    VALUES (_tenant, j.seq, _s->>'how', _s->>'who', _b[(_s->>'why')::integer], _now);
  IF _to IS NOT NULL THEN
    PERFORM job_go(_tenant, j.seq, _to, _now,
      _reason => CASE WHEN _to = 'superseded' THEN 'replaced' ELSE 'by-person' END);
  END IF;
  PERFORM job_put(_tenant, _s->'job', _b, _s->>'kind', _s->>'record', (_s->>'version')::bigint,
    j.client, NULL, _now);
  PERFORM made_put(_tenant, _s->'job'->>'id', j.seq, _s->>'how', NULL);
  RETURN true;
END $$;
