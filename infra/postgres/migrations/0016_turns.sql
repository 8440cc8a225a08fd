-- Jobs whose payers take turns (application/jobs.py, Turn). Their lane and payer are in `args`, their turn is `priority`:
-- see jobs.turn_of, jobs.next_turns.

-- What jobs with turns use, where operators have paused or limited it. `max_running`: jobs at a time of all workers.
CREATE TABLE jobs.resources (
    name text PRIMARY KEY,
    paused_at timestamptz,
    max_running int CHECK (max_running > 0)
);

DROP INDEX jobs.due_jobs;
CREATE INDEX due_jobs ON jobs.procrastinate_jobs (queue_name, priority DESC, id)
    WHERE status = 'todo' AND scheduled_at IS NULL AND (args ->> 'lane') IS NULL;
CREATE INDEX due_turns ON jobs.procrastinate_jobs (queue_name, (args ->> 'lane'), priority DESC, id)
    WHERE status = 'todo' AND scheduled_at IS NULL AND (args ->> 'lane') IS NOT NULL;
CREATE INDEX due_turns_of_payer ON jobs.procrastinate_jobs (queue_name, (args ->> 'lane'), (args ->> 'payer'), priority)
    WHERE status = 'todo' AND scheduled_at IS NULL AND (args ->> 'lane') IS NOT NULL;
CREATE INDEX running_turns ON jobs.procrastinate_jobs (queue_name, (args ->> 'lane'), priority)
    WHERE status = 'doing' AND (args ->> 'lane') IS NOT NULL;
