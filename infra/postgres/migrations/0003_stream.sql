-- The checkpoint of the relay in each partition of each topic: every event of the partition up to `position` has an
-- offset below `next_offset`. A partition that ends before `next_offset` has lost records and is published again.
CREATE TABLE relays (
    topic       text   NOT NULL,
    partition   int    NOT NULL,
    next_offset bigint NOT NULL,
    position    bigint NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
