-- Who makes a patient at a partner. makes: the patient whom a job makes where the partner does not know
-- them; of a lane, its head's, unless it is held back. Modes: 4 behind another lane that makes the same
-- patient, 5 not before due, and then perhaps behind another.
ALTER TABLE job ADD COLUMN makes text COLLATE "C";
ALTER TABLE job_ended ADD COLUMN makes text COLLATE "C";
CREATE OR REPLACE VIEW any_job AS SELECT * FROM job UNION ALL SELECT * FROM job_ended;
ALTER TABLE lane ADD COLUMN makes text COLLATE "C";
CREATE INDEX lane_makes ON lane (tenant, partner, makes, mode, (coalesce(succeeds, head)))
  WHERE makes IS NOT NULL;
CREATE INDEX lane_looks_again ON lane (tenant, partner, due) WHERE mode = 5;
UPDATE job j SET makes = (SELECT e.our_id FROM effect e WHERE e.tenant = j.tenant AND e.job = j.seq
    AND e.type = 'Patient' AND e.kind IN ('patient', 'upsert') AND e.body IS NOT NULL ORDER BY e.n LIMIT 1)
  WHERE purpose <> 'cancel';
UPDATE job j SET makes = NULL WHERE makes IS NOT NULL AND EXISTS (SELECT 1 FROM crosswalk c
  WHERE c.tenant = j.tenant AND c.partner = j.partner AND c.type = 'Patient' AND c.our_id = j.makes);
UPDATE lane l SET makes = (SELECT j.makes FROM job j WHERE j.tenant = l.tenant AND j.seq = l.head)
  WHERE mode <> 3;
UPDATE lane l SET mode = 5 WHERE makes IS NOT NULL AND mode = 2 AND EXISTS (SELECT 1 FROM job j
  WHERE j.tenant = l.tenant AND j.seq = l.head AND j.state = 'waiting');
UPDATE lane b SET mode = 4 WHERE makes IS NOT NULL AND mode = 0
  AND EXISTS (SELECT 1 FROM job j WHERE j.tenant = b.tenant AND j.seq = b.head AND j.state = 'waiting')
  AND EXISTS (SELECT 1 FROM lane l JOIN job j ON j.tenant = l.tenant AND j.seq = l.head
    WHERE l.tenant = b.tenant AND l.partner = b.partner AND l.makes = b.makes AND l.mode IN (0, 1, 2)
      AND l.lane <> b.lane AND (l.mode = 1 OR j.state = 'asking'
        OR coalesce(l.succeeds, l.head) < coalesce(b.succeeds, b.head)))
