-- Appends a batch of independent requests and returns the result of each, in order: 'ok', 'replayed', 'conflict',
-- 'taken:<kind>' or 'rekey' (another process has just stored a data key for the subject, or the request was encoded with
-- a closed key). Independent: no two share a stream, claim, data key or idempotency key. A refused request writes nothing
-- and does not affect the others. `head` is the position before the batch; the positions of the accepted events follow it
-- without a gap.
--
-- s_*: streams with the version that the request expects; e_*: events; c_*: claims; k_*: new data keys;
-- i_*: idempotency records. x_*: data keys to erase (erase_keys.sql), with what depends on them. *_request counts from 1.
--
-- SECURITY DEFINER: the API needs no right to insert events. The search path is closed and our tables are named with
-- their schema, so that nothing that another role creates can take the place of what is used here.
--
-- The lock (LOCK_APPENDS in infra/postgres/locks.py) ends with the transaction of the statement, after its commit is
-- visible: so positions become visible in order.
--
-- Measured choices:
-- * The version of a stream is searched from the expected version on. Without this bound the index returns all versions
--   on a page before the last one.
-- * Streams and events are read by subscript: each array in `unnest` has a store of its own, and ten of them take more
--   memory than the allocator keeps from one call to the next.
-- * If no request is refused, which is nearly always so, positions follow from the order: no sort, no search in `lost`.
--
-- `palimpsest migrate` runs this file again whenever it has changed.
CREATE OR REPLACE FUNCTION append_events(
    requests int,
    s_request int[], s_id uuid[], s_expected bigint[],
    e_request int[], e_stream uuid[], e_version bigint[], e_topic text[], e_state bytea[],
    c_request int[], c_kind text[], c_digest bytea[], c_stream uuid[], c_release boolean[],
    k_request int[], k_subject uuid[], k_wrapped bytea[], k_kek text[],
    i_request int[], i_key bytea[], i_fingerprint bytea[], i_subject uuid[], i_stream uuid[], i_version bigint[],
    i_answer bytea[],
    x_request int[], x_subject uuid[], x_moment timestamptz[], x_receipt bytea[],
    OUT head bigint, OUT verdicts text[]
) LANGUAGE plpgsql SECURITY DEFINER
-- Planning the statements at every call would cost more than running them.
SET plan_cache_mode = force_generic_plan SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    loser record;
    lost int[] := '{}';
    appended bigint;
    moment timestamptz;
    closed bytea[];
