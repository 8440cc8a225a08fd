-- Jobs: what is kept beside the tables of procrastinate, which are applied before this file (infra/postgres/queue_schema.py).

-- Why tries of a job failed: the class of the error or the code of a refusal, and a reason without personal data.
CREATE TABLE jobs.job_errors (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job_id bigint NOT NULL REFERENCES jobs.procrastinate_jobs ON DELETE CASCADE,
    try int NOT NULL,
    error text NOT NULL,
    reason text,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_errors_by_job ON jobs.job_errors (job_id);

-- The queue that a worker serves. Its heartbeat is in procrastinate_workers.
CREATE TABLE jobs.worker_queues (
    worker_id bigint PRIMARY KEY REFERENCES jobs.procrastinate_workers ON DELETE CASCADE,
    queue text NOT NULL
);

-- Locked by enqueue_jobs and by rotations of keys, see infra/postgres/locks.py. No part has any right on it.
CREATE TABLE enqueue_lock ();

-- The last tick of each kind that runs by a schedule.
CREATE TABLE jobs.schedules (
    kind text PRIMARY KEY,
    tick timestamptz NOT NULL
);

-- To fetch: the next job of one queue, whatever waits in the others, and others with its lock.
CREATE INDEX jobs_by_queue ON jobs.procrastinate_jobs (queue_name, priority DESC, id) WHERE status = 'todo';
CREATE INDEX jobs_by_lock ON jobs.procrastinate_jobs (lock) WHERE lock IS NOT NULL AND status IN ('todo', 'doing');
-- To count and list dead jobs, and to find those that ended long ago.
CREATE INDEX dead_jobs ON jobs.procrastinate_jobs (id) WHERE status = 'failed';
CREATE INDEX ends_of_jobs ON jobs.procrastinate_events (at)
    WHERE type IN ('succeeded', 'failed', 'cancelled', 'aborted');
