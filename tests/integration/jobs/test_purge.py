"""Done jobs are deleted after a day, dead ones later, those with sealed fields sooner, and all others stay."""

import pytest

from infra.jobs import purge
from infra.jobs.purge import purge_ended
from tests.support.jobs import OpenedJobs
from tests.support.stores import rows

ENDED = """
WITH job AS (
    INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, status) VALUES ('default', 'job', %s) RETURNING id
), kept AS (INSERT INTO jobs.job_errors (job_id, try, error) SELECT id, 1, 'ValueError' FROM job)
INSERT INTO jobs.procrastinate_events (job_id, type, at)
SELECT id, type::jobs.procrastinate_job_event_type, now() - age
FROM job, unnest(%s::text[], %s::interval[]) AS ended (type, age)
"""


def ended(jobs: OpenedJobs, status: str, *ends: tuple[str, str]) -> None:
    """Add a job with the ends that it had: the kind of the event, and how long ago."""
    rows(jobs.admin_url, ENDED, status, *map(list, zip(*ends, strict=True)))


@pytest.mark.parametrize("status", ["succeeded", "cancelled", "aborted"])
async def test_ended_jobs_are_deleted_after_a_day(jobs: OpenedJobs, status: str) -> None:
    ended(jobs, status, (status, "25 hours"))
    ended(jobs, status, (status, "23 hours"))
    assert await purge_ended(jobs.access.database) == 1
    assert len(jobs.statuses()) == 1
    assert len(jobs.errors()) == 1


async def test_dead_jobs_stay_for_90_days(jobs: OpenedJobs) -> None:
    ended(jobs, "failed", ("failed", "91 days"))
    ended(jobs, "failed", ("failed", "89 days"))
    assert await purge_ended(jobs.access.database) == 1
    assert jobs.statuses() == ["failed"]


async def test_dead_jobs_with_sealed_fields_stay_for_a_week(jobs: OpenedJobs) -> None:
    for age in ("8 days", "6 days"):
        ended(jobs, "failed", ("failed", age))
    rows(jobs.admin_url, """UPDATE jobs.procrastinate_jobs SET args = '{"sealed": ""}'""")
    ended(jobs, "failed", ("failed", "8 days"))
    assert await purge_ended(jobs.access.database) == 1
    assert jobs.statuses() == ["failed", "failed"]


async def test_what_counts_is_the_last_end(jobs: OpenedJobs) -> None:
    ended(jobs, "succeeded", ("failed", "30 days"), ("succeeded", "1 hour"))
    ended(jobs, "todo", ("failed", "200 days"))
    assert await purge_ended(jobs.access.database) == 0


async def test_jobs_are_deleted_in_batches(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH_SIZE", 2)
    for _ in range(5):
        ended(jobs, "succeeded", ("succeeded", "25 hours"))
    assert await purge_ended(jobs.access.database) == 5
