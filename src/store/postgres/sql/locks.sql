-- What keeps the histories of several nodes apart. Every transaction that writes takes all its locks
-- first, in one order, and keeps them until its commit:
--
-- - per partner whose jobs, lanes, needs, holds, counters, pauses or crosswalk it may look at or change:
--   so a partner's history is serial, as with one writer, and its seq order is its commit order;
-- - per name (a record, a chain, an idempotency key, raw bytes, a client's consents): so nothing that an
--   admission compared has moved when it commits. Names share a fixed number of locks: the server's lock
--   table has bounds, and a lock too many costs a wait, never an error.
--
-- A job's partner and client never change, so they are looked up before. What can grow meanwhile (whose
-- jobs await a message, which jobs of a client the gate holds) is looked up again with the locks in hand;
-- if there is more by then, the transaction begins anew.

-- The locks of a wish, as (class, key).
CREATE FUNCTION lock_keys(_wish jsonb) RETURNS TABLE (class integer, key integer) LANGUAGE plpgsql AS $$
DECLARE w jsonb; p text; c text;
BEGIN
  FOR w IN SELECT jsonb_array_elements(_wish->'partners') LOOP
    class := 1; key := hashtext((w->>0) || '/' || (w->>1)); RETURN NEXT;
  END LOOP;
  FOR w IN SELECT jsonb_array_elements(_wish->'names') LOOP
    class := 2; key := hashtext(w#>>'{}') & 1023; RETURN NEXT;
  END LOOP;
  -- Jobs by id, and whether their client's consents matter.
  FOR w IN SELECT jsonb_array_elements(_wish->'jobs') LOOP
    SELECT j.partner, j.client INTO p, c FROM any_job j WHERE j.tenant = w->>0 AND j.id = w->>1;
    CONTINUE WHEN p IS NULL;
    class := 1; key := hashtext((w->>0) || '/' || p); RETURN NEXT;
    IF (w->>2)::boolean AND c IS NOT NULL THEN
      class := 2; key := hashtext('consents/' || (w->>0) || '/' || c) & 1023; RETURN NEXT;
    END IF;
  END LOOP;
  FOR w IN SELECT jsonb_array_elements(_wish->'messages') LOOP
    FOR p IN SELECT j.partner FROM any_job j WHERE j.tenant = w->>0 AND j.message = w->>1
        UNION SELECT j.partner FROM job j WHERE j.tenant = w->>0 AND j.awaits = w->>1 LOOP
      class := 1; key := hashtext((w->>0) || '/' || p); RETURN NEXT;
    END LOOP;
  END LOOP;
  -- Clients whose consents change: what the gate holds of them moves.
  FOR w IN SELECT jsonb_array_elements(_wish->'clients') LOOP
    class := 2; key := hashtext('consents/' || (w->>0) || '/' || (w->>1)) & 1023; RETURN NEXT;
    FOR p IN SELECT DISTINCT j.partner FROM job j
        WHERE j.tenant = w->>0 AND j.client = w->>1 AND j.held LOOP
      class := 1; key := hashtext((w->>0) || '/' || p); RETURN NEXT;
    END LOOP;
  END LOOP;
END $$;

-- Takes the locks of a wish, in order. (The classes are this program's: "IOPG" and the next.)
CREATE FUNCTION lock_all(_wish jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE c integer[]; k integer[];
BEGIN
  SELECT array_agg(l.class ORDER BY l.class, l.key), array_agg(l.key ORDER BY l.class, l.key) INTO c, k
    FROM (SELECT DISTINCT class, key FROM lock_keys(_wish)) l;
  FOR i IN 1 .. coalesce(array_length(c, 1), 0) LOOP
    PERFORM pg_advisory_xact_lock(1229934662 + c[i], k[i]);
  END LOOP;
  IF (jsonb_array_length(_wish->'messages') > 0 OR jsonb_array_length(_wish->'clients') > 0)
    AND EXISTS (SELECT 1 FROM lock_keys(jsonb_build_object('messages', _wish->'messages',
        'clients', _wish->'clients')) l
      WHERE NOT EXISTS (SELECT 1 FROM unnest(c, k) AS h (class, key)
        WHERE h.class = l.class AND h.key = l.key))
  THEN
    RAISE EXCEPTION 'more to lock than there was' USING ERRCODE = 'serialization_failure';
  END IF;
END $$;
