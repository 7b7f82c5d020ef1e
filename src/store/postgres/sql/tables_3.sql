-- Several effects in one request. together: how many went in it, effect being the first of them.
ALTER TABLE attempt ADD COLUMN together integer NOT NULL DEFAULT 1
