-- The audit tree over the log (infra/audit): what the sealer has sealed. None of it is read to decide anything, so a lost
-- tree is made again from the log, up to the last checkpoint that somebody outside has kept.

-- Full tiles, which never change: 256 hashes, or as level -1 the entries that they are the hashes of.
CREATE TABLE log_tiles (
    level   smallint NOT NULL,
    number  bigint   NOT NULL,
    content bytea    NOT NULL,
    PRIMARY KEY (level, number)
);
ALTER TABLE log_tiles ALTER content SET STORAGE EXTERNAL;

-- The partial tile at the right edge of each level. It is the beginning of the full one.
CREATE TABLE log_edges (
    level   smallint NOT NULL PRIMARY KEY,
    number  bigint   NOT NULL,
    content bytea    NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE log_edges ALTER content SET STORAGE EXTERNAL;

-- Every checkpoint that was signed, as a signed note. Each names the size of the one before it: two cannot follow the same
-- one, whatever two sealers believe.
CREATE TABLE log_checkpoints (
    size      bigint      NOT NULL PRIMARY KEY,
    previous  bigint      NOT NULL UNIQUE,
    note      text        NOT NULL,
    signed_at timestamptz NOT NULL,
    CHECK (previous >= 0 AND previous < size)
);

ALTER TABLE keys DROP CONSTRAINT keys_kind_check;
ALTER TABLE keys ADD CONSTRAINT keys_kind_check
    CHECK (kind IN ('key-encryption', 'store', 'blind-index', 'signing', 'log'));
