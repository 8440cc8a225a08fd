-- The checkpoints of policies (process managers) and what they keep. The worker owns what is in these tables.

-- The columns are those of `projections`, since the same code reads and moves them. A policy has no versions and is
-- never rebuilt: version is 1, and generation is not read.
CREATE TABLE policies (
    name        text        NOT NULL PRIMARY KEY,
    version     int         NOT NULL,
    position    bigint      NOT NULL DEFAULT 0,
    quarantined int         NOT NULL DEFAULT 0,
    generation  bigint      NOT NULL DEFAULT 0,
    moved_at    timestamptz NOT NULL DEFAULT now(),
    partitions  int         NOT NULL DEFAULT 0
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

CREATE TABLE policy_quarantine (
    policy    text        NOT NULL,
    stream_id uuid        NOT NULL,
    position  bigint      NOT NULL,
    error     text        NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (policy, stream_id)
);

-- Events that an operator has skipped. Nothing reads them; they say what was left undone.
CREATE TABLE policy_skips (
    policy    text        NOT NULL,
    position  bigint      NOT NULL,
    stream_id uuid        NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (policy, position)
);

CREATE TABLE policy_partitions (
    name        text   NOT NULL,
    partition   int    NOT NULL,
    position    bigint NOT NULL,
    next_offset bigint,
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- What a policy remembers between events: msgpack of ids and plain values, nothing personal (application/policy.py).
CREATE TABLE policy_states (
    policy text  NOT NULL,
    key    uuid  NOT NULL,
    state  bytea NOT NULL,
    PRIMARY KEY (policy, key)
) WITH (fillfactor = 70);
