-- Enqueues jobs (infra/jobs/queue.py), all or none. Returns false, and enqueues none, if one of them is sealed under a
-- key that a rotation has closed: the caller seals them again.
--
-- A job about a user who was erased before, as of a request that was under way, ends at once with nothing sealed, as if the
-- erasure had met it (erase_jobs.sql). Not one about an address: it may be used again after its erasure.
--
-- SECURITY DEFINER: who may enqueue needs no right in the schema `jobs`. `starts`: no earlier than that; NULL: now.
-- `due` is when a job should have been performed at first; its deadline counts from then.
--
-- The lock (ENQUEUING in infra/postgres/locks.py) is held until the end of the transaction: a rotation that closes a key
-- waits for those that have passed the check.
CREATE OR REPLACE FUNCTION enqueue_jobs(
    queues text[], priorities int[], locks text[], args jsonb[], starts timestamptz[]
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    subjects uuid[];
BEGIN
    LOCK TABLE palimpsest.enqueue_lock IN ROW EXCLUSIVE MODE;
    IF EXISTS (
        SELECT FROM palimpsest.keys WHERE kind = 'key-encryption' AND state IN ('closed', 'retired')
        AND id IN (SELECT arg ->> 'key' FROM unnest(args) AS arg)
    ) THEN RETURN false; END IF;
    PERFORM jobs.procrastinate_defer_jobs_v1(array_agg(ROW (
        queue, 'job', priority, lock, NULL,
        arg || jsonb_build_object('due', extract(epoch FROM coalesce(start, now()))), start
    )::jobs.procrastinate_job_to_defer_v1))
    FROM unnest(queues, priorities, locks, args, starts) AS job (queue, priority, lock, arg, start);
    subjects := ARRAY(
        SELECT jsonb_array_elements_text(arg -> 'subjects') FROM unnest(args) AS arg WHERE arg ? 'sealed'
    );
    IF cardinality(subjects) = 0 THEN RETURN true; END IF;
    subjects := ARRAY(
        SELECT subject_id FROM palimpsest.data_keys WHERE subject_id = ANY (subjects) AND wrapped IS NULL AND NOT EXISTS (
            SELECT FROM palimpsest.stored_events
            WHERE originator_id = subject_id AND originator_version = 1 AND topic = 'address.erased'
        )
    );
    IF cardinality(subjects) > 0 THEN PERFORM palimpsest.erase_jobs(subjects); END IF;
    RETURN true;
END $$;
