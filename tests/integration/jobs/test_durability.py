"""What the queue writes is on disk when its commit returns: a crash of PostgreSQL loses no enqueue, take or end.

A deferred trigger runs within the commit, and notes by which setting it is made. So it sees every way to turn the wait
for the disk off: in a statement, in a function, for a login or a database.
"""

from collections import Counter

import psycopg
import pytest

from infra.jobs import heartbeats
from infra.jobs.ends import end_try
from infra.jobs.manager import QueueManager
from infra.jobs.retry import HANDED_BACK
from infra.jobs.stalled import StalledJobs
from infra.postgres.connect import connect_async
from tests.support.jobs import Greet, OpenedJobs, register
from tests.support.servers import Database
from tests.support.stores import rows
from tests.support.waiting import until

WATCH = """
CREATE TABLE public.commits (change text NOT NULL, synchronous text NOT NULL);
CREATE FUNCTION public.note_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.commits VALUES (
        concat_ws(' ', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status),
        current_setting('synchronous_commit')
    );
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note_commit AFTER INSERT OR UPDATE ON jobs.procrastinate_jobs
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note_commit()
"""
COMMITS = "SELECT change, synchronous FROM public.commits"
UNSAFE = """
WITH setting AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE jobs.procrastinate_jobs SET status = 'doing' FROM setting
"""


@pytest.fixture
def watched(database: Database) -> Database:
    """A database whose commits of jobs are noted."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(WATCH)
    return database


def commits(database: Database) -> Counter[tuple[str, str]]:
    """The changes of status, each with the setting of its commit."""
    return Counter(rows(database.admin_url, COMMITS))


async def test_enqueues_takes_and_ends_wait_for_the_disk(
    jobs: OpenedJobs, watched: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    async def greet(job: Greet) -> None:
        tries.append(job.number)
        if len(tries) == 1:
            raise ValueError

    register(monkeypatch, greet)
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 0.01)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await until(lambda: jobs.statuses() == ["succeeded"])
    found = commits(watched)
    assert {setting for _, setting in found} == {"on"}
    assert {change for change, _ in found} >= {"todo", "todo doing", "doing todo", "doing succeeded"}


async def test_what_is_handed_back_or_taken_over_waits_for_the_disk(
    jobs: OpenedJobs, watched: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    async with await connect_async(watched.part_url("worker")) as connection, connection.transaction():
        await jobs.queue.enqueue_on(connection, [Greet(), Greet(number=2), Greet(number=3)], 3 * [None])
    own, lost = (QueueManager(jobs.access, "default") for _ in range(2))
    worker_id = await own.register_worker()
    job = await own.fetch_job(None, worker_id)
    assert job is not None
    assert await end_try(jobs.access.database, job, HANDED_BACK)
    assert await own.fetch_job(None, worker_id) is not None
    await own.unregister_worker(worker_id)
    await lost.fetch_job(None, await lost.register_worker())
    rows(watched.admin_url, "DELETE FROM jobs.procrastinate_workers")
    other = await own.register_worker()
    await StalledJobs(jobs.access.database).look()
    assert await own.fetch_job(None, other) is not None
    found = commits(watched)
    assert {setting for _, setting in found} == {"on"}
    assert [found[change, "on"] for change in ("todo", "todo doing", "doing todo")] == [3, 4, 3]


def test_a_commit_that_does_not_wait_is_seen(watched: Database) -> None:
    """Also where a statement turns the wait off for its own transaction only."""
    with psycopg.connect(watched.admin_url, autocommit=True) as connection:
        connection.execute("INSERT INTO jobs.procrastinate_jobs (queue_name, task_name) VALUES ('default', 'job')")
        connection.execute(UNSAFE)
    assert commits(watched) == {("todo", "on"): 1, ("todo doing", "off"): 1}
