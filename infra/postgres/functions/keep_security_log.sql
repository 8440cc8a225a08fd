-- Makes the partitions of the security log from the last month to the third one from now, and drops those whose entries are
-- all older than 400 days. The worker calls it each day, by its schedule; `palimpsest migrate` when this file is new.
--
-- An entry about an erased user that was written while erase_keys ran is deleted, too.
--
-- SECURITY DEFINER: the worker needs no right to make or drop tables, and cannot choose which are dropped. To make or drop
-- one locks the log: where a reader is slow it waits for two seconds only, and the job is tried again.
CREATE OR REPLACE FUNCTION keep_security_log() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    month timestamptz;
    old regclass;
BEGIN
    FOR n IN -1..3 LOOP
        month := date_trunc('month', now()) + make_interval(months => n);
        IF to_regclass('palimpsest.' || to_char(month, '"security_log_"YYYY_MM')) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE palimpsest.%I PARTITION OF palimpsest.security_log FOR VALUES FROM (%L) TO (%L)',
                to_char(month, '"security_log_"YYYY_MM'), month, month + interval '1 month'
            );
        END IF;
    END LOOP;
    FOR old IN
        SELECT inhrelid FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'palimpsest.security_log'::regclass
            AND relname < to_char(now() - interval '400 days', '"security_log_"YYYY_MM')
    LOOP EXECUTE format('DROP TABLE %s', old); END LOOP;
    DELETE FROM palimpsest.security_log USING palimpsest.data_keys
    WHERE user_id = subject_id AND wrapped IS NULL AND erased_at > now() - interval '7 days';
END $$;
SELECT palimpsest.keep_security_log();
