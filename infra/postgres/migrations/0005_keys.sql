-- The keys that this database was written with: check values, which reveal nothing (infra/sealing/check_values.py).
-- `state`: a closed key writes nothing any more, but what it protects is still read; nothing is read by a retired one, but
-- for events. `position`: the last position whose event a store key that is closed or retired may have stamped.
CREATE TABLE keys (
    kind        text        NOT NULL CHECK (kind IN ('key-encryption', 'store', 'blind-index', 'signing')),
    id          text        NOT NULL,
    check_value bytea       NOT NULL,
    state       text        NOT NULL CHECK (state IN ('current', 'earlier', 'closed', 'retired')),
    position    bigint,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, id),
    CHECK (position IS NULL OR (kind = 'store' AND state IN ('closed', 'retired')))
);
-- Of two processes that record keys at the first start, one is refused.
CREATE UNIQUE INDEX keys_current ON keys (kind) WHERE state = 'current';
