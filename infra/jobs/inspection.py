"""What operators see of the queue: lists of jobs, one job with its history, dead jobs, queues without a worker.

Never the sealed fields of a job, nor the message of an error.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.rows import class_row

from infra.jobs.stalled import STALL_SECONDS
from infra.postgres.connect import Connection


class JobStatus(StrEnum):
    """The states of a job for people. A cancelled job that still runs is `cancelling`.

    An erased one was ended by the erasure of whom its sealed fields were about.
    """

    WAITING = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    ERASED = "erased"


UNENDED = (JobStatus.WAITING, JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.DEAD)

_JOBS = """
SELECT job.id, args ->> 'kind' AS kind, queue_name AS queue, priority, lock, attempts AS tries,
       args ->> 'effect' AS effect_key, args -> 'fields' AS fields, args ? 'sealed' AS has_sealed_fields,
       to_timestamp((args ->> 'due')::float8) AS due, CASE status WHEN 'todo' THEN scheduled_at END AS next_try,
       CASE WHEN status = 'doing' AND abort_requested THEN 'cancelling'
            WHEN status IN ('cancelled', 'aborted') AND args ? 'erased' THEN 'erased'
            ELSE (ARRAY['waiting', 'running', 'done', 'dead', 'cancelled', 'cancelled'])[array_position(
                ARRAY['todo', 'doing', 'succeeded', 'failed', 'cancelled', 'aborted'], status::text)] END AS status,
       last.error, last.reason
FROM jobs.procrastinate_jobs AS job LEFT JOIN LATERAL (
    SELECT error, reason FROM jobs.job_errors WHERE job_id = job.id ORDER BY job_errors.id DESC LIMIT 1
) AS last ON true
"""
LIST = f"""
SELECT * FROM ({_JOBS}) AS listed
WHERE (%s::text IS NULL OR kind = %s) AND status = ANY(%s) ORDER BY id DESC LIMIT %s
"""  # noqa: S608
ONE = f"SELECT * FROM ({_JOBS}) AS listed WHERE id = %s"  # noqa: S608
ERRORS = "SELECT try AS number, error, reason, at FROM jobs.job_errors WHERE job_id = %s ORDER BY id"
TIMES = "SELECT type::text AS what, at FROM jobs.procrastinate_events WHERE job_id = %s ORDER BY id"
DEAD = "SELECT args ->> 'kind', count(*) FROM jobs.procrastinate_jobs WHERE status = 'failed' GROUP BY 1 ORDER BY 1"
QUEUES = """
SELECT DISTINCT queue_name FROM jobs.procrastinate_jobs WHERE status = 'todo'
UNION SELECT unnest(%s::text[])
EXCEPT SELECT queue FROM jobs.worker_queues JOIN jobs.procrastinate_workers ON id = worker_id
WHERE last_heartbeat > now() - make_interval(secs => %s)
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job. `status`: a `JobStatus`; `due`: when it should have been performed at first; `error`: its last one."""

    id: int
    kind: str
    queue: str
    priority: int
    lock: str | None
    tries: int
    effect_key: str
    fields: dict[str, Any]
    has_sealed_fields: bool
    due: datetime
    next_try: datetime | None
    status: str
    error: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class FailedTry:
    """Why a try failed."""

    number: int
    error: str
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class JobTime:
    """What happened to a job, in the words of procrastinate, and when."""

    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class JobHistory:
    """A job with its last failed tries and its times."""

    job: JobSummary
    errors: list[FailedTry]
    times: list[JobTime]


def list_jobs(
    connection: Connection, kind: str | None, statuses: Collection[JobStatus], limit: int
) -> list[JobSummary]:
    """Return jobs of a kind, or of all kinds, in these states: the newest first."""
    with connection.cursor(row_factory=class_row(JobSummary)) as cursor:
        return cursor.execute(LIST, [kind, kind, [*map(str, statuses)], limit]).fetchall()


def history_of(connection: Connection, id: int) -> JobHistory | None:
    """Return a job with its history; None: there is no such job."""
    with connection.cursor(row_factory=class_row(JobSummary)) as cursor:
        job = cursor.execute(ONE, [id]).fetchone()
    if job is None:
        return None
    with connection.cursor(row_factory=class_row(FailedTry)) as cursor:
        errors = cursor.execute(ERRORS, [id]).fetchall()
    with connection.cursor(row_factory=class_row(JobTime)) as cursor:
        return JobHistory(job, errors, cursor.execute(TIMES, [id]).fetchall())


def dead_by_kind(connection: Connection) -> dict[str, int]:
    """Return the number of dead jobs of each kind that has some."""
    return dict(connection.execute(DEAD).fetchall())


def queues_without_worker(connection: Connection, queues: Sequence[str]) -> list[str]:
    """Return those of `queues`, and of the queues with waiting jobs, that no living worker serves."""
    return [queue for (queue,) in connection.execute(QUEUES, [list(queues), STALL_SECONDS])]
