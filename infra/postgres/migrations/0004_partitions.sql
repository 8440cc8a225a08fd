-- A projection that is fed by Kafka has a checkpoint in each partition.

-- The number of partitions that feed the projection; 0: it is fed by the log as a whole, and its partitions need not be
-- read. Otherwise projections.position is the lowest position of its partitions.
ALTER TABLE projections ADD COLUMN partitions int NOT NULL DEFAULT 0;

-- next_offset is the next offset to read in Kafka; NULL: unknown. It may lag behind the position, but is never ahead.
CREATE TABLE projection_partitions (
    name        text   NOT NULL,
    partition   int    NOT NULL,
    position    bigint NOT NULL,
    next_offset bigint,
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
