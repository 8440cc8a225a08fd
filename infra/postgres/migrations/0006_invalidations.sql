-- What processes must drop from their caches, and how far each has got (infra/postgres/cache_lease.py).

-- Short-lived: a process without a lease drops everything, so nothing older than a lease is needed.
CREATE TABLE invalidations (
    number bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cache  text        NOT NULL,
    key    uuid        NOT NULL,
    at     timestamptz NOT NULL DEFAULT now()
);

-- A process may use its caches until its lease ends. applied: the last number whose key it has dropped.
CREATE TABLE cache_leases (
    process_id uuid        NOT NULL PRIMARY KEY,
    applied    bigint      NOT NULL,
    ends_at    timestamptz NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
