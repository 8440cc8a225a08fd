-- Whether jobs with turns of a queue are due. The settings are those of jobs.fetch_job, for the same reason.
CREATE OR REPLACE FUNCTION jobs.turns_wait(queue text) RETURNS boolean
LANGUAGE plpgsql SET search_path = jobs, pg_temp
SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at IS NULL
        AND queue_name = queue AND (args ->> 'lane') IS NOT NULL
    );
END $$;
