-- Sessions begin, go on and end (infra/sessions/store.py). SECURITY DEFINER: no part needs the right to write the tables.
-- Times are those of the caller's clock, but for `rotated_at`: two processes compare it within seconds.

-- The first id of a month, counted from that of `moment`: UUIDv7 begins with 48 bits of milliseconds.
CREATE OR REPLACE FUNCTION first_id_of_month(moment timestamptz, months int) RETURNS uuid
STABLE LANGUAGE sql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
RETURN (lpad(to_hex((extract(epoch FROM date_trunc('month', moment) + make_interval(months => months)) * 1000)::bigint),
    12, '0') || repeat('0', 20))::uuid;

-- Makes the partitions of the month before, this one and the next three; drops those that ended before `oldest`. It waits
-- for no long transaction: logins would wait behind it.
CREATE OR REPLACE FUNCTION keep_session_partitions(moment timestamptz, oldest timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    month int;
    name text;
BEGIN
    FOR month IN -1 .. 3 LOOP
        name := 'sessions_' || to_char(date_trunc('month', moment) + make_interval(months => month), 'YYYY_MM');
        IF to_regclass('palimpsest.' || name) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE palimpsest.%I PARTITION OF palimpsest.sessions FOR VALUES FROM (%L) TO (%L)
                    WITH (fillfactor = 70)',
                name, palimpsest.first_id_of_month(moment, month), palimpsest.first_id_of_month(moment, month + 1)
            );
        END IF;
    END LOOP;
    FOR name IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'palimpsest.sessions'::regclass AND relname < 'sessions_' || to_char(oldest, 'YYYY_MM')
    LOOP
        EXECUTE format('DROP TABLE palimpsest.%I', name);
    END LOOP;
END $$;

-- The first partitions.
SELECT keep_session_partitions(now(), now() - interval '10 years');

