-- How far the relay has come in each partition of each topic: its consumers find every event up to `position` that
-- belongs there before `next_offset`. A partition that ends before `next_offset` has lost records, and is filled again.
CREATE TABLE relays (
    topic       text   NOT NULL,
    partition   int    NOT NULL,
    next_offset bigint NOT NULL,
    position    bigint NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

GRANT SELECT, INSERT, UPDATE, DELETE ON relays TO palimpsest_app;
