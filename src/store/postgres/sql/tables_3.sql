-- Several effects in one request. together: how many went in it, effect being the first of them.
ALTER TABLE attempt ADD COLUMN together integer NOT NULL DEFAULT 1;
-- One probe at a time, of all nodes. probing: until when a node has the asking in hand.
ALTER TABLE partner ADD COLUMN probing bigint
