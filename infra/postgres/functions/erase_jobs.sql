-- Destroys the sealed fields of all jobs about these subjects (infra/jobs/encoding.py), and ends the jobs: nothing
-- can perform them any more. One that runs is asked to end, and is stopped within seconds.
--
-- Only erase_keys and enqueue_jobs call it: no role may execute it.
CREATE OR REPLACE FUNCTION erase_jobs(subjects uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.procrastinate_jobs SET
        status = CASE status WHEN 'doing' THEN status ELSE 'cancelled' END,
        abort_requested = status = 'doing',
        args = args - 'sealed' || '{"erased": true}'
    WHERE args ? 'sealed' AND args -> 'subjects' ?| subjects::text[];
END $$;
