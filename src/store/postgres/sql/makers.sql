-- Who makes a patient at a partner: of the jobs that would, one at a time (sqlite/makers.rs says why).
-- Of the lanes whose heads make the same patient one goes (mode 0, 1; 2 only if it asks); others stand
-- behind it (4), or have not become due (5).

-- The patient whom a job would make at a partner; NULL: they have a name there already.
CREATE FUNCTION maker_unknown(_tenant text, _partner text, _makes text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF _makes IS NULL THEN RETURN NULL; END IF;
  IF EXISTS (SELECT 1 FROM crosswalk WHERE tenant = _tenant AND partner = _partner
    AND type = 'Patient' AND our_id = _makes) THEN RETURN NULL; END IF;
  RETURN _makes;
END $$;

-- The head of another lane that makes the patient now, or was accepted before and is due; NULL: none.
CREATE FUNCTION maker_ahead(_tenant text, _partner text, _lane text, _makes text, _since bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE one record; found_head bigint;
BEGIN
  FOR one IN SELECT l.head, l.mode, coalesce(l.succeeds, l.head) AS since FROM lane l
      WHERE l.tenant = _tenant AND l.partner = _partner AND l.makes = _makes AND l.mode IN (0, 1, 2)
        AND l.lane <> _lane LOOP
    IF one.mode = 1 OR one.since < _since OR EXISTS (SELECT 1 FROM job j
      WHERE j.tenant = _tenant AND j.seq = one.head AND j.state = 'asking')
    THEN RETURN one.head; END IF;
  END LOOP;
  SELECT l.head INTO found_head FROM lane l WHERE l.tenant = _tenant AND l.partner = _partner
    AND l.makes = _makes AND l.mode = 4 AND coalesce(l.succeeds, l.head) < _since AND l.lane <> _lane LIMIT 1;
  RETURN found_head;
END $$;

-- How a lane stands whose head h would stand so (_alone), were there no other that makes its patient
-- _makes.
CREATE FUNCTION maker_mode(h job, _makes text, _alone integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  IF _makes IS NULL OR h.state <> 'waiting' THEN RETURN _alone; END IF;
  IF _alone = 2 THEN RETURN 5; END IF;
  IF _alone = 0 AND maker_ahead(h.tenant, h.partner, h.lane, _makes, coalesce(h.succeeds, h.seq)) IS NOT NULL
  THEN RETURN 4; END IF;
  RETURN _alone;
END $$;

-- A lane's part has changed (_went, _goes: the patient for whom it was and is the one that goes): whom it
-- overtakes stands behind it, and the first of those that stood behind it is looked at again.
CREATE FUNCTION maker_changed(_tenant text, _partner text, _lane text, _went text, _goes text, _now bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE one lane; key text;
BEGIN
  IF _goes IS NOT NULL THEN
    FOR one IN SELECT * FROM lane l WHERE l.tenant = _tenant AND l.partner = _partner AND l.makes = _goes
        AND l.mode = 0 AND l.lane <> _lane LOOP
      CONTINUE WHEN NOT EXISTS (SELECT 1 FROM job j WHERE j.tenant = _tenant AND j.seq = one.head
        AND j.state = 'waiting');
      UPDATE lane SET mode = 4 WHERE tenant = _tenant AND partner = _partner AND lane = one.lane;
    END LOOP;
  END IF;
  IF _went IS NULL OR _went IS NOT DISTINCT FROM _goes THEN RETURN; END IF;
  SELECT l.lane INTO key FROM lane l WHERE l.tenant = _tenant AND l.partner = _partner
    AND l.makes = _went AND l.mode = 4 ORDER BY coalesce(l.succeeds, l.head) LIMIT 1;
  IF key IS NOT NULL THEN PERFORM lane_refresh(_tenant, _partner, key, _now); END IF;
END $$;

-- The patient has a name at the partner: nobody makes them any more, and nobody waits for that.
CREATE FUNCTION maker_made(_tenant text, _partner text, _patient text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lane SET makes = NULL, mode = CASE mode WHEN 4 THEN 0 WHEN 5 THEN 2 ELSE mode END
    WHERE tenant = _tenant AND partner = _partner AND makes = _patient;
END $$;

-- Lanes whose heads have become due are ready now; those that make a patient, one after the other.
CREATE FUNCTION lanes_ripen(_tenant text, _partner text, _now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE key text;
BEGIN
  UPDATE lane l SET mode = 0 WHERE l.tenant = _tenant AND l.partner = _partner AND l.mode = 2
    AND l.due <= _now;
  FOREACH key IN ARRAY ARRAY(SELECT l.lane::text FROM lane l WHERE l.tenant = _tenant
      AND l.partner = _partner AND l.mode = 5 AND l.due <= _now) LOOP
    PERFORM lane_refresh(_tenant, _partner, key, _now);
  END LOOP;
END $$;

-- The head of the lane that makes j's patient before j does, as a claim at _now would find it.
CREATE FUNCTION maker_first(j any_job, _now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE patient text := maker_unknown(j.tenant, j.partner, j.makes); since bigint := coalesce(j.succeeds, j.seq);
  first bigint;
BEGIN
  IF patient IS NULL THEN RETURN NULL; END IF;
  first := maker_ahead(j.tenant, j.partner, j.lane, patient, since);
  IF first IS NOT NULL THEN RETURN first; END IF;
  SELECT l.head INTO first FROM lane l WHERE l.tenant = j.tenant AND l.partner = j.partner
    AND l.makes = patient AND l.mode = 5 AND coalesce(l.succeeds, l.head) < since AND l.due <= _now
    AND l.lane <> j.lane LIMIT 1;
  RETURN first;
END $$;
