-- An admission: everything that one accepted submission writes, or nothing (sqlite/admit.rs, with
-- versions.rs, denials.rs and the writing half of crosswalk.rs).
--
-- One call instead of some twenty statements: over a network each would be a round trip with the
-- partners' locks held. _a is the admission as admit.rs writes it; what is bytes stands in _b, by place.

-- Makes or renews a crosswalk row.
CREATE FUNCTION crosswalk_put(_tenant text, _partner text, _type text, _our text, _their text,
  _their_version text, _now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO crosswalk AS c VALUES (_tenant, _partner, _type, _our, _their, _their_version, _now)
    ON CONFLICT (tenant, partner, type, our_id) DO UPDATE SET their_id = _their,
      their_version = _their_version,
      since = CASE WHEN c.their_id = _their THEN c.since ELSE _now END;
  IF _type = 'Patient' THEN PERFORM maker_made(_tenant, _partner, _our); END IF;
END $$;

-- Whether the chain or a job that changes is otherwise than it was seen.
CREATE FUNCTION admission_moved(_a jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE _tenant text := _a->>'tenant'; t jsonb;
BEGIN
  IF _a->>'chain' IS NOT NULL AND ARRAY(
      SELECT j.id || ' ' || j.state || ' ' || j.reach || ' ' || j.unsure::text FROM any_job j
      WHERE j.tenant = _tenant AND j.chain = _a->>'chain' ORDER BY 1)
    IS DISTINCT FROM ARRAY(SELECT s FROM jsonb_array_elements_text(_a->'seen') s ORDER BY s COLLATE "C")
  THEN RETURN true; END IF;
  FOR t IN SELECT jsonb_array_elements(_a->'transitions') LOOP
    IF NOT EXISTS (SELECT 1 FROM any_job j WHERE j.tenant = _tenant AND j.id = t->>'job'
      AND j.state = t->>'from') THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;

-- Whether a client whom a denial concerns has a consent that the deciders did not see.
CREATE FUNCTION consents_moved(_a jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE c text; i text; v bigint;
BEGIN
  IF _a->'version' IS NULL OR _a->'version' = 'null' THEN RETURN false; END IF;
  FOR c IN SELECT DISTINCT d->>'client' FROM jsonb_array_elements(_a->'denials') d
      WHERE d->>'client' IS NOT NULL LOOP
    FOR i, v IN SELECT id, max(version) FROM version
        WHERE tenant = _a->>'tenant' AND client = c AND kind = 'consent' GROUP BY id LOOP
      CONTINUE WHEN _a->>'kind' = 'consent' AND _a->>'id' = i;
      IF NOT EXISTS (SELECT 1 FROM jsonb_array_elements(_a->'version'->'context') o
        WHERE o->>'kind' = 'consent' AND o->>'id' = i AND (o->>'version')::bigint = v)
      THEN RETURN true; END IF;
    END LOOP;
  END LOOP;
  RETURN false;
END $$;

-- Jobs of the client that the gate held are decided anew.
CREATE FUNCTION wake(_tenant text, _client text, _now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE s bigint; st text;
BEGIN
  FOR s, st IN SELECT seq, state FROM job WHERE tenant = _tenant AND client = _client AND held
      ORDER BY seq LOOP
    PERFORM job_go(_tenant, s, st, _now, _reason => '', _due => _now);
  END LOOP;
END $$;

-- Settles what is decided by now, and notes what was denied.
CREATE FUNCTION denials_put(_a jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE d jsonb; _tenant text := _a->>'tenant'; _kind text := _a->>'kind'; _id text := _a->>'id';
  _version bigint := (_a->>'record_version')::bigint;
BEGIN
  IF _a->'version' <> 'null' THEN
    -- A newer version was decided by itself, at every partner: older denials are history.
    UPDATE denial SET open = false WHERE tenant = _tenant AND kind = _kind AND record = _id AND open;
  END IF;
  IF jsonb_array_length(_a->'denials_settled') > 0 THEN
    UPDATE denial SET open = false WHERE tenant = _tenant AND kind = _kind AND record = _id
      AND version = _version
      AND partner IN (SELECT p FROM jsonb_array_elements_text(_a->'denials_settled') p);
  END IF;
  FOR d IN SELECT jsonb_array_elements(_a->'denials') LOOP
    INSERT INTO denial (tenant, client, kind, record, version, partner, why, open)
      VALUES (_tenant, d->>'client', d->>'kind', d->>'id', (d->>'version')::bigint, d->>'partner',
        d->>'why', true)
      ON CONFLICT (tenant, kind, record, version, partner)
        DO UPDATE SET why = excluded.why, open = true;
  END LOOP;
END $$;

-- Writes the version, what it leans on, its place in the feed, its resources.
CREATE FUNCTION version_put(_a jsonb, _b bytea[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v jsonb := _a->'version'; _tenant text := _a->>'tenant'; r jsonb;
BEGIN
  INSERT INTO version VALUES (_tenant, _a->>'kind', _a->>'id', (_a->>'record_version')::bigint,
    _a->>'chain', v->>'client', _b[(v->>'body')::integer], (v->'context')::text,
    _b[(v->>'hash')::integer], v->>'origin', (_a->>'now')::bigint, (_a->>'status')::integer,
    _b[(_a->>'given')::integer]);
  INSERT INTO leans SELECT _tenant, o->>'kind', o->>'id', _a->>'kind', _a->>'id'
    FROM jsonb_array_elements(v->'context') o ON CONFLICT DO NOTHING;
  IF (v->>'in_feed')::boolean THEN
    INSERT INTO feed (tenant, kind, id, version)
      VALUES (_tenant, _a->>'kind', _a->>'id', (_a->>'record_version')::bigint);
  END IF;
  PERFORM total_add(_tenant, 'versions', 1);
  FOR r IN SELECT jsonb_array_elements(_a->'resources') LOOP
    INSERT INTO resource VALUES (_tenant, r->>'type', r->>'id',
      1 + coalesce((SELECT max(o.version) FROM resource o
        WHERE o.tenant = _tenant AND o.type = r->>'type' AND o.id = r->>'id'), 0),
      _a->>'kind', _a->>'id', r->>'part', (_a->>'record_version')::bigint, (_a->>'now')::bigint,
      r->>'profiles', _b[(r->>'body')::integer]);
  END LOOP;
END $$;

-- Holds patients until the job of their merge has ended.
CREATE FUNCTION holds_put(_a jsonb, _now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE h jsonb; _tenant text := _a->>'tenant'; key text;
BEGIN
  FOR h IN SELECT jsonb_array_elements(_a->'holds') LOOP
    INSERT INTO hold SELECT _tenant, h->>0, h->>1, j.seq FROM job j
      WHERE j.tenant = _tenant AND j.id = h->>2 ON CONFLICT DO NOTHING;
  END LOOP;
  FOR h IN SELECT jsonb_array_elements(_a->'holds') LOOP
    FOREACH key IN ARRAY lanes_of_client(_tenant, h->>0, h->>1) LOOP
      PERFORM lane_refresh(_tenant, h->>0, key, _now);
    END LOOP;
    -- The merge's own lane was looked up before it was known to be one.
    FOR key IN SELECT j.lane FROM any_job j WHERE j.tenant = _tenant AND j.id = h->>2 LOOP
      PERFORM lane_refresh(_tenant, h->>0, key, _now);
    END LOOP;
  END LOOP;
END $$;

-- Writes an admission, or says why not; then nothing was written. outcome: stored, repeat (with what was
-- said), key-reused, conflict (with the newest version), moved, raw-settled. In this order: idempotency
-- key, exact repeat, version order, what has moved.
CREATE FUNCTION admit(_a jsonb, _b bytea[], OUT outcome text, OUT status integer, OUT body bytea,
  OUT newest bigint) LANGUAGE plpgsql AS $$
DECLARE
  _tenant text := _a->>'tenant';
  _now bigint := (_a->>'now')::bigint;
  _kind text := _a->>'kind';
  _id text := _a->>'id';
  _version bigint := (_a->>'record_version')::bigint;
  k jsonb := _a->'idempotency';
  v jsonb := _a->'version';
  x jsonb;
  h bytea;
  st text;
  s bigint;
  since bigint;
  took jsonb := '{}';
  _client text;
BEGIN
  IF k <> 'null' THEN
    SELECT i.hash, i.given_status, i.given_body INTO h, status, body FROM idempotency i
      WHERE i.tenant = _tenant AND i.caller = k->>'caller' AND i.key = k->>'key';
    IF FOUND THEN
      outcome := CASE WHEN h = _b[(k->>'hash')::integer] THEN 'repeat' ELSE 'key-reused' END;
      RETURN;
    END IF;
  END IF;
  SELECT o.version INTO newest FROM version o
    WHERE o.tenant = _tenant AND o.kind = _kind AND o.id = _id ORDER BY o.version DESC LIMIT 1;
  IF v <> 'null' AND _version <= newest THEN
    SELECT o.hash, o.given_status, o.given_body INTO h, status, body FROM version o
      WHERE o.tenant = _tenant AND o.kind = _kind AND o.id = _id AND o.version = _version;
    outcome := CASE WHEN FOUND AND h = _b[(v->>'hash')::integer] THEN 'repeat' ELSE 'conflict' END;
    RETURN;
  END IF;
  IF newest IS DISTINCT FROM (_a->>'head')::bigint OR admission_moved(_a) OR consents_moved(_a) THEN
    outcome := 'moved';
    RETURN;
  END IF;
  IF _a->'settles_raw' <> 'null' THEN
    SELECT r.state INTO st FROM raw r WHERE r.tenant = _tenant AND r.id = _a->'settles_raw'->>0;
    IF st IS NULL OR st NOT IN ('received', 'unmatched') THEN
      outcome := 'raw-settled';
      RETURN;
    END IF;
    UPDATE raw r SET state = _a->'settles_raw'->>1
      WHERE r.tenant = _tenant AND r.id = _a->'settles_raw'->>0;
  END IF;
  x := _a->'raw';
  IF x <> 'null' THEN
    INSERT INTO raw (tenant, id, door, sender_id, media_type, body, hash, received, state)
      VALUES (_tenant, x->>'id', x->>'door', x->>'sender_id', x->>'media_type',
        _b[(x->>'body')::integer], _b[(x->>'hash')::integer], _now, 'done');
  END IF;
  IF k <> 'null' THEN
    INSERT INTO idempotency VALUES (_tenant, k->>'caller', k->>'key', _b[(k->>'hash')::integer],
      (_a->>'status')::integer, _b[(_a->>'given')::integer], _now);
  END IF;
  IF v <> 'null' THEN
    PERFORM version_put(_a, _b);
    _client := v->>'client';
  ELSE
    SELECT o.client INTO _client FROM version o
      WHERE o.tenant = _tenant AND o.kind = _kind AND o.id = _id AND o.version = _version;
  END IF;
  FOR x IN SELECT jsonb_array_elements(_a->'crosswalk') LOOP
    PERFORM crosswalk_put(_tenant, x->>'partner', x->>'type', x->>'our_id', x->>'their_id',
      x->>'their_version', _now);
  END LOOP;
  FOR x IN SELECT jsonb_array_elements(_a->'transitions') LOOP
    SELECT j.seq, least(j.seq, j.succeeds), CASE WHEN j.kind = _kind AND j.record = _id
        THEN j.partner END INTO s, since, st
      FROM job j WHERE j.tenant = _tenant AND j.id = x->>'job';
    PERFORM job_go(_tenant, s, x->>'to', _now, _reason => x->>'reason',
      _due => CASE WHEN x->>'to' = 'waiting' THEN _now END);
    -- What takes the place of something of the same record: the oldest place that it had.
    IF x->>'to' = 'superseded' AND st IS NOT NULL THEN
      took := took || jsonb_build_object(st, least(since, (took->>st)::bigint));
    END IF;
  END LOOP;
  FOR x IN SELECT jsonb_array_elements(_a->'jobs') LOOP
    PERFORM job_put(_tenant, x, _b, _kind, _id, _version, _client,
      (took->>(x->>'partner'))::bigint, _now);
  END LOOP;
  IF jsonb_array_length(_a->'holds') > 0 THEN PERFORM holds_put(_a, _now); END IF;
  PERFORM denials_put(_a);
  IF _a->>'wakes_client' IS NOT NULL THEN
    PERFORM wake(_tenant, _a->>'wakes_client', _now);
  END IF;
  IF _a->'confirms' <> 'null' THEN
    PERFORM confirm(_tenant, _a->'confirms'->>0, (_a->'confirms'->>1)::boolean, _now);
  END IF;
  outcome := 'stored';
END $$;
