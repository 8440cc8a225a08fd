-- A projection that is fed in partitions stands at another position in each of them.

-- Into how many partitions it is fed; 0: as a whole. projections.position is then the least of its partitions'
-- positions, and whoever locks the projection need not look for partitions where there are none.
ALTER TABLE projections ADD COLUMN partitions int NOT NULL DEFAULT 0;

-- next_offset is where to go on in Kafka; NULL: not known. It may lag behind the position, never run ahead of it.
CREATE TABLE projection_partitions (
    name        text   NOT NULL,
    partition   int    NOT NULL,
    position    bigint NOT NULL,
    next_offset bigint,
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

GRANT SELECT, INSERT, UPDATE, DELETE ON projection_partitions TO palimpsest_app;
