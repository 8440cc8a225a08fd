-- The event store: the log, and the tables that `append_events` (functions/append_events.sql) writes with it.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'palimpsest_app') THEN
        CREATE ROLE palimpsest_app NOLOGIN;
    END IF;
    -- Sessions of the application switch to this role. A role that is not a superuser must be a member to do so.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT palimpsest_app TO %I', current_user);
    END IF;
END $$;

-- The columns of the eventsourcing library, then ours. notification_id is the position: gapless, in commit order.
CREATE TABLE stored_events (
    originator_id      uuid        NOT NULL,
    originator_version bigint      NOT NULL,
    topic              text        NOT NULL,
    state              bytea       NOT NULL,
    notification_id    bigint      NOT NULL,
    event_id           uuid        NOT NULL,
    class_version      smallint    NOT NULL,
    recorded_at        timestamptz NOT NULL,
    actor_id           uuid,
    correlation_id     uuid,
    causation_id       uuid,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    -- Rows never change, so vacuum has nothing to do. Statistics must stay current.
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);
CREATE UNIQUE INDEX stored_events_position ON stored_events (notification_id);

CREATE TABLE snapshots (
    originator_id      uuid     NOT NULL,
    originator_version bigint   NOT NULL,
    topic              text     NOT NULL,
    state              bytea    NOT NULL,
    snapshot_version   smallint NOT NULL DEFAULT 1,
    PRIMARY KEY (originator_id, originator_version)
);

-- Values that only one stream may hold. digest is a keyed hash: the value itself is not stored.
CREATE TABLE claims (
    kind          text  NOT NULL,
    digest        bytea NOT NULL,
    originator_id uuid  NOT NULL,
    PRIMARY KEY (kind, digest)
);
CREATE INDEX claims_originator ON claims (originator_id);

-- One data key per subject, wrapped by the key-encryption key named kek_id. An erasure destroys `wrapped` and leaves a
-- receipt, a stamp over the subject and the time. A key that is made for the subject later stands beside the receipt.
CREATE TABLE data_keys (
    subject_id uuid        NOT NULL PRIMARY KEY,
    wrapped    bytea,
    kek_id     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    erased_at  timestamptz,
    receipt    bytea,
    CHECK (wrapped IS NOT NULL OR receipt IS NOT NULL),
    CHECK ((receipt IS NULL) = (erased_at IS NULL))
) WITH (
    -- An erased key must not stay on disk as a dead row: vacuum comes within its next round, a minute by default.
    autovacuum_vacuum_threshold = 0,
    autovacuum_vacuum_scale_factor = 0
);

CREATE TABLE idempotency (
    key         bytea       NOT NULL PRIMARY KEY,
    fingerprint bytea       NOT NULL,
    subject_id  uuid        NOT NULL,
    answer      bytea       NOT NULL,
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX idempotency_recorded_at ON idempotency (recorded_at);
CREATE INDEX idempotency_subject ON idempotency (subject_id);

GRANT USAGE ON SCHEMA public TO palimpsest_app;
GRANT SELECT ON stored_events TO palimpsest_app;
GRANT SELECT, INSERT, DELETE ON snapshots TO palimpsest_app;
GRANT SELECT ON claims TO palimpsest_app;
GRANT SELECT ON data_keys TO palimpsest_app;
GRANT SELECT, DELETE ON idempotency TO palimpsest_app;
