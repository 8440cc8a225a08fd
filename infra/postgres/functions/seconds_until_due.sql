-- The seconds until the first job of a queue whose time has not come is due; NULL: there is none. At most 0: another
-- worker is taking it. The settings are those of jobs.fetch_job, for the same reason.
CREATE OR REPLACE FUNCTION jobs.seconds_until_due(queue text) RETURNS float8
LANGUAGE plpgsql SET search_path = jobs, pg_temp
SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (
        SELECT extract(epoch FROM scheduled_at - clock_timestamp()) FROM procrastinate_jobs
        WHERE status = 'todo' AND queue_name = queue AND scheduled_at IS NOT NULL AND task_name = 'job'
        ORDER BY scheduled_at LIMIT 1
    );
END $$;
