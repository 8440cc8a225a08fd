"""An outage of the database: policies wait, skip nothing, and what they had begun counts once."""

import asyncio

from tests.support.feeding import FromStore
from tests.support.mirror import COUNT, MIRROR, Mirror
from tests.support.notes import note
from tests.support.reacting import create_job_table, jobs_in, reacting
from tests.support.servers import PostgresForTests
from tests.support.stores import open_store, rows
from tests.support.waiting import until

BEHIND = "SELECT FROM policies WHERE position < (SELECT max(notification_id) FROM stored_events)"
MIRRORS = "SELECT originator_id, count(*) FROM stored_events WHERE topic LIKE 'mirror.%%' GROUP BY originator_id"


async def test_after_a_crash_of_the_database_policies_go_on_by_themselves(own_postgres: PostgresForTests) -> None:
    create_job_table(own_postgres.admin_url)
    notes = [note(n, "a", "twice", "b") for n in range(1, 21)]
    async with open_store(own_postgres.app_url) as opened:
        log = FromStore(opened)
        async with reacting(log, MIRROR, COUNT):
            await log.append(*notes)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.to_thread(own_postgres.start)
            await until(lambda: rows(own_postgres.admin_url, BEHIND) == [])
    assert dict(rows(own_postgres.admin_url, MIRRORS)) == {Mirror.id_of(each.id): 5 for each in notes}
    jobs = jobs_in(own_postgres.admin_url)
    assert [jobs[f"{notes[0].id}:{version}"] for version in (1, 2, 3, 4)] == [1, 1, 3, 1]
    assert sum(jobs.values()) == len(notes) * 6
    assert rows(own_postgres.admin_url, "SELECT FROM policy_quarantine") == []