BEGIN
    LOCK TABLE palimpsest.append_lock IN SHARE UPDATE EXCLUSIVE MODE;
    moment := clock_timestamp();
    verdicts := array_fill('ok'::text, ARRAY[requests]);

    IF cardinality(k_request) > 0 THEN
        FOR loser IN
            SELECT k.request FROM unnest(k_request, k_subject, k_wrapped) AS k(request, subject, wrapped)
            JOIN palimpsest.data_keys d ON d.subject_id = k.subject WHERE d.wrapped <> k.wrapped  -- NULL once erased
            UNION ALL
            SELECT k.request FROM unnest(k_request, k_kek) AS k(request, kek)
            JOIN palimpsest.keys ON keys.kind = 'key-encryption' AND keys.id = k.kek AND keys.state IN ('closed', 'retired')
        LOOP verdicts[loser.request] := 'rekey'; lost := lost || loser.request; END LOOP;
    END IF;
    SELECT array_agg(decode(id, 'hex')) INTO closed FROM palimpsest.keys
    WHERE kind = 'store' AND state IN ('closed', 'retired');
    IF closed IS NOT NULL THEN
        FOR loser IN
            SELECT e_request[n] AS request FROM generate_subscripts(e_request, 1) AS n
            WHERE substr(e_state[n], 2, 4) = ANY (closed)
            UNION ALL
            -- The stamp of an answer follows 26 bytes (infra/store/answers.py).
            SELECT i_request[n] FROM generate_subscripts(i_request, 1) AS n WHERE substr(i_answer[n], 27, 4) = ANY (closed)
        LOOP verdicts[loser.request] := 'rekey'; lost := lost || loser.request; END LOOP;
    END IF;
    IF cardinality(c_request) > 0 THEN
        FOR loser IN
            SELECT c.request, c.kind
            FROM unnest(c_request, c_kind, c_digest, c_stream, c_release) AS c(request, kind, digest, stream, release)
            JOIN palimpsest.claims held ON held.kind = c.kind AND held.digest = c.digest
            WHERE NOT c.release AND held.originator_id <> c.stream
              AND NOT EXISTS (
                SELECT FROM generate_subscripts(c_request, 1) AS n
                WHERE c_release[n] AND c_request[n] = c.request AND c_kind[n] = c.kind AND c_digest[n] = c.digest
                  AND c_stream[n] = held.originator_id
              )
        LOOP verdicts[loser.request] := 'taken:' || loser.kind; lost := lost || loser.request; END LOOP;
    END IF;
    FOR loser IN
        SELECT s_request[n] AS request FROM generate_subscripts(s_request, 1) AS n
        WHERE coalesce(
            (SELECT max(e.originator_version) FROM palimpsest.stored_events e
             WHERE e.originator_id = s_id[n] AND e.originator_version >= s_expected[n]),
            least(s_expected[n], 0)
        ) <> s_expected[n]
    LOOP verdicts[loser.request] := 'conflict'; lost := lost || loser.request; END LOOP;
    IF cardinality(i_request) > 0 THEN
        FOR loser IN
            SELECT i.request FROM unnest(i_request, i_key) AS i(request, key)
            JOIN palimpsest.idempotency r ON r.key = i.key
        LOOP verdicts[loser.request] := 'replayed'; lost := lost || loser.request; END LOOP;
    END IF;

    SELECT coalesce(max(notification_id), 0) INTO head FROM palimpsest.stored_events;
    IF cardinality(lost) = 0 THEN
        INSERT INTO palimpsest.stored_events
            (originator_id, originator_version, topic, state, notification_id, recorded_at)
        SELECT e_stream[n], e_version[n], e_topic[n], e_state[n], head + n, moment
        FROM generate_subscripts(e_request, 1) AS n;
    ELSE
        INSERT INTO palimpsest.stored_events
            (originator_id, originator_version, topic, state, notification_id, recorded_at)
        SELECT e_stream[n], e_version[n], e_topic[n], e_state[n], head + row_number() OVER (ORDER BY n), moment
        FROM generate_subscripts(e_request, 1) AS n
        WHERE e_request[n] <> ALL (lost);
    END IF;
    GET DIAGNOSTICS appended = ROW_COUNT;
    IF appended = 0 AND cardinality(i_request) = 0 THEN RETURN; END IF;

    IF cardinality(k_request) > 0 THEN
        INSERT INTO palimpsest.data_keys (subject_id, wrapped, kek_id)
        SELECT k.subject, k.wrapped, k.kek FROM unnest(k_request, k_subject, k_wrapped, k_kek) AS k(request, subject, wrapped, kek)
        WHERE k.request <> ALL (lost)
        ON CONFLICT (subject_id) DO UPDATE SET wrapped = EXCLUDED.wrapped, kek_id = EXCLUDED.kek_id, created_at = now()
        WHERE data_keys.wrapped IS NULL;
    END IF;
    IF cardinality(c_request) > 0 THEN
        DELETE FROM palimpsest.claims held
        USING unnest(c_request, c_kind, c_digest, c_stream, c_release) AS c(request, kind, digest, stream, release)
        WHERE c.release AND c.request <> ALL (lost)
          AND held.kind = c.kind AND held.digest = c.digest AND held.originator_id = c.stream;
        INSERT INTO palimpsest.claims (kind, digest, originator_id)
        SELECT c.kind, c.digest, c.stream
        FROM unnest(c_request, c_kind, c_digest, c_stream, c_release) AS c(request, kind, digest, stream, release)
        WHERE NOT c.release AND c.request <> ALL (lost)
        ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(i_request) > 0 THEN
        INSERT INTO palimpsest.idempotency (key, fingerprint, subject_id, stream_id, version, answer, recorded_at)
        SELECT i.key, i.fingerprint, i.subject, i.stream, i.version, i.answer, moment
        FROM unnest(i_request, i_key, i_fingerprint, i_subject, i_stream, i_version, i_answer)
             AS i(request, key, fingerprint, subject, stream, version, answer)
        WHERE i.request <> ALL (lost);
    END IF;
    IF cardinality(x_request) > 0 THEN
        PERFORM palimpsest.erase_keys(array_agg(x.subject), array_agg(x.moment), array_agg(x.receipt))
        FROM unnest(x_request, x_subject, x_moment, x_receipt) AS x(request, subject, moment, receipt)
        WHERE x.request <> ALL (lost)
        HAVING count(*) > 0;
    END IF;

    -- One wake-up a batch: PostgreSQL serialises the commits of notifying transactions.
    IF appended > 0 THEN
        PERFORM pg_notify('palimpsest_appended', '');
    END IF;
END $$;
