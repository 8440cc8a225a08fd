-- Waiting jobs, those that may be taken and those that wait for their time: jobs.fetch_job moves a job from one index to
-- the other. In one index a fetch would read all that wait for their time.
DROP INDEX jobs.jobs_by_queue;
CREATE INDEX due_jobs ON jobs.procrastinate_jobs (queue_name, priority DESC, id)
    WHERE status = 'todo' AND scheduled_at IS NULL;
CREATE INDEX delayed_jobs ON jobs.procrastinate_jobs (queue_name, scheduled_at)
    WHERE status = 'todo' AND scheduled_at IS NOT NULL;

-- Wakes the workers of a queue when a job waits again, and when a lock has become free for jobs that wait for it. That a
-- job is new, procrastinate itself says.
CREATE FUNCTION jobs.notify_workers() RETURNS trigger
LANGUAGE plpgsql SET search_path = jobs, pg_temp SET enable_seqscan = off AS $$
BEGIN
    PERFORM pg_notify('procrastinate_queue_v1#' || queue_name, '{"type": "job_inserted", "job_id": 0}') FROM (
        SELECT NEW.queue_name WHERE NEW.status = 'todo'
        UNION SELECT queue_name FROM procrastinate_jobs WHERE lock = NEW.lock AND status = 'todo'
    ) AS waiting;
    RETURN NULL;
END $$;
CREATE TRIGGER notify_workers AFTER UPDATE OF status ON jobs.procrastinate_jobs FOR EACH ROW
WHEN ((NEW.status = 'todo' AND OLD.status <> 'todo') OR (NEW.lock IS NOT NULL AND NEW.status NOT IN ('todo', 'doing')))
EXECUTE FUNCTION jobs.notify_workers();
