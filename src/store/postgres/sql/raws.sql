-- Raw bytes of partners' doors, refusals, the feed's positions (sqlite/raw.rs, refusals.rs).

-- Stores bytes, or finds that they were stored before: then that row.
CREATE FUNCTION receive(_tenant text, _id text, _door text, _sender text, _media_type text, _body bytea,
  _hash bytea, _now bigint, _since bigint) RETURNS SETOF raw LANGUAGE plpgsql AS $$
DECLARE known raw;
BEGIN
  IF _sender IS NOT NULL THEN
    SELECT * INTO known FROM raw WHERE tenant = _tenant AND door = _door AND sender_id = _sender;
  ELSE
    SELECT * INTO known FROM raw WHERE tenant = _tenant AND door = _door AND hash = _hash
      AND received >= _since AND sender_id IS NULL ORDER BY received DESC LIMIT 1;
  END IF;
  IF NOT FOUND THEN
    INSERT INTO raw (tenant, id, door, sender_id, media_type, body, hash, received, state)
      VALUES (_tenant, _id, _door, _sender, _media_type, _body, _hash, _now, 'received');
    RETURN;
  END IF;
  IF known.hash <> _hash THEN
    UPDATE raw SET same_id_other_bytes = true WHERE tenant = _tenant AND id = known.id;
  END IF;
  RETURN NEXT known;
END $$;

-- What became of bytes that make no record, and what the sender was told.
CREATE FUNCTION settle_raw(_tenant text, _id text, _state text, _issues bytea, _partner text,
  _patient text, _status integer, _given bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Somebody may have linked the patient while the message was looked at: then it is looked at again.
  IF _state = 'unmatched' AND _patient IS NOT NULL AND EXISTS (SELECT 1 FROM crosswalk
    WHERE tenant = _tenant AND partner = _partner AND type = 'Patient' AND their_id = _patient) THEN
    _state := 'received';
    _patient := NULL;
  END IF;
  UPDATE raw SET state = _state, issues = _issues, their_patient = _patient,
      given_status = coalesce(given_status, _status), given_body = coalesce(given_body, _given)
    WHERE tenant = _tenant AND id = _id;
END $$;

-- Counts refused inputs: [kind, rule, pointer, caller]. Beyond _most different ones they are counted
-- without their pointer, which a sender can make up.
CREATE FUNCTION count_refusals(_tenant text, _refusals jsonb, _most bigint, _now bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE r jsonb; p text;
BEGIN
  FOR r IN SELECT jsonb_array_elements(_refusals) LOOP
    UPDATE refusal SET n = n + 1, last = _now WHERE tenant = _tenant AND kind = r->>0 AND rule = r->>1
      AND pointer = r->>2 AND caller = r->>3;
    CONTINUE WHEN FOUND;
    p := r->>2;
    IF coalesce((SELECT sum(n) FROM total WHERE tenant = _tenant AND what = 'refusals'), 0) >= _most THEN
      p := '';
      UPDATE refusal SET n = n + 1, last = _now WHERE tenant = _tenant AND kind = r->>0
        AND rule = r->>1 AND pointer = '' AND caller = r->>3;
      CONTINUE WHEN FOUND;
    END IF;
    INSERT INTO refusal VALUES (_tenant, r->>0, r->>1, p, r->>3, 1, _now);
    PERFORM total_add(_tenant, 'refusals', 1);
  END LOOP;
END $$;

-- Gives positions to what was committed without: by one at a time, so that no position becomes visible
-- after a higher one.
CREATE FUNCTION feed_sequence(_tenant text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE last bigint; f record;
BEGIN
  PERFORM pg_advisory_xact_lock(1229934662 + 3, hashtext(_tenant));
  SELECT coalesce(max(position), 0) INTO last FROM feed
    WHERE tenant = _tenant AND position IS NOT NULL;
  -- After a restore: past what the lost database may have given.
  last := greatest(last, (SELECT n FROM total WHERE tenant = '' AND what = 'feed' AND slot = 0));
  FOR f IN SELECT n FROM feed WHERE tenant = _tenant AND position IS NULL ORDER BY n LIMIT 10000 LOOP
    last := last + 1;
    UPDATE feed SET position = last WHERE tenant = _tenant AND n = f.n;
  END LOOP;
END $$;
