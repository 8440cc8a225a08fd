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

-- One data key per subject, wrapped by the key-encryption key named kek_id. Deleting a row erases the subject.
CREATE TABLE data_keys (
    subject_id uuid        NOT NULL PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    kek_id     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- stream_id and version name the last event of a request, or the state that it found if it has no events. answer: see
-- infra/store/answers.py.
CREATE TABLE idempotency (
    key         bytea       NOT NULL PRIMARY KEY,
    fingerprint bytea       NOT NULL,
    subject_id  uuid        NOT NULL,
    stream_id   uuid        NOT NULL,
    version     bigint      NOT NULL,
    answer      bytea       NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX idempotency_recorded_at ON idempotency (recorded_at);
-- The answers that hold secrets, which are cut off after some minutes: kind 4, with bytes after the header.
CREATE INDEX idempotency_secrets ON idempotency (recorded_at)
WHERE get_byte(answer, 1) = 4 AND octet_length(answer) > 46;

GRANT USAGE ON SCHEMA public TO palimpsest_app;
GRANT SELECT ON stored_events TO palimpsest_app;
GRANT SELECT, INSERT, DELETE ON snapshots TO palimpsest_app;
GRANT SELECT ON claims TO palimpsest_app;
GRANT SELECT, DELETE ON data_keys TO palimpsest_app;
GRANT SELECT, DELETE, UPDATE (answer) ON idempotency TO palimpsest_app;
