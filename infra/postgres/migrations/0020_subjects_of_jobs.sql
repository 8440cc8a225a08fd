-- The jobs with sealed fields by their subjects, for erase_jobs: erasures must not read all waiting jobs.
CREATE INDEX sealed_jobs ON jobs.procrastinate_jobs USING gin ((args -> 'subjects')) WITH (fastupdate = off)
    WHERE args ? 'sealed';

-- Jobs of the release before have sealed fields and no subjects, so no erasure would meet them. Dead ones are discarded. The
-- others are about the users in their plain fields; the id of an address was in none. They end soon, as do those
-- that a process of that release still enqueues after this migration; one that dies is kept as long as any dead job.
UPDATE jobs.procrastinate_jobs SET status = 'cancelled', args = args - 'sealed'
WHERE status = 'failed' AND args ? 'sealed' AND NOT args ? 'subjects';
UPDATE jobs.procrastinate_jobs SET args = args || jsonb_build_object('subjects', ARRAY(
    SELECT args -> 'fields' ->> name FROM unnest(ARRAY['account_id', 'user_id']) AS name
    WHERE args -> 'fields' ? name
)) WHERE args ? 'sealed' AND NOT args ? 'subjects';
