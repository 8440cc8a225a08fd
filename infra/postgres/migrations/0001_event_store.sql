-- The event store: the log, and the tables that `append_events` (functions/append_events.sql) writes with it.
--
-- All migrations run as palimpsest_owner, and names without a schema are made in the schema palimpsest. Who may use what
-- is in rights.py.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The id that begins at this byte, counted from 0; the number of bits that are set.
CREATE FUNCTION id_at(state bytea, at int) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN encode(substring(state FROM at + 1 FOR 16), 'hex')::uuid;
CREATE FUNCTION bits(flags int) RETURNS int IMMUTABLE LANGUAGE sql
RETURN length(replace(flags::bit(4)::text, '0', ''));

-- The columns of the eventsourcing library, then ours. notification_id is the position: gapless, in commit order. `state`
-- holds the metadata, too (infra/store/event_bytes.py); the view `events` shows it.
CREATE TABLE stored_events (
    originator_id      uuid        NOT NULL,
    originator_version bigint      NOT NULL,
    topic              text        NOT NULL,
    state              bytea       NOT NULL,
    notification_id    bigint      NOT NULL,
    recorded_at        timestamptz NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    -- Rows never change, so vacuum has nothing to do. Statistics must stay current.
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);
CREATE UNIQUE INDEX stored_events_position ON stored_events (notification_id);

-- The log with its metadata, for people. Our processes decode `state` and check its stamp.
CREATE VIEW events AS
SELECT notification_id AS position, recorded_at, originator_id AS stream_id, originator_version AS version, topic,
    id_at(state, 28) AS event_id,
    get_byte(state, 26) * 256 + get_byte(state, 27) AS class_version,
    CASE get_byte(state, 44) WHEN 1 THEN 'user' WHEN 2 THEN 'team' END AS tenant_kind,
    id_at(state, 45) AS tenant_id,
    CASE WHEN flags & 1 > 0 THEN id_at(state, 61) END AS actor_id,
    CASE WHEN flags & 2 > 0 THEN id_at(state, 61 + 16 * bits(flags & 1)) END AS on_behalf_of,
    CASE WHEN flags & 4 > 0 THEN id_at(state, 61 + 16 * bits(flags & 3)) END AS correlation_id,
    CASE WHEN flags & 8 > 0 THEN id_at(state, 61 + 16 * bits(flags & 7)) END AS causation_id,
    CASE WHEN flags & 16 > 0 THEN
        regexp_replace(
            encode(substring(state FROM 62 + 16 * bits(flags & 15) FOR 26), 'hex'),
            '^(..)(.{32})(.{16})(..)$', '\1-\2-\3-\4'
        )
    END AS traceparent,
    length(state) AS bytes
FROM stored_events, LATERAL (SELECT get_byte(state, 25) AS flags) AS metadata;

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
CREATE INDEX idempotency_subject ON idempotency (subject_id);
-- The answers that hold secrets, which are cut off after some minutes: kind 4, with bytes after the header.
CREATE INDEX idempotency_secrets ON idempotency (recorded_at)
WHERE get_byte(answer, 1) = 4 AND octet_length(answer) > 46;
