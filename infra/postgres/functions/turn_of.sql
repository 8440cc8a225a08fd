-- The turn of a job that begins to wait, as its priority: -1, -2, -3 and so on. It is the turn after the last one that
-- has begun in its lane, and after all turns of its payer that wait. So a payer who has many jobs waiting delays another
-- one by one job, and no job waits for ever: jobs that come later have later turns, once a job of the lane begins.
-- (Self-clocked fair queuing: S. J. Golestani, INFOCOM 1994.) `of_payer` NULL: of a payer with no job waiting.
--
-- Turns begin at -1 again when no job of the lane waits or runs. While none runs, the first that waits counts as begun.
-- One that runs for long may have begun far before the first that waits: a new turn is at least that one's. Jobs that are
-- enqueued by two transactions at the same time may get the same turn.
CREATE OR REPLACE FUNCTION jobs.turn_of(queue text, of_lane text, of_payer text) RETURNS int
LANGUAGE plpgsql SET search_path = jobs, pg_temp
SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    begun int := (
        SELECT priority FROM procrastinate_jobs WHERE status = 'doing'
        AND queue_name = queue AND args ->> 'lane' = of_lane ORDER BY priority LIMIT 1
    );
    first_waiting int := (
        SELECT priority FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at IS NULL
        AND queue_name = queue AND args ->> 'lane' = of_lane ORDER BY priority DESC LIMIT 1
    );
    last_of_payer int := (
        SELECT priority FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at IS NULL
        AND queue_name = queue AND args ->> 'lane' = of_lane AND args ->> 'payer' = of_payer ORDER BY priority LIMIT 1
    );
BEGIN
    RETURN coalesce(least(begun, first_waiting + (begun IS NOT NULL)::int, last_of_payer), 0) - 1;
END $$;
