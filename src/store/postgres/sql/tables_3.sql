-- One probe at a time, of all nodes. probing: until when a node has the asking in hand.
ALTER TABLE partner ADD COLUMN probing bigint
