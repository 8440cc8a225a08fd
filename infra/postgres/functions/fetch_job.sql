-- Takes the next jobs of a queue, `most` at most: of those that are due the ones with the highest priority, then the
-- oldest. A job with a lock waits for others with its lock that run, or come before it. Other tasks of procrastinate are
-- not ours. Workers of earlier versions take one at a time.
--
-- If places are left, they are for jobs with turns, see jobs.next_turns, also for `most_of_payer`. Fetches of these wait
-- for one another (LOCK_TURNS in infra/postgres/locks.py); the others skip what another one is taking.
--
-- In place of procrastinate_fetch_job_v2, which takes several queues and reads all jobs of the queue that are kept, also
-- the done ones: with 100,000 of them 60 ms a call, here less than 1. A job whose time has come moves from the index
-- delayed_jobs to due_jobs: a fetch does not read those whose time has not come. The settings make it read both in their
-- order, whatever is known of the table: it grows faster than it is analysed.
DROP FUNCTION IF EXISTS jobs.fetch_job(text, bigint);
DROP FUNCTION IF EXISTS jobs.fetch_job(text, bigint, int);
CREATE OR REPLACE FUNCTION jobs.fetch_job(queue text, worker bigint, most int DEFAULT 1, most_of_payer int DEFAULT NULL)
RETURNS SETOF jobs.procrastinate_jobs LANGUAGE plpgsql SET search_path = jobs, pg_temp
SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    taken_without_turns int;
BEGIN
    -- Some at a time: after an outage the time of many may have come.
    UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE id = ANY (ARRAY(
        SELECT job.id FROM procrastinate_jobs AS job
        WHERE job.status = 'todo' AND job.queue_name = queue AND job.scheduled_at <= now() AND job.task_name = 'job'
        ORDER BY job.scheduled_at LIMIT 100 FOR UPDATE SKIP LOCKED
    ));
    RETURN QUERY
    UPDATE procrastinate_jobs AS taken SET status = 'doing', worker_id = worker WHERE taken.id = ANY (ARRAY(
        SELECT job.id FROM procrastinate_jobs AS job
        WHERE job.status = 'todo' AND job.queue_name = queue AND job.scheduled_at IS NULL AND job.task_name = 'job'
        AND (job.args ->> 'lane') IS NULL AND (job.lock IS NULL OR NOT EXISTS (
            SELECT FROM procrastinate_jobs AS other
            WHERE other.lock = job.lock AND other.status IN ('todo', 'doing') AND (
                other.status = 'doing' OR other.priority > job.priority
                OR (other.priority = job.priority AND other.id < job.id)
            )
        ))
        ORDER BY job.priority DESC, job.id LIMIT most FOR UPDATE SKIP LOCKED
    ))
    RETURNING taken.*;
    GET DIAGNOSTICS taken_without_turns = ROW_COUNT;
    IF taken_without_turns = most OR NOT jobs.turns_wait(queue) THEN RETURN; END IF;
    LOCK TABLE jobs.resources IN SHARE UPDATE EXCLUSIVE MODE;
    RETURN QUERY
    UPDATE procrastinate_jobs AS taken SET status = 'doing', worker_id = worker WHERE taken.status = 'todo'
    AND taken.id = ANY (ARRAY(SELECT jobs.next_turns(queue, worker, most - taken_without_turns, most_of_payer)))
    RETURNING taken.*;
END $$;
