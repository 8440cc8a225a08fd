"""Metrics of jobs, by kind: how long a try takes and how it ends; how many wait, how long, how many run or are dead."""

import asyncio

import structlog
from prometheus_client import Counter, Gauge, Histogram

from application.jobs import job_kinds
from infra.asyncio_compat import goes_on
from infra.jobs.retry import Outcome, Status
from infra.postgres.database import Database

MEASURE_SECONDS = 15.0
RUN_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

BACKLOG = """
SELECT args ->> 'kind', count(*) FILTER (WHERE is_due), count(*) FILTER (WHERE NOT is_due),
       coalesce(extract(epoch FROM now()) - min((args ->> 'due')::float8) FILTER (WHERE is_due), 0)::float8
FROM (
    SELECT args, scheduled_at IS NULL OR scheduled_at <= now() AS is_due
    FROM jobs.procrastinate_jobs WHERE status = 'todo'
) AS waiting GROUP BY 1
"""
RUNNING = "SELECT args ->> 'kind', count(*) FROM jobs.procrastinate_jobs WHERE status = 'doing' GROUP BY 1"
DEAD = "SELECT args ->> 'kind', count(*) FROM jobs.procrastinate_jobs WHERE status = 'failed' GROUP BY 1"

log = structlog.get_logger(__name__)

run_seconds = Histogram("palimpsest_job_run_seconds", "Time of one try of a job", ["kind"], buckets=RUN_BUCKETS)
tries = Counter(
    "palimpsest_job_tries", "Tries of jobs by outcome: done, retry, dead, cancelled, handed_back", ["kind", "outcome"]
)
due_gauge = Gauge("palimpsest_jobs_due", "Jobs that wait and may run now", ["kind"])
delayed_gauge = Gauge("palimpsest_jobs_delayed", "Jobs that wait for their time or their next try", ["kind"])
age_gauge = Gauge(
    "palimpsest_jobs_oldest_due_seconds", "How long ago the oldest that may run was due at first", ["kind"]
)
running_gauge = Gauge("palimpsest_jobs_running", "Jobs that workers perform now", ["kind"])
dead_gauge = Gauge(
    "palimpsest_jobs_dead", "Jobs that were given up, until an operator retries or discards them", ["kind"]
)

_OUTCOMES = {Status.DONE: "done", Status.DEAD: "dead", Status.ABORTED: "cancelled"}


def observe_try(kind: str, outcome: Outcome, seconds: float) -> None:
    """Count one try of a job."""
    run_seconds.labels(kind).observe(seconds)
    waiting = "retry" if outcome.is_try else "handed_back"
    tries.labels(kind, _OUTCOMES.get(outcome.status, waiting)).inc()


async def watch_backlog(database: Database) -> None:
    """Keep the gauges up to date until cancelled."""
    while goes_on():
        try:
            await measure(database)
        except Exception as error:
            log.warning("backlog of jobs not measured", error=type(error).__name__)
        await asyncio.sleep(MEASURE_SECONDS)


async def measure(database: Database) -> None:
    """Set the gauges of all kinds.

    Raises:
        Unavailable: the database does not answer.
    """
    waiting = {kind: found for kind, *found in await database.rows(BACKLOG, [])}
    running: dict[str, int] = dict(await database.rows(RUNNING, []))
    dead: dict[str, int] = dict(await database.rows(DEAD, []))
    for kind in {*job_kinds(), *waiting, *running, *dead}:
        due, delayed, age = waiting.get(kind, (0, 0, 0.0))
        due_gauge.labels(kind).set(due)
        delayed_gauge.labels(kind).set(delayed)
        age_gauge.labels(kind).set(max(0.0, age))
        running_gauge.labels(kind).set(running.get(kind, 0))
        dead_gauge.labels(kind).set(dead.get(kind, 0))
