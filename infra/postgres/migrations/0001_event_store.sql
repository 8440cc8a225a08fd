-- The event store: the log, what is decided together with it, and the one function that writes it.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'palimpsest_app') THEN
        CREATE ROLE palimpsest_app NOLOGIN;
    END IF;
    -- A session that serves switches to this role; whoever is no superuser must be a member of it to do so.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT palimpsest_app TO %I', current_user);
    END IF;
END $$;

-- The library's columns first, then ours. notification_id is the position: gapless, in commit order.
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
    -- Rows never change, so there is nothing to vacuum; statistics must keep up.
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

-- What one stream alone may hold. digest is a keyed hash: the value itself is nowhere.
CREATE TABLE claims (
    kind          text  NOT NULL,
    digest        bytea NOT NULL,
    originator_id uuid  NOT NULL,
    PRIMARY KEY (kind, digest)
);

-- One data key per subject, wrapped by the key-encryption key named kek_id. Deleting a row forgets the subject.
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

-- Appends a batch of independent requests (no two touch the same stream, claim, data key or idempotency key) and
-- answers each one for itself, in order: 'ok', 'replayed', 'conflict', 'taken:<kind>' or 'rekey' (another process has
-- just made a key for the subject). A loser writes nothing and fails nobody else. `head` is the position before the
-- batch: the positions of the winners follow it without a gap.
--
-- s_*: streams with the version the request saw; e_*: events; c_*: claims; k_*: new data keys; i_*: idempotency
-- records with the last event of their request; one whose request found nothing to do has none, and is given `head`.
-- *_request counts from 1.
--
-- It runs as its owner, so that the application's role needs no right to write events in any other way. The lock ends
-- with the statement's own transaction, after its commit is visible: positions become visible in order.
CREATE FUNCTION append_events(
    requests int,
    s_request int[], s_id uuid[], s_expected bigint[],
    e_request int[], e_stream uuid[], e_version bigint[], e_topic text[], e_state bytea[], e_id uuid[],
    e_class_version int[], e_actor uuid[], e_correlation uuid[], e_causation uuid[],
    c_request int[], c_kind text[], c_digest bytea[], c_stream uuid[], c_release boolean[],
    k_request int[], k_subject uuid[], k_wrapped bytea[], k_kek text[],
    i_request int[], i_key bytea[], i_fingerprint bytea[], i_subject uuid[], i_answer bytea[],
    i_stream uuid[], i_version bigint[],
    OUT head bigint, OUT verdicts text[]
) LANGUAGE plpgsql SECURITY DEFINER
-- Planning the statements anew at every call would cost more than running them.
SET plan_cache_mode = force_generic_plan SET search_path = public, pg_temp AS $$
DECLARE
    loser record;
    lost int[] := '{}';
    appended bigint;
    moment timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(7236828);
    moment := clock_timestamp();
    verdicts := array_fill('ok'::text, ARRAY[requests]);

    IF cardinality(k_request) > 0 THEN
        FOR loser IN
            SELECT k.request FROM unnest(k_request, k_subject, k_wrapped) AS k(request, subject, wrapped)
            JOIN data_keys d ON d.subject_id = k.subject WHERE d.wrapped <> k.wrapped
        LOOP verdicts[loser.request] := 'rekey'; END LOOP;
    END IF;
    IF cardinality(c_request) > 0 THEN
        FOR loser IN
            SELECT c.request, c.kind
            FROM unnest(c_request, c_kind, c_digest, c_stream, c_release) AS c(request, kind, digest, stream, release)
            JOIN claims held ON held.kind = c.kind AND held.digest = c.digest
            WHERE NOT c.release AND held.originator_id <> c.stream
        LOOP verdicts[loser.request] := 'taken:' || loser.kind; END LOOP;
    END IF;
    FOR loser IN
        SELECT s.request FROM unnest(s_request, s_id, s_expected) AS s(request, id, expected)
        WHERE coalesce(
            (SELECT max(e.originator_version) FROM stored_events e WHERE e.originator_id = s.id),
            least(s.expected, 0)
        ) <> s.expected
    LOOP verdicts[loser.request] := 'conflict'; END LOOP;
    IF cardinality(i_request) > 0 THEN
        FOR loser IN
            SELECT i.request FROM unnest(i_request, i_key) AS i(request, key) JOIN idempotency r ON r.key = i.key
        LOOP verdicts[loser.request] := 'replayed'; END LOOP;
    END IF;

    FOR request IN 1 .. requests LOOP
        IF verdicts[request] <> 'ok' THEN lost := lost || request; END IF;
    END LOOP;

    SELECT coalesce(max(notification_id), 0) INTO head FROM stored_events;
    INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id,
                               event_id, class_version, recorded_at, actor_id, correlation_id, causation_id)
    SELECT e.stream, e.version, e.topic, e.state, head + row_number() OVER (ORDER BY e.n),
           e.id, e.class_version, moment, e.actor, e.correlation, e.causation
    FROM unnest(e_request, e_stream, e_version, e_topic, e_state, e_id, e_class_version,
                e_actor, e_correlation, e_causation)
         WITH ORDINALITY AS e(request, stream, version, topic, state, id, class_version,
                              actor, correlation, causation, n)
    WHERE e.request <> ALL (lost);
    GET DIAGNOSTICS appended = ROW_COUNT;
    IF appended = 0 AND cardinality(i_request) = 0 THEN RETURN; END IF;

    IF cardinality(k_request) > 0 THEN
        INSERT INTO data_keys (subject_id, wrapped, kek_id)
        SELECT k.subject, k.wrapped, k.kek FROM unnest(k_request, k_subject, k_wrapped, k_kek) AS k(request, subject, wrapped, kek)
        WHERE k.request <> ALL (lost)
        ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(c_request) > 0 THEN
        DELETE FROM claims held
        USING unnest(c_request, c_kind, c_digest, c_stream, c_release) AS c(request, kind, digest, stream, release)
        WHERE c.release AND c.request <> ALL (lost)
          AND held.kind = c.kind AND held.digest = c.digest AND held.originator_id = c.stream;
        INSERT INTO claims (kind, digest, originator_id)
        SELECT c.kind, c.digest, c.stream
        FROM unnest(c_request, c_kind, c_digest, c_stream, c_release) AS c(request, kind, digest, stream, release)
        WHERE NOT c.release AND c.request <> ALL (lost)
        ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(i_request) > 0 THEN
        INSERT INTO idempotency (key, fingerprint, subject_id, answer, position, recorded_at)
        SELECT i.key, i.fingerprint, i.subject, i.answer, coalesce(e.notification_id, head), moment
        FROM unnest(i_request, i_key, i_fingerprint, i_subject, i_answer, i_stream, i_version)
             AS i(request, key, fingerprint, subject, answer, stream, version)
        LEFT JOIN stored_events e ON e.originator_id = i.stream AND e.originator_version = i.version
        WHERE i.request <> ALL (lost);
    END IF;

    -- One wake-up a batch: PostgreSQL serialises the commits of notifying transactions.
    IF appended > 0 THEN
        PERFORM pg_notify('palimpsest_appended', (head + appended)::text);
    END IF;
END $$;

GRANT USAGE ON SCHEMA public TO palimpsest_app;
GRANT SELECT ON stored_events TO palimpsest_app;
GRANT SELECT, INSERT, DELETE ON snapshots TO palimpsest_app;
GRANT SELECT ON claims TO palimpsest_app;
GRANT SELECT, DELETE ON data_keys TO palimpsest_app;
GRANT SELECT, DELETE ON idempotency TO palimpsest_app;
REVOKE ALL ON FUNCTION append_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_events TO palimpsest_app;
