"""Jobs are kept all or none, on their own or within the transaction of another."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from application.ports import Unavailable
from infra.postgres.connect import connect_async
from tests.support.jobs import Greet, GreetByMail, GreetUrgently, OpenedJobs, open_jobs
from tests.support.servers import Database, PostgresForTests
from tests.support.stores import rows

KEPT = "SELECT (args ->> 'effect') FROM jobs.procrastinate_jobs ORDER BY id"


async def test_many_jobs_are_kept_in_their_order(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*[Greet(number=number) for number in range(50)])
    assert rows(jobs.admin_url, KEPT) == [(f"greet:{number}",) for number in range(50)]


async def test_no_jobs_are_nothing_to_do(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue()
    assert jobs.statuses() == []


async def test_jobs_are_kept_with_the_transaction_or_not_at_all(jobs: OpenedJobs) -> None:
    async with await connect_async(jobs.access.url) as connection:
        async with connection.transaction():
            await jobs.queue.enqueue_on(connection, [Greet(number=1)], [None])
        async with connection.transaction(force_rollback=True):
            await jobs.queue.enqueue_on(connection, [Greet(number=2)], [None])
    assert rows(jobs.admin_url, KEPT) == [("greet:1",)]


async def test_a_job_for_later_is_due_later(jobs: OpenedJobs) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    await jobs.queue.enqueue(Greet(), at=later)
    query = "SELECT scheduled_at, to_timestamp((args ->> 'due')::float8) FROM jobs.procrastinate_jobs"
    assert rows(jobs.admin_url, query) == [(later, later)]


async def test_the_api_may_enqueue(database: Database, jobs: OpenedJobs) -> None:
    async with await connect_async(database.part_url("api")) as connection:
        await jobs.queue.enqueue_on(connection, [Greet()], [None])
    assert jobs.statuses() == ["todo"]


async def test_without_a_database_enqueuing_is_unavailable(own_postgres: PostgresForTests) -> None:
    async with open_jobs(Database("palimpsest", own_postgres.admin_url, own_postgres.app_url)) as opened:
        own_postgres.kill()
        with pytest.raises(Unavailable):
            await opened.queue.enqueue(Greet())


KEPT_BESIDE = {
    "done": "SET status = 'succeeded'",
    "delayed": "SET scheduled_at = now() + interval '1 hour'",
    "in_another_queue": "SET queue_name = 'mail'",
}
COPY = """
INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, priority, args, status, scheduled_at)
SELECT queue_name, task_name, priority, args, status, scheduled_at
FROM jobs.procrastinate_jobs, generate_series(1, 2000)
"""
FETCH = """
SELECT job.id, CASE WHEN job.id IS NULL THEN jobs.seconds_until_due('default') END, pg_stat_force_next_flush()
FROM (SELECT) AS always LEFT JOIN jobs.fetch_job('default', NULL, 8) AS job ON true
"""
READ = """
SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relid = tables.relid)
FROM pg_stat_user_tables AS tables WHERE relname = 'procrastinate_jobs'
"""
FEW = 20


@pytest.mark.parametrize("beside", KEPT_BESIDE.values(), ids=KEPT_BESIDE)
async def test_a_fetch_reads_only_jobs_that_are_due(jobs: OpenedJobs, beside: str) -> None:
    """procrastinate's own function read all jobs of the queue that are kept."""
    await jobs.queue.enqueue(Greet())
    rows(jobs.admin_url, f"UPDATE jobs.procrastinate_jobs {beside}")
    rows(jobs.admin_url, COPY)
    await jobs.queue.enqueue(Greet(number=2))
    rows(jobs.admin_url, "SELECT pg_stat_reset()")
    [first], [second] = rows(jobs.admin_url, FETCH), rows(jobs.admin_url, FETCH)
    assert (first[0] is None, second[0] is None) == (False, True)
    assert rows(jobs.admin_url, READ)[0][0] < FEW


async def test_jobs_whose_time_has_come_are_taken_in_the_order_of_all(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*[Greet(number=number) for number in (1, 2, 3)], GreetUrgently(number=4))
    delay = "UPDATE jobs.procrastinate_jobs SET scheduled_at = now() + make_interval(secs => %s) WHERE id = %s"
    for id, seconds in {1: -1, 2: 60, 4: -60}.items():
        rows(jobs.admin_url, delay, seconds, id)
    fetched = [rows(jobs.admin_url, "SELECT id FROM jobs.fetch_job('default', NULL)") for _ in range(4)]
    assert fetched == [[(4,)], [(1,)], [(3,)], []]


UNTIL_DUE = "SELECT jobs.seconds_until_due('default')"


async def test_the_seconds_until_the_first_delayed_job_is_due(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(Greet())
    assert rows(jobs.admin_url, UNTIL_DUE) == [(None,)]
    for minutes in (10, 20):
        await jobs.queue.enqueue(Greet(), at=datetime.now(UTC) + timedelta(minutes=minutes))
    await jobs.queue.enqueue(GreetByMail(), at=datetime.now(UTC) + timedelta(minutes=1))
    [(seconds,)] = rows(jobs.admin_url, UNTIL_DUE)
    assert 9 * 60 < seconds <= 10 * 60


async def test_while_another_worker_takes_a_job_whose_time_has_come_it_counts_as_due(jobs: OpenedJobs) -> None:
    """So this worker looks again soon: the other one may not take it."""
    await jobs.queue.enqueue(Greet(), at=datetime.now(UTC) - timedelta(seconds=1))
    with psycopg.connect(jobs.admin_url) as other:
        other.execute("UPDATE jobs.procrastinate_jobs SET scheduled_at = NULL")
        assert rows(jobs.admin_url, "SELECT FROM jobs.fetch_job('default', NULL)") == []
        [(seconds,)] = rows(jobs.admin_url, UNTIL_DUE)
        assert seconds <= 0
