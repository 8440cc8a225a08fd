-- Gives each job with turns its turn when it begins to wait, and again after a failed try or an operator's retry: then
-- behind the other jobs of its payer, or thousands that are tried again would all come before those of others. A job
-- that was handed back keeps its turn, which may not be later than that of a new payer.
CREATE OR REPLACE FUNCTION jobs.take_turn() RETURNS trigger LANGUAGE plpgsql SET search_path = jobs, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.attempts = 0 AND OLD.status = 'todo' THEN
        NEW.priority := greatest(NEW.priority, jobs.turn_of(NEW.queue_name, NEW.args ->> 'lane', NULL));
    ELSE
        NEW.priority := jobs.turn_of(NEW.queue_name, NEW.args ->> 'lane', NEW.args ->> 'payer');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER take_first_turn BEFORE INSERT ON jobs.procrastinate_jobs FOR EACH ROW
WHEN (NEW.args ->> 'lane' IS NOT NULL) EXECUTE FUNCTION jobs.take_turn();
CREATE OR REPLACE TRIGGER take_turn_again BEFORE UPDATE OF status, scheduled_at ON jobs.procrastinate_jobs FOR EACH ROW
WHEN (
    NEW.args ->> 'lane' IS NOT NULL AND NEW.status = 'todo' AND NEW.scheduled_at IS NULL
    AND (OLD.scheduled_at IS NOT NULL OR OLD.status = 'failed')
) EXECUTE FUNCTION jobs.take_turn();
