-- The ids of the next jobs with turns of a queue, `most` at most, of those that are due. Lanes of paused resources are
-- left out, and no resource gets more running jobs than its limit. The others share the places by weight: the next job
-- is one of the lane that has the fewest running for its weight. In a lane the order is that of the turns (jobs.turn_of).
--
-- `most_of_payer`: the jobs of a payer that this worker may run at a time, so that its last places are for others, even
-- if all jobs take minutes; NULL: any number. Of a lane the first 100 places and as many as are asked for are looked at.
--
-- A lane may have a quota, its third word: so many jobs of a payer run at a time, in all workers. Of such a lane the next
-- jobs of 100 payers are looked at, in the order of their names from any one on: the many jobs of a payer who has reached
-- the quota are not read, and with more payers each is looked at again and again.
--
-- The caller holds LOCK_TURNS: two fetches at a time would choose the same jobs, and pass the limits.
CREATE OR REPLACE FUNCTION jobs.next_turns(queue text, worker bigint, most int, most_of_payer int) RETURNS SETOF bigint
LANGUAGE plpgsql SET search_path = jobs, pg_temp
SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    first_payer text := gen_random_uuid();
BEGIN
    RETURN QUERY
    WITH RECURSIVE waiting (lane) AS (
        (SELECT args ->> 'lane' FROM procrastinate_jobs
         WHERE status = 'todo' AND scheduled_at IS NULL AND queue_name = queue AND (args ->> 'lane') IS NOT NULL
         ORDER BY args ->> 'lane' LIMIT 1)
        UNION ALL
        SELECT (SELECT args ->> 'lane' FROM procrastinate_jobs
                WHERE status = 'todo' AND scheduled_at IS NULL AND queue_name = queue AND args ->> 'lane' > waiting.lane
                ORDER BY args ->> 'lane' LIMIT 1)
        FROM waiting WHERE waiting.lane IS NOT NULL
    ), running AS MATERIALIZED (
        SELECT args ->> 'lane' AS lane, split_part(args ->> 'lane', ' ', 1) AS resource, args ->> 'payer' AS payer, worker_id
        FROM procrastinate_jobs WHERE status = 'doing' AND queue_name = queue AND (args ->> 'lane') IS NOT NULL
    ), open AS MATERIALIZED (
        SELECT lane, name AS resource, split_part(lane, ' ', 2)::int AS weight,
               nullif(split_part(lane, ' ', 3), '')::int AS quota,
               (SELECT count(*) FROM running WHERE running.lane = waiting.lane) AS running,
               max_running - (SELECT count(*) FROM running WHERE resource = name) AS room
        FROM waiting CROSS JOIN LATERAL (SELECT split_part(lane, ' ', 1) AS name) AS used LEFT JOIN resources USING (name)
        WHERE lane IS NOT NULL AND paused_at IS NULL
    ), held AS MATERIALIZED (
        SELECT lane, payer, count(*) AS number FROM running JOIN open USING (lane)
        WHERE quota IS NOT NULL GROUP BY lane, payer
    ), payers (lane, payer, from_the_first, number) AS (
        SELECT open.lane, first_payer, false, 0 FROM open WHERE quota IS NOT NULL AND (room IS NULL OR room > 0)
        UNION ALL
        SELECT payers.lane, coalesce(next.payer, ''), from_the_first OR next.payer IS NULL, number + 1
        FROM payers LEFT JOIN LATERAL (
            SELECT args ->> 'payer' AS payer FROM procrastinate_jobs
            WHERE status = 'todo' AND scheduled_at IS NULL AND queue_name = queue AND args ->> 'lane' = payers.lane
            AND args ->> 'payer' > payers.payer
            ORDER BY args ->> 'payer' LIMIT 1
        ) AS next ON true
        WHERE number < 100 AND NOT (from_the_first AND (next.payer IS NULL OR next.payer > first_payer))
    ), due AS (
        SELECT open.*, job.* FROM open CROSS JOIN LATERAL (
            SELECT id, priority, args ->> 'payer' AS payer FROM procrastinate_jobs AS job
            WHERE status = 'todo' AND scheduled_at IS NULL AND queue_name = queue AND args ->> 'lane' = open.lane
            AND (job.lock IS NULL OR NOT EXISTS (
                SELECT FROM procrastinate_jobs AS other
                WHERE other.lock = job.lock AND other.status IN ('todo', 'doing')
                AND (other.status = 'doing' OR other.id < job.id)
            ))
            ORDER BY priority DESC, id LIMIT 100 + most
        ) AS job WHERE quota IS NULL AND (room IS NULL OR room > 0)
        UNION ALL
        SELECT open.*, job.* FROM payers JOIN open USING (lane) LEFT JOIN held USING (lane, payer) CROSS JOIN LATERAL (
            SELECT id, priority, args ->> 'payer' AS payer FROM procrastinate_jobs AS job
            WHERE status = 'todo' AND scheduled_at IS NULL AND queue_name = queue
            AND args ->> 'lane' = open.lane AND args ->> 'payer' = payers.payer
            AND (job.lock IS NULL OR NOT EXISTS (
                SELECT FROM procrastinate_jobs AS other
                WHERE other.lock = job.lock AND other.status IN ('todo', 'doing')
                AND (other.status = 'doing' OR other.id < job.id)
            ))
            ORDER BY priority DESC LIMIT greatest(0, least(most, quota - coalesce(held.number, 0)))
        ) AS job
    ), busy AS MATERIALIZED (
        SELECT payer, count(*) AS running FROM running WHERE worker_id = worker GROUP BY payer
    ), of_payer AS (
        SELECT due.*, row_number() OVER (PARTITION BY payer ORDER BY priority DESC, id) + coalesce(busy.running, 0) AS number
        FROM due LEFT JOIN busy USING (payer)
    ), of_lane AS (
        SELECT id, resource, room,
               (running + row_number() OVER (PARTITION BY lane ORDER BY priority DESC, id))::float8 / weight AS share
        FROM of_payer WHERE most_of_payer IS NULL OR number <= most_of_payer
    ), of_resource AS (
        SELECT id, share, room, row_number() OVER (PARTITION BY resource ORDER BY share, id) AS number FROM of_lane
    )
    SELECT id FROM of_resource WHERE room IS NULL OR number <= room ORDER BY share, id LIMIT most;
END $$;
