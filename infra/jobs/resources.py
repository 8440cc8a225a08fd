"""What operators do with the resources that jobs use (models): pause them, limit how many jobs use one at a time.

Jobs of a paused resource wait; those that run go on to their end. All workers follow at once (`jobs.next_turns`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from infra.postgres.connect import Connection

LIST = """
WITH unended AS (
    SELECT split_part(args ->> 'lane', ' ', 1) AS name, status FROM jobs.procrastinate_jobs
    WHERE status IN ('todo', 'doing') AND (args ->> 'lane') IS NOT NULL
)
SELECT name, paused_at, max_running,
       (SELECT count(*) FROM unended WHERE unended.name = known.name AND status = 'todo') AS waiting,
       (SELECT count(*) FROM unended WHERE unended.name = known.name AND status = 'doing') AS running
FROM (
    SELECT unnest(%s::text[]) AS name UNION SELECT name FROM unended UNION SELECT name FROM jobs.resources
) AS known LEFT JOIN jobs.resources USING (name) ORDER BY name
"""
PAUSE = """
INSERT INTO jobs.resources AS known (name, paused_at) VALUES (%s, now())
ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(known.paused_at, now())
"""
RESUME = "UPDATE jobs.resources SET paused_at = NULL WHERE name = %s"
LIMIT = """
INSERT INTO jobs.resources (name, max_running) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET max_running = excluded.max_running
"""
# Workers sleep until they hear of a job: of any, see jobs.notify_workers.
WAKE = """
SELECT pg_notify('procrastinate_queue_v1#' || queue_name, '{"type": "job_inserted", "job_id": 0}') FROM (
    SELECT DISTINCT queue_name FROM jobs.procrastinate_jobs
    WHERE status = 'todo' AND scheduled_at IS NULL AND split_part(args ->> 'lane', ' ', 1) = %s
) AS waiting
"""


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource and its jobs. `max_running`: how many may use it at a time; None: as many as workers have places."""

    name: str
    paused_at: datetime | None
    max_running: int | None
    waiting: int
    running: int


def list_resources(connection: Connection, names: Collection[str]) -> list[ResourceState]:
    """Return the state of these resources, and of others that jobs use or that are paused or limited."""
    with connection.cursor(row_factory=class_row(ResourceState)) as cursor:
        return cursor.execute(LIST, [[*names]]).fetchall()


def pause(connection: Connection, name: str) -> None:
    """Let the jobs of a resource wait. A second time changes nothing."""
    connection.execute(PAUSE, [name])


def resume(connection: Connection, name: str) -> None:
    """Let them go on."""
    connection.execute(RESUME, [name])
    connection.execute(WAKE, [name])


def limit(connection: Connection, name: str, max_running: int | None) -> None:
    """Limit how many jobs use a resource at a time; None: no limit. Those that run go on."""
    connection.execute(LIMIT, [name, max_running])
    connection.execute(WAKE, [name])