-- Begins a session, unless sessions of its user were ended after the version at which the password was checked: then
-- 'refused'. 'new_device': none is known of this device, and it is not the first one ever; then the job is enqueued.
-- 'closed_key': the job is sealed under a key that a rotation has closed, so nothing was done. Else 'begun'. If the user
-- has more than `max_sessions`, those used least recently end.
DROP FUNCTION IF EXISTS begin_session(
    uuid, uuid, bigint, uuid, text, timestamptz, timestamptz, timestamptz, bytea, bytea, bytea, bytea, int
);
CREATE OR REPLACE FUNCTION begin_session(
    new_id uuid, owner uuid, began_version bigint, address uuid, kind text, moment timestamptz, idle_until timestamptz,
    until timestamptz, family bytea, token bytea, sealed_client bytea, device_digest bytea, max_sessions int,
    job_queue text, job_priority int, job_lock text, job_args jsonb, job_not_before timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET plan_cache_mode = force_generic_plan SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cut bigint;
    is_first boolean;
    is_new_device boolean;
    surplus uuid[];
BEGIN
    INSERT INTO palimpsest.session_cuts (user_id, version) VALUES (owner, 0) ON CONFLICT DO NOTHING;
    SELECT version, NOT has_begun INTO cut, is_first FROM palimpsest.session_cuts WHERE user_id = owner FOR UPDATE;
    IF cut > began_version THEN RETURN 'refused'; END IF;
    is_new_device := NOT is_first AND NOT EXISTS (
        SELECT FROM palimpsest.sessions WHERE user_id = owner AND device = device_digest
    );
    IF is_new_device AND NOT palimpsest.enqueue_jobs(
        ARRAY[job_queue], ARRAY[job_priority], ARRAY[job_lock], ARRAY[job_args], ARRAY[job_not_before]
    ) THEN RETURN 'closed_key'; END IF;
    IF is_first THEN
        UPDATE palimpsest.session_cuts SET has_begun = true WHERE user_id = owner;
    END IF;
    INSERT INTO palimpsest.sessions (
        id, user_id, user_version, address_id, mode, created_at, last_used_at, idle_ends_at, ends_at,
        family_digest, token_digest, client, device
    ) VALUES (
        new_id, owner, began_version, address, kind, moment, moment, idle_until, until,
        family, token, sealed_client, device_digest
    ) ON CONFLICT DO NOTHING;
    surplus := ARRAY(
        SELECT id FROM palimpsest.sessions
        WHERE user_id = owner AND ended_at IS NULL AND least(idle_ends_at, ends_at) > moment
        ORDER BY last_used_at DESC, id DESC OFFSET max_sessions
    );
    IF cardinality(surplus) > 0 THEN
        PERFORM palimpsest.end_sessions(owner, surplus, moment, 'too_many');
    END IF;
    RETURN CASE WHEN is_new_device THEN 'new_device' ELSE 'begun' END;
END $$;

-- Replaces the refresh token of a session. False: its token is another one by now, or it has ended.
CREATE OR REPLACE FUNCTION rotate_session(
    session_id uuid, old_token bytea, new_token bytea, moment timestamptz, idle_until timestamptz, sealed_client bytea
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE palimpsest.sessions
    SET token_digest = new_token, previous_digest = old_token, rotated_at = clock_timestamp(), last_used_at = moment,
        idle_ends_at = idle_until, client = sealed_client
    WHERE id = session_id AND token_digest = old_token AND ended_at IS NULL;
    RETURN FOUND;
END $$;

-- Ends these sessions as far as they are the owner's. Returns how many are, also those that had ended.
CREATE OR REPLACE FUNCTION end_sessions(owner uuid, ids uuid[], moment timestamptz, why text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended uuid[];
    owned bigint;
BEGIN
    WITH changed AS (
        UPDATE palimpsest.sessions SET ended_at = moment, ended_why = why
        WHERE id = ANY (ids) AND user_id = owner AND ended_at IS NULL RETURNING id
    ) SELECT array_agg(id) INTO ended FROM changed;
    IF ended IS NOT NULL THEN
        PERFORM palimpsest.invalidate('sessions', ended);
    END IF;
    SELECT count(*) INTO owned FROM palimpsest.sessions WHERE id = ANY (ids) AND user_id = owner;
    RETURN owned;
END $$;

-- Ends the sessions of users that began before these versions, all but the ones that are kept: these count as begun at
-- the version.
CREATE OR REPLACE FUNCTION end_sessions_of_users(owners uuid[], versions bigint[], kept uuid[], moment timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET plan_cache_mode = force_generic_plan SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended uuid[];
BEGIN
    -- In the order of users, so that two of these cannot wait for each other.
    INSERT INTO palimpsest.session_cuts AS cuts (user_id, version)
    SELECT DISTINCT ON (owner) owner, version FROM unnest(owners, versions) AS cut (owner, version)
    ORDER BY owner, version DESC
    ON CONFLICT (user_id) DO UPDATE SET version = greatest(cuts.version, EXCLUDED.version);
    UPDATE palimpsest.sessions AS session SET user_version = cut.version
    FROM unnest(owners, versions, kept) AS cut (owner, version, kept)
    WHERE session.id = cut.kept AND session.user_id = cut.owner AND session.user_version < cut.version
      AND session.ended_at IS NULL;
    WITH changed AS (
        UPDATE palimpsest.sessions AS session SET ended_at = moment, ended_why = 'account'
        FROM unnest(owners, versions, kept) AS cut (owner, version, kept)
        WHERE session.user_id = cut.owner AND session.user_version < cut.version
          AND session.id IS DISTINCT FROM cut.kept AND session.ended_at IS NULL
        RETURNING session.id
    ) SELECT array_agg(id) INTO ended FROM changed;
    IF ended IS NOT NULL THEN
        PERFORM palimpsest.invalidate('sessions', ended);
    END IF;
END $$;
