-- Where each read model stands. Their tables live in a schema of their own, where the application's role makes, swaps
-- and drops them itself.

CREATE SCHEMA read;
GRANT USAGE, CREATE ON SCHEMA read TO palimpsest_app;

-- A rebuild has a row of its own, NAME__next, until it takes over. quarantined counts the rows in quarantine, so that
-- whoever locks a projection need not look when there are none. generation grows whenever rows change without new
-- events (a rebuild, a retry), which tells caches to begin anew.
CREATE TABLE projections (
    name        text        NOT NULL PRIMARY KEY,
    version     int         NOT NULL,
    position    bigint      NOT NULL DEFAULT 0,
    quarantined int         NOT NULL DEFAULT 0,
    generation  bigint      NOT NULL DEFAULT 0,
    moved_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Streams whose events are left out from `position` on, since that event could not be projected. `error` is a class.
CREATE TABLE projection_quarantine (
    projection text        NOT NULL,
    stream_id  uuid        NOT NULL,
    position   bigint      NOT NULL,
    error      text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, stream_id)
);

-- Events that an operator has told a projection to do without, now and at every rebuild.
CREATE TABLE projection_skips (
    projection text        NOT NULL,
    position   bigint      NOT NULL,
    stream_id  uuid        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, position)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON projections, projection_quarantine, projection_skips TO palimpsest_app;
