-- Enqueues jobs (infra/jobs/queue.py), all or none. Returns false, and enqueues none, if one of them is sealed under a
-- key that a rotation has closed: the caller seals them again.
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
    RETURN true;
END $$;
