-- The checkpoints of read models. Their tables are in a schema of their own, where the projector creates, swaps and
-- drops them.

CREATE SCHEMA read;

-- A rebuild has a row of its own, NAME__next, until its table is swapped in. quarantined counts the rows in quarantine:
-- a batch reads the quarantine only if it is not 0. generation grows when rows change without new events (a rebuild, a
-- retry): caches then discard their entries.
CREATE TABLE projections (
    name        text        NOT NULL PRIMARY KEY,
    version     int         NOT NULL,
    position    bigint      NOT NULL DEFAULT 0,
    quarantined int         NOT NULL DEFAULT 0,
    generation  bigint      NOT NULL DEFAULT 0,
    moved_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Quarantined streams: their events are left out from `position` on, since that event could not be projected. `error`
-- is the name of the exception class.
CREATE TABLE projection_quarantine (
    projection text        NOT NULL,
    stream_id  uuid        NOT NULL,
    position   bigint      NOT NULL,
    error      text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, stream_id)
);

-- Events that an operator has skipped for a projection, now and in every rebuild.
CREATE TABLE projection_skips (
    projection text        NOT NULL,
    position   bigint      NOT NULL,
    stream_id  uuid        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, position)
);
