-- The place of a job with turns among those that are due in its lane, from 1 to 1,000; more are not counted. Of one that
-- waits for its next try, or is not enqueued yet (its lane is `of_lane`): the place that it would get now. An estimate:
-- jobs of payers who come later may have earlier turns, and one that is tried again gets another turn.
--
-- SECURITY DEFINER: who asks needs no right in the schema `jobs`.
CREATE OR REPLACE FUNCTION queue_place(queue text, of_lane text, of_payer text, of_lock text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    turn int;
    own bigint;
    lane text;
BEGIN
    SELECT priority, id, args ->> 'lane' INTO turn, own, lane FROM jobs.procrastinate_jobs
    WHERE lock = of_lock AND status = 'todo' AND scheduled_at IS NULL ORDER BY id DESC LIMIT 1;
    lane := coalesce(lane, of_lane);
    turn := coalesce(turn, jobs.turn_of(queue, lane, of_payer));
    RETURN 1 + (
        SELECT count(*) FROM (
            SELECT FROM jobs.procrastinate_jobs
            WHERE status = 'todo' AND scheduled_at IS NULL AND queue_name = queue AND args ->> 'lane' = lane
            AND priority >= turn AND (priority > turn OR own IS NULL OR id < own) LIMIT 999
        ) AS earlier
    );
END $$;
