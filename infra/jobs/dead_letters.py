"""What operators do with jobs: retry or discard dead ones, cancel waiting and running ones."""

from infra.postgres.connect import Connection

# The tries and the deadline count from now on.
RETRY = """
UPDATE jobs.procrastinate_jobs
SET status = 'todo', attempts = 0, scheduled_at = NULL,
    args = args || jsonb_build_object('due', extract(epoch FROM now()))
WHERE status = 'failed' AND (id = %s OR args ->> 'kind' = %s) RETURNING id
"""
DISCARD = (
    "DELETE FROM jobs.procrastinate_jobs WHERE status = 'failed' AND (id = %s OR args ->> 'kind' = %s) RETURNING id"
)
CANCEL_WAITING = """
UPDATE jobs.procrastinate_jobs SET status = 'cancelled', args = args - 'sealed'
WHERE status = 'todo' AND id = %s RETURNING id
"""
CANCEL_RUNNING = """
UPDATE jobs.procrastinate_jobs SET abort_requested = true WHERE status = 'doing' AND id = %s RETURNING id
"""


def retry(connection: Connection, *, id: int | None = None, kind: str | None = None) -> list[int]:
    """Let a dead job, or all dead jobs of a kind, be tried again, as if they were new. Returns their ids."""
    return _ids(connection, RETRY, id, kind)


def discard(connection: Connection, *, id: int | None = None, kind: str | None = None) -> list[int]:
    """Delete a dead job, or all dead jobs of a kind. Returns their ids."""
    return _ids(connection, DISCARD, id, kind)


def cancel(connection: Connection, id: int) -> bool:
    """Cancel a job that waits, or ask its worker to cancel it. False: it has ended, or there is no such job."""
    return bool(_ids(connection, CANCEL_WAITING, id) or _ids(connection, CANCEL_RUNNING, id))


def _ids(connection: Connection, statement: str, *values: int | str | None) -> list[int]:
    return [id for (id,) in connection.execute(statement.encode(), values).fetchall()]
