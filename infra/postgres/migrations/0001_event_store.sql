-- The event store: the log, and the tables that `append_events` (functions/append_events.sql) writes with it.
--
-- All migrations run as palimpsest_owner, and names without a schema are made in the schema palimpsest. Who may use what
-- is in rights.py.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

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

-- One data key per subject, wrapped by the key-encryption key named kek_id. Deleting a row erases the subject.
CREATE TABLE data_keys (
    subject_id uuid        NOT NULL PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    kek_id     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
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
